package schedule

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// input is what map tasks wrote: rows by map task and partition, those of at least heavy rows told.
func input(stage int, heavy int64, rows ...[]int64) state.InputSizes {
	in := state.InputSizes{Stage: stage, Rows: make([]int64, len(rows[0])), Made: make([]int64, len(rows)), Heavy: make([][]state.HeavyPart, len(rows))}
	for m, parts := range rows {
		for p, n := range parts {
			in.Rows[p] += n
			in.Made[m] += n
			if n >= heavy {
				in.Heavy[m] = append(in.Heavy[m], state.HeavyPart{Partition: p, Rows: n})
			}
		}
	}
	return in
}

func sizes(target int64, splits bool, inputs ...state.InputSizes) state.Sizes {
	z := state.Sizes{Run: "r", Stage: 9, Tasks: len(inputs[0].Rows), Rule: plan.Adapt{Target: target}, Inputs: inputs}
	for i, in := range inputs {
		z.Rule.Inputs = append(z.Rule.Inputs, plan.AdaptInput{Stage: in.Stage, RowBytes: 1, Splits: splits && i == 0})
	}
	return z
}

// sliced has tasks do slices of the first input's rows.
func sliced(z state.Sizes) state.Sizes {
	z.Rule.Inputs[0].Slices = true
	return z
}

// shared has tasks do shares of the keys. In partition 1 keys have so many rows of each input, in each of its map tasks.
func shared(z state.Sizes, keys ...[]int64) state.Sizes {
	z.Rule.Shares = true
	for i, rows := range keys {
		for m, list := range z.Inputs[i].Heavy {
			for j := range list {
				if list[j].Partition != 1 {
					continue
				}
				for k, n := range rows {
					list[j].Keys = append(list[j].Keys, api.KeyRows{Hash: uint64(k), Rows: n})
				}
			}
			z.Inputs[i].Heavy[m] = list
		}
	}
	return z
}

var slicesOf16 = func() string {
	var list []string
	for i := range 16 {
		list = append(list, fmt.Sprintf("0:1-2(%d/16)", i))
	}
	return strings.Join(list, " | ")
}()

func text(c state.AdaptStage) string {
	var out []string
	for _, parts := range c.Tasks {
		var task []string
		for _, p := range parts {
			s := fmt.Sprintf("%d:%d-%d", p.Stage, p.From, p.To)
			if p.Begin != (api.Position{}) || p.End != (api.Position{}) {
				s += fmt.Sprintf("[%d.%d,%d.%d)", p.Begin.Task, p.Begin.Row, p.End.Task, p.End.Row)
			}
			if p.Share.Of > 0 {
				s += fmt.Sprintf("{%d/%d}", p.Share.Number, p.Share.Of)
			}
			if p.Slice.Of > 0 {
				s += fmt.Sprintf("(%d/%d)", p.Slice.Number, p.Slice.Of)
			}
			task = append(task, s)
		}
		out = append(out, strings.Join(task, " "))
	}
	return strings.Join(out, " | ")
}

