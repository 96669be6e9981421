// Package plan holds the nouns of Quern: SQL types, bound expressions, physical operators, stages, tasks, tables and
// failures. Every other room speaks in these words, so this one imports none of them.
//
// Everything here is plain data with a stable JSON form: a [Job] is what the planner makes, the coordinator keeps by
// digest and a worker receives. There is no I/O, clock or randomness in this package.
package plan
