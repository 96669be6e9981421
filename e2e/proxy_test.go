package e2e

import (
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands before a worker and damages what the worker sends. (Toxiproxy has no damage of single bytes, and that is
// the one that matters most here.) What callers send passes as it is.
type proxy struct {
	listener net.Listener
	target   string
	passed   atomic.Int64 // bytes, from the worker

	mu    sync.Mutex
	fault wireFault // guarded by mu, like the rest
	left  int       // how often the fault may still strike
	hits  int
	until int64 // bytes before it strikes
	draw  *rand.Rand
	conns map[net.Conn]bool
}

// wireFault is what happens to a chunk of bytes on its way.
type wireFault struct {
	name  string
	every int64 // bytes between two strikes, on average
	// strike may change the chunk, and tells how much of it goes on and whether the connection ends.
	strike func(r *rand.Rand, chunk []byte, caller net.Conn) (keep int, end bool)
}

var (
	flipBit = wireFault{name: "bits flipped", every: 48 << 10, strike: func(r *rand.Rand, chunk []byte, _ net.Conn) (int, bool) {
		chunk[r.IntN(len(chunk))] ^= 1 << r.IntN(8)
		return len(chunk), false
	}}
	truncate = wireFault{name: "answers cut short", every: 48 << 10, strike: func(r *rand.Rand, chunk []byte, _ net.Conn) (int, bool) {
		return r.IntN(len(chunk)), true
	}}
	reset = wireFault{name: "connections reset", every: 48 << 10, strike: func(r *rand.Rand, chunk []byte, caller net.Conn) (int, bool) {
		caller.(*net.TCPConn).SetLinger(0) // closing sends RST
		return 0, true
	}}
	delay = wireFault{name: "chunks 20 ms late", every: 1, strike: func(_ *rand.Rand, chunk []byte, _ net.Conn) (int, bool) {
		time.Sleep(20 * time.Millisecond) // the injected fault, not a way to wait
		return len(chunk), false
	}}
)

// newProxy listens before a target until the test ends.
func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: l, target: target, conns: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			caller, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { p.serve(caller) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.cut()
		running.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

// arm has a fault strike so often. A seed draws the same distances again; how the bytes come in chunks it cannot repeat.
func (p *proxy) arm(f wireFault, times int, seed uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault, p.left, p.hits, p.draw = f, times, 0, rand.New(rand.NewPCG(seed, 1))
	p.until = p.draw.Int64N(f.every) + 1
}

// disarm ends a fault and tells how often it struck.
func (p *proxy) disarm() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = 0
	return p.hits
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) serve(caller net.Conn) {
	worker, err := net.Dial("tcp", p.target)
	if err != nil {
		caller.Close()
		return
	}
	p.mu.Lock()
	p.conns[caller], p.conns[worker] = true, true
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.pump(worker, caller, nil) })
	both.Go(func() { p.pump(caller, worker, p.damage) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, caller)
	delete(p.conns, worker)
	p.mu.Unlock()
}

// pump copies until an end, and then ends both sides.
func (p *proxy) pump(to, from net.Conn, damage func(chunk []byte, caller net.Conn) (int, bool)) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		end := false
		if n > 0 && damage != nil {
			n, end = damage(buf[:n], to)
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil || end {
			return
		}
	}
}

func (p *proxy) damage(chunk []byte, caller net.Conn) (keep int, end bool) {
	p.passed.Add(int64(len(chunk)))
	p.mu.Lock()
	f, r, due := p.fault, p.draw, false
	if p.left > 0 {
		if p.until -= int64(len(chunk)); p.until <= 0 {
			due = true
			p.left--
			p.hits++
			p.until = r.Int64N(2*f.every) + 1
		}
	}
	if due && f.every > 1 { // what draws has the lock: the generator is shared
		defer p.mu.Unlock()
		return f.strike(r, chunk, caller)
	}
	p.mu.Unlock()
	if due {
		return f.strike(nil, chunk, caller)
	}
	return len(chunk), false
}
