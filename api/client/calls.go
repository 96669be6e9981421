package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// planningTime is how long a submit may take: the coordinator lists the sources and reads their footers.
const planningTime = 2 * time.Minute

// Submit asks for a run. Submitting the same request under the same id again gives the run that there is.
func (c *Client) Submit(ctx context.Context, r api.SubmitRequest) (*api.RunStatus, error) {
	var s api.RunStatus
	if err := c.call(ctx, request{method: http.MethodPost, path: "/v1/runs", wait: planningTime}, r, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Status is how a run fares. If its version is not above since, the answer waits up to wait for that to change.
func (c *Client) Status(ctx context.Context, id string, since uint64, wait time.Duration) (*api.RunStatus, error) {
	path := runPath(id)
	if wait > 0 {
		path += fmt.Sprintf("?since=%d&wait=%s", since, wait)
	}
	var s api.RunStatus
	if err := c.call(ctx, request{method: http.MethodGet, path: path, wait: wait}, nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Profile is what a run did and where its time went.
func (c *Client) Profile(ctx context.Context, id string) (*api.Profile, error) {
	var p api.Profile
	if err := c.call(ctx, request{method: http.MethodGet, path: runPath(id, "/profile")}, nil, &p); err != nil {
		return nil, err
	}
	return &p, nil
}

// Runs lists runs, newest first.
func (c *Client) Runs(ctx context.Context) (*api.RunList, error) { return c.RunsIn(ctx, 0) }

// RunsIn lists runs that are in one of some states, of none all; limit is how many at most, 0 what the coordinator gives.
func (c *Client) RunsIn(ctx context.Context, limit int, states ...api.RunState) (*api.RunList, error) {
	query := url.Values{}
	if limit > 0 {
		query.Set("limit", strconv.Itoa(limit))
	}
	for _, s := range states {
		query.Add("state", string(s))
	}
	path := "/v1/runs"
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var l api.RunList
	if err := c.call(ctx, request{method: http.MethodGet, path: path}, nil, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// Cancel asks for the end of a run and gives its status, which need not be terminal yet.
func (c *Client) Cancel(ctx context.Context, id string) (*api.RunStatus, error) {
	var s api.RunStatus
	if err := c.call(ctx, request{method: http.MethodPost, path: runPath(id, "/cancel")}, nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Retry asks for a run once more that has failed or was cancelled, as a new run, and gives the new one's status.
func (c *Client) Retry(ctx context.Context, id string, r api.RetryRequest) (*api.RunStatus, error) {
	var s api.RunStatus
	if err := c.call(ctx, request{method: http.MethodPost, path: runPath(id, "/retry"), wait: planningTime}, r, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Purge forgets a run that has ended. Its outputs stay.
func (c *Client) Purge(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: runPath(id)}, nil, nil)
}

// Workers lists the workers that the leader knows.
func (c *Client) Workers(ctx context.Context) (*api.WorkerList, error) {
	var l api.WorkerList
	if err := c.call(ctx, request{method: http.MethodGet, path: "/v1/workers"}, nil, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// Publish publishes a run that its checks have blocked, and gives its status.
func (c *Client) Publish(ctx context.Context, id string, r api.PublishRequest) (*api.RunStatus, error) {
	var s api.RunStatus
	if err := c.call(ctx, request{method: http.MethodPost, path: runPath(id, "/publish")}, r, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Release says that a query's result will not be read again.
func (c *Client) Release(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodPost, path: runPath(id, "/release")}, nil, nil)
}

// Outputs tells where the outputs of a stage are.
func (c *Client) Outputs(ctx context.Context, run string, stage int, version uint64) (api.StageOutputs, error) {
	var o api.StageOutputs
	path := runPath(run, fmt.Sprintf("/stages/%d/outputs?version=%d", stage, version))
	err := c.call(ctx, request{method: http.MethodGet, path: path}, nil, &o)
	return o, err
}

// Register makes a worker known to the leader.
func (c *Client) Register(ctx context.Context, r api.RegisterRequest) (api.RegisterReply, error) {
	var reply api.RegisterReply
	err := c.call(ctx, request{method: http.MethodPost, path: "/v1/workers/register"}, r, &reply)
	return reply, err
}

// Leave says that a worker is stopping.
func (c *Client) Leave(ctx context.Context, r api.LeaveRequest) error {
	return c.call(ctx, request{method: http.MethodPost, path: "/v1/workers/leave"}, r, nil)
}

// Lease asks for work.
func (c *Client) Lease(ctx context.Context, r api.LeaseRequest) (api.LeaseReply, error) {
	var reply api.LeaseReply
	err := c.call(ctx, request{method: http.MethodPost, path: "/v1/workers/lease", wait: r.Wait}, r, &reply)
	return reply, err
}

// Report tells how attempts ended.
func (c *Client) Report(ctx context.Context, r api.ReportRequest) (api.ReportReply, error) {
	var reply api.ReportReply
	err := c.call(ctx, request{method: http.MethodPost, path: "/v1/workers/report"}, r, &reply)
	return reply, err
}

// SendLogs brings what attempts have logged.
func (c *Client) SendLogs(ctx context.Context, r api.LogsRequest) (api.LogsReply, error) {
	var reply api.LogsReply
	err := c.call(ctx, request{method: http.MethodPost, path: "/v1/workers/logs"}, r, &reply)
	return reply, err
}

// LogsQuery says which lines of a run's logs to give.
type LogsQuery struct {
	Cursor               string // of an earlier answer; empty for the beginning
	Level                string // the lowest; empty for all
	Stage, Task, Attempt *int   // nil for all
	// Wait is how long the answer may wait for lines where there are none.
	Wait time.Duration
}

// Logs is lines of a run's logs.
func (c *Client) Logs(ctx context.Context, id string, q LogsQuery) (*api.RunLogs, error) {
	form := url.Values{}
	for name, value := range map[string]string{"cursor": q.Cursor, "level": q.Level} {
		if value != "" {
			form.Set(name, value)
		}
	}
	for name, value := range map[string]*int{"stage": q.Stage, "task": q.Task, "attempt": q.Attempt} {
		if value != nil {
			form.Set(name, strconv.Itoa(*value))
		}
	}
	if q.Wait > 0 {
		form.Set("wait", q.Wait.String())
	}
	var l api.RunLogs
	if err := c.call(ctx, request{method: http.MethodGet, path: runPath(id, "/logs?"+form.Encode()), wait: q.Wait}, nil, &l); err != nil {
		return nil, err
	}
	return &l, nil
}

// Heartbeat renews a worker's lease.
func (c *Client) Heartbeat(ctx context.Context, r api.HeartbeatRequest) (api.HeartbeatReply, error) {
	var reply api.HeartbeatReply
	err := c.call(ctx, request{method: http.MethodPost, path: "/v1/workers/heartbeat"}, r, &reply)
	return reply, err
}

func blobPath(digest string) string { return "/v1/blobs/" + digest }

// PutBlob uploads content under its hex SHA-256, unless the cluster has it. The content is read from its beginning, as
// often as it takes.
func (c *Client) PutBlob(ctx context.Context, digest string, content io.ReadSeeker) error {
	err := c.call(ctx, request{method: http.MethodHead, path: blobPath(digest), any: true}, nil, nil)
	if err == nil {
		return nil
	}
	var answer *api.Error
	if !errors.As(err, &answer) || answer.Code != api.CodeNotFound {
		return err
	}
	size, err := content.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("measure blob: %w", err)
	}
	body, err := c.do(ctx, request{
		method: http.MethodPut, path: blobPath(digest), any: true, stream: true,
		body: func() (io.Reader, int64, error) {
			_, err := content.Seek(0, io.SeekStart)
			return io.NopCloser(io.LimitReader(content, size)), size, err
		},
	})
	if err != nil {
		return err
	}
	return body.Close()
}

// GetBlob downloads what has a digest. The reader ends with an error, not io.EOF, if the content turns out to be
// something else.
func (c *Client) GetBlob(ctx context.Context, digest string) (io.ReadCloser, error) {
	body, err := c.do(ctx, request{method: http.MethodGet, path: blobPath(digest), any: true, stream: true})
	if err != nil {
		return nil, err
	}
	return &verifiedBody{ReadCloser: body, want: digest, sum: sha256.New()}, nil
}

// verifiedBody checks content against its digest while it is read.
type verifiedBody struct {
	io.ReadCloser
	want string
	sum  interface {
		io.Writer
		Sum([]byte) []byte
	}
}

// Read reads.
func (b *verifiedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.sum.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if got := hex.EncodeToString(b.sum.Sum(nil)); got != b.want {
			return n, plan.Failf(plan.FailureStorage, "blob %s: what arrived has the digest %s", b.want, got)
		}
	}
	return n, err
}
