package state

import (
	"encoding/json"
	"fmt"
	"slices"

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
		w.runs = map[string]*run{}
	}
	for _, r := range m.doc.Runs {
		m.runs[r.ID] = r
		r.derive()
		m.journals += r.Journal.size()
		m.logs += r.logged()
		for _, w := range r.Workers {
			if known := m.workers[w.ID]; known != nil {
				known.runs[r.ID] = r
			}
		}
	}
	return m, nil
}

// Copy is the state as it is now, for encoding while the machine goes on: nothing else may be done with it.
func (m *Machine) Copy() *Machine {
	c := &Machine{doc: m.doc}
	c.doc.Runs = make([]*run, len(m.doc.Runs))
	for i, r := range m.doc.Runs {
		c.doc.Runs[i] = r.copied()
	}
	c.doc.Workers = make([]*worker, len(m.doc.Workers))
	for i, w := range m.doc.Workers {
		k := *w
		k.Attempts, k.runs = slices.Clone(w.Attempts), nil
		c.doc.Workers[i] = &k
	}
	return c
}

// EntryVersion is the newest version of log entries that was applied, of those that say so; 0 for older ones.
func (m *Machine) EntryVersion() int { return m.doc.Entries }
