package compute

import (
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

func sentencesFunction() Function {
	return Function{
		Name: "sentences", Usage: "sentences(str[, lang[, country]])",
		Summary: "The words of each sentence. Every language is split by the same rules.", Example: "sentences('Hi there! Good morning.')",
		ExampleResult: `[["Hi","there"],["Good","morning"]]`,
		resolve:       takesOptional(returns(arrayOf(arrayOf(plan.String))), 2, text(), text(), text()), build: buildSentences,
	}
}

// buildSentences looks at the text alone.
func buildSentences(b *binding) (node, error) {
	return total(func(c *context, args []value) (arrow.Array, error) {
		str, valid := load[string](c.scratch, args[0], 0), both(c.mem, c.n, args...)
		outer, inner, words := make([]int32, c.n+1), []int32{0}, newStringList()
		for i := range c.n {
			if valid.has(i) {
				before := words.len()
				splitSentences(str.at(i), words.add, func() {
					if words.len() > before {
						inner, before = append(inner, int32(words.len())), words.len()
					}
				})
			}
			outer[i+1] = int32(len(inner) - 1)
		}
		if err := words.check(); err != nil {
			valid.release()
			return nil, err
		}
		lists := finishNested(c.t.Element().Type, len(inner)-1, validity{}, copyOffsets(c.mem, inner), words.array(c))
		return finishNested(c.t, c.n, valid, copyOffsets(c.mem, outer), lists), nil
	})(b)
}

// splitSentences calls word for each word, and end behind each sentence. A word is letters and digits, with single
// marks like . ' _ , between them; a sentence ends with . ! or ? before a space or the end.
func splitSentences(s string, word func(string), end func()) {
	runes := []rune(s)
	isWord := func(i int) bool {
		return i >= 0 && i < len(runes) && (unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]) || unicode.IsMark(runes[i]) || runes[i] == '_')
	}
	joins := func(i int) bool {
		switch runes[i] {
		case '.', '\'', '’', ':', '-':
			return isWord(i-1) && isWord(i+1)
		case ',', ';':
			return i > 0 && i+1 < len(runes) && unicode.IsDigit(runes[i-1]) && unicode.IsDigit(runes[i+1])
		}
		return false
	}
	for i := 0; i < len(runes); {
		if isWord(i) {
			from := i
			for i < len(runes) && (isWord(i) || joins(i)) {
				i++
			}
			word(string(runes[from:i]))
			continue
		}
		stop := runes[i] == '.' || runes[i] == '!' || runes[i] == '?'
		i++
		if stop {
			for i < len(runes) && !isWord(i) && !unicode.IsSpace(runes[i]) {
				i++ // closing quotes and more stops
			}
			if i == len(runes) || unicode.IsSpace(runes[i]) {
				end()
			}
		}
	}
	end()
}
