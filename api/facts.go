package api

import (
	"cmp"
	"slices"
)

// AttemptFacts is where the time of an attempt went, as its worker saw it. Times are nanoseconds; what is left of the
// attempt's seconds its operators worked.
type AttemptFacts struct {
	Slot   int64 `json:"slot,omitempty"`   // until its slot was free
	Fetch  int64 `json:"fetch,omitempty"`  // for map outputs of other workers to arrive
	Read   int64 `json:"read,omitempty"`   // in scans: reading inputs and decoding them
	Write  int64 `json:"write,omitempty"`  // writing map outputs and files
	Plugin int64 `json:"plugin,omitempty"` // for plugin functions to answer, of calls at the same time the sum
	Memory int64 `json:"memory,omitempty"` // bytes that it might hold
	// Functions is what plugin functions were asked, by name; few.
	Functions []FunctionFacts `json:"functions,omitempty"`
}

// FunctionFacts is what a plugin function was asked.
type FunctionFacts struct {
	Name  string `json:"name"`
	Calls int64  `json:"calls"`
	Rows  int64  `json:"rows"`  // that it was given
	Nanos int64  `json:"nanos"` // until it had answered
}

// mostFunctions bounds the functions that facts tell of.
const mostFunctions = 32

// Add sums facts; of Memory it keeps the most.
func (f *AttemptFacts) Add(o *AttemptFacts) {
	if o == nil {
		return
	}
	f.Slot += o.Slot
	f.Fetch += o.Fetch
	f.Read += o.Read
	f.Write += o.Write
	f.Plugin += o.Plugin
	f.Memory = max(f.Memory, o.Memory)
	for _, fn := range o.Functions {
		f.addFunction(fn)
	}
}

func (f *AttemptFacts) addFunction(o FunctionFacts) {
	i, known := slices.BinarySearchFunc(f.Functions, o, func(a, b FunctionFacts) int { return cmp.Compare(a.Name, b.Name) })
	switch {
	case known:
		g := &f.Functions[i]
		g.Calls, g.Rows, g.Nanos = g.Calls+o.Calls, g.Rows+o.Rows, g.Nanos+o.Nanos
	case len(f.Functions) < mostFunctions:
		f.Functions = slices.Insert(f.Functions, i, o)
	}
}

// Spilled is how many bytes the operators have written to scratch files.
func (c *Counts) Spilled() int64 {
	n := int64(0)
	for _, o := range c.Operators {
		n += o.Spilled
	}
	return n
}

// Peak is the most bytes of memory that an operator held at once.
func (c *Counts) Peak() int64 {
	n := int64(0)
	for _, o := range c.Operators {
		n = max(n, o.Peak)
	}
	return n
}
