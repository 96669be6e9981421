package storage

import (
	"context"
	"errors"
	"io/fs"
	"strings"
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
	scheme, place, _ := strings.Cut(name, "://")
	bucket, _, _ := strings.Cut(place, "/")
	switch code := gcerrors.Code(err); {
	case code == gcerrors.NotFound && verb == "read":
		return plan.Failf(plan.FailureUser, "%s %s: no such object or bucket: %w", verb, name, fs.ErrNotExist)
	case code == gcerrors.NotFound: // a listing of nothing is no error, and writing needs nothing that is there
		return plan.Failf(plan.FailureUser, "%s %s: there is no bucket %s; make it, or mend the URL: its name, endpoint and region, the account", verb, name, bucket)
	case code == gcerrors.PermissionDenied, denied(err):
		return plan.Failf(plan.FailureUser, "%s %s: access denied; check the bucket's policy, and the credentials, from %s: %w",
			verb, name, credentialsFrom(scheme), err)
	case noCredentials(err):
		return plan.Failf(plan.FailureStorage, "%s %s: no credentials, which come from %s: %w", verb, name, credentialsFrom(scheme), err)
	case code == gcerrors.InvalidArgument, code == gcerrors.Unimplemented:
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
