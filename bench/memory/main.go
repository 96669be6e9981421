// Command memory runs queries on inputs much larger than their memory, each as a process of its own, and prints how long it
// took, the most memory that the process had resident, how much went to scratch files, and what was left of them. The
// inputs are made by formulas, so that what the answers must be is known without another engine.
package main

import (
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"
)

// options are the command line.
type options struct {
	quern, data, memory, only string
	percent                   int64
}

func main() {
	var o options
	flag.StringVar(&o.quern, "quern", "", "the quern binary")
	flag.StringVar(&o.data, "data", "", "folder for inputs, which stay, and scratch files, which should not")
	flag.StringVar(&o.memory, "memory", "1GiB", "memory of each process; it may have 30 % more resident")
	flag.Int64Var(&o.percent, "percent", 100, "size of the inputs, in percent of the whole")
	flag.StringVar(&o.only, "only", "", "run only the workloads whose name contains this")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	limit, err := humanize.ParseBytes(o.memory)
	if err != nil {
		return fmt.Errorf("-memory: %w", err)
	}
	o.data = filepath.Join(o.data, fmt.Sprintf("memory-%d", o.percent))
	if err := os.MkdirAll(o.data, 0o755); err != nil {
		return err
	}
	fmt.Printf("| workload, --memory %s | seconds | CPU seconds | resident at most | scratch at most | left |\n|---|---|---|---|---|---|\n", o.memory)
	var failed []error
	for _, w := range workloads(o.percent) {
		if !strings.Contains(w.name, o.only) {
			continue
		}
		if err := o.runOne(w, int64(limit)); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w.name, err))
		}
	}
	return errors.Join(failed...)
}

// runOne makes what a workload needs and is not there, runs it, and checks its answer and its traces.
func (o *options) runOne(w workload, limit int64) error {
	args := []string{"sql", w.sql, "--memory", o.memory, "--format", "csv"}
	result := filepath.Join(o.data, "result.parquet")
	if w.file != nil {
		args = []string{"sql", w.sql, "--memory", o.memory, "--format", "parquet", "--out", result}
		defer os.Remove(result)
	}
	for _, t := range w.inputs {
		if err := o.make(t); err != nil {
			return fmt.Errorf("make %s: %w", t.name, err)
		}
		args = append(args, "--table", t.name+"="+o.path(t))
	}
	scratch := filepath.Join(o.data, "scratch")
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return err
	}
	m, err := measure(exec.Command(o.quern, args...), scratch)
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %.1f | %.1f | %s | %s | %d files |\n", w.name, m.wall.Seconds(), m.cpu.Seconds(),
		humanize.IBytes(uint64(m.resident)), humanize.IBytes(uint64(m.scratch)), m.left)
	if err := w.check(m.output, result); err != nil {
		return err
	}
	if m.resident > limit+limit/10*3 {
		return fmt.Errorf("%d bytes resident, 30 %% more than the limit are %d", m.resident, limit+limit/10*3)
	}
	if m.left > 0 {
		return fmt.Errorf("%d scratch files left", m.left)
	}
	return nil
}

func (w *workload) check(output, result string) error {
	if w.file != nil {
		return w.file(result)
	}
	rows, err := csv.NewReader(strings.NewReader(output)).ReadAll()
	if err != nil || len(rows) != 2 {
		return fmt.Errorf("answered %q (%v)", output, err)
	}
	if got := strings.Join(rows[1], ","); got != w.want {
		return fmt.Errorf("answered %s, want %s", got, w.want)
	}
	return nil
}

func (o *options) path(t input) string { return filepath.Join(o.data, t.name+".parquet") }

// make makes an input, under another name until it is complete.
func (o *options) make(t input) error {
	if _, err := os.Stat(o.path(t)); err == nil {
		return nil
	}
	part := o.path(t) + ".part"
	cmd := exec.Command(o.quern, "sql", t.sql, "--format", "parquet", "--out", part)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return err
	}
	return os.Rename(part, o.path(t))
}

// measurement is what a process did.
type measurement struct {
	output    string
	wall, cpu time.Duration
	resident  int64
	scratch   int64 // the most that was on disk at once
	left      int
}

func measure(cmd *exec.Cmd, scratch string) (m measurement, err error) {
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	cmd.Env = append(os.Environ(), "TMPDIR="+scratch)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return m, err
	}
	var most atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		watch(scratch, &most, stop)
	}()
	err = cmd.Wait()
	m.wall = time.Since(start)
	close(stop)
	<-done
	if err != nil {
		return m, err
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return m, errors.New("this system does not say how much memory a process had")
	}
	m.output, m.scratch, m.resident = out.String(), most.Load(), usage.Maxrss*1024
	m.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	_, m.left = onDisk(scratch)
	return m, nil
}

// watch notes the most that is in a folder.
func watch(folder string, most *atomic.Int64, stop <-chan struct{}) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			size, _ := onDisk(folder)
			most.Store(max(most.Load(), size))
		}
	}
}

// onDisk is the size and number of what is below a folder. What vanishes meanwhile does not count.
func onDisk(folder string) (size int64, entries int) {
	_ = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return nil
		}
		entries++
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size, entries
}
