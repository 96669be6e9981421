package sortkey

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/compute/vector"
)

// keysOf are keys as they are given.
func keysOf(values []string) *Keys {
	k := &Keys{data: []byte{}}
	for _, v := range values {
		k.data = append(k.data, v...)
		k.ends = append(k.ends, len(k.data))
	}
	return k
}

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

func TestOrderOfBatches(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		batches := drawKeys(rt, rapid.SampledFrom([]int{4, radixRows}).Draw(rt, "most"))
		var keys []*Keys
		var want []vector.Pick
		for b, batch := range batches {
			keys = append(keys, keysOf(batch))
			for i := range batch {
				want = append(want, vector.Pick{Source: int32(b), Row: int32(i)})
			}
		}
		slices.SortStableFunc(want, func(x, y vector.Pick) int {
			return bytes.Compare([]byte(batches[x.Source][x.Row]), []byte(batches[y.Source][y.Row]))
		})
		if got := Order(keys); !slices.Equal(got, want) {
			rt.Fatalf("order %v, want %v", got, want)
		}
	})
}

// All rows through the radix sort, whatever their number.
func TestRadixOrder(t *testing.T) {
	var batch []string
	for i := range 3 * radixRows {
		batch = append(batch, fmt.Sprintf("%c%07d", 'a'+i%3, i*7919%1000))
	}
	k := keysOf(batch)
	order := Order([]*Keys{k})
	for i := 1; i < len(order); i++ {
		x, y := order[i-1].Row, order[i].Row
		if c := bytes.Compare(k.At(int(x)), k.At(int(y))); c > 0 || c == 0 && x > y {
			t.Fatalf("row %d before row %d", x, y)
		}
	}
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
