package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
)

var attempt = plan.AttemptID{TaskID: plan.TaskID{Run: "run-1", Stage: 2, Task: 3}, Attempt: 1}

var schema = plan.Schema{Fields: []plan.Field{
	{Name: "id", Type: plan.Int64}, {Name: "name", Type: plan.String, Nullable: true},
	{Name: "code", Type: plan.String, Nullable: true}, {Name: "ok", Type: plan.Boolean, Nullable: true},
	{Name: "price", Type: plan.Decimal(10, 2)}, {Name: "at", Type: plan.Timestamp}, {Name: "day", Type: plan.Date},
}}

// batch makes rows numbered from first; column code is dictionary-encoded, with a dictionary of dict values.
func batch(mem memory.Allocator, first, rows, dict int) arrow.Record {
	ids, names := array.NewInt64Builder(mem), array.NewStringBuilder(mem)
	oks, prices := array.NewBooleanBuilder(mem), array.NewDecimal128Builder(mem, plan.Decimal(10, 2).Arrow().(*arrow.Decimal128Type))
	ats := array.NewTimestampBuilder(mem, plan.Timestamp.Arrow().(*arrow.TimestampType))
	days := array.NewDate32Builder(mem)
	codes, values := array.NewInt32Builder(mem), array.NewStringBuilder(mem)
	for i := range dict {
		values.Append(fmt.Sprintf("value %d", i))
	}
	for i := first; i < first+rows; i++ {
		ids.Append(int64(i))
		prices.Append(decimal(i))
		ats.Append(arrow.Timestamp(i))
		days.Append(arrow.Date32(i))
		if i%7 == 0 {
			names.AppendNull()
			oks.AppendNull()
			codes.AppendNull()
			continue
		}
		names.Append(fmt.Sprintf("name %d", i))
		oks.Append(i%2 == 0)
		codes.Append(int32(i * 31 % dict))
	}
	indices, dictionary := codes.NewArray(), values.NewArray()
	defer indices.Release()
	defer dictionary.Release()
	dt := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	cols := []arrow.Array{
		ids.NewArray(), names.NewArray(), array.NewDictionaryArray(dt, indices, dictionary), oks.NewArray(),
		prices.NewArray(), ats.NewArray(), days.NewArray(),
	}
	for _, b := range []interface{ Release() }{ids, names, oks, prices, ats, days, codes, values} {
		b.Release()
	}
	rec := vector.NewRecord(schema, cols, rows)
	for _, c := range cols {
		c.Release()
	}
	return rec
}

