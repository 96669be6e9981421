package udf

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Fold is how an aggregate function makes one value of many rows: a state S, to which arguments A are added, and of which
// a result R is made. States of parts of the rows are made on many machines and merged: merging the state of some rows into that of
// the rows before has to give what adding all of them gives.
//
// A is a Value, or a struct with a field for each argument, in order. Rows in which an argument is NULL are left out, unless
// its type is a pointer.
//
// S travels between machines: as columns, if it is a struct of Values; else by its MarshalBinary and UnmarshalBinary, if *S has
// these; else as JSON.
type Fold[S, A any, R Value] struct {
	Init   func() S                        // the state of no rows; the zero S when nil
	Update func(state *S, args A) error    // adds a row
	Merge  func(state *S, behind *S) error // adds the rows of another state, which come behind
	Finish func(state *S) (R, error)       // the result
}

// Aggregate is an aggregate function.
func Aggregate[S, A any, R Value](name string, fold Fold[S, A, R], opts ...Option) Function {
	return OpenAggregate(name, ready(fold), opts...)
}

// OpenAggregate is an aggregate function that is made by open, once in a process.
func OpenAggregate[S, A any, R Value](name string, open func(*Context) (Fold[S, A, R], error), opts ...Option) Function {
	fn := newFunction(name, udfpb.FunctionKind_FUNCTION_KIND_AGGREGATE, opts)
	args, err := argumentsOf[A]()
	if err != nil {
		fn.err = err
	}
	states, err := statesOf[S]()
	if err != nil && fn.err == nil {
		fn.err = err
	}
	result := codecOf[R]()
	fn.describe.Args, fn.describe.State = typeNames(args.types), described(states.columns)
	fn.describe.Returns, fn.describe.Nullable = string(result.typ), result.optional
	fn.open = func(ctx *Context) (*instance, error) {
		fold, err := open(ctx)
		if err != nil {
			return nil, err
		}
		if fold.Update == nil || fold.Merge == nil || fold.Finish == nil {
			return nil, fmt.Errorf("function %s: a Fold needs Update, Merge and Finish", name)
		}
		f := &folding[S, A, R]{fold, args, states, result}
		return &instance{ctx: ctx, fold: f.run}, nil
	}
	return fn
}

// foldFunc folds the rows of a batch into the states of groups.
type foldFunc func(call *foldCall) (arrow.Record, error)

// foldCall is one Fold call.
type foldCall struct {
	ctx    *Context
	merge  bool
	finish bool
	groups []int32 // one a row
	count  int     // of groups
	rows   arrow.Record
	row    int // where the function is; -1 outside of rows
}

// folding is an opened aggregate function.
type folding[S, A any, R Value] struct {
	fold   Fold[S, A, R]
	args   arguments[A]
	states states[S]
	result codec[R]
}

func (f *folding[S, A, R]) run(call *foldCall) (arrow.Record, error) {
	all := make([]S, call.count)
	if f.fold.Init != nil {
		for i := range all {
			all[i] = f.fold.Init()
		}
	}
	add := f.update
	if call.merge {
		add = f.merge
	}
	if err := add(call, all); err != nil {
		return nil, err
	}
	call.row = -1
	if !call.finish {
		return f.states.build(all)
	}
	results := make([]R, len(all))
	for i := range all {
		var err error
		if results[i], err = f.fold.Finish(&all[i]); err != nil {
			return nil, err
		}
	}
	col := f.result.build(nil, results, nil)
	defer col.Release()
	return array.NewRecord(schemaOf([]Column{{Name: "result", Type: f.result.typ}}), []arrow.Array{col}, int64(len(results))), nil
}

func (f *folding[S, A, R]) update(call *foldCall, all []S) error {
	args, skip, err := f.args.read(call.rows)
	if err != nil {
		return err
	}
	for i, a := range args {
		if i%cancelEvery == 0 && call.ctx.Err() != nil {
			return call.ctx.Err()
		}
		if skip != nil && skip[i] {
			continue
		}
		call.row = i
		if err := f.fold.Update(&all[call.groups[i]], a); err != nil {
			return err
		}
	}
	return nil
}

func (f *folding[S, A, R]) merge(call *foldCall, all []S) error {
	behind, err := f.states.read(call.rows)
	if err != nil {
		return err
	}
	for i := range behind {
		if i%cancelEvery == 0 && call.ctx.Err() != nil {
			return call.ctx.Err()
		}
		if err := f.fold.Merge(&all[call.groups[i]], &behind[i]); err != nil {
			return err
		}
	}
	return nil
}

