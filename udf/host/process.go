package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/quern-engine/quern/udf/host/contain"
)

// process is a plugin process and its group, as go-plugin's runner. Killing it kills the group: children that the
// plugin started go with it, however it ends.
type process struct {
	spec   contain.Spec
	groups *contain.Groups // nil: there are none
	stdout *os.File        // read ends
	stderr *printed
	done   chan struct{} // closed when the process has ended

	mu     sync.Mutex // guards the following
	pid    int        // 0 before the start
	reaped bool       // the pid may belong to somebody else
	killed bool
	result string // how it ended
}

var _ runner.Runner = (*process)(nil)

func newProcess(spec contain.Spec, groups *contain.Groups) *process {
	return &process{spec: spec, groups: groups, done: make(chan struct{})}
}

// drain is how long output is read after the end: a process that left the group may hold the pipes open for ever.
const drain = time.Second

// Start starts the process. The thread that does so stays with it until it ends, because Linux kills the child when
// the thread that made it goes, not the process.
func (p *process) Start(context.Context) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return errors.Join(err, outR.Close(), outW.Close())
	}
	p.stdout, p.stderr = outR, &printed{File: errR}
	started := make(chan error, 1)
	p.spec.Files = append([]*os.File{null, outW, errW}, p.spec.Files...)
	go p.live(started)
	err = errors.Join(<-started, outW.Close(), errW.Close())
	if err != nil {
		return errors.Join(err, outR.Close(), errR.Close())
	}
	return nil
}

// live starts the process and sees it to its end. It is the process's goroutine; done tells that it has finished.
func (p *process) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(p.done)
	proc, err := p.exec()
	started <- err
	if err != nil {
		return
	}
	p.reap(proc)
	deadline := time.Now().Add(drain)
	_ = p.stdout.SetReadDeadline(deadline) // pipes of os.Pipe support deadlines
	_ = p.stderr.SetReadDeadline(deadline)
}

// endLocked notes the end, and ends what has left the group. REQUIRES: p.mu is held.
func (p *process) endLocked(state *os.ProcessState, err error) {
	p.reaped = true
	if p.result = state.String(); err != nil {
		p.result = err.Error()
	}
	p.result += p.spec.Group.End()
}

// exec is the fork and exec.
func (p *process) exec() (*os.Process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killed {
		return nil, errors.New("the start was cancelled")
	}
	group, err := p.groups.New(&p.spec.Limits)
	if err != nil {
		return nil, err
	}
	p.spec.Group = group
	path, args, attr, err := p.spec.Prepare()
	var proc *os.Process
	if err == nil {
		proc, err = os.StartProcess(path, args, attr)
	}
	if err != nil {
		group.End()
		return nil, err
	}
	p.pid = proc.Pid
	return proc, nil
}

// kill ends the group, or prevents the start.
func (p *process) kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killed = true
	if p.pid != 0 && !p.reaped {
		killGroup(p.pid)
	}
}

// end is how the process ended.
func (p *process) end() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.result
}

// Wait waits for the end.
func (p *process) Wait(context.Context) error {
	<-p.done
	// The readers have had their end of file, or their deadline, by now.
	return errors.Join(p.stdout.Close(), p.stderr.Close())
}

// Kill kills the group.
func (p *process) Kill(context.Context) error {
	p.kill()
	return nil
}

// ID is the process id.
func (p *process) ID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprint(p.pid)
}

// Stdout is read by go-plugin for the handshake.
func (p *process) Stdout() io.ReadCloser { return p.stdout }

// settleTime bounds how long settle waits: for a reader that gets no processor time.
const settleTime = time.Second

// settle waits until what the process has printed before an answer of it came has been read and handed on. What it prints meanwhile
// is not waited for: it may never stop.
func (p *process) settle() {
	written := p.stderr.written()
	for end := time.Now().Add(settleTime); !p.stderr.settled(written) && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
}

// Stderr is read by go-plugin for the log.
func (p *process) Stderr() io.ReadCloser { return p.stderr }

// Name is the executable.
func (p *process) Name() string { return "plugin" }

// Diagnose says why there may have been no handshake.
func (p *process) Diagnose(context.Context) string {
	return "Is it a Quern plugin, a program that calls udf.Serve, built for this machine?"
}

// PluginToHost maps an address, which the plugin may see by another path.
func (p *process) PluginToHost(network, address string) (string, string, error) {
	return network, p.spec.Outside(address), nil
}

// HostToPlugin would map an address the other way, for a plugin that calls back: none is answered.
func (p *process) HostToPlugin(string, string) (string, string, error) {
	return "", "", errors.New("plugins do not call back")
}
