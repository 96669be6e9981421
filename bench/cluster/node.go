package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// serve is a coordinator process. It is the real one but for its planner, which makes a job of as many tasks as the
// request's text says.
func serve(o options) error {
	debug.SetGCPercent(100)
	peers := map[string]string{}
	for _, pair := range strings.Split(o.peers, ",") {
		id, address, _ := strings.Cut(pair, "=")
		peers[id] = address
	}
	node, err := coordinator.New(coordinator.Options{
		ID: o.node, Listen: o.listen, StateDir: o.state, Peers: peers, Store: storage.New(), Plan: planTasks,
		Lease: 6 * o.heartbeat, Heartbeat: o.heartbeat, Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := node.Start(ctx); err != nil {
		return errors.Join(err, node.Close())
	}
	<-ctx.Done()
	return node.Close()
}

// planTasks makes a job of two stages, the second of which reads the first: half of the tasks each, but not more
// partitions than a shuffle has.
func planTasks(_ context.Context, r api.SubmitRequest) (*plan.Job, error) {
	tasks, err := strconv.Atoi(r.Query.SQL)
	if err != nil {
		return nil, err
	}
	schema := plan.Schema{Fields: []plan.Field{{Name: "x", Type: plan.Boolean}}}
	values := &plan.Node{Op: plan.NodeValues, Schema: schema, Values: &plan.Values{}}
	read := &plan.Node{Op: plan.NodeShuffleRead, Schema: schema, ShuffleRead: &plan.ShuffleRead{Stage: 0}}
	last := max(1, min(tasks/2, 1000))
	return &plan.Job{Version: plan.JobVersion, Name: "tasks", Stages: []*plan.Stage{
		{ID: 0, Root: values, Tasks: tasks - last, Sink: plan.Sink{Kind: plan.SinkShuffle, Partitions: 1}},
		{ID: 1, Root: read, Tasks: last, Inputs: []int{0}, Sink: plan.Sink{Kind: plan.SinkShuffle, Partitions: 1}},
	}}, nil
}

// cluster is the coordinator processes.
type cluster struct {
	nodes map[string]*exec.Cmd // by address
	urls  []string
}

func start(o options) (*cluster, error) {
	c := &cluster{nodes: map[string]*exec.Cmd{}}
	var pairs []string
	for i := range o.coordinators {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		c.urls = append(c.urls, l.Addr().String())
		pairs = append(pairs, fmt.Sprintf("c%d=%s", i, l.Addr()))
		if err := l.Close(); err != nil {
			return nil, err
		}
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for i, address := range c.urls {
		id := fmt.Sprintf("c%d", i)
		cmd := exec.Command(self, "-node", id, "-listen", address, "-peers", strings.Join(pairs, ","), "-state", filepath.Join(o.data, id), "-heartbeat", o.heartbeat.String())
		cmd.Stderr = os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := cmd.Start(); err != nil {
			c.stop()
			return nil, err
		}
		c.nodes[address] = cmd
	}
	if c.waitLeader(30*time.Second) == "" {
		c.stop()
		return nil, errors.New("no coordinator leads")
	}
	return c, nil
}

func (c *cluster) stop() {
	for _, cmd := range c.nodes {
		cmd.Process.Kill()
		cmd.Wait()
	}
}

// alive says which coordinators have ended by themselves.
func (c *cluster) alive() error {
	for address, cmd := range c.nodes {
		if err := cmd.Process.Signal(syscall.Signal(0)); err != nil {
			return fmt.Errorf("coordinator %s: %w", address, err)
		}
	}
	return nil
}

// waitLeader is the address of the coordinator that answers as leader.
func (c *cluster) waitLeader(patience time.Duration) string {
	h := &http.Client{Timeout: time.Second}
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		for address := range c.nodes {
			res, err := h.Get("http://" + address + "/v1/runs")
			if err != nil {
				continue
			}
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return address
			}
		}
	}
	return ""
}

// kill ends the leader with SIGKILL.
func (c *cluster) kill() (address string) {
	address = c.waitLeader(10 * time.Second)
	cmd := c.nodes[address]
	cmd.Process.Kill()
	cmd.Wait()
	delete(c.nodes, address)
	return address
}

// memory is what the leader has resident, now and at most.
func (c *cluster) memory() string {
	address := c.waitLeader(10 * time.Second)
	if address == "" {
		return "unknown"
	}
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", c.nodes[address].Process.Pid))
	if err != nil {
		return "unknown"
	}
	defer f.Close()
	var now, most uint64
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 {
			continue
		}
		kib, _ := strconv.ParseUint(fields[1], 10, 64)
		switch fields[0] {
		case "VmRSS:":
			now = kib << 10
		case "VmHWM:":
			most = kib << 10
		}
	}
	return fmt.Sprintf("%s resident, %s at most", humanize.IBytes(now), humanize.IBytes(most))
}