// arguments reads the arguments of an aggregate function.
type arguments[A any] struct {
	types []Type
	// read is the rows, and those to leave out; nil for none.
	read func(rec arrow.Record) ([]A, []bool, error)
}

func argumentsOf[A any]() (arguments[A], error) {
	if make := fieldMakers[reflect.TypeFor[A]()]; make != nil {
		column, f := make(0)
		return argumentsOfFields(rowCodec[A]{columns: []Column{column}, fields: []field{f}}), nil
	}
	rows, err := rowsOf[A]()
	if err != nil {
		return arguments[A]{}, fmt.Errorf("arguments: %w", err)
	}
	return argumentsOfFields(rows), nil
}

func argumentsOfFields[A any](c rowCodec[A]) arguments[A] {
	out := arguments[A]{types: make([]Type, len(c.columns))}
	optional := make([]bool, len(c.columns))
	for i, column := range c.columns {
		out.types[i], optional[i] = column.Type, column.Nullable
	}
	out.read = func(rec arrow.Record) ([]A, []bool, error) {
		skip := strictNulls(rec, optional...)
		rows, err := c.readSkipping(rec)
		return rows, skip, err
	}
	return out
}

// states turns states into columns and back.
type states[S any] struct {
	columns []Column
	read    func(rec arrow.Record) ([]S, error)
	build   func(states []S) (arrow.Record, error)
}

func statesOf[S any]() (states[S], error) {
	if _, ok := any(new(S)).(encoding.BinaryMarshaler); ok {
		if _, ok := any(new(S)).(encoding.BinaryUnmarshaler); !ok {
			return states[S]{}, fmt.Errorf("%s has MarshalBinary, but no UnmarshalBinary", reflect.TypeFor[S]())
		}
		return encodedStates(
			func(s *S) ([]byte, error) { return any(s).(encoding.BinaryMarshaler).MarshalBinary() },
			func(b []byte, s *S) error { return any(s).(encoding.BinaryUnmarshaler).UnmarshalBinary(b) }), nil
	}
	if c, err := rowsOf[S](); err == nil {
		return states[S]{columns: c.columns, read: c.read, build: func(all []S) (arrow.Record, error) { return c.build(all, nil), nil }}, nil
	}
	if name := lostInJSON(reflect.TypeFor[S](), map[reflect.Type]bool{}); name != "" {
		return states[S]{}, fmt.Errorf("state %s: %s does not travel: export it, or give the state MarshalBinary and UnmarshalBinary", reflect.TypeFor[S](), name)
	}
	return encodedStates(
		func(s *S) ([]byte, error) { return json.Marshal(s) },
		func(b []byte, s *S) error { return json.Unmarshal(b, s) }), nil
}

// lostInJSON names something in a type that its JSON does not have.
func lostInJSON(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || t.Implements(reflect.TypeFor[json.Marshaler]()) || t.Implements(reflect.TypeFor[encoding.TextMarshaler]()) {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Interface, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return "a " + t.Kind().String()
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return lostInJSON(t.Elem(), seen)
	case reflect.Map:
		if lost := lostInJSON(t.Key(), seen); lost != "" {
			return lost
		}
		return lostInJSON(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() || f.Tag.Get("json") == "-" {
				return "field " + f.Name
			}
			if lost := lostInJSON(f.Type, seen); lost != "" {
				return lost
			}
		}
	}
	return ""
}

// encodedStates has one column of bytes.
func encodedStates[S any](encode func(*S) ([]byte, error), decode func([]byte, *S) error) states[S] {
	columns, bytes := []Column{{Name: "state", Type: Binary}}, binaryCodec()
	return states[S]{
		columns: columns,
		read: func(rec arrow.Record) ([]S, error) {
			if rec.NumCols() != 1 {
				return nil, fmt.Errorf("a state of %d columns, not 1", rec.NumCols())
			}
			encoded, err := bytes.read(rec.Column(0))
			if err != nil {
				return nil, err
			}
			all := make([]S, len(encoded))
			for i, b := range encoded {
				if err := decode(b, &all[i]); err != nil {
					return nil, fmt.Errorf("decode state: %w", err)
				}
			}
			return all, nil
		},
		build: func(all []S) (arrow.Record, error) {
			encoded := make([][]byte, len(all))
			for i := range all {
				b, err := encode(&all[i])
				if err != nil {
					return nil, fmt.Errorf("encode state: %w", err)
				}
				encoded[i] = b
			}
			col := bytes.build(nil, encoded, nil)
			defer col.Release()
			return array.NewRecord(schemaOf(columns), []arrow.Array{col}, int64(len(all))), nil
		},
	}
}
