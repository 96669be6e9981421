package storage

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// ScanCounts are what a scan has done so far.
type ScanCounts struct {
	Rows         int64 // put out
	Bytes        int64 // read, as stored
	GroupsPruned int64 // row groups skipped
	GroupsBloom  int64 // of them, those that Bloom filters ruled out
	PagesPruned  int64 // pages skipped in row groups that were read
	RowsPruned   int64 // rows left out of row groups that were read
	RowsLate     int64 // of them, those that columns read before the others ruled out
}

// ScanState is what the scanners of all formats have in common: how far they are, and what has ended them. The zero
// value is a scan that has yet to begin.
type ScanState struct {
	Counts ScanCounts
	err    error
	store  *Store
	split  *plan.Split // that is being read; nil: none
}

// Begin looks at the file of the next split, which must be what it was when the job was planned.
func (s *ScanState) Begin(ctx context.Context, store *Store, sp *plan.Split) (Info, error) {
	info, err := store.statSplit(ctx, sp)
	if err == nil {
		s.store, s.split = store, sp
	}
	return info, err
}

// Finish looks again when the split has been read: if its file has changed since Begin, what was read may be of both.
func (s *ScanState) Finish(ctx context.Context) error {
	if s.split == nil {
		return nil
	}
	_, err := s.store.statSplit(ctx, s.split)
	s.split = nil
	return err
}

// Put puts out the batch that read makes, which is not empty. After an error, release gives up what the scan holds, and
// the scan has no other answer from then on.
func (s *ScanState) Put(ctx context.Context, read func(context.Context) (arrow.Record, error), release func()) (arrow.Record, error) {
	if s.err != nil {
		return nil, s.err
	}
	rec, err := read(ctx)
	if err != nil {
		s.err = s.explain(ctx, err)
		release()
		return nil, s.err
	}
	s.Counts.Rows += rec.NumRows()
	return rec, nil
}

// explain finds out whether an error comes of a file that has changed while it was read.
func (s *ScanState) explain(ctx context.Context, err error) error {
	var changed *plan.Failure
	if ctx.Err() == nil && errors.As(s.Finish(ctx), &changed) && changed.Kind == plan.FailureUser {
		return changed
	}
	return err
}

// Fail is for an error that is no batch's: the next one is not put out.
func (s *ScanState) Fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// End ends a scan that goes no further. It may be called more than once.
func (s *ScanState) End(release func()) {
	s.Fail(errors.New("scan is closed"))
	release()
}

// statSplit is the file of a split, which must be what it was when the job was planned.
func (s *Store) statSplit(ctx context.Context, sp *plan.Split) (Info, error) {
	info, err := s.Stat(ctx, sp.URL)
	if err == nil && (info.Size != sp.Size || sp.ETag != "" && info.ETag != sp.ETag) {
		err = plan.Failf(plan.FailureUser, "file %s changed after the job was planned (%d bytes then, %d now); inputs must stay as they are during a run",
			Display(sp.URL), sp.Size, info.Size)
	}
	info.URL = sp.URL
	return info, err
}

// CheckScan checks that a scan has a field of the output for each of its columns.
func CheckScan(scan *plan.Scan, schema plan.Schema) error {
	if len(scan.Columns) != len(schema.Fields) {
		return plan.Failf(plan.FailureInternal, "scan of %s: %d columns for a schema of %d", scan.Source, len(scan.Columns), len(schema.Fields))
	}
	return nil
}
