// Package dataset looks at what runs have published: the datasets below a folder, the versions of each, and how two versions
// differ. It also removes old versions. What a version is, docs/formats.md says.
package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	neturl "net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// State is what a folder in a dataset is.
type State string

// The states.
const (
	Published  State = "published"  // whole: it has a manifest and the marker
	Incomplete State = "incomplete" // being written, or what was left when nobody could clean up
	Foreign    State = "foreign"    // nothing that a run has written
)

// Version is a folder in a dataset.
type Version struct {
	ID     string // of the run
	URL    string
	State  State
	Latest bool // the dataset's pointer names it
	// Modified is when it was published; of others, when the newest file in it was written.
	Modified time.Time
	Files    int
	Bytes    int64                 // of all files
	Manifest *coordinator.Manifest // of a published one
}

// Dataset is an output with its versions, newest first.
type Dataset struct {
	URL      string
	Latest   string // the run that the pointer names; "" if there is no pointer
	Versions []Version
}

// Find lists the datasets in a folder: the folder itself, or those below it.
func Find(ctx context.Context, store *storage.Store, url string) ([]Dataset, error) {
	files, err := store.Tree(ctx, url)
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, plan.Failf(plan.FailureUser, "%s: nothing is there", storage.Display(url))
	}
	t := newTree(url, files)
	if _, ok := t.files[coordinator.ManifestName]; ok {
		return nil, plan.Failf(plan.FailureUser, "%s is one version of a dataset; give the folder that it lies in", storage.Display(url))
	}
	bases := t.bases()
	if len(bases) == 0 {
		return nil, plan.Failf(plan.FailureUser, "%s: there is no dataset in it: no version with a manifest, and no %s", storage.Display(url), coordinator.LatestName)
	}
	var found []Dataset
	for _, base := range bases {
		d, err := t.dataset(ctx, store, base)
		if err != nil {
			return nil, err
		}
		found = append(found, d)
	}
	return found, nil
}

// tree is the files below a folder, by their paths from it.
type tree struct {
	url   string
	names []string // sorted
	files map[string]storage.Info
}

func newTree(url string, files []storage.Info) *tree {
	t := &tree{url: url, files: map[string]storage.Info{}}
	root := pathOf(storage.Join(url))
	for _, f := range files {
		name := strings.TrimPrefix(strings.TrimPrefix(pathOf(f.URL), root), "/")
		t.names = append(t.names, name)
		t.files[name] = f
	}
	slices.Sort(t.names)
	return t
}

// pathOf is the path of a URL of ours.
func pathOf(url string) string {
	u, err := neturl.Parse(url)
	if err != nil {
		return url // which no store has
	}
	return strings.TrimSuffix(u.Path, "/")
}

// shardPattern are the names of files of outputs, those that are being written included.
var shardPattern = regexp.MustCompile(`^\.?part-[0-9]+-of-[0-9]+(-[0-9]+)?\.`)

// bases are the folders that are datasets: those with a pointer, and those in which a version lies.
func (t *tree) bases() []string {
	var found []string
	for _, name := range t.names {
		dir, file := path.Split(name)
		dir = strings.TrimSuffix(dir, "/")
		switch {
		case file == coordinator.LatestName:
			found = append(found, dir)
		case file == coordinator.ManifestName && dir != "":
			found = append(found, parent(dir))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func parent(dir string) string {
	if i := strings.LastIndexByte(dir, '/'); i >= 0 {
		return dir[:i]
	}
	return ""
}

func (t *tree) dataset(ctx context.Context, store *storage.Store, base string) (Dataset, error) {
	d := Dataset{URL: storage.Join(t.url, elements(base)...)}
	var err error
	if d.Latest, err = Latest(ctx, store, d.URL); err != nil {
		return d, err
	}
	for _, id := range t.children(base) {
		v, err := t.version(ctx, store, d, path.Join(base, id))
		if err != nil {
			return d, err
		}
		d.Versions = append(d.Versions, v)
	}
	slices.SortStableFunc(d.Versions, func(a, b Version) int { return cmp.Or(b.Modified.Compare(a.Modified), strings.Compare(b.ID, a.ID)) })
	return d, nil
}

func elements(p string) []string {
	if p == "" {
		return nil
	}
	return strings.Split(p, "/")
}

// children are the folders right inside a folder that have files and are not datasets of their own.
func (t *tree) children(base string) []string {
	bases := t.bases()
	var found []string
	for _, name := range t.below(base) {
		child, _, isFolder := strings.Cut(name, "/")
		inner := path.Join(base, child)
		other := slices.ContainsFunc(bases, func(b string) bool { return b == inner || strings.HasPrefix(b, inner+"/") })
		if isFolder && !other && (len(found) == 0 || found[len(found)-1] != child) {
			found = append(found, child)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// below are the files below a folder, by their paths from it.
func (t *tree) below(base string) []string {
	var found []string
	for _, name := range t.names {
		if base == "" {
			found = append(found, name)
		} else if rest, ok := strings.CutPrefix(name, base+"/"); ok {
			found = append(found, rest)
		}
	}
	return found
}

func (t *tree) version(ctx context.Context, store *storage.Store, d Dataset, dir string) (Version, error) {
	id := path.Base(dir)
	v := Version{ID: id, URL: storage.Join(d.URL, id), State: Foreign, Latest: id == d.Latest}
	var success time.Time
	for _, name := range t.below(dir) {
		info := t.files[path.Join(dir, name)]
		v.Files++
		v.Bytes += info.Size
		if info.Modified.After(v.Modified) {
			v.Modified = info.Modified
		}
		switch {
		case name == coordinator.SuccessName:
			success = info.Modified
		case name == coordinator.ManifestName, shardPattern.MatchString(path.Base(name)):
			v.State = Incomplete
		}
	}
	if _, ok := t.files[path.Join(dir, coordinator.ManifestName)]; !ok || success.IsZero() {
		return v, nil
	}
	data, err := store.Get(ctx, storage.Join(v.URL, coordinator.ManifestName))
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil // it is being removed
	}
	if err != nil {
		return v, err
	}
	if v.Manifest, err = coordinator.DecodeManifest(data); err != nil {
		return v, plan.Failf(plan.FailureUser, "%s: %w", storage.Display(v.URL), err)
	}
	v.State, v.Modified = Published, success
	return v, nil
}

// Latest is the run that a dataset's pointer names, "" if it has no pointer.
func Latest(ctx context.Context, store *storage.Store, url string) (string, error) {
	data, err := store.Get(ctx, storage.Join(url, coordinator.LatestName))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the pointer of %s: %w", storage.Display(url), err)
	}
	return strings.TrimSpace(string(data)), nil
}
