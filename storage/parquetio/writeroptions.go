package parquetio

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/brotli"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"
	"github.com/parquet-go/parquet-go/compress/zstd"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// WriterOptions adjust a Writer. The zero value works.
type WriterOptions struct {
	Compression string // "zstd" (the default), "snappy", "gzip", "lz4" (or "lz4_raw"), "brotli" or "none"
	// Level is how hard to compress: zstd 1 to 22 (1 if zero), gzip 1 to 9 (6 if zero), brotli 1 to 11 (1 if zero); the
	// others have none.
	Level        int
	GroupRows    int64    // rows of a row group; 262,144 if zero
	PageBytes    int      // of a page before it is compressed, about; 262,144 if zero
	NoDictionary bool     // no column is dictionary-encoded
	Plain        []string // columns that are not dictionary-encoded, as those of many values are faster written
	BloomFilters []string // columns that get a Bloom filter for each row group; they have no dictionary
	SortedBy     []SortedColumn

	given map[string]string // the names that options were given by
}

// SortedColumn declares an order that the rows have. It is not checked.
type SortedColumn struct {
	Name       string
	Descending bool
	NullsLast  bool
}

// The options of an output, with other names that Spark and Parquet have for them.
const (
	optionLevel      = "compressionLevel"
	optionGroupRows  = "rowGroupRows"
	optionPageSize   = "pageSize"
	optionDictionary = "dictionary"
	optionSortedBy   = "sortedBy"
	optionBloom      = "bloomFilters"
	bloomPrefix      = "parquet.bloom.filter.enabled#" // and a column
)

var writerOptions = []string{"compression", optionLevel, optionGroupRows, optionPageSize, optionDictionary, optionSortedBy, optionBloom, bloomPrefix + "column"}

var writerAliases = map[string]string{
	"compression":                          "compression",
	"parquet.compression":                  "compression",
	"compressionlevel":                     optionLevel,
	"parquet.compression.level":            optionLevel,
	"parquet.compression.codec.zstd.level": optionLevel,
	"rowgrouprows":                         optionGroupRows,
	"parquet.block.row.count.limit":        optionGroupRows,
	"pagesize":                             optionPageSize,
	"parquet.page.size":                    optionPageSize,
	"dictionary":                           optionDictionary,
	"parquet.enable.dictionary":            optionDictionary,
	"sortedby":                             optionSortedBy,
	"bloomfilters":                         optionBloom,
}

// ParseWriterOptions reads the options of an output, by the names that Spark and Parquet have for them.
func ParseWriterOptions(options map[string]string) (WriterOptions, error) {
	o := WriterOptions{given: map[string]string{}}
	for _, name := range sortedKeys(options) {
		if err := o.set(name, options[name]); err != nil {
			return WriterOptions{}, optionError(name, err)
		}
	}
	return o, nil
}

func optionError(name string, err error) error {
	return &plan.OptionError{Option: name, Known: writerOptions, Failure: plan.Failf(plan.FailureUser, "option %s of Parquet: %w", name, err)}
}

// wrong is the error about an option, by the name that it was given by.
func (o *WriterOptions) wrong(option, format string, args ...any) error {
	failure := plan.Failf(plan.FailureUser, format, args...)
	if name, ok := o.given[option]; ok {
		return optionError(name, failure)
	}
	return failure
}

func (o *WriterOptions) set(name, value string) (err error) {
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, bloomPrefix) {
		on, err := parseBool(value)
		if column := name[len(bloomPrefix):]; on {
			o.BloomFilters = append(o.BloomFilters, column)
			o.given[bloomPrefix+column] = name
		}
		return err
	}
	option := writerAliases[lower]
	o.given[option] = name
	switch option {
	case "compression":
		o.Compression = strings.ToLower(value)
	case optionLevel:
		o.Level, err = parseCount(value)
	case optionGroupRows:
		var n int
		n, err = parseCount(value)
		o.GroupRows = int64(n)
	case optionPageSize:
		o.PageBytes, err = parseCount(value)
	case optionDictionary:
		var on bool
		on, err = parseBool(value)
		o.NoDictionary = !on
	case optionSortedBy:
		o.SortedBy, err = parseSortedBy(value)
	case optionBloom:
		for _, column := range strings.Split(value, ",") {
			column = strings.TrimSpace(column)
			o.BloomFilters = append(o.BloomFilters, column)
			o.given[bloomPrefix+column] = name
		}
	default:
		return plan.Failf(plan.FailureUser, "it is not known; there are %s", strings.Join(writerOptions, ", "))
	}
	return err
}

func parseBool(value string) (bool, error) {
	on, err := strconv.ParseBool(value)
	if err != nil {
		return false, plan.Failf(plan.FailureUser, "%q is neither true nor false", value)
	}
	return on, nil
}

// parseCount reads a number that counts something: zero, which stands for a default, is none.
func parseCount(value string) (int, error) {
	n, err := strconv.ParseInt(value, 10, 32)
	if err != nil || n < 1 {
		return 0, plan.Failf(plan.FailureUser, "%q is no whole number from 1 to %d", value, math.MaxInt32)
	}
	return int(n), nil
}

// parseSortedBy reads "a, b desc, c desc nulls last".
func parseSortedBy(text string) (out []SortedColumn, err error) {
	for _, part := range strings.Split(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			return nil, plan.Failf(plan.FailureUser, "%q names no column", text)
		}
		c := SortedColumn{Name: words[0]}
		switch rest := strings.ToLower(strings.Join(words[1:], " ")); rest {
		case "", "asc", "asc nulls first":
		case "asc nulls last", "nulls last":
			c.NullsLast = true
		case "desc", "desc nulls last": // as in Spark, where NULL is the least
			c.Descending, c.NullsLast = true, true
		case "desc nulls first":
			c.Descending = true
		default:
			return nil, plan.Failf(plan.FailureUser, "%q is no order", rest)
		}
		out = append(out, c)
	}
	return out, nil
}

