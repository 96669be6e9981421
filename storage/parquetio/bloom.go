package parquetio

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/quern-engine/quern/plan"
)

// maxBloomItems is up to how many constants of an IN are looked up in a filter.
const maxBloomItems = 1024

// bloomRulesOut reports whether the Bloom filters of a row group show that no row of it makes a predicate true.
func (s *Scanner) bloomRulesOut(src io.ReaderAt, group int, e *plan.Expr) (bool, error) {
	column, constants := equality(e)
	if column == nil || column.Column >= len(s.columns) {
		return false, nil
	}
	c := s.flatColumn(column.Column)
	if c == nil || !c.typ.Equal(column.Type) {
		return false, nil
	}
	m := &s.file.groups[group].Columns[c.leaf].MetaData
	if m.BloomFilterOffset <= 0 {
		return false, nil
	}
	hashes := make([]uint64, 0, len(constants))
	for _, v := range constants {
		if v.Null {
			continue // equal to nothing
		}
		key, ok := c.bloomKey(v)
		if !ok {
			return false, nil
		}
		hashes = append(hashes, xxhash.Sum64(key))
	}
	filter, err := s.file.readBloom(src, m)
	if filter == nil || err != nil {
		return false, err
	}
	for _, h := range hashes {
		if filter.Check(h) {
			return false, nil
		}
	}
	return true, nil
}

// equality takes apart a comparison by = or IN of a column with constants; without one the column is nil.
func equality(e *plan.Expr) (column *plan.Expr, constants []plan.Literal) {
	if e.Op != plan.OpCall || e.Name != "=" && e.Name != "in" || len(e.Args) > maxBloomItems {
		return nil, nil
	}
	args := e.Args
	if e.Name == "=" && args[0].IsLiteral() {
		args = []*plan.Expr{args[1], args[0]}
	}
	if args[0].Op != plan.OpColumn {
		return nil, nil
	}
	for _, a := range args[1:] {
		if !a.IsLiteral() || !a.Type.Equal(args[0].Type) {
			return nil, nil
		}
		constants = append(constants, a.Value)
	}
	return args[0], constants
}

// bloomKey is a constant as it would be stored, where there is only one way to store it.
func (c *column) bloomKey(v plan.Literal) ([]byte, bool) {
	if c.form != asStored {
		return nil, false
	}
	switch c.typ.Kind {
	case plan.KindString, plan.KindBinary:
		return v.Bytes, true
	case plan.KindTimestamp, plan.KindTimestampNTZ:
		if c.unit != micros {
			return nil, false
		}
	case plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindDate:
	default:
		return nil, false
	}
	switch c.physical {
	case format.Int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(v.Int)), true
	case format.Int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(v.Int)), true
	}
	return nil, false
}

// maxBloomHeader is more than the header of a Bloom filter takes.
const maxBloomHeader = 256

// readBloom reads a chunk's filter; nil if it is of a kind that is not known, or too large.
func (f *file) readBloom(src io.ReaderAt, m *columnMeta) (bloom.Filter, error) {
	left := f.size - m.BloomFilterOffset
	if left <= 0 {
		return nil, errors.New("a Bloom filter lies beyond the end of the file")
	}
	size := int64(max(m.BloomFilterLength, 4<<10))
	buf := make([]byte, min(size, left, maxIndexBytes))
	if err := readFull(src, buf, m.BloomFilterOffset); err != nil {
		return nil, err
	}
	var header format.BloomFilterHeader
	n, err := thriftSize(buf[:min(len(buf), maxBloomHeader)])
	if err != nil {
		return nil, err
	}
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), buf[:n], &header); err != nil {
		return nil, err
	}
	_, split := header.Algorithm.Value.(*format.SplitBlockAlgorithm)
	_, xx := header.Hash.Value.(*format.XxHash)
	_, raw := header.Compression.Value.(*format.BloomFilterUncompressed)
	length := int64(header.NumBytes)
	switch {
	case !split || !xx || !raw || length > maxIndexBytes:
		return nil, nil
	case length <= 0 || length%bloom.BlockSize != 0 || int64(n)+length > left:
		return nil, errors.New("a Bloom filter of wrong size")
	}
	bits := make([]byte, length)
	if have := copy(bits, buf[n:]); int64(have) < length {
		if err := readFull(src, bits[have:], m.BloomFilterOffset+int64(n+have)); err != nil {
			return nil, err
		}
	}
	return bloom.MakeSplitBlockFilter(bits), nil
}
