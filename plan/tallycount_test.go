package plan

import (
	"fmt"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// The order in which numbers are added, and how they are divided among sums, does not show.
func TestExpansion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64Range(-1e300, 1e300), 1, 40).Draw(t, "values")
		var forward, backward Expansion
		parts := []Stratum{{Sums: []Expansion{nil}}, {Sums: []Expansion{nil}}, {Sums: []Expansion{nil}}}
		for i, v := range values {
			forward = forward.Add(v).AddTimes(v/2, 3)
			w := values[len(values)-1-i]
			backward = backward.AddTimes(w/2, 1).Add(w).AddTimes(w/2, 2)
			p := &parts[i%3].Sums[0]
			*p = p.Add(v).AddTimes(v/2, 3)
		}
		together := parts[2].add(parts[0]).add(parts[1]).Sums[0]
		if a, b, c := forward.Value(), backward.Value(), together.Value(); a != b || a != c {
			t.Fatalf("sums of %v: %v, %v and %v", values, a, b, c)
		}
	})
	var e Expansion
	for _, x := range []float64{1e16, 1, -1e16, math.NaN(), math.Inf(1), 0.5} {
		e = e.Add(x)
	}
	if e.Value() != 1.5 {
		t.Errorf("the sum is %v, not 1.5", e.Value())
	}
	if v := (Expansion{}).AddTimes(0.1, 10).Value(); v != 1 {
		t.Errorf("ten times 0.1 is %v", v)
	}
}

func TestTallyCountAdd(t *testing.T) {
	key := func(s string) []*string { return []*string{&s} }
	stratum := func(k []*string, rows, where int64) Stratum {
		return Stratum{Key: k, Rows: rows, Where: []int64{where}, Sums: []Expansion{{float64(rows)}}}
	}
	a := NewTallyCount(3, []Stratum{stratum(key("b"), 5, 1), stratum(key("a"), 2, 2)}, false)
	b := NewTallyCount(3, []Stratum{stratum([]*string{nil}, 1, 0), stratum(key("b"), 4, 3)}, false)
	want := TallyCount{Place: 3, Strata: []Stratum{stratum([]*string{nil}, 1, 0), stratum(key("a"), 2, 2), stratum(key("b"), 9, 4)}}
	for _, got := range []TallyCount{a.Add(b), b.Add(a)} {
		if !reflect.DeepEqual(got, want) {
			t.Errorf("the sum is %+v, not %+v", got, want)
		}
	}
	if !reflect.DeepEqual(a.Strata, []Stratum{stratum(key("a"), 2, 2), stratum(key("b"), 5, 1)}) {
		t.Errorf("adding has changed a count: %+v", a)
	}

	// Too many strata become one, whichever count has them.
	var many []Stratum
	for i := range MostStrata {
		many = append(many, stratum(key(fmt.Sprint("k", i)), 1, 1))
	}
	m := NewTallyCount(3, many, false)
	for _, got := range []TallyCount{m.Add(a), a.Add(m), NewTallyCount(3, append(many, a.Strata...), false)} {
		if !got.Merged || len(got.Strata) != 1 || got.Strata[0].Rows != MostStrata+7 || got.Strata[0].Sums[0].Value() != MostStrata+7 || got.Strata[0].Key != nil {
			t.Errorf("the sum is %+v", got)
		}
	}
	if p := a.Add(TallyCount{Place: 3, Partial: true}); !p.Partial {
		t.Error("a part of the rows counts as all")
	}
}

// What is counted is what each task sees once: not below a limit, nor where several tasks may read the same.
func TestStageTallied(t *testing.T) {
	read := func(stage int, broadcast bool) *Node {
		return &Node{Op: NodeShuffleRead, ShuffleRead: &ShuffleRead{Stage: stage, Broadcast: broadcast}}
	}
	tally := func(number int, in *Node) *Node {
		return &Node{Op: NodeTally, Tally: &Tally{Number: number}, Inputs: []*Node{in}}
	}
	join := func(left, right *Node) *Node { return &Node{Op: NodeJoin, Join: &Join{}, Inputs: []*Node{left, right}} }
	root := tally(1, join(tally(2, read(0, false)), tally(3, read(1, false))))
	for _, c := range []struct {
		stage Stage
		want  string
	}{
		{Stage{Root: root}, "[0:1 2:2 4:3]"},
		{Stage{Root: root, Adapt: &Adapt{Inputs: []AdaptInput{{Stage: 0}}}}, "[0:1 2:2 4:3]"},
		{Stage{Root: root, Adapt: &Adapt{Inputs: []AdaptInput{{Stage: 0, Splits: true}}}}, "[0:1 2:2]"},
		{Stage{Root: join(tally(2, read(0, false)), tally(3, read(1, true)))}, "[1:2]"},
		{Stage{Root: tally(1, &Node{Op: NodeLimit, Limit: &Limit{}, Inputs: []*Node{tally(2, read(0, false))}})}, "[0:1]"},
		{Stage{Root: &Node{Op: NodeAsofJoin, AsofJoin: &AsofJoin{Tally: 7}, Inputs: []*Node{read(0, false), tally(8, read(1, false))}}}, "[0:7 2:8]"},
	} {
		var got []string
		c.stage.Tallied(func(place int, t Tally) { got = append(got, fmt.Sprintf("%d:%d", place, t.Number)) })
		if fmt.Sprint(got) != c.want {
			t.Errorf("%+v: %v are counted, not %s", c.stage, got, c.want)
		}
	}
}
