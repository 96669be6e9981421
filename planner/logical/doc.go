// Package logical holds the typed logical plan and the analyser that makes one from a syntax tree. In a logical plan
// every column has an id of its own, unique in the plan, and expressions refer to columns by that id
// (plan.Expr.Column), so that rules can move operators about without renumbering anything.
//
// The analyser takes a tree and an [Environment], never text alone: another front end can hand in trees that no parser
// of ours has read. Every mistake it finds is a *source.Error that shows the place.
package logical
