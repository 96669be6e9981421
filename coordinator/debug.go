package coordinator

import (
	"fmt"
	"net/http"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

// debugState answers with what this coordinator has applied, whether it leads or not: equal indexes must have equal hashes.
func (c *Coordinator) debugState(w http.ResponseWriter, _ *http.Request) error {
	var copied *state.Machine
	c.node.Read(func(m *state.Machine) { copied = m.Copy() })
	hash, err := copied.Hash()
	if err != nil {
		return fmt.Errorf("hash the state: %w", err)
	}
	writeJSON(w, http.StatusOK, api.DebugState{ID: c.options.ID, Term: c.node.Term(), Index: copied.Index(), Hash: hash})
	return nil
}
