package storage

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/quern-engine/quern/plan"
)

// list collects the files below u that are searched and wanted; and the pointers of datasets in folders below u.
func (s *Store) list(ctx context.Context, d driver, u *url.URL, q search, want func(elems []string) bool) (found []Info, pointers []pointer, err error) {
	enter := q.enter
	q.enter = func(elems []string) bool { return !hidden(elems[len(elems)-1]) && enter(elems) }
	q.visit = func(elems []string, info Info) error {
		folder, name := elems[:len(elems)-1], elems[len(elems)-1]
		switch {
		case slices.ContainsFunc(folder, hidden):
		case name == latestName && len(folder) > 0 && enter(folder):
			pointers = append(pointers, pointer{info.URL, len(folder)})
		case !hidden(name) && want(elems):
			found = append(found, info)
		}
		return ctx.Err()
	}
	err = d.list(ctx, u, q)
	return found, pointers, err
}

// pointer is a file that names the latest version of the dataset in its folder.
type pointer struct {
	url   string
	depth int // of the folder below what is listed
}

// latestOnly leaves out files of other versions than the latest of the datasets that they belong to.
func (s *Store) latestOnly(ctx context.Context, found []Info, pointers []pointer) ([]Info, error) {
	latest := map[string]string{} // by folder
	for _, p := range pointers {
		u, err := url.Parse(p.url)
		if err != nil {
			return nil, plan.Failf(plan.FailureStorage, "%s: %w", Display(p.url), err)
		}
		text, err := s.Get(ctx, p.url)
		if err != nil {
			return nil, err
		}
		folder := path.Dir(u.Path)
		if latest[folder], err = versionName(text, Display(withPath(u, folder))); err != nil {
			return nil, err
		}
	}
	other := func(info Info) bool {
		u, err := url.Parse(info.URL)
		if err != nil {
			return false
		}
		for below := u.Path; below != path.Dir(below); below = path.Dir(below) {
			if name, ok := latest[path.Dir(below)]; ok && name != path.Base(below) {
				return true
			}
		}
		return false
	}
	return slices.DeleteFunc(found, other), nil
}

// versionName is what the pointer of a dataset says.
func versionName(text []byte, dataset string) (string, error) {
	name := strings.TrimSpace(string(text))
	if name == "" || strings.ContainsAny(name, "/\\\n") || hidden(name) {
		return "", plan.Failf(plan.FailureUser, "%s: %s names no version of the dataset: %q", dataset, latestName, name)
	}
	return name, nil
}

// Names in a dataset that a job has written.
const (
	latestName   = "_LATEST" // in the dataset's folder: the name of the version to read, the folder beside it
	successName  = "_SUCCESS"
	manifestName = "manifest.json" // beside successName: no data
)

// Resolve finds the data files that a path stands for: a file, a glob (*, ? and [a-z] within path elements), or a folder
// with all that is below it; of a dataset that a job has written, there or in a folder below, those of its latest version. It returns at least one,
// sorted by URL; nothing there is an error that names the path and, if there is one, a similar name that exists.
func (s *Store) Resolve(ctx context.Context, rawURL string) ([]Info, error) {
	rawURL, err := s.latest(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	return s.resolveData(ctx, rawURL, nil)
}

// resolveData is Resolve of a path that is no dataset with versions. long is that of a search for all that is in a folder.
func (s *Store) resolveData(ctx context.Context, rawURL string, long func(int, string) error) ([]Info, error) {
	found, err := s.resolve(ctx, rawURL, long)
	if err != nil {
		return nil, err
	}
	kept, err := s.withoutManifests(ctx, found)
	if err == nil && len(kept) == 0 {
		return nil, plan.Failf(plan.FailureUser, "%s: the dataset has no files", Display(found[0].URL))
	}
	return kept, err
}

// latest is the folder of a dataset's latest version, or the path itself if it is no dataset's.
func (s *Store) latest(ctx context.Context, rawURL string) (string, error) {
	u, err := url.Parse(rawURL)
	if err != nil || hasMeta(u.Path) {
		return rawURL, nil
	}
	text, err := s.Get(ctx, Join(rawURL, latestName))
	if err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return rawURL, nil // whatever else is wrong shows when the path itself is looked at
	}
	name, err := versionName(text, Display(rawURL))
	if err != nil {
		return "", err
	}
	return Join(rawURL, name), nil
}

