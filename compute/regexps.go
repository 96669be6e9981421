package compute

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// regexpFunctions search with regular expressions of RE2's syntax.
func regexpFunctions() []Function {
	i32 := of(plan.Int32)
	return []Function{
		{
			Name: "regexp_replace", Usage: "regexp_replace(str, pattern, replacement[, pos])",
			Summary: "The string with every match of a regular expression from a position on replaced; $1 stands for a group.",
			Example: `regexp_replace('100-200', '([0-9]+)', 'num')`, ExampleResult: "num-num",
			resolve: takesOptional(returns(plan.String), 1, text(), text(), text(), i32), build: buildRegexpReplace,
		},
		{
			Name: "regexp_extract", Usage: "regexp_extract(str, pattern[, group])",
			Summary: "A group (1 unless given) of the first match of a regular expression, or an empty string.",
			Example: `regexp_extract('100-200', '([0-9]+)-([0-9]+)', 2)`, ExampleResult: "200",
			resolve: takesOptional(returns(plan.String), 1, text(), text(), i32), build: buildRegexpExtract,
		},
		{
			Name: "regexp_extract_all", Usage: "regexp_extract_all(str, pattern[, group])",
			Summary: "A group (1 unless given) of every match of a regular expression.",
			Example: `regexp_extract_all('100-200, 300-400', '([0-9]+)-([0-9]+)', 1)`, ExampleResult: `["100","300"]`,
			resolve: takesOptional(returns(arrayOf(plan.String)), 1, text(), text(), i32), build: buildExtractAll,
		},
		{
			Name: "regexp_count", Usage: "regexp_count(str, pattern)", Summary: "The number of matches of a regular expression.",
			Example: `regexp_count('Steven Jones and Stephen Smith', 'Ste(v|ph)en')`, ExampleResult: "2",
			resolve: takes(returns(plan.Int32), text(), text()), build: buildRegexpCount,
		},
		{
			Name: "regexp_substr", Usage: "regexp_substr(str, pattern)", Summary: "The first match of a regular expression; NULL if there is none.",
			Example: `regexp_substr('Steven Jones', 'Ste(v|ph)en')`, ExampleResult: "Steven",
			resolve: nullable(takes(returns(plan.String), text(), text())), build: buildRegexpSubstr,
		},
		{
			Name: "regexp_instr", Usage: "regexp_instr(str, pattern[, group])",
			Summary: "The position of the first match of a regular expression, from 1; 0 if there is none. The group is not looked at.",
			Example: `regexp_instr('user@spark.apache.org', '@[^.]*')`, ExampleResult: "5",
			resolve: takesOptional(returns(plan.Int32), 1, text(), text(), i32), build: buildRegexpInstr,
		},
		splitFunction(),
	}
}

func buildRegexpReplace(b *binding) (node, error) {
	r := &replacer{}
	if len(b.args) == 3 {
		return partial(textSome3(func(dst []byte, s, pattern, with string) ([]byte, bool, error) {
			return r.replace(dst, s, pattern, with, 1)
		}))(b)
	}
	return partial(textSome4(r.replace))(b)
}

// replacer remembers the pattern and the replacement it read last.
type replacer struct {
	cache regexpCache
	with  string
	read  bool
	parts []replacement
	last  int // the highest group
}

// replacement is text, or a group.
type replacement struct {
	text  string
	group int // -1: text
}

func (r *replacer) replace(dst []byte, s, pattern, with string, pos int32) ([]byte, bool, error) {
	re, err := r.cache.get("regexp_replace", pattern)
	if err != nil {
		return dst, false, err
	}
	if !r.read || with != r.with {
		r.with, r.read = strings.Clone(with), true
		r.parts, r.last = readReplacement(r.with, re)
	}
	if pos < 1 {
		return dst, false, userError("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "Cannot resolve \"regexp_replace\" due to data type mismatch: "+
			"The position must be between (0, 2147483647] (current value = %d).", pos)
	}
	start := 0
	if pos > 1 {
		if start = runeOffset(s, int64(pos)-1); start < 0 {
			return append(dst, s...), true, nil
		}
	}
	dst = append(dst, s[:start]...)
	s = s[start:]
	at := 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		if r.last > re.NumSubexp() {
			return dst, false, userError("INVALID_REGEXP_REPLACE", "Could not perform regexp_replace for source = %q, pattern = %q, "+
				"replacement = %q and position = %d.", s, pattern, with, pos)
		}
		dst = append(dst, s[at:m[0]]...)
		for _, p := range r.parts {
			switch {
			case p.group < 0:
				dst = append(dst, p.text...)
			case m[2*p.group] >= 0:
				dst = append(dst, s[m[2*p.group]:m[2*p.group+1]]...)
			}
		}
		at = m[1]
	}
	return append(dst, s[at:]...), true, nil
}

