//go:build !linux

package host

import "errors"

// mapShared has no memory here that a plugin could not cut off under the host.
func mapShared(int) (*shared, error) { return nil, errors.New("shared memory: not on this system") }

func (s *shared) unmap() {}
