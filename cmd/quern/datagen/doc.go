// Package datagen makes workloads to try, test and measure the engine with: the logs of a service that shows ranked
// items, as many as are asked for.
//
// A set is cut into tasks, one for each day and file of the log, and each task's files are a pure function of the
// options, the day and the number of the file. Tasks have random streams of their own, keyed by (seed, stream, day,
// file), so that it does not matter how many run at once, or where. What decides bytes is computed in integers:
// floating point is left to fused operations and to mathematical functions that differ between processors.
//
// Users and items have hidden properties, computed from the seed and their ids (world.go). These decide what is
// clicked, and shimmer through the dimension tables and the feature snapshots, so that a model has something to learn.
package datagen
