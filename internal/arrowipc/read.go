package arrowipc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
)

// The kinds of message that a stream has, by their numbers in Message.fbs.
const (
	MessageSchema     = headerIsSchema
	MessageDictionary = 2
	MessageBatch      = 3
)

// endMark ends a stream.
var endMark = []byte{0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}

// maxMessageHeader is more than the metadata of a message takes.
const maxMessageHeader = 64 << 20

// ReadMessage reads the next message of a stream, as it stands, of up to limit bytes, and says of which kind it is. At
// the end of the stream it says io.EOF.
func ReadMessage(r io.Reader, limit int64) (kind byte, message []byte, err error) {
	prefix := make([]byte, 8)
	if n, err := io.ReadFull(r, prefix); err != nil {
		if n == 0 {
			return 0, nil, io.EOF
		}
		return 0, nil, io.ErrUnexpectedEOF
	}
	if binary.LittleEndian.Uint32(prefix) != 0xFFFFFFFF {
		return 0, nil, errors.New("not an Arrow IPC stream, or one of a version before 0.15")
	}
	size := int64(int32(binary.LittleEndian.Uint32(prefix[4:])))
	if size == 0 {
		return 0, nil, io.EOF
	}
	if size < 8 || size > min(limit, maxMessageHeader) {
		return 0, nil, fmt.Errorf("message metadata of %d bytes", size)
	}
	meta, err := readExactly(r, size)
	if err != nil {
		return 0, nil, err
	}
	body, err := checkMessage(meta, true)
	if err != nil {
		return 0, nil, err
	}
	if body < 0 || body > limit-size {
		return 0, nil, fmt.Errorf("message body of %d bytes: beyond the limit", body)
	}
	table, err := root(meta)
	if err != nil {
		return 0, nil, err
	}
	header, err := table.scalar(messageHeaderType, 1)
	if err != nil || len(header) != 1 {
		return 0, nil, errors.Join(errors.New("message without a type"), err)
	}
	content, err := readExactly(r, body)
	if err != nil {
		return 0, nil, err
	}
	return header[0], bytes.Join([][]byte{prefix, meta, content}, nil), nil
}

// readExactly reads n bytes, which memory grows with as they come.
func readExactly(r io.Reader, n int64) ([]byte, error) {
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, n); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return buf.Bytes(), nil
}

// DecodeMessages reads the batch of some messages: the schema, the dictionaries, and the batch, as ReadMessage gives
// them. It takes the same care as Decode, and up to limit bytes of memory, since bodies may be compressed; but columns
// may have any type that Arrow has, and whoever reads one asks [ValidateForeign] about it first.
func DecodeMessages(mem memory.Allocator, limit int64, messages ...[]byte) (arrow.Record, error) {
	return decode(mem, bytes.Join(append(messages, endMark), nil), limit, true)
}
