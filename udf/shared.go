package udf

import (
	"errors"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/udf/udfpb"
)

// sharedMemory is what the host shares with this process: it writes arguments, and is written results.
type sharedMemory struct {
	args, results []byte
}

// read is the batch of a request, wherever it is.
func (m *sharedMemory) read(shared *udfpb.SharedBatch, message *udfpb.Payload, types []string) (arrow.Record, error) {
	if shared == nil {
		return message.Record(memory.DefaultAllocator)
	}
	if m == nil {
		return nil, errors.New("they are in memory that this process has not")
	}
	want := make([]arrow.DataType, len(types))
	for i, t := range types {
		want[i] = Type(t).Arrow()
	}
	return shared.Borrow(m.args, want)
}

// room is the memory that the host gives for a result; nil for none.
func (m *sharedMemory) room(e *udfpb.Extent) []byte {
	if m == nil || e == nil || e.GetOffset() > uint64(len(m.results)) || e.GetLength() > uint64(len(m.results))-e.GetOffset() {
		return nil
	}
	return m.results[e.GetOffset() : e.GetOffset()+e.GetLength()]
}

// answer puts a result into a reply: into the room that the host has given, if it fits. One of another type than declared goes
// with its schema, for the host to say so.
func (m *sharedMemory) answer(reply *udfpb.CallReply, where *udfpb.Extent, room []byte, declared string, col arrow.Array) (err error) {
	if room != nil && checkType(col, Type(declared)) == nil {
		schema := arrow.NewSchema([]arrow.Field{{Name: "result", Type: col.DataType(), Nullable: true}}, nil)
		rec := array.NewRecord(schema, []arrow.Array{col}, int64(col.Len()))
		defer rec.Release()
		if reply.SharedColumn = m.put(where, room, rec); reply.SharedColumn != nil {
			return nil
		}
	}
	reply.Column, err = encode(col)
	return err
}

// put writes a batch into the room that the host has given; nil if it does not fit.
func (m *sharedMemory) put(where *udfpb.Extent, room []byte, rec arrow.Record) *udfpb.SharedBatch {
	if size, ok := udfpb.SharedSize(rec); room == nil || !ok || size > len(room) {
		return nil
	}
	return udfpb.Share(m.results, int(where.GetOffset()), rec)
}
