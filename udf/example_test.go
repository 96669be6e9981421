package udf_test

import (
	"bufio"
	"errors"
	"iter"
	"os"
	"time"

	"github.com/quern-engine/quern/udf"
)

func ExampleServe() {
	udf.Serve(
		udf.Scalar("miles_to_km", func(miles float64) float64 { return miles * 1.609344 }, udf.Doc("miles in kilometres")),
		udf.Scalar2E("ratio", func(a, b int64) (float64, error) {
			if b == 0 {
				return 0, errors.New("ratio to zero")
			}
			return float64(a) / float64(b), nil
		}),
	)
}

// A pointer stands for what may be NULL.
func ExampleScalar() {
	udf.Scalar("or_none", func(name *string) string {
		if name == nil {
			return "none"
		}
		return *name
	})
}

// A vocabulary is a side file, and what to do with words that it does not have an option.
func ExampleOpenScalar() {
	type options struct {
		Unknown int64 `json:"unknown" doc:"the number of words that the vocabulary does not have"`
	}
	udf.OpenScalar("word_id", func(ctx *udf.Context) (func(word string) (int64, error), error) {
		f, err := os.Open(ctx.File("vocabulary"))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		ids := map[string]int64{}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			ids[lines.Text()] = int64(len(ids))
		}
		unknown := udf.Options[options](ctx).Unknown
		ctx.Log().Info("vocabulary read", "words", len(ids))
		return func(word string) (int64, error) {
			if id, ok := ids[word]; ok {
				return id, nil
			}
			ctx.Count("unknown words", 1)
			return unknown, nil
		}, nil
	}, udf.Takes(options{Unknown: -1}), udf.TakesFile("vocabulary", "one word a line"))
}

// Each item of a basket becomes a row.
func ExampleEach() {
	type basket struct {
		User  int64
		Items string
	}
	type item struct {
		User int64
		Item string
	}
	udf.Each("items", func(_ *udf.Context, b basket, emit func(item)) error {
		for _, c := range b.Items {
			emit(item{b.User, string(c)})
		}
		return nil
	})
}

// Called with the clicks of one user at a time, by time, this gives a row for each pause of more than half an hour.
func ExampleTable() {
	type click struct {
		User int64
		At   time.Time `udf:"clicked_at"`
	}
	type pause struct {
		User  int64
		Since time.Time
	}
	udf.Table("pauses", udf.PerGroup, func(_ *udf.Context, clicks iter.Seq[click], emit func(pause)) error {
		var last time.Time
		for c := range clicks {
			if !last.IsZero() && c.At.Sub(last) > 30*time.Minute {
				emit(pause{c.User, last})
			}
			last = c.At
		}
		return nil
	})
}

// The sum is NULL of no rows. Its state travels as two columns.
func ExampleAggregate() {
	type state struct {
		Product float64
		Count   int64
	}
	udf.Aggregate("weighted_sum", udf.Fold[state, struct{ Value, Weight float64 }, *float64]{
		Update: func(s *state, row struct{ Value, Weight float64 }) error {
			s.Product += row.Value * row.Weight
			s.Count++
			return nil
		},
		Merge: func(s, behind *state) error {
			s.Product += behind.Product
			s.Count += behind.Count
			return nil
		},
		Finish: func(s *state) (*float64, error) {
			if s.Count == 0 {
				return nil, nil
			}
			return &s.Product, nil
		},
	})
}

// Days in tasks of a month each.
func ExampleSource() {
	type month struct{ Year, Month int }
	type day struct {
		Day     udf.Date
		Weekday string
	}
	udf.Source("calendar",
		func(*udf.Context) ([]month, error) { return []month{{2026, 1}, {2026, 2}}, nil },
		func(_ *udf.Context, m month, emit func(day)) error {
			first := time.Date(m.Year, time.Month(m.Month), 1, 0, 0, 0, 0, time.UTC)
			for d := first; d.Month() == first.Month(); d = d.AddDate(0, 0, 1) {
				emit(day{udf.DateOf(d), d.Weekday().String()})
			}
			return nil
		})
}
