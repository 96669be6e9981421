// Package compute evaluates expressions over Arrow batches: one table of functions and operators with their types and
// documentation, casts, constant folding, and programs whose kernels are typed loops over raw slices.
//
// Semantics are Spark SQL's in ANSI mode: overflow, division by zero and malformed casts are errors, NULL follows
// three-valued logic, NaN equals NaN and is the greatest number, and strings compare bytewise. Errors are
// plan.FailureUser failures that begin with Spark's error class in brackets.
package compute
