package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	apiclient "github.com/quern-engine/quern/api/client"
)

// crowd is many callers of a cluster, all of whom want the numbers job.
type crowd struct {
	*cluster
	dir     string
	callers int
}

func newCrowd(t *testing.T, c *cluster, callers int) *crowd {
	t.Helper()
	dir := t.TempDir()
	if p := startIn(t, dir, "rows", "sql", "SELECT id FROM range(0, 1000)", "--format", "parquet", "--out", "rows.parquet"); p.wait(t, deadline) != 0 {
		t.Fatal(p.log)
	}
	return &crowd{cluster: c, dir: dir, callers: callers}
}

// each has the callers do something n times in all, each with a client of its own.
func (c *crowd) each(n int, do func(ctx context.Context, cl *apiclient.Client, i int)) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	next := make(chan int)
	var all sync.WaitGroup
	for range c.callers {
		all.Go(func() {
			cl := apiclient.New(c.addresses, apiclient.Options{Patience: 2 * time.Second})
			defer cl.Close()
			for i := range next {
				do(ctx, cl, i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
}

func (c *crowd) submit(ctx context.Context, cl *apiclient.Client, run string) error {
	job := api.Job{File: "numbers.yaml", Dir: c.dir, Work: c.dir, Text: numbersJob}
	_, err := cl.Submit(ctx, api.SubmitRequest{RunID: run, Job: &job})
	return err
}

// ended waits for the end of a run.
func ended(ctx context.Context, cl *apiclient.Client, run string) (*api.RunStatus, error) {
	for since := uint64(0); ; {
		s, err := cl.Status(ctx, run, since, 10*time.Second)
		if err == nil && s.State.Terminal() || ctx.Err() != nil {
			return s, err
		}
		if err == nil {
			since = s.Version
		}
	}
}

// version is the folder of a run's output.
func (c *crowd) version(run string) string { return filepath.Join(c.dir, "out", "numbers", "out", run) }

// Five thousand submits at once: most are sent away, none of the others is forgotten.
func TestF49(t *testing.T) {
	long(t)
	const submits, queue = 5000, 200
	cl := newCluster(t, freeAddresses(t, 3))
	cl.flags = []string{"--max-queued", fmt.Sprint(queue)}
	cl.begin(t)
	cl.startWorkers(t, 2)
	c := newCrowd(t, cl, 100)

	var mu sync.Mutex
	var taken []string
	away := 0
	watched, stop := make(chan struct{}), make(chan struct{})
	var most struct {
		live     int
		silent   time.Duration
		resident int64
	}
	go func() { // what the leader is asked to bear
		defer close(watched)
		for {
			select {
			case <-stop:
				return
			case <-time.After(200 * time.Millisecond):
			}
			for a, p := range c.coordinators {
				most.resident = max(most.resident, p.resident())
				var workers api.WorkerList
				if c.get(a, "/v1/workers", &workers) == http.StatusOK {
					for _, w := range workers.Workers {
						most.silent = max(most.silent, w.Silent)
					}
				}
				var runs api.RunList
				if c.get(a, "/v1/runs", &runs) == http.StatusOK {
					live := len(slices.DeleteFunc(runs.Runs, func(s api.RunStatus) bool { return s.State.Terminal() }))
					most.live = max(most.live, live)
				}
			}
		}
	}()
	begin := time.Now()
	c.each(submits, func(ctx context.Context, cl *apiclient.Client, i int) {
		run := fmt.Sprintf("crowd-%d", i)
		err := c.submit(ctx, cl, run)
		var refused *api.Error
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			taken = append(taken, run)
		case errors.As(err, &refused) && refused.Code == api.CodeBusy && refused.RetryAfter > 0:
			away++
		default:
			t.Errorf("submit %d: %v", i, err)
		}
	})
	asked := time.Since(begin).Round(time.Millisecond)
	c.each(len(taken), func(ctx context.Context, cl *apiclient.Client, i int) {
		if s, err := ended(ctx, cl, taken[i]); err != nil || s.State != api.RunSucceeded {
			t.Errorf("run %s, which was acknowledged, is %+v, %v", taken[i], s, err)
		}
	})
	took := time.Since(begin).Round(time.Millisecond)
	close(stop)
	<-watched
	if len(taken) < queue || away == 0 {
		t.Errorf("%d taken, %d sent away: that was no crowd", len(taken), away)
	}
	if most.live > queue || most.resident > residentMost {
		t.Errorf("%d runs under way at a time, %d MiB", most.live, most.resident>>20)
	}
	for _, p := range c.all {
		if p.isCoordinator() && contains(p, `msg="worker lost"`) {
			t.Error("a worker was given up")
		}
	}
	var first []string
	for _, run := range taken {
		s, ok := c.status(run)
		if !ok {
			t.Fatalf("run %s is not known any more", run)
		}
		o := s.Outputs["out"]
		sums := digests(t, o)
		if first == nil {
			first = sums
		}
		if !slices.Equal(sums, first) {
			t.Errorf("run %s has other bytes", run)
		}
	}
	t.Logf("%d submits in %v: %d sent away, %d taken, all right after %v; at most %d under way, %d MiB in a coordinator, %v of a worker's silence",
		submits, asked, away, len(taken), took, most.live, most.resident>>20, most.silent.Round(time.Millisecond))
}

// A thousand cancels that race with the ends of their runs: each run ends in one of two ways, for good, and has an output or not.
func TestF50(t *testing.T) {
	long(t)
	const runs = 1000
	cl := startCoordinators(t, 3)
	cl.startWorkers(t, 2)
	c := newCrowd(t, cl, 8)
	var mu sync.Mutex
	var usual time.Duration
	c.each(4*c.callers, func(ctx context.Context, cl *apiclient.Client, i int) {
		run, begin := fmt.Sprintf("usual-%d", i), time.Now()
		err := c.submit(ctx, cl, run)
		if err == nil {
			_, err = ended(ctx, cl, run)
		}
		if err != nil {
			t.Errorf("run %s: %v", run, err)
		}
		mu.Lock()
		defer mu.Unlock()
		usual += time.Since(begin) / time.Duration(4*c.callers)
	})
	ends := make([]api.RunState, runs)
	c.each(runs, func(ctx context.Context, cl *apiclient.Client, i int) {
		run, begin := fmt.Sprintf("race-%d", i), time.Now()
		if err := c.submit(ctx, cl, run); err != nil {
			t.Errorf("submit %d: %v", i, err)
			return
		}
		<-time.After(time.Duration(rand.Float64()*1.5*float64(usual)) - time.Since(begin))
		said, err := cl.Cancel(ctx, run)
		if err != nil {
			t.Errorf("cancel %d: %v", i, err)
			return
		}
		s, err := ended(ctx, cl, run)
		if err != nil {
			t.Errorf("run %s: %v", run, err)
			return
		}
		if said.State.Terminal() && said.State != s.State {
			t.Errorf("run %s was %s, and is %s", run, said.State, s.State)
		}
		ends[i] = s.State
	})
	count := map[api.RunState]int{}
	for i, state := range ends {
		run := fmt.Sprintf("race-%d", i)
		count[state]++
		s, _ := c.status(run)
		if s.State != state {
			t.Errorf("run %s ended as %s, and is %s", run, state, s.State)
		}
		switch state {
		case api.RunSucceeded:
			digests(t, s.Outputs["out"])
		case api.RunCancelled:
			if !poll(20*time.Second, func() bool { _, err := os.Stat(c.version(run)); return os.IsNotExist(err) }) {
				t.Errorf("cancelled run %s has left %v", run, names(c.version(run)))
			}
		default:
			t.Errorf("run %s is %q", run, state)
		}
	}
	if count[api.RunSucceeded] < runs/20 || count[api.RunCancelled] < runs/20 {
		t.Errorf("%v: that was no race", count)
	}
	t.Logf("a run takes %v; of %d with a cancel, %v", usual.Round(time.Millisecond), runs, count)
}
