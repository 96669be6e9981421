package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// eventWindows brings rows and events of equal keys into one task, both sorted by keys and time. Rows that lie and come so
// already, as above other windows of the same keys and time, stay as they are.
func (c *cutter) eventWindows(n *logical.EventWindows) (fragment, error) {
	parts := c.timedPartitions(n, n.Left, n.Events, n.LeftKeys)
	left, err := c.build(n.Left)
	if err != nil {
		return left, err
	}
	left, rowPlaces, err := keyColumns(left, append(slices.Clone(n.LeftKeys), n.LeftTime))
	if err != nil {
		return left, err
	}
	events, err := c.build(n.Events)
	if err != nil {
		return events, err
	}
	wanted := slices.Concat(n.EventKeys, []*plan.Expr{n.EventTime}, n.Ties)
	order := len(wanted)
	if n.Available != nil {
		wanted = append(wanted, n.Available)
	}
	for _, f := range n.Features {
		wanted = append(append(wanted, callColumns(f.AggCall)...), f.DedupeBy...)
	}
	events, places, err := keyColumns(events, wanted)
	if err != nil {
		return events, err
	}
	keys := len(n.LeftKeys)
	payload := &plan.EventWindows{
		LeftKeys: rowPlaces[:keys:keys], LeftTime: rowPlaces[keys], EventKeys: places[:keys:keys], EventTime: places[keys],
		Latency: n.Latency, Windows: n.Windows,
	}
	sorted := places[:order:order]
	places = places[order:]
	if n.Available != nil {
		payload.Available, places = places[0]+1, places[1:]
	}
	for _, f := range n.Features {
		x := plan.EventFeature{Window: f.Window, Empty: f.Empty}
		x.Agg, places = placedCall(f.AggCall, places)
		x.DedupeBy, places = places[:len(f.DedupeBy):len(f.DedupeBy)], places[len(f.DedupeBy):]
		payload.Features = append(payload.Features, x)
	}
	needed := append(slices.Clone(payload.EventKeys), payload.EventTime)
	if payload.Available > 0 {
		needed = append(needed, payload.Available-1)
	}
	events = withoutNulls(events, needed)
	if left, events, err = c.meetInTime(left, events, payload.LeftKeys, payload.EventKeys, parts); err != nil {
		return left, err
	}
	left = left.sort(ascending(rowPlaces), 0)
	events = events.sort(ascending(sorted), 0)
	return withFeatures(n, left, events, payload), nil
}

func withFeatures(n *logical.EventWindows, left, events fragment, payload *plan.EventWindows) fragment {
	schema := plan.Schema{Fields: slices.Clone(left.schema().Fields)}
	ids := slices.Clone(left.ids)
	for _, f := range n.Features {
		schema.Fields, ids = append(schema.Fields, f.Field), append(ids, f.ID)
	}
	out := left.each(func(root *plan.Node) *plan.Node {
		return &plan.Node{
			Op: plan.NodeEventWindows, Schema: schema, Inputs: []*plan.Node{root, events.parts[0].root}, EventWindows: payload,
		}
	})
	out.ids = ids
	return trimHidden(out, n.Columns())
}