// withoutManifests leaves out the manifests of versions of datasets.
func (s *Store) withoutManifests(ctx context.Context, found []Info) ([]Info, error) {
	kept := found[:0]
	for _, info := range found {
		u, err := url.Parse(info.URL)
		if err == nil && path.Base(u.Path) == manifestName {
			switch _, err := s.Stat(ctx, withPath(u, path.Join(path.Dir(u.Path), successName))); {
			case err == nil:
				continue
			case ctx.Err() != nil:
				return nil, ctx.Err()
			}
		}
		kept = append(kept, info)
	}
	return kept, nil
}

func (s *Store) resolve(ctx context.Context, rawURL string, long func(int, string) error) ([]Info, error) {
	info, err := s.Stat(ctx, rawURL)
	if err == nil {
		return []Info{info}, nil
	}
	d, u, openErr := s.open(ctx, rawURL)
	if openErr != nil {
		return nil, openErr
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errIsFolder) {
		return nil, err
	}
	base, patterns := splitGlob(u.Path)
	if errors.Is(err, errIsFolder) {
		base, patterns = u.Path, nil
	}
	for _, p := range patterns {
		if _, err := path.Match(p, ""); err != nil {
			return nil, plan.Failf(plan.FailureUser, "%s: bad pattern %q", Display(rawURL), p)
		}
	}
	from := *u
	from.Path, from.RawPath = base, ""
	q := search{enter: func(elems []string) bool { return matches(patterns, elems) }, long: long}
	if len(patterns) > 0 { // what a name begins with keeps listings of stores short
		q.head, q.long = patterns[0][:strings.IndexAny(patterns[0], `*?[\`)], nil
	}
	found, pointers, listErr := s.list(ctx, d, &from, q,
		func(elems []string) bool { return len(elems) >= len(patterns) && matches(patterns, elems) })
	// A pattern that goes on within a dataset says itself which versions it means.
	pointers = slices.DeleteFunc(pointers, func(p pointer) bool { return p.depth < len(patterns) })
	if listErr == nil && len(pointers) > 0 {
		found, listErr = s.latestOnly(ctx, found, pointers)
	}
	switch {
	case listErr != nil:
		return nil, listErr
	case len(found) > 0:
		sortInfos(found)
		return found, nil
	case len(patterns) > 0:
		return nil, plan.Failf(plan.FailureUser, "%s: no file matches%s: %w", Display(rawURL), s.suggest(ctx, d, &from), fs.ErrNotExist)
	case errors.Is(err, errIsFolder):
		return nil, plan.Failf(plan.FailureUser, "%s: the folder has no data files (names that begin with '_' or '.' do not count)",
			Display(rawURL))
	}
	return nil, plan.Failf(plan.FailureUser, "%s: no such file or folder%s: %w", Display(rawURL), s.suggest(ctx, d, u), fs.ErrNotExist)
}

// matches reports whether the elements fit the patterns as far as both go.
func matches(patterns, elems []string) bool {
	for i := range min(len(patterns), len(elems)) {
		if ok, _ := path.Match(patterns[i], elems[i]); !ok {
			return false
		}
	}
	return true
}

// suggest names the existing sibling that is most like the missing name, as the end of a message.
func (s *Store) suggest(ctx context.Context, d driver, u *url.URL) string {
	elems := elements(u.Path)
	// The first element that does not exist is the one to correct: find the deepest folder that has children.
	for n := len(elems) - 1; n >= 0; n-- {
		parent := *u
		parent.Path, parent.RawPath = "/"+strings.Join(elems[:n], "/"), ""
		names := d.children(ctx, &parent)
		if len(names) == 0 {
			continue
		}
		sort.Strings(names)
		best, distance := "", len(elems[n])/3+2
		for _, name := range names {
			if name == elems[n] {
				return "" // it is there: the search went wrong for another reason
			}
			if e := editDistance(name, elems[n]); e < distance {
				best, distance = name, e
			}
		}
		if best == "" {
			return ""
		}
		return "; did you mean " + Display(Join(parent.String(), best)) + "?"
	}
	return ""
}

// editDistance is the Levenshtein distance in bytes, letter case ignored; long names are not compared.
func editDistance(a, b string) int {
	const longest = 256
	if len(a) > longest || len(b) > longest {
		return longest
	}
	a, b = strings.ToLower(a), strings.ToLower(b)
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
