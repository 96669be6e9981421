package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	fastjson "github.com/go-json-experiment/json/v1"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
)

// ErrUnreachable: no coordinator could be reached at any of the endpoints.
var ErrUnreachable = errors.New("no coordinator can be reached")

// Options configure a client. The zero value works.
type Options struct {
	// Patience is how long a call goes on trying after its first failure: 10 s if zero, three times what an election
	// takes at worst. The context can end it sooner.
	Patience time.Duration
	// Unreachable is how long, of that, it tries when no coordinator has ever answered: 3 s, at most Patience, if zero. A mistyped
	// address should not take as long to tell as an election.
	Unreachable time.Duration
	// Identity is what the caller shows and trusts; nil is cleartext.
	Identity *secure.Identity
	// Token is shown to coordinators, if it is not empty.
	Token string
	// Traceparent is the span that runs which are asked for are to be a part of, as W3C Trace Context writes it; "" for none.
	Traceparent string
	// Transport carries the requests; NewTransport's if nil.
	Transport http.RoundTripper
}

func (o *Options) ensureDefaults() {
	if o.Patience == 0 {
		o.Patience = 10 * time.Second
	}
	if o.Unreachable == 0 {
		o.Unreachable = min(3*time.Second, o.Patience)
	}
	if o.Transport == nil {
		o.Transport = NewTransport(o.Identity)
	}
}

