package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/api/secure"
)

// clockSkew is how far clocks may be apart: the times of HTTP have whole seconds.
const clockSkew = 2 * time.Second

// cluster looks at the coordinators and workers.
func (d *doctor) cluster(ctx context.Context, t *target) {
	c, err := t.connect()
	if err != nil {
		d.fail("cluster", "", "%v", err)
		return
	}
	defer c.Close()
	s, err := c.Cluster(ctx)
	if err != nil {
		d.fail("cluster", "start the coordinators, or name others with --coordinator", "%v", err)
		return
	}
	if s.Leader == "" {
		d.fail("leader", "a majority of the coordinators must be up: see those that do not answer", "there is none, as %s sees it", s.From)
	} else {
		d.ok("leader", "%s, term %d", s.Leader, s.Term)
	}
	builds := []string{build()}
	for _, m := range s.Members {
		d.member(s, m)
		if m.Answers {
			builds = append(builds, m.Build)
			d.clock(ctx, t, m)
		}
	}
	if b := distinct(builds); len(b) > 1 {
		d.warn("versions", "upgrade the others: see docs/operations.md", "coordinators and this command are of %d builds: %s", len(b), strings.Join(b, "; "))
	} else {
		d.ok("versions", "%s", b[0])
	}
	d.workers(ctx, c)
}

func (d *doctor) member(s *api.ClusterStatus, m api.MemberStatus) {
	check := "coordinator " + m.ID
	switch {
	case !m.Answers:
		d.fail(check, "start it, or remove it: quern cluster remove "+m.ID, "%s does not answer", m.Address)
	case diverges(s, m):
		d.fail(check, "replace it like one whose disk is gone: see docs/operations.md", "its state is not the leader's")
	case m.Trouble != "":
		d.fail(check, "look at its disk", "%s", m.Trouble)
	case m.DiskLow:
		d.fail(check, "free some space where its --state is", "its disk is almost full")
	case !m.Voter:
		d.warn(check, "wait until it has caught up", "%s does not vote yet", m.Address)
	default:
		d.ok(check, "%s answers, log entries of version %d", m.Address, m.EntryVersion)
	}
}

// clock compares this machine's clock with that of a coordinator, in the middle of a request.
func (d *doctor) clock(ctx context.Context, t *target, m api.MemberStatus) {
	if m.Address == "" {
		return
	}
	check := "clock of " + m.ID
	theirs, ours, err := clockOf(ctx, t, m.Address)
	switch skew := theirs.Sub(ours).Abs(); {
	case err != nil:
		d.warn(check, "", "cannot be asked: %v", err)
	case skew > clockSkew:
		d.warn(check, "let the machines keep their clocks by NTP; leases and certificates go by them", "differs from this machine's by %s", skew.Round(time.Second))
	default:
		d.ok(check, "is this machine's")
	}
}

func clockOf(ctx context.Context, t *target, address string) (theirs, ours time.Time, err error) {
	scheme := "http"
	var identity *secure.Identity
	if t.encrypted() {
		scheme = "https"
		if identity, err = secure.Open(t.tls, nil); err != nil {
			return theirs, ours, err
		}
	}
	transport := client.NewTransport(identity)
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+address+"/healthz", nil)
	if err != nil {
		return theirs, ours, err
	}
	begun := time.Now()
	response, err := transport.RoundTrip(r)
	if err != nil {
		return theirs, ours, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 1<<10)); err != nil {
		return theirs, ours, err
	}
	if theirs, err = http.ParseTime(response.Header.Get("Date")); err != nil {
		return theirs, ours, fmt.Errorf("it says no time: %w", err)
	}
	// The header has its seconds cut off.
	return theirs.Add(500 * time.Millisecond), begun.Add(time.Since(begun) / 2), nil
}

func (d *doctor) workers(ctx context.Context, c *client.Client) {
	list, err := c.Workers(ctx)
	if err != nil {
		d.fail("workers", "", "%v", err)
		return
	}
	slots := 0
	for _, w := range list.Workers {
		slots += w.Slots
		if !w.Quarantine.IsZero() {
			d.warn("worker "+w.WorkerID, "look at its log for the tasks that failed", "in quarantine until %s", w.Quarantine.Format(time.DateTime))
		}
	}
	if len(list.Workers) == 0 {
		d.warn("workers", "start one: quern worker", "there is none")
		return
	}
	d.ok("workers", "%d with %d slots", len(list.Workers), slots)
	d.workerBuilds(list.Workers)
	d.workerClocks(list.Workers)
}

// workerClocks compares the workers' clocks with the leader's, which has heard what they say.
func (d *doctor) workerClocks(workers []api.WorkerStatus) {
	right, unknown := 0, 0
	for _, w := range workers {
		switch {
		case w.Clock == nil:
			unknown++
		case w.Clock.Abs() > clockSkew:
			d.warn("clock of "+w.WorkerID, "let the machines keep their clocks by NTP; certificates and logs go by them",
				"differs from the leader's by %s", w.Clock.Abs().Round(time.Second))
		default:
			right++
		}
	}
	if unknown > 0 {
		d.warn("clocks of workers", "ask again in a second; upgrade workers if it stays so", "%d are not known: the leader has not heard them, or they are of an older build", unknown)
	}
	if right > 0 {
		d.ok("clocks of workers", "%d of %d are the leader's", right, len(workers))
	}
}

// workerBuilds says which workers are of another build than this command.
func (d *doctor) workerBuilds(workers []api.WorkerStatus) {
	var others []string
	for _, w := range workers {
		if w.Build != "" && w.Build != build() {
			others = append(others, w.WorkerID+" ("+w.Build+")")
		}
	}
	if len(others) > 0 {
		d.warn("versions of workers", "upgrade the others: see docs/operations.md", "not of this command's build: %s", strings.Join(others, ", "))
		return
	}
	d.ok("versions of workers", "%s", build())
}
