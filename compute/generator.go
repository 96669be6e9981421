package compute

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// GeneratorProgram is a compiled call of a generator. As a [Program] it is for one goroutine at a time and needs no
// Close.
type GeneratorProgram struct {
	args []node
	t    plan.Type
	run  generatorKernel
}

// generatorKernel gives, for each output row, the input row it belongs to, and the generator's columns.
type generatorKernel func(c *context, args []value, t plan.Type) (rows []int32, cols []arrow.Array, err error)

// CompileGenerator readies a call of a generator over columns of a schema. Its type is a struct of the columns that the
// generator gives.
func CompileGenerator(e *plan.Expr, in plan.Schema, s plan.Session) (*GeneratorProgram, error) {
	comp, err := newCompiler(in, s)
	if err != nil {
		return nil, err
	}
	f, ok := Lookup(e.Name)
	if e.Op != plan.OpCall || !ok || f.Kind != Generator {
		return nil, defect("no generator %s", e)
	}
	sig, err := signatureOf(f, e)
	if err != nil {
		return nil, err
	}
	p := &GeneratorProgram{t: sig.Returns, run: f.generate}
	for i, a := range e.Args {
		n, err := comp.compile(a)
		if err == nil {
			n, err = castArg(comp.session, n, sig.Args[i])
		}
		if err != nil {
			return nil, fmt.Errorf("compile %s: %w", a, err)
		}
		p.args = append(p.args, n)
	}
	return p, nil
}

// Type is a struct of the generator's columns.
func (p *GeneratorProgram) Type() plan.Type { return p.t }

// Run calls the generator for every row of a batch: rows holds, for each row put out, the row of the batch that it
// comes from, in ascending order; cols the generator's columns, which the caller releases. A row of the batch for
// which the generator gives nothing is not among rows.
func (p *GeneratorProgram) Run(mem memory.Allocator, rec arrow.Record) (rows []int32, cols []arrow.Array, err error) {
	f := &frame{mem: mem, rec: rec, n: int(rec.NumRows())}
	vals, err := evalAll(f, p.args)
	if err != nil {
		return nil, nil, err
	}
	defer releaseValues(vals)
	return p.run(&context{mem, f.n, p.t, &scratch{}}, vals, p.t)
}

// generatorFunctions are called in SELECT and LATERAL VIEW. Those named …_outer are the same with one difference that is
// the operator's to make: a row for which they give nothing appears once.
func generatorFunctions() []Function {
	generator := func(name, usage, summary string, r resolver, run generatorKernel) Function {
		return Function{Name: name, Kind: Generator, Usage: usage, Summary: summary, resolve: r, generate: run}
	}
	stack := generator("stack", "stack(n, a, …)", "The values in n rows, one after the other; what is missing is NULL.", resolveStack, generateStack)
	stack.resolveExprs = resolveStackCall
	out := []Function{
		stack, timeWindowFunction(),
		generator("json_tuple", "json_tuple(json, key, …)", "The values of keys of a JSON object as strings.", resolveJSONTuple, generateJSONTuple),
		generator("replicate_rows", "replicate_rows(n, a, …)", "The values n times.", resolveReplicate, generateReplicated),
	}
	for _, suffix := range []string{"", "_outer"} {
		more := ""
		if suffix != "" {
			more = " A row that has none appears once, with NULLs."
		}
		out = append(out,
			generator("explode"+suffix, "explode"+suffix+"(a)", "A row for each element of an array (col) or entry of a map (key, value)."+more,
				resolveExplode(false), generateExploded(false)),
			generator("posexplode"+suffix, "posexplode"+suffix+"(a)", "As explode, with the place in front (pos), from 0."+more,
				resolveExplode(true), generateExploded(true)),
			generator("inline"+suffix, "inline"+suffix+"(a)", "A row for each struct of an array, a column for each of its fields."+more,
				resolveInline, generateInlined))
	}
	return out
}

// columnField is an output column of a generator.
func columnField(name string, t plan.Type) plan.Field {
	return plan.Field{Name: name, Type: t, Nullable: true}
}

