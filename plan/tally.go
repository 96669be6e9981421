package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Step is a step of the job file: what it is, and what is counted of it.
type Step struct {
	Name     string   `json:"name"`
	Operator string   `json:"operator"` // "sql", or the name of the operator
	Reads    []string `json:"reads"`    // sources and earlier steps, by name
	// Definition is the digest of what the step says: the operator and its options, or the text of its SQL.
	Definition string `json:"definition"`
	// Watermark is that of the events that labels are made from, as text; empty for other steps.
	Watermark string `json:"watermark,omitempty"`
	// Tallies are what is counted: a NodeTally, or a NodeAsofJoin, names one by its number.
	Tallies []TallyInfo `json:"tallies,omitempty"`
}

// TallyInfo says what the counts of a tally are called. Names are RowsIn, RowsOut, or what a step calls them; rows that have no
// name are not told.
type TallyInfo struct {
	Number int    `json:"number"` // from 1, unique in the job
	All    string `json:"all,omitempty"`
	// Where goes with the conditions of the tally, and Else names, where it is not empty, the rows for which one does not hold.
	Where []string `json:"where,omitempty"`
	Else  []string `json:"else,omitempty"`
	// Ledger says that the counts are those of a sample: By names the columns that tell strata apart, the last one being the
	// rate if Rated; Strata are names for strata by number. Where rates are constants, Rates has them by number too, and a row that
	// is kept weighs one over its rate.
	Ledger bool      `json:"ledger,omitempty"`
	By     []string  `json:"by,omitempty"`
	Rated  bool      `json:"rated,omitempty"`
	Strata []string  `json:"strata,omitempty"`
	Rates  []float64 `json:"rates,omitempty"`
}

// The names of rows that every step may have.
const (
	RowsIn  = "rows_in"
	RowsOut = "rows"
)

// Tally passes its input on and counts it: all rows, those for which conditions hold, and sums, all together or by strata.
type Tally struct {
	Step   string `json:"step"`
	Number int    `json:"number"` // of a TallyInfo
	// A tally over a union counts each branch by itself: it is Part, from 0, of Parts; 0 stands for 1.
	Part  int `json:"part,omitempty"`
	Parts int `json:"parts,omitempty"`

	By    []int `json:"by,omitempty"`
	Where []int `json:"where,omitempty"` // boolean columns
	Sums  []int `json:"sums,omitempty"`  // columns of doubles
}

// MostStrata is how many strata a tally tells apart; where there are more, it does not divide rows at all.
const MostStrata = 1000

func (t *Tally) validate(fields []Field) error {
	if t == nil || t.Number < 1 {
		return fmt.Errorf("%s without its payload", NodeTally)
	}
	if err := checkOrdinals("tally column", slices.Concat(t.By, t.Where, t.Sums), len(fields)); err != nil {
		return err
	}
	for _, c := range t.Where {
		if fields[c].Type.Kind != KindBoolean {
			return fmt.Errorf("tally counts where %s, which is %s", fields[c].Name, fields[c].Type)
		}
	}
	for _, c := range t.Sums {
		if fields[c].Type.Kind != KindFloat64 {
			return fmt.Errorf("tally sums %s, which is %s", fields[c].Name, fields[c].Type)
		}
	}
	return nil
}

func (n *Node) tallyText() string {
	t, in := n.Tally, n.Inputs[0].Schema
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d", t.Step, t.Number)
	for _, list := range []struct {
		what string
		cols []int
	}{{"by", t.By}, {"where", t.Where}, {"sum", t.Sums}} {
		if len(list.cols) > 0 {
			fmt.Fprintf(&b, " %s=[%s]", list.what, columnNames(in, list.cols))
		}
	}
	return b.String()
}

// Tallied calls visit for each node of a stage that counts all rows of its place exactly once, whatever the memory, the sizes of
// batches and the division of the stage into tasks: with its place in the tree, parents first, and what it counts.
// Below a limit, or what a plugin does, an operator may stop to read; what a stage that adapts reads beside the rows that stream through it may be read by
// several tasks.
func (s *Stage) Tallied(visit func(place int, t Tally)) {
	t := tallied{visit: visit, single: s.Tasks == 1}
	if s.Adapt != nil {
		t.shared = slices.ContainsFunc(s.Adapt.Inputs, func(in AdaptInput) bool { return in.Splits || in.Slices })
	}
	t.node(s.Root, true)
}

type tallied struct {
	visit  func(place int, t Tally)
	single bool // one task does all
	shared bool // what does not stream may be read several times
	place  int
}

func (t *tallied) node(n *Node, exact bool) {
	place := t.place
	t.place++
	switch {
	case !exact:
	case n.Tally != nil:
		t.visit(place, *n.Tally)
	case n.AsofJoin != nil && n.AsofJoin.Tally > 0:
		t.visit(place, Tally{Number: n.AsofJoin.Tally})
	}
	for i, in := range n.Inputs {
		below := exact && n.Op != NodeLimit && n.Op != NodePluginTable && !(t.shared && n.Op == NodeWindow) // slices are read with what is around them
		if i > 0 && n.Op != NodeUnion {
			below = below && !t.shared && (t.single || in.partitioned())
		}
		t.node(in, below)
	}
}

// partitioned reports that each task reads rows of its own below a node.
func (n *Node) partitioned() bool {
	own := true
	n.Walk(func(x *Node) {
		own = own && (len(x.Inputs) > 0 || x.Op == NodeScan || x.readsPartition())
	})
	return own
}
