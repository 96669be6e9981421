package coordinator

import (
	"context"
	"io"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

// KeepExecutable has an executable kept that must have a digest, and says where it lies. If no coordinator has it, open gives it.
type KeepExecutable func(ctx context.Context, digest string, open func() (io.ReadCloser, error)) (path string, err error)

// bind describes the functions that a request names only. Names mean something else when another plugin is pushed, so this is done
// once: the request is kept as it is then, and its digest recorded with the run. It is "" if there is nothing to bind.
func (c *Coordinator) bind(ctx context.Context, request *api.SubmitRequest) (digest string, err error) {
	if c.options.Bind == nil || request.Job == nil {
		return "", nil
	}
	functions, err := c.options.Bind(ctx, *request, c.keepExecutable)
	if err != nil || len(functions) == 0 {
		return "", err
	}
	if c.node.EntryVersion() < state.BoundVersion {
		return "", api.Errorf(api.CodeUnavailable, "plugin functions that are given by name need all coordinators to be there, and of a build that binds them")
	}
	request.Functions = append(request.Functions[:len(request.Functions):len(request.Functions)], functions...)
	return requestDigest(*request)
}

// keepExecutable is a KeepExecutable that keeps it among the blobs.
func (c *Coordinator) keepExecutable(ctx context.Context, digest string, open func() (io.ReadCloser, error)) (path string, err error) {
	if blob, err := c.blobs.open(ctx, digest); err == nil {
		return c.blobs.path(digest), blob.Close()
	} else if ctx.Err() != nil {
		return "", ctx.Err()
	}
	content, err := open()
	if err != nil {
		return "", err
	}
	defer content.Close()
	return c.blobs.path(digest), c.blobs.put(digest, content)
}
