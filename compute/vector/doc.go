// Package vector has the moves on whole columns that every other room needs: take, concatenate, decode, make from a
// constant, slice, render as text; and the raw-slice views that kernels loop over.
//
// Columns are Arrow arrays in the plain layout of their SQL type or, for string and binary, dictionary-encoded with
// int32 codes. Arrays, maps and structs are Arrow's lists, maps and structs; strings inside them are always plain. Nullness of a dictionary-encoded column is that of its codes: dictionary values are never NULL. Arrays
// may be slices; the views here take the offset into account. Nothing in this package starts a goroutine or keeps
// state, and an array given in is only read.
package vector
