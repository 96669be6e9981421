package hash

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// addIntervals hashes months and days as one word, the time as another.
func addIntervals(arr arrow.Array, valid vector.Validity, dst []uint64) {
	for i, v := range vector.Values[arrow.MonthDayNanoInterval](arr) {
		if valid.IsNull(i) {
			dst[i] = Mix(dst[i] ^ nullWord)
			continue
		}
		dst[i] = Mix(Mix(dst[i]^(uint64(uint32(v.Months))<<32|uint64(uint32(v.Days)))) ^ uint64(v.Nanoseconds))
	}
}

// addNested folds the hashes of a value's parts: of an array in order after its length, of a struct in order, of a map
// as a sum, for the order of its entries says nothing.
func addNested(arr arrow.Array, valid vector.Validity, dst []uint64) {
	words := make([]uint64, len(dst))
	switch arr.DataType().ID() {
	case arrow.STRUCT:
		for _, f := range vector.FieldsOf(arr) {
			addColumn(f, words)
		}
	case arrow.LIST:
		lists := vector.ListsOf(arr)
		elements := hashesOf(lists.Elements)
		for i := range words {
			from, to := lists.Range(i)
			words[i] = Mix(uint64(to - from))
			for _, e := range elements[from:to] {
				words[i] = Mix(words[i] ^ e)
			}
		}
	case arrow.MAP:
		maps := vector.MapsOf(arr)
		entries := hashesOf(maps.Keys)
		addColumn(maps.Values, entries)
		for i := range words {
			from, to := maps.Range(i)
			words[i] = uint64(to - from)
			for _, e := range entries[from:to] {
				words[i] += e
			}
		}
	}
	for i, w := range words {
		if valid.IsNull(i) {
			w = nullWord
		}
		dst[i] = Mix(dst[i] ^ w)
	}
}

// hashesOf is a hash per value of one column.
func hashesOf(arr arrow.Array) []uint64 {
	words := make([]uint64, arr.Len())
	addColumn(arr, words)
	return words
}

// nestedEncodings is the canonical encoding of each row that is not NULL.
func nestedEncodings(arr arrow.Array, valid vector.Validity) [][]byte {
	out, put := make([][]byte, arr.Len()), canonicalWriter(arr)
	for i := range out {
		if !valid.IsNull(i) {
			out[i] = put(nil, i)
		}
	}
	return out
}

// canonicalWriter appends the canonical encoding of a value of one array, which may be the child of another.
func canonicalWriter(arr arrow.Array) func(dst []byte, i int) []byte {
	valid := vector.ValidityOf(arr)
	put := canonicalBody(arr)
	return func(dst []byte, i int) []byte {
		if valid.IsNull(i) {
			return append(dst, tagNull)
		}
		return put(dst, i)
	}
}

func canonicalBody(arr arrow.Array) func([]byte, int) []byte {
	switch arr.DataType().ID() {
	case arrow.STRUCT:
		fields := vector.FieldsOf(arr)
		puts := make([]func([]byte, int) []byte, len(fields))
		for k, f := range fields {
			puts[k] = canonicalWriter(f)
		}
		return func(dst []byte, i int) []byte {
			dst = appendCount(dst, tagList, len(puts))
			for _, put := range puts {
				dst = put(dst, i)
			}
			return dst
		}
	case arrow.LIST:
		lists := vector.ListsOf(arr)
		put := canonicalWriter(lists.Elements)
		return func(dst []byte, i int) []byte {
			from, to := lists.Range(i)
			dst = appendCount(dst, tagList, to-from)
			for j := from; j < to; j++ {
				dst = put(dst, j)
			}
			return dst
		}
	case arrow.MAP:
		return canonicalMap(arr)
	case arrow.INTERVAL_MONTH_DAY_NANO:
		values := vector.Values[arrow.MonthDayNanoInterval](arr)
		return func(dst []byte, i int) []byte {
			dst = appendCount(dst, tagList, 3)
			for _, n := range []int64{int64(values[i].Months), int64(values[i].Days), values[i].Nanoseconds / 1000} {
				dst = binary.LittleEndian.AppendUint64(append(dst, tagInt), uint64(n))
			}
			return dst
		}
	}
	e := newEncoder(arr)
	return func(dst []byte, i int) []byte {
		if e.tag == tagBytes {
			return appendBytes(dst, e.value(i))
		}
		return binary.LittleEndian.AppendUint64(append(dst, e.tag), e.words[i])
	}
}

func canonicalMap(arr arrow.Array) func([]byte, int) []byte {
	maps := vector.MapsOf(arr)
	key, value := canonicalWriter(maps.Keys), canonicalWriter(maps.Values)
	return func(dst []byte, i int) []byte {
		from, to := maps.Range(i)
		entries := make([][]byte, 0, to-from)
		for j := from; j < to; j++ {
			entries = append(entries, value(key(nil, j), j))
		}
		slices.SortFunc(entries, bytes.Compare)
		dst = appendCount(dst, tagMap, len(entries))
		for _, e := range entries {
			dst = append(dst, e...)
		}
		return dst
	}
}

func appendCount(dst []byte, tag byte, n int) []byte {
	return binary.LittleEndian.AppendUint32(append(dst, tag), uint32(n))
}
