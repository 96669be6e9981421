package compute

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

func splitFunction() Function {
	return Function{
		Name: "split", Usage: "split(str, pattern[, limit])",
		Summary: "The parts between matches of a regular expression; at most limit of them if it is positive.",
		Example: "split('oneAtwoBthreeC', '[ABC]', 2)", ExampleResult: `["one","twoBthreeC"]`,
		resolve: takesOptional(returns(arrayOf(plan.String)), 1, text(), text(), of(plan.Int32)), build: buildSplit,
	}
}

func buildSplit(b *binding) (node, error) {
	cache := &regexpCache{}
	return partial(func(c *context, args []value) (arrow.Array, error) {
		str, pattern, limit := load[string](c.scratch, args[0], 0), load[string](c.scratch, args[1], 1), vec[int32]{[]int32{-1}, 0}
		if len(args) == 3 {
			limit = load[int32](c.scratch, args[2], 2)
		}
		return stringLists(c, args, func(parts *stringList, i int) (bool, error) {
			s, p, n := str.at(i), pattern.at(i), int(limit.at(i))
			if p == "" && s != "" {
				splitCharacters(s, n, parts.add)
				return true, nil
			}
			re, err := cache.get("split", p)
			if err == nil {
				splitRegexp(s, re, n, parts.add)
			}
			return true, err
		})
	})(b)
}

// stringLists is arrays of strings: f adds the elements of row i, and reports whether there is an array.
func stringLists(c *context, args []value, f func(parts *stringList, i int) (bool, error)) (arrow.Array, error) {
	valid, offsets, parts := both(c.mem, c.n, args...), make([]int32, c.n+1), newStringList()
	for i := range c.n {
		if valid.has(i) {
			ok, err := f(parts, i)
			if err == nil {
				err = parts.check()
			}
			if err != nil {
				valid.release()
				return nil, err
			}
			if !ok {
				valid.clear(c.mem, i, c.n)
			}
		}
		offsets[i+1] = int32(parts.len())
	}
	return finishNested(c.t, c.n, valid, copyOffsets(c.mem, offsets), parts.array(c)), nil
}

// splitCharacters makes a part of each character; the last one of so many is the rest.
func splitCharacters(s string, limit int, each func(part string)) {
	for n := 1; s != "" && n != limit; n++ {
		_, size := utf8.DecodeRuneInString(s)
		each(s[:size])
		s = s[size:]
	}
	if s != "" {
		each(s)
	}
}

// splitRegexp calls each with what lies between the matches of a regular expression, as Java's split does: at most limit
// parts if that is positive, and no empty part in front of a match of nothing at the start.
func splitRegexp(s string, re *regexp.Regexp, limit int, each func(part string)) {
	if literal, whole := re.LiteralPrefix(); whole && literal != "" {
		for n := 1; n != limit; n++ {
			part, rest, found := strings.Cut(s, literal)
			if !found {
				break
			}
			each(part)
			s = rest
		}
		each(s)
		return
	}
	most := -1
	if limit > 0 {
		most = limit // one more than the cuts, for a match of nothing at the start
	}
	at, parts := 0, 1
	for _, m := range re.FindAllStringIndex(s, most) {
		if parts == limit {
			break
		}
		if m[1] == 0 {
			continue
		}
		each(s[at:m[0]])
		at = m[1]
		parts++
	}
	each(s[at:])
}
