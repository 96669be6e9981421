package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/s2"
)

// Sizes of a block frame: header, then payload, then the payload's checksum.
const (
	HeaderSize  = 36
	TrailerSize = 4
	// MaxBlock bounds a whole frame.
	MaxBlock = HeaderSize + MaxPayload + TrailerSize
)

// BlockMagic begins every block frame.
const BlockMagic = "QBLK"

const blockVersion = 1

// Codec says how a payload is compressed. Its values are stored: append only.
type Codec uint8

// The codecs. A payload that does not shrink is stored as it is.
const (
	CodecNone Codec = 0
	CodecS2   Codec = 2 // one S2 block; 1 was LZ4 once
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Header is the fixed part of a block.
type Header struct {
	Codec     Codec
	Partition int
	Sequence  int // of the block among its partition's, from 0
	Rows      int
	Payload   int // bytes stored
	Raw       int // bytes after decompression
}

// FrameSize is the length of the whole frame.
func (h Header) FrameSize() int { return HeaderSize + h.Payload + TrailerSize }

// appendHeader writes the header's stored form behind dst.
func appendHeader(dst []byte, h Header) []byte {
	start := len(dst)
	dst = append(dst, BlockMagic...)
	dst = append(dst, blockVersion, byte(h.Codec), 0, 0)
	for _, v := range [...]int{h.Partition, h.Sequence, h.Rows, h.Payload, h.Raw} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	dst = append(dst, 0, 0, 0, 0) // reserved
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// ParseHeader checks and reads a block header.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%w: block header of %d bytes", ErrCorrupt, len(b))
	}
	b = b[:HeaderSize]
	if string(b[:4]) != BlockMagic {
		return Header{}, fmt.Errorf("%w: no block where one should be", ErrCorrupt)
	}
	if crc32.Checksum(b[:HeaderSize-4], castagnoli) != binary.LittleEndian.Uint32(b[HeaderSize-4:]) {
		return Header{}, fmt.Errorf("%w: checksum of a block header", ErrCorrupt)
	}
	if b[4] != blockVersion {
		return Header{}, fmt.Errorf("block of format version %d; this build reads version %d", b[4], blockVersion)
	}
	field := func(i int) int { return int(int32(binary.LittleEndian.Uint32(b[8+4*i:]))) }
	h := Header{Codec: Codec(b[5]), Partition: field(0), Sequence: field(1), Rows: field(2), Payload: field(3), Raw: field(4)}
	return h, h.validate()
}

func (h Header) validate() error {
	switch {
	case h.Codec != CodecNone && h.Codec != CodecS2:
		return fmt.Errorf("block with codec %d, which this build does not know", h.Codec)
	case h.Payload < 0 || h.Payload > MaxPayload || h.Raw < 0 || h.Raw > MaxPayload:
		return fmt.Errorf("%w: block of %d bytes, %d decompressed, above the limit of %d", ErrCorrupt, h.Payload, h.Raw, MaxPayload)
	case h.Codec == CodecNone && h.Raw != h.Payload:
		return fmt.Errorf("%w: plain block of %d bytes that claims %d", ErrCorrupt, h.Payload, h.Raw)
	case h.Partition < 0 || h.Sequence < 0 || h.Rows < 0:
		return fmt.Errorf("%w: negative number in a block header", ErrCorrupt)
	}
	return nil
}

// Block is a whole frame whose checksums have been verified.
type Block struct {
	Header
	payload []byte // within the frame it was parsed from
}

// ParseBlock checks a whole frame. The block refers to it.
func ParseBlock(frame []byte) (Block, error) {
	h, err := ParseHeader(frame)
	if err != nil {
		return Block{}, err
	}
	if len(frame) != h.FrameSize() {
		return Block{}, fmt.Errorf("%w: block of %d bytes in a frame of %d", ErrCorrupt, h.FrameSize(), len(frame))
	}
	payload := frame[HeaderSize : HeaderSize+h.Payload]
	if crc32.Checksum(payload, castagnoli) != binary.LittleEndian.Uint32(frame[HeaderSize+h.Payload:]) {
		return Block{}, checksumError(h)
	}
	return Block{Header: h, payload: payload}, nil
}

func checksumError(h Header) error {
	return fmt.Errorf("%w: checksum of block %d of partition %d", ErrCorrupt, h.Sequence, h.Partition)
}

// ReadBlock reads the next frame of a stream into buf, which grows as needed and is returned for the next call. The
// block refers to it. An end before a whole frame is io.ErrUnexpectedEOF.
func ReadBlock(r io.Reader, buf []byte) (Block, []byte, error) {
	buf = grow(buf, HeaderSize)
	if _, err := io.ReadFull(r, buf); err != nil {
		return Block{}, buf, unexpected(err)
	}
	h, err := ParseHeader(buf)
	if err != nil {
		return Block{}, buf, err
	}
	buf = grow(buf, h.FrameSize())
	if _, err := io.ReadFull(r, buf[HeaderSize:]); err != nil {
		return Block{}, buf, unexpected(err)
	}
	b, err := ParseBlock(buf)
	return b, buf, err
}

// grow returns buf with length n and its bytes so far.
func grow(buf []byte, n int) []byte {
	if cap(buf) < n {
		bigger := make([]byte, n, n+n/4)
		copy(bigger, buf[:cap(buf)])
		return bigger
	}
	return buf[:n]
}

func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// raw is the block's decompressed payload: the payload itself or a part of buf, which grows as needed.
func (b Block) raw(buf []byte) (raw, scratch []byte, err error) {
	if b.Codec == CodecNone {
		return b.payload, buf, nil
	}
	buf = grow(buf, b.Raw)
	n, err := s2.DecodedLen(b.payload)
	if err == nil && n == b.Raw { // else Decode might allocate as much as it is told
		_, err = s2.Decode(buf, b.payload)
	}
	if err != nil || n != b.Raw {
		return nil, buf, fmt.Errorf("%w: block %d of partition %d does not decompress: %d of %d bytes, %v",
			ErrCorrupt, b.Sequence, b.Partition, n, b.Raw, err)
	}
	return buf, buf, nil
}
