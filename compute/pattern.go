package compute

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow/go/v15/arrow/decimal128"

	"github.com/quern-engine/quern/plan"
)

func patternFunctions() []Function {
	boolean := returns(plan.Boolean)
	return []Function{
		{
			Name: "in", Usage: "a IN (b, …)", Summary: "Whether the value equals one of a list; NULL if only a NULL stands in the way.",
			Example: "3 IN (1, 2, 3)", ExampleResult: "true", resolve: resolveIn, build: buildIn,
		},
		{
			Name: "like", Usage: "a LIKE pattern [ESCAPE c]", Summary: "Whether the whole string matches: % any run, _ any character.",
			Example: "'Spark' LIKE '_park%'", ExampleResult: "true",
			resolve: takesOptional(boolean, 1, text(), text(), text()), build: buildLike,
		},
		{
			Name: "ilike", Usage: "a ILIKE pattern [ESCAPE c]", Summary: "As LIKE, letter case ignored.",
			Example: "'Spark' ILIKE '_PARK'", ExampleResult: "true",
			resolve: takesOptional(boolean, 1, text(), text(), text()), build: buildLike,
		},
		{
			Name: "rlike", Aliases: []string{"regexp", "regexp_like"}, Usage: "a RLIKE pattern",
			Summary: "Whether some part of the string matches a regular expression (RE2 syntax).",
			Example: "'spark' RLIKE 'p.r'", ExampleResult: "true", resolve: takes(boolean, text(), text()), build: buildRLike,
		},
	}
}

func resolveIn(args []plan.Type) (Signature, error) {
	sig, err := takesAlike(returns(plan.Boolean), 2, 0)(asFirst(args))
	switch {
	case err != nil:
		return sig, err
	case sig.Args[0].Kind == plan.KindNull:
		sig.Args = alike(plan.Boolean, len(args))
	case !hasOrder(sig.Args[0]):
		return sig, orderError{sig.Args[0]}
	}
	return sig, nil
}

// asFirst takes rows whose fields have other names, but the same types, for rows like the first.
func asFirst(args []plan.Type) []plan.Type {
	out := slices.Clone(args)
	for i := range out {
		if i > 0 && out[i].Kind == plan.KindStruct && sameShape(out[0], out[i]) {
			out[i] = out[0]
		}
	}
	return out
}

// buildIn makes a set of a constant list, and a chain of comparisons of any other.
func buildIn(b *binding) (node, error) {
	for i := range b.args[1:] {
		if _, ok := b.constant(i + 1); !ok {
			return inChain(b)
		}
	}
	set := &binding{b.name, b.args[:1], b.t, b.session}
	list := b.args[1:]
	switch b.arg(0).Kind {
	case plan.KindBoolean:
		return total(inSet(list, identity[bool]))(set)
	case plan.KindInt8:
		return total(inIntSet[int8](list))(set)
	case plan.KindInt16:
		return total(inIntSet[int16](list))(set)
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return total(inIntSet[int32](list))(set)
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		return total(inIntSet[int64](list))(set)
	case plan.KindFloat32:
		return total(inSet(list, func(v float32) uint64 { return floatKey(float64(v)) }))(set)
	case plan.KindFloat64:
		return total(inSet(list, floatKey))(set)
	case plan.KindDecimal:
		return total(inSet(list, identity[decimal128.Num]))(set)
	case plan.KindArray, plan.KindStruct:
		return inChain(b)
	}
	return total(inSet(list, identity[string]))(set)
}

func identity[T any](v T) T { return v }

// floatKey is the same for numbers that are equal: NaNs, and zeros of either sign.
func floatKey(v float64) uint64 {
	if v != v {
		return math.Float64bits(math.NaN())
	}
	return math.Float64bits(v + 0)
}

// inSet looks values up among constants. A NULL in the list makes NULL of every miss.
func inSet[T any, K comparable](list []node, key func(T) K) kernel {
	hasNull, set := false, make(map[K]bool, len(list))
	for _, n := range list {
		c := n.(*constNode)
		if c.arr.IsNull(0) {
			hasNull = true
			continue
		}
		set[key(load[T](&scratch{}, value{c.arr, true}, 0).at(0))] = true
	}
	return mapSome1(func(v T) (bool, bool, error) {
		found := set[key(v)]
		return found, found || !hasNull, nil
	})
}

