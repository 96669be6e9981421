package storage

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"gocloud.dev/blob"
	"golang.org/x/sync/errgroup"
)

const (
	// defaultPage is how many objects one request lists at most, which is as many as S3 and Google give.
	defaultPage = 1000
	// requestsAtOnce bounds how many requests of one listing, or one deletion, are under way.
	requestsAtOnce = 16
	// groupsWanted is into how many parts a long listing is cut where names allow it. Why not fewer: folders differ in size, and the
	// largest should not be most of the work. Why not more: each costs a request however little is in it.
	groupsWanted = 64
	// largeFolder is how many objects folders have on average where it may be better to list some of them one by one. With fewer,
	// their names alone fill as many pages as a listing of everything.
	largeFolder = 4
	// foldersDeep is how many levels of folders are looked at for that.
	foldersDeep = 4
)

// list visits what is below a folder, page by page. A listing that goes on beyond its first page is cut into parts with
// prefixes of their own, which are listed at the same time.
func (b *bucket) list(ctx context.Context, u *url.URL, q search) error {
	root := prefixOf(u)
	l := &listing{bucket: b, url: u, root: root, enter: q.enter, visit: q.visit}
	first, next, err := b.page(ctx, u, root+q.head, "", blob.FirstPageToken)
	if err != nil {
		return err
	}
	if len(next) > 0 {
		if q.long != nil {
			if folders, name := foldersIn(first, root); folders > 0 && len(first) >= folders*largeFolder {
				if err := q.long(folders, name); err != nil {
					return err
				}
			}
		}
		if done, err := l.inParts(ctx, q.head); done || err != nil {
			return err
		}
	}
	for {
		if err := l.page(ctx, first); err != nil || len(next) == 0 {
			return err
		}
		if first, next, err = b.page(ctx, u, root+q.head, "", next); err != nil {
			return err
		}
	}
}

// foldersIn counts the folders right below a prefix that a page goes through, hidden ones apart, and names the last.
func foldersIn(page []*blob.ListObject, prefix string) (n int, last string) {
	for _, obj := range page {
		folder, _, ok := strings.Cut(strings.TrimPrefix(obj.Key, prefix), "/")
		if ok && !hidden(folder) && (n == 0 || folder != last) {
			n, last = n+1, folder
		}
	}
	return n, last
}

func (b *bucket) level(ctx context.Context, u *url.URL) (folders, files []string, err error) {
	prefix := prefixOf(u)
	for next := blob.FirstPageToken; len(next) > 0; {
		var objs []*blob.ListObject
		if objs, next, err = b.page(ctx, u, prefix, "/", next); err != nil {
			return nil, nil, err
		}
		for _, obj := range objs {
			name := strings.TrimPrefix(obj.Key, prefix)
			switch {
			case obj.IsDir:
				folders = append(folders, strings.TrimSuffix(name, "/"))
			case name != "" && !strings.HasSuffix(name, "/"): // else it shows a folder
				files = append(files, name)
			}
		}
	}
	return folders, files, nil
}

// page is one page of a listing.
func (b *bucket) page(ctx context.Context, u *url.URL, prefix, delimiter string, token []byte) (objs []*blob.ListObject, next []byte, err error) {
	err = b.store.retry(ctx, func(ctx context.Context) (err error) {
		objs, next, err = b.b.ListPage(ctx, token, b.store.page, &blob.ListOptions{Prefix: prefix, Delimiter: delimiter})
		return blobError(ctx, "list", Display(u.String()), err)
	})
	return objs, next, err
}

// listing is one in progress.
type listing struct {
	bucket *bucket
	url    *url.URL
	root   string // key prefix of the folder
	enter  func([]string) bool

	mu    sync.Mutex
	visit func([]string, Info) error // one call at a time; guarded by mu
	// seen are folders, with a slash behind, whose objects were visited when the folders in them were found.
	seen map[string]bool
}

