//go:build !unix

package storage

import "io/fs"

// inode is not known on this system; size and modification time must do.
func inode(fs.FileInfo) uint64 { return 0 }
