package storage

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/quern-engine/quern/plan"
)

const (
	// cacheBlock is the unit that is kept. Why not larger: column chunks of small files are smaller still, and what a reader
	// does not want is fetched for nothing. Why not smaller: each block costs a checksum and its state.
	cacheBlock = 256 << 10
	// cacheFetch bounds one request, and so the memory that it takes.
	cacheFetch = 8 << 20
)

// inputCache keeps what was read of objects on a local disk, so that a range of an object is fetched once however many
// tasks and runs read it. An object is named by URL and ETag: one that changes is another object. What is on the disk is
// checked by a checksum, and fetched again if that is wrong. Memory: a few bytes a block.
type inputCache struct {
	dir    string
	budget int64

	mu      sync.Mutex
	objects map[string]*cachedObject // guarded by mu
	order   list.List                // of *cachedObject, most recently opened in front; guarded by mu
	used    int64                    // bytes of all blocks that are there or being fetched; guarded by mu
	made    int                      // files so far, for their names; guarded by mu
}

// cachedObject is one object. All fields but the first are guarded by the cache's mu.
type cachedObject struct {
	file    *os.File
	key     string
	place   *list.Element
	readers int
	blocks  []cachedBlock
	bytes   int64
	changed chan struct{} // closed, and made anew, when a fetch ends
}

type cachedBlock struct {
	state blockState
	sum   uint32
}

type blockState uint8

const (
	blockAbsent blockState = iota
	blockComing            // somebody fetches it
	blockHere
)

// CacheInputs has the store keep up to budget bytes of the objects that are opened by [Store.Open] in a folder, which it empties.
// What was opened before goes on without it.
func (s *Store) CacheInputs(dir string, budget int64) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("empty the input cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the input cache: %w", err)
	}
	s.inputs.Store(&inputCache{dir: dir, budget: budget, objects: map[string]*cachedObject{}})
	return nil
}

// Open opens a file as it was found, through the input cache if there is one. Files of the local disk do not go through it.
func (s *Store) Open(ctx context.Context, info Info) (ReaderAtCloser, error) {
	r, err := s.ReaderAt(ctx, info.URL, info.Size)
	c := s.inputs.Load()
	if _, remote := uncounted(r).(*blobReader); err != nil || !remote || c == nil || info.ETag == "" {
		return r, err
	}
	o, err := c.open(info)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return &cachedReader{cache: c, object: o, source: r, size: info.Size, ctx: func() context.Context { return ctx }}, nil
}

func (c *inputCache) open(info Info) (*cachedObject, error) {
	key := info.URL + " " + info.ETag
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[key]
	if o == nil {
		c.made++
		name := filepath.Join(c.dir, strconv.Itoa(c.made))
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, plan.Failf(plan.FailureStorage, "make a file of the input cache: %w", err)
		}
		o = &cachedObject{key: key, file: f, blocks: make([]cachedBlock, (info.Size+cacheBlock-1)/cacheBlock), changed: make(chan struct{})}
		o.place = c.order.PushFront(o)
		c.objects[key] = o
	}
	c.order.MoveToFront(o.place)
	o.readers++
	return o, nil
}

func (c *inputCache) release(o *cachedObject) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o.readers--
}

// reserve makes room for bytes, at the cost of the objects that nobody reads and that were opened longest ago. It reports
// whether there is any.
func (c *inputCache) reserveLocked(bytes int64) bool {
	for e := c.order.Back(); e != nil && c.used+bytes > c.budget; {
		o := e.Value.(*cachedObject)
		e = e.Prev()
		if o.readers > 0 {
			continue
		}
		c.order.Remove(o.place)
		delete(c.objects, o.key)
		c.used -= o.bytes
		// What goes wrong here costs nothing but room on the disk, and the folder goes with the process.
		_ = o.file.Close()
		_ = os.Remove(o.file.Name())
	}
	if c.used+bytes > c.budget {
		return false
	}
	c.used += bytes
	return true
}

// close removes all files.
func (c *inputCache) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.objects {
		_ = o.file.Close() // it is removed
	}
	return os.RemoveAll(c.dir)
}

// cachedReader reads an object through the cache.
type cachedReader struct {
	cache  *inputCache
	object *cachedObject
	source ReaderAtCloser
	size   int64
	ctx    func() context.Context // of the opener: io.ReaderAt has none of its own
	closed sync.Once
}

