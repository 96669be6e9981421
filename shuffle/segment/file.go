package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/quern-engine/quern/plan"
)

// A segment file is header, blocks, index, footer. All numbers are little-endian.
const (
	fileMagic   = "QSEG"
	footMagic   = "QSEGEND1"
	fileVersion = 1
	footerSize  = 8 + 8 + 4 + 4 + len(footMagic)
	fixedHeader = 4 + 2 + 2 + 4*4 // before the run's name
	maxIndex    = 1 << 30
)

// appendFileHeader writes what a segment begins with: whose output it is.
func appendFileHeader(dst []byte, id plan.AttemptID, partitions int) []byte {
	start := len(dst)
	dst = append(dst, fileMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, fileVersion)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(id.Run)))
	for _, v := range [...]int{id.Stage, id.Task, id.Attempt, partitions} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	dst = append(dst, id.Run...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}

// parseFileHeader reads the header at the beginning of b, and says how long it is.
func parseFileHeader(b []byte) (id plan.AttemptID, partitions, size int, err error) {
	if len(b) < fixedHeader || string(b[:4]) != fileMagic {
		return id, 0, 0, fmt.Errorf("%w: not a shuffle segment", ErrCorrupt)
	}
	run := int(binary.LittleEndian.Uint16(b[6:]))
	size = fixedHeader + run + 4
	if len(b) < size || crc32.Checksum(b[:size-4], castagnoli) != binary.LittleEndian.Uint32(b[size-4:]) {
		return id, 0, 0, fmt.Errorf("%w: checksum of the segment header", ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint16(b[4:]); v != fileVersion {
		return id, 0, 0, fmt.Errorf("segment of format version %d; this build reads version %d", v, fileVersion)
	}
	field := func(i int) int { return int(binary.LittleEndian.Uint32(b[8+4*i:])) }
	id = plan.AttemptID{TaskID: plan.TaskID{Run: string(b[fixedHeader : size-4]), Stage: field(0), Task: field(1)}, Attempt: field(2)}
	return id, field(3), size, nil
}

// BlockRef says where a block is in a segment.
type BlockRef struct {
	Offset int64
	Length int // of the whole frame
	Rows   int
}

// partitionIndex is what the index says of a partition.
type partitionIndex struct {
	rows, bytes int64
	sums        RowSums
	blocks      []BlockRef
}

func appendIndex(dst []byte, parts []partitionIndex) []byte {
	for _, p := range parts {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.rows))
		dst = binary.LittleEndian.AppendUint64(dst, uint64(p.bytes))
		dst = binary.LittleEndian.AppendUint64(dst, p.sums[0])
		dst = binary.LittleEndian.AppendUint64(dst, p.sums[1])
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(p.blocks)))
		for _, b := range p.blocks {
			dst = binary.LittleEndian.AppendUint64(dst, uint64(b.Offset))
			dst = binary.LittleEndian.AppendUint32(dst, uint32(b.Length))
			dst = binary.LittleEndian.AppendUint32(dst, uint32(b.Rows))
		}
	}
	return dst
}

const (
	partitionEntry = 4*8 + 4
	blockEntry     = 8 + 4 + 4
)

// parseIndex reads the index of a segment whose blocks lie between two offsets.
func parseIndex(b []byte, partitions int, from, to int64) ([]partitionIndex, error) {
	if partitions < 0 || partitions > len(b)/partitionEntry {
		return nil, fmt.Errorf("%w: index of %d bytes for %d partitions", ErrCorrupt, len(b), partitions)
	}
	parts := make([]partitionIndex, partitions)
	for i := range parts {
		if len(b) < partitionEntry {
			return nil, fmt.Errorf("%w: index ends early", ErrCorrupt)
		}
		u64 := func(at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
		p := &parts[i]
		p.rows, p.bytes, p.sums = int64(u64(0)), int64(u64(8)), RowSums{u64(16), u64(24)}
		n := int(binary.LittleEndian.Uint32(b[32:]))
		if b = b[partitionEntry:]; n > len(b)/blockEntry {
			return nil, fmt.Errorf("%w: index ends early", ErrCorrupt)
		}
		p.blocks = make([]BlockRef, n)
		rows := int64(0)
		for j := range p.blocks {
			ref := BlockRef{
				Offset: int64(binary.LittleEndian.Uint64(b)),
				Length: int(binary.LittleEndian.Uint32(b[8:])),
				Rows:   int(binary.LittleEndian.Uint32(b[12:])),
			}
			b = b[blockEntry:]
			if ref.Offset < from || ref.Length < HeaderSize+TrailerSize || ref.Length > MaxBlock || ref.Offset > to-int64(ref.Length) {
				return nil, fmt.Errorf("%w: index points outside the blocks", ErrCorrupt)
			}
			p.blocks[j] = ref
			rows += int64(ref.Rows)
		}
		if rows != p.rows {
			return nil, fmt.Errorf("%w: index counts %d rows, its blocks %d", ErrCorrupt, p.rows, rows)
		}
	}
	if len(b) > 0 {
		return nil, fmt.Errorf("%w: %d bytes behind the index", ErrCorrupt, len(b))
	}
	return parts, nil
}

func appendFooter(dst []byte, indexAt int64, index []byte) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(indexAt))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(len(index)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(index, castagnoli))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	return append(dst, footMagic...)
}

// parseFooter returns where the index is and its checksum.
func parseFooter(b []byte, size int64) (at, length int64, sum uint32, err error) {
	if len(b) != footerSize || string(b[24:]) != footMagic {
		return 0, 0, 0, fmt.Errorf("%w: the segment has no end mark: it was never finished or is cut off", ErrCorrupt)
	}
	if crc32.Checksum(b[:20], castagnoli) != binary.LittleEndian.Uint32(b[20:]) {
		return 0, 0, 0, fmt.Errorf("%w: checksum of the segment footer", ErrCorrupt)
	}
	at, length = int64(binary.LittleEndian.Uint64(b)), int64(binary.LittleEndian.Uint64(b[8:]))
	if at < 0 || length < 0 || length > maxIndex || at+length != size-int64(footerSize) {
		return 0, 0, 0, fmt.Errorf("%w: the footer points outside the segment", ErrCorrupt)
	}
	return at, length, binary.LittleEndian.Uint32(b[16:]), nil
}
