package udf

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Function is a function that a plugin serves: made by Scalar and its kin, Vector, Each, Table, Aggregate or Source.
type Function struct {
	describe *udfpb.Function
	open     func(*Context) (*instance, error)
	options  func(ctx *Context, text string) error // reads and checks options; nil when there are none
	err      error                                 // what is wrong with how it was made
}

// instance is a function that was opened. Of its calls it has those of its kind.
type instance struct {
	ctx    *Context
	scalar scalarFunc
	fold   foldFunc
	table  tableFunc
	split  func(ctx *Context) ([]*udfpb.SourceTask, error)
	read   func(ctx *Context, payload []byte, columns []int, emit func(arrow.Record)) error
}

// Option adds to a function's description.
type Option func(*Function)

// Doc is a sentence for people.
func Doc(text string) Option { return func(f *Function) { f.describe.Doc = text } }

// Nullable says that a Vector function may give NULL although no argument is NULL. Of other functions, the Go type of
// the result tells.
func Nullable() Option { return func(f *Function) { f.describe.Nullable = true } }

// Nondeterministic says that the function may answer differently when it is called again with the same arguments. A job
// that calls it does not write the same bytes when it is run again.
func Nondeterministic() Option { return func(f *Function) { f.describe.Nondeterministic = true } }

// TakesFile says that the job has to give the function a side file of that name: a model, a vocabulary. Context.File
// tells where it is.
func TakesFile(name, doc string) Option {
	return func(f *Function) {
		f.describe.Files = append(f.describe.Files, &udfpb.FileSpec{Name: name, Doc: doc})
	}
}

// MayTakeFile is TakesFile for a file that the function can do without.
func MayTakeFile(name, doc string) Option {
	return func(f *Function) {
		f.describe.Files = append(f.describe.Files, &udfpb.FileSpec{Name: name, Doc: doc, Optional: true})
	}
}

// newFunction begins a function, with what opts say of it.
func newFunction(name string, kind udfpb.FunctionKind, opts []Option) Function {
	f := Function{describe: &udfpb.Function{Name: name, Kind: kind}}
	for _, o := range opts {
		o(&f)
	}
	return f
}

func typeNames(types []Type) []string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = string(t)
	}
	return names
}

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// check refuses what cannot be served.
func (f Function) check() error {
	d := f.describe
	switch {
	case d == nil:
		return errors.New("a zero Function: make functions with Scalar, Table, Aggregate, Source and their kin")
	case !namePattern.MatchString(d.Name):
		return fmt.Errorf("function name %q: use letters, digits and '_'", d.Name)
	case f.err != nil:
		return fmt.Errorf("function %s: %w", d.Name, f.err)
	}
	types := d.Args
	if d.Kind == udfpb.FunctionKind_FUNCTION_KIND_SCALAR || d.Kind == udfpb.FunctionKind_FUNCTION_KIND_AGGREGATE {
		types = append([]string{d.Returns}, types...)
	}
	for _, columns := range [][]*udfpb.Column{d.Input, d.Output, d.State} {
		for _, c := range columns {
			types = append(types, c.Type)
		}
	}
	for _, t := range types {
		if Type(t).Arrow() == nil {
			return fmt.Errorf("function %s: %q is no SQL type", d.Name, t)
		}
	}
	return nil
}

// bind makes the context of a function with options and files, or says what is wrong with them.
func (f Function) bind(options string, files []*udfpb.SideFile) (*Context, *udfpb.Refusal) {
	ctx := newContext(f.describe.Name)
	if options == "" {
		options = "{}"
	}
	if f.options == nil && options != "{}" {
		return nil, &udfpb.Refusal{Message: "the function takes no options"}
	}
	if f.options != nil {
		if err := f.options(ctx, options); err != nil {
			refusal := &udfpb.Refusal{Message: err.Error()}
			var at *optionError
			if errors.As(err, &at) {
				refusal.Option = at.pointer
			}
			return nil, refusal
		}
	}
	for _, file := range files {
		if !f.takes(file.GetName()) {
			return nil, &udfpb.Refusal{Message: fmt.Sprintf("the function takes no file %q", file.GetName()), File: file.GetName()}
		}
		ctx.files[file.GetName()] = file.GetPath()
	}
	for _, spec := range f.describe.Files {
		if ctx.files[spec.Name] == "" && !spec.Optional {
			return nil, &udfpb.Refusal{Message: fmt.Sprintf("the function needs a file %q: %s", spec.Name, spec.Doc), File: spec.Name}
		}
	}
	return ctx, nil
}

func (f Function) takes(file string) bool {
	for _, spec := range f.describe.Files {
		if spec.Name == file {
			return true
		}
	}
	return false
}

// start opens the function with a context that bind has made. It is the door to the author's open.
func (f Function) start(ctx context.Context, c *Context) (in *instance, err error) {
	defer func() {
		if p := recover(); p != nil {
			in, err = nil, fmt.Errorf("open panicked: %v\n%s", p, stack())
		}
	}()
	in, err = f.open(c.during(ctx))
	if err != nil {
		return nil, errors.Join(err, c.close())
	}
	in.ctx = c
	return in, nil
}
