package worker

// memoryShares is what a worker's memory is for.
type memoryShares struct {
	tasks  int64 // what operators reserve from
	kept   int64 // map outputs that stay as batches
	builds int64 // build sides that wait for their next user
}

// shareMemory divides a worker's memory. A quarter is for what nobody reserves: pages being decoded and read ahead, frames
// on their way to and from disk, freed buffers waiting to be used again, the old half of what grows, and garbage until it
// is collected. Where live data fills all of the collector's limit, it collects all the time and passes it none the less.
func shareMemory(total int64, alone bool) memoryShares {
	m := memoryShares{builds: total / 16}
	m.tasks = total - total/4 - m.builds
	if alone {
		m.kept = total / 8
		m.tasks -= m.kept
	}
	return m
}