func TestAdapt(t *testing.T) {
	tests := []struct {
		name, want, note string
		z                state.Sizes
	}{
		{"sizes that fit stay", "", "", sizes(100, true, input(0, 1, []int64{50, 60, 40}))},
		{"small ones are read together", "0:0-3 | 0:3-4", "4 partitions read by 2 tasks", sizes(100, false, input(0, 1, []int64{4, 4, 4, 4}))},
		{"empty ones too", "0:0-4", "4 partitions read by 1 task", sizes(100, false, input(0, 1, []int64{0, 0, 0, 0}))},
		{"of all inputs together", "0:0-1 1:0-1 | 0:1-3 1:1-3", "3 partitions read by 2 tasks", sizes(100, false, input(0, 1, []int64{1, 1, 1}), input(1, 1, []int64{12, 5, 5}))},
		{"a large one is cut", "0:0-1 1:0-1 | 0:1-2[0.0,0.75) 1:1-2 | 0:1-2[0.75,1.0) 1:1-2 | 0:1-2[1.0,1.75) 1:1-2 | 0:1-2[1.75,0.0) 1:1-2 | 0:2-3 1:2-3", "partition 1, 3 times as large as others, cut in 4",
			sizes(100, true, input(0, 10, []int64{50, 150, 50}, []int64{40, 150, 40}), input(1, 1, []int64{9, 20, 9}))},
		{"unless its rows must stay together", "", "", sizes(100, false, input(0, 1, []int64{50, 300, 50}))},
		{"or is done in slices", "0:0-1 1:0-1 | 0:1-2(0/4) 1:1-2 | 0:1-2(1/4) 1:1-2 | 0:1-2(2/4) 1:1-2 | 0:1-2(3/4) 1:1-2 | 0:2-3 1:2-3", "partition 1, 3 times as large as others, done in 4 slices",
			sliced(sizes(100, false, input(0, 1, []int64{50, 100, 50}), input(1, 1, []int64{40, 200, 40})))},
		{"not too many", "0:0-1 | " + slicesOf16 + " | 0:2-3", "partition 1, 100 times as large as others, done in 16 slices", sliced(sizes(100, false, input(0, 1, []int64{90, 9000, 90})))},
		{"not where no rows are to be sliced", "", "", sliced(sizes(100, false, input(0, 1, []int64{50, 0, 50}), input(1, 1, []int64{40, 300, 40})))},
		{"between map tasks that did not tell", "0:0-1 | 0:1-2[0.0,1.0) | 0:1-2[1.0,2.0) | 0:1-2[2.0,0.0)", "partition 1, 3 times as large as others, cut in 3",
			sizes(60, true, input(0, 1000, []int64{30, 100}, []int64{30, 100}, []int64{40, 100}))},
		{"where no key has many rows, keys are divided", "0:0-1 | 0:1-2{0/4} | 0:1-2{1/4} | 0:1-2{2/4} | 0:1-2{3/4} | 0:2-3", "partition 1, 4 times as large as others, its keys divided among 4",
			shared(sizes(100, false, input(0, 1, []int64{50, 200, 50})))},
		{"the largest key bounds the shares", "0:0-1 | 0:1-2{0/3} | 0:1-2{1/3} | 0:1-2{2/3} | 0:2-3", "partition 1, 8 times as large as others, its keys divided among 3",
			shared(sizes(100, false, input(0, 1, []int64{25, 200, 25}, []int64{25, 200, 25})), []int64{10, 75})},
		{"half of the rows of one key are left together", "", "", shared(sizes(100, false, input(0, 1, []int64{50, 400, 50})), []int64{200})},
		{"of all inputs together", "", "", shared(sizes(100, false, input(0, 1, []int64{50, 200, 50}), input(1, 1, []int64{9, 200, 9})), []int64{10, 120}, []int64{150, 100})},
		{"what few tell is taken for all", "", "", shared(sizes(100, false, input(0, 100, []int64{25, 150, 25}, []int64{25, 50, 25})), []int64{80})},
		{"a frequent key is rather cut", "0:0-1 1:0-1 | 0:1-2[0.0,0.50) 1:1-2 | 0:1-2[0.50,0.100) 1:1-2 | 0:1-2[0.100,0.150) 1:1-2 | 0:1-2[0.150,0.0) 1:1-2 | 0:2-3 1:2-3", "partition 1, 4 times as large as others, cut in 4",
			shared(sizes(120, true, input(0, 1, []int64{50, 201, 50}), input(1, 1, []int64{14, 100, 14})), []int64{90})},
		{"and so are many keys beside little", "0:0-1 1:0-1 | 0:1-2[0.0,0.50) 1:1-2 | 0:1-2[0.50,0.100) 1:1-2 | 0:1-2[0.100,0.150) 1:1-2 | 0:1-2[0.150,0.0) 1:1-2 | 0:2-3 1:2-3", "partition 1, 3 times as large as others, cut in 4",
			shared(sizes(120, true, input(0, 1, []int64{50, 201, 50}), input(1, 1, []int64{14, 20, 14})))},
		{"not beside as much again", "0:0-1 1:0-1 | 0:1-2{0/5} 1:1-2{0/5} | 0:1-2{1/5} 1:1-2{1/5} | 0:1-2{2/5} 1:1-2{2/5} | 0:1-2{3/5} 1:1-2{3/5} | 0:1-2{4/5} 1:1-2{4/5} | 0:2-3 1:2-3",
			"partition 1, 4 times as large as others, its keys divided among 5", shared(sizes(120, true, input(0, 1, []int64{50, 201, 50}), input(1, 1, []int64{14, 100, 14})), []int64{60})},
		{"a frequent key is rather sliced", "0:0-1 1:0-1 | 0:1-2(0/4) 1:1-2 | 0:1-2(1/4) 1:1-2 | 0:1-2(2/4) 1:1-2 | 0:1-2(3/4) 1:1-2 | 0:2-3 1:2-3", "partition 1, 3 times as large as others, done in 4 slices",
			shared(sliced(sizes(100, false, input(0, 1, []int64{50, 100, 50}), input(1, 1, []int64{40, 200, 40}))), []int64{0}, []int64{100})},
		{"many keys are not", "0:0-1 1:0-1 | 0:1-2{0/4} 1:1-2{0/4} | 0:1-2{1/4} 1:1-2{1/4} | 0:1-2{2/4} 1:1-2{2/4} | 0:1-2{3/4} 1:1-2{3/4} | 0:2-3 1:2-3", "partition 1, 3 times as large as others, its keys divided among 4",
			shared(sliced(sizes(100, false, input(0, 1, []int64{50, 100, 50}), input(1, 1, []int64{40, 200, 40}))), []int64{50}, []int64{30})},
		{"a small side is read whole", "0:0-2[0.0,1.0) 1:0-2 | 0:0-2[1.0,2.0) 1:0-2 | 0:0-2[2.0,0.0) 1:0-2", "stage 1, 10 rows, read whole by each of 3 tasks",
			sizes(100, true, input(0, 10, []int64{80, 10}, []int64{80, 10}, []int64{80, 10}), input(1, 1, []int64{5, 5}))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Adapt(tt.z)
			if text(got) != tt.want || got.Note != tt.note {
				t.Errorf("got  %s (%s)\nwant %s (%s)", text(got), got.Note, tt.want, tt.note)
			}
		})
	}
}

