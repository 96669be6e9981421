// Command hostile is a plugin that looks around where it should not, and takes what it can get.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/udf"
)

func main() {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	if len(os.Args) > 1 && os.Args[1] == "linger" {
		linger()
	}
	udf.Serve(
		udf.Scalar("reads", reads, udf.Doc("the beginning of a file, or the names in a folder, or why not")),
		udf.Scalar("writes", writes, udf.Doc("why a file cannot be written, if so")),
		udf.Scalar("fills", fills, udf.Doc("how many bytes fit into the temporary folder, up to so many")),
		udf.Scalar2("dials", dials, udf.Doc("why an address cannot be reached, if so")),
		udf.Scalar("signals", signals, udf.Doc("why a process cannot be killed, if so")),
		udf.Scalar("traces", traces, udf.Doc("why a process cannot be traced, if so")),
		udf.Scalar("descriptors", descriptors, udf.Doc("open descriptors, up to so many, besides this process's own")),
		udf.Scalar("variables", func(int64) string { return strings.Join(os.Environ(), "\n") }),
		udf.Scalar("identity", identity),
		udf.Scalar("leaks", leaks, udf.Doc("keeps so many MiB")),
		udf.Scalar("shares", shares, udf.Doc("maps so many MiB of shared memory, which is nobody's private memory")),
		udf.Scalar("forks", forks, udf.Doc("how many processes it could start, of so many, each in a session of its own")),
		udf.Scalar("opens", opens, udf.Doc("how many files it could open, of so many")),
		udf.Scalar("burns", burns, udf.Doc("so many seconds of processor time")),
		udf.Scalar("babbles", babbles, udf.Doc("its argument, and does not stop printing afterwards")),
		udf.Scalar("floods", floods, udf.Doc("prints so many MiB")),
		udf.Scalar("random", random),
		udf.Vector("crooked", []udf.Type{udf.BigInt}, udf.String, crooked, udf.Doc("an array whose offsets are out of order")),
		udf.Vector("scribbles", []udf.Type{udf.BigInt}, udf.BigInt, scribbles, udf.Doc("writes over its arguments")),
		udf.Vector("huge", []udf.Type{udf.BigInt}, udf.Binary, huge, udf.Doc("so many MiB a row")),
	)
}

func reads(path string) string {
	if entries, err := os.ReadDir(path); err == nil {
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return strings.Join(names, " ")
	}
	f, err := os.Open(path)
	if err != nil {
		return "no: " + err.Error()
	}
	defer f.Close()
	head := make([]byte, 100)
	n, err := io.ReadFull(f, head)
	if n == 0 && err != nil {
		return "no: " + err.Error()
	}
	return strings.ToValidUTF8(string(head[:n]), "?")
}

func writes(path string) string {
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		return "no: " + err.Error()
	}
	return ""
}

func fills(most int64) int64 {
	f, err := os.CreateTemp("", "")
	if err != nil {
		return -1
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	var n int64
	for n < most {
		m, err := f.Write(block)
		n += int64(m)
		if err != nil {
			break
		}
	}
	return n
}

func dials(network, address string) string {
	c, err := net.DialTimeout(network, address, 2*time.Second)
	if err != nil {
		return "no: " + err.Error()
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		return "no: " + err.Error()
	}
	return ""
}

func signals(pid int64) string {
	if err := syscall.Kill(int(pid), syscall.SIGKILL); err != nil {
		return "no: " + err.Error()
	}
	return ""
}

func traces(pid int64) string {
	if err := syscall.PtraceAttach(int(pid)); err != nil {
		return "no: " + err.Error()
	}
	return ""
}

func descriptors(most int64) string {
	var open []string
	for fd := range int(most) {
		var stat syscall.Stat_t
		if syscall.Fstat(fd, &stat) != nil {
			continue
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
		if fd < 3 || errno == 0 && flags&syscall.FD_CLOEXEC == 0 { // what this process opens itself is closed on exec
			open = append(open, strconv.Itoa(fd))
		}
	}
	return strings.Join(open, " ")
}

func identity(int64) string {
	status, _ := os.ReadFile("/proc/self/status")
	var kept []string
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "Cap") || strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Seccomp:") {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

var kept [][]byte

func leaks(megabytes int64) int64 {
	for range megabytes {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	return int64(len(kept))
}

// shares keeps memory that limits of one process do not count.
func shares(megabytes int64) int64 {
	for range megabytes {
		block, err := syscall.Mmap(-1, 0, 1<<20, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
		if err != nil {
			break
		}
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	return int64(len(kept))
}

// forks starts processes that start a process and end: nobody is their parent, and they are in no group of this one.
func forks(most int64) int64 {
	var started int64
	for range most {
		cmd := exec.Command("/proc/self/exe", "linger")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if cmd.Start() != nil {
			break
		}
		started++
	}
	return started
}

// linger holds on to standard output, and to whatever else there is to hold on to.
func linger() {
	for {
		time.Sleep(time.Hour)
	}
}

func opens(most int64) int64 {
	var files []*os.File
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for range most {
		f, err := os.Open("/dev/null")
		if err != nil {
			break
		}
		files = append(files, f)
	}
	return int64(len(files))
}

func burns(seconds int64) int64 {
	var used syscall.Rusage
	x := int64(1)
	for used.Utime.Sec < seconds {
		for range 10_000_000 {
			x = x*6364136223846793005 + 1442695040888963407
		}
		if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
			return -1
		}
	}
	return x
}

func floods(megabytes int64) int64 {
	line := []byte(strings.Repeat("noise ", 170) + "\n")
	for range megabytes << 10 {
		if _, err := os.Stderr.Write(line); err != nil {
			return -1
		}
	}
	fmt.Fprintln(os.Stderr, "that was all")
	return megabytes
}

var babbling sync.Once

func babbles(v int64) int64 {
	babbling.Do(func() {
		text := strings.Repeat("and another thing\n", 4000) // more than a pipe holds: it is never empty
		for range 2 {
			go func() {
				for {
					fmt.Fprint(os.Stderr, text)
				}
			}()
		}
	})
	return v
}

func random(v int64) int64 { return v + time.Now().UnixNano() }

func crooked(args []arrow.Array) (arrow.Array, error) {
	offsets := make([]int32, args[0].Len()+1)
	for i := range offsets {
		offsets[i] = int32(i % 2 * 3)
	}
	offsets[len(offsets)-1] = 5
	data := array.NewData(arrow.BinaryTypes.String, args[0].Len(),
		[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes([]byte("hello"))}, nil, 0, 0)
	return array.NewStringData(data), nil
}

func scribbles(args []arrow.Array) (arrow.Array, error) {
	clear(args[0].Data().Buffers()[1].Bytes())
	args[0].Retain()
	return args[0], nil
}

func huge(args []arrow.Array) (arrow.Array, error) {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, arrow.BinaryTypes.Binary)
	in := args[0].(*array.Int64)
	for i := range in.Len() {
		b.Append(make([]byte, in.Value(i)<<20))
	}
	return b.NewArray(), nil
}