// rows is a batch as text, one line a row.
func rows(recs ...arrow.Record) string {
	var b bytes.Buffer
	for _, rec := range recs {
		for i := range int(rec.NumRows()) {
			for _, col := range rec.Columns() {
				fmt.Fprintf(&b, "%s|", vector.Format(col, i))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// write makes a segment of batches, batch i to partition i modulo partitions.
func write(t testing.TB, path string, partitions int, opts Options, recs ...arrow.Record) []PartitionInfo {
	t.Helper()
	w, err := Create(path, attempt, partitions, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range recs {
		if err := w.Write(i%partitions, rec); err != nil {
			t.Fatal(err)
		}
	}
	infos, err := w.Commit()
	if err != nil {
		t.Fatal(err)
	}
	return infos
}

// read is the text of a partition's rows, or the error on the way.
func read(mem memory.Allocator, path string, partition int) (string, error) {
	r, err := Open(path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	if partition >= r.Partitions() {
		return "", fmt.Errorf("%d partitions", r.Partitions())
	}
	var text string
	var buf []byte
	dec := NewDecoder(mem, schema)
	for i := range r.Blocks(partition) {
		var b Block
		if b, buf, err = r.ReadBlock(partition, i, buf); err != nil {
			return "", err
		}
		rec, err := dec.Decode(b)
		if err != nil {
			return "", err
		}
		text += rows(rec)
		rec.Release()
	}
	return text, nil
}

func TestRoundTrip(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprintf("plain=%t", plain), func(t *testing.T) {
			mem := memory.NewCheckedAllocator(recycle.Poison())
			defer mem.AssertSize(t, 0)
			var recs []arrow.Record
			var want [3]string
			for i := range 10 {
				full := batch(mem, i*1000, 500, 20)
				rec := full.NewSlice(int64(i*13), int64(i*13+380)) // offsets must not matter
				full.Release()
				defer rec.Release()
				recs = append(recs, rec)
				want[i%3] += rows(rec)
			}
			path := filepath.Join(t.TempDir(), "s")
			infos := write(t, path, 3, Options{Mem: mem, Plain: plain}, recs...)
			for p := range 3 {
				got, err := read(mem, path, p)
				if err != nil {
					t.Fatal(err)
				}
				if got != want[p] {
					t.Errorf("partition %d differs", p)
				}
			}
			if infos[0].Rows != 1520 || infos[1].Rows != 1140 || len(infos[0].Checksum) != 32 || infos[0].Bytes == 0 {
				t.Errorf("infos %+v", infos)
			}
		})
	}
}

func TestRandomBatches(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		mem := memory.NewCheckedAllocator(recycle.Poison())
		defer mem.AssertSize(t, 0)
		dict := rapid.IntRange(1, 2000).Draw(rt, "dictionary")
		size := rapid.IntRange(0, 60).Draw(rt, "rows")
		full := batch(mem, rapid.IntRange(0, 1000).Draw(rt, "first"), size, dict)
		defer full.Release()
		from := rapid.IntRange(0, size).Draw(rt, "from")
		to := rapid.IntRange(from, size).Draw(rt, "to")
		rec := full.NewSlice(int64(from), int64(to))
		defer rec.Release()
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		write(t, path, 1, Options{Mem: mem}, rec)
		got, err := read(mem, path, 0)
		if err != nil {
			rt.Fatal(err)
		}
		if got != rows(rec) {
			rt.Fatalf("got\n%s\nwant\n%s", got, rows(rec))
		}
	})
}

func TestSameRowsSameChecksum(t *testing.T) {
	mem := memory.NewGoAllocator()
	one := batch(mem, 0, 100, 10)
	a, b := one.NewSlice(0, 30), one.NewSlice(30, 100)
	dir := t.TempDir()
	x := write(t, filepath.Join(dir, "x"), 1, Options{}, one)
	y := write(t, filepath.Join(dir, "y"), 1, Options{}, b, a)
	z := write(t, filepath.Join(dir, "z"), 1, Options{}, a)
	if x[0].Checksum != y[0].Checksum || x[0].Checksum == z[0].Checksum {
		t.Errorf("%s, %s, %s", x[0].Checksum, y[0].Checksum, z[0].Checksum)
	}
}

func TestDictionaryStaysAndIsCompacted(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	rec := batch(mem, 0, 50, 100_000)
	defer rec.Release()
	enc := &encoder{mem: mem, codec: CodecNone, limit: MaxPayload}
	_, frame, err := enc.encode(0, 0, rec)
	if err != nil {
		t.Fatal(err)
	}
	if len(frame) > 16<<10 {
		t.Errorf("50 rows take %d bytes", len(frame))
	}
	b, err := ParseBlock(frame)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewDecoder(mem, schema).Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	d, ok := got.Column(2).(*array.Dictionary)
	if !ok || d.Dictionary().Len() > 50 {
		t.Errorf("column code came back as %s", got.Column(2).DataType())
	}
	if rows(got) != rows(rec) {
		t.Error("rows differ")
	}
}

func TestNoColumns(t *testing.T) {
	mem := memory.NewGoAllocator()
	rec := vector.NewRecord(plan.Schema{}, nil, 7)
	enc := &encoder{mem: mem, codec: CodecS2, limit: MaxPayload}
	_, frame, err := enc.encode(0, 0, rec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseBlock(frame)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewDecoder(mem, plan.Schema{}).Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if got.NumRows() != 7 {
		t.Errorf("%d rows", got.NumRows())
	}
}

func TestLargeBatchIsCutInTwo(t *testing.T) {
	mem := memory.NewGoAllocator()
	rec := batch(mem, 0, 1000, 10)
	path := filepath.Join(t.TempDir(), "s")
	write(t, path, 1, Options{MaxPayload: 16 << 10}, rec)
	r, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if n := len(r.Blocks(0)); n < 4 {
		t.Errorf("%d blocks", n)
	}
	if got, err := read(mem, path, 0); err != nil || got != rows(rec) {
		t.Errorf("rows differ: %v", err)
	}
	w, err := Create(path+"2", attempt, 1, Options{MaxPayload: 64})
	if err != nil {
		t.Fatal(err)
	}
	var f *plan.Failure
	if err := w.Write(0, rec); !errors.As(err, &f) || f.Kind != plan.FailureUser {
		t.Errorf("a row above the limit: %v", err)
	}
	if err := w.Discard(); err != nil {
		t.Error(err)
	}
}

func TestWrongSchemaIsRefused(t *testing.T) {
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	rec := batch(mem, 0, 3, 3)
	defer rec.Release()
	enc := &encoder{mem: mem, codec: CodecS2, limit: MaxPayload}
	_, frame, err := enc.encode(0, 0, rec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ParseBlock(frame)
	if err != nil {
		t.Fatal(err)
	}
	other := plan.Schema{Fields: append([]plan.Field(nil), schema.Fields...)}
	other.Fields[4].Type = plan.Decimal(10, 3)
	if _, err := NewDecoder(mem, other).Decode(b); err == nil {
		t.Error("another scale was accepted")
	}
	other.Fields = other.Fields[:3]
	if _, err := NewDecoder(mem, other).Decode(b); err == nil {
		t.Error("fewer columns were accepted")
	}
}

func TestUnfinishedIsNoSegment(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	w, err := Create(path, attempt, 1, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(0, batch(memory.NewGoAllocator(), 0, 10, 2)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrCorrupt) {
		t.Errorf("opened an unfinished segment: %v", err)
	}
	if err := w.Discard(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after Discard: %v", err)
	}
}

func TestFullDiskIsReported(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no /dev/full here")
	}
	_, err = NewWriter(f, func() error { return nil }, attempt, 1, Options{})
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("/dev/full: no space left on device")) {
		t.Errorf("got %v", err)
	}
}

// TestFlippedBits is FAULTS F31: whatever bits turn over on disk, a reader gets the right rows or an error.
func TestFlippedBits(t *testing.T) {
	mem := memory.NewGoAllocator()
	path := filepath.Join(t.TempDir(), "s")
	write(t, path, 2, Options{}, batch(mem, 0, 20, 5), batch(mem, 100, 10, 50), batch(mem, 200, 15, 4))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want [2]string
	for p := range want {
		if want[p], err = read(mem, path, p); err != nil {
			t.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	caught := 0
	for range 10_000 {
		bad := bytes.Clone(good)
		for range 1 + rng.IntN(3) {
			bad[rng.IntN(len(bad))] ^= 1 << rng.IntN(8)
		}
		if bytes.Equal(bad, good) {
			continue
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		for p := range want {
			got, err := read(mem, path, p)
			if err != nil {
				caught++
			} else if got != want[p] {
				t.Fatal("wrong rows were delivered")
			}
		}
	}
	if caught < 10_000 {
		t.Errorf("only %d errors", caught)
	}
}

func TestTruncatedFile(t *testing.T) {
	mem := memory.NewGoAllocator()
	path := filepath.Join(t.TempDir(), "s")
	write(t, path, 1, Options{}, batch(mem, 0, 5, 5))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range good {
		if err := os.WriteFile(path, good[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(mem, path, 0); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, len(good))
		}
	}
}

// FuzzDecode feeds frames to the decoder: with a false checksum as they are, and once more with true ones, so that
// everything behind the checksums is exercised too.
func FuzzDecode(f *testing.F) {
	mem := memory.NewGoAllocator()
	for _, codec := range []Codec{CodecNone, CodecS2} {
		enc := &encoder{mem: mem, codec: codec, limit: MaxPayload}
		_, frame, err := enc.encode(1, 2, batch(mem, 0, 12, 3))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		decode(frame)
		if len(frame) > HeaderSize+TrailerSize {
			payload := frame[HeaderSize : len(frame)-TrailerSize]
			decode(sealFrame(Header{Rows: 12, Payload: len(payload), Raw: len(payload)}, payload))
		}
	})
}

func decode(frame []byte) {
	b, err := ParseBlock(frame)
	if err != nil {
		return
	}
	rec, err := NewDecoder(memory.NewGoAllocator(), schema).Decode(b)
	if err != nil {
		return
	}
	_ = rows(rec) // touches every value
	rec.Release()
}

func sealFrame(h Header, payload []byte) []byte {
	frame := append(appendHeader(nil, h), payload...)
	return binary.LittleEndian.AppendUint32(frame, crc32.Checksum(payload, castagnoli))
}

func decimal(i int) decimal128.Num { return decimal128.FromI64(int64(i) * 25) }
