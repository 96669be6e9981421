package coordinator

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/quern-engine/quern/coordinator/state"
)

// A worker that has died cannot say so, and its lease takes long to run out: for half of that, readers try to fetch what it
// had. But its connections break at that moment. That alone says little, as networks break connections too; that its port
// refuses them, on a machine that does answer, says that the process is no more.

// callers remembers which worker is at the other end of a connection.
type callers struct {
	byConn sync.Map // net.Conn to *caller
}

type caller struct {
	worker atomic.Pointer[string] // its id; nil: somebody else, or not known yet
}

type callerKey struct{}

// watch has a server tell of workers whose connections have ended.
func (l *callers) watch(s *http.Server, ended func(worker string)) {
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		who := &caller{}
		l.byConn.Store(conn, who)
		return context.WithValue(ctx, callerKey{}, who)
	}
	s.ConnState = func(conn net.Conn, now http.ConnState) {
		if now != http.StateClosed && now != http.StateHijacked {
			return
		}
		who, _ := l.byConn.LoadAndDelete(conn)
		if who == nil || now == http.StateHijacked {
			return
		}
		if id := who.(*caller).worker.Load(); id != nil {
			ended(*id)
		}
	}
}

// callsFor notes that a request came from a worker.
func callsFor(r *http.Request, worker string) {
	if who, ok := r.Context().Value(callerKey{}).(*caller); ok {
		who.worker.Store(&worker)
	}
}

const (
	// refusals is how often a worker's port must refuse a connection for the worker to be gone. An answer that takes longer
	// than knockTime says nothing; after so many knocks its lease has to tell.
	refusals  = 3
	knocks    = 8
	knockTime = time.Second
)

// lookFor gives up a worker whose connection has ended, if it is no more.
func (c *Coordinator) lookFor(ctx context.Context, id string) {
	t := c.term.Load()
	if t == nil {
		return
	}
	var known state.Worker
	there := false
	c.node.Read(func(m *state.Machine) { known, there = m.Worker(id) })
	if !there {
		return // it has said that it leaves
	}
	if !c.refuses(ctx, known.Address) {
		return
	}
	c.log.Info("a worker has died: nobody listens where it did", "worker", id, "address", known.Address)
	if _, err := c.propose(ctx, state.Command{WorkerLost: &state.WorkerLost{ID: id, At: c.now()}}); err != nil {
		c.log.Info("could not give up a dead worker", "worker", id, "error", err)
		return
	}
	t.forget(id)
}

// refuses reports that a machine answers, and that nobody listens there.
func (c *Coordinator) refuses(ctx context.Context, address string) bool {
	refused := 0
	for try := range knocks {
		conn, err := (&net.Dialer{Timeout: knockTime}).DialContext(ctx, "tcp", address)
		if err == nil {
			conn.Close()
			return false
		}
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused++
		}
		if refused == refusals || !c.sleep(ctx, try) {
			break
		}
	}
	return refused == refusals
}
