package operator

import (
	"context"
	"errors"
	"math/bits"

	"github.com/apache/arrow/go/v15/arrow"
)

// mover is a simple aggregate over frames whose both ends move, where rows can leave the frame again: counts, sums and
// means of integers, which lose nothing when a value is taken away, and min and max. Each row enters and leaves once.
type mover struct {
	windowFold
	in, out lane
	lo, hi  int // the frame at hand
	n       int64
	high    int64 // sum in 128 bits, so that only a frame's own sum can overflow
	low     uint64
	// line is the rows of the frame which no later row of it beats: the first is the least or greatest.
	line []contender
}

// contender is a row that may become the least or greatest of a frame.
type contender struct {
	row   int
	int   int64
	float float64
}

// newMover is nil for sums of doubles, from which nothing can be taken away, and for min and max up to the partition's
// end, whose line may be as long as the partition.
func newMover(f windowFold, s simple) *mover {
	if s.float() && (s.kind == simpleSum || s.kind == simpleAvg) || s.kind >= simpleMin && f.frame.plan.End.Kind == "unbounded" {
		return nil
	}
	return &mover{windowFold: f, in: lane{simple: s, col: f.cols[0]}, out: lane{simple: s, col: f.cols[0]}}
}

func (m *mover) start(_ context.Context, seg *segment) error {
	m.frame.begin(seg)
	m.in.start(seg)
	m.out.start(seg)
	m.reset(0)
	return nil
}

func (m *mover) close() error { return errors.Join(m.in.close(), m.out.close(), m.frame.close()) }

// reset makes the frame at hand the empty one before a row.
func (m *mover) reset(row int) {
	m.lo, m.hi, m.n, m.high, m.low, m.line = row, row, 0, 0, 0, m.line[:0]
}

func (m *mover) column(ctx context.Context, c *chunk) (arrow.Array, error) {
	lo, hi, err := m.frame.bounds(ctx, c)
	if err != nil {
		return nil, err
	}
	out := make([]running, len(lo))
	for k := range lo {
		if lo[k] >= m.hi {
			m.reset(lo[k])
		}
		for ; m.hi < hi[k]; m.hi++ {
			if err := m.in.reach(ctx, m.hi); err != nil {
				return nil, err
			}
			m.enter(m.hi - m.in.piece.from)
		}
		for ; m.lo < lo[k]; m.lo++ {
			if err := m.out.reach(ctx, m.lo); err != nil {
				return nil, err
			}
			m.leave(m.lo - m.out.piece.from)
		}
		if out[k], err = m.state(); err != nil {
			return nil, err
		}
	}
	return m.in.result(m.env.Mem, out), nil
}

func (m *mover) enter(i int) {
	if m.in.valid.IsNull(i) {
		return
	}
	m.n++
	switch {
	case m.in.kind == simpleCount:
	case m.in.kind <= simpleAvg:
		v := m.in.ints[i]
		var carry uint64
		m.low, carry = bits.Add64(m.low, uint64(v), 0)
		m.high += v>>63 + int64(carry)
	case m.in.float():
		x := contender{row: m.hi, float: m.in.floats[i]}
		for len(m.line) > 0 && m.loses(floatLess(m.line[len(m.line)-1].float, x.float), floatLess(x.float, m.line[len(m.line)-1].float)) {
			m.line = m.line[:len(m.line)-1]
		}
		m.line = append(m.line, x)
	default:
		x := contender{row: m.hi, int: m.in.ints[i]}
		for len(m.line) > 0 && m.loses(m.line[len(m.line)-1].int < x.int, m.line[len(m.line)-1].int > x.int) {
			m.line = m.line[:len(m.line)-1]
		}
		m.line = append(m.line, x)
	}
}

// loses reports whether a row in line that is less, or greater, than a new one will never come first.
func (m *mover) loses(less, greater bool) bool {
	return m.in.kind == simpleMax && less || m.in.kind == simpleMin && greater
}

func (m *mover) leave(i int) {
	if m.out.valid.IsNull(i) {
		return
	}
	m.n--
	switch {
	case m.in.kind == simpleCount:
	case m.in.kind <= simpleAvg:
		v := m.out.ints[i]
		var borrow uint64
		m.low, borrow = bits.Sub64(m.low, uint64(v), 0)
		m.high -= v>>63 + int64(borrow)
	case len(m.line) > 0 && m.line[0].row == m.lo:
		m.line = m.line[1:]
	}
}

func (m *mover) state() (running, error) {
	s := running{n: m.n}
	switch {
	case m.in.kind >= simpleMin && m.n > 0:
		s.int, s.float = m.line[0].int, m.line[0].float
	case m.in.kind == simpleSum:
		if s.int = int64(m.low); m.high != s.int>>63 {
			return s, sumOverflow()
		}
	case m.in.kind == simpleAvg:
		if s.float = float64(int64(m.low)); m.high != int64(m.low)>>63 {
			s.float = float64(m.high)*(1<<64) + float64(m.low)
		}
	}
	return s, nil
}
