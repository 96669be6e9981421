package udf

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"
	"unsafe"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Column is a column of a table function's rows.
type Column struct {
	Name     string
	Type     Type
	Nullable bool
}

// rowCodec goes between structs and batches. A field is a column, named by its tag udf:"…", or else by its own name in
// snake case.
type rowCodec[T any] struct {
	columns []Column
	fields  []field
}

// field is one field of a struct.
type field struct {
	offset uintptr
	// scatter reads a column into the field of each of the structs that lie at base, stride apart.
	scatter func(arr arrow.Array, base unsafe.Pointer, stride uintptr) error
	// gather makes a column of the field of n structs.
	gather func(base unsafe.Pointer, stride uintptr, n int) arrow.Array
}

// rowsOf is the codec of a struct type.
func rowsOf[T any]() (rowCodec[T], error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Struct {
		return rowCodec[T]{}, fmt.Errorf("rows of type %s: use a struct with a field for each column", t)
	}
	var c rowCodec[T]
	seen := map[string]bool{}
	for i := range t.NumField() {
		sf := t.Field(i)
		if !sf.IsExported() {
			return rowCodec[T]{}, fmt.Errorf("field %s of %s is not exported", sf.Name, t)
		}
		name := sf.Tag.Get("udf")
		if name == "" {
			name = snake(sf.Name)
		}
		if seen[name] {
			return rowCodec[T]{}, fmt.Errorf("two fields of %s are column %s", t, name)
		}
		seen[name] = true
		make := fieldMakers[sf.Type]
		if make == nil {
			return rowCodec[T]{}, fmt.Errorf("field %s of %s is a %s, which is no column: see udf.Value", sf.Name, t, sf.Type)
		}
		column, f := make(sf.Offset)
		column.Name = name
		c.columns, c.fields = append(c.columns, column), append(c.fields, f)
	}
	if len(c.fields) == 0 {
		return rowCodec[T]{}, fmt.Errorf("%s has no fields", t)
	}
	return c, nil
}

// read is a batch's rows. NULL in a field that is no pointer is an error.
func (c rowCodec[T]) read(rec arrow.Record) ([]T, error) {
	for i, column := range c.columns {
		if i < int(rec.NumCols()) && !column.Nullable && rec.Column(i).NullN() > 0 {
			return nil, fmt.Errorf("column %s is NULL, for which the function's field has to be a pointer", column.Name)
		}
	}
	return c.readSkipping(rec)
}

// readSkipping is read that leaves anything where a column is NULL whose field is no pointer.
func (c rowCodec[T]) readSkipping(rec arrow.Record) ([]T, error) {
	if int(rec.NumCols()) != len(c.fields) {
		return nil, fmt.Errorf("a batch of %d columns, not %d", rec.NumCols(), len(c.fields))
	}
	rows := make([]T, rec.NumRows())
	if len(rows) == 0 {
		return rows, nil
	}
	for i, f := range c.fields {
		base := unsafe.Add(unsafe.Pointer(unsafe.SliceData(rows)), f.offset)
		if err := f.scatter(rec.Column(i), base, unsafe.Sizeof(rows[0])); err != nil {
			return nil, fmt.Errorf("column %s: %w", c.columns[i].Name, err)
		}
	}
	return rows, nil
}

// build is a batch of rows, of some of the columns: all for nil.
func (c rowCodec[T]) build(rows []T, only []int) arrow.Record {
	if only == nil {
		only = make([]int, len(c.fields))
		for i := range only {
			only[i] = i
		}
	}
	cols, columns := make([]arrow.Array, len(only)), make([]Column, len(only))
	for i, at := range only {
		var zero T
		base := unsafe.Pointer(unsafe.SliceData(rows))
		if len(rows) > 0 {
			base = unsafe.Add(base, c.fields[at].offset)
		}
		cols[i], columns[i] = c.fields[at].gather(base, unsafe.Sizeof(zero), len(rows)), c.columns[at]
	}
	defer func() {
		for _, col := range cols {
			col.Release()
		}
	}()
	return array.NewRecord(schemaOf(columns), cols, int64(len(rows)))
}

// schemaOf is the Arrow schema of columns.
func schemaOf(columns []Column) *arrow.Schema {
	fields := make([]arrow.Field, len(columns))
	for i, c := range columns {
		fields[i] = arrow.Field{Name: c.Name, Type: c.Type.Arrow(), Nullable: true}
	}
	return arrow.NewSchema(fields, nil)
}

// described is the columns as the protocol has them.
func described(columns []Column) []*udfpb.Column {
	out := make([]*udfpb.Column, len(columns))
	for i, c := range columns {
		out[i] = &udfpb.Column{Name: c.Name, Type: string(c.Type), Nullable: c.Nullable}
	}
	return out
}

// fieldMakers has the types that a column can have in a struct.
var fieldMakers = map[reflect.Type]func(offset uintptr) (Column, field){
	reflect.TypeFor[bool]():       fieldOf[bool],
	reflect.TypeFor[int8]():       fieldOf[int8],
	reflect.TypeFor[int16]():      fieldOf[int16],
	reflect.TypeFor[int32]():      fieldOf[int32],
	reflect.TypeFor[int64]():      fieldOf[int64],
	reflect.TypeFor[float32]():    fieldOf[float32],
	reflect.TypeFor[float64]():    fieldOf[float64],
	reflect.TypeFor[string]():     fieldOf[string],
	reflect.TypeFor[[]byte]():     fieldOf[[]byte],
	reflect.TypeFor[Date]():       fieldOf[Date],
	reflect.TypeFor[time.Time]():  fieldOf[time.Time],
	reflect.TypeFor[*bool]():      fieldOf[*bool],
	reflect.TypeFor[*int8]():      fieldOf[*int8],
	reflect.TypeFor[*int16]():     fieldOf[*int16],
	reflect.TypeFor[*int32]():     fieldOf[*int32],
	reflect.TypeFor[*int64]():     fieldOf[*int64],
	reflect.TypeFor[*float32]():   fieldOf[*float32],
	reflect.TypeFor[*float64]():   fieldOf[*float64],
	reflect.TypeFor[*string]():    fieldOf[*string],
	reflect.TypeFor[*[]byte]():    fieldOf[*[]byte],
	reflect.TypeFor[*Date]():      fieldOf[*Date],
	reflect.TypeFor[*time.Time](): fieldOf[*time.Time],
}

func fieldOf[V Value](offset uintptr) (Column, field) {
	c := codecOf[V]()
	return Column{Type: c.typ, Nullable: c.optional}, field{
		offset: offset,
		scatter: func(arr arrow.Array, base unsafe.Pointer, stride uintptr) error {
			values, err := c.read(arr)
			for i, v := range values {
				*(*V)(unsafe.Add(base, uintptr(i)*stride)) = v
			}
			return err
		},
		gather: func(base unsafe.Pointer, stride uintptr, n int) arrow.Array {
			values := make([]V, n)
			for i := range values {
				values[i] = *(*V)(unsafe.Add(base, uintptr(i)*stride))
			}
			return c.build(nil, values, nil)
		},
	}
}

// snake is a Go name as a column's: UserID is user_id.
func snake(name string) string {
	var b strings.Builder
	runes := []rune(name)
	for i, r := range runes {
		if unicode.IsUpper(r) && i > 0 && (!unicode.IsUpper(runes[i-1]) || i+1 < len(runes) && unicode.IsLower(runes[i+1])) && runes[i-1] != '_' {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
