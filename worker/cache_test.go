package worker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

func TestCacheSharesOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string, int](2)
		var loads atomic.Int32
		release := make(chan struct{})
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				v, err := c.get(t.Context(), "a", func(context.Context) (int, error) {
					loads.Add(1)
					<-release
					return 7, nil
				})
				if v != 7 || err != nil {
					t.Errorf("got %d, %v", v, err)
				}
			})
		}
		synctest.Wait()
		close(release)
		wg.Wait()
		if n := loads.Load(); n != 1 {
			t.Fatalf("%d loads", n)
		}
	})
}

// A caller that gives up does not fail the others who waited for its load.
func TestCacheFailureIsNotShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCache[string, int](2)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.get(ctx, "a", func(ctx context.Context) (int, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled caller: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			v, err := c.get(t.Context(), "a", func(context.Context) (int, error) { return 3, nil })
			if v != 3 || err != nil {
				t.Errorf("other caller: %d, %v", v, err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
	})
}

func TestCacheDropsLeastRecentlyUsed(t *testing.T) {
	c := newCache[int, int](2)
	loads := 0
	get := func(key int) {
		t.Helper()
		v, err := c.get(t.Context(), key, func(context.Context) (int, error) { loads++; return key, nil })
		if v != key || err != nil {
			t.Fatalf("get %d: %d, %v", key, v, err)
		}
	}
	for _, key := range []int{1, 2, 1, 3, 1} { // 3 drops 2
		get(key)
	}
	if loads != 3 || c.len() != 2 {
		t.Fatalf("%d loads, %d held", loads, c.len())
	}
	get(2)
	if loads != 4 {
		t.Fatalf("the dropped key was not loaded again")
	}
}
