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

// arguments are those of a call, wherever they are.
func (m *sharedMemory) arguments(req *udfpb.CallRequest, types []string) (arrow.Record, error) {
	shared := req.GetSharedArgs()
	if shared == nil {
		return req.GetArgs().Record(memory.DefaultAllocator)
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

// answer puts a result into a reply: into the room that the host has given, if it fits. One of another type than declared goes
// with its schema, for the host to say so.
func (m *sharedMemory) answer(reply *udfpb.CallReply, room *udfpb.Extent, declared string, col arrow.Array) (err error) {
	if m != nil && checkType(col, Type(declared)) == nil && room != nil && room.GetOffset() <= uint64(len(m.results)) && room.GetLength() <= uint64(len(m.results))-room.GetOffset() {
		schema := arrow.NewSchema([]arrow.Field{{Name: "result", Type: col.DataType(), Nullable: true}}, nil)
		rec := array.NewRecord(schema, []arrow.Array{col}, int64(col.Len()))
		defer rec.Release()
		if size, ok := udfpb.SharedSize(rec); ok && uint64(size) <= room.GetLength() {
			reply.SharedColumn = udfpb.Share(m.results, int(room.GetOffset()), rec)
			return nil
		}
	}
	reply.Column, err = encode(col)
	return err
}
