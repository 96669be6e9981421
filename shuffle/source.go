package shuffle

import (
	"context"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/shuffle/segment"
)

// source gives the blocks of one worker's map outputs. It is the one door between a stream, which knows the order of rows
// and when to try again, and where a segment is: in this process (localSource) or behind a worker's address
// (remoteSource). A segment that is kept elsewhere is one more source. It is used by one goroutine.
type source interface {
	// next is the block that follows the rows before at.row, or for a place where nothing was read yet the one that holds the
	// row at.from; it is valid until the next call. io.EOF says that no block follows that has rows before at.to; a source
	// may also give blocks behind that row, which the stream leaves out. A lostError means that trying again is of no use,
	// an error that matches segment.ErrCorrupt that what was read is damaged. After an error only reset may follow.
	//
	// Places only grow, partition by partition, but for a repeat after reset.
	next(ctx context.Context, at place) (block, error)
	// reset lets go of files and connections, so that the following next starts afresh at its place.
	reset()
}

// place is where a stream is: what it wants of a map output, and how far it has come.
type place struct {
	partition     int
	task, attempt int
	from, to      int64 // rows of the map output's partition that are wanted; to is exclusive
	block         int   // that comes next; 0 with row 0 if none came yet
	row           int64 // first of that block
}

// fresh says that nothing of the map output came yet.
func (at place) fresh() bool { return at.block == 0 }

// block is a frame, or a batch that its source holds.
type block struct {
	sequence int   // among the blocks of the map output's partition
	row      int64 // first one
	frame    segment.Block
	batch    arrow.Record // nil: there is a frame
}

// lostError says that a map output is not there to be read, however often one tries.
type lostError struct{ reason string }

func (e *lostError) Error() string { return e.reason }

// find is the first of n blocks that holds the row from or a later one, and its first row. If there is none, it is n and
// the number of all rows.
func find(n int, rows func(block int) int64, from int64) (block int, row int64) {
	for block < n && row+rows(block) <= from {
		row += rows(block)
		block++
	}
	return block, row
}