// page visits a page's objects.
func (l *listing) page(ctx context.Context, objs []*blob.ListObject) error {
	for _, obj := range objs {
		if obj.IsDir || strings.HasSuffix(obj.Key, "/") {
			continue // an empty object that some tools make to show a folder
		}
		elems := elements(strings.TrimPrefix(obj.Key, l.root))
		if len(elems) == 0 {
			continue
		}
		info := Info{URL: withPath(l.url, "/"+obj.Key), Size: obj.Size, Modified: obj.ModTime.UTC().Truncate(time.Second)}
		var err error
		if info.ETag, err = l.bucket.listedETag(ctx, obj); err != nil {
			return err
		}
		l.mu.Lock()
		err = l.visit(elems, info)
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// inParts lists by the folders that it finds, many at a time, or reports that they do not help.
func (l *listing) inParts(ctx context.Context, head string) (bool, error) {
	folders, files, err := l.folders(ctx, head)
	if err != nil || len(l.seen) == 0 {
		return false, err
	}
	if err := l.page(ctx, files); err != nil {
		return true, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for _, prefix := range prefixes(folders) {
		group.Go(func() error { return l.part(ctx, prefix) })
	}
	return true, group.Wait()
}

// part lists all objects with a prefix, but those that were seen with the folders.
func (l *listing) part(ctx context.Context, prefix string) error {
	for next := blob.FirstPageToken; len(next) > 0; {
		var objs []*blob.ListObject
		var err error
		if objs, next, err = l.bucket.page(ctx, l.url, prefix, "", next); err != nil {
			return err
		}
		objs = slices.DeleteFunc(objs, func(o *blob.ListObject) bool { return l.seen[o.Key[:strings.LastIndexByte(o.Key, '/')+1]] })
		if err := l.page(ctx, objs); err != nil {
			return err
		}
	}
	return nil
}

// folders finds enough folders to list by, in order, and the files beside and above them. Where the folder has so many entries that
// finding them takes as long as listing all, nothing is seen.
func (l *listing) folders(ctx context.Context, head string) (folders []string, files []*blob.ListObject, err error) {
	l.seen = map[string]bool{}
	level := []string{l.root + head}
	for range foldersDeep {
		found := make([][]*blob.ListObject, len(level))
		whole := make([]bool, len(level))
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(requestsAtOnce)
		for i, prefix := range level {
			group.Go(func() error {
				objs, next, err := l.bucket.page(ctx, l.url, prefix, "/", blob.FirstPageToken)
				found[i], whole[i] = objs, len(next) == 0
				return err
			})
		}
		if err := group.Wait(); err != nil {
			return nil, nil, err
		}
		if slices.Contains(whole, false) {
			break
		}
		folders = nil
		for i, prefix := range level {
			l.seen[prefix[:strings.LastIndexByte(prefix, '/')+1]] = true
			for _, obj := range found[i] {
				if !obj.IsDir {
					files = append(files, obj)
					continue
				}
				// A folder without a name (of a key with two slashes) stands for the one that it is in.
				if elems := elements(strings.TrimPrefix(obj.Key, l.root)); len(elems) == 0 || l.enter(elems) {
					folders = append(folders, obj.Key)
				}
			}
		}
		if len(folders) == 0 || len(folders) >= groupsWanted/2 {
			break
		}
		level = folders
	}
	slices.Sort(folders)
	return folders, files, nil
}

// prefixes shortens the names of folders, which are sorted, until there are not many more than wanted. None is the beginning of
// another: a name that is not shortened ends in a slash.
func prefixes(folders []string) []string {
	out := folders
	for n := 1; ; n++ {
		short := make([]string, 0, len(folders))
		for _, name := range folders {
			cut := min(n, len(name))
			for cut < len(name) && !utf8.RuneStart(name[cut]) {
				cut++
			}
			short = append(short, name[:cut])
		}
		// Of two that were cut at the same place neither begins the other, and where one is shorter it ends in a slash.
		short = slices.Compact(short)
		if len(short) > 4*groupsWanted && len(out) >= requestsAtOnce {
			return out
		}
		out = short
		if len(short) >= groupsWanted || slices.Equal(short, folders) {
			return out
		}
	}
}

// removeTree deletes what is below a folder, page by page, many objects at a time.
func (b *bucket) removeTree(ctx context.Context, u *url.URL) error {
	for next := blob.FirstPageToken; len(next) > 0; {
		objs, more, err := b.page(ctx, u, prefixOf(u), "", next)
		if err != nil {
			return err
		}
		group, inGroup := errgroup.WithContext(ctx)
		group.SetLimit(requestsAtOnce)
		for _, obj := range objs {
			group.Go(func() error {
				return b.store.retry(inGroup, func(ctx context.Context) error {
					return b.removeKey(ctx, u, obj.Key)
				})
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		next = more
	}
	return nil
}
