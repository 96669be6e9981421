package dataset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Difference is one thing in which two versions differ.
type Difference struct {
	Part string `json:"part"` // job, params, functions, inputs, plan, schema, layout, step, stage, rows, shard, column
	Text string `json:"text"`
}

// Load finds the version that a URL means: a version's folder, its manifest, or a dataset, whose latest version it is then.
func Load(ctx context.Context, store *storage.Store, url string) (*Version, error) {
	base := strings.TrimSuffix(url, "/"+coordinator.ManifestName)
	v, err := loadVersion(ctx, store, base)
	if !errors.Is(err, fs.ErrNotExist) {
		return v, err
	}
	latest, err := Latest(ctx, store, base)
	if err != nil {
		return nil, err
	}
	if latest == "" {
		return nil, plan.Failf(plan.FailureUser, "%s is neither a version (it has no %s) nor a dataset (it has no %s)", storage.Display(base), coordinator.ManifestName, coordinator.LatestName)
	}
	return loadVersion(ctx, store, storage.Join(base, latest))
}

func loadVersion(ctx context.Context, store *storage.Store, url string) (*Version, error) {
	data, err := store.Get(ctx, storage.Join(url, coordinator.ManifestName))
	if err != nil {
		return nil, err
	}
	m, err := coordinator.DecodeManifest(data)
	if err != nil {
		return nil, plan.Failf(plan.FailureUser, "%s: %w", storage.Display(url), err)
	}
	return &Version{ID: storage.Base(url), URL: url, State: Published, Manifest: m}, nil
}

// Diff tells in what two versions differ, causes before effects: what went in, then the first stage whose counts differ, then
// the first shard, row and column whose values do. Nothing means that they have the same bytes.
func Diff(ctx context.Context, store *storage.Store, a, b *Version) ([]Difference, error) {
	d := &differ{}
	m, n := a.Manifest, b.Manifest
	d.same("job", "the job is", m.Job, n.Job)
	d.same("job", "the output is", m.Output, n.Output)
	d.params(m, n)
	d.functions(m, n)
	d.inputs(m, n)
	d.same("plan", "the plan has the digest", m.Plan, n.Plan)
	d.schema(m, n)
	if !d.steps(m, n) {
		d.stages(m, n)
	}
	d.same("rows", "there are rows:", fmt.Sprint(m.Rows), fmt.Sprint(n.Rows))
	return d.found, d.shards(ctx, store, a, b)
}

type differ struct{ found []Difference }

func (d *differ) add(part, format string, args ...any) {
	d.found = append(d.found, Difference{part, fmt.Sprintf(format, args...)})
}

func (d *differ) same(part, what, a, b string) {
	if a != b {
		d.add(part, "%s %s in A, %s in B", what, a, b)
	}
}

// each compares two lists by name.
func (d *differ) each(part, what string, names []string, a, b map[string]string) {
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		x, inA := a[name]
		y, inB := b[name]
		switch {
		case !inB:
			d.add(part, "%s %s is in A only", what, name)
		case !inA:
			d.add(part, "%s %s is in B only", what, name)
		default:
			d.same(part, what+" "+name+" is", x, y)
		}
	}
}

func (d *differ) params(m, n *coordinator.Manifest) {
	var names []string
	a, b := map[string]string{}, map[string]string{}
	for _, p := range m.Params {
		names, a[p.Name] = append(names, p.Name), p.Value
	}
	for _, p := range n.Params {
		names, b[p.Name] = append(names, p.Name), p.Value
	}
	d.each("params", "the parameter", names, a, b)
}

func (d *differ) functions(m, n *coordinator.Manifest) {
	var names []string
	a, b := map[string]string{}, map[string]string{}
	for _, f := range m.Functions {
		names, a[f.Name] = append(names, f.Name), functionText(f.SHA256, f.Options, f.Files)
	}
	for _, f := range n.Functions {
		names, b[f.Name] = append(names, f.Name), functionText(f.SHA256, f.Options, f.Files)
	}
	d.each("functions", "the function", names, a, b)
}

// functionText is what a function is pinned to.
func functionText(plugin string, options []byte, files []plan.FunctionFile) string {
	text := "the plugin " + plugin
	if len(options) > 0 {
		text += " with options " + string(options)
	}
	for _, f := range files {
		text += fmt.Sprintf(", file %s %s", f.Name, f.SHA256)
	}
	return text
}

// inputs compares what was read: how many files are in one only, or have changed, and the first of them.
func (d *differ) inputs(m, n *coordinator.Manifest) {
	name := func(in plan.Input) string { return in.Source + " " + storage.Display(in.URL) }
	other := map[string]plan.Input{}
	for _, in := range n.Inputs {
		other[name(in)] = in
	}
	var gone, changed, added []string
	for _, in := range m.Inputs {
		now, ok := other[name(in)]
		switch {
		case !ok:
			gone = append(gone, name(in))
		case now != in:
			changed = append(changed, name(in))
		}
		delete(other, name(in))
	}
	for _, in := range n.Inputs {
		if _, ok := other[name(in)]; ok {
			added = append(added, name(in))
		}
	}
	for _, c := range []struct {
		files []string
		what  string
	}{{gone, "in A only"}, {added, "in B only"}, {changed, "of other content"}} {
		if len(c.files) > 0 {
			d.add("inputs", "input files %s: %d, the first is %s", c.what, len(c.files), c.files[0])
		}
	}
}