func resolveExplode(position bool) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) != 1 {
			return Signature{}, arityError{"1", len(args)}
		}
		var fields []plan.Field
		if position {
			fields = append(fields, plan.Field{Name: "pos", Type: plan.Int32})
		}
		switch t := args[0]; t.Kind {
		case plan.KindArray:
			fields = append(fields, columnField("col", t.Element().Type))
		case plan.KindMap:
			fields = append(fields, plan.Field{Name: "key", Type: t.MapKey().Type}, columnField("value", t.MapValue().Type))
		default:
			return Signature{}, argumentError{0, `("ARRAY" or "MAP")`, t}
		}
		return Signature{Args: args, Returns: plan.Struct(fields...)}, nil
	}
}

func generateExploded(position bool) generatorKernel {
	return func(c *context, args []value, _ plan.Type) ([]int32, []arrow.Array, error) {
		arr := wholeColumn(c, args[0])
		defer arr.Release()
		offsets, elements := vector.ListsOf(arr).Flatten(c.mem)
		var cols []arrow.Array
		if position {
			cols = append(cols, positions(c.mem, offsets))
		}
		if arr.DataType().ID() != arrow.MAP {
			return owners(offsets), append(cols, elements), nil
		}
		defer elements.Release()
		return owners(offsets), append(cols, retained(vector.FieldsOf(elements))...), nil
	}
}

func retained(arrs []arrow.Array) []arrow.Array {
	for _, a := range arrs {
		a.Retain()
	}
	return arrs
}

// owners is, for each element, the row it belongs to.
func owners(offsets []int32) []int32 {
	n := len(offsets) - 1
	out := make([]int32, offsets[n])
	for i := range n {
		for k := offsets[i]; k < offsets[i+1]; k++ {
			out[k] = int32(i)
		}
	}
	return out
}

// positions is, for each element, its place in its array, from 0.
func positions(mem memory.Allocator, offsets []int32) arrow.Array {
	n := len(offsets) - 1
	buf, out := vector.Alloc[int32](mem, int(offsets[n]))
	for i := range n {
		from := offsets[i]
		for k := from; k < offsets[i+1]; k++ {
			out[k] = k - from
		}
	}
	return vector.Make(arrow.PrimitiveTypes.Int32, len(out), nil, buf)
}

func resolveInline(args []plan.Type) (Signature, error) {
	if len(args) != 1 {
		return Signature{}, arityError{"1", len(args)}
	}
	if !isArray(args[0]) || args[0].Element().Type.Kind != plan.KindStruct {
		return Signature{}, argumentError{0, `"ARRAY<STRUCT>"`, args[0]}
	}
	fields := append([]plan.Field(nil), args[0].Element().Type.Children...)
	for i := range fields {
		fields[i].Nullable = true
	}
	return Signature{Args: args, Returns: plan.Struct(fields...)}, nil
}

func generateInlined(c *context, args []value, _ plan.Type) ([]int32, []arrow.Array, error) {
	arr := wholeColumn(c, args[0])
	defer arr.Release()
	offsets, elements := vector.ListsOf(arr).Flatten(c.mem)
	defer elements.Release()
	return owners(offsets), visibleFields(c.mem, elements), nil
}

// resolveStack cannot tell the columns without the number of rows.
func resolveStack(args []plan.Type) (Signature, error) {
	if len(args) < 2 {
		return Signature{}, arityError{"> 1", len(args)}
	}
	return Signature{}, userError("DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
		"Cannot resolve \"stack\" due to data type mismatch: the input `n` should be a foldable \"INT\" expression.")
}

func resolveStackCall(args []*plan.Expr) (Signature, error) {
	types := exprTypes(args)
	if len(args) < 2 {
		return resolveStack(types)
	}
	n, ok := constantInt(args[0])
	switch {
	case args[0].Type.Kind != plan.KindInt32:
		return Signature{}, argumentError{0, `"INT"`, args[0].Type}
	case !ok:
		return resolveStack(types)
	case n <= 0:
		return Signature{}, userError("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", "Cannot resolve \"stack\" due to data type "+
			"mismatch: The `n` must be between (0, 2147483647] (current value = %d).", n)
	}
	values := args[1:]
	width := (len(values) + int(n) - 1) / int(n)
	fields := make([]plan.Field, width)
	for i, v := range values {
		f := &fields[i%width]
		switch {
		case i < width:
			*f = columnField(fmt.Sprint("col", i), v.Type)
		case f.Type.Kind == plan.KindNull:
			f.Type = v.Type
		case v.Type.Kind != plan.KindNull && !sameShape(f.Type, v.Type):
			return Signature{}, userError("DATATYPE_MISMATCH.STACK_COLUMN_DIFF_TYPES", "Cannot resolve \"stack\" due to data "+
				"type mismatch: The data type of the column (%d) do not have the same type: %s (%d) <> %s (%d).",
				i%width, sqlType(f.Type), i%width+1, sqlType(v.Type), i+1)
		}
	}
	for i := range values {
		types[i+1] = fields[i%width].Type
	}
	return Signature{Args: types, Returns: plan.Struct(fields...)}, nil
}

