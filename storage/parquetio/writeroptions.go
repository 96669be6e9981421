package parquetio

import (
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress"
	"github.com/parquet-go/parquet-go/compress/brotli"
	"github.com/parquet-go/parquet-go/compress/gzip"
	"github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/compress/snappy"
	"github.com/parquet-go/parquet-go/compress/uncompressed"
	"github.com/parquet-go/parquet-go/compress/zstd"

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
	BloomFilters []string // columns that get a Bloom filter for each row group; they have no dictionary
	SortedBy     []SortedColumn
}

// SortedColumn declares an order that the rows have. It is not checked.
type SortedColumn struct {
	Name       string
	Descending bool
	NullsLast  bool
}

// ParseWriterOptions reads the options of an output, by the names that Spark and Parquet have for them. Bloom filters
// are asked for as parquet.bloom.filter.enabled#column, set to true.
func ParseWriterOptions(options map[string]string) (WriterOptions, error) {
	var o WriterOptions
	for _, name := range sortedKeys(options) {
		if err := o.set(name, options[name]); err != nil {
			return WriterOptions{}, plan.Failf(plan.FailureUser, "option %s of Parquet: %w", name, err)
		}
	}
	return o, nil
}

func (o *WriterOptions) set(name, value string) (err error) {
	const filter = "parquet.bloom.filter.enabled#"
	lower := strings.ToLower(name)
	if strings.HasPrefix(lower, filter) {
		var on bool
		if on, err = strconv.ParseBool(value); on {
			o.BloomFilters = append(o.BloomFilters, name[len(filter):])
		}
		return err
	}
	switch lower {
	case "compression", "parquet.compression":
		o.Compression = strings.ToLower(value)
	case "compressionlevel", "parquet.compression.codec.zstd.level", "parquet.compression.level":
		o.Level, err = strconv.Atoi(value)
	case "rowgrouprows", "parquet.block.row.count.limit":
		o.GroupRows, err = strconv.ParseInt(value, 10, 64)
	case "pagesize", "parquet.page.size":
		o.PageBytes, err = strconv.Atoi(value)
	case "dictionary", "parquet.enable.dictionary":
		var on bool
		on, err = strconv.ParseBool(value)
		o.NoDictionary = !on
	case "sortedby":
		o.SortedBy, err = parseSortedBy(value)
	default:
		return plan.Failf(plan.FailureUser, "it is not known; there are compression, compressionLevel, rowGroupRows, pageSize, "+
			"dictionary, sortedBy and parquet.bloom.filter.enabled#column")
	}
	return err
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

// writerConfig gives the options parquet-go's form.
func writerConfig(schema plan.Schema, opts WriterOptions) (*parquet.WriterConfig, error) {
	codec, err := codecOf(opts.Compression, opts.Level)
	if err != nil {
		return nil, err
	}
	if opts.GroupRows == 0 {
		opts.GroupRows = groupRows
	}
	if opts.PageBytes == 0 {
		opts.PageBytes = pageBytes
	}
	if opts.GroupRows < 1 || opts.GroupRows > maxGroupRows || opts.PageBytes < minPage || opts.PageBytes > maxPage {
		return nil, plan.Failf(plan.FailureUser, "row groups of %d rows and pages of %d bytes: up to %d rows, and %d to %d bytes are possible",
			opts.GroupRows, opts.PageBytes, maxGroupRows, minPage, maxPage)
	}
	root, err := fileSchema(schema, opts)
	if err != nil {
		return nil, err
	}
	config := &parquet.WriterConfig{
		CreatedBy:          createdBy,
		Compression:        codec,
		Schema:             parquet.NewSchema("schema", root),
		DataPageVersion:    1, // every reader there is
		PageBufferSize:     opts.PageBytes,
		DictionaryMaxBytes: dictionaryMax,
		MaxRowsPerRowGroup: opts.GroupRows + 1, // cut by the Writer
		SkipPageBounds:     unordered(root, nil),
	}
	for _, name := range opts.BloomFilters {
		f, err := columnNamed(schema, name)
		if err != nil {
			return nil, err
		}
		if f.Type.IsNested() || f.Type.Kind == plan.KindBoolean {
			return nil, plan.Failf(plan.FailureUser, "column %s of type %s cannot have a Bloom filter", f.Name, f.Type)
		}
		config.BloomFilters = append(config.BloomFilters, parquet.SplitBlockFilter(bloomBitsPerValue, f.Name))
	}
	for _, c := range opts.SortedBy {
		f, err := columnNamed(schema, c.Name)
		if err != nil {
			return nil, err
		}
		config.Sorting.SortingColumns = append(config.Sorting.SortingColumns, sortedColumn{c, f.Name})
	}
	return config, nil
}

func columnNamed(schema plan.Schema, name string) (plan.Field, error) {
	if i := slices.IndexFunc(schema.Fields, func(f plan.Field) bool { return strings.EqualFold(f.Name, name) }); i >= 0 {
		return schema.Fields[i], nil
	}
	return plan.Field{}, plan.Failf(plan.FailureUser, "the output has no column %s; it has %s", name, strings.Join(schema.Names(), ", "))
}

// sortedColumn is parquet-go's form of a SortedColumn.
type sortedColumn struct {
	SortedColumn
	name string
}

func (c sortedColumn) Path() []string   { return []string{c.name} }
func (c sortedColumn) Descending() bool { return c.SortedColumn.Descending }
func (c sortedColumn) NullsFirst() bool { return !c.NullsLast }

func codecOf(name string, level int) (compress.Codec, error) {
	most := map[string]int{"": 22, "zstd": 22, "gzip": 9, "brotli": 11}[name]
	if level < 0 || level > most {
		return nil, plan.Failf(plan.FailureUser, "compression %q has no level %d", name, level)
	}
	switch name {
	case "", "zstd":
		return &zstd.Codec{Level: zstdLevel(level), Concurrency: 1}, nil
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
		return &lz4.Codec{Level: lz4.Fastest}, nil
	case "none", "uncompressed":
		return &uncompressed.Codec{}, nil
	}
	return nil, plan.Failf(plan.FailureUser, "compression %q is not known; use zstd, snappy, gzip, lz4, brotli or none", name)
}

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
