package main

import (
	"fmt"
	"time"

	"github.com/quern-engine/quern/udf"
)

// calendarOptions are options of calendar.
type calendarOptions struct {
	From string `json:"from" doc:"the first day, as 2001-01-31"`
	To   string `json:"to" doc:"the last day"`
}

func (o calendarOptions) bounds() (from, to time.Time, err error) {
	if from, err = time.Parse(time.DateOnly, o.From); err != nil {
		return from, to, fmt.Errorf("from: %w", err)
	}
	if to, err = time.Parse(time.DateOnly, o.To); err != nil {
		return from, to, fmt.Errorf("to: %w", err)
	}
	return from, to, nil
}

// Validate is called when a job is planned.
func (o *calendarOptions) Validate() error {
	_, _, err := o.bounds()
	return err
}

// month is a task: the days from one to another, within a month.
type month struct{ From, To time.Time }

// Rows tells the planner how many rows there will be.
func (m month) Rows() uint64 { return uint64(m.To.Sub(m.From)/(24*time.Hour)) + 1 }

// months divides the work.
func months(ctx *udf.Context) ([]month, error) {
	from, to, err := udf.Options[calendarOptions](ctx).bounds()
	if err != nil {
		return nil, err
	}
	var tasks []month
	for !from.After(to) {
		next := time.Date(from.Year(), from.Month()+1, 1, 0, 0, 0, 0, time.UTC)
		last := next.AddDate(0, 0, -1)
		if last.After(to) {
			last = to
		}
		tasks = append(tasks, month{from, last})
		from = next
	}
	return tasks, nil
}

type day struct {
	Day     udf.Date
	Weekday string
	Weekend bool
}

// days makes the rows of a task.
func days(_ *udf.Context, m month, emit func(day)) error {
	for d := m.From; !d.After(m.To); d = d.AddDate(0, 0, 1) {
		weekend := d.Weekday() == time.Saturday || d.Weekday() == time.Sunday
		emit(day{udf.DateOf(d), d.Weekday().String(), weekend})
	}
	return nil
}
