package main

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// appendJSON appends a value. Arrays are arrays, structs and maps are objects.
func appendJSON(b []byte, t plan.Type, col arrow.Array, i int, zone *time.Location) []byte {
	if isNull(col, i) {
		return append(b, "null"...)
	}
	switch t.Kind {
	case plan.KindArray:
		return appendJSONArray(b, t, vector.ListsOf(col), i, zone)
	case plan.KindMap:
		return appendJSONMap(b, t, vector.MapsOf(col), i, zone)
	case plan.KindStruct:
		return appendJSONStruct(b, t, vector.FieldsOf(col), i, zone)
	}
	v := vector.LiteralAt(col, i)
	switch {
	case t.Kind == plan.KindBoolean:
		return strconv.AppendBool(b, v.Int != 0)
	case t.IsInteger():
		return strconv.AppendInt(b, v.Int, 10)
	case t.IsFloat():
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			number, _ := json.Marshal(f) // a finite float always has a JSON form
			return append(b, number...)
		}
	}
	return appendQuoted(b, vector.FormatIn(col, i, zone))
}

func appendQuoted(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always has a JSON form
	return append(b, quoted...)
}

func appendJSONArray(b []byte, t plan.Type, lists vector.Lists, i int, zone *time.Location) []byte {
	from, to := int(lists.Offsets[i]), int(lists.Offsets[i+1])
	b = append(b, '[')
	for k := from; k < to; k++ {
		if k > from {
			b = append(b, ',')
		}
		b = appendJSON(b, t.Element().Type, lists.Elements, k, zone)
	}
	return append(b, ']')
}

func appendJSONMap(b []byte, t plan.Type, maps vector.Maps, i int, zone *time.Location) []byte {
	from, to := int(maps.Offsets[i]), int(maps.Offsets[i+1])
	b = append(b, '{')
	for k := from; k < to; k++ {
		if k > from {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, vector.FormatIn(maps.Keys, k, zone)), ':')
		b = appendJSON(b, t.MapValue().Type, maps.Values, k, zone)
	}
	return append(b, '}')
}

func appendJSONStruct(b []byte, t plan.Type, fields []arrow.Array, i int, zone *time.Location) []byte {
	b = append(b, '{')
	for f, field := range fields {
		if f > 0 {
			b = append(b, ',')
		}
		b = append(appendQuoted(b, t.Children[f].Name), ':')
		b = appendJSON(b, t.Children[f].Type, field, i, zone)
	}
	return append(b, '}')
}
