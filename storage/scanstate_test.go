package storage

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// TestChangedWhileRead has a file overwritten in place, with as many bytes, between the beginning and the end of a split.
func TestChangedWhileRead(t *testing.T) {
	store, path := New(), filepath.Join(t.TempDir(), "t.csv")
	defer store.Close()
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old")
	url, err := URL("/", path)
	if err != nil {
		t.Fatal(err)
	}
	begin := func(s *ScanState) {
		info, err := store.Stat(t.Context(), url)
		if err == nil {
			_, err = s.Begin(t.Context(), store, &plan.Split{URL: url, Size: info.Size, ETag: info.ETag})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := func(err error) bool {
		return err != nil && plan.AsFailure(err).Kind == plan.FailureUser && strings.Contains(err.Error(), path+" changed")
	}

	s := &ScanState{}
	begin(s)
	if err := s.Finish(t.Context()); err != nil {
		t.Error(err)
	}
	begin(s)
	write("new")
	if err := s.Finish(t.Context()); !refused(err) {
		t.Error(err)
	}
	begin(s)
	write("odd")
	_, err = s.Put(t.Context(), func(context.Context) (arrow.Record, error) { return nil, errors.New("these bytes make no sense") }, func() {})
	if !refused(err) {
		t.Errorf("what a change has led to is told as %v", err)
	}
}
