package planner

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/quern-engine/quern/planner/step"
)

// jobFrame is the JSON Schema of a job file without its steps and checks, which the registry has.
//
//go:embed jobschema.json
var jobFrame []byte

// schema is a JSON Schema, or a part of one.
type schema = map[string]any

// JobSchema is a JSON Schema (draft 7, which editors know best) of job files. What the strict reader takes, it takes; that the
// reverse does not hold (types, names, SQL) is for validation to say.
func JobSchema() ([]byte, error) {
	var frame schema
	if err := json.Unmarshal(jobFrame, &frame); err != nil {
		return nil, fmt.Errorf("read the frame of the schema: %w", err)
	}
	definitions := frame["definitions"].(schema)
	definitions["step"], definitions["check"] = stepSchema(), checkSchema()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(frame); err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return out.Bytes(), nil
}

// stepSchema is a step: a name, and SQL or one operator.
func stepSchema() schema {
	properties := schema{
		"name": schema{"$ref": "#/definitions/sqlName", "description": "By which later steps and outputs read its rows."},
		"sql":  schema{"type": "string", "minLength": 1, "description": "A query in Spark's dialect."},
	}
	forms := []any{schema{"required": []any{"sql"}}}
	for _, k := range step.Kinds() {
		operator := fieldsSchema(k.Fields)
		operator["description"] = k.Summary
		properties[k.Name] = operator
		forms = append(forms, schema{"required": []any{k.Name}})
	}
	return schema{"type": "object", "required": []any{"name"}, "additionalProperties": false, "properties": properties, "oneOf": forms}
}

// checkSchema is a check: what it is about, and one kind, in full or by its shortest form.
func checkSchema() schema {
	properties := schema{
		"output":   schema{"$ref": "#/definitions/id", "description": "The output that is looked at; may be left out where there is only one."},
		"name":     schema{"type": "string", "minLength": 1, "description": "What the check is called in tables and manifests."},
		"severity": schema{"enum": []any{"block", "warn"}, "description": "Whether nothing is published if the check does not hold. Default: block."},
	}
	var forms []any
	for _, k := range step.CheckKinds() {
		kind := fieldsSchema(k.Fields)
		for _, f := range k.Fields {
			if f.Name == k.Short {
				kind = schema{"anyOf": []any{kind, fieldSchema(f)}}
			}
		}
		kind["description"] = k.Summary
		properties[k.Name] = kind
		forms = append(forms, schema{"required": []any{k.Name}})
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties, "oneOf": forms}
}

// fieldsSchema is a mapping with a fixed set of options.
func fieldsSchema(fields []step.Field) schema {
	properties, required := schema{}, []any{}
	for _, f := range fields {
		value := fieldSchema(f)
		value["description"] = f.Doc
		properties[f.Name] = value
		if f.Required {
			required = append(required, f.Name)
		}
	}
	out := schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

var wordsPattern = regexp.MustCompile("^(?:`[a-z_]+`(?:, | or |$))+$")

// fieldSchema is the value of an option, by the type that its documentation names. One that is named otherwise may be
// anything here: the step itself knows better. So may an option that is left empty, which counts as not given.
func fieldSchema(f step.Field) schema {
	text := func(types ...any) schema { return schema{"type": append(types, "null")} }
	switch {
	case f.Fields != nil && strings.HasPrefix(f.Type, "list of"):
		part := fieldsSchema(f.Fields)
		return schema{"anyOf": []any{part, schema{"type": "array", "items": part, "minItems": 1}, schema{"type": "null"}}}
	case f.Fields != nil && f.Type == "mapping":
		return schema{"anyOf": []any{fieldsSchema(f.Fields), schema{"type": "null"}}}
	case wordsPattern.MatchString(f.Type):
		words := []any{nil}
		for i, w := range strings.Split(f.Type, "`") {
			if i%2 == 1 {
				words = append(words, w)
			}
		}
		return schema{"enum": words}
	}
	switch f.Type {
	case "step or source", "output, step or source", "output", "column", "name", "text":
		return text("string")
	case "list of columns":
		return schema{"anyOf": []any{text("string"), schema{"type": "array", "items": schema{"type": "string"}, "minItems": 1}}}
	case "value":
		return text("string", "number", "boolean")
	case "list of values":
		return schema{"anyOf": []any{text("string", "number", "boolean"), schema{"type": "array", "items": text("string", "number", "boolean"), "minItems": 1}}}
	case "expression", "condition":
		return text("string", "number", "boolean")
	case "duration":
		return schema{"type": []any{"string", "null"}, "pattern": "^([0-9]+(w|d|h|ms|m|s|us))+$"}
	case "text or number":
		return text("string", "number")
	case "number", "number from 0 to 1":
		return text("number")
	case "whole number":
		return text("integer")
	case "true or false":
		return text("boolean")
	}
	return schema{}
}
