package shuffle

import (
	"container/list"
	"strings"
	"sync"

	"github.com/quern-engine/quern/shuffle/segment"
)

// indexBytes bounds the indexes that a store keeps. One of a thousand partitions takes some 100 KB, and every one of the
// thousand tasks that read them needs it. Files are opened anew each time: that is cheap, and descriptors are few.
const indexBytes = 32 << 20

// indexes are those of the segments that were opened last. The zero value is ready. It is safe for concurrent use.
type indexes struct {
	mu     sync.Mutex
	byName map[string]*list.Element // of *namedIndex; guarded by mu
	recent list.List                // most recent first; guarded by mu
	bytes  int64                    // guarded by mu
}

type namedIndex struct {
	name string
	*segment.Index
}

func (x *indexes) get(name string) *segment.Index {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.byName[name]
	if e == nil {
		return nil
	}
	x.recent.MoveToFront(e)
	return e.Value.(*namedIndex).Index
}

func (x *indexes) put(name string, index *segment.Index) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.byName == nil {
		x.byName = map[string]*list.Element{}
	}
	if x.byName[name] != nil {
		return // somebody else was faster
	}
	x.byName[name] = x.recent.PushFront(&namedIndex{name, index})
	x.bytes += index.Footprint()
	for x.bytes > indexBytes {
		x.remove(x.recent.Back())
	}
}

// drop forgets the indexes of segments whose names begin with prefix.
func (x *indexes) drop(prefix string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for name, e := range x.byName {
		if strings.HasPrefix(name, prefix) {
			x.remove(e)
		}
	}
}

// remove forgets an index. REQUIRES: mu is held.
func (x *indexes) remove(e *list.Element) {
	n := x.recent.Remove(e).(*namedIndex)
	delete(x.byName, n.name)
	x.bytes -= n.Footprint()
}
