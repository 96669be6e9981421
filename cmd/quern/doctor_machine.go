package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/udf/host/contain"
)

const (
	fewFiles  = 4096     // open files below which a busy worker may run out: a merge, a connection and a plugin take some each
	noFiles   = 256      // and with which nothing larger works
	littleGiB = 10 << 30 // free space that a spilling job fills soon
	noSpace   = 64 << 20 // what a coordinator calls low
	soon      = 14 * 24 * time.Hour
)

// limits looks at what the system allows this user.
func (d *doctor) limits(memory int64) {
	const files = "open files"
	var r syscall.Rlimit
	do := "raise it: LimitNOFILE= of a systemd unit, ulimit -n, or /etc/security/limits.conf"
	switch err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); {
	case err != nil:
		d.warn(files, "", "cannot be asked: %v", err)
	case r.Cur < noFiles:
		d.fail(files, do, "at most %d", r.Cur)
	case r.Cur < fewFiles:
		d.warn(files, do, "at most %d", r.Cur)
	default:
		d.ok(files, "at most %d", r.Cur)
	}
	d.memory(memory)
	d.ok("processors", "%d for Go, %d in the machine", runtime.GOMAXPROCS(0), runtime.NumCPU())
	level := contain.Here()
	if level.Reason == "" {
		d.ok("plugins", "contained in %s", level.Level)
	} else {
		d.warn("plugins", "see docs/security.md#plugins", "contained as %s: %s", level.Level, level.Reason)
	}
}

// memory compares what a worker is to use with what there is, and with what the control group allows.
func (d *doctor) memory(wanted int64) {
	there := memoryOf("/proc/meminfo")
	if data, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if limit, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && (there == 0 || limit < there) {
			there = limit
		}
	}
	switch {
	case there == 0:
		d.warn("memory", "", "how much there is cannot be told")
	case wanted > there:
		d.fail("memory", "give the worker less with --memory, or the machine or its control group more", "--memory is %s, and there are %s",
			humanize.IBytes(uint64(wanted)), humanize.IBytes(uint64(there)))
	default:
		d.ok("memory", "%s, of which a worker is to use %s", humanize.IBytes(uint64(there)), humanize.IBytes(uint64(wanted)))
	}
}

func memoryOf(path string) int64 {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64) // not a number: not known
			return kib << 10
		}
	}
	return 0
}

// folder wants a folder that can be written, on a file system with room.
func (d *doctor) folder(dir string) {
	check := "folder " + dir
	probe, err := os.CreateTemp(dir, ".quern-doctor-*")
	if err == nil {
		_, err = probe.Write(make([]byte, 4096))
		err = errors.Join(err, probe.Sync(), probe.Close(), os.Remove(probe.Name()))
	}
	if err != nil {
		d.fail(check, "make the folder, for the user that the process runs as", "cannot be written: %v", err)
		return
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		d.warn(check, "", "can be written; how much room there is cannot be told: %v", err)
		return
	}
	free := s.Bavail * uint64(s.Bsize)
	switch do := "free some space, or take another disk"; {
	case free < noSpace:
		d.fail(check, do, "%s are free", humanize.IBytes(free))
	case free < littleGiB:
		d.warn(check, do, "%s are free", humanize.IBytes(free))
	default:
		d.ok(check, "can be written, %s are free", humanize.IBytes(free))
	}
}

// port wants an address that nobody listens on.
func (d *doctor) port(address string) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		d.fail("address "+address, "stop what listens there, or choose another with --listen", "cannot be listened on: %v", err)
		return
	}
	l.Close()
	d.ok("address "+address, "is free")
}

// certificates looks at what a process or caller here is to show and to trust.
func (d *doctor) certificates(f secure.Files) {
	for _, path := range []string{f.CA, f.Cert} {
		if path != "" {
			d.certificate(path)
		}
	}
	if f.Cert == "" && f.Key == "" {
		return
	}
	if _, err := secure.Open(f, nil); err != nil {
		d.fail("certificate and key", "", "%v", err)
		return
	}
	d.ok("certificate and key", "belong together")
}

// certificate looks at the first certificate of a file.
func (d *doctor) certificate(path string) {
	check, do := "certificate "+path, "make another: quern certs, or your authority; see docs/security.md#rotation"
	data, err := os.ReadFile(path)
	if err != nil {
		d.fail(check, "", "%v", err)
		return
	}
	block, _ := pem.Decode(data)
	if block == nil {
		d.fail(check, do, "holds no certificate in PEM")
		return
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		d.fail(check, do, "%v", err)
		return
	}
	what := fmt.Sprintf("%s, good until %s%s", c.Subject.CommonName, c.NotAfter.Format(time.DateOnly), namesOf(c))
	switch now := time.Now(); {
	case now.After(c.NotAfter):
		d.fail(check, do, "%s: it has expired", what)
	case now.Before(c.NotBefore):
		d.fail(check, "look at the clock of this machine", "%s: it is not good before %s", what, c.NotBefore.Format(time.DateTime))
	case c.NotAfter.Sub(now) < soon:
		d.warn(check, do, "%s: it expires in %s", what, c.NotAfter.Sub(now).Round(time.Hour))
	default:
		d.ok(check, "%s", what)
	}
}

// namesOf is for which hosts and roles a certificate is.
func namesOf(c *x509.Certificate) string {
	var names []string
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return ""
	}
	return ", for " + strings.Join(names, ", ")
}

// store lists a store, and writes, reads and deletes an object.
func (d *doctor) store(ctx context.Context, name string) {
	check := "store " + shown(name)
	err := probeStore(ctx, name)
	if err != nil {
		d.fail(check, "look at the address, its options, and the credentials in the environment", "%v", err)
		return
	}
	d.ok(check, "an object was written, listed, read and deleted")
}

func probeStore(ctx context.Context, name string) (err error) {
	base, err := localURL(name)
	if err != nil {
		return err
	}
	store := storage.New()
	defer func() { err = errors.Join(err, store.Close()) }()
	folder := storage.Join(base, "quern-doctor-"+strings.ToLower(rand.Text()[:8]))
	object, content := storage.Join(folder, "probe"), []byte("quern doctor was here\n")
	w, err := store.Create(ctx, object)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if _, err := w.Write(content); err != nil {
		w.Discard()
		return fmt.Errorf("write: %w", err)
	}
	if err := w.Commit(ctx); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	defer func() {
		if e := store.DeleteTree(context.WithoutCancel(ctx), folder); e != nil {
			err = errors.Join(err, fmt.Errorf("delete: %w", e))
		}
	}()
	found, err := store.List(ctx, folder)
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d objects instead of one", len(found))
	}
	if err != nil {
		return fmt.Errorf("list: %w", err)
	}
	data, err := store.Get(ctx, object)
	if err == nil && !bytes.Equal(data, content) {
		err = errors.New("what was read is not what was written")
	}
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}
