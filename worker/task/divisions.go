package task

import (
	"sync"

	"github.com/quern-engine/quern/worker/operator"
)

// Divisions are where slices of partitions begin, as attempts of a worker found: the next one that does a slice of the same rows
// need not read them for that. The zero value has none.
type Divisions struct {
	mu    sync.Mutex
	known []knownDivision // the oldest first
}

// mostDivisions bounds what is remembered: some rows for each.
const mostDivisions = 64

// divisionKey says which rows are divided, and into how many slices.
type divisionKey struct {
	run           string
	stage, from   int // who divides, and the stage that wrote the rows
	version       uint64
	partition, of int
}

type knownDivision struct {
	key      divisionKey
	division *operator.Division
}

// find is nil for a division that is not known.
func (d *Divisions) find(key divisionKey) *operator.Division {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, k := range d.known {
		if k.key == key {
			return k.division
		}
	}
	return nil
}

func (d *Divisions) add(key divisionKey, division *operator.Division) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.known) == mostDivisions {
		d.known = append(d.known[:0], d.known[1:]...)
	}
	d.known = append(d.known, knownDivision{key, division})
}
