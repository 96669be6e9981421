package parquetio

import (
	"context"
	"errors"
	"fmt"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// place says where in a file something went wrong.
type place struct {
	url    string
	group  int    // row group, or -1
	column string // or empty
}

func (p place) String() string {
	switch {
	case p.group >= 0 && p.column != "":
		return fmt.Sprintf(" (row group %d, column %s)", p.group, p.column)
	case p.group >= 0:
		return fmt.Sprintf(" (row group %d)", p.group)
	}
	return ""
}

// corrupt is the failure for a file that breaks the format's rules. Failures of storage and cancellation stay what they
// are: they say nothing about the file.
func (p place) corrupt(err error) error {
	var f *plan.Failure
	if errors.As(err, &f) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return plan.Failf(plan.FailureUser, "file %s: corrupt Parquet: %w%s", storage.Display(p.url), err, p)
}

// unsupported is the failure for a file that keeps the rules but uses something that is not built.
func (p place) unsupported(format string, args ...any) error {
	return plan.Failf(plan.FailureUser, "file %s: %s is not supported%s", storage.Display(p.url), fmt.Sprintf(format, args...), p)
}

// guard runs the part of the work on a file that parquet-go does. Its decoders have panicked on malformed files
// before, and the next such file is this file's fault, not the process's end.
func (p *place) guard(work func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			if cause, ok := r.(error); ok {
				err = p.corrupt(fmt.Errorf("the decoder panicked: %w", cause))
			} else {
				err = p.corrupt(fmt.Errorf("the decoder panicked: %v", r))
			}
		}
	}()
	return work()
}