// ReadAt reads what is here, and fetches what is not. Where the cache has no room, or its disk fails, it reads the object itself.
func (r *cachedReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= r.size {
		return r.source.ReadAt(p, off)
	}
	want := p[:min(int64(len(p)), r.size-off)]
	for done := 0; done < len(want); {
		at := off + int64(done)
		n, err := r.readBlock(want[done:], int(at/cacheBlock), at%cacheBlock, int((off+int64(len(want))-1)/cacheBlock))
		if err != nil {
			return done, err
		}
		done += n
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// readBlock reads what a block has of a range that goes on to the block last.
func (r *cachedReader) readBlock(p []byte, block int, from int64, last int) (int, error) {
	n := int(min(int64(len(p)), r.length(block)-from))
	ready, err := r.await(block, last)
	if err != nil {
		return 0, err
	}
	if ready && r.verified(p[:n], block, from) {
		return n, nil
	}
	return r.source.ReadAt(p[:n], int64(block)*cacheBlock+from)
}

func (r *cachedReader) length(block int) int64 {
	return min(cacheBlock, r.size-int64(block)*cacheBlock)
}

// await makes sure that a block is here, false if the cache has no room for it. What is fetched goes on to the block last, as far
// as the blocks are absent.
func (r *cachedReader) await(block, last int) (bool, error) {
	c, o := r.cache, r.object
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch o.blocks[block].state {
		case blockHere:
			return true, nil
		case blockComing:
			changed := o.changed
			c.mu.Unlock()
			select {
			case <-changed:
				c.mu.Lock()
			case <-r.ctx().Done():
				c.mu.Lock()
				return false, r.ctx().Err()
			}
			continue
		}
		end, bytes := block, int64(0)
		for end <= last && o.blocks[end].state == blockAbsent && bytes+r.length(end) <= cacheFetch {
			bytes += r.length(end)
			end++
		}
		if !c.reserveLocked(bytes) {
			return false, nil
		}
		o.bytes += bytes
		for b := block; b < end; b++ {
			o.blocks[b].state = blockComing
		}
		c.mu.Unlock()
		sums, stored, err := r.fetch(block, end, bytes)
		c.mu.Lock()
		state := blockHere
		if !stored {
			state = blockAbsent
			o.bytes -= bytes
			c.used -= bytes
		}
		for b := block; b < end; b++ {
			o.blocks[b] = cachedBlock{state: state}
			if stored {
				o.blocks[b].sum = sums[b-block]
			}
		}
		close(o.changed)
		o.changed = make(chan struct{})
		if err != nil || !stored {
			return false, err
		}
	}
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// fetch reads blocks of the object and writes them to the disk; stored is false where that failed, which is no error: the
// object is still there.
func (r *cachedReader) fetch(from, to int, bytes int64) (sums []uint32, stored bool, err error) {
	buffer := make([]byte, bytes)
	at := int64(from) * cacheBlock
	if n, err := r.source.ReadAt(buffer, at); n < len(buffer) {
		return nil, false, err
	}
	if _, err := r.object.file.WriteAt(buffer, at); err != nil {
		return nil, false, nil
	}
	for b := from; b < to; b++ {
		start := int64(b-from) * cacheBlock
		sums = append(sums, crc32.Checksum(buffer[start:start+r.length(b)], castagnoli))
	}
	return sums, true, nil
}

// verified copies a part of a block that is here, if its checksum is right; else the block is absent from now on.
func (r *cachedReader) verified(p []byte, block int, from int64) bool {
	buffer := make([]byte, r.length(block))
	_, err := r.object.file.ReadAt(buffer, int64(block)*cacheBlock)
	r.cache.mu.Lock()
	defer r.cache.mu.Unlock()
	b := &r.object.blocks[block]
	if err == nil && b.state == blockHere && crc32.Checksum(buffer, castagnoli) == b.sum {
		copy(p, buffer[from:])
		return true
	}
	if b.state == blockHere {
		b.state = blockAbsent
		r.object.bytes -= int64(len(buffer))
		r.cache.used -= int64(len(buffer))
	}
	return false
}

// Close closes.
func (r *cachedReader) Close() error {
	r.closed.Do(func() { r.cache.release(r.object) })
	return r.source.Close()
}
