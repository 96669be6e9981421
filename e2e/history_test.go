package e2e

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/quern-engine/quern/api"
	apiclient "github.com/quern-engine/quern/api/client"
)

// verb is what a caller asks about one run.
type verb string

const (
	submits verb = "submit"
	looks   verb = "get" // also each run of a list, which tells of all of them
	cancels verb = "cancel"
)

// answer is what came back. An unknown one is a call that failed: it may have had its effect, or may yet have it.
type answer struct {
	unknown bool
	state   api.RunState // "" if there is no such run
}

type question struct {
	verb verb
	run  string
}

// rank orders the states of a run, which moves on by itself, and only forward.
var rank = map[api.RunState]int{"": 0, api.RunQueued: 1, api.RunRunning: 2, api.RunPublishing: 3, api.RunSucceeded: 4, api.RunFailed: 4, api.RunCancelled: 4}

// runModel is what callers may see of one run: nothing before it is submitted; then no state before one that somebody
// has seen, whoever answers; and the last state is final.
var runModel = (&porcupine.NondeterministicModel{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byRun := map[string][]porcupine.Operation{}
		for _, o := range history {
			run := o.Input.(question).run
			byRun[run] = append(byRun[run], o)
		}
		var parts [][]porcupine.Operation
		for _, part := range byRun {
			parts = append(parts, part)
		}
		return parts
	},
	Init: func() []any { return []any{api.RunState("")} },
	Step: func(state, input, output any) []any {
		s, q, a := state.(api.RunState), input.(question), output.(answer)
		switch {
		case a.unknown && q.verb == submits && s == "":
			return []any{s, api.RunQueued}
		case a.unknown:
			return []any{s}
		case a.state == "":
			if s == "" && q.verb != submits {
				return []any{s}
			}
			return nil
		case s == "" && q.verb != submits, rank[a.state] < rank[s], s.Terminal() && a.state != s:
			return nil
		}
		return []any{a.state}
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprint(input, " → ", output) },
}).ToModel()

// history is what a number of callers have asked and heard.
type history struct {
	begun time.Time

	mu  sync.Mutex
	ops []porcupine.Operation // guarded by mu
}

// tell adds a call that began at a time, and ends now. One whose end is unknown never ends.
func (h *history) tell(caller int, q question, began time.Duration, a answer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := int64(time.Since(h.begun))
	if a.unknown {
		end = int64(time.Hour)
	}
	h.ops = append(h.ops, porcupine.Operation{ClientId: caller, Input: q, Call: int64(began), Output: a, Return: end})
}

// TestRunModel holds the model against histories that must not be.
func TestRunModel(t *testing.T) {
	op := func(v verb, call, end int64, a answer) porcupine.Operation {
		return porcupine.Operation{Input: question{v, "r"}, Call: call, Return: end, Output: a}
	}
	is := func(s api.RunState) answer { return answer{state: s} }
	for _, c := range []struct {
		name string
		ok   bool
		ops  []porcupine.Operation
	}{
		{"a life", true, []porcupine.Operation{op(looks, 1, 2, is("")), op(submits, 3, 4, is(api.RunQueued)), op(looks, 5, 6, is(api.RunSucceeded))}},
		{"acknowledged, then gone", false, []porcupine.Operation{op(submits, 1, 2, is(api.RunQueued)), op(looks, 3, 4, is(""))}},
		{"seen before it was submitted", false, []porcupine.Operation{op(looks, 1, 2, is(api.RunQueued)), op(submits, 3, 4, is(api.RunQueued))}},
		{"an old leader's answer", false, []porcupine.Operation{op(submits, 1, 2, is(api.RunQueued)), op(looks, 3, 4, is(api.RunSucceeded)), op(looks, 5, 6, is(api.RunRunning))}},
		{"cancelled, and then not", false, []porcupine.Operation{op(submits, 1, 2, is(api.RunQueued)), op(cancels, 3, 4, is(api.RunCancelled)), op(looks, 5, 6, is(api.RunSucceeded))}},
		{"a lost answer to a submit that took effect", true, []porcupine.Operation{op(submits, 1, 99, answer{unknown: true}), op(looks, 3, 4, is(api.RunQueued))}},
		{"a lost answer to one that did not", true, []porcupine.Operation{op(submits, 1, 99, answer{unknown: true}), op(looks, 3, 4, is(""))}},
	} {
		if got := porcupine.CheckOperations(runModel, c.ops); got != c.ok {
			t.Errorf("%s: accepted is %v", c.name, got)
		}
	}
}

