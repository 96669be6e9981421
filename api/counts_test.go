package api

import (
	"fmt"
	"reflect"
	"testing"
)

// Counters are summed up by name, in order, without a change to what was added; there are only so many.
func TestCountersAdd(t *testing.T) {
	a := Counts{Counters: []Counter{{"b", 1}, {"d", 2}}}
	sum := a
	sum.Add(Counts{Counters: []Counter{{"a", 3}, {"d", 4}, {"e", 5}}})
	if want := []Counter{{"a", 3}, {"b", 1}, {"d", 6}, {"e", 5}}; !reflect.DeepEqual(sum.Counters, want) {
		t.Errorf("got %v, want %v", sum.Counters, want)
	}
	if want := []Counter{{"b", 1}, {"d", 2}}; !reflect.DeepEqual(a.Counters, want) {
		t.Errorf("what was there is now %v", a.Counters)
	}
	for i := range 2 * MaxCounters {
		sum.Add(Counts{Counters: []Counter{{fmt.Sprintf("f%03d", i), 1}}})
	}
	if n := len(sum.Counters); n != MaxCounters || sum.Counters[3].Name != "e" {
		t.Errorf("%d counters, and the fourth is %v", n, sum.Counters[3])
	}
}
