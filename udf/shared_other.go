//go:build !unix

package udf

// openShared has no shared memory here: batches come in messages.
func openShared() *sharedMemory { return nil }
