//go:build !failpoint

package failpoint

import "fmt"

// Enabled tells whether failpoints are compiled in.
const Enabled = false

// Hit does nothing.
func Hit(string) error { return nil }

// HitBy does nothing.
func HitBy(string, fmt.Stringer) error { return nil }
