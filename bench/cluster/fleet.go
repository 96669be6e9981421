package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
)

// connections is how many connections the workers share: a process of its own would have one, but ten thousand of them
// would measure the kernel. With too few, the server mostly looks through the streams of each for one that has something to
// write.
const connections = 256

// fleet is the simulated workers.
type fleet struct {
	o       options
	c       *cluster
	clients []*client.Client
	running sync.WaitGroup
	done    atomic.Int64 // tasks that counted
	begun   atomic.Int64 // tasks that were given out
	last    atomic.Int64 // when the newest of them was, in nanoseconds
	gap     atomic.Int64 // the longest time between two, in nanoseconds
}

func newFleet(o options, c *cluster) *fleet {
	f := &fleet{o: o, c: c}
	for range connections {
		f.clients = append(f.clients, client.New(c.urls, client.Options{Patience: time.Minute}))
	}
	return f
}

func (f *fleet) wait() {
	f.running.Wait()
	for _, c := range f.clients {
		c.Close()
	}
}

// join has all workers register, a few at a time, and work from then on.
func (f *fleet) join(ctx context.Context) error {
	var once sync.Once
	var first error
	turn := make(chan struct{}, 64)
	var wg sync.WaitGroup
	for i := range f.o.workers {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			c := f.clients[i%connections]
			id := fmt.Sprintf("w%d", i)
			if _, err := c.Register(ctx, api.RegisterRequest{WorkerID: id, Address: fmt.Sprintf("10.%d.%d.%d:7081", i>>16, i>>8&255, i&255), Slots: f.o.slots, Memory: 4 << 30}); err != nil {
				once.Do(func() { first = err })
				return
			}
			f.running.Go(func() { f.work(ctx, c, id) })
			f.running.Go(func() { f.beat(ctx, c, id, time.Duration(i)*f.o.heartbeat/time.Duration(f.o.workers)) })
		})
	}
	wg.Wait()
	return first
}

// work takes tasks and reports them done.
func (f *fleet) work(ctx context.Context, c *client.Client, id string) {
	for ctx.Err() == nil {
		reply, err := c.Lease(ctx, api.LeaseRequest{WorkerID: id, Free: f.o.slots, Wait: 30 * time.Second})
		if err != nil || len(reply.Assignments) == 0 {
			continue
		}
		f.given(len(reply.Assignments))
		reports := make([]api.Report, len(reply.Assignments))
		for i, a := range reply.Assignments {
			reports[i] = api.Report{AttemptID: a.AttemptID, Seconds: 0.001, Partitions: []api.PartitionInfo{{Rows: 1000, Bytes: 8000, Checksum: "00000000000000010000000000000002"}}}
		}
		for ctx.Err() == nil {
			accepted, err := c.Report(ctx, api.ReportRequest{WorkerID: id, Reports: reports})
			if err == nil {
				for _, ok := range accepted.Accepted {
					if ok {
						f.done.Add(1)
					}
				}
				break
			}
		}
	}
}

// given notes that tasks have arrived.
func (f *fleet) given(n int) {
	now := time.Now().UnixNano()
	before := f.last.Swap(now)
	if f.begun.Add(int64(n)) == int64(n) {
		return
	}
	for gap := now - before; ; {
		longest := f.gap.Load()
		if gap <= longest || f.gap.CompareAndSwap(longest, gap) {
			return
		}
	}
}

func (f *fleet) beat(ctx context.Context, c *client.Client, id string, first time.Duration) {
	timer := time.NewTimer(first)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		// What it runs is reported within milliseconds: nothing is worth naming.
		_, _ = c.Heartbeat(ctx, api.HeartbeatRequest{WorkerID: id})
		timer.Reset(f.o.heartbeat)
	}
}

func (f *fleet) submit(ctx context.Context, run string, tasks int) error {
	_, err := f.clients[0].Submit(ctx, api.SubmitRequest{RunID: run, Query: &api.Query{SQL: fmt.Sprint(tasks)}})
	return err
}

