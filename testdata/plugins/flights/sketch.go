package main

import (
	"slices"

	"github.com/quern-engine/quern/udf"
)

// delayP90 has a state that travels as JSON.
var delayP90 = udf.Fold[sketch, int64, *float64]{
	Update: func(s *sketch, delay int64) error { return s.add(floor(delay), 1) },
	Merge:  (*sketch).merge,
	Finish: (*sketch).p90,
}

// weightedMean has two arguments, and a state that travels as two columns.
var weightedMean = udf.Fold[sums, weighted, *float64]{
	Update: func(s *sums, row weighted) error {
		s.Sum, s.Weight = s.Sum+row.Value*row.Weight, s.Weight+row.Weight
		return nil
	},
	Merge: func(s, behind *sums) error {
		s.Sum, s.Weight = s.Sum+behind.Sum, s.Weight+behind.Weight
		return nil
	},
	Finish: func(s *sums) (*float64, error) {
		if s.Weight == 0 {
			return nil, nil
		}
		mean := s.Sum / s.Weight
		return &mean, nil
	},
}

const width = 5

func floor(delay int64) int64 {
	if delay < 0 {
		delay -= width - 1
	}
	return delay / width
}

// sketch counts flights by buckets of delay.
type sketch struct {
	Flights int64
	Buckets map[int64]int64
}

func (s *sketch) add(bucket, n int64) error {
	if s.Buckets == nil {
		s.Buckets = map[int64]int64{}
	}
	s.Buckets[bucket] += n
	s.Flights += n
	return nil
}

func (s *sketch) merge(behind *sketch) error {
	for bucket, n := range behind.Buckets {
		if err := s.add(bucket, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *sketch) p90() (*float64, error) {
	var buckets []int64
	for b := range s.Buckets {
		buckets = append(buckets, b)
	}
	slices.Sort(buckets)
	seen := int64(0)
	for _, b := range buckets {
		if seen += s.Buckets[b]; seen*10 >= s.Flights*9 {
			upper := float64((b + 1) * width)
			return &upper, nil
		}
	}
	return nil, nil
}

type weighted struct{ Value, Weight float64 }

type sums struct{ Sum, Weight float64 }
