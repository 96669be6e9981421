package arrowipc

import (
	"errors"
	"fmt"
)

// Ordinals of the fields that are looked at, in Arrow's Message.fbs and Schema.fbs.
const (
	messageHeaderType = 1
	messageHeader     = 2
	messageBodyLength = 3
	schemaFields      = 1
	schemaMetadata    = 2
	fieldType         = 2
	fieldChildren     = 5
	fieldMetadata     = 6

	headerIsSchema = 1
)

// The types that are used between processes, by their numbers in Schema.fbs: up to lastPlainType null, integers,
// floats, binary, strings, booleans, decimals, dates, times and timestamps.
const (
	lastPlainType = 10
	typeInterval  = 11
	typeList      = 12
	typeStruct    = 13
	typeMap       = 17
	typeDuration  = 18
)

const (
	maxColumns  = 1 << 16 // fields of nested columns included
	maxMetadata = 64
	maxDepth    = 100
)

// schemaChecker checks the counts of a schema message and the types of its fields. Offsets may make a field the child
// of many others, so what bounds the work is the number of fields that were met, not the size of the message.
type schemaChecker struct {
	foreign bool // any type that Arrow has may come, as in files of others
	met     int
}

func checkSchema(message table, foreign bool) error {
	schema, ok, err := message.child(messageHeader)
	if err != nil || !ok {
		return errors.Join(errors.New("schema message without a schema"), err)
	}
	if err := checkMetadata(schema, schemaMetadata); err != nil {
		return err
	}
	c := schemaChecker{foreign: foreign}
	return c.fields(schema, schemaFields, 0)
}

// fields checks a vector of fields.
func (c *schemaChecker) fields(of table, ordinal int64, depth int) error {
	first, count, err := of.vector(ordinal)
	if err != nil {
		return err
	}
	if c.met += int(count); c.met > maxColumns || depth > maxDepth {
		return fmt.Errorf("%d columns, nested %d deep", c.met, depth)
	}
	for i := range count {
		at, err := follow(of.buf, first+4*i)
		if err != nil {
			return err
		}
		field, err := newTable(of.buf, at)
		if err != nil {
			return err
		}
		if err := c.field(field, depth); err != nil {
			return fmt.Errorf("column %d: %w", i, err)
		}
	}
	return nil
}

func (c *schemaChecker) field(f table, depth int) error {
	kind, err := f.scalar(fieldType, 1)
	if err != nil || len(kind) != 1 {
		return errors.Join(errors.New("no type"), err)
	}
	if err := checkMetadata(f, fieldMetadata); err != nil {
		return err
	}
	_, children, err := f.vector(fieldChildren)
	if err != nil {
		return err
	}
	switch k := kind[0]; {
	case c.foreign:
		return c.fields(f, fieldChildren, depth+1)
	case k <= lastPlainType || k == typeInterval || k == typeDuration:
		if children > 0 {
			return fmt.Errorf("type %d with %d children", k, children)
		}
		return nil
	case k == typeStruct || (k == typeList || k == typeMap) && children == 1:
		return c.fields(f, fieldChildren, depth+1)
	}
	return fmt.Errorf("type %d with %d children is not used between processes", kind[0], children)
}

func checkMetadata(t table, ordinal int64) error {
	_, count, err := t.vector(ordinal)
	if err == nil && count > maxMetadata {
		err = fmt.Errorf("%d metadata entries", count)
	}
	return err
}
