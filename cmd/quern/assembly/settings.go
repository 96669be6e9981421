package assembly

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// setting is a key of SET with its value.
type setting struct{ key, value string }

const (
	keyTimeZone = "spark.sql.session.timeZone"
	keyANSI     = "spark.sql.ansi.enabled"
)

// set executes SET and RESET. The settings that mean something here are the time zone, ANSI mode and the switches of
// [plan.Switch]; others are kept and shown, so that scripts written for Spark run, and have no effect.
func (e execution) set(st *sql.Set) (Result, error) {
	switch {
	case st.Reset:
		return Result{}, e.reset(st.Key)
	case !st.HasValue:
		return e.showSetting(st.Key), nil
	}
	if _, err := e.variable([]sql.Ident{{Name: st.Key}}); err == nil {
		return Result{}, e.errorf("UNSUPPORTED_FEATURE.SET_VARIABLE_USING_SET", "%q is a variable", st.Key).WithHint("SET VAR %s = %s", st.Key, st.Value)
	}
	value := strings.TrimSpace(st.Value)
	if err := e.apply(st.Key, value); err != nil {
		return Result{}, err
	}
	e.Session.settings = slices.DeleteFunc(e.Session.settings, func(s setting) bool { return strings.EqualFold(s.key, st.Key) })
	e.Session.settings = append(e.Session.settings, setting{st.Key, value})
	return keyValues(setting{st.Key, value}), nil
}

func (e execution) apply(key, value string) error {
	switch {
	case strings.EqualFold(key, keyTimeZone):
		if strings.EqualFold(value, "local") {
			value = "UTC" // the machine's own zone would make results depend on the machine
		}
		if _, err := time.LoadLocation(value); err != nil {
			return e.errorf("INVALID_CONF_VALUE.TIME_ZONE", "the time zone %q is not known", value)
		}
		e.base.Session.TimeZone = value
	case strings.EqualFold(key, keyANSI):
		e.base.Session.Legacy = !strings.EqualFold(value, "true")
	default:
		if w, ok := plan.FindSwitch(key); ok {
			e.base.Session = e.base.Session.With(w, strings.EqualFold(value, "true"))
		}
	}
	return nil
}

func (e execution) reset(key string) error {
	if key == "" {
		e.Session.settings, e.base.Session = nil, e.opts.Session
		return nil
	}
	switch {
	case strings.EqualFold(key, keyTimeZone):
		e.base.Session.TimeZone = e.opts.Session.TimeZone
	case strings.EqualFold(key, keyANSI):
		e.base.Session.Legacy = e.opts.Session.Legacy
	default:
		if w, ok := plan.FindSwitch(key); ok {
			e.base.Session = e.base.Session.With(w, e.opts.Session.Is(w))
		}
	}
	e.Session.settings = slices.DeleteFunc(e.Session.settings, func(s setting) bool { return strings.EqualFold(s.key, key) })
	return nil
}

// showSetting is one setting, or all that were set.
func (e execution) showSetting(key string) Result {
	if key == "" {
		return keyValues(e.settings...)
	}
	for _, s := range e.settings {
		if strings.EqualFold(s.key, key) {
			return keyValues(s)
		}
	}
	value := "<undefined>"
	switch {
	case strings.EqualFold(key, keyTimeZone):
		if value = e.base.Session.TimeZone; value == "" {
			value = "UTC"
		}
	case strings.EqualFold(key, keyANSI):
		value = strconv.FormatBool(!e.base.Session.Legacy)
	default:
		if w, ok := plan.FindSwitch(key); ok {
			value = strconv.FormatBool(e.base.Session.Is(w))
		}
	}
	return keyValues(setting{key, value})
}

func keyValues(list ...setting) Result {
	r := Result{Schema: plan.Schema{Fields: []plan.Field{{Name: "key", Type: plan.String}, {Name: "value", Type: plan.String}}}}
	for _, s := range list {
		r.Rows = append(r.Rows, []string{s.key, s.value})
	}
	return r
}