func (d *differ) schema(m, n *coordinator.Manifest) {
	for i := range max(len(m.Schema), len(n.Schema)) {
		switch {
		case i >= len(n.Schema):
			d.add("schema", "column %d, %s, is in A only", i+1, m.Schema[i].Name)
		case i >= len(m.Schema):
			d.add("schema", "column %d, %s, is in B only", i+1, n.Schema[i].Name)
		case m.Schema[i] != n.Schema[i]:
			d.add("schema", "column %d is %s %s in A, %s %s in B", i+1, m.Schema[i].Name, m.Schema[i].Type, n.Schema[i].Name, n.Schema[i].Type)
		default:
			continue
		}
		break
	}
	d.same("layout", "files are", m.FileFormat+" "+m.Compression, n.FileFormat+" "+n.Compression)
	d.same("layout", "folders are by", fmt.Sprint(m.PartitionBy), fmt.Sprint(n.PartitionBy))
}

// steps finds the first step of the job that says something else, or of which something else was counted; false if there is none.
func (d *differ) steps(m, n *coordinator.Manifest) bool {
	for i := range max(len(m.Steps), len(n.Steps)) {
		switch {
		case i >= len(n.Steps):
			d.add("step", "step %d, %s, is in A only", i+1, m.Steps[i].Name)
		case i >= len(m.Steps):
			d.add("step", "step %d, %s, is in B only", i+1, n.Steps[i].Name)
		case m.Steps[i].Name != n.Steps[i].Name:
			d.add("step", "step %d is %s in A, %s in B", i+1, m.Steps[i].Name, n.Steps[i].Name)
		case m.Steps[i].Definition != n.Steps[i].Definition:
			d.add("step", "%s is the first to differ: the job file says something else of it", m.Steps[i].Name)
		default:
			text := stepDifference(m.Steps[i], n.Steps[i])
			if text == "" {
				continue
			}
			d.add("step", "%s is the first to differ: %s", m.Steps[i].Name, text)
		}
		return true
	}
	return false
}

// stepDifference is the first of the counts of a step that differs; "" if none does, or they are not in both versions.
func stepDifference(x, y coordinator.Step) string {
	for _, c := range []struct {
		what string
		a, b *int64
	}{{"rows in", x.RowsIn, y.RowsIn}, {"rows", x.Rows, y.Rows}} {
		if c.a != nil && c.b != nil && *c.a != *c.b {
			return fmt.Sprintf("%s %d in A, %d in B", c.what, *c.a, *c.b)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(x.Counts)) {
		if b, ok := y.Counts[name]; ok && b != x.Counts[name] {
			return fmt.Sprintf("%s %d in A, %d in B", name, x.Counts[name], b)
		}
	}
	if x.Watermark != y.Watermark {
		return fmt.Sprintf("the watermark is %s in A, %s in B", x.Watermark, y.Watermark)
	}
	if !reflect.DeepEqual(x.Ledger, y.Ledger) && x.Ledger != nil && y.Ledger != nil {
		return "the ledger has other strata, or other rows in one"
	}
	return ""
}

// stages finds the first stage that has moved other numbers of rows: what comes before it has not changed in number.
func (d *differ) stages(m, n *coordinator.Manifest) {
	if len(m.Stages) != len(n.Stages) {
		d.add("stage", "the plan has %d stages in A, %d in B", len(m.Stages), len(n.Stages))
		return
	}
	for i, x := range m.Stages {
		if y := n.Stages[i]; x != y {
			d.add("stage", "stage %d is the first to differ: rows read %d and %d, rows in %d and %d, rows out %d and %d",
				i, x.RowsRead, y.RowsRead, x.RowsIn, y.RowsIn, x.RowsOut, y.RowsOut)
			return
		}
	}
}

// shards compares the shards by their digests, and looks into the first that differs.
func (d *differ) shards(ctx context.Context, store *storage.Store, a, b *Version) error {
	m, n := a.Manifest, b.Manifest
	if len(m.Shards) != len(n.Shards) {
		d.add("shard", "there are %d shards in A, %d in B", len(m.Shards), len(n.Shards))
		return nil
	}
	first, differ := -1, 0
	for i := range m.Shards {
		if m.Shards[i].SHA256 != n.Shards[i].SHA256 {
			if differ++; first < 0 {
				first = i
			}
		}
	}
	if differ == 0 {
		return nil
	}
	x, y := m.Shards[first], n.Shards[first]
	d.add("shard", "%d of %d shards differ, the first is shard %d: %s (%d rows) and %s (%d rows)", differ, len(m.Shards), first, x.Key, x.Rows, y.Key, y.Rows)
	if !slices.Equal(m.Schema, n.Schema) || m.FileFormat != n.FileFormat || !slices.Equal(m.PartitionBy, n.PartitionBy) {
		return nil // values of other columns are not compared
	}
	if m.FileFormat != "parquet" && m.FileFormat != "arrow" {
		d.add("column", "columns are compared in Parquet and Arrow files only")
		return nil
	}
	return d.columns(ctx, store, a, b, x, y)
}

func (d *differ) columns(ctx context.Context, store *storage.Store, a, b *Version, x, y api.ShardInfo) error {
	left, err := openShard(ctx, store, a, x)
	if err != nil {
		return err
	}
	defer left.close()
	right, err := openShard(ctx, store, b, y)
	if err != nil {
		return err
	}
	defer right.close()
	c, err := firstCell(ctx, left, right)
	switch {
	case err != nil:
		return err
	case c == nil && x.Rows == y.Rows:
		d.add("column", "all values of the shard are the same: only their form in the file differs (options of the output, or another version of the program)")
	case c == nil:
		d.add("column", "the first %d rows of the shard are the same", min(x.Rows, y.Rows))
	default:
		d.add("column", "the first value that differs: column %s, row %d (row group %d): %s in A, %s in B", c.column, c.row, left.group(c.row), c.a, c.b)
	}
	return nil
}