// readReplacement reads Java's replacement text: $1 and ${name} are groups, a backslash takes the next character as it
// is. As many digits belong to a group as make one that exists.
func readReplacement(s string, re *regexp.Regexp) (parts []replacement, last int) {
	var text []byte
	group := func(n int) {
		if len(text) > 0 {
			parts = append(parts, replacement{string(text), -1})
			text = nil
		}
		parts, last = append(parts, replacement{group: n}), max(last, n)
	}
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s):
			i++
			text = append(text, s[i])
		case s[i] == '$' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			n := int(s[i+1] - '0')
			i++
			for i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' && 10*n+int(s[i+1]-'0') <= re.NumSubexp() {
				n = 10*n + int(s[i+1]-'0')
				i++
			}
			group(n)
		case strings.HasPrefix(s[i:], "${"):
			name, _, _ := strings.Cut(s[i+2:], "}")
			n := re.SubexpIndex(name)
			if n < 0 {
				n = re.NumSubexp() + 1
			}
			group(n)
			i += len(name) + 2
		default:
			text = append(text, s[i])
		}
	}
	if len(text) > 0 {
		parts = append(parts, replacement{string(text), -1})
	}
	return parts, last
}

func checkGroup(function string, re *regexp.Regexp, group int32) error {
	if group >= 0 && int(group) <= re.NumSubexp() {
		return nil
	}
	return userError("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", "The value of parameter(s) `idx` in `%s` is invalid: Expects group "+
		"index between 0 and %d, but got %d.", function, re.NumSubexp(), group)
}

func buildRegexpExtract(b *binding) (node, error) {
	cache := &regexpCache{}
	extract := func(dst []byte, s, pattern string, group int32) ([]byte, bool, error) {
		re, err := cache.get("regexp_extract", pattern)
		if err != nil {
			return dst, false, err
		}
		m := re.FindStringSubmatchIndex(s)
		if m == nil {
			return dst, true, nil
		}
		if err := checkGroup("regexp_extract", re, group); err != nil {
			return dst, false, err
		}
		if m[2*group] >= 0 {
			dst = append(dst, s[m[2*group]:m[2*group+1]]...)
		}
		return dst, true, nil
	}
	if len(b.args) == 3 {
		return partial(textSome3(extract))(b)
	}
	return partial(textSome2(func(dst []byte, s, pattern string) ([]byte, bool, error) {
		return extract(dst, s, pattern, 1)
	}))(b)
}

func buildExtractAll(b *binding) (node, error) {
	cache := &regexpCache{}
	return partial(func(c *context, args []value) (arrow.Array, error) {
		str, pattern, group := load[string](c.scratch, args[0], 0), load[string](c.scratch, args[1], 1), vec[int32]{[]int32{1}, 0}
		if len(args) == 3 {
			group = load[int32](c.scratch, args[2], 2)
		}
		return stringLists(c, args, func(parts *stringList, i int) (bool, error) {
			re, err := cache.get("regexp_extract_all", pattern.at(i))
			if err != nil {
				return false, err
			}
			s, g := str.at(i), 2*group.at(i)
			for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
				if err := checkGroup("regexp_extract_all", re, group.at(i)); err != nil {
					return false, err
				}
				if m[g] < 0 {
					parts.add("")
					continue
				}
				parts.add(s[m[g]:m[g+1]])
			}
			return true, nil
		})
	})(b)
}

func buildRegexpCount(b *binding) (node, error) {
	cache := &regexpCache{}
	return partial(mapSome2(func(s, pattern string) (int32, bool, error) {
		re, err := cache.get("regexp_count", pattern)
		if err != nil {
			return 0, false, err
		}
		return int32(len(re.FindAllStringIndex(s, -1))), true, nil
	}))(b)
}

func buildRegexpSubstr(b *binding) (node, error) {
	cache := &regexpCache{}
	return partial(textSome2(func(dst []byte, s, pattern string) ([]byte, bool, error) {
		re, err := cache.get("regexp_substr", pattern)
		if err != nil {
			return dst, false, err
		}
		m := re.FindStringIndex(s)
		if m == nil || m[0] == m[1] {
			return dst, false, nil
		}
		return append(dst, s[m[0]:m[1]]...), true, nil
	}))(b)
}

func buildRegexpInstr(b *binding) (node, error) {
	cache := &regexpCache{}
	find := func(s, pattern string) (int32, bool, error) {
		re, err := cache.get("regexp_instr", pattern)
		if err != nil {
			return 0, false, err
		}
		m := re.FindStringIndex(s)
		if m == nil {
			return 0, true, nil
		}
		return int32(utf8.RuneCountInString(s[:m[0]])) + 1, true, nil
	}
	if len(b.args) == 3 {
		return partial(mapSome3(func(s, pattern string, _ int32) (int32, bool, error) { return find(s, pattern) }))(b)
	}
	return partial(mapSome2(find))(b)
}
