package logical

import (
	"math"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// extractFunctions says which function gives a field of EXTRACT.
var extractFunctions = map[string]string{
	"year": "year", "y": "year", "years": "year", "yr": "year", "yrs": "year",
	"quarter": "quarter", "qtr": "quarter",
	"month": "month", "mon": "month", "mons": "month", "months": "month",
	"week": "weekofyear", "w": "weekofyear", "weeks": "weekofyear",
	"day": "day", "d": "day", "days": "day",
	"dayofweek": "dayofweek", "dow": "dayofweek", "doy": "dayofyear",
	"hour": "hour", "h": "hour", "hours": "hour", "hr": "hour", "hrs": "hour",
	"minute": "minute", "m": "minute", "min": "minute", "mins": "minute", "minutes": "minute",
	"second": "second", "s": "second", "sec": "second", "secs": "second", "seconds": "second",
}

func (a *analyser) extract(e *sql.Extract, ctx *exprContext) (*plan.Expr, error) {
	name, ok := extractFunctions[lower(e.Field.Name)]
	if !ok {
		return nil, a.errorf(e.Field.Span, "INVALID_EXTRACT_FIELD", "cannot extract %q", e.Field.Name).
			WithHint("year, quarter, month, week, day, dayofweek, doy, hour, minute or second")
	}
	x, err := a.expr(e.X, ctx)
	if err != nil {
		return nil, err
	}
	return a.call(e.Span, name, x)
}

// intervalArithmetic is date or timestamp ± INTERVAL constant.
func (a *analyser) intervalArithmetic(e *sql.Binary, ctx *exprContext) (*plan.Expr, bool, error) {
	if e.Op != "+" && e.Op != "-" {
		return nil, false, nil
	}
	moment, lit := e.L, asInterval(e.R)
	if lit == nil && e.Op == "+" {
		moment, lit = e.R, asInterval(e.L)
	}
	if lit == nil {
		return nil, false, nil
	}
	iv, err := a.interval(lit)
	if err != nil {
		return nil, true, err
	}
	if e.Op == "-" {
		iv = span{-iv.months, -iv.days, -iv.micros}
	}
	x, err := a.expr(moment, ctx)
	if err != nil {
		return nil, true, err
	}
	out, err := a.addInterval(e.Span, x, iv)
	return out, true, err
}

func asInterval(e sql.Expr) *sql.Literal {
	if l, ok := e.(*sql.Literal); ok && l.Kind == "interval" {
		return l
	}
	return nil
}

// addInterval adds months, then days, then microseconds, as Spark does.
func (a *analyser) addInterval(at source.Span, x *plan.Expr, iv span) (*plan.Expr, error) {
	switch {
	case x.Type.Kind == plan.KindTimestamp && iv.months == 0:
		return a.addMicros(at, x, iv.micros+iv.days*microsPerDay)
	case x.Type.Kind == plan.KindTimestamp:
		return nil, a.unsupported(at, "adding months or years to a timestamp").WithHint("CAST it to DATE first")
	case x.Type.Kind != plan.KindDate:
		return nil, a.errorf(at, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "an interval can be added to a date or timestamp, not to %s", x.Type)
	}
	var err error
	if iv.months != 0 {
		if x, err = a.call(at, "add_months", x, intLiteral(iv.months)); err != nil {
			return nil, err
		}
	}
	if iv.days != 0 {
		if x, err = a.call(at, "date_add", x, intLiteral(iv.days)); err != nil {
			return nil, err
		}
	}
	if iv.micros != 0 {
		return a.addMicros(at, compute.Cast(x, plan.Timestamp), iv.micros)
	}
	return x, nil
}

func (a *analyser) addMicros(at source.Span, x *plan.Expr, micros int64) (*plan.Expr, error) {
	n, err := a.call(at, "unix_micros", x)
	if err == nil {
		n, err = a.call(at, "+", n, plan.Int64Literal(micros))
	}
	if err != nil {
		return nil, err
	}
	return a.call(at, "timestamp_micros", n)
}

func intLiteral(v int64) *plan.Expr {
	return &plan.Expr{Op: plan.OpLiteral, Type: plan.Int32, Value: plan.Literal{Int: v}}
}

// span is an interval. (Calendar units do not convert into each other.)
type span struct{ months, days, micros int64 }

const (
	microsPerSecond = 1_000_000
	microsPerDay    = 24 * 60 * 60 * microsPerSecond
)

// units says what one of a unit is.
var units = map[string]span{
	"year": {months: 12}, "month": {months: 1}, "week": {days: 7}, "day": {days: 1},
	"hour": {micros: 3600 * microsPerSecond}, "minute": {micros: 60 * microsPerSecond}, "second": {micros: microsPerSecond},
	"millisecond": {micros: 1000}, "microsecond": {micros: 1},
}

// interval reads "7 days", "'7' day", "1 year 2 months": pairs of a number and a unit.
func (a *analyser) interval(l *sql.Literal) (span, error) {
	bad := func(what string) (span, error) {
		return span{}, a.errorf(l.Span, "INVALID_INTERVAL_FORMAT", "%s in INTERVAL %s", what, l.Text).
			WithHint("write INTERVAL 7 DAYS, INTERVAL '1' MONTH or INTERVAL '1 day 2 hours'")
	}
	words := strings.Fields(strings.ToLower(strings.NewReplacer("'", " ", `"`, " ").Replace(l.Text)))
	if len(words) > 0 && words[0] == "interval" {
		words = words[1:]
	}
	if len(words) == 0 || len(words)%2 != 0 {
		return bad("numbers and units must come in pairs")
	}
	var out span
	for i := 0; i < len(words); i += 2 {
		unit, ok := units[strings.TrimSuffix(words[i+1], "s")]
		if !ok {
			return bad("unknown unit " + words[i+1])
		}
		n, err := intervalNumber(words[i], unit)
		if err != nil {
			return bad("bad number " + words[i])
		}
		out = span{out.months + n.months, out.days + n.days, out.micros + n.micros}
	}
	if out.months != int64(int32(out.months)) || out.days != int64(int32(out.days)) {
		return bad("too large a number")
	}
	return out, nil
}

// intervalNumber is so many of a unit; only units of time of day take fractions.
func intervalNumber(text string, unit span) (span, error) {
	if n, err := strconv.ParseInt(text, 10, 32); err == nil {
		return span{unit.months * n, unit.days * n, unit.micros * n}, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err == nil && (unit.micros == 0 || math.Abs(f) > 1e9) {
		err = strconv.ErrRange
	}
	return span{micros: int64(math.Round(f * float64(unit.micros)))}, err
}
