// Package jobfile reads job files: YAML with a fixed set of fields, read strictly. A mistake is a *source.Error that
// shows its place in the file. SQL is not parsed here; each step hands its SQL on as a source.Text that knows where in
// the file it stands, so that mistakes in it are shown there, too.
package jobfile

import (
	"fmt"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// Limits of a job file, far beyond what people write.
const (
	// MaxBytes is the longest file.
	MaxBytes = 1 << 20
	// MaxDepth is how deep its values may nest; the format itself needs 4.
	MaxDepth = 16
	// MaxShards is the largest number of shards of an output: each is a file and a task.
	MaxShards = 100_000
)

// File is a job file. Everything that a later check may complain about is a [Value] or a source.Text.
type File struct {
	Text      *source.Text // the whole file
	Name      Value
	Params    []Param
	Sources   []Source
	Functions []Function
	Steps     []Step
	Outputs   []Output
	Checks    []Check
}

// Value is a text in the file, with its place in File.Text. The place of a value that was left out is that of the thing
// it belongs to.
type Value struct {
	Text string
	Span source.Span
}

// Param is a parameter of the job.
type Param struct {
	Name    Value
	Type    plan.Type
	Doc     string
	Default *Value // nil: it must be given
}

// Source is a table that the job reads.
type Source struct {
	Name       Value
	Path       Value  // as written: ${…} not replaced, see [Params.Expand]; no text if a function makes the rows
	Function   Value  // the name of a source function; no text of files, and else there is nothing but a name
	Format     string // "" goes by the files' names
	Options    []Option
	Columns    []Column // none: the files say
	Partitions []Partition
}

// Option is a setting of a format, which alone knows whether there is one of that name.
type Option struct {
	Name, Value Value
}

// Column is a column that a source declares; its type is SQL's.
type Column struct {
	Name Value
	Type *source.Text
}

// Partition is the type of a partition column.
type Partition struct {
	Column Value
	Type   plan.Type
}

// Function is a function of a plugin.
type Function struct {
	Name    Value // as SQL calls it
	Plugin  Value // a folder with a Go package or a plugin.py, a Python file, an executable, or the name of one that was pushed
	Python  Value // interpreter or virtual environment of a Python plugin, as written; no text for the usual one
	Export  Value // as the plugin calls it
	SHA256  Value // hex digest that the executable must have; no text when it is not pinned
	Options *Tree // a mapping; nil for none
	Files   []SideFile
	plan.Treatment
}

// SideFile is a file that a function is given, by a name that the function knows.
type SideFile struct {
	Name, Path Value // the path as written: ${…} not replaced
}

// Step is a query, or an operator with its options, whose rows later steps and outputs can read by its name. This
// package knows no operators: any field that it does not know itself is taken for one.
type Step struct {
	Name     Value
	SQL      *source.Text // nil of an operator
	Operator Value        // no text of a query
	Options  *Tree        // of an operator
}

// Output is a dataset that the job writes.
type Output struct {
	Name        Value
	From        Value // a step or a source
	Path        Value // as written; no text when it was left out
	Format      string
	Compression string
	Options     []Option
	Shards      int
	ShardBy     []Value
	PartitionBy []Value
	RowsPerFile int64
	SortBy      []SortColumn
	Time        Value // a column; no text when it was left out
}

// SortColumn is a column to sort by.
type SortColumn struct {
	Column     Value
	Descending bool
	NullsLast  bool
}

// Check is a condition that an output must meet before it is published. This package knows no kinds of them: any field
// that it does not know itself is taken for one.
type Check struct {
	Place   Value
	Output  Value // its name
	Name    Value // no text when it was left out
	Warn    bool  // it blocks nothing
	Kind    Value
	Options *Tree
}

// Errorf makes an error at a place in the file.
func (f *File) Errorf(span source.Span, format string, args ...any) *source.Error {
	return f.Text.Errorf(span, "", format, args...)
}

// Source returns the source with that name, letters' case aside, as SQL looks names up.
func (f *File) Source(name string) (*Source, bool) {
	for i := range f.Sources {
		if equalName(f.Sources[i].Name.Text, name) {
			return &f.Sources[i], true
		}
	}
	return nil, false
}

// Step returns the step with that name, letters' case aside.
func (f *File) Step(name string) (*Step, bool) {
	for i := range f.Steps {
		if equalName(f.Steps[i].Name.Text, name) {
			return &f.Steps[i], true
		}
	}
	return nil, false
}

// Parse reads a job file; file is the name that errors show. Mistakes are of type *source.Error.
func Parse(file, text string) (*File, error) {
	r := &reader{text: &source.Text{File: file, Body: text}}
	root := r.load()
	if r.err != nil {
		return nil, r.err
	}
	f := &File{Text: r.text}
	r.file(f, root)
	r.check(f)
	if r.err != nil {
		return nil, r.err
	}
	return f, nil
}

// quoted shows a list of names in a message.
func quoted(names []string) string {
	s := ""
	for i, n := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			s += " or "
		default:
			s += ", "
		}
		s += fmt.Sprintf("%q", n)
	}
	return s
}
