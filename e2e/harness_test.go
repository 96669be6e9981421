package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
)

const (
	flightJob = "../testdata/jobs/flight_delay.yaml"
	deadline  = 60 * time.Second
)

// quernBinary builds the binary once for all tests.
var quernBinary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "quern-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "quern")
	out, err := exec.Command("go", "build", "-o", path, "../cmd/quern").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build quern: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	status := m.Run()
	if path, err := quernBinary(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(status)
}

func binary(t *testing.T) string {
	path, err := quernBinary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running quern.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *lockedBuffer // standard output
	log  *lockedBuffer // standard error
	done chan struct{} // closed when the process has ended and its status is known
	seen bool          // its end was taken note of
}

// lockedBuffer collects a process's output while the test may read it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// start runs quern in the background until the test ends. When the test fails, its output is shown.
func start(t *testing.T, name string, args ...string) *process { return startIn(t, "", name, args...) }

// startIn is start in a folder.
func startIn(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Dir = dir
	return launch(t, name, cmd)
}

// launch is start for any command.
func launch(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, out: &lockedBuffer{}, log: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	// What inherits the pipes must not keep Wait from returning.
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.done)
		p.cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s%s", name, p.out, p.log)
		}
	})
	return p
}

func (p *process) signal(s syscall.Signal) { p.cmd.Process.Signal(s) }

// kill ends the process with SIGKILL, which reaches a stopped one as well, and waits for its end.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// killAll ends processes at one moment: none outlives the others.
func killAll(list ...*process) {
	for _, p := range list {
		p.signal(syscall.SIGKILL)
	}
	for _, p := range list {
		p.kill()
	}
}

// kernel is what the kernel tells of a living process under a name, such as VmRSS; "" if it is not alive.
func (p *process) kernel(name string) string {
	data, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// resident is the memory of a living process, in bytes; 0 if it is not alive.
func (p *process) resident() (bytes int64) {
	fmt.Sscanf(p.kernel("VmRSS"), "%d kB", &bytes)
	return bytes << 10
}

// alive reports that the process has not ended.
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// wait returns the exit status, -1 for a process that a signal ended. It fails the test if that takes too long.
func (p *process) wait(t *testing.T, patience time.Duration) int {
	t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s has not ended after %s; it said:\n%s%s", p.name, patience, p.out, p.log)
		return 0
	}
}

// cluster is a set of coordinators and workers on loopback.
type cluster struct {
	coordinators map[string]*process // by address
	addresses    []string
	peers        string
	state        string // folder of the coordinators' state directories
	scratch      string // folder that the workers share
	workers      []*process
	started      int // workers, ever
	// command makes the process of a name; nil is the binary as it is. credentials are nil where there is no TLS.
	command     func(name string, args ...string) *exec.Cmd
	flags       []string   // more of them for coordinators
	workerFlags []string   // and for workers
	all         []*process // coordinators and workers, ever
	credentials *credentials
}

// startCoordinators starts n coordinators and waits for a leader.
func startCoordinators(t *testing.T, n int) *cluster {
	t.Helper()
	c := newCluster(t, freeAddresses(t, n))
	c.begin(t)
	return c
}

// newCluster has coordinators at some addresses, and starts none.
func newCluster(t *testing.T, addresses []string) *cluster {
	c := &cluster{coordinators: map[string]*process{}, addresses: addresses, state: t.TempDir(), scratch: t.TempDir()}
	var peers []string
	for i, a := range c.addresses {
		peers = append(peers, fmt.Sprintf("c%d=%s", i+1, a))
	}
	c.peers = strings.Join(peers, ",")
	return c
}

// begin starts all coordinators, and waits for a leader and until all of them vote: one whose state directory is empty does
// not before it has heard from a leader, so two of three would not be enough yet.
func (c *cluster) begin(t *testing.T) {
	t.Helper()
	for _, a := range c.addresses {
		c.startCoordinator(t, a)
	}
	c.waitLeader(t)
	for _, p := range c.coordinators {
		eventually(t, p.name+" to vote", func() bool {
			return len(c.addresses) == 1 || strings.Contains(p.log.String(), "votes from now on")
		})
	}
}

// launch starts a process of the cluster.
func (c *cluster) launch(t *testing.T, name string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	if c.command != nil {
		cmd = c.command(name, args...)
	}
	p := launch(t, name, cmd)
	c.all = append(c.all, p)
	return p
}

// startCoordinator starts the coordinator of an address, on the state that it has left there if it ran before.
func (c *cluster) startCoordinator(t *testing.T, address string) *process {
	t.Helper()
	id := c.id(address)
	args := []string{"coordinator", "--verbose", "--id", id, "--listen", address, "--state", filepath.Join(c.state, id), "--peers", c.peers}
	args = append(args, c.flags...)
	p := c.launch(t, id, c.credentials.coordinator(args)...)
	c.coordinators[address] = p
	return p
}

// id is the name of a coordinator.
func (c *cluster) id(address string) string {
	return fmt.Sprintf("c%d", slices.Index(c.addresses, address)+1)
}

