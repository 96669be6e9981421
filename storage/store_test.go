package storage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/quern-engine/quern/plan"
)

func TestURL(t *testing.T) {
	for _, c := range []struct{ dir, name, want, display string }{
		{"/jobs", "data/a.parquet", "file:///jobs/data/a.parquet", "/jobs/data/a.parquet"},
		{"/jobs", "../x y", "file:///x%20y", "/x y"},
		{"/jobs", "/abs/dt=1%3A0/*.p?", "file:///abs/dt=1%253A0/%2A.p%3F", "/abs/dt=1%3A0/*.p?"},
		{"/jobs", "s3://b/k/l?endpoint=http://h:1&region=r", "s3://b/k/l?endpoint=http://h:1&region=r", "s3://b/k/l"},
		{"s3://b/jobs?region=r", "data", "s3://b/jobs/data?region=r", "s3://b/jobs/data"},
		{"/jobs", "file:///x/y", "file:///x/y", "/x/y"},
	} {
		got, err := URL(c.dir, c.name)
		if err != nil {
			t.Errorf("URL(%q, %q): %v", c.dir, c.name, err)
			continue
		}
		// The exact escapes of '*' are net/url's business; what counts is what they mean.
		if Display(got) != c.display {
			t.Errorf("URL(%q, %q) = %s, displayed %s, want %s", c.dir, c.name, got, Display(got), c.display)
		}
	}
	for _, bad := range []string{"", "ftp://host/x", "s3:///nobucket", "file://host/x", "s3://user:secret@b/k", "nul\x00"} {
		if got, err := URL("/jobs", bad); err == nil {
			t.Errorf("URL(%q) = %s", bad, got)
		}
	}
	if got := Join("s3://b/k?region=r", "a=1", "x y"); got != "s3://b/k/a=1/x%20y?region=r" {
		t.Errorf("Join = %s", got)
	}
	if got := Base("file:///d/flights/dt=2001-*/x"); Display(got) != "/d/flights" {
		t.Errorf("Base = %s", got)
	}
}

func TestRetry(t *testing.T) {
	s := New()
	s.backoff = []time.Duration{time.Nanosecond, time.Nanosecond}
	transient := plan.Failf(plan.FailureStorage, "try again")
	for _, c := range []struct {
		fail  int
		err   error
		tries int
		ok    bool
	}{{0, nil, 1, true}, {2, transient, 3, true}, {9, transient, 3, false}, {9, plan.Failf(plan.FailureUser, "no"), 1, false}, {9, errors.New("x"), 1, false}} {
		tries := 0
		err := s.retry(context.Background(), func(context.Context) error {
			tries++
			if tries > c.fail {
				return nil
			}
			return c.err
		})
		if tries != c.tries || (err == nil) != c.ok {
			t.Errorf("%v failing %d times: %d tries, %v", c.err, c.fail, tries, err)
		}
	}
	s.backoff = []time.Duration{time.Hour}
	ctx, cancel := context.WithCancel(context.Background())
	err := s.retry(ctx, func(context.Context) error { cancel(); return transient })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

// A file is created although the folder above it comes and goes with its neighbours.
func TestCreateBesideDeletion(t *testing.T) {
	s, base := New(), "file://"+t.TempDir()+"/data"
	defer s.Close()
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			for range 100 {
				folder := Join(base, fmt.Sprint(i))
				if err := s.Put(t.Context(), Join(folder, "x"), nil); err != nil {
					t.Error(err)
				}
				if err := s.DeleteTree(t.Context(), folder); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func TestMemoForgetsTheLeastRecentlyUsed(t *testing.T) {
	s := New()
	const each = memoBudget / 4
	for i := range 4 {
		s.Remember(fmt.Sprint(i), i, each)
	}
	s.Recall("0")
	s.Remember("4", 4, each)
	s.Remember("too large", 5, memoBudget+1)
	for key, want := range map[string]bool{"0": true, "1": false, "2": true, "3": true, "4": true, "too large": false} {
		if _, ok := s.Recall(key); ok != want {
			t.Errorf("%s kept: %v, want %v", key, ok, want)
		}
	}
}

func TestEditDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"flights", "flihgts", 2}, {"a", "", 1}, {"Kitten", "sitting", 3}} {
		if got := editDistance(c.a, c.b); got != c.want {
			t.Errorf("%q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}
