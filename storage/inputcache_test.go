package storage

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// countedSource is an object that counts how often each byte was read.
type countedSource struct {
	data  []byte
	reads []atomic.Int32
	fail  atomic.Bool
}

func (s *countedSource) ReadAt(p []byte, off int64) (int, error) {
	if s.fail.Load() {
		return 0, errors.New("the store is away")
	}
	n := copy(p, s.data[off:])
	for i := range n {
		s.reads[int(off)+i].Add(1)
	}
	return n, nil
}

func (s *countedSource) Close() error { return nil }

func (s *countedSource) most() (most int32) {
	for i := range s.reads {
		most = max(most, s.reads[i].Load())
	}
	return most
}

func newSource(size int) *countedSource {
	s := &countedSource{data: make([]byte, size), reads: make([]atomic.Int32, size)}
	r := rand.New(rand.NewPCG(1, 2))
	for i := range s.data {
		s.data[i] = byte(r.Uint32())
	}
	return s
}

func newCache(t *testing.T, budget int64) *inputCache {
	t.Helper()
	s := New()
	if err := s.CacheInputs(filepath.Join(t.TempDir(), "cache"), budget); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.inputs.Load()
}

func (c *inputCache) reader(t *testing.T, name string, s *countedSource) *cachedReader {
	t.Helper()
	o, err := c.open(Info{URL: name, ETag: "1", Size: int64(len(s.data))})
	if err != nil {
		t.Fatal(err)
	}
	return &cachedReader{cache: c, object: o, source: s, size: int64(len(s.data)), ctx: t.Context}
}

// Readers that read anything at any time get what is there, and no byte is fetched twice.
func TestInputCacheReadsOnce(t *testing.T) {
	c, s := newCache(t, 64<<20), newSource(3*cacheBlock+1234)
	var group sync.WaitGroup
	for seed := range 8 {
		group.Go(func() {
			r := c.reader(t, "x", s)
			defer r.Close()
			random := rand.New(rand.NewPCG(uint64(seed), 3))
			for range 40 {
				from := random.IntN(len(s.data))
				p := make([]byte, 1+random.IntN(len(s.data)-from))
				if n, err := r.ReadAt(p, int64(from)); n != len(p) || err != nil || !bytes.Equal(p, s.data[from:from+n]) {
					t.Errorf("%d bytes at %d: %d, %v", len(p), from, n, err)
				}
			}
		})
	}
	group.Wait()
	if most := s.most(); most != 1 {
		t.Errorf("a byte was fetched %d times", most)
	}
	r := c.reader(t, "x", s)
	defer r.Close()
	if n, err := r.ReadAt(make([]byte, 10), int64(len(s.data))-4); n != 4 || err == nil {
		t.Errorf("at the end: %d, %v", n, err)
	}
}

// With room for one object, the one that was read longest ago goes; while both are open, the second is read past the cache.
func TestInputCacheRoom(t *testing.T) {
	c := newCache(t, 2*cacheBlock)
	a, b := newSource(2*cacheBlock), newSource(2*cacheBlock)
	read := func(r *cachedReader, s *countedSource) {
		t.Helper()
		p := make([]byte, len(s.data))
		if _, err := r.ReadAt(p, 0); err != nil || !bytes.Equal(p, s.data) {
			t.Fatal(err)
		}
	}
	first, second := c.reader(t, "a", a), c.reader(t, "b", b)
	read(first, a)
	read(second, b)
	read(second, b)
	if a.most() != 1 || b.most() != 2 || c.used != 2*cacheBlock {
		t.Errorf("both open: %d and %d reads, %d bytes", a.most(), b.most(), c.used)
	}
	first.Close()
	read(second, b)
	read(second, b)
	if b.most() != 3 || c.used != 2*cacheBlock {
		t.Errorf("one open: %d reads, %d bytes", b.most(), c.used)
	}
	second.Close()
	files, err := os.ReadDir(c.dir)
	if err != nil || len(files) != 1 {
		t.Errorf("%d files, %v", len(files), err)
	}
}

// What the disk has damaged is read from the object, and what could not be fetched is fetched later.
func TestInputCacheDamage(t *testing.T) {
	c, s := newCache(t, 64<<20), newSource(2*cacheBlock)
	r := c.reader(t, "x", s)
	defer r.Close()
	p := make([]byte, len(s.data))
	s.fail.Store(true)
	if _, err := r.ReadAt(p, 0); err == nil {
		t.Fatal("read without a store")
	}
	s.fail.Store(false)
	if _, err := r.ReadAt(p, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := r.object.file.WriteAt([]byte{^s.data[5]}, 5); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		clear(p)
		if _, err := r.ReadAt(p, 0); err != nil || !bytes.Equal(p, s.data) {
			t.Fatalf("after damage: %v", err)
		}
	}
	if c.used != 2*cacheBlock {
		t.Errorf("%d bytes", c.used)
	}
}
