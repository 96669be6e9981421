package operator

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/quern-engine/quern/plan"
)

// Builds keeps the indexed build sides of joins whose right input is the same for several tasks of a stage, as a broadcast is:
// so a worker makes it once or a few times and not for each task. It is safe for concurrent use.
//
// Who uses a build side reserves all of its bytes in the task's own share; those that nobody uses are kept up to a limit.
type Builds struct {
	limit int64

	mu     sync.Mutex
	byKey  map[string]*sharedBuild  // guarded by mu, and so are its values
	making map[string]chan struct{} // guarded by mu; closed when the one who makes a build side has done so or given up
	clock  int64                    // guarded by mu
}

// sharedBuild is a build side and what its join has published.
type sharedBuild struct {
	side    *buildSide // nobody looks keys up in it: everyone takes a view
	filters []publishedFilter
	users   int
	used    int64 // when it was used last
}

type publishedFilter struct {
	id     int
	filter RuntimeFilter
}

// NewBuilds keeps up to limit bytes of what nobody uses.
func NewBuilds(limit int64) *Builds {
	return &Builds{limit: limit, byKey: map[string]*sharedBuild{}, making: map[string]chan struct{}{}}
}

// ShareKey names the build side of a join, for tasks of one run that read the same; it is empty where no other task does, or
// where tasks use build sides up. reads names what the task reads of another stage, ok is false if no other reads that.
func ShareKey(n *plan.Node, run string, reads func(r *plan.ShuffleRead) (name string, ok bool)) string {
	j := n.Join
	if j == nil || j.Type == plan.JoinFull || j.Type.PutsOutRight() || j.NullAware {
		return ""
	}
	whole := true
	var inputs []string
	n.Inputs[1].Walk(func(in *plan.Node) {
		switch in.Op {
		case plan.NodeShuffleRead:
			name, ok := reads(in.ShuffleRead)
			inputs = append(inputs, name)
			whole = whole && ok
		case plan.NodeUnion, plan.NodeValues:
		default:
			whole = false
		}
	})
	if !whole || len(inputs) == 0 {
		return ""
	}
	what := struct {
		Input     *plan.Node
		Reads     []string
		Keys      []int
		NullSafe  []bool
		Publishes []int
	}{n.Inputs[1], inputs, j.RightKeys, j.NullSafe, j.Publishes}
	text, err := json.Marshal(what)
	if err != nil {
		return ""
	}
	return run + "/" + string(text)
}

// acquire gives a build side to use, as a view of the caller's own, until release. While another is making it, acquire
// waits: making one needs no other build side, so its maker waits for nobody here. Where there is none it is the caller's to
// make, who must offer it or giveUp.
func (b *Builds) acquire(ctx context.Context, key string) (*sharedBuild, *buildSide, error) {
	for {
		s, side, made := b.claim(key)
		if made == nil {
			return s, side, nil
		}
		select {
		case <-made:
		case <-ctx.Done():
			return nil, nil, context.Cause(ctx)
		}
	}
}

// claim is a try of acquire; made tells when to try again.
func (b *Builds) claim(key string) (s *sharedBuild, side *buildSide, made <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s = b.byKey[key]; s != nil {
		s.users++
		b.clock++
		s.used = b.clock
		return s, s.side.view(), nil
	}
	if made, ok := b.making[key]; ok {
		return nil, nil, made
	}
	b.making[key] = make(chan struct{})
	return nil, nil, nil
}

// offer takes in a build side that its maker goes on using, until release.
func (b *Builds) offer(key string, side *buildSide, filters []publishedFilter) *sharedBuild {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock++
	s := &sharedBuild{side: side.view(), filters: filters, users: 1, used: b.clock}
	b.byKey[key] = s
	b.end(key)
	return s
}

// giveUp leaves it to another to make a build side.
func (b *Builds) giveUp(key string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.end(key)
}

// end wakes those who wait for a build side. REQUIRES: mu is held.
func (b *Builds) end(key string) {
	close(b.making[key])
	delete(b.making, key)
}

func (b *Builds) release(s *sharedBuild) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s.users--
	b.shrink()
}

// shrink drops what nobody uses, the least recently used first, until the rest is within the limit. REQUIRES: mu is held.
func (b *Builds) shrink() {
	for {
		idle, oldest := int64(0), ""
		for key, s := range b.byKey {
			if s.users > 0 {
				continue
			}
			idle += s.side.bytes()
			if oldest == "" || s.used < b.byKey[oldest].used {
				oldest = key
			}
		}
		if idle <= b.limit {
			return
		}
		b.byKey[oldest].side.release()
		delete(b.byKey, oldest)
	}
}

// Forget drops what belongs to a run, or with "" everything. Who still uses something of it can finish.
func (b *Builds) Forget(run string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for key, s := range b.byKey {
		if run == "" || strings.HasPrefix(key, run+"/") {
			s.side.release()
			delete(b.byKey, key)
		}
	}
}

// view is the same build side for another user.
func (b *buildSide) view() *buildSide {
	b.rec.Retain()
	return &buildSide{rec: b.rec, index: b.index.View()}
}
