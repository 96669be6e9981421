package coordinator

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

func getBlob(ctx context.Context, t *testing.T, cl *client.Client, digest string) []byte {
	t.Helper()
	body, err := cl.GetBlob(ctx, digest)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRunSurvivesTheLeader(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 3, nil)
	cl := c.client()
	url, dir := outputURL(t)
	hold := make(chan struct{})
	w := startWorker(c, "w1", 2, holding(1, hold))
	submit(ctx, t, cl, jobRequest("r1", url))
	eventually(t, "the second stage", func() bool { return len(w.attempts()) == 4 })
	old := c.leader()
	c.kill(old)
	close(hold)
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunSucceeded {
		t.Fatalf("run %s: %v", s.State, s.Failure)
	}
	if got := w.attempts(); len(got) != 4 {
		t.Errorf("finished or running tasks were started again: %v", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "r1", "_SUCCESS")); err != nil {
		t.Error(err)
	}
	// The one that was killed comes back and learns what happened.
	c.restart(old)
	want, index := c.hash(c.leader())
	eventually(t, "the old leader to catch up", func() bool {
		got, at := c.hash(old)
		return at >= index && got == want
	})
}

// hash is a node's state, and how far in the log it is.
func (c *cluster) hash(id string) (hash string, index uint64) {
	c.nodes[id].node.Read(func(m *state.Machine) {
		index = m.Index()
		var err error
		if hash, err = m.Hash(); err != nil {
			c.t.Error(err)
		}
	})
	return hash, index
}

func TestFollowersPointToTheLeader(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	leader := c.leader()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	plain := &http.Client{Transport: transport}
	for id, n := range c.nodes {
		if id == leader {
			continue
		}
		eventually(t, id+" to know the leader", func() bool { return n.leaderAddress() == c.peers[leader] })
		response, err := plain.Get("http://" + c.peers[id] + "/v1/runs")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || response.StatusCode != http.StatusMisdirectedRequest || !strings.Contains(string(body), `"leader":"`+c.peers[leader]+`"`) {
			t.Errorf("%s answers %s %s (%v)", id, response.Status, body, err)
		}
	}
}

func TestBlobsAreOnAMajority(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 3, nil)
	leader := c.leader()
	data := bytes.Repeat([]byte("plugin"), 100_000)
	digest := plan.Digest(data)
	// Uploaded to a follower only.
	for id, n := range c.nodes {
		if id != leader {
			if err := n.blobs.put(digest, bytes.NewReader(data)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	cl := c.client()
	r := queryRequest("q", "select 1")
	r.Functions = []plan.Function{{Name: "f", SHA256: digest}}
	submit(ctx, t, cl, r)
	have := 0
	for _, n := range c.nodes {
		if n.blobs.has(digest) {
			have++
		}
	}
	if have < 2 {
		t.Errorf("%d of 3 have the plugin", have)
	}
	for _, n := range c.nodes {
		one := client.New([]string{n.Addr()}, client.Options{})
		if got := getBlob(ctx, t, one, digest); !bytes.Equal(got, data) {
			t.Errorf("got %d bytes", len(got))
		}
		one.Close()
	}
}

func TestWithoutAMajorityNothingIsTaken(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	c := newCluster(t, 3, nil)
	submit(ctx, t, c.client(), queryRequest("before", "select 1"))
	last := c.leader()
	var down []string
	for id := range c.peers {
		if id != last {
			c.kill(id)
			down = append(down, id)
		}
	}
	one := client.New([]string{c.peers[last]}, client.Options{Patience: time.Millisecond})
	defer one.Close()
	begin := time.Now()
	if _, err := one.Submit(ctx, queryRequest("refused", "select 1")); !isCode(err, api.CodeUnavailable) {
		t.Errorf("submit to a coordinator alone: %v", err)
	}
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v to say no", took)
	}
	for _, id := range down {
		c.restart(id)
	}
	startWorker(c, "w1", 1, nil)
	if s := waitState(ctx, t, c.client(), "before"); s.State != api.RunSucceeded {
		t.Errorf("run %s: %v", s.State, s.Failure)
	}
}

func TestGracefulStopHandsOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3, nil)
	old := c.leader()
	node := c.nodes[old]
	delete(c.nodes, old)
	if err := node.Close(); err != nil {
		t.Fatal(err)
	}
	if next := c.leader(); next == old {
		t.Error("the stopped node leads")
	}
}

