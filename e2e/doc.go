// Package e2e is the roof of the house: tests that start the real binary as real processes on loopback, run jobs on
// them, break things, and compare what was written, byte by byte.
package e2e
