package operator

import (
	"bytes"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// maxPublished is up to how many values a runtime filter names.
const maxPublished = 512

// publisher collects what a join's build side holds, for the scans that its runtime filters narrow.
type publisher struct {
	env  Env
	keys []*publishedKey
	done []publishedFilter // nil before they are published
}

// publishedKey is one key of the build side.
type publishedKey struct {
	id       int
	column   int
	typ      plan.Type
	values   *group.Table // nil once there were too many
	any      bool         // a value that is not NULL
	min, max plan.Literal
}

// newPublisher is nil if the join has nothing to publish or nobody wants it.
func newPublisher(env Env, j *plan.Join, right plan.Schema) *publisher {
	p := &publisher{env: env}
	for i, id := range j.Publishes {
		if id == 0 || i >= len(j.RightKeys) || i < len(j.NullSafe) && j.NullSafe[i] {
			continue
		}
		c := j.RightKeys[i]
		if t := right.Fields[c].Type; ordered(t) {
			p.keys = append(p.keys, &publishedKey{id: id, column: c, typ: t, values: group.New([]plan.Type{t})})
		}
	}
	if env.Filters == nil || len(p.keys) == 0 {
		return nil
	}
	return p
}

// ordered reports the types whose constants can be compared as integers or bytes.
func ordered(t plan.Type) bool {
	switch t.Kind {
	case plan.KindDate, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindString, plan.KindBinary:
		return true
	}
	return t.IsInteger()
}

// observe looks at a build batch.
func (p *publisher) observe(rec arrow.Record) error {
	if p == nil {
		return nil
	}
	for _, k := range p.keys {
		if err := k.observe(rec.Column(k.column)); err != nil {
			return err
		}
	}
	return nil
}

func (k *publishedKey) observe(arr arrow.Array) error {
	if k.values != nil {
		if _, err := k.values.Assign([]arrow.Array{arr}, arr.Len(), nil); err != nil {
			return err
		}
		if k.values.Len() > maxPublished {
			k.values = nil
		}
	}
	switch arr.DataType().ID() {
	case arrow.INT8:
		widen(k, arr, vector.Int8s(arr))
	case arrow.INT16:
		widen(k, arr, vector.Int16s(arr))
	case arrow.INT32, arrow.DATE32:
		widen(k, arr, vector.Int32s(arr))
	case arrow.INT64, arrow.TIMESTAMP:
		widen(k, arr, vector.Int64s(arr))
	case arrow.DICTIONARY:
		d, _ := vector.DictionaryOf(arr)
		valid := vector.ValidityOf(arr)
		seen := make([]bool, d.Values.Len())
		for i, c := range d.Codes {
			if !valid.IsNull(i) && !seen[c] {
				seen[c] = true
				k.widenBytes(d.Values.At(int(c)))
			}
		}
	default:
		values, valid := vector.StringsOf(arr), vector.ValidityOf(arr)
		for i := range arr.Len() {
			if !valid.IsNull(i) {
				k.widenBytes(values.At(i))
			}
		}
	}
	return nil
}

func widen[T int8 | int16 | int32 | int64](k *publishedKey, arr arrow.Array, values []T) {
	valid := vector.ValidityOf(arr)
	for i, v := range values {
		if valid.IsNull(i) {
			continue
		}
		x := int64(v)
		if !k.any {
			k.min.Int, k.max.Int, k.any = x, x, true
		}
		k.min.Int, k.max.Int = min(k.min.Int, x), max(k.max.Int, x)
	}
}

func (k *publishedKey) widenBytes(v []byte) {
	if !k.any || bytes.Compare(v, k.min.Bytes) < 0 {
		k.min.Bytes = bytes.Clone(v)
	}
	if !k.any || bytes.Compare(v, k.max.Bytes) > 0 {
		k.max.Bytes = bytes.Clone(v)
	}
	k.any = true
}

// publish offers the filters, once, when the build side is complete. rows are all of it, or nil if they are not in memory.
func (p *publisher) publish(rows []arrow.Record) {
	if p == nil || p.done != nil {
		return
	}
	for _, k := range p.keys {
		f := RuntimeFilter{Type: k.typ, Empty: !k.any}
		if k.any {
			f.Min, f.Max = &k.min, &k.max
		}
		switch {
		case k.any && k.values != nil:
			f.Values = k.literals(p.env)
		case k.any:
			f.Set = k.set(rows)
		}
		p.env.Filters.Publish(k.id, f)
		p.done = append(p.done, publishedFilter{k.id, f})
	}
}

// set is the key's values as a bitmap; nil where they are no integers, lie too far apart, or so close together that the
// bounds say as much.
func (k *publishedKey) set(rows []arrow.Record) *vector.Bitmap {
	if len(rows) == 0 || k.typ.Kind == plan.KindString || k.typ.Kind == plan.KindBinary {
		return nil
	}
	set := vector.NewBitmap(k.min.Int, k.max.Int)
	if set == nil {
		return nil
	}
	for _, rec := range rows {
		set.Add(rec.Column(k.column))
	}
	if set.Len() > set.Span()/2 {
		return nil
	}
	return set
}

// bytes is the memory that the filters hold.
func (p *publisher) bytes() (n int64) {
	for _, f := range p.filters() {
		n += f.filter.Set.Bytes()
	}
	return n
}

// filters is what has been published.
func (p *publisher) filters() []publishedFilter {
	if p == nil {
		return nil
	}
	return p.done
}

// literals is the values in ascending order; nil if there are none to tell.
func (k *publishedKey) literals(env Env) []plan.Literal {
	cols, err := k.values.Keys(env.Mem, 0, k.values.Len())
	if err != nil {
		return nil
	}
	defer releaseArrays(cols)
	var out []plan.Literal
	for i := range cols[0].Len() {
		if v := vector.LiteralAt(cols[0], i); !v.Null {
			v.Bytes = bytes.Clone(v.Bytes)
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b plan.Literal) int {
		if order := bytes.Compare(a.Bytes, b.Bytes); order != 0 {
			return order
		}
		switch {
		case a.Int < b.Int:
			return -1
		case a.Int > b.Int:
			return 1
		}
		return 0
	})
	return out
}
