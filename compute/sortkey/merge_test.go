package sortkey

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawKeys draws batches of keys, many of them equal, prefixes of each other or equal in their first eight bytes.
func drawKeys(t *rapid.T, most int) [][]string {
	parts := rapid.SampledFrom([]string{"", "\x00", "\x01", "\xff", "ab", "12345678", "123456789"})
	batches := make([][]string, rapid.IntRange(1, 5).Draw(t, "batches"))
	for b := range batches {
		batches[b] = make([]string, rapid.IntRange(0, most).Draw(t, "rows"))
		for i := range batches[b] {
			batches[b][i] = parts.Draw(t, "key") + parts.Draw(t, "key")
		}
	}
	return batches
}

func TestMerger(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		batches := drawKeys(rt, 6)
		var want []string
		m, next := NewMerger(len(batches)), make([]int, len(batches))
		for b, batch := range batches {
			slices.Sort(batch)
			for _, k := range batch {
				want = append(want, fmt.Sprintf("%q from %d", k, b))
			}
			m.Set(b, keyAt(batch, 0))
		}
		m.Init()
		var got []string
		last := ""
		for {
			w, ok := m.Winner()
			if !ok {
				break
			}
			key := batches[w][next[w]]
			line := fmt.Sprintf("%q from %d", key, w)
			if len(got) > 0 && (key < last || key == last && got[len(got)-1] > line) {
				rt.Fatalf("%s after %s", line, got[len(got)-1])
			}
			got, last = append(got, line), key
			next[w]++
			m.Set(w, keyAt(batches[w], next[w]))
			m.Replay()
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			rt.Fatalf("merged %q of %q", got, want)
		}
	})
}

func keyAt(batch []string, i int) []byte {
	if i >= len(batch) {
		return nil
	}
	return []byte(batch[i])
}
