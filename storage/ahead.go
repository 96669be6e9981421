package storage

import (
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/semaphore"
)

const (
	// aheadBytes is how much a store holds at most of what was read before it was asked for.
	aheadBytes = 32 << 20
	// pieceBytes bounds a request for what is wanted. Why not larger: it is decoded when it is here, and others are on their way
	// meanwhile. Why not smaller: each takes as long as the way to the store.
	pieceBytes = 4 << 20
	// nearBytes is up to which gap two ranges are read with one request: at 100 MB/s it takes 3 ms, a request ten times that.
	nearBytes = 256 << 10
	// aheadAtOnce is how many requests for one file are under way.
	aheadAtOnce = 8
)

// Span is a range of a file, From up to, not including, To.
type Span struct{ From, To int64 }

// Ahead reads an object, and what it is told will be read of it before that: near ranges with one request, several requests at once.
// It holds no more than the store allows; what does not fit is read when it is asked for. It is for one reader, and passes reads of
// local files on.
type Ahead struct {
	ReaderAtCloser
	budget *semaphore.Weighted // nil: a local file
	slots  chan struct{}
	work   sync.WaitGroup

	wanted map[int][]Span   // by group
	pieces map[int][]*piece // by group, in the order in which they were begun
}

// piece is a range that is here or on its way.
type piece struct {
	Span
	left int64 // bytes of it that have not been read; those between what is wanted do not count
	data []byte
	err  error
	done chan struct{}
}

// ReadAhead makes a reader that can be told what will be read. Closing it closes r.
func (s *Store) ReadAhead(r ReaderAtCloser) *Ahead {
	a := &Ahead{ReaderAtCloser: r}
	if _, isLocal := uncounted(r).(*localFile); !isLocal {
		a.budget, a.slots = s.ahead, make(chan struct{}, aheadAtOnce)
		a.wanted, a.pieces = map[int][]Span{}, map[int][]*piece{}
	}
	return a
}

// Want tells what will be read, each span from front to back. They are a group, whose number is the caller's; one that is wanted already
// is left as it is.
func (a *Ahead) Want(group int, spans []Span) {
	if _, known := a.wanted[group]; a.budget == nil || known {
		return
	}
	spans = slices.DeleteFunc(slices.Clone(spans), func(s Span) bool { return s.From >= s.To })
	slices.SortFunc(spans, func(x, y Span) int { return int(min(max(x.From-y.From, -1), 1)) })
	a.wanted[group] = spans
	for i := 0; i < len(spans); {
		p := &piece{Span: Span{spans[i].From, spans[i].From}}
		for ; i < len(spans); i++ {
			to := min(spans[i].To, spans[i].From+pieceBytes)
			if p.left > 0 && (spans[i].From-p.To > nearBytes || to-p.From > pieceBytes) {
				break
			}
			p.left += to - spans[i].From
			p.To = max(p.To, to)
			if to < spans[i].To {
				i++
				break
			}
		}
		a.begin(group, p)
	}
}

// begin fetches a piece if there is room for it.
func (a *Ahead) begin(group int, p *piece) {
	if p.left <= 0 || !a.budget.TryAcquire(p.To-p.From) {
		return
	}
	p.done = make(chan struct{})
	a.pieces[group] = append(a.pieces[group], p)
	a.work.Go(func() {
		defer close(p.done)
		a.slots <- struct{}{}
		defer func() { <-a.slots }()
		data := make([]byte, p.To-p.From)
		if n, err := a.ReaderAtCloser.ReadAt(data, p.From); n < len(data) {
			p.err = err
			return
		}
		p.data = data
	})
}

// ReadAt takes what is here, waits for what is on its way, and reads the rest.
func (a *Ahead) ReadAt(b []byte, off int64) (n int, err error) {
	if a.budget == nil {
		return a.ReaderAtCloser.ReadAt(b, off)
	}
	for n < len(b) {
		at := off + int64(n)
		group, p, next := a.find(at)
		if p == nil {
			upTo := min(int64(len(b)), next-off)
			k, err := a.ReaderAtCloser.ReadAt(b[n:upTo], at)
			if n += k; err != nil {
				return n, err
			}
			continue
		}
		<-p.done
		if p.err != nil { // what it comes of shows when the range is read again, if it lasts
			a.drop(group, p)
			continue
		}
		k := copy(b[n:], p.data[at-p.From:])
		n += k
		if p.left -= int64(k); p.left <= 0 {
			a.drop(group, p)
		}
	}
	a.goOn(off + int64(n))
	return n, nil
}

// find is the piece that has an offset, or else where the next one begins.
func (a *Ahead) find(at int64) (group int, p *piece, next int64) {
	next = 1<<63 - 1
	for g, pieces := range a.pieces {
		for _, p := range pieces {
			if p.From <= at && at < p.To {
				return g, p, 0
			}
			if p.From > at {
				next = min(next, p.From)
			}
		}
	}
	return 0, nil, next
}

// goOn fetches what follows in a wanted span that has been read up to an offset.
func (a *Ahead) goOn(at int64) {
	if _, p, _ := a.find(at); p != nil {
		return
	}
	for group, spans := range a.wanted {
		for _, s := range spans {
			if s.From < at && at < s.To {
				to := min(s.To, at+pieceBytes)
				a.begin(group, &piece{Span: Span{at, to}, left: to - at})
				return
			}
		}
	}
}

// Done gives up what is left of a group.
func (a *Ahead) Done(group int) {
	for len(a.pieces[group]) > 0 {
		p := a.pieces[group][0]
		<-p.done // no longer than a request takes
		a.drop(group, p)
	}
	delete(a.pieces, group)
	delete(a.wanted, group)
}

func (a *Ahead) drop(group int, p *piece) {
	a.pieces[group] = slices.DeleteFunc(a.pieces[group], func(x *piece) bool { return x == p })
	a.budget.Release(p.To - p.From)
}

// Close gives up everything.
func (a *Ahead) Close() error {
	a.work.Wait()
	for group := range a.pieces {
		a.Done(group)
	}
	return a.ReaderAtCloser.Close()
}

var _ io.ReaderAt = (*Ahead)(nil)