// latency is the time from a submit to the first of its tasks at a worker, and to the end of a run of two tasks.
func (f *fleet) latency(ctx context.Context) error {
	var first, whole []time.Duration
	for i := range 30 {
		f.begun.Store(0)
		begin := time.Now()
		run := fmt.Sprintf("small-%d", i)
		if err := f.submit(ctx, run, 2); err != nil {
			return err
		}
		for f.begun.Load() == 0 {
			time.Sleep(50 * time.Microsecond)
		}
		first = append(first, time.Since(begin))
		if err := f.finished(ctx, run); err != nil {
			return err
		}
		whole = append(whole, time.Since(begin))
	}
	slices.Sort(first)
	slices.Sort(whole)
	report("submit to first task", "median %.1f ms, longest of %d %.1f ms", ms(first[len(first)/2]), len(first), ms(first[len(first)-1]))
	report("run of two tasks in two stages", "median %.1f ms", ms(whole[len(whole)/2]))
	return nil
}

func (f *fleet) finished(ctx context.Context, run string) error {
	for since := uint64(0); ; {
		s, err := f.clients[0].Status(ctx, run, since, 30*time.Second)
		if err != nil {
			return err
		}
		if s.State.Terminal() {
			if s.Failure != nil {
				return s.Failure
			}
			return nil
		}
		since = s.Version
	}
}

// throughput runs the large job.
func (f *fleet) throughput(ctx context.Context) error {
	f.done.Store(0)
	f.begun.Store(0)
	f.gap.Store(0)
	begin := time.Now()
	if err := f.submit(ctx, "large", f.o.tasks); err != nil {
		return err
	}
	report("submit of the large job", "%d tasks in %.1f ms", f.o.tasks, ms(time.Since(begin)))
	most := ""
	stop := context.AfterFunc(ctx, func() {})
	defer stop()
	half := false
	for f.done.Load() < int64(f.o.tasks) {
		time.Sleep(20 * time.Millisecond)
		if !half && f.done.Load() > int64(f.o.tasks)/2 {
			half, most = true, f.c.memory()
		}
		if time.Since(begin) > 10*time.Minute {
			return fmt.Errorf("%d of %d tasks after %v", f.done.Load(), f.o.tasks, time.Since(begin))
		}
	}
	took := time.Since(begin)
	report("throughput", "%d tasks in %.1f s: %.0f a second", f.o.tasks, took.Seconds(), float64(f.o.tasks)/took.Seconds())
	report("longest time without a grant", "%.0f ms", ms(time.Duration(f.gap.Load())))
	report("leader at half time", "%s", most)
	if err := f.finished(ctx, "large"); err != nil {
		return err
	}
	report("leader afterwards", "%s", f.c.memory())
	return nil
}

// failover kills the leader in the middle of the same job.
func (f *fleet) failover(ctx context.Context) error {
	if f.o.coordinators < 3 {
		return nil
	}
	f.done.Store(0)
	f.begun.Store(0)
	if err := f.submit(ctx, "again", f.o.tasks); err != nil {
		return err
	}
	for f.done.Load() < int64(f.o.tasks)/3 {
		time.Sleep(time.Millisecond)
	}
	f.gap.Store(0)
	begin := time.Now()
	f.c.kill()
	leader := f.c.waitLeader(time.Minute)
	if leader == "" {
		return fmt.Errorf("no leader after a minute")
	}
	elected := time.Since(begin)
	if err := f.finished(ctx, "again"); err != nil {
		return err
	}
	report("leader killed at a third", "next leader after %.2f s; no task was given out for %.2f s", elected.Seconds(), time.Duration(f.gap.Load()).Seconds())
	report("tasks that ran", "%d given out for %d", f.begun.Load(), f.o.tasks)
	report("new leader", "%s", f.c.memory())
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
