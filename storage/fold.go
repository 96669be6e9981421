package storage

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/plan"
)

// A source whose folders are partitions is not listed at once where conditions may rule most of them out: its table has folders
// for files, the planner drops those that no row that is wanted can lie in, and Unfold lists the others.
//
// What the table's columns are must not depend on conditions. So all folders of the first level are looked at, and a source is
// folded only if that says everything: the type of the first partition column, and whether it has NULLs. The types of deeper
// columns have to be declared.

// errLong ends a listing that may be better done folder by folder.
var errLong = errors.New("the listing is long")

// samples bounds how many folders are looked into for the first file.
const samples = 3

// resolveOrFold finds all files of a source, or makes its table one of folders.
func (s *Store) resolveOrFold(ctx context.Context, source string, table *plan.Table) ([]Info, error) {
	root, err := s.latest(ctx, source)
	if err != nil {
		return nil, err
	}
	src := table.Source
	if len(src.Filtered) == 0 || src.Files != nil {
		return s.resolveData(ctx, root, nil)
	}
	among := 0 // folders that one request goes through
	infos, err := s.resolveData(ctx, root, func(folders int, name string) error {
		if column, _, ok := strings.Cut(name, "="); name != "" && (!ok || !filters(src, column)) {
			return nil
		}
		among = folders
		return errLong
	})
	if !errors.Is(err, errLong) {
		return infos, err
	}
	if folded, err := s.fold(ctx, source, root, table, among); folded || err != nil {
		return nil, err
	}
	return s.resolveData(ctx, root, nil)
}

// filters reports whether conditions name a column.
func filters(src plan.Source, column string) bool {
	return slices.ContainsFunc(src.Filtered, func(name string) bool { return strings.EqualFold(name, column) })
}

// fold makes a table one of the folders in root, or reports that only its files tell what its columns are.
func (s *Store) fold(ctx context.Context, source, root string, table *plan.Table, among int) (bool, error) {
	d, u, err := s.open(ctx, root)
	if err != nil {
		return false, err
	}
	names, files, err := d.level(ctx, u)
	if err != nil || !onlyFolders(names, files) {
		return false, err
	}
	column, folders, ok := firstLevel(Display(Base(source)), u, names, table.Source)
	if !ok || !filters(table.Source, column.Name) {
		return false, nil
	}
	sample, nullable, err := s.sample(ctx, d, u, folders)
	if err != nil || len(sample) == 0 {
		return false, err
	}
	partitions, err := partitionFiles(source, sample, table.Source.Partitions)
	if err != nil || !known(partitions, column, table.Source, sample[0]) {
		return false, nil // an error shows again when all is listed
	}
	partitions[0].Nullable = nullable
	table.Partitions, table.Sample, table.Files = partitions, sample, folders
	table.Folders = &plan.Folders{
		Root: root, Level: 1, Whole: (len(folders) + among - 1) / among,
		Deep: among == 1 && len(partitions) > 1 && filters(table.Source, partitions[1].Name),
	}
	if table.Source.Schema != nil {
		SetColumns(table, table.Source.Schema.Fields)
	}
	return true, nil
}

// onlyFolders reports that no data lies right in a folder with these entries. The manifest of a dataset's version is none.
func onlyFolders(folders, files []string) bool {
	if !slices.ContainsFunc(folders, func(name string) bool { return !hidden(name) }) {
		return false
	}
	return !slices.ContainsFunc(files, func(name string) bool {
		return !hidden(name) && (name != manifestName || !slices.Contains(files, successName)) || name == latestName
	})
}

// firstLevel makes files of the folders in u, sorted by URL, if all have values of one partition column.
func firstLevel(base string, u *url.URL, names []string, src plan.Source) (plan.Field, []plan.File, bool) {
	var column plan.Field
	var folders []plan.File
	var values [][]string
	for _, name := range names {
		if hidden(name) {
			continue
		}
		f := plan.File{URL: folderURL(u, name)}
		have, value, err := pathPartitions(base, f.URL)
		if err != nil || len(have) != 1 || len(values) > 0 && !strings.EqualFold(have[0], column.Name) {
			return column, nil, false
		}
		column.Name = have[0]
		folders, values = append(folders, f), append(values, value)
	}
	var declared bool
	if column.Type, declared = declaredType(src.Partitions, column.Name); !declared {
		column.Type = inferPartition(values, 0)
	}
	if setPartitions(folders, values, []plan.Field{column}) != nil {
		return column, nil, false
	}
	slices.SortFunc(folders, func(a, b plan.File) int { return strings.Compare(a.URL, b.URL) })
	return column, folders, true
}