// constantInt is the value of a constant integer.
func constantInt(e *plan.Expr) (int64, bool) {
	return e.Value.Int, e.IsLiteral() && !e.Value.Null && e.Type.IsInteger()
}

func generateStack(c *context, args []value, t plan.Type) ([]int32, []arrow.Array, error) {
	width := len(t.Children)
	n := int(load[int32](c.scratch, args[0], 0).at(0))
	rows := repeatedRows(c.n, n)
	cols := make([]arrow.Array, 0, width)
	for k := range width {
		col, err := interleave(c, args[1:], k, width, n, t.Children[k].Type)
		if err != nil {
			for _, a := range cols {
				a.Release()
			}
			return nil, nil, err
		}
		cols = append(cols, col)
	}
	return rows, cols, nil
}

// repeatedRows is each of n rows so many times.
func repeatedRows(n, times int) []int32 {
	rows := make([]int32, n*times)
	for i := range rows {
		rows[i] = int32(i / times)
	}
	return rows
}

// interleave is a column that takes from the values k, k+width, k+2·width …, n of them, for each row in turn.
func interleave(c *context, values []value, k, width, n int, t plan.Type) (arrow.Array, error) {
	var pieces []arrow.Array
	base, step := make([]int32, n), make([]int32, n)
	length := int32(0)
	for j := range n {
		base[j] = -1
		if at := k + j*width; at < len(values) {
			pieces = append(pieces, values[at].arr)
			if base[j] = length; !values[at].constant {
				step[j] = 1
			}
			length += int32(values[at].arr.Len())
		}
	}
	if len(pieces) == 0 {
		return vector.FromLiteral(c.mem, t, plan.Literal{Null: true}, c.n*n), nil
	}
	all, err := vector.Concat(c.mem, pieces)
	if err != nil {
		return nil, err
	}
	defer all.Release()
	idx := make([]int32, 0, c.n*n)
	for i := range int32(c.n) {
		for j := range n {
			if base[j] < 0 {
				idx = append(idx, -1)
				continue
			}
			idx = append(idx, base[j]+i*step[j])
		}
	}
	return vector.Take(c.mem, all, idx), nil
}

func resolveReplicate(args []plan.Type) (Signature, error) {
	if len(args) < 1 {
		return Signature{}, arityError{"> 0", len(args)}
	}
	if !canCoerce(args[0], plan.Int64) {
		return Signature{}, argumentError{0, sqlType(plan.Int64), args[0]}
	}
	cast := append([]plan.Type{plan.Int64}, args[1:]...)
	fields := make([]plan.Field, len(args)-1)
	for i, t := range args[1:] {
		fields[i] = columnField(fmt.Sprint("col", i), t)
	}
	return Signature{Args: cast, Returns: plan.Struct(fields...)}, nil
}

func generateReplicated(c *context, args []value, _ plan.Type) ([]int32, []arrow.Array, error) {
	counts, isNull := load[int64](c.scratch, args[0], 0), nullsOf(args[0])
	var rows []int32
	for i := range c.n {
		if isNull(i) {
			continue
		}
		if counts.at(i) > maxElements-int64(len(rows)) {
			return nil, nil, errTooManyElements()
		}
		for range counts.at(i) {
			rows = append(rows, int32(i))
		}
	}
	cols := make([]arrow.Array, len(args)-1)
	for k, v := range args[1:] {
		arr := wholeColumn(c, v)
		cols[k] = vector.Take(c.mem, arr, rows)
		arr.Release()
	}
	return rows, cols, nil
}
