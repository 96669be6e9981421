package plan

import (
	"fmt"
	"slices"
	"strings"
)

// FunctionKind says what a plugin function makes of what.
type FunctionKind string

// The kinds of plugin function.
const (
	FunctionScalar    FunctionKind = "scalar"    // a value of the values of a row
	FunctionTable     FunctionKind = "table"     // rows of rows
	FunctionAggregate FunctionKind = "aggregate" // a value of many rows
	FunctionSource    FunctionKind = "source"    // rows of nothing
)

// Per is what a table function has to see together.
type Per string

// Batches may be cut anywhere; a partition is all rows of a task; a group has equal keys.
const (
	PerBatch     Per = "batch"
	PerPartition Per = "partition"
	PerGroup     Per = "group"
)

// Function is a plugin function, pinned: by the digest of the plugin's executable, its options, and the digests of its side
// files.
type Function struct {
	Name     string       `json:"name"`           // as called in SQL
	Export   string       `json:"export"`         // as registered in the plugin
	Kind     FunctionKind `json:"kind,omitempty"` // empty: scalar
	Args     []Type       `json:"args"`           // of scalar and aggregate functions
	Returns  Type         `json:"returns"`        // of the same
	Nullable bool         `json:"nullable"`       // may return NULL for arguments that are not NULL
	// Nondeterministic says that the function may answer differently when it is called again.
	Nondeterministic bool    `json:"nondeterministic,omitempty"`
	State            []Field `json:"state,omitempty"`  // of an aggregate function
	Input            []Field `json:"input,omitempty"`  // columns that a table function reads, by name
	Output           []Field `json:"output,omitempty"` // columns that table and source functions give
	Per              Per     `json:"per,omitempty"`    // of a table function
	// Tasks is what a source function's work is divided into.
	Tasks   []FunctionTask `json:"tasks,omitempty"`
	Options string         `json:"options,omitempty"` // a JSON object; empty for none
	Files   []FunctionFile `json:"files,omitempty"`   // by name
	SHA256  string         `json:"sha256"`            // hex digest of the executable
	Treatment
}

// FunctionFile is a side file of a function. Its content is found by its digest.
type FunctionFile struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// FunctionTask is a part of what a source function makes.
type FunctionTask struct {
	Payload []byte `json:"payload"`
	Rows    int64  `json:"rows,omitempty"` // about
	Bytes   int64  `json:"bytes,omitempty"`
}

// Is reports a function's kind.
func (f *Function) Is(kind FunctionKind) bool {
	return f.Kind == kind || f.Kind == "" && kind == FunctionScalar
}

// Blobs is the digests of all that the function needs: its executable first, then its side files.
func (f *Function) Blobs() []string {
	out := []string{f.SHA256}
	for _, file := range f.Files {
		out = append(out, file.SHA256)
	}
	return out
}

// Instance names the function with its options and files among those of its executable: two functions of the same
// instance give the same.
func (f *Function) Instance() string {
	parts := []string{f.Export, f.Options}
	for _, file := range f.Files {
		parts = append(parts, file.Name, file.SHA256)
	}
	return strings.Join(parts, "\x00")
}

// Signature describes the function to people: "(bigint, double) → string", "TABLE(user bigint) per group → (n bigint)".
func (f *Function) Signature() string {
	switch f.Kind {
	case FunctionTable:
		return fmt.Sprintf("TABLE(%s) per %s → (%s)", fieldList(f.Input), f.Per, fieldList(f.Output))
	case FunctionSource:
		return fmt.Sprintf("→ (%s)", fieldList(f.Output))
	}
	args := make([]string, len(f.Args))
	for i, t := range f.Args {
		args[i] = t.String()
	}
	text := fmt.Sprintf("(%s) → %s", strings.Join(args, ", "), f.Returns)
	if f.Nullable {
		text += " or NULL"
	}
	if f.Kind == FunctionAggregate {
		text += fmt.Sprintf(", state (%s)", fieldList(f.State))
	}
	return text
}

func fieldList(fields []Field) string {
	texts := make([]string, len(fields))
	for i, f := range fields {
		if texts[i] = f.Name + " " + f.Type.String(); f.Nullable {
			texts[i] += " or NULL"
		}
	}
	return strings.Join(texts, ", ")
}

// SameSignature reports that two descriptions have the same kind, columns and types.
func (f *Function) SameSignature(g *Function) bool {
	return f.Is(g.kind()) && f.Per == g.Per && f.Nullable == g.Nullable && f.Nondeterministic == g.Nondeterministic &&
		f.Returns.Equal(g.Returns) && slices.EqualFunc(f.Args, g.Args, Type.Equal) &&
		slices.EqualFunc(f.State, g.State, sameField) && slices.EqualFunc(f.Input, g.Input, sameField) &&
		slices.EqualFunc(f.Output, g.Output, sameField)
}

func (f *Function) kind() FunctionKind {
	if f.Kind == "" {
		return FunctionScalar
	}
	return f.Kind
}

func sameField(a, b Field) bool {
	return a.Name == b.Name && a.Nullable == b.Nullable && a.Type.Equal(b.Type)
}

// Functions names the plugin functions that the node itself calls.
func (n *Node) Functions() []string {
	var names []string
	switch {
	case n.UDF != nil:
		for _, c := range n.UDF.Calls {
			names = append(names, c.Function)
		}
	case n.Scan != nil && n.Scan.Function != "":
		names = append(names, n.Scan.Function)
	case n.PluginTable != nil:
		names = append(names, n.PluginTable.Function)
	case n.Aggregate != nil:
		for _, a := range n.Aggregate.Aggs {
			if a.Plugin() {
				names = append(names, a.Func)
			}
		}
	}
	return names
}

// ScalarCalls names the scalar plugin functions that the stage calls, each once, those first whose results others may be called
// with.
func (s *Stage) ScalarCalls() []string {
	var names []string
	s.Root.Walk(func(n *Node) { // parents first
		if n.UDF == nil {
			return
		}
		for _, c := range slices.Backward(n.UDF.Calls) {
			names = append(names, c.Function)
		}
	})
	slices.Reverse(names)
	seen := map[string]bool{}
	return slices.DeleteFunc(names, func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}
