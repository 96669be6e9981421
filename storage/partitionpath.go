package storage

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/quern-engine/quern/plan"
)

// maxFolder is how long the name of a folder may be on common file systems, in bytes.
const maxFolder = 255

// PartitionFolder is the folder of a partition as Hive and Spark name it: column=value, with what has a meaning in paths
// as %XX. NULL, and an empty text with it, has a name of its own.
func PartitionFolder(column, value string, null bool) (string, error) {
	name := escapePath(column) + "="
	if null || value == "" {
		name += nullPartition
	} else {
		name += escapePath(value)
	}
	if len(name) > maxFolder {
		return "", plan.Failf(plan.FailureUser, "a value of the partition column %s makes the folder %.60s…, whose name has %d bytes; at most %d are possible",
			column, name, len(name), maxFolder)
	}
	return name, nil
}

// escapePath escapes the characters that Spark escapes, and two things that it cannot have: NUL, and bytes that are no
// UTF-8.
func escapePath(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r < 0x20 || r == 0x7f || strings.ContainsRune("\"#%'*/:=?\\{[]^", r) || r == utf8.RuneError && size == 1 {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteString(s[i : i+size])
		}
		i += size
	}
	return b.String()
}