// The limits of the options: groups are in memory until they are complete, pages until they are read.
const (
	maxGroupRows      = 1 << 26
	minPage, maxPage  = 1 << 10, 64 << 20
	bloomBitsPerValue = 10 // one in a hundred values that are not there is taken for one that is
)

// newLayout says how a file with these columns is written.
func newLayout(schema plan.Schema, opts WriterOptions) (*layout, error) {
	codec, err := codecOf(opts.Compression, opts.Level)
	if err != nil {
		return nil, opts.wrong(optionLevel, "%w", err)
	}
	if opts.GroupRows == 0 {
		opts.GroupRows = groupRows
	}
	if opts.PageBytes == 0 {
		opts.PageBytes = pageBytes
	}
	if opts.GroupRows < 1 || opts.GroupRows > maxGroupRows {
		return nil, opts.wrong(optionGroupRows, "row groups of %d rows: 1 to %d are possible", opts.GroupRows, maxGroupRows)
	}
	if opts.PageBytes < minPage || opts.PageBytes > maxPage {
		return nil, opts.wrong(optionPageSize, "pages of %d bytes: %d to %d are possible", opts.PageBytes, minPage, maxPage)
	}
	root, err := fileSchema(schema, opts)
	if err != nil {
		return nil, err
	}
	l := &layout{codec: codec, groupRows: opts.GroupRows, pageBytes: opts.PageBytes}
	l.describe("schema", root, nil)
	for i, f := range schema.Fields {
		l.leavesOf(f, root.fields[i], leafLayout{path: []string{f.Name}})
	}
	for _, name := range opts.BloomFilters {
		f, err := columnNamed(schema, name)
		if err == nil && (f.Type.IsNested() || f.Type.Kind == plan.KindBoolean) {
			err = plan.Failf(plan.FailureUser, "column %s of type %s cannot have a Bloom filter", f.Name, f.Type)
		}
		if err != nil {
			return nil, opts.wrong(bloomPrefix+name, "%w", err)
		}
		l.leaves[l.leafNamed(f.Name)].bloom = true
	}
	for _, c := range opts.SortedBy {
		f, err := columnNamed(schema, c.Name)
		if err == nil && f.Type.IsNested() {
			err = plan.Failf(plan.FailureUser, "column %s of type %s has no order that a file can declare", f.Name, f.Type)
		}
		if err != nil {
			return nil, opts.wrong(optionSortedBy, "%w", err)
		}
		l.sortedBy = append(l.sortedBy, format.SortingColumn{ColumnIdx: int32(l.leafNamed(f.Name)), Descending: c.Descending, NullsFirst: !c.NullsLast})
	}
	return l, nil
}

func columnNamed(schema plan.Schema, name string) (plan.Field, error) {
	if i := slices.IndexFunc(schema.Fields, func(f plan.Field) bool { return strings.EqualFold(f.Name, name) }); i >= 0 {
		return schema.Fields[i], nil
	}
	return plan.Field{}, plan.Failf(plan.FailureUser, "the output has no column %s; it has %s", name, strings.Join(schema.Names(), ", "))
}

func codecOf(name string, level int) (compress.Codec, error) {
	most := map[string]int{"": 22, "zstd": 22, "gzip": 9, "brotli": 11}[name]
	if level < 0 || level > most {
		return nil, plan.Failf(plan.FailureUser, "compression %q has no level %d", name, level)
	}
	switch name {
	case "", "zstd":
		return zstdCodecs[zstdLevel(level)], nil
	case "snappy":
		return &snappy.Codec{}, nil
	case "gzip":
		if level == 0 {
			level = 6
		}
		return &gzip.Codec{Level: level}, nil
	case "brotli":
		return &brotli.Codec{Quality: max(level, 1), LGWin: 0}, nil
	case "lz4", "lz4_raw":
		return &lz4Codec{lz4.Codec{Level: lz4.Fastest}}, nil
	case "none", "uncompressed":
		return &uncompressed.Codec{}, nil
	}
	return nil, plan.Failf(plan.FailureUser, "compression %q is not known; use zstd, snappy, gzip, lz4, brotli or none", name)
}

// zstdCodecs are shared by all files, for the sake of the encoders that each keeps: their tables are large.
var zstdCodecs = func() map[zstd.Level]*zstd.Codec {
	codecs := map[zstd.Level]*zstd.Codec{}
	for _, l := range []zstd.Level{zstd.SpeedFastest, zstd.SpeedDefault, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		codecs[l] = &zstd.Codec{Level: l, Concurrency: 1}
	}
	return codecs
}()

// zstdLevel is the encoder's nearest speed to a level of the reference implementation.
func zstdLevel(level int) zstd.Level {
	switch {
	case level < 3:
		return zstd.SpeedFastest
	case level < 6:
		return zstd.SpeedDefault
	case level < 10:
		return zstd.SpeedBetterCompression
	}
	return zstd.SpeedBestCompression
}

// CheckOutput finds out whether a file of an output's columns can be written with its options.
func CheckOutput(out plan.Output) error {
	opts, err := OutputOptions(out)
	if err != nil {
		return err
	}
	_, err = newLayout(out.Schema, opts)
	return err
}

// OutputOptions are those of an output's files.
func OutputOptions(out plan.Output) (WriterOptions, error) {
	opts, err := ParseWriterOptions(out.Options)
	if err == nil && out.Compression != "" {
		opts.Compression = out.Compression
	}
	return opts, err
}
