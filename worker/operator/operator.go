// Package operator has the physical operators: single-use, pull-based streams of Arrow record batches, one file per
// operator. They compute; reading files and sockets is the task's business, handed in as leaf operators.
package operator

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// Operator is a single-use, pull-based stream of batches.
type Operator interface {
	// Schema is constant and may be called at any time. It gives SQL types: a string or binary column of a batch may
	// come plain or dictionary-encoded, and may change between batches.
	Schema() plan.Schema
	// Next returns the next batch, never empty, or io.EOF after the last one. The caller owns the batch and must
	// Release it. After an error Next returns that error again, and after io.EOF, io.EOF. Next is not safe for
	// concurrent use and returns soon after ctx is done.
	Next(ctx context.Context) (arrow.Record, error)
	// Close releases everything, inputs included. It is safe before the first Next, after an error, and more than
	// once. Batches that were handed out stay valid.
	Close() error
}

// Memory is where an operator that holds on to rows asks first.
type Memory interface {
	// Reserve asks for n more bytes, or gives back -n when negative. It fails with a plan.FailureOutOfMemory failure
	// when the task's share does not allow it. Giving back never fails.
	Reserve(n int64) error
	// Take takes n more bytes, or gives back -n, whatever the share: for the little that an operator which has spilled
	// everything else cannot do without. It counts against what others may reserve.
	Take(n int64)
}

// Observer watches what each operator of a tree does.
type Observer interface {
	// Env is what the operator of a node gets in place of env.
	Env(n *plan.Node, env Env) Env
	// Wrap is the operator as the one above it sees it.
	Wrap(n *plan.Node, op Operator) Operator
}

// Caller runs plugin functions. Safe for concurrent use.
type Caller interface {
	// Call runs the function on one batch of arguments (plain layout, one column per argument) and returns a column
	// of the same length, owned by the caller, and in order the rows that are not to go on, which are NULL in it.
	Call(ctx context.Context, function string, args arrow.Record) (arrow.Array, []plan.Rejection, error)
	// Fold runs an aggregate function, and returns a row for each group: the columns of the state, or the result. The caller
	// owns it.
	Fold(ctx context.Context, function string, fold Fold) (arrow.Record, error)
	// Table runs a table function over a partition, which input gives a batch at a time: Next of the result calls it, and it
	// ends with io.EOF. For functions per group it tells the rows of the batch that begin a group. Close the result.
	Table(ctx context.Context, function string, input PluginInput) (PluginRows, error)
	// TablePart runs a table function over some rows alone, of one per group whole groups, of which it is told where they begin.
	// It returns what the function gives, owned by the caller, and in order the rows that it could not do, of which it gives nothing.
	TablePart(ctx context.Context, function string, rows arrow.Record, groups []uint32) ([]arrow.Record, []plan.Rejection, error)
}

// PluginInput gives batches to a table function.
type PluginInput func(ctx context.Context) (rec arrow.Record, groups []uint32, err error)

// PluginRows is what a plugin function gives, a batch at a time, which the caller owns; then io.EOF.
type PluginRows interface {
	Next(ctx context.Context) (arrow.Record, error)
	Close() error
}

// Fold is a call of an aggregate function.
type Fold struct {
	// Rows has, behind a column of ints that says of which group a row is, the arguments, or with Merge the state.
	Rows   arrow.Record
	Groups int
	Merge  bool
	Finish bool // results are wanted instead of states
}

// Rejects takes the rows that are not to go on.
type Rejects interface {
	// Reject takes a row: how many the operator had read before it, what it read, and the arguments of the call.
	Reject(ctx context.Context, function string, number int64, r plan.Rejection, input, args arrow.Record) error
}
