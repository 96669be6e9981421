package state

import (
	"encoding/json"
	"fmt"

	"github.com/quern-engine/quern/plan"
)

// documentVersion is the version of snapshots, as EntryVersion is that of entries.
const documentVersion = 1

// Snapshot is the whole state, encoded deterministically.
func (m *Machine) Snapshot() ([]byte, error) {
	data, err := json.Marshal(m.doc)
	if err != nil {
		return nil, fmt.Errorf("encode state: %w", err)
	}
	return data, nil
}

// Hash names the state: machines that have applied the same log have the same.
func (m *Machine) Hash() (string, error) {
	data, err := m.Snapshot()
	return plan.Digest(data), err
}

// Index is the log index of the last entry that was applied.
func (m *Machine) Index() uint64 { return m.doc.Index }

// Restore is the machine that a snapshot was made of.
func Restore(data []byte) (*Machine, error) {
	m := New()
	if err := json.Unmarshal(data, &m.doc); err != nil {
		return nil, fmt.Errorf("decode state: %w", err)
	}
	if v := m.doc.Version; v < 1 || v > documentVersion {
		return nil, fmt.Errorf("state of version %d; this build reads up to version %d: upgrade this coordinator", v, documentVersion)
	}
	for _, w := range m.doc.Workers {
		m.workers[w.ID] = w
	}
	for _, r := range m.doc.Runs {
		m.runs[r.ID] = r
		for _, s := range r.Stages {
			s.derive()
		}
	}
	return m, nil
}

// derive computes what a snapshot leaves out.
func (s *stage) derive() {
	s.cursor = len(s.List)
	for i, t := range s.List {
		switch t.State {
		case taskRunning:
			s.running++
		case taskPending:
			s.cursor = min(s.cursor, i)
		}
	}
	if s.complete() && len(s.List) > 0 {
		s.weigh()
	}
}
