// Package group numbers the distinct keys of a stream of rows: the hash tables below GROUP BY, DISTINCT and hash joins.
//
// A [Table] gives every key a dense number in order of first appearance, so that whatever is kept per group lies in
// flat slices and comes out in an order that depends on the rows alone. Keys are compared, never trusted to their
// hashes. NULL is a key value of its own, NaN equals NaN and -0.0 equals 0.0,
// inside nested values as well; maps are equal when their entries are, in any order. A [Multimap] turns such numbers back
// into the rows of a join's build side.
//
// All tables here have one shape: a power-of-two array of 64-bit slots, half of it hash, half of it group number, found
// by linear probing. There is no pointer in it, so the garbage collector does not look inside. The upper half of a slot
// is the 32-bit hash whose leading bits chose the slot; thus growing needs neither keys nor their hashes again, and
// most unequal keys are told apart without looking at the key.
package group
