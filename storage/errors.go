package storage

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"gocloud.dev/gcerrors"

	"github.com/quern-engine/quern/plan"
)

// errIsFolder marks a folder where a file was asked for.
var errIsFolder = errors.New("it is a folder")

// localError gives an error of the operating system a kind and a message.
func localError(verb, name string, err error) error {
	if pathErr := (*fs.PathError)(nil); errors.As(err, &pathErr) {
		err = pathErr.Err // the message names the path already
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return plan.Failf(plan.FailureUser, "%s %s: no such file or folder: %w", verb, name, fs.ErrNotExist)
	case errors.Is(err, fs.ErrPermission):
		return plan.Failf(plan.FailureUser, "%s %s: permission denied; let the user that runs Quern have access: %w", verb, name, err)
	case errors.Is(err, syscall.EISDIR), errors.Is(err, syscall.ENAMETOOLONG),
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ELOOP):
		return plan.Failf(plan.FailureUser, "%s %s: %w", verb, name, err)
	}
	return plan.Failf(plan.FailureStorage, "%s %s: %w", verb, name, err)
}

// blobError does the same for an error of an object store. A done context stays what it is.
func blobError(ctx context.Context, verb, name string, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	switch gcerrors.Code(err) {
	case gcerrors.NotFound:
		return plan.Failf(plan.FailureUser, "%s %s: no such object or bucket: %w", verb, name, fs.ErrNotExist)
	case gcerrors.PermissionDenied:
		return plan.Failf(plan.FailureUser, "%s %s: access denied; check the credentials in the environment and the bucket's policy: %w",
			verb, name, err)
	case gcerrors.InvalidArgument, gcerrors.Unimplemented:
		return plan.Failf(plan.FailureUser, "%s %s: %w", verb, name, err)
	}
	return plan.Failf(plan.FailureStorage, "%s %s: %w", verb, name, err)
}

// retry repeats an idempotent operation while it fails for a reason that may pass. One that does not end has failed.
func (s *Store) retry(ctx context.Context, op func(ctx context.Context) error) error {
	err := s.try(ctx, op)
	for _, wait := range s.backoff {
		var f *plan.Failure
		if !errors.As(err, &f) || f.Kind != plan.FailureStorage {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
		err = s.try(ctx, op)
	}
	return err
}

func (s *Store) try(ctx context.Context, op func(ctx context.Context) error) error {
	within, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := op(within)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return plan.Failf(plan.FailureStorage, "the store gave no answer within %v: %w", s.patience, err)
	}
	return err
}