// TestClientHistory is oracle P: callers submit, look, list and cancel at all coordinators while leaders are killed and
// stopped, and what they are told must be possible with one cluster that never forgets (FAULTS F01, F10, F50). They go on
// asking until the last fault is over.
func TestClientHistory(t *testing.T) {
	faults := 2
	if all() {
		faults = 12
	}
	c := startCoordinators(t, 3)
	c.startWorkers(t, 2)
	h := &history{begun: time.Now()}
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop()
	for i := range 4 {
		asking.Go(func() { h.ask(ctx, c.addresses, i) })
	}
	var gaps []time.Duration
	for i := range faults {
		before := h.len()
		p := c.coordinators[c.waitLeader(t)]
		if i%2 == 0 {
			p.kill()
			begin := time.Now()
			c.waitLeader(t)
			gaps = append(gaps, time.Since(begin).Round(10*time.Millisecond))
		} else {
			p.signal(syscall.SIGSTOP)
			<-time.After(4 * time.Second) // the injected fault: longer than an election
			p.signal(syscall.SIGCONT)
		}
		eventually(t, "calls to be answered after a fault", func() bool { return h.len() >= before+20 })
		for _, a := range c.addresses {
			if !c.coordinators[a].alive() {
				c.startCoordinator(t, a)
			}
		}
	}
	stop()
	asking.Wait()
	h.check(t, faults*20)
	t.Logf("%d leaders killed or stopped in turn; after a kill another answered within %v", faults, gaps)
}

func (h *history) len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.ops)
}

// ask makes random calls, until it is stopped, about runs that it shares with other callers: another pair every second.
func (h *history) ask(ctx context.Context, addresses []string, caller int) {
	r := rand.New(rand.NewPCG(uint64(caller), 7))
	c := apiclient.New(addresses, apiclient.Options{Patience: 5 * time.Second})
	defer c.Close()
	pace := time.NewTicker(40 * time.Millisecond) // or the checker has to look at thousands
	defer pace.Stop()
	for ctx.Err() == nil {
		run := fmt.Sprintf("h%d", int(time.Since(h.begun)/time.Second)*2+r.IntN(2))
		call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second) // the last calls are waited for
		h.once(call, c, caller, r.IntN(10), run)
		cancel()
		<-pace.C
	}
}

func (h *history) once(ctx context.Context, c *apiclient.Client, caller, draw int, run string) {
	began := time.Since(h.begun)
	switch {
	case draw < 4:
		s, err := c.Submit(ctx, api.SubmitRequest{RunID: run, Query: &api.Query{SQL: "SELECT count(*) FROM range(0, 200000)"}})
		h.tell(caller, question{submits, run}, began, told(s, err))
	case draw < 7:
		s, err := c.Status(ctx, run, 0, 0)
		h.tell(caller, question{looks, run}, began, told(s, err))
	case draw < 8:
		s, err := c.Cancel(ctx, run)
		h.tell(caller, question{cancels, run}, began, told(s, err))
	default:
		list, err := c.Runs(ctx)
		if err != nil {
			h.tell(caller, question{looks, run}, began, told(nil, err))
			return
		}
		a := answer{}
		for _, s := range list.Runs {
			if s.RunID == run {
				a.state = s.State
			}
		}
		h.tell(caller, question{looks, run}, began, a)
	}
}

func told(s *api.RunStatus, err error) answer {
	var refused *api.Error
	switch {
	case err == nil:
		return answer{state: s.State}
	case errors.As(err, &refused) && refused.Code == api.CodeNotFound:
		return answer{}
	}
	return answer{unknown: true}
}

// check fails the test unless the history is possible, and unless it has enough in it to tell.
func (h *history) check(t *testing.T, least int) {
	t.Helper()
	unknown, ended := 0, 0
	for _, o := range h.ops {
		a := o.Output.(answer)
		if a.unknown {
			unknown++
		}
		if a.state.Terminal() {
			ended++
		}
	}
	if len(h.ops) < least || unknown > len(h.ops)/4 || ended == 0 {
		t.Fatalf("too little to check: %d calls, %d without an answer, %d that saw a run's end", len(h.ops), unknown, ended)
	}
	verdict, info := porcupine.CheckOperationsVerbose(runModel, h.ops, time.Minute)
	if verdict != porcupine.Ok {
		for _, o := range h.ops {
			t.Logf("%v: %v … %v: %v → %v", o.ClientId, time.Duration(o.Call), time.Duration(o.Return), o.Input, o.Output)
		}
		t.Fatalf("no cluster can have answered so: %v, %d partial orders", verdict, len(info.PartialLinearizations()))
	}
	t.Logf("%d calls, %d without an answer, %d that saw a run's end, in %v", len(h.ops), unknown, ended, time.Since(h.begun).Round(time.Millisecond))
}
