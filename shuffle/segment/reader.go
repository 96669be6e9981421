package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/quern-engine/quern/plan"
)

// Reader reads a finished segment. It is safe for concurrent use until Close.
type Reader struct {
	f Source
	*Index
}

// Index is what a segment's header and index say. It does not change, and may outlive the reader it came from.
type Index struct {
	id    plan.AttemptID
	parts []partitionIndex
	size  int64 // of the segment
}

// Open opens a segment file.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open shuffle segment: %w", err)
	}
	src, err := FileSource(f)
	if err != nil {
		return nil, err
	}
	return NewReader(src)
}

// Source is where a segment is read from. It is safe for concurrent use until Close.
type Source interface {
	io.ReaderAt
	io.Closer
	Size() int64
	Name() string // for messages
}

// FileSource reads a file, which it owns from now on, error or not.
func FileSource(f *os.File) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return fileSource{f, info.Size()}, nil
}

type fileSource struct {
	*os.File
	size int64
}

// Size is the file's when it was opened.
func (f fileSource) Size() int64 { return f.size }

// NewReader reads header, index and footer of a segment, whose source the reader owns from now on, error or not.
func NewReader(f Source) (*Reader, error) {
	index, err := load(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open shuffle segment %s: %w", f.Name(), err), f.Close())
	}
	return &Reader{f: f, Index: index}, nil
}

// WithIndex is NewReader for a segment whose index was read before.
func WithIndex(f Source, index *Index) (*Reader, error) {
	if f.Size() != index.size {
		err := fmt.Errorf("open shuffle segment %s: %w: %d bytes, not %d as it had", f.Name(), ErrCorrupt, f.Size(), index.size)
		return nil, errors.Join(err, f.Close())
	}
	return &Reader{f: f, Index: index}, nil
}

func load(f Source) (*Index, error) {
	size := f.Size()
	head := make([]byte, min(size, fixedHeader+1<<16+4))
	if _, err := f.ReadAt(head[:min(len(head), fixedHeader)], 0); err != nil {
		return nil, err
	}
	// The header's length is in its fixed part; read the rest only if the magic is right.
	if len(head) >= fixedHeader && string(head[:4]) == fileMagic {
		head = head[:min(len(head), fixedHeader+int(binary.LittleEndian.Uint16(head[6:]))+4)]
		if _, err := f.ReadAt(head, 0); err != nil {
			return nil, err
		}
	}
	id, partitions, headSize, err := parseFileHeader(head)
	if err != nil {
		return nil, err
	}
	if size < int64(headSize+footerSize) {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorrupt, size)
	}
	foot := make([]byte, footerSize)
	if _, err := f.ReadAt(foot, size-int64(footerSize)); err != nil {
		return nil, err
	}
	at, length, sum, err := parseFooter(foot, size)
	if err != nil {
		return nil, err
	}
	index := make([]byte, length)
	if _, err := f.ReadAt(index, at); err != nil {
		return nil, err
	}
	if crc32.Checksum(index, castagnoli) != sum {
		return nil, fmt.Errorf("%w: checksum of the index", ErrCorrupt)
	}
	parts, err := parseIndex(index, partitions, int64(headSize), at)
	if err != nil {
		return nil, err
	}
	return &Index{id: id, parts: parts, size: size}, nil
}

// Attempt is whose output this is.
func (x *Index) Attempt() plan.AttemptID { return x.id }

// Partitions is how many partitions there are.
func (x *Index) Partitions() int { return len(x.parts) }

// Infos says what is in each partition, as Commit did.
func (x *Index) Infos() []PartitionInfo { return infos(x.parts) }

// Blocks are a partition's blocks in order. The partition must exist; the slice must not be changed.
func (x *Index) Blocks(partition int) []BlockRef { return x.parts[partition].blocks }

// Rows is a partition's row count.
func (x *Index) Rows(partition int) int64 { return x.parts[partition].rows }

// Footprint is about how much memory the index takes, in bytes.
func (x *Index) Footprint() int64 {
	n := int64(64 + len(x.id.Run))
	for i := range x.parts {
		n += 64 + 24*int64(len(x.parts[i].blocks))
	}
	return n
}

// ReadBlock reads and verifies one block of a partition, using buf as [ReadBlock] does. Its errors are about the segment, and
// match ErrCorrupt.
func (r *Reader) ReadBlock(partition, sequence int, buf []byte) (b Block, _ []byte, err error) {
	ref := r.parts[partition].blocks[sequence]
	buf = grow(buf, ref.Length)
	if err = r.readAt(buf, ref.Offset); err == nil {
		b, err = ParseBlock(buf)
	}
	if err == nil {
		err = ref.check(b.Header, partition, sequence)
	}
	if err != nil {
		return Block{}, buf, r.damaged(err)
	}
	return b, buf, nil
}

// Copy writes a block's frame to w as it is stored, as much at a time as buf, of at least a kilobyte, holds. It verifies the
// frame on the way: of a damaged one the last part is withheld, so that it never leaves whole. An error that matches ErrCorrupt
// is about the segment, any other one is w's.
func (r *Reader) Copy(w io.Writer, partition, sequence int, buf []byte) error {
	ref := r.parts[partition].blocks[sequence]
	h, sum := Header{}, uint32(0)
	for at := 0; at < ref.Length; {
		part := buf[:min(len(buf), ref.Length-at)]
		if rest := ref.Length - at - len(part); rest > 0 && rest < TrailerSize {
			part = part[:len(part)-TrailerSize] // the trailer comes in one piece
		}
		err := r.readAt(part, ref.Offset+int64(at))
		payload := part
		if err == nil && at == 0 {
			if h, err = ParseHeader(part); err == nil {
				err = ref.check(h, partition, sequence)
			}
			payload = part[HeaderSize:]
		}
		if at += len(part); err == nil {
			sum, err = h.follow(sum, payload, at == ref.Length)
		}
		if err != nil {
			return r.damaged(err)
		}
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// readAt fills b. What the disk does not give is as good as damaged.
func (r *Reader) readAt(b []byte, at int64) error {
	if _, err := r.f.ReadAt(b, at); err != nil {
		return fmt.Errorf("%w: %d bytes at %d: %w", ErrCorrupt, len(b), at, err)
	}
	return nil
}

func (r *Reader) damaged(err error) error {
	return fmt.Errorf("read shuffle segment %s: %w", r.f.Name(), err)
}

// check compares a block's header with what the index says of the block.
func (ref BlockRef) check(h Header, partition, sequence int) error {
	if h.Partition != partition || h.Sequence != sequence || h.Rows != ref.Rows || h.FrameSize() != ref.Length {
		return fmt.Errorf("%w: the index points to another block", ErrCorrupt)
	}
	return nil
}

// follow takes the next part of the block's payload into a checksum, and compares it with the trailer, which the last part has
// behind it.
func (h Header) follow(sum uint32, part []byte, last bool) (uint32, error) {
	if !last {
		return crc32.Update(sum, castagnoli, part), nil
	}
	end := len(part) - TrailerSize
	if sum = crc32.Update(sum, castagnoli, part[:end]); sum != binary.LittleEndian.Uint32(part[end:]) {
		return sum, checksumError(h)
	}
	return sum, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.f.Close() }
