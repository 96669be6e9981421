//go:build !linux

package contain

import "errors"

// Groups makes cgroups, which only Linux has.
type Groups struct{}

// Group is a cgroup.
type Group struct{}

// SweepGroups has nothing to do here.
func SweepGroups() {}

// NewGroups says that there are none.
func NewGroups(Level) (*Groups, error) { return nil, errors.New("this system is not Linux") }

// New makes none.
func (*Groups) New(*Limits) (*Group, error) { return nil, nil }

// Close has nothing to remove.
func (*Groups) Close() error { return nil }

// String is for the log.
func (*Groups) String() string { return "none" }

// End has nothing to end.
func (*Group) End() (how string) { return "" }
