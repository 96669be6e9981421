// Package hash turns the key columns of a batch into 64-bit hashes, one per row. There are two families, both fixed and
// golden-tested, neither with a per-process seed: two workers must send one key to one partition.
//
//   - [Columns] is exchange-v1, the fast hash between operators. Nobody outside a run sees it.
//   - [Canonical] is the hash that users see (which shard, which split, which sample): XXH3-64 over a canonical encoding
//     of the key, under a purpose and a salt. It never changes.
//
// In both, the value decides, not the layout: a dictionary-encoded column hashes as its plain form does, integers of
// every width alike, -0.0 as 0.0, and all NaNs as one.
package hash