// NewTransport speaks HTTP/2 to coordinators, without TLS or upgrade if there is no identity. Pings notice within 3 s a peer that is stopped, or that vanished
// without closing its connection, which a long poll would otherwise wait out. That is about as long as it takes the
// others to elect a leader in its place.
func NewTransport(identity *secure.Identity) *http.Transport {
	return identity.Transport(&http.Transport{
		DialContext:     (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		HTTP2:           &http.HTTP2Config{MaxReadFrameSize: 1 << 20, SendPingTimeout: time.Second, PingTimeout: 2 * time.Second},
		IdleConnTimeout: 90 * time.Second,
	}, secure.Coordinators)
}

// Client speaks to the coordinators of one cluster. It is safe for concurrent use.
type Client struct {
	endpoints []string // host:port
	mistake   error    // in the endpoints
	options   Options
	http      *http.Client
	met       atomic.Bool // a coordinator has answered: the endpoints are not mistyped

	mu      sync.Mutex
	leader  string   // host:port that is tried first; guarded by mu
	learned []string // other coordinators that one has named; guarded by mu
}

// New makes a client for the coordinators at the endpoints, given as URLs or as host:port. Not all need be named:
// coordinators tell of each other. What is wrong with the endpoints, [Client.Check] and every call tell.
func New(endpoints []string, options Options) *Client {
	options.ensureDefaults()
	c := &Client{options: options, http: &http.Client{Transport: options.Transport, CheckRedirect: refuseRedirect}}
	for _, e := range endpoints {
		if err := c.add(strings.TrimSuffix(strings.TrimSpace(e), "/")); err != nil && c.mistake == nil {
			c.mistake = err
		}
	}
	return c
}

func (c *Client) add(endpoint string) error {
	scheme, address, written := strings.Cut(endpoint, "://")
	if !written {
		scheme, address = c.options.Identity.Scheme(), endpoint
	}
	if address == "" {
		return nil
	}
	c.endpoints = append(c.endpoints, address)
	switch {
	case scheme == "https" && c.options.Identity == nil:
		return api.Errorf(api.CodeInvalid, "%s: there are no TLS credentials", endpoint)
	case scheme != c.options.Identity.Scheme():
		return api.Errorf(api.CodeInvalid, "%s: with the credentials given, endpoints are %s://host:port", endpoint, c.options.Identity.Scheme())
	}
	return c.mayShow(address)
}

// mayShow keeps the token from being read on the way.
func (c *Client) mayShow(address string) error {
	if c.options.Token != "" && c.options.Identity == nil && !secure.Loopback(address) {
		return api.Errorf(api.CodeInvalid, "%s: a token is not sent over a network without TLS; use https://", address)
	}
	return nil
}

// Check reports what is wrong with the endpoints, without asking them.
func (c *Client) Check() error { return c.mistake }

// refuseRedirect: coordinators name the leader in the body, never by an HTTP redirect.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call, to be made as often as it takes.
type request struct {
	method string
	path   string
	body   func() (io.Reader, int64, error) // nil for none; a fresh reader for each try, and its length
	wait   time.Duration                    // how long the server may take on purpose
	stream bool                             // the answer's body is for the caller: no time limit on it
	any    bool                             // any coordinator can answer, not only the leader
}

// answerTime is how long an answer may take beyond what was asked for, before another coordinator is tried.
const answerTime = 10 * time.Second

// do tries until an answer comes that is not about who leads, patience runs out, or ctx is done. The caller closes the
// body. An answer that is not a success comes as an *api.Error.
func (c *Client) do(ctx context.Context, r request) (io.ReadCloser, error) {
	if len(c.endpoints) == 0 {
		return nil, fmt.Errorf("%w: no endpoint given", ErrUnreachable)
	}
	if c.mistake != nil {
		return nil, c.mistake
	}
	var firstFailure time.Time
	var told error // what a coordinator last said
	for try := 0; ; try++ {
		address := c.target(try, r.any)
		body, err := c.once(ctx, address, r)
		if err == nil {
			return body, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var answer *api.Error
		if errors.As(err, &answer) {
			told = err
			if answer.Code == api.CodeBusy && c.awaits(ctx, answer, &firstFailure) {
				continue
			}
			if answer.Code != api.CodeNotLeader && answer.Code != api.CodeUnavailable {
				return nil, answer
			}
			if answer.Code == api.CodeNotLeader && answer.Leader != "" && answer.Leader != address {
				c.prefer(answer.Leader)
				if try < c.known()+1 {
					continue // a hint that is new is followed at once
				}
			} else {
				c.forget(address)
			}
		} else {
			c.forget(address)
		}
		if firstFailure.IsZero() {
			firstFailure = time.Now()
		}
		if err := c.outOfPatience(time.Since(firstFailure), told, err); err != nil {
			return nil, err
		}
		if err := pause(ctx, try/c.known()); err != nil {
			return nil, err
		}
	}
}

// awaits waits for as long as a busy cluster asks for, if patience lasts for that.
func (c *Client) awaits(ctx context.Context, busy *api.Error, firstFailure *time.Time) bool {
	if firstFailure.IsZero() {
		*firstFailure = time.Now()
	}
	if busy.RetryAfter <= 0 || time.Since(*firstFailure)+busy.RetryAfter > c.options.Patience {
		return false
	}
	timer := time.NewTimer(busy.RetryAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outOfPatience tells why nothing came of a request: what was said, if anybody said anything, or why nobody could.
func (c *Client) outOfPatience(waited time.Duration, told, err error) error {
	limit := c.options.Patience
	if told == nil && !c.met.Load() {
		limit = c.options.Unreachable
	}
	switch {
	case waited < limit:
		return nil
	case told == nil:
		return fmt.Errorf("%w at %s: %w", ErrUnreachable, strings.Join(c.endpoints, ", "), err)
	}
	return fmt.Errorf("no coordinator took the request within %v: %w", c.options.Patience, told)
}

// pause waits before the next try: short at first, since most failures are a leader that is just being replaced, then
// longer, and never in step with other clients.
func pause(ctx context.Context, round int) error {
	limit := min(20*time.Millisecond<<min(round, 6), time.Second)
	timer := time.NewTimer(limit/2 + rand.N(limit/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// target is whom to ask: the leader if it is known, else one endpoint after the other.
func (c *Client) target(try int, anyone bool) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader != "" && (try == 0 || !anyone) {
		return c.leader
	}
	i := try % (len(c.endpoints) + len(c.learned))
	if i < len(c.endpoints) {
		return c.endpoints[i]
	}
	return c.learned[i-len(c.endpoints)]
}

func (c *Client) prefer(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = address
}

// forget stops preferring an address that did not help.
func (c *Client) forget(address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leader == address {
		c.leader = ""
	}
}

// once makes one try.
func (c *Client) once(ctx context.Context, address string, r request) (io.ReadCloser, error) {
	tryCtx, cancel := context.WithCancel(ctx)
	var limit *time.Timer
	if r.body == nil || !r.stream {
		limit = time.AfterFunc(r.wait+answerTime, cancel)
	}
	response, err := c.send(tryCtx, address, r)
	if err != nil {
		stop(limit)
		cancel()
		return nil, err
	}
	c.met.Store(true)
	c.learn(response.Header.Get(api.CoordinatorsHeader))
	if r.stream {
		stop(limit) // the headers came in time; the body may take what it takes
	}
	body := &answerBody{ReadCloser: response.Body, done: func() { stop(limit); cancel() }}
	if response.StatusCode/100 == 2 {
		if r.stream {
			c.answered(address, r)
			return body, nil
		}
		// A connection can break in the middle of an answer. That is a try that failed, like one without an answer.
		defer body.Close()
		data, err := io.ReadAll(body)
		if err != nil {
			return nil, fmt.Errorf("read answer of coordinator %s: %w", address, err)
		}
		c.answered(address, r)
		return io.NopCloser(bytes.NewReader(data)), nil
	}
	defer body.Close()
	return nil, readError(response)
}

// answered remembers who leads.
func (c *Client) answered(address string, r request) {
	if !r.any {
		c.prefer(address)
	}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

func (c *Client) send(ctx context.Context, address string, r request) (*http.Response, error) {
	var body io.Reader
	var length int64
	if r.body != nil {
		var err error
		if body, length, err = r.body(); err != nil {
			return nil, err
		}
	}
	q, err := http.NewRequestWithContext(ctx, r.method, c.options.Identity.Scheme()+"://"+address+r.path, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	if c.options.Token != "" {
		if err := c.mayShow(address); err != nil {
			return nil, err // a leader that a coordinator has named
		}
		q.Header.Set("Authorization", "Bearer "+c.options.Token)
	}
	if c.options.Traceparent != "" {
		q.Header.Set("Traceparent", c.options.Traceparent)
	}
	if body != nil {
		q.ContentLength = length
		q.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(q)
	if err != nil {
		return nil, fmt.Errorf("ask coordinator %s: %w", address, err)
	}
	return response, nil
}

// answerBody releases what the try holds when it is closed.
type answerBody struct {
	io.ReadCloser
	done func()
}

// Close closes.
func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.done()
	return err
}

// readError is the error in an answer. A body that is not ours (a proxy's page) is told by its status.
func readError(r *http.Response) error {
	var e api.Error
	data, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err == nil && json.Unmarshal(data, &e) == nil && e.Code != "" {
		return &e
	}
	switch r.StatusCode {
	case http.StatusNotFound:
		return api.Errorf(api.CodeNotFound, "%s %s: not found", r.Request.Method, r.Request.URL)
	case http.StatusServiceUnavailable, http.StatusBadGateway, http.StatusGatewayTimeout:
		return api.Errorf(api.CodeUnavailable, "%s %s: %s", r.Request.Method, r.Request.URL, r.Status)
	}
	return api.Errorf(api.CodeInternal, "%s %s: %s", r.Request.Method, r.Request.URL, r.Status)
}

// call sends in as JSON, if there is any, and reads the answer into out, likewise.
func (c *Client) call(ctx context.Context, r request, in, out any) error {
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode request: %w", err)
		}
		r.body = func() (io.Reader, int64, error) { return strings.NewReader(string(data)), int64(len(data)), nil }
	}
	body, err := c.do(ctx, r)
	if err != nil {
		return err
	}
	defer body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, body)
	} else {
		err = fastjson.NewDecoder(body).Decode(out)
	}
	if err != nil {
		return fmt.Errorf("read answer of %s: %w", r.path, err)
	}
	return nil
}

func runPath(id string, rest ...string) string {
	return "/v1/runs/" + url.PathEscape(id) + strings.Join(rest, "")
}
