package compute

import (
	"github.com/quern-engine/quern/plan"
)

// session is a plan.Session in the form that kernels use. Its zones belong to one program.
type session struct {
	zone   *zone
	zones  *zones // by name, as texts and functions give them
	legacy bool   // Spark's ANSI mode is off
	now    int64  // microseconds since the epoch; 0 where no clock may be read
	is     func(plan.Switch) bool
}

func newSession(s plan.Session) (session, error) {
	out := session{zones: &zones{}, legacy: s.Legacy, now: s.Now, is: s.Is}
	name := s.TimeZone
	if name == "" {
		name = "UTC"
	}
	found, ok := out.zones.find(name)
	if !ok {
		return out, userError("INVALID_CONF_VALUE.TIME_ZONE", "The time zone %s is not known.", sqlString(name))
	}
	out.zone = found
	return out, nil
}