// sample lists the first folder that has files with anything in them, and says whether any has files whose value is NULL.
func (s *Store) sample(ctx context.Context, d driver, u *url.URL, folders []plan.File) (sample []plan.File, nullable bool, err error) {
	for _, f := range folders[:min(samples, len(folders))] {
		infos, err := s.listFolders(ctx, d, u, []plan.File{f})
		if err != nil {
			return nil, false, err
		}
		if slices.ContainsFunc(infos, func(info Info) bool { return info.Size > 0 }) {
			sample = filesOf(infos)
			break
		}
		if len(infos) > 0 {
			return nil, false, nil // the first file is an empty one, and columns may be read from another
		}
	}
	nulls := slices.DeleteFunc(slices.Clone(folders), func(f plan.File) bool { return !f.Partition[0].Null })
	if len(sample) == 0 || len(nulls) == 0 {
		return sample, false, nil
	}
	infos, err := s.listFolders(ctx, d, u, nulls)
	return sample, len(infos) > 0, err
}

// known reports whether a sample and the names of folders tell the types of the partition columns: they are those that all
// files would give them.
func known(partitions []plan.Field, first plan.Field, src plan.Source, sample plan.File) bool {
	for c, p := range partitions {
		if _, declared := declaredType(src.Partitions, p.Name); declared {
			continue
		}
		// A type that the values of the sample and those of all folders have is that of the folders that have files, too.
		if c > 0 || !p.Type.Equal(first.Type) || sample.Partition[0].Null {
			return false
		}
	}
	return len(partitions) > 0 && strings.EqualFold(partitions[0].Name, first.Name)
}

// Unfold looks into folders of a table of folders: those of its Files that are left. The table it returns has the folders in them,
// or the files.
func (s *Store) Unfold(ctx context.Context, table *plan.Table, folders []plan.File) (*plan.Table, error) {
	out := *table
	out.Folders, out.Skipped = nil, table.Skipped+len(table.Files)-len(folders)
	in := table.Folders
	d, u, err := s.open(ctx, in.Root)
	if err != nil {
		return nil, err
	}
	var infos []Info
	switch {
	case in.Level == 1 && len(folders) > in.Whole:
		out.Skipped = 0
		infos, err = s.resolveData(ctx, in.Root, nil)
	case in.Deep:
		out.Files, err = s.nextLevel(ctx, d, table, folders)
		next := in.Level + 1
		deep := next < len(table.Partitions) && filters(table.Source, table.Partitions[next].Name)
		out.Folders = &plan.Folders{Root: in.Root, Level: next, Deep: deep}
		return &out, err
	default:
		out.Listed = len(folders)
		infos, err = s.listFolders(ctx, d, u, folders)
	}
	if err != nil {
		return nil, err
	}
	out.Files = filesOf(infos)
	return &out, setKnown(&out)
}

// setKnown gives the files of a table values of its partition columns.
func setKnown(table *plan.Table) error {
	source, err := URL("/", table.Source.Path)
	if err != nil {
		return err
	}
	names := make([]string, len(table.Partitions))
	for i, p := range table.Partitions {
		names[i] = p.Name
	}
	values, err := pathValues(Display(Base(source)), table.Files, names, table.Sample[0].URL)
	if err != nil {
		return err
	}
	return setPartitions(table.Files, values, table.Partitions)
}

// nextLevel is the folders in folders. One that has more than folders of the next partition column stays itself.
func (s *Store) nextLevel(ctx context.Context, d driver, table *plan.Table, folders []plan.File) ([]plan.File, error) {
	found := make([][]plan.File, len(folders))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for i, f := range folders {
		group.Go(func() error {
			found[i] = []plan.File{f}
			u, err := parse(f.URL)
			if err != nil || len(f.Partition) < table.Folders.Level {
				return err
			}
			names, files, err := d.level(ctx, u)
			if err != nil || !onlyFolders(names, files) {
				return err
			}
			src := plan.Source{Partitions: map[string]plan.Type{}}
			column := table.Partitions[table.Folders.Level]
			src.Partitions[column.Name] = column.Type
			if have, below, ok := firstLevel(Display(f.URL), u, names, src); ok && strings.EqualFold(have.Name, column.Name) {
				for k := range below {
					below[k].Partition = slices.Concat(f.Partition, below[k].Partition)
				}
				found[i] = below
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(found...), nil
}

// listFolders is the files in some folders in u, sorted by URL: of datasets, those of their latest versions.
func (s *Store) listFolders(ctx context.Context, d driver, u *url.URL, folders []plan.File) ([]Info, error) {
	found, pointers := make([][]Info, len(folders)), make([][]pointer, len(folders))
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(requestsAtOnce)
	for i, f := range folders {
		group.Go(func() error {
			in, err := parse(f.URL)
			if err != nil {
				return err
			}
			q := search{head: strings.TrimPrefix(prefixOf(in), prefixOf(u)), enter: everything}
			found[i], pointers[i], err = s.list(inGroup, d, u, q, everything)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	infos, err := s.latestOnly(ctx, slices.Concat(found...), slices.Concat(pointers...))
	if err != nil {
		return nil, err
	}
	if infos, err = s.withoutManifests(ctx, infos); err != nil {
		return nil, err
	}
	sortInfos(infos)
	return infos, nil
}

// folderURL is the URL of a folder in another, with a slash behind: so folders are in the order of the files in them.
func folderURL(u *url.URL, name string) string { return withPath(u, "/"+prefixOf(u)+name+"/") }
