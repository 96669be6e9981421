package shuffle

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/shuffle/segment"
)

// FetchPath is where workers serve their segments: POST a fetchRequest, get a stream.
const FetchPath = "/v1/shuffle/fetch"

// fetchRequest asks for several map outputs, in that order, of one partition after the other.
type fetchRequest struct {
	Run       string `json:"run"`
	Stage     int    `json:"stage"`
	Partition int    `json:"partition"`
	// To is the partition behind the last one that is wanted; 0: Partition alone is.
	To   int        `json:"to,omitempty"`
	Maps []mapRange `json:"maps"`
	// Start is the index in Maps where the first partition begins: the reader has what comes before.
	Start int `json:"start,omitempty"`
}

// mapRange is a map output, or the part of it that is wanted of each partition.
type mapRange struct {
	Task    int `json:"task"`
	Attempt int `json:"attempt"`
	// Skip is how many blocks the reader has already, of the map output with which the first partition begins.
	Skip  int   `json:"skip,omitempty"`
	Row   int64 `json:"row,omitempty"`   // first that is wanted: the stream begins with its block
	Limit int64 `json:"limit,omitempty"` // rows from there on; 0: all
}

// rowsOf asks for the rows from ≤ row < to of a map output.
func rowsOf(task, attempt int, from, to int64) mapRange {
	m := mapRange{Task: task, Attempt: attempt, Row: from}
	if to != math.MaxInt64 {
		m.Limit = to - from
	}
	return m
}

// end is the row behind the last one that is wanted.
func (m mapRange) end() int64 {
	if m.Limit == 0 || m.Limit > math.MaxInt64-m.Row {
		return math.MaxInt64
	}
	return m.Row + m.Limit
}

// partitions are those that are wanted: from ≤ partition < to.
func (r fetchRequest) partitions() (from, to int) {
	if r.To == 0 {
		return r.Partition, r.Partition + 1
	}
	return r.Partition, r.To
}

// from is the request for what is left from a place on. A reader of one partition asks as it did before there were several,
// so that a worker of an older build understands it.
func (r fetchRequest) from(at place) fetchRequest {
	start := slices.IndexFunc(r.Maps, func(m mapRange) bool { return m.Task >= at.task })
	r.Partition = at.partition
	if at.partition == r.To-1 {
		r.Maps, r.To, start = r.Maps[start:], 0, 0
	}
	r.Maps, r.Start = slices.Clone(r.Maps), start
	r.Maps[start].Skip = at.block
	return r
}

func (r fetchRequest) validate() error {
	if err := plan.ValidateID("run id", r.Run); err != nil {
		return err
	}
	from, to := r.partitions()
	if r.Stage < 0 || from < 0 || to <= from {
		return fmt.Errorf("fetch request: stage %d, partitions %d to %d", r.Stage, from, to-1)
	}
	if r.Start < 0 || r.Start > len(r.Maps) {
		return fmt.Errorf("fetch request: it starts with map output %d of %d", r.Start, len(r.Maps))
	}
	for _, m := range r.Maps {
		if m.Task < 0 || m.Attempt < 0 || m.Skip < 0 || m.Row < 0 || m.Limit < 0 {
			return fmt.Errorf("fetch request: map output %d.%d from block %d, row %d on, %d rows", m.Task, m.Attempt, m.Skip, m.Row, m.Limit)
		}
	}
	return nil
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
	codeUnusable markCode = 2 // it has no such partition, or cannot be read
	codeDamaged  markCode = 3 // it was damaged on the worker's disk, and is gone now
	codeBusy     markCode = 4 // not just now
)

// mark is a control frame.
type mark struct {
	kind    string
	code    markCode
	task    int
	attempt int
	blocks  int    // begin: that follow; end: of the partition up to here
	first   int    // begin: the block that follows
	rows    int64  // begin: of the partition before that block; end: up to here
	text    string // of an error
}

func (m mark) append(dst []byte) []byte {
	start := len(dst)
	text := m.text[:min(len(m.text), maxMarkText)]
	dst = append(dst, m.kind...)
	dst = append(dst, markVersion, byte(m.code))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(len(text)))
	for _, v := range [...]int{m.task, m.attempt, m.blocks, m.first} {
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
		kind: kind, code: markCode(body[5]), task: field(0), attempt: field(1), blocks: field(2), first: field(3),
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
