package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// fakeS3 serves a bucket over real HTTP and returns a URL that opens it.
func fakeS3(t *testing.T) string {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	backend := s3mem.New()
	if err := backend.CreateBucket("data"); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(server.Close)
	return "s3://data/base?endpoint=" + server.URL + "&region=us-east-1&use_path_style=true"
}

// kind is a store, and where in it a test may write.
type kind struct {
	name string
	base func(t *testing.T) string
}

// kinds are the stores that every machine has, and those that QUERN_STORES names: URLs, separated by spaces. See e2e/stores.
func kinds() []kind {
	all := []kind{
		{"local", func(t *testing.T) string { return fileURL(t, t.TempDir()) }},
		{"mem", func(*testing.T) string { return "mem://bucket/base" }},
		{"s3", fakeS3},
	}
	for _, base := range strings.Fields(os.Getenv("QUERN_STORES")) {
		scheme, _, _ := strings.Cut(base, ":")
		all = append(all, kind{scheme + " server", func(t *testing.T) string {
			if scheme == "azblob" {
				makeContainer(t, base)
			}
			return storage.Join(base, fmt.Sprintf("%s-%d", t.Name(), os.Getpid()))
		}})
	}
	return all
}

// makeContainer makes the container that a URL names, if it is not there: Azurite begins without any.
func makeContainer(t *testing.T, rawURL string) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	account := os.Getenv("AZURE_STORAGE_ACCOUNT")
	credential, err := azblob.NewSharedKeyCredential(account, os.Getenv("AZURE_STORAGE_KEY"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := azblob.NewClientWithSharedKeyCredential("http://"+u.Query().Get("domain")+"/"+account, credential, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateContainer(t.Context(), u.Host, nil); err != nil && !bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		t.Fatal(err)
	}
}

// TestConformance runs the same expectations over every kind of store that can run here.
func TestConformance(t *testing.T) {
	for _, kind := range kinds() {
		t.Run(kind.name, func(t *testing.T) {
			store := storage.New()
			defer store.Close()
			base := kind.base(t)
			for _, check := range []struct {
				name string
				run  func(t *testing.T, s *storage.Store, base string)
			}{
				{"write and read", checkWriteRead},
				{"ranges", checkRanges},
				{"many parts", checkManyParts},
				{"invisible before commit", checkCommit},
				{"list", checkList},
				{"long list", checkLongList},
				{"resolve", checkResolve},
				{"missing", checkMissing},
				{"delete", checkDelete},
				{"sweep", checkSweep},
				{"cancelled", checkCancelled},
			} {
				t.Run(check.name, func(t *testing.T) {
					check.run(t, store, storage.Join(base, strings.ReplaceAll(check.name, " ", "-")))
				})
			}
		})
	}
}

func fileURL(t *testing.T, name string) string {
	t.Helper()
	u, err := storage.URL("/", name)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func put(t *testing.T, s *storage.Store, url, data string) {
	t.Helper()
	if err := s.Put(context.Background(), url, []byte(data)); err != nil {
		t.Fatal(err)
	}
}

func checkWriteRead(t *testing.T, s *storage.Store, base string) {
	ctx := context.Background()
	for _, name := range []string{"plain", "with space", "dt=2001-01-01/per%3Acent", "näme", "a+b&c#d?e"} {
		url := storage.Join(base, name)
		put(t, s, url, "first")
		before, err := s.Stat(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		put(t, s, url, "second!")
		data, err := s.Get(ctx, url)
		if err != nil || string(data) != "second!" {
			t.Fatalf("%s: got %q, %v", name, data, err)
		}
		after, err := s.Stat(ctx, url)
		if err != nil || after.Size != 7 || after.ETag == before.ETag || after.ETag == "" || after.URL != url {
			t.Fatalf("%s: stat %+v after %+v, %v", name, after, before, err)
		}
	}
	put(t, s, storage.Join(base, "empty"), "")
	if data, err := s.Get(ctx, storage.Join(base, "empty")); err != nil || len(data) != 0 {
		t.Fatalf("empty file: %q, %v", data, err)
	}
}

func checkRanges(t *testing.T, s *storage.Store, base string) {
	ctx, url := context.Background(), storage.Join(base, "digits")
	content := []byte(strings.Repeat("0123456789", 1000))
	put(t, s, url, string(content))
	r, err := s.ReaderAt(ctx, url, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, c := range []struct{ off, n, want int }{{0, 10, 10}, {5, 17, 17}, {9990, 10, 10}, {9995, 10, 5}, {10000, 1, 0}, {20000, 1, 0}} {
		buf := make([]byte, c.n)
		n, err := r.ReadAt(buf, int64(c.off))
		if n != c.want || (n < c.n) != errors.Is(err, io.EOF) || err != nil && !errors.Is(err, io.EOF) {
			t.Errorf("ReadAt(%d bytes, %d) = %d, %v", c.n, c.off, n, err)
		}
		if n > 0 && !bytes.Equal(buf[:n], content[c.off:c.off+n]) {
			t.Errorf("ReadAt(%d bytes, %d) gives %q", c.n, c.off, buf[:n])
		}
	}
	// A file that no longer has the size it had when it was listed is refused, at open or at the first read.
	if r, err := s.ReaderAt(ctx, url, 5); err == nil {
		_, err = r.ReadAt(make([]byte, 5), 0)
		wantUserError(t, err, "changed")
		r.Close()
	} else {
		wantUserError(t, err, "changed")
	}
}

// checkManyParts writes more than stores take in one piece, and reads it in pieces, several at once.
func checkManyParts(t *testing.T, s *storage.Store, base string) {
	ctx, url := context.Background(), storage.Join(base, "large")
	content := make([]byte, 20<<20+17)
	rand.NewChaCha8([32]byte{1}).Read(content)
	w, err := s.Create(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	for part := range slices.Chunk(content, 1<<20-3) {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	r, err := s.ReaderAt(ctx, url, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var reading sync.WaitGroup
	for from := 0; from < len(content); from += 3 << 20 {
		reading.Go(func() {
			piece := make([]byte, min(3<<20, len(content)-from))
			if n, err := r.ReadAt(piece, int64(from)); n < len(piece) || !bytes.Equal(piece, content[from:from+n]) {
				t.Errorf("other bytes from %d on: %d, %v", from, n, err)
			}
		})
	}
	reading.Wait()
}

func wantUserError(t *testing.T, err error, text string) {
	t.Helper()
	var f *plan.Failure
	if !errors.As(err, &f) || f.Kind != plan.FailureUser || !strings.Contains(f.Message, text) {
		t.Errorf("got error %v (%T), want a user error with %q", err, err, text)
	}
}

func checkCommit(t *testing.T, s *storage.Store, base string) {
	ctx := context.Background()
	kept, dropped := storage.Join(base, "kept"), storage.Join(base, "dropped")
	for _, url := range []string{kept, dropped} {
		w, err := s.Create(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(bytes.Repeat([]byte("x"), 100_000)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Stat(ctx, url); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s before Commit: %v", url, err)
		}
		if got := list(t, s, base, base); len(got) > 0 && url == kept {
			t.Errorf("listed before Commit: %v", got)
		}
		if url == dropped {
			w.Discard()
			w.Discard()
			if err := w.Commit(ctx); err == nil {
				t.Error("Commit after Discard succeeded")
			}
			continue
		}
		if err := w.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		w.Discard()
		if w.Size() != 100_000 {
			t.Errorf("size %d", w.Size())
		}
	}
	if got := list(t, s, base, base); !slices.Equal(got, []string{"/kept"}) {
		t.Errorf("afterwards there is %v", got)
	}
}

// list returns the paths of the files below url, without base's own.
func list(t *testing.T, s *storage.Store, url, base string) []string {
	t.Helper()
	infos, err := s.List(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	return relative(infos, base)
}

func relative(infos []storage.Info, base string) []string {
	var names []string
	for _, i := range infos {
		names = append(names, strings.TrimPrefix(storage.Display(i.URL), storage.Display(base)))
	}
	return names
}

func checkList(t *testing.T, s *storage.Store, base string) {
	for _, name := range []string{"b", "a/2", "a/1", "a.x", "_SUCCESS", ".hidden", "_meta/x", "a/.git/x", "a/_x"} {
		put(t, s, storage.Join(base, name), name)
	}
	put(t, s, storage.Join(base, "../listing"), "a sibling whose name begins alike")
	if got, want := list(t, s, base, base), []string{"/a.x", "/a/1", "/a/2", "/b"}; !slices.Equal(got, want) {
		t.Errorf("list: got %v, want %v", got, want)
	}
	if got, want := list(t, s, storage.Join(base, "a"), base), []string{"/a/1", "/a/2"}; !slices.Equal(got, want) {
		t.Errorf("list a: got %v, want %v", got, want)
	}
	if got := list(t, s, storage.Join(base, "nothing"), base); got != nil {
		t.Errorf("list of nothing: %v", got)
	}
	infos, err := s.List(context.Background(), base)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		stat, err := s.Stat(context.Background(), i.URL)
		if err != nil || stat != i {
			t.Errorf("listed %+v, but stat gives %+v, %v", i, stat, err)
		}
	}
}

func checkResolve(t *testing.T, s *storage.Store, base string) {
	for _, name := range []string{"flights/dt=2001-01-01/p.parquet", "flights/dt=2001-01-02/p.parquet", "flights/dt=2001-02-01/p.parquet",
		"flights/_SUCCESS", "one.parquet", "odd[1].parquet", "hollow/_SUCCESS", "other/manifest.json",
		"data/r1/a.parquet", "data/r1/manifest.json", "data/r1/_SUCCESS", "data/r2/b.parquet", "data/r2/manifest.json", "data/r2/_SUCCESS", "data/r3/c.parquet",
		"nights/n=1/r1/a.parquet", "nights/n=1/r1/_SUCCESS", "nights/n=1/r2/x=1/b.parquet", "nights/n=1/r3/c.parquet", "nights/n=2/r1/d.parquet", "nights/n=3/e.parquet"} {
		put(t, s, storage.Join(base, name), name)
	}
	put(t, s, storage.Join(base, "data/_LATEST"), "r2\n")
	put(t, s, storage.Join(base, "nights/n=1/_LATEST"), "r2\n")
	put(t, s, storage.Join(base, "nights/n=2/_LATEST"), "r1\n")
	put(t, s, storage.Join(base, "led-astray/_LATEST"), "../flights\n")
	put(t, s, storage.Join(base, "astray-below/n=1/_LATEST"), "../flights\n")
	put(t, s, storage.Join(base, "astray-below/n=1/r1/a.parquet"), "a")
	for pattern, want := range map[string][]string{
		"one.parquet":                 {"/one.parquet"},
		"*.parquet":                   {"/odd[1].parquet", "/one.parquet"},
		"odd[1].parquet":              {"/odd[1].parquet"}, // a name that exists is not a pattern
		"[n-p]ne.parquet":             {"/one.parquet"},
		"flights":                     {"/flights/dt=2001-01-01/p.parquet", "/flights/dt=2001-01-02/p.parquet", "/flights/dt=2001-02-01/p.parquet"},
		"flights/dt=2001-01-*":        {"/flights/dt=2001-01-01/p.parquet", "/flights/dt=2001-01-02/p.parquet"},
		"data":                        {"/data/r2/b.parquet"}, // the latest version, without its manifest
		"data/r1":                     {"/data/r1/a.parquet"},
		"data/r*":                     {"/data/r1/a.parquet", "/data/r2/b.parquet", "/data/r3/c.parquet"},
		"nights":                      {"/nights/n=1/r2/x=1/b.parquet", "/nights/n=2/r1/d.parquet", "/nights/n=3/e.parquet"},
		"nights/n=[12]":               {"/nights/n=1/r2/x=1/b.parquet", "/nights/n=2/r1/d.parquet"},
		"nights/n=1/r[13]":            {"/nights/n=1/r1/a.parquet", "/nights/n=1/r3/c.parquet"},
		"nights/*/r1":                 {"/nights/n=1/r1/a.parquet", "/nights/n=2/r1/d.parquet"},
		"other":                       {"/other/manifest.json"},
		"fl*/dt=2001-0?-01/*.parquet": {"/flights/dt=2001-01-01/p.parquet", "/flights/dt=2001-02-01/p.parquet"},
	} {
		infos, err := s.Resolve(context.Background(), storage.Join(base, pattern))
		if err != nil {
			t.Errorf("%s: %v", pattern, err)
		}
		if got := relative(infos, base); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", pattern, got, want)
		}
	}
	for pattern, text := range map[string]string{
		"flight":               "did you mean " + storage.Display(storage.Join(base, "flights")) + "?",
		"led-astray":           "_LATEST names no version",
		"astray-below":         "_LATEST names no version",
		"two.parquet":          "no such file or folder",
		"flihgts/dt=*/p.x":     "did you mean " + storage.Display(storage.Join(base, "flights")) + "?",
		"flights/dt=1999-*":    "no file matches",
		"zzzzzzzzzzzz/y/x*":    "no file matches",
		"flights/[":            "bad pattern",
		"one.parquet/sub/file": "no such file",
	} {
		_, err := s.Resolve(context.Background(), storage.Join(base, pattern))
		wantUserError(t, err, text)
	}
}

func checkMissing(t *testing.T, s *storage.Store, base string) {
	ctx, url := context.Background(), storage.Join(base, "missing")
	_, statErr := s.Stat(ctx, url)
	_, getErr := s.Get(ctx, url)
	for _, err := range []error{statErr, getErr} {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		wantUserError(t, err, storage.Display(url))
	}
	if err := s.Delete(ctx, url); err != nil {
		t.Errorf("delete of nothing: %v", err)
	}
	if err := s.DeleteTree(ctx, url); err != nil {
		t.Errorf("delete of no tree: %v", err)
	}
}

func checkDelete(t *testing.T, s *storage.Store, base string) {
	ctx := context.Background()
	for _, name := range []string{"v1/a", "v1/_SUCCESS", "v1/b/c", "v10/a", "keep/one", "keep/two"} {
		put(t, s, storage.Join(base, name), name)
	}
	if err := s.Delete(ctx, storage.Join(base, "keep/one")); err != nil {
		t.Fatal(err)
	}
	if err := s.DeleteTree(ctx, storage.Join(base, "v1")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(ctx, storage.Join(base, "v1/_SUCCESS")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the marker survived: %v", err)
	}
	if got, want := list(t, s, base, base), []string{"/keep/two", "/v10/a"}; !slices.Equal(got, want) {
		t.Errorf("left: %v, want %v", got, want)
	}
}

func checkSweep(t *testing.T, s *storage.Store, base string) {
	ctx := context.Background()
	for _, name := range []string{"v1/part-0.1", "v1/part-0.0", "v1/_SUCCESS", "v1/.part-1.0.tmp", "v1/below/part-0.0", "v1/below/part-0.1", "v10/part-0.0"} {
		put(t, s, storage.Join(base, name), name)
	}
	sweep := func() (int, error) {
		return s.Sweep(ctx, storage.Join(base, "v1"), func(name string) bool { return name == "part-0.1" || name == "_SUCCESS" || name == "below/part-0.1" })
	}
	if n, err := sweep(); n != 3 || err != nil {
		t.Errorf("swept %d, %v; want 3", n, err)
	}
	if _, err := s.Stat(ctx, storage.Join(base, "v1/.part-1.0.tmp")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the hidden file survived: %v", err)
	}
	if _, err := s.Stat(ctx, storage.Join(base, "v1/_SUCCESS")); err != nil {
		t.Error(err)
	}
	tree, err := s.Tree(ctx, storage.Join(base, "v1"))
	if got, want := relative(tree, base), []string{"/v1/_SUCCESS", "/v1/below/part-0.1", "/v1/part-0.1"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("the tree: %v, %v, want %v", got, err, want)
	}
	for _, info := range tree {
		if age := time.Since(info.Modified); age < -time.Minute || age > time.Hour {
			t.Errorf("%s was written %v ago", info.URL, age)
		}
	}
	if got, want := list(t, s, base, base), []string{"/v1/below/part-0.1", "/v1/part-0.1", "/v10/part-0.0"}; !slices.Equal(got, want) {
		t.Errorf("left: %v, want %v", got, want)
	}
	if n, err := sweep(); n != 0 || err != nil {
		t.Errorf("again: swept %d, %v", n, err)
	}
	if n, err := s.Sweep(ctx, storage.Join(base, "not-there"), func(string) bool { return false }); n != 0 || err != nil {
		t.Errorf("a folder that is not there: swept %d, %v", n, err)
	}
}

func checkCancelled(t *testing.T, s *storage.Store, base string) {
	url := storage.Join(base, "file")
	put(t, s, url, "content")
	ctx, cancel := context.WithCancel(context.Background())
	r, err := s.ReaderAt(ctx, url, 7)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := s.Create(ctx, storage.Join(base, "other"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, statErr := s.Stat(ctx, url)
	_, readErr := r.ReadAt(make([]byte, 7), 0)
	_, listErr := s.List(ctx, base)
	for _, err := range []error{statErr, readErr, listErr, w.Commit(ctx), s.Put(ctx, url, nil), s.DeleteTree(ctx, base)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if got := list(t, s, base, base); !slices.Equal(got, []string{"/file"}) {
		t.Errorf("left: %v", got)
	}
}

// TestLocalOnly covers what only a file system can do.
func TestLocalOnly(t *testing.T) {
	ctx, store, dir := context.Background(), storage.New(), t.TempDir()
	defer store.Close()
	if _, err := store.Stat(ctx, fileURL(t, dir)); err == nil {
		t.Error("a folder passed as a file")
	}
	_, err := store.Resolve(ctx, fileURL(t, filepath.Join(dir)))
	wantUserError(t, err, "no data files")
	_, err = store.Stat(ctx, "file:///dev/null")
	wantUserError(t, err, "not a regular file")
	_, err = store.ReaderAt(ctx, "file:///dev/zero", 0)
	wantUserError(t, err, "not a regular file")
	wantUserError(t, store.DeleteTree(ctx, "file:///"), "refused")

	put(t, store, fileURL(t, filepath.Join(dir, "out/a/b/run/part")), "x")
	put(t, store, fileURL(t, filepath.Join(dir, "out/other")), "x")
	if err := store.DeleteTree(ctx, fileURL(t, filepath.Join(dir, "out/a/b/run"))); err != nil {
		t.Fatal(err)
	}
	entries, err := filepath.Glob(filepath.Join(dir, "out/*"))
	if err != nil || len(entries) != 1 {
		t.Errorf("empty folders are left: %v, %v", entries, err)
	}
}
