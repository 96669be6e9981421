// Package lease is what a leader knows of workers from their own words: when each was last heard, which of its attempts
// it does not mention, which finished runs it has been told of. It is pure: the time comes with each call, and what
// follows is for the caller to do. None of it is in the log; the next leader begins with an empty book.
package lease

import (
	"slices"
	"time"

	"github.com/quern-engine/quern/plan"
)

// Book is one leader's. It is not safe for concurrent use.
type Book struct {
	term    time.Duration // how long a worker may be silent
	grace   time.Duration // how long an attempt that its worker does not mention is given
	workers map[string]*presence
}

// presence is what is known of a worker.
type presence struct {
	seen   time.Time
	absent map[plan.AttemptID]absence // attempts that it should run and does not mention
	told   map[string]bool            // runs that it knows it can forget
	asked  []string                   // runs that the last heartbeat's answer told it to forget
	over   uint64                     // the machine's count of runs that are over when there was nothing more to tell
}

type absence struct {
	since time.Time
	times int
}

// NewBook is a book of which nothing is known yet.
func NewBook(term, grace time.Duration) *Book {
	return &Book{term: term, grace: grace, workers: map[string]*presence{}}
}

// Heard renews a worker's lease.
func (b *Book) Heard(worker string, now time.Time) { b.presence(worker, now).seen = now }

func (b *Book) presence(worker string, now time.Time) *presence {
	p := b.workers[worker]
	if p == nil {
		p = &presence{seen: now, absent: map[plan.AttemptID]absence{}, told: map[string]bool{}}
		b.workers[worker] = p
	}
	return p
}

// Forget drops what is known of a worker that was given up.
func (b *Book) Forget(worker string) { delete(b.workers, worker) }

// Silent lists workers whose lease has run out, of those that are known. One that has never been heard begins its lease
// now.
func (b *Book) Silent(known []string, now time.Time) []string {
	var list []string
	for _, w := range known {
		if now.Sub(b.presence(w, now).seen) > b.term {
			list = append(list, w)
		}
	}
	return list
}

// Silence is how long a worker has said nothing.
func (b *Book) Silence(worker string, now time.Time) time.Duration {
	if p := b.workers[worker]; p != nil {
		return now.Sub(p.seen)
	}
	return 0
}

// RenewAll gives every worker a fresh lease.
func (b *Book) RenewAll(now time.Time) {
	for _, p := range b.workers {
		p.seen = now
	}
}

// Missing compares what a worker says it runs with what it should run, and returns what it has now left out for so long
// that the grant cannot be on its way any more.
func (b *Book) Missing(worker string, granted, running []plan.AttemptID, now time.Time) []plan.AttemptID {
	p := b.presence(worker, now)
	var list []plan.AttemptID
	absent := map[plan.AttemptID]absence{}
	for _, id := range granted {
		if slices.Contains(running, id) {
			continue
		}
		a, before := p.absent[id]
		if !before {
			a.since = now
		}
		a.times++
		absent[id] = a
		if a.times > 1 && now.Sub(a.since) >= b.grace {
			list = append(list, id)
		}
	}
	p.absent = absent
	return list
}

// ToForget says which runs a worker can drop. It is told each until it speaks again: then it has heard. over is the
// machine's count of runs that are over; while that does not grow there is nothing to look for.
func (b *Book) ToForget(worker string, now time.Time, over uint64, finished func(skip func(run string) bool) []string) []string {
	p := b.presence(worker, now)
	for _, run := range p.asked {
		p.told[run] = true
	}
	if p.asked = nil; p.over == over {
		return nil
	}
	if p.asked = finished(func(run string) bool { return p.told[run] }); len(p.asked) == 0 {
		p.over = over
	}
	return p.asked
}
