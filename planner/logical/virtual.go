package logical

// The virtual columns of a scan, which the reader makes, stand in Scan.Ordinals as these numbers: which file a row is
// from, and its number in that file.
const (
	OrdinalFile = -1
	OrdinalRow  = -2
)
