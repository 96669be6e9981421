package udfpb

import (
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/internal/arrowipc"
)

// ErrTooLarge tells a caller to send fewer rows.
var ErrTooLarge = errors.New("batch larger than a plugin message can be")

// NewPayload encodes a batch.
func NewPayload(rec arrow.Record) (*Payload, error) {
	b, err := arrowipc.Append(nil, rec)
	if err != nil {
		return nil, err
	}
	if len(b) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(b))
	}
	return &Payload{Arrow: b, Crc32C: crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))}, nil
}

// Record decodes a batch that came from the other side, which is not trusted: size and checksum are verified first,
// then everything about the arrays. The caller owns the batch. A nil payload is an error.
func (p *Payload) Record(mem memory.Allocator) (arrow.Record, error) {
	if len(p.GetArrow()) > MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(p.GetArrow()))
	}
	if crc32.Checksum(p.GetArrow(), crc32.MakeTable(crc32.Castagnoli)) != p.GetCrc32C() {
		return nil, errors.New("checksum of the payload is wrong")
	}
	return arrowipc.Decode(mem, p.GetArrow())
}
