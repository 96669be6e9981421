package shuffle

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/quern-engine/quern/shuffle/segment"
)

// FetchPath is where workers serve their segments: POST a fetchRequest, get a stream.
const FetchPath = "/v1/shuffle/fetch"

// fetchRequest asks for one partition of several map outputs, in that order.
type fetchRequest struct {
	Run       string     `json:"run"`
	Stage     int        `json:"stage"`
	Partition int        `json:"partition"`
	Maps      []mapRange `json:"maps"`
}

// mapRange is a map output, from a block on.
type mapRange struct {
	Task    int `json:"task"`
	Attempt int `json:"attempt"`
	Skip    int `json:"skip,omitempty"` // blocks that the reader has already
}

// The stream has, for each map output, a mark that begins it, its block frames verbatim, and a mark that ends it; or,
// instead of the first mark, one that says why there is nothing, which ends the stream.
const (
	markBegin = "QMAP"
	markEnd   = "QEND"
	markError = "QERR"
)

const (
	markVersion = 1
	markSize    = 32
	maxMarkText = 4096
)

// markCode says why a map output cannot be sent.
type markCode uint8

// The codes: append only.
const (
	codeMissing  markCode = 1 // no such segment
	codeUnusable markCode = 2 // it is damaged, or has no such partition
)

// mark is a control frame.
type mark struct {
	kind    string
	code    markCode
	task    int
	attempt int
	blocks  int // begin: that follow; end: of the partition in all
	rows    int64
	text    string // of an error
}

func (m mark) append(dst []byte) []byte {
	start := len(dst)
	text := m.text[:min(len(m.text), maxMarkText)]
	dst = append(dst, m.kind...)
	dst = append(dst, markVersion, byte(m.code))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(text)))
	for _, v := range [...]int{m.task, m.attempt, m.blocks, 0} {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	}
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.rows))
	dst = append(dst, text...)
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crc32.MakeTable(crc32.Castagnoli)))
}

// readMark reads the next control frame of a stream.
func readMark(r io.Reader) (mark, error) {
	buf := make([]byte, markSize, markSize+maxMarkText+4)
	if _, err := io.ReadFull(r, buf); err != nil {
		return mark{}, cutOff(err)
	}
	kind, size := string(buf[:4]), int(binary.LittleEndian.Uint16(buf[6:]))
	if (kind != markBegin && kind != markEnd && kind != markError) || size > maxMarkText {
		return mark{}, fmt.Errorf("%w: no mark where one should be", segment.ErrCorrupt)
	}
	buf = buf[:markSize+size+4]
	if _, err := io.ReadFull(r, buf[markSize:]); err != nil {
		return mark{}, cutOff(err)
	}
	body := buf[:markSize+size]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(buf[len(body):]) {
		return mark{}, fmt.Errorf("%w: checksum of a mark", segment.ErrCorrupt)
	}
	if body[4] != markVersion {
		return mark{}, fmt.Errorf("shuffle stream of version %d; this build reads version %d", body[4], markVersion)
	}
	field := func(i int) int { return int(binary.LittleEndian.Uint32(body[8+4*i:])) }
	return mark{
		kind: kind, code: markCode(body[5]), task: field(0), attempt: field(1), blocks: field(2),
		rows: int64(binary.LittleEndian.Uint64(body[24:])), text: string(body[markSize:]),
	}, nil
}

// cutOff makes an end of the stream an error wherever more had to come.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
