package compute

import (
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// resolveMask takes a string and up to four characters, each of which may be NULL.
func resolveMask(args []plan.Type) (Signature, error) {
	return takesOptional(returns(plan.String), 4, text(), text(), text(), text(), text())(args)
}

// masking is the characters that stand for upper-case letters, lower-case letters, digits and everything else.
type masking [4]struct {
	by   rune
	keep bool
}

func buildMask(b *binding) (node, error) {
	var m masking
	for k, by := range []rune{'X', 'x', 'n', 0} {
		m[k].by, m[k].keep = by, by == 0
	}
	for k := range b.args[1:] {
		lit, ok := b.constant(k + 1)
		if !ok {
			return nil, userError("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "Cannot resolve \"mask\" due to data type mismatch: "+
				"the input %s should be a foldable \"STRING\" expression.", maskNames[k])
		}
		if m[k].keep = lit.Null; lit.Null {
			continue
		}
		r, size := utf8.DecodeRune(lit.Bytes)
		if size == 0 || size != len(lit.Bytes) {
			return nil, userError("DATATYPE_MISMATCH.INPUT_SIZE_NOT_ONE",
				"Cannot resolve \"mask\" due to data type mismatch: Length of %s should be 1.", maskNames[k])
		}
		m[k].by = r
	}
	// Only the string's NULL makes NULL.
	return total(func(c *context, args []value) (arrow.Array, error) {
		str := load[string](c.scratch, args[0], 0)
		return fillText(c, args, func(dst []byte, i int) ([]byte, bool, error) { return m.append(dst, str.at(i)), true, nil })
	})(&binding{name: b.name, args: b.args[:1], t: b.t, session: b.session})
}

var maskNames = []string{"upperChar", "lowerChar", "digitChar", "otherChar"}

func (m masking) append(dst []byte, s string) []byte {
	for _, r := range s {
		k := 3
		switch {
		case unicode.IsUpper(r):
			k = 0
		case unicode.IsLower(r):
			k = 1
		case unicode.IsDigit(r):
			k = 2
		}
		if !m[k].keep {
			r = m[k].by
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}
