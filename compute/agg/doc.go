// Package agg has the accumulators of aggregate functions: for each function the states of many groups side by side in
// flat slices, updated from whole columns.
//
// A two-phase aggregation sends states between its halves as ordinary columns ([StateFields]); merging folds them in
// the order in which they come, so results are a function of the rows and their order alone, sums of doubles included.
package agg