// Every row of an input that splits is read once, together with all of the other's rows of its partition; where it does
// not split, each partition is read by one task.
func TestAdaptReadsEachRowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts, maps := rapid.IntRange(1, 6).Draw(t, "partitions"), rapid.IntRange(1, 5).Draw(t, "maps")
		draw := func(name string, maps int) [][]int64 {
			return rapid.SliceOfN(rapid.SliceOfN(rapid.Int64Range(0, 200), parts, parts), maps, maps).Draw(t, name)
		}
		left, right := draw("left", maps), draw("right", 1)
		splits := rapid.Bool().Draw(t, "splits")
		z := sizes(rapid.Int64Range(1, 400).Draw(t, "target"), splits, input(0, rapid.Int64Range(1, 100).Draw(t, "heavy"), left...), input(1, 1, right...))
		c := Adapt(z)
		if len(c.Tasks) == 0 {
			return
		}
		seen := make([][][]bool, parts) // by partition, map task and row of the left side
		for p := range seen {
			for m := range left {
				seen[p] = append(seen[p], make([]bool, left[m][p]))
			}
		}
		cut := make([]int, parts)
		for _, task := range c.Tasks {
			l, r := task[0], task[1]
			if r.Begin != (api.Position{}) || r.End != (api.Position{}) {
				t.Fatalf("the right side is cut: %s", text(c))
			}
			for p := l.From; p < l.To; p++ {
				if cut[p]++; p < r.From || p >= r.To {
					t.Fatalf("partition %d without the other side: %s", p, text(c))
				}
				for m := range left {
					for row := range seen[p][m] {
						if !within(l.Selection, m, int64(row)) {
							continue
						}
						if seen[p][m][row] {
							t.Fatalf("row %d of map %d of partition %d twice: %s", row, m, p, text(c))
						}
						seen[p][m][row] = true
					}
				}
			}
		}
		for p := range seen {
			if cut[p] == 0 || (!splits && cut[p] > 1) {
				t.Fatalf("partition %d is read by %d tasks: %s", p, cut[p], text(c))
			}
			for m := range seen[p] {
				if slices.Contains(seen[p][m], false) {
					t.Fatalf("rows of map %d of partition %d are missing: %s", m, p, text(c))
				}
			}
		}
	})
}

func within(s api.Selection, task int, row int64) bool {
	less := func(a, b api.Position) bool { return a.Task < b.Task || (a.Task == b.Task && a.Row < b.Row) }
	at := api.Position{Task: task, Row: row}
	return !less(at, s.Begin) && (s.End == (api.Position{}) || less(at, s.End))
}
