package api

import (
	"encoding/json"
	"fmt"
	"strings"
)

// listEnd is how the name of a list of shards ends.
const listEnd = ".files"

// ListName is the name of the file in which an attempt of a task with a file sink says what it has written. The file lies in
// the version folder until the leader has made the manifest of all of them, so that neither reports nor the log grow with
// the number of shards and columns.
func ListName(shard, shards, attempt int) string {
	return fmt.Sprintf("part-%05d-of-%05d.%d%s", shard, shards, attempt, listEnd)
}

// IsList reports a name that [ListName] makes.
func IsList(name string) bool { return strings.HasSuffix(name, listEnd) }

// FileList is the content of such a file.
type FileList struct {
	Files []ShardInfo `json:"files"` // in the order in which rows went into them
	// Columns is what the output's columns are like in these files: a list of stats.Column, of package compute/stats.
	Columns json.RawMessage `json:"columns,omitempty"`
}

// ShardInfo is a shard as the manifest shows it.
type ShardInfo struct {
	Key    string `json:"key"` // below the version folder, with slashes
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Partition has the values of the partition columns, in text form; nil is NULL.
	Partition map[string]*string `json:"partition,omitempty"`
	// MinTime and MaxTime bound the column with the time, in text form; empty without such a column or a value in it.
	MinTime string `json:"min_time,omitempty"`
	MaxTime string `json:"max_time,omitempty"`
}
