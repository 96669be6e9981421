package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"

	"github.com/quern-engine/quern/udf"
)

// modelOptions are options of late_probability.
type modelOptions struct {
	Temperature float64 `json:"temperature" doc:"what the score is divided by"`
}

// Validate is called when a job is planned.
func (o *modelOptions) Validate() error {
	if o.Temperature <= 0 {
		return fmt.Errorf("temperature is %v, and has to be above 0", o.Temperature)
	}
	return nil
}

type model struct {
	Bias     float64   `json:"bias"`
	Distance float64   `json:"distance"`
	Hour     []float64 `json:"hour"` // one each
}

// openModel reads the model, which is a side file.
func openModel(ctx *udf.Context) (func(distance, hour int64) (float64, error), error) {
	text, err := os.ReadFile(ctx.File("model"))
	if err != nil {
		return nil, err
	}
	var m model
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if len(m.Hour) != 24 {
		return nil, fmt.Errorf("model: %d hours", len(m.Hour))
	}
	temperature := udf.Options[modelOptions](ctx).Temperature
	ctx.Log().Info("model loaded", "bytes", len(text))
	return func(distance, hour int64) (float64, error) {
		if hour < 0 || hour > 23 {
			return 0, fmt.Errorf("an hour of %d", hour)
		}
		score := m.Bias + m.Distance*float64(distance)/1000 + m.Hour[hour]
		return 1 / (1 + math.Exp(-score/temperature)), nil
	}, nil
}