// failpoints is a store that calls a hook before and after each write.
type failpoints struct {
	Store
	mu   sync.Mutex
	hook func(step string) error
}

func (f *failpoints) set(hook func(string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hook = hook
}

func (f *failpoints) at(step string) error {
	f.mu.Lock()
	hook := f.hook
	f.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(step)
}

func (f *failpoints) Put(ctx context.Context, url string, data []byte) error {
	name := url[strings.LastIndexByte(url, '/')+1:]
	if err := f.at("before " + name); err != nil {
		return err
	}
	if err := f.Store.Put(ctx, url, data); err != nil {
		return err
	}
	return f.at("after " + name)
}

var attemptNumber = regexp.MustCompile(`\.\d+\.`)

// The leader stops dead at each step of publishing; the next one finishes, with the same bytes.
func TestPublishingResumes(t *testing.T) {
	t.Parallel()
	for _, step := range []string{"after _job.json", "before manifest.json", "after manifest.json", "after _SUCCESS", "after _LATEST"} {
		t.Run(step, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			points := &failpoints{}
			c := newCluster(t, 3, func(o *Options) { points.Store, o.Store = o.Store, points })
			reached, dead := make(chan struct{}), make(chan struct{})
			var once sync.Once
			points.set(func(at string) error {
				if at != step {
					return nil
				}
				err := error(nil)
				once.Do(func() {
					close(reached)
					<-dead
					err = errors.New("this leader is dead")
				})
				return err
			})
			cl := c.client()
			url, dir := outputURL(t)
			startWorker(c, "w1", 2, nil)
			submit(ctx, t, cl, jobRequest("r1", url))
			<-reached
			old := c.leader()
			down := c.nodes[old].life().Done()
			var waiting sync.WaitGroup
			waiting.Go(func() {
				<-down // the node is going down: let the goroutine that is held see that
				close(dead)
			})
			c.kill(old)
			waiting.Wait()
			if s := waitState(ctx, t, cl, "r1"); s.State != api.RunSucceeded {
				t.Fatalf("run %s: %v", s.State, s.Failure)
			}
			entries, err := os.ReadDir(filepath.Join(dir, "r1"))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, e := range entries {
				names = append(names, attemptNumber.ReplaceAllString(e.Name(), ".N.")) // on a busy machine, it may not be the first
			}
			want := []string{"_SUCCESS", "_job.json", "manifest.json", "part-00000-of-00002.N.zstd.parquet", "part-00001-of-00002.N.zstd.parquet"}
			if !slices.Equal(names, want) {
				t.Errorf("published %v", names)
			}
			if latest, err := os.ReadFile(filepath.Join(dir, "_LATEST")); err != nil || string(latest) != "r1\n" {
				t.Errorf("_LATEST %q, %v", latest, err)
			}
		})
	}
}

func TestStoreThatRefusesFailsTheRun(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	points := &failpoints{hook: func(at string) error {
		if at == "before _SUCCESS" {
			return plan.Failf(plan.FailureStorage, "permission denied")
		}
		return nil
	}}
	c := newCluster(t, 1, func(o *Options) { points.Store, o.Store = o.Store, points })
	cl := c.client()
	url, dir := outputURL(t)
	startWorker(c, "w1", 2, nil)
	submit(ctx, t, cl, jobRequest("r1", url))
	s := waitState(ctx, t, cl, "r1")
	if s.State != api.RunFailed || s.Failure.Kind != plan.FailureStorage || !strings.Contains(s.Failure.Message, "permission denied") {
		t.Fatalf("run %s: %+v", s.State, s.Failure)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something is left: %v", err)
	}
}
