package planner

import (
	"context"

	"github.com/quern-engine/quern/plan"
)

// Catalog tells the planner what lies behind a source. It is the planner's only look at the world; package storage's
// implementation is handed in by the caller.
type Catalog interface {
	// Table lists a source's files and reads its schema from the first of them. Statistics are not filled. A source
	// that does not exist or cannot be read is a plan.FailureUser failure that names the path. If conditions name columns that a
	// large source is partitioned by, the table may have folders for files; its columns do not depend on that.
	Table(ctx context.Context, src plan.Source) (*plan.Table, error)
	// Unfold looks into a table's folders, those of its files that are left, if it has folders that have not been listed. It returns
	// the table with what is in them: files, or folders again.
	Unfold(ctx context.Context, table *plan.Table, folders []plan.File) (*plan.Table, error)
	// Statistics fills RowGroups of the files (those that partition pruning has left), and checks that every file has
	// the table's columns.
	Statistics(ctx context.Context, table *plan.Table, files []plan.File) ([]plan.File, error)
	// CheckOutput finds out whether an output's format takes its columns and its options.
	CheckOutput(out plan.Output) error
}
