// Package recycle is an Arrow allocator that hands freed buffers out again. Batches are short-lived and of few sizes: a
// buffer that is still in the processor's cache costs a fraction of a fresh one, which the kernel and the runtime clear
// page by page, and which the garbage collector has to find again.
//
// A freed buffer's content changes under whoever still reads it, so the rules of Retain and Release matter here. Tests
// run with Poison, which makes such a reader see nonsense at once.
package recycle

import (
	"math/bits"
	"sync"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow/memory"
)

const (
	alignment = 64 // as Arrow wants buffers
	// Smaller buffers are not worth the bookkeeping; larger ones are rare.
	smallest = 1 << 10
	// steps is how many sizes there are from one power of two to the next: few, so that buffers fit again, and enough that
	// no more than a fifth of one is unused.
	steps   = 4
	classes = 14*steps + 1 // up to smallest<<14, 16 MiB
)

// Allocator keeps freed buffers by size, up to a number of bytes, and is safe for concurrent use.
type Allocator struct {
	limit  int64
	poison bool

	mu   sync.Mutex
	free [classes][][]byte // by class: each of its size; guarded by mu
	held int64             // bytes in free; guarded by mu
}

var _ memory.Allocator = (*Allocator)(nil)

// New makes an allocator that keeps at most limit bytes of freed buffers.
func New(limit int64) *Allocator { return &Allocator{limit: limit} }

// Poison makes an allocator for tests, which overwrites every buffer when it is freed and when it is handed out.
func Poison() *Allocator { return &Allocator{limit: 1 << 30, poison: true} }

// class finds the class of buffers that have room for size bytes, and their size; ok says whether such buffers are kept.
func class(size int) (c, room int, ok bool) {
	if size <= smallest {
		return 0, smallest, size > smallest/2
	}
	doubling := bits.Len(uint(size-1)) - 1 // size is more than 1<<doubling, and at most twice that
	step := 1 << doubling / steps
	n := (size - 1<<doubling + step - 1) / step // from 1 to steps
	c = (doubling-bits.Len(smallest-1))*steps + n
	return c, 1<<doubling + n*step, c < classes
}

// Allocate returns size bytes of undefined content.
func (a *Allocator) Allocate(size int) []byte {
	c, room, kept := class(size)
	if !kept {
		return a.stain(fresh(size))
	}
	if b := a.take(c); b != nil {
		return a.stain(b[:size])
	}
	return a.stain(fresh(room)[:size])
}

func (a *Allocator) take(c int) []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.free[c])
	if n == 0 {
		return nil
	}
	b := a.free[c][n-1]
	a.free[c] = a.free[c][:n-1]
	a.held -= int64(len(b))
	return b
}

// Free takes a buffer back.
func (a *Allocator) Free(b []byte) {
	size := cap(b)
	a.stain(b[:size])
	c, room, kept := class(size)
	if !kept || size != room {
		return // not one of ours to keep: the garbage collector's
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.held+int64(size) <= a.limit {
		a.free[c] = append(a.free[c], b[:size])
		a.held += int64(size)
	}
}

// Reallocate returns a buffer of size bytes that begins with b's content.
func (a *Allocator) Reallocate(size int, b []byte) []byte {
	if size <= cap(b) {
		return b[:size]
	}
	grown := a.Allocate(size)
	copy(grown, b)
	a.Free(b)
	return grown
}

// stain fills a buffer with nonsense when the allocator is for tests.
func (a *Allocator) stain(b []byte) []byte {
	if a.poison {
		for i := range b {
			b[i] = 0xDB
		}
	}
	return b
}

// fresh is an aligned buffer of exactly size bytes, and of that capacity, so that Free can tell its class.
func fresh(size int) []byte {
	b := make([]byte, size+alignment)
	shift := -int(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) & (alignment - 1)
	return b[shift : shift+size : shift+size]
}
