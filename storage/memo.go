package storage

import (
	"container/list"
	"sync"
)

// memoBudget bounds what a store remembers, in the callers' own estimate of bytes.
const memoBudget = 64 << 20

// memo is a small cache of things derived from files, least recently used first out.
type memo struct {
	mu    sync.Mutex
	items map[string]*list.Element
	order list.List // of *memoItem, most recent in front
	cost  int64
}

type memoItem struct {
	key   string
	value any
	cost  int64
}

// Recall returns what Remember kept under a key, if it is still there.
func (s *Store) Recall(key string) (any, bool) {
	m := &s.memo
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.items[key]
	if !ok {
		return nil, false
	}
	m.order.MoveToFront(e)
	return e.Value.(*memoItem).value, true
}

// Remember keeps an immutable value derived from a file, such as a parsed footer, while there is room and the store
// lives. The key must name the file's content: its URL and ETag. The cost is about how many bytes the value takes.
func (s *Store) Remember(key string, value any, cost int64) {
	m := &s.memo
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items == nil {
		m.items = map[string]*list.Element{}
	}
	if _, ok := m.items[key]; ok || cost > memoBudget {
		return
	}
	m.items[key] = m.order.PushFront(&memoItem{key, value, cost})
	for m.cost += cost; m.cost > memoBudget; {
		oldest := m.order.Back()
		item := m.order.Remove(oldest).(*memoItem)
		delete(m.items, item.key)
		m.cost -= item.cost
	}
}
