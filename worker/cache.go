package worker

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// cache keeps the results of loads that never change: plans by digest, locations by version. Concurrent callers of one
// key share one load. It holds at most limit values and drops the least recently used.
type cache[K comparable, V any] struct {
	limit int

	mu      sync.Mutex
	entries map[K]*list.Element // guarded by mu; values are *cacheEntry[K, V]
	recent  *list.List          // guarded by mu; most recently used first
}

type cacheEntry[K comparable, V any] struct {
	key   K
	ready chan struct{} // closed when value or err is set
	value V
	err   error
}

func newCache[K comparable, V any](limit int) *cache[K, V] {
	return &cache[K, V]{limit: limit, entries: make(map[K]*list.Element), recent: list.New()}
}

// get returns the value of the key, loading it when it is not there. A load that fails is not kept: it may have failed
// for its caller's reason, a cancelled attempt for instance, so those who waited for it try for themselves.
func (c *cache[K, V]) get(ctx context.Context, key K, load func(context.Context) (V, error)) (V, error) {
	for {
		e, mine := c.claim(key)
		if mine {
			c.fill(ctx, e, load)
			return e.value, e.err
		}
		select {
		case <-e.ready:
			if e.err == nil {
				return e.value, nil
			}
		case <-ctx.Done():
			var none V
			return none, ctx.Err()
		}
	}
}

var errLoadPanicked = errors.New("load panicked")

// fill runs the load and wakes those who wait for it, even when it panics.
func (c *cache[K, V]) fill(ctx context.Context, e *cacheEntry[K, V], load func(context.Context) (V, error)) {
	e.err = errLoadPanicked
	defer func() {
		if e.err != nil {
			c.drop(e)
		}
		close(e.ready)
	}()
	e.value, e.err = load(ctx)
}

// claim returns the key's entry, and whether the caller made it and has to load it.
func (c *cache[K, V]) claim(key K) (e *cacheEntry[K, V], mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.entries[key]; ok {
		c.recent.MoveToFront(el)
		return el.Value.(*cacheEntry[K, V]), false
	}
	e = &cacheEntry[K, V]{key: key, ready: make(chan struct{})}
	c.entries[key] = c.recent.PushFront(e)
	if c.recent.Len() > c.limit {
		oldest := c.recent.Back()
		delete(c.entries, c.recent.Remove(oldest).(*cacheEntry[K, V]).key)
	}
	return e, true
}

func (c *cache[K, V]) drop(e *cacheEntry[K, V]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.entries[e.key]; ok && el.Value == e {
		c.recent.Remove(el)
		delete(c.entries, e.key)
	}
}

// len is how many values are held or being loaded.
func (c *cache[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.recent.Len()
}
