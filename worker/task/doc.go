// Package task runs one attempt at one task from end to end: it opens the stage's leaves (files, shuffle partitions),
// builds the operators above them, drives the rows into the stage's sink, and commits the sink once, at the end.
//
// An attempt either ends with a committed sink and a report of what is in it, or with a failure and nothing left behind.
// Everything that an attempt writes carries the attempt's number in its name, so two attempts at one task never meet;
// which of them counts is decided elsewhere.
package task
