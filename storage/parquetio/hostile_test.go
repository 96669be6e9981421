package parquetio_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
)

// mustFail reads a file that is not right, and wants a user error that names it.
func mustFail(t *testing.T, what string, data []byte) {
	t.Helper()
	path := saved(t, data)
	_, err := scanAll(path, 0, func(_ plan.Schema, rec arrow.Record) { formatAll(rec) })
	if err == nil {
		t.Errorf("%s: read without an error", what)
	} else if plan.AsFailure(err).Kind != plan.FailureUser || !bytes.Contains([]byte(err.Error()), []byte(path)) {
		t.Errorf("%s: %v", what, err)
	}
}

func TestHostileFooters(t *testing.T) {
	footer := func(length uint32, before int) []byte {
		b := append([]byte("PAR1"), make([]byte, before)...)
		return append(binary.LittleEndian.AppendUint32(b, length), "PAR1"...)
	}
	for name, data := range map[string][]byte{
		"empty":                nil,
		"4 bytes":              []byte("PAR1"),
		"8 bytes":              []byte("PAR1PAR1"),
		"no footer":            footer(0, 0),
		"footer of zeros":      footer(100, 100),
		"footer past the file": footer(1000, 100),
		"footer of 4 GiB":      footer(1<<32-1, 100),
		"text":                 bytes.Repeat([]byte("hello, world\n"), 100),
		// Field 2 (schema) as a list of 2^31-1 structures, and as a string of 2^31-1 bytes.
		"long list":   append(append([]byte("PAR1\x29\xfc\xff\xff\xff\xff\x07"), 7, 0, 0, 0), "PAR1"...),
		"long string": append(append([]byte("PAR1\x28\xff\xff\xff\xff\x07"), 6, 0, 0, 0), "PAR1"...),
		"encrypted":   append(append([]byte("PARE"), make([]byte, 40)...), "\x10\x00\x00\x00PARE"...),
	} {
		mustFail(t, name, data)
	}
}

// TestTruncated cuts a file everywhere.
func TestTruncated(t *testing.T) {
	for _, data := range [][]byte{small(t, "zstd"), smallNested(t, "zstd")} {
		for n := 0; n < len(data); n += 1 + len(data)/200 {
			mustFail(t, fmt.Sprintf("%d of %d bytes", n, len(data)), data[:n])
		}
	}
}

// small is a file with every type in it.
func small(t testing.TB, codec string) []byte {
	schema := allColumns()
	rec := randomRecord(9, schema, 60, true)
	defer rec.Release()
	return write(t, schema, parquetio.WriterOptions{Compression: codec, GroupRows: 25}, 60, rec)
}

// smallNested is a file with nested columns in it.
func smallNested(t testing.TB, codec string) []byte {
	rec := events(t, 60)
	defer rec.Release()
	return write(t, eventsSchema(), parquetio.WriterOptions{Compression: codec, GroupRows: 25, PageBytes: 1 << 10}, 60, rec)
}

// TestFlippedBytes changes single bytes. Pages have checksums, so what is read differs at most where the footer lies.
func TestFlippedBytes(t *testing.T) {
	for _, codec := range []string{"zstd", "none"} {
		for _, data := range [][]byte{small(t, codec), smallNested(t, codec)} {
			flipBytes(t, codec, data)
		}
	}
}

func flipBytes(t *testing.T, codec string, data []byte) {
	t.Helper()
	pages := len(data) - 8 - int(binary.LittleEndian.Uint32(data[len(data)-8:]))
	path := filepath.Join(t.TempDir(), "file.parquet")
	var want [][]string
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	want, _ = readBack(t, path, 0)
	silent := 0
	for i := 0; i < len(data); i += 1 + len(data)/150 {
		bad := bytes.Clone(data)
		bad[i] ^= byte(1 + i%255)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		var got [][]string
		_, err := scanAll(path, 0, func(_ plan.Schema, rec arrow.Record) {
			for c, col := range texts(rec) {
				if c == len(got) {
					got = append(got, nil)
				}
				got[c] = append(got[c], col...)
			}
		})
		if err == nil && i < pages && fmt.Sprint(got) != fmt.Sprint(want) {
			silent++
		}
	}
	// Page headers and the page index have no checksum; a flip there may only change what nobody reads, or what the
	// checks of counts and sizes find.
	if silent > 0 {
		t.Errorf("%s: %d flips in pages changed the rows silently", codec, silent)
	}
}

// TestBomb gives a page header a size that its few bytes do not justify.
func TestBomb(t *testing.T) {
	var before, after runtime.MemStats
	schema := plan.Schema{Fields: []plan.Field{{Name: "b", Type: plan.Binary}}}
	rec := randomRecord(1, schema, 10, false)
	defer rec.Release()
	data := write(t, schema, parquetio.WriterOptions{Compression: "none"}, 10, rec)
	runtime.ReadMemStats(&before)
	// The dictionary page's header: type, then its sizes as zigzag varints.
	for i := 4; i < 12; i++ {
		bad := bytes.Clone(data)
		bad = append(bad[:i:i], append([]byte{0xfe, 0xff, 0xff, 0xff, 0x0f}, data[i:]...)...)
		mustFail(t, fmt.Sprintf("size at %d", i), bad)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 256<<20 {
		t.Errorf("allocated %d MiB", grown>>20)
	}
}

// FuzzRead mutates a file; nothing may panic, hang or take more memory than the file justifies.
func FuzzRead(f *testing.F) {
	for _, codec := range []string{"zstd", "snappy", "gzip", "lz4", "none"} {
		f.Add(small(f, codec))
		f.Add(smallNested(f, codec))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			t.Skip()
		}
		_, err := scanAll(saved(t, data), 0, func(_ plan.Schema, rec arrow.Record) {
			first := rec.NewSlice(0, 1)
			formatAll(first)
			first.Release()
		})
		if err != nil && plan.AsFailure(err).Kind != plan.FailureUser {
			t.Errorf("%T %v", err, err)
		}
	})
}
