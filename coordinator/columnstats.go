package coordinator

import (
	"encoding/json"
	"fmt"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/stats"
	"github.com/quern-engine/quern/plan"
)

// manifestStats is what the values of a column of the dataset are like. Numbers stand as numbers, infinities and all other
// values as text.
type manifestStats struct {
	Name      string             `json:"name"`
	Values    int64              `json:"values"` // that are not NULL
	Nulls     int64              `json:"nulls"`
	NaNs      int64              `json:"nans,omitempty"`
	Min       json.RawMessage    `json:"min,omitempty"`
	Max       json.RawMessage    `json:"max,omitempty"`
	Mean      *float64           `json:"mean,omitempty"`
	StdDev    *float64           `json:"stddev,omitempty"`
	Distinct  *int64             `json:"distinct,omitempty"` // about
	Quantiles []manifestQuantile `json:"quantiles,omitempty"`
	Top       []manifestValue    `json:"top,omitempty"`
}

type manifestQuantile struct {
	Share float64         `json:"share"`
	Value json.RawMessage `json:"value"`
}

type manifestValue struct {
	Value json.RawMessage `json:"value"`
	Count int64           `json:"count"` // about
}

// mergeStats brings the statistics of the shards together, in the order of the shards; none if a shard comes from a worker
// that makes none.
func mergeStats(schema plan.Schema, lists []api.FileList) ([]manifestStats, error) {
	merge := stats.Merge{Schema: schema}
	for _, l := range lists {
		if len(l.Columns) == 0 {
			return nil, nil
		}
		var columns []stats.Column
		if err := json.Unmarshal(l.Columns, &columns); err != nil {
			return nil, fmt.Errorf("decode the statistics of a shard: %w", err)
		}
		if err := merge.Add(columns); err != nil {
			return nil, err
		}
	}
	var out []manifestStats
	for i, s := range merge.Summaries() {
		out = append(out, describeStats(schema.Fields[i], s))
	}
	return out, nil
}

func describeStats(f plan.Field, s stats.Summary) manifestStats {
	m := manifestStats{Name: f.Name, Values: s.Values, Nulls: s.Nulls, NaNs: s.NaNs}
	if s.Min != nil {
		m.Min, m.Max = jsonValue(f.Type, stats.Text(f.Type, *s.Min)), jsonValue(f.Type, stats.Text(f.Type, *s.Max))
	}
	if s.Measured {
		m.Mean, m.StdDev = &s.Mean, &s.StdDev
	}
	if s.Counted {
		m.Distinct = &s.Distinct
	}
	for i, v := range s.Quantiles {
		m.Quantiles = append(m.Quantiles, manifestQuantile{Share: stats.Shares()[i], Value: jsonValue(f.Type, stats.QuantileText(f.Type, v))})
	}
	for _, v := range s.Top {
		m.Top = append(m.Top, manifestValue{Value: jsonValue(f.Type, stats.Text(f.Type, v.Value)), Count: v.Count})
	}
	return m
}

// jsonValue is a value's text as a number if JSON has it so.
func jsonValue(t plan.Type, text string) json.RawMessage {
	if raw := json.RawMessage(text); t.IsNumeric() && json.Valid(raw) {
		return raw
	}
	quoted, err := json.Marshal(text)
	if err != nil {
		return nil // which no string makes it do
	}
	return quoted
}
