package udf

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Takes says that the function takes options as the struct has fields, named as encoding/json names them, with these values
// where the job gives none. A field's tag doc:"…" is a sentence for people. If *T has a method Validate() error, it is
// called when a job is planned. Options is how the function gets at them.
func Takes[T any](defaults T) Option {
	return func(f *Function) {
		schema, err := optionsSchema(reflect.TypeFor[T](), reflect.ValueOf(defaults))
		if err != nil && f.err == nil {
			f.err = err
		}
		f.describe.OptionsSchema = schema
		f.options = func(ctx *Context, text string) error {
			options := defaults
			if err := readOptions(text, &options); err != nil {
				return err
			}
			ctx.options = options
			return nil
		}
	}
}

// Options are the options that the job gives the function, of the type that its Takes has.
func Options[T any](ctx *Context) T {
	options, ok := ctx.options.(T)
	if !ok {
		panic(fmt.Sprintf("udf.Options[%s]: the function takes %T", reflect.TypeFor[T](), ctx.options))
	}
	return options
}

// optionError is a mistake in one option.
type optionError struct {
	pointer string // JSON Pointer
	text    string
}

func (e *optionError) Error() string { return e.text }

func readOptions(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &mismatch) && mismatch.Field != "":
		return &optionError{"/" + strings.ReplaceAll(mismatch.Field, ".", "/"),
			fmt.Sprintf("option %s: a JSON %s is no %s", mismatch.Field, mismatch.Value, jsonType(mismatch.Type))}
	case err != nil:
		if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
			name = strings.Trim(name, `"`)
			return &optionError{"/" + name, fmt.Sprintf("the function has no option %q", name)}
		}
		return fmt.Errorf("options: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("options: more than one JSON value")
	}
	if v, ok := into.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// optionsSchema is a JSON Schema of a struct's fields.
func optionsSchema(t reflect.Type, defaults reflect.Value) (string, error) {
	if t.Kind() != reflect.Struct {
		return "", fmt.Errorf("options of type %s: use a struct", t)
	}
	properties := map[string]any{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		property := map[string]any{"type": jsonType(f.Type)}
		if doc := f.Tag.Get("doc"); doc != "" {
			property["description"] = doc
		}
		if v := defaults.Field(i); !v.IsZero() {
			property["default"] = v.Interface()
		}
		properties[name] = property
	}
	schema, err := json.Marshal(map[string]any{"type": "object", "properties": properties, "additionalProperties": false})
	if err != nil {
		return "", fmt.Errorf("default options: %w", err)
	}
	return string(schema), nil
}

// jsonType is what JSON Schema calls the values of a Go type.
func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "boolean"
	case reflect.String:
		return "string"
	case reflect.Float32, reflect.Float64:
		return "number"
	case reflect.Slice, reflect.Array:
		return "array"
	case reflect.Map, reflect.Struct:
		return "object"
	case reflect.Pointer:
		return jsonType(t.Elem())
	}
	return "integer"
}
