package assembly

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
)

// Snapshot is a catalog that looks each source up once, so that many jobs are planned over the same files, and a folder of many
// files is listed once for all of them. It must not outlive the work that it is for: what is written later, it does not see. It
// is safe for concurrent use if c is.
func Snapshot(c planner.Catalog) planner.Catalog {
	return &snapshot{Catalog: c, tables: map[string]*lookup{}}
}

type snapshot struct {
	planner.Catalog
	mu     sync.Mutex
	tables map[string]*lookup // by source; guarded by mu
}

// lookup is one look at a source.
type lookup struct {
	once  sync.Once
	table *plan.Table
	err   error
}

// Table implements planner.Catalog.
func (s *snapshot) Table(ctx context.Context, src plan.Source) (*plan.Table, error) {
	key, err := json.Marshal(src)
	if err != nil {
		return nil, fmt.Errorf("name source %s: %w", src.Name, err)
	}
	s.mu.Lock()
	l := s.tables[string(key)]
	if l == nil {
		l = &lookup{}
		s.tables[string(key)] = l
	}
	s.mu.Unlock()
	l.once.Do(func() { l.table, l.err = s.Catalog.Table(ctx, src) })
	if l.err != nil {
		return nil, l.err
	}
	table := *l.table
	table.Files = slices.Clone(l.table.Files)
	return &table, nil
}
