package coordinator

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// manifestSource is what was read of a source, by all stages that scan it.
type manifestSource struct {
	Name     string `json:"name"`
	RowsRead int64  `json:"rows_read"`
}

// manifestStep is a step of the job file and what was counted of it. Counts are nil where the rows of a step were never all there by
// themselves.
type manifestStep struct {
	Name       string             `json:"name"`
	Operator   string             `json:"operator"`
	Reads      []string           `json:"reads"`
	Definition string             `json:"definition"` // SHA-256 of what the job file says of it
	RowsIn     *int64             `json:"rows_in,omitempty"`
	Rows       *int64             `json:"rows,omitempty"`
	Counts     map[string]int64   `json:"counts,omitempty"` // what else the step counts, by its own names
	Watermark  string             `json:"watermark,omitempty"`
	Ledger     []manifestSampling `json:"ledger,omitempty"`
}

// manifestSampling is a stratum of a sample.
type manifestSampling struct {
	Where string             `json:"where,omitempty"` // which rows: "keep", "rest", "all", or the condition of a rate
	By    map[string]*string `json:"by,omitempty"`    // their values in the columns that divide the strata; NULL is null
	Rate  *float64           `json:"rate,omitempty"`  // the probability with which each was kept, where it is one for all
	Seen  int64              `json:"seen"`
	Kept  int64              `json:"kept"`
	// Weight is the sum of the weights of the rows that were kept: it estimates Seen, or the sum of the base weights.
	Weight float64 `json:"weight"`
}

// name says which rows a stratum has.
func (l *manifestSampling) name() string {
	name := l.Where
	for _, column := range slices.Sorted(maps.Keys(l.By)) {
		value := "NULL"
		if v := l.By[column]; v != nil {
			value = *v
		}
		name += " " + column + "=" + value
	}
	return strings.TrimSpace(name)
}

func countSources(job *plan.Job, stages []api.Counts) []manifestSource {
	rows := map[string]int64{}
	for i, s := range job.Stages {
		s.Root.Walk(func(n *plan.Node) {
			if n.Op == plan.NodeScan && i < len(stages) {
				rows[n.Scan.Source] += stages[i].RowsRead
			}
		})
	}
	var out []manifestSource
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		out = append(out, manifestSource{name, rows[name]})
	}
	return out
}

func countSteps(job *plan.Job, stages []api.Counts) []manifestStep {
	found := countTallies(job, stages)
	var out []manifestStep
	for _, s := range job.Steps {
		m := manifestStep{Name: s.Name, Operator: s.Operator, Reads: s.Reads, Definition: s.Definition, Watermark: s.Watermark}
		for _, info := range s.Tallies {
			if t, ok := found[info.Number]; ok {
				m.take(info, t)
			}
		}
		out = append(out, m)
	}
	return out
}

// take names what a tally has counted.
func (m *manifestStep) take(info plan.TallyInfo, t plan.TallyCount) {
	all := plan.Stratum{Where: make([]int64, len(info.Where))}
	for _, s := range t.Strata {
		all.Rows += s.Rows
		for i := range all.Where {
			all.Where[i] += s.Where[i]
		}
	}
	m.set(info.All, all.Rows)
	for i, n := range all.Where {
		m.set(info.Where[i], n)
		m.set(info.Else[i], all.Rows-n)
	}
	if !info.Ledger {
		return
	}
	for _, s := range t.Strata {
		m.Ledger = append(m.Ledger, sampling(info, t, s))
	}
}

func (m *manifestStep) set(name string, n int64) {
	switch name {
	case "":
	case plan.RowsIn:
		m.RowsIn = &n
	case plan.RowsOut:
		m.Rows = &n
	default:
		if m.Counts == nil {
			m.Counts = map[string]int64{}
		}
		m.Counts[name] = n
	}
}

// sampling is a stratum of a ledger: its key is the number of its name, the columns, and the rate.
func sampling(info plan.TallyInfo, t plan.TallyCount, s plan.Stratum) manifestSampling {
	l := manifestSampling{Seen: s.Rows, Kept: s.Where[0]}
	if len(s.Sums) > 0 {
		l.Weight = s.Sums[0].Value()
	}
	if t.Merged {
		return l
	}
	if i, err := strconv.Atoi(*s.Key[0]); err == nil && i < len(info.Strata) {
		l.Where = info.Strata[i]
		if i < len(info.Rates) {
			l.Rate = &info.Rates[i]
			if *l.Rate > 0 {
				l.Weight = float64(l.Kept) * (1 / *l.Rate)
			}
		}
	}
	for i, name := range info.By {
		if l.By == nil {
			l.By = map[string]*string{}
		}
		l.By[name] = s.Key[1+i]
	}
	if info.Rated {
		if rate, err := strconv.ParseFloat(*s.Key[len(s.Key)-1], 64); err == nil {
			l.Rate = &rate
		}
	}
	return l
}

// countTallies finds the counts of the tallies by number. A step that is read in several places may be computed in several, less what
// each reader leaves out of it: then the place that saw most of it counts.
func countTallies(job *plan.Job, stages []api.Counts) map[int]plan.TallyCount {
	parts, wanted := map[int]map[int]plan.TallyCount{}, map[int]int{}
	for i, s := range job.Stages {
		s.Tallied(func(place int, t plan.Tally) {
			count, ok := countAt(stages, i, place)
			if !ok {
				return
			}
			if parts[t.Number] == nil {
				parts[t.Number] = map[int]plan.TallyCount{}
			}
			wanted[t.Number] = max(1, t.Parts)
			if best, ok := parts[t.Number][t.Part]; !ok || tallyRows(best) < tallyRows(count) {
				parts[t.Number][t.Part] = count
			}
		})
	}
	out := map[int]plan.TallyCount{}
	for number, found := range parts {
		if len(found) < wanted[number] {
			continue
		}
		var all plan.TallyCount
		for part := range wanted[number] {
			all = all.Add(found[part])
		}
		out[number] = all
	}
	return out
}

// countAt is what was counted at a place of a stage, if all of it was.
func countAt(stages []api.Counts, stage, place int) (plan.TallyCount, bool) {
	if stage >= len(stages) {
		return plan.TallyCount{}, false
	}
	for _, t := range stages[stage].Tallies {
		if t.Place == place {
			return t, !t.Partial
		}
	}
	return plan.TallyCount{}, false
}

func tallyRows(t plan.TallyCount) int64 {
	rows := int64(0)
	for _, s := range t.Strata {
		rows += s.Rows
	}
	return rows
}
