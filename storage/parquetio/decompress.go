package parquetio

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	parquetlz4 "github.com/parquet-go/parquet-go/compress/lz4"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// codecs decompresses pages into memory of the size that their header declares, never beyond. It keeps decoders for
// reuse, and is not safe for concurrent use.
type codecs struct {
	zstd   *zstd.Decoder
	gzip   *gzip.Reader
	brotli *brotli.Reader
	input  bytes.Reader
}

var errSize = errors.New("decompressed size is not what the page header says")

// close releases decoders.
func (c *codecs) close() {
	if c.zstd != nil {
		zstdDecoders.Put(c.zstd)
		c.zstd = nil
	}
}

// zstdDecoders keeps decoders between scans, for their tables. Those that the pool drops hold no goroutine.
var zstdDecoders = sync.Pool{New: func() any {
	// The cap limit is what stops a bomb: output never grows beyond what the caller gives.
	d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
	if err != nil {
		panic(fmt.Sprintf("zstd refuses its options: %v", err)) // constants: it cannot
	}
	return d
}}

// decode fills dst, exactly.
func (c *codecs) decode(codec format.CompressionCodec, dst, src []byte) error {
	if len(dst) == 0 {
		return nil // writers differ on what an empty page compresses to
	}
	switch codec {
	case format.Uncompressed:
		if copy(dst, src) != len(dst) || len(src) != len(dst) {
			return errSize
		}
		return nil
	case format.Snappy:
		return decodeSnappy(dst, src)
	case format.Zstd:
		return c.decodeZstd(dst, src)
	case format.Gzip:
		return c.decodeGzip(dst, src)
	case format.Brotli:
		c.input.Reset(src)
		if c.brotli == nil {
			c.brotli = brotli.NewReader(&c.input)
		} else if err := c.brotli.Reset(&c.input); err != nil {
			return err
		}
		return drain(c.brotli, dst)
	case format.Lz4Raw:
		return decodeLZ4(dst, src)
	case format.Lz4:
		return decodeOldLZ4(dst, src)
	}
	return fmt.Errorf("codec %s is not supported", codec)
}

func decodeSnappy(dst, src []byte) error {
	if n, err := snappy.DecodedLen(src); err != nil || n != len(dst) {
		return errors.Join(errSize, err)
	}
	_, err := snappy.Decode(dst, src)
	return err
}

func (c *codecs) decodeZstd(dst, src []byte) error {
	if c.zstd == nil {
		c.zstd = zstdDecoders.Get().(*zstd.Decoder)
	}
	out, err := c.zstd.DecodeAll(src, dst[:0:len(dst)])
	if err == nil && len(out) != len(dst) {
		err = errSize
	}
	return err
}

func (c *codecs) decodeGzip(dst, src []byte) error {
	c.input.Reset(src)
	if c.gzip == nil {
		r, err := gzip.NewReader(&c.input)
		if err != nil {
			return err
		}
		c.gzip = r
	} else if err := c.gzip.Reset(&c.input); err != nil {
		return err
	}
	return drain(c.gzip, dst)
}

// drain fills dst from r and checks that r has no more.
func drain(r io.Reader, dst []byte) error {
	if _, err := io.ReadFull(r, dst); err != nil {
		return errors.Join(errSize, err)
	}
	var more [1]byte
	switch n, err := io.ReadFull(r, more[:]); {
	case n > 0:
		return errSize
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

func decodeLZ4(dst, src []byte) error {
	n, err := lz4.UncompressBlock(src, dst)
	if err == nil && n != len(dst) {
		err = errSize
	}
	return err
}

// decodeOldLZ4 reads the codec that was deprecated because writers disagreed: Hadoop's framing (big-endian sizes before
// each block) or a bare block.
func decodeOldLZ4(dst, src []byte) error {
	if decodeHadoopLZ4(dst, src) == nil {
		return nil
	}
	return decodeLZ4(dst, src)
}

func decodeHadoopLZ4(dst, src []byte) error {
	for len(src) >= 8 {
		raw, packed := binary.BigEndian.Uint32(src), binary.BigEndian.Uint32(src[4:])
		src = src[8:]
		if uint64(raw) > uint64(len(dst)) || uint64(packed) > uint64(len(src)) {
			return errSize
		}
		if err := decodeLZ4(dst[:raw], src[:packed]); err != nil {
			return err
		}
		dst, src = dst[raw:], src[packed:]
	}
	if len(dst) > 0 || len(src) > 0 {
		return errSize
	}
	return nil
}

// lz4Codec is parquet-go's, but uncompresses into the memory that it is given where that is large enough: its owner, who
// reads pages back for Bloom filters, takes it for granted.
type lz4Codec struct{ parquetlz4.Codec }

// Decode uncompresses a page.
func (c *lz4Codec) Decode(dst, src []byte) ([]byte, error) {
	if n, err := lz4.UncompressBlock(src, dst[:cap(dst)]); err == nil {
		return dst[:n], nil
	}
	return c.Codec.Decode(dst, src)
}
