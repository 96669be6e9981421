package recycle

import (
	"bytes"
	"sync"
	"testing"
	"unsafe"
)

func TestBuffersComeBack(t *testing.T) {
	a := New(1 << 24)
	for _, size := range []int{0, 1, 600, 1024, 1025, 100_000, 1 << 20} {
		b := a.Allocate(size)
		if len(b) != size {
			t.Fatalf("asked for %d bytes, got %d", size, len(b))
		}
		if size > 0 && uintptr(unsafe.Pointer(unsafe.SliceData(b)))%alignment != 0 {
			t.Errorf("%d bytes are not aligned", size)
		}
		a.Free(b)
		again := a.Allocate(size)
		if _, _, kept := class(size); kept && unsafe.SliceData(again) != unsafe.SliceData(b) {
			t.Errorf("%d bytes were not used again", size)
		}
		a.Free(again)
	}
}

func TestClasses(t *testing.T) {
	last := -1
	for size := 513; size <= 16<<20; size += 1 + size/100 {
		c, room, kept := class(size)
		if !kept || room < size || size > smallest && room > size+size/steps+1 {
			t.Fatalf("%d bytes: kept %v, with room for %d", size, kept, room)
		}
		if again, same, _ := class(room); again != c || same != room {
			t.Fatalf("%d bytes are of class %d with room for %d, as many of class %d with room for %d", size, c, room, again, same)
		}
		if c < last || c > last+1 {
			t.Fatalf("%d bytes: class %d after %d", size, c, last)
		}
		last = c
	}
	if last != classes-1 {
		t.Errorf("the last class is %d of %d", last, classes)
	}
	if _, _, kept := class(16<<20 + 1); kept {
		t.Error("more than the largest size is kept")
	}
}

func TestReallocateKeepsContent(t *testing.T) {
	a := Poison()
	b := a.Allocate(3)
	copy(b, "abc")
	for _, size := range []int{3, 2000, 5000, 4000, 1 << 20} {
		b = a.Reallocate(size, b)
		if len(b) != size || !bytes.HasPrefix(b, []byte("abc")) {
			t.Fatalf("after growing to %d: %d bytes beginning with %q", size, len(b), b[:3])
		}
	}
}

func TestKeepsNoMoreThanTheLimit(t *testing.T) {
	a := New(64 << 10)
	var all [][]byte
	for range 100 {
		all = append(all, a.Allocate(4096))
	}
	for _, b := range all {
		a.Free(b)
	}
	if a.held != 64<<10 {
		t.Errorf("holds %d bytes, want %d", a.held, 64<<10)
	}
}

func TestPoison(t *testing.T) {
	a := Poison()
	b := a.Allocate(2048)
	copy(b, "still read")
	a.Free(b)
	if b[0] != 0xDB {
		t.Error("a freed buffer kept its content")
	}
}

func TestConcurrentUse(t *testing.T) {
	a := New(1 << 20)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 1000 {
				b := a.Allocate(1024 + n)
				for j := range b {
					b[j] = byte(i)
				}
				for _, v := range b {
					if v != byte(i) {
						t.Error("a buffer was handed out twice")
						return
					}
				}
				a.Free(b)
			}
		})
	}
	wg.Wait()
}