func (c *cluster) urls() string {
	var urls []string
	for _, a := range c.addresses {
		urls = append(urls, c.credentials.scheme()+"://"+a)
	}
	return strings.Join(urls, ",")
}

func (c *cluster) startWorkers(t *testing.T, n int) {
	t.Helper()
	for range n {
		c.started++
		name := fmt.Sprintf("w%d", c.started)
		c.workers = append(c.workers, c.startWorker(t, name, "127.0.0.1:0"))
	}
}

// workerMemory is the --memory of a worker, in bytes.
const workerMemory = 1 << 30

// startWorker starts one worker, with more flags if need be.
func (c *cluster) startWorker(t *testing.T, name, listen string, more ...string) *process {
	t.Helper()
	args := []string{"worker", "--verbose", "--coordinator", c.urls(), "--listen", listen, "--scratch", c.scratch, "--slots", "1", "--memory", fmt.Sprintf("%dMiB", workerMemory>>20)}
	return c.launch(t, name, c.credentials.worker(slices.Concat(args, c.workerFlags, more))...)
}

// waitLeader returns the address of the coordinator that answers as leader.
func (c *cluster) waitLeader(t *testing.T) string {
	var leader string
	eventually(t, "a leader", func() bool {
		for a := range c.coordinators {
			if c.get(a, "/v1/runs", nil) == http.StatusOK {
				leader = a
				return true
			}
		}
		return false
	})
	return leader
}

// get reads a path of one coordinator as JSON and returns the status, 0 when there is no answer.
func (c *cluster) get(address, path string, into any) int {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.credentials.scheme()+"://"+address+path, nil)
	if err != nil {
		return 0
	}
	res, err := c.credentials.do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if into != nil && res.StatusCode == http.StatusOK {
		if json.NewDecoder(res.Body).Decode(into) != nil {
			return 0
		}
	}
	io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// status asks whoever leads for a run.
func (c *cluster) status(run string) (s api.RunStatus, ok bool) {
	for a := range c.coordinators {
		if c.get(a, "/v1/runs/"+run, &s) == http.StatusOK {
			return s, true
		}
	}
	return s, false
}

// done is how many tasks of a run have finished; -1 if the run is not known yet.
func (c *cluster) done(run string) int {
	status, known := c.status(run)
	if !known {
		return -1
	}
	n := 0
	for _, stage := range status.Stages {
		n += stage.Done
	}
	return n
}

// failures is how many attempts of a run have failed or were lost.
func (c *cluster) failures(run string) int {
	status, _ := c.status(run)
	n := 0
	for _, stage := range status.Stages {
		n += stage.Failures
	}
	return n
}

// eventually polls a condition until the deadline, and fails the test if it does not come to hold.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if !poll(deadline, condition) {
		t.Fatalf("waited %s for %s", deadline, what)
	}
}

// poll reports whether a condition came to hold. Polling another process is the one place where waiting needs a clock.
func poll(patience time.Duration, condition func() bool) bool {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-ticker.C {
		if condition() {
			return true
		}
	}
	return false
}

func freeAddresses(t *testing.T, n int) []string {
	var addresses []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addresses = append(addresses, l.Addr().String())
	}
	return addresses
}

// result is what -o json prints.
type result struct {
	RunID   string                      `json:"run_id"`
	State   string                      `json:"state"`
	Outputs map[string]api.OutputStatus `json:"outputs"`
}

// quern runs the binary to its end in a folder, and returns what -o json printed.
func quern(t *testing.T, dir string, args ...string) result {
	t.Helper()
	cmd := exec.Command(binary(t), args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("quern %s: %v\n%s%s", strings.Join(args, " "), err, out, stderr.String())
	}
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("quern %s printed %q: %v", strings.Join(args, " "), out, err)
	}
	return r
}

// digests gives the SHA-256 of each shard of an output, in shard order, after checking it against the manifest, and then what the
// manifest says of the steps of the job.
func digests(t *testing.T, o api.OutputStatus) []string {
	t.Helper()
	data, err := os.ReadFile(o.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Shards []struct {
			Key    string
			Rows   int64
			SHA256 string
		}
		Steps json.RawMessage
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatal(err)
	}
	var sums []string
	var rows int64
	for _, s := range manifest.Shards {
		content, err := os.ReadFile(filepath.Join(o.VersionPath, s.Key))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(content)
		sums = append(sums, hex.EncodeToString(sum[:]))
		if sums[len(sums)-1] != s.SHA256 {
			t.Errorf("%s has SHA-256 %s, but the manifest says %s", s.Key, sums[len(sums)-1], s.SHA256)
		}
		rows += s.Rows
	}
	if rows != o.Rows || len(sums) != o.Shards {
		t.Errorf("manifest has %d rows in %d shards, status says %d in %d", rows, len(sums), o.Rows, o.Shards)
	}
	for _, name := range []string{o.VersionPath + "/_SUCCESS", o.Path + "/_LATEST"} {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	return append(sums, string(manifest.Steps))
}
