package api

import (
	"fmt"
	"strings"
)

// rejectsFolder is where rejected rows are, in a version folder. What reads datasets skips it, for its name.
const rejectsFolder = "_rejects/"

// RejectsName is the name, below the version folder, of the file in which an attempt puts rows that plugin functions could not
// do: "_rejects/stage-003-task-00017.2.jsonl".
func RejectsName(stage, task, attempt int) string {
	return fmt.Sprintf("%sstage-%03d-task-%05d.%d.jsonl", rejectsFolder, stage, task, attempt)
}

// IsRejects reports a name that can only mean a file with rejects in a version folder.
func IsRejects(name string) bool {
	file, ok := strings.CutPrefix(name, rejectsFolder)
	return ok && file != "" && file[0] != '.' && !strings.ContainsAny(file, `/\?#`)
}

// Rejects is a file with the rows that plugin functions could not do in an attempt, a JSON object a line. See docs/udf.md.
type Rejects struct {
	FileInfo
	Functions []FunctionRejects `json:"functions"` // by name
}

// FunctionRejects is how many rows a function could not do.
type FunctionRejects struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}
