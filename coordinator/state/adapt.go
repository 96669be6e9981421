package state

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Made is what an attempt that succeeded has made, as far as the log needs to know.
type Made struct {
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"`
	// Sum stands for the rows of all partitions, so that two executions can be compared.
	Sum [2]uint64 `json:"sum,omitzero"`
	// Parts is the rows of each partition, and Heavy the partitions with many. For readers that adapt.
	Parts []int64     `json:"parts,omitempty"`
	Heavy []HeavyPart `json:"heavy,omitempty"`
	// Keys have many of all the rows, the most frequent first. For people.
	Keys []api.KeyRows `json:"keys,omitempty"`
}

// Condense makes a report fit for the log: a list of partitions becomes what is kept of it. A report that makes no sense
// is left as it is, for Apply to say so.
func (m *Machine) Condense(c *Report) {
	r := m.runs[c.Report.Run]
	if r == nil || c.Report.Failure != nil {
		return
	}
	s, t := r.task(c.Report.TaskID)
	if t == nil || s.malformed(c) != "" {
		return
	}
	c.Made = s.made(c.Report, r.heavy(c.Report.Stage))
	if s.Facts != nil {
		c.Made.Keys = toldKeys(c.Report.Partitions, c.Made.Rows)
	}
	c.Report.Partitions = nil
}

// made sums up a report.
func (s *stage) made(r api.Report, heavy int64) *Made {
	m := &Made{}
	if f := r.File; f != nil {
		m.Rows, m.Bytes = f.Rows, f.Bytes
		return m
	}
	m.Sum = fingerprint(r.Partitions)
	for i, p := range r.Partitions {
		m.Rows += p.Rows
		m.Bytes += p.Bytes
		if s.sized {
			m.Parts = append(m.Parts, p.Rows)
			if p.Rows >= heavy {
				m.Heavy = append(m.Heavy, HeavyPart{Partition: i, Rows: p.Rows, Keys: withoutValues(p.Keys[:min(len(p.Keys), mostKeys)])})
			}
		}
	}
	return m
}

// fingerprint sums up the rows of a map output so that two executions can be compared. The bytes are left out: they
// may differ with the layout.
func fingerprint(partitions []api.PartitionInfo) [2]uint64 {
	h := sha256.New()
	var rows [8]byte
	for _, p := range partitions {
		binary.LittleEndian.PutUint64(rows[:], uint64(p.Rows))
		h.Write(rows[:])
		h.Write([]byte(p.Checksum))
	}
	sum := h.Sum(nil)
	return [2]uint64{binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:])}
}

// heavy is the number of rows from which on a partition of one map task's output is remembered by itself: three quarters of what
// each map task would have of a partition that is as large as a task of the reader should be. Larger partitions are the only
// ones that are ever divided, so what is remembered grows with the rows and not with the number of map tasks times partitions.
func (r *run) heavy(stage int) int64 {
	least := int64(1) << 62
	for _, s := range r.Stages {
		if s.Adapt == nil || s.Adapted {
			continue
		}
		for _, in := range s.Adapt.Inputs {
			if in.Stage == stage && (in.Splits || s.Adapt.Shares) {
				rows := s.Adapt.Target / max(1, in.RowBytes)
				least = min(least, max(1, rows*3/4/int64(r.Stages[stage].Tasks)))
			}
		}
	}
	return least
}

// waits reports a stage whose tasks are to be divided anew before the first is granted.
func (s *stage) waits() bool { return s.Adapt != nil && !s.Adapted }

// Sizes is what is known of the inputs of a stage that is to be adapted.
type Sizes struct {
	Run    string
	Stage  int
	Tasks  int // as planned: one for each partition
	Rule   plan.Adapt
	Inputs []InputSizes // of Rule.Inputs
}

// InputSizes is what map tasks wrote for a stage.
type InputSizes struct {
	Stage int
	Rows  []int64       // by partition
	Made  []int64       // rows by map task
	Heavy [][]HeavyPart // by map task
}

// Adaptable lists the stages that are ready but for a decision on their tasks.
func (m *Machine) Adaptable() []Sizes {
	var list []Sizes
	for _, r := range m.doc.Runs {
		if !r.live() {
			continue
		}
		for i, s := range r.Stages {
			if s.waits() && r.ready(i) {
				list = append(list, r.sizes(i))
			}
		}
	}
	return list
}

func (r *run) sizes(i int) Sizes {
	s := r.Stages[i]
	z := Sizes{Run: r.ID, Stage: i, Tasks: s.Tasks, Rule: *s.Adapt}
	for _, in := range s.Adapt.Inputs {
		from := r.Stages[in.Stage]
		sizes := InputSizes{
			Stage: in.Stage, Rows: slices.Clone(from.Parts), Made: make([]int64, len(from.List)), Heavy: make([][]HeavyPart, len(from.List)),
		}
		for j := range from.List {
			sizes.Made[j] = from.List[j].Commit.Rows
			if x := from.List[j].Extra; x != nil {
				sizes.Heavy[j] = x.Heavy
			}
		}
		z.Inputs = append(z.Inputs, sizes)
	}
	return z
}

func (a *applier) adapt(c *AdaptStage) {
	r := a.runs[c.RunID]
	if r == nil || !r.live() || c.Stage < 0 || c.Stage >= len(r.Stages) {
		a.reject()
		return
	}
	s := r.Stages[c.Stage]
	switch {
	case s.Adapted:
		a.repeat()
	case !s.waits() || !r.ready(c.Stage) || len(c.Tasks) > maxTasks || slices.ContainsFunc(c.Tasks, func(p []Part) bool { return !s.reads(p) }):
		a.reject()
	default:
		s.Adapted, s.Layout, s.Note = true, c.Tasks, c.Note
		if len(c.Tasks) > 0 {
			s.Tasks, s.List, s.cursor = len(c.Tasks), make(taskList, len(c.Tasks)), 0
		}
		r.derive() // what only this stage wanted to know of its inputs is not kept any longer
		r.forgetSizes()
		a.touch(r)
		a.event(Event{Kind: EventStageAdapted, Run: r.ID, Stage: c.Stage, Message: c.Note})
	}
}

// reads reports that a task's parts are of the inputs that adapt, each once.
func (s *stage) reads(parts []Part) bool {
	if len(parts) != len(s.Adapt.Inputs) {
		return false
	}
	for i, p := range parts {
		if p.Stage != s.Adapt.Inputs[i].Stage || p.From < 0 || p.To <= p.From {
			return false
		}
	}
	return true
}

// forgetSizes drops what nobody will ask for any more.
func (r *run) forgetSizes() {
	for _, s := range r.Stages {
		if s.sized || s.Parts == nil {
			continue
		}
		s.Parts = nil
		for i := range s.List {
			if x := s.List[i].Extra; x != nil {
				x.Heavy = nil
			}
		}
	}
}
