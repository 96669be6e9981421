package stats

import "github.com/quern-engine/quern/compute/hash"

// sampleRows is half the most rows of a sample.
const sampleRows = 1024

// sampler picks one row from each block of step rows. When it has picked twice sampleRows, it keeps one of each two and
// doubles the step. Which, follows from the numbers of the blocks alone.
type sampler struct {
	step int64
	row  int64 // the next
}

func newSampler() sampler { return sampler{step: 1} }

// room is how many rows can be looked at before the sample is full.
func (s *sampler) room() int64 { return 2*sampleRows*s.step - s.row }

func (s *sampler) full() bool { return s.room() == 0 }

// pick lists which of the next n rows, counted from 0, are in the sample.
func (s *sampler) pick(dst []int32, n int64) []int32 {
	end := s.row + n
	for block := s.row / s.step; block*s.step < end; block++ {
		at := block*s.step + int64(hash.Mix(uint64(block)*uint64(s.step+1))&uint64(s.step-1))
		if at >= s.row && at < end {
			dst = append(dst, int32(at-s.row))
		}
	}
	s.row = end
	return dst
}

// thin lists the places in the sample that stay.
func (s *sampler) thin() []int32 {
	keep := make([]int32, 0, sampleRows)
	for i := range int32(sampleRows) {
		keep = append(keep, 2*i+int32(hash.Mix(uint64(i)^uint64(s.step)<<32)&1))
	}
	s.step *= 2
	return keep
}
