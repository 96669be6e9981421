package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// The pause before asking again grows from the first to the longest. Why not longer: a worker is idle while it pauses,
// and an election takes a second or two. Why not shorter: a dead cluster should not be hammered.
const (
	firstPause   = 20 * time.Millisecond
	longestPause = time.Second
)

// callTimeout bounds one request whose answer should come at once: a leader that took it and cannot make it durable
// will not get better by waiting, and another may lead by now.
const callTimeout = 10 * time.Second

// callPatience is how long the client goes on by itself before a call fails: longer than it takes to find the next
// leader among those that answer, and short enough to tell people soon that none does.
const callPatience = 2 * time.Second

// leaderLine asks whoever leads, and keeps asking while nobody answers.
type leaderLine struct {
	session *session
	log     *slog.Logger
	silent  atomic.Pointer[time.Time] // since when nobody has answered; nil: somebody did the last time
}

// ask calls f until it gets through: it waits while there is no leader, and registers again with a leader that does not
// know this worker. It returns an error when ctx is done, or when the leader says that the request is wrong, which no
// repetition would cure.
func (l *leaderLine) ask(ctx context.Context, f func(context.Context) error) error {
	return l.persist(ctx, func(ctx context.Context) error {
		generation, _ := l.session.current()
		err := f(ctx)
		if codeOf(err) != api.CodeUnknownWorker {
			return err
		}
		l.log.Info("the leader does not know this worker; registering again")
		if err := l.session.renew(ctx, generation); err != nil {
			return err
		}
		return f(ctx)
	})
}

// persist calls f, with growing pauses, for as long as the failure is one that may pass.
func (l *leaderLine) persist(ctx context.Context, f func(context.Context) error) error {
	for try := 0; ; try++ {
		err := f(ctx)
		if err == nil {
			l.heard()
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		switch codeOf(err) {
		case api.CodeInvalid, api.CodeNotFound, api.CodeConflict, api.CodeForbidden:
			l.heard()
			return err
		}
		if failure := new(plan.Failure); errors.As(err, &failure) {
			return err // the answer came, and what it holds is wrong
		}
		l.missed(err)
		if err := pause(ctx, try); err != nil {
			return err
		}
	}
}

// heard and missed log changes only: a cluster that is down for an hour is one line, not thousands.
func (l *leaderLine) heard() {
	if l.silent.Swap(nil) != nil {
		l.log.Info("a coordinator answers again")
	}
}

func (l *leaderLine) missed(err error) {
	if now := time.Now(); l.silent.CompareAndSwap(nil, &now) {
		l.log.Warn("no coordinator answers; trying on", "error", err)
	}
}

// silence is for how long nobody has answered.
func (l *leaderLine) silence() time.Duration {
	if since := l.silent.Load(); since != nil {
		return time.Since(*since)
	}
	return 0
}

// codeOf is the code of a coordinator's answer, or "" when there was none.
func codeOf(err error) api.Code {
	var e *api.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// pause waits longer with every try, by a random part, so that workers that lost the same leader do not return as one.
func pause(ctx context.Context, try int) error {
	d := longestPause
	if try < 10 {
		d = min(firstPause<<try, longestPause)
	}
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// session is the registration with the leader. Loops that find out at the same time that it is gone renew it once.
type session struct {
	register func(context.Context) (api.RegisterReply, error)
	turn     chan struct{} // holds an item while somebody registers; a mutex that a context can interrupt

	mu         sync.Mutex
	generation uint64            // guarded by mu; counts registrations
	rules      api.RegisterReply // guarded by mu
}

func newSession(register func(context.Context) (api.RegisterReply, error)) *session {
	return &session{register: register, turn: make(chan struct{}, 1)}
}

// current is the registration in force: its number, 0 before the first, and its rules.
func (s *session) current() (generation uint64, rules api.RegisterReply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generation, s.rules
}

// renew registers, unless somebody has done so since the caller saw the given generation.
func (s *session) renew(ctx context.Context, seen uint64) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if generation, _ := s.current(); generation != seen {
		return nil
	}
	rules, err := s.register(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generation++
	s.rules = rules
	return nil
}
