package partition

import (
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

const (
	// mostCounted bounds the keys that are counted in order to know their values: one that more than one sampled row in so many
	// has is among them (Misra and Gries).
	mostCounted = 255
	// longestValue bounds the text of a key.
	longestValue = 60
)

// values knows the values of frequent keys, for people: the sample itself has only hashes. It looks at sampled rows alone, and
// makes a text only of a key that was met some times.
type values struct {
	counts map[uint64]counted
}

type counted struct {
	rows int32
	text string
}

// add counts a row's key.
func (v *values) add(key uint64, rec arrow.Record, row int, columns []int) {
	if v.counts == nil {
		v.counts = make(map[uint64]counted, mostCounted)
	}
	c, known := v.counts[key]
	if !known && len(v.counts) == mostCounted {
		v.less()
		return
	}
	c.rows++
	if c.rows == leastSampled && c.text == "" {
		c.text = keyText(rec, row, columns)
	}
	v.counts[key] = c
}

// less takes one off all counts.
func (v *values) less() {
	for key, c := range v.counts {
		if c.rows--; c.rows == 0 {
			delete(v.counts, key)
			continue
		}
		v.counts[key] = c
	}
}

// keyText is the key of a row, several columns between commas.
func keyText(rec arrow.Record, row int, columns []int) string {
	var b strings.Builder
	for i, c := range columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strings.ToValidUTF8(vector.Format(rec.Column(c), row), "�"))
	}
	text := b.String()
	if utf8.RuneCountInString(text) <= longestValue {
		return text
	}
	return string([]rune(text)[:longestValue-1]) + "…"
}
