package stage

import (
	"maps"
	"slices"

	"github.com/quern-engine/quern/plan"
)

// inShards has the rows of an output lie in its shards already where they lie by the hash of the columns that shards go by: the
// stages below put them there by the hash of shards, and no row is moved twice. Only where there are no fewer shards than there
// would be tasks, so that no work waits for others'. Such a stage does not adapt.
func (c *cutter) inShards(f fragment, o *Output) (fragment, bool, error) {
	places, ok := keyPlaces(f, o)
	if !ok || f.parts[0].tasks > o.Shards || f.parts[0].splits != nil {
		return f, false, nil
	}
	moved, ok := c.exchanges(f.parts[0], len(places))
	if !ok {
		return f, false, nil
	}
	for _, id := range slices.Sorted(maps.Keys(moved)) {
		s := *c.stages[id]
		s.ID = 0
		s.Sink.Hash, s.Sink.Partitions, s.Sink.Keys = plan.HashShard, o.Shards, nil
		for _, at := range places {
			s.Sink.Keys = append(s.Sink.Keys, c.stages[id].Sink.Keys[at])
		}
		var err error
		if moved[id], err = c.keep(&s); err != nil {
			return f, false, err
		}
	}
	f.parts = []part{{root: rereading(f.parts[0].root, moved), tasks: o.Shards}}
	return f, true, nil
}

// keyPlaces is which key of the exchanges below each column is that shards go by; false where they are not the same.
func keyPlaces(f fragment, o *Output) (places []int, ok bool) {
	if o.Placed || len(f.parts) != 1 || len(o.ShardBy) == 0 || len(o.ShardBy) != len(f.hashed) {
		return nil, false
	}
	for _, c := range o.ShardBy {
		at := slices.IndexFunc(f.hashed, func(ids []int) bool { return f.ids[c] != hidden && slices.Contains(ids, f.ids[c]) })
		if at < 0 || slices.Contains(places, at) {
			return nil, false
		}
		places = append(places, at)
	}
	return places, true
}

// exchanges are the stages whose partitions a part reads; false where one is not divided by the hash of so many keys, or is read
// by others, for which it would be done twice.
func (c *cutter) exchanges(p part, keys int) (ids map[int]int, ok bool) {
	ids, ok = map[int]int{}, true
	whole := map[int]bool{}
	p.root.Walk(func(n *plan.Node) {
		if n.Op != plan.NodeShuffleRead {
			return
		}
		if n.ShuffleRead.Broadcast {
			whole[n.ShuffleRead.Stage] = true
			return
		}
		sink := c.stages[n.ShuffleRead.Stage].Sink
		ok = ok && sink.Hash == plan.HashExchange && sink.Partitions == p.tasks && len(sink.Keys) == keys
		ids[n.ShuffleRead.Stage] = 0
	})
	for id := range ids {
		ok = ok && !whole[id] && !slices.ContainsFunc(c.stages, func(s *plan.Stage) bool { return slices.Contains(s.Inputs, id) })
	}
	return ids, ok && len(ids) > 0
}

// rereading is a tree that reads other stages in the place of some.
func rereading(n *plan.Node, stages map[int]int) *plan.Node {
	c := *n
	c.Inputs = nil
	for _, in := range n.Inputs {
		c.Inputs = append(c.Inputs, rereading(in, stages))
	}
	if n.Op == plan.NodeShuffleRead {
		if id, ok := stages[n.ShuffleRead.Stage]; ok {
			c.ShuffleRead = &plan.ShuffleRead{Stage: id, Broadcast: n.ShuffleRead.Broadcast}
		}
	}
	return &c
}

// used leaves out stages that no target needs, and numbers the others anew.
func used(stages []*plan.Stage, last []int) ([]*plan.Stage, []int) {
	needed := make([]bool, len(stages))
	for _, id := range last {
		needed[id] = true
	}
	for id := len(stages) - 1; id >= 0; id-- { // a stage comes after those that it reads
		if needed[id] {
			for _, in := range stages[id].Inputs {
				needed[in] = true
			}
		}
	}
	if !slices.Contains(needed, false) {
		return stages, last
	}
	numbers, kept := map[int]int{}, []*plan.Stage(nil)
	for id, s := range stages {
		if needed[id] {
			numbers[id] = len(kept)
			kept = append(kept, renumberedStage(s, len(kept), numbers))
		}
	}
	for i := range last {
		last[i] = numbers[last[i]]
	}
	return kept, last
}

func renumberedStage(s *plan.Stage, id int, numbers map[int]int) *plan.Stage {
	c := *s
	c.ID, c.Root, c.Inputs = id, rereading(s.Root, numbers), slices.Clone(s.Inputs)
	for i, in := range c.Inputs {
		c.Inputs[i] = numbers[in]
	}
	if s.Adapt != nil {
		a := *s.Adapt
		a.Inputs = slices.Clone(a.Inputs)
		for i := range a.Inputs {
			a.Inputs[i].Stage = numbers[a.Inputs[i].Stage]
		}
		c.Adapt = &a
	}
	return &c
}