// inChain is a = b OR a = c OR …, with a evaluated once.
func inChain(b *binding) (node, error) {
	slot := &slotNode{t: b.arg(0)}
	var chain node
	for _, item := range b.args[1:] {
		equal, err := buildComparison(&binding{"=", []node{slot, item}, plan.Boolean, b.session})
		switch {
		case err != nil:
			return nil, err
		case chain == nil:
			chain = equal
		default:
			chain = &connectiveNode{chain, equal, true}
		}
	}
	return &inNode{b.args[0], slot, chain}, nil
}

type inNode struct {
	value node
	slot  *slotNode
	chain node
}

func (n *inNode) fails() bool    { return n.value.fails() || n.chain.fails() }
func (n *inNode) typ() plan.Type { return plan.Boolean }

func (n *inNode) eval(f *frame) (value, error) {
	v, err := n.value.eval(f)
	if err != nil {
		return value{}, err
	}
	defer v.release()
	n.slot.set(f, v)
	defer n.slot.reset()
	return n.chain.eval(f)
}

// buildLike compiles a constant pattern once, and others whenever the pattern changes from row to row.
func buildLike(b *binding) (node, error) {
	m := &likeMatcher{fold: b.name == "ilike"}
	if len(b.args) == 3 {
		return partial(mapSome3(m.matches))(b)
	}
	return partial(mapSome2(func(s, pattern string) (bool, bool, error) { return m.matches(s, pattern, `\`) }))(b)
}

// likeMatcher remembers the pattern it saw last.
type likeMatcher struct {
	fold            bool
	ready           bool
	pattern, escape string
	compiled        likePattern
}

func (m *likeMatcher) matches(s, pattern, escape string) (bool, bool, error) {
	if !m.ready || pattern != m.pattern || escape != m.escape {
		m.ready = false
		p, err := compileLike(strings.Clone(pattern), escape, m.fold)
		if err != nil {
			return false, false, err
		}
		m.ready, m.pattern, m.escape, m.compiled = true, strings.Clone(pattern), strings.Clone(escape), p
	}
	if m.fold {
		s = strings.ToLower(s)
	}
	return m.compiled.match(s), true, nil
}

// likePattern is runs of literal text and single-character wildcards between % signs.
type likePattern struct {
	literal string   // for simple patterns
	shape   byte     // '=' exact, '^' prefix, '$' suffix, '*' contains, '%' many pieces of text, 0: general
	texts   []string // for '%': what lies between the % signs
	pieces  [][]rune // general: the same, where anyRune stands for _
}

const anyRune = rune(-1)

func compileLike(pattern, escape string, fold bool) (likePattern, error) {
	if utf8.RuneCountInString(escape) != 1 {
		return likePattern{}, userError("INVALID_ESCAPE_CHAR",
			"`EscapeChar` should be a string literal of length one, but got %s.", sqlString(escape))
	}
	esc, _ := utf8.DecodeRuneInString(escape)
	if fold {
		pattern = strings.ToLower(pattern)
	}
	pieces, single := [][]rune{nil}, false
	runes := []rune(pattern)
	for i := 0; i < len(runes); i++ {
		last := len(pieces) - 1
		switch r := runes[i]; {
		case r == esc:
			if i++; i == len(runes) {
				return likePattern{}, userError("INVALID_FORMAT.ESC_AT_THE_END",
					"The format is invalid: %s. The escape character is not allowed to end with.", sqlString(pattern))
			}
			if runes[i] != '_' && runes[i] != '%' && runes[i] != esc {
				return likePattern{}, userError("INVALID_FORMAT.ESC_IN_THE_MIDDLE",
					"The format is invalid: %s. The escape character is not allowed to precede '%c'.", sqlString(pattern), runes[i])
			}
			pieces[last] = append(pieces[last], runes[i])
		case r == '%':
			pieces = append(pieces, nil)
		case r == '_':
			single = true
			pieces[last] = append(pieces[last], anyRune)
		default:
			pieces[last] = append(pieces[last], r)
		}
	}
	return simplify(pieces, single), nil
}

// simplify finds the shapes that the strings package matches fastest.
func simplify(pieces [][]rune, single bool) likePattern {
	n := len(pieces)
	switch {
	case single:
	case n == 1:
		return likePattern{literal: string(pieces[0]), shape: '='}
	case n == 2 && len(pieces[1]) == 0:
		return likePattern{literal: string(pieces[0]), shape: '^'}
	case n == 2 && len(pieces[0]) == 0:
		return likePattern{literal: string(pieces[1]), shape: '$'}
	case n == 3 && len(pieces[0]) == 0 && len(pieces[2]) == 0:
		return likePattern{literal: string(pieces[1]), shape: '*'}
	default:
		p := likePattern{shape: '%'}
		for _, piece := range pieces {
			p.texts = append(p.texts, string(piece))
		}
		return p
	}
	return likePattern{pieces: pieces}
}

func (p likePattern) match(s string) bool {
	switch p.shape {
	case '=':
		return s == p.literal
	case '^':
		return strings.HasPrefix(s, p.literal)
	case '$':
		return strings.HasSuffix(s, p.literal)
	case '*':
		return strings.Contains(s, p.literal)
	case '%':
		return matchTexts(s, p.texts)
	}
	s, ok := cutPiece(s, p.pieces[0])
	last := len(p.pieces) - 1
	if !ok || last == 0 {
		return ok && s == ""
	}
	for _, piece := range p.pieces[1:last] {
		if s, ok = findPiece(s, piece); !ok {
			return false
		}
	}
	return endsWithPiece(s, p.pieces[last])
}

// matchTexts finds each text behind the one before; the first begins and the last ends the string.
func matchTexts(s string, texts []string) bool {
	last := len(texts) - 1
	s, ok := strings.CutPrefix(s, texts[0])
	if !ok {
		return false
	}
	for _, text := range texts[1:last] {
		at := strings.Index(s, text)
		if at < 0 {
			return false
		}
		s = s[at+len(text):]
	}
	return strings.HasSuffix(s, texts[last])
}

// cutPiece matches a piece at the start of the string and gives the rest.
func cutPiece(s string, piece []rune) (string, bool) {
	for _, want := range piece {
		if s == "" {
			return s, false
		}
		r, size := utf8.DecodeRuneInString(s)
		if want != anyRune && want != r {
			return s, false
		}
		s = s[size:]
	}
	return s, true
}

// findPiece finds the first match; for patterns without further constraints the leftmost match leaves most room.
func findPiece(s string, piece []rune) (string, bool) {
	for {
		if rest, ok := cutPiece(s, piece); ok {
			return rest, true
		}
		if s == "" {
			return s, false
		}
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
}

func endsWithPiece(s string, piece []rune) bool {
	skip := utf8.RuneCountInString(s) - len(piece)
	for ; skip > 0; skip-- {
		_, size := utf8.DecodeRuneInString(s)
		s = s[size:]
	}
	rest, ok := cutPiece(s, piece)
	return ok && rest == ""
}

// regexpCache remembers the pattern it compiled last.
type regexpCache struct {
	pattern string
	re      *regexp.Regexp
}

func (c *regexpCache) get(function, pattern string) (*regexp.Regexp, error) {
	if c.re == nil || c.pattern != pattern {
		re, err := regexp.Compile(strings.Clone(pattern))
		if err != nil {
			return nil, userError("INVALID_PARAMETER_VALUE.PATTERN",
				"The value of parameter(s) `regexp` in `%s` is invalid: %s (RE2 syntax): %v.", function, sqlString(pattern), err)
		}
		c.re, c.pattern = re, strings.Clone(pattern)
	}
	return c.re, nil
}

func buildRLike(b *binding) (node, error) {
	cache := &regexpCache{}
	return partial(mapSome2(func(s, pattern string) (bool, bool, error) {
		re, err := cache.get("rlike", pattern)
		if err != nil {
			return false, false, err
		}
		return re.MatchString(s), true, nil
	}))(b)
}

var _ node = (*inNode)(nil)
