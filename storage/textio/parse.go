package textio

import (
	"bytes"
	"unsafe"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/plan"
)

// rowParser makes rows of records.
type rowParser struct {
	o      *options
	values *compute.TextReader
	fields fieldReader

	all     []plan.Field // the file's columns, for CSV in order
	want    []wanted     // those of the scan
	row     plan.Type    // the same as a struct, for JSON
	corrupt int          // place in want of the column for records that cannot be read, or -1
	data    int          // how many fields a record of CSV should have
	items   []plan.Literal
}

// wanted is a column of the scan.
type wanted struct {
	field plan.Field
	at    int // in a record of CSV; -1: not there
}

func newRowParser(o *options, all, columns []plan.Field, session plan.Session) (*rowParser, error) {
	values, err := compute.NewTextReader(o.times, session)
	if err != nil {
		return nil, err
	}
	p := &rowParser{o: o, values: values, fields: fieldReader{o: o}, all: all, corrupt: -1, row: plan.Struct(columns...)}
	places := map[string]int{}
	for _, f := range all {
		if !o.isCorrupt(f) {
			places[f.Name] = p.data
			p.data++
		}
	}
	for i, f := range columns {
		w := wanted{field: f, at: -1}
		if o.isCorrupt(f) {
			p.corrupt = i
		} else if at, ok := places[f.Name]; ok {
			w.at = at
		}
		p.want = append(p.want, w)
	}
	p.items = make([]plan.Literal, len(columns))
	return p, nil
}

// isCorrupt reports the column that takes records which cannot be read.
func (o *options) isCorrupt(f plan.Field) bool {
	return f.Name == o.corrupt && f.Type.Kind == plan.KindString
}

var null = plan.Literal{Null: true}

// parse makes rows of a record, each as a constant for each column of the scan, and calls visit with them. It reports
// whether all of the record could be read.
func (p *rowParser) parse(rec []byte, visit func(row []plan.Literal)) bool {
	if p.o.json {
		return p.parseJSON(rec, visit)
	}
	ok := p.parseCSV(rec)
	if p.corrupt >= 0 {
		p.items[p.corrupt] = null
		if !ok {
			p.items[p.corrupt] = plan.Literal{Bytes: rec}
		}
	}
	if ok || p.o.mode == permissive {
		visit(p.items)
	}
	return ok
}

// parseCSV fills items.
func (p *rowParser) parseCSV(rec []byte) bool {
	fields := p.fields.split(rec)
	ok := len(fields) == p.data
	for i, w := range p.want {
		p.items[i] = null
		if w.at < 0 || w.at >= len(fields) {
			continue
		}
		text, quoted := fields[w.at].text, fields[w.at].quoted
		if len(text) == 0 && quoted {
			text = []byte(p.o.emptyValue)
		}
		if len(text) == 0 && !quoted || string(text) == p.o.nullValue {
			continue
		}
		v, good := p.csvValue(text, w.field.Type)
		if !good {
			ok = false
			continue
		}
		p.items[i] = v
	}
	return ok
}

func (p *rowParser) csvValue(text []byte, t plan.Type) (plan.Literal, bool) {
	s := view(text)
	switch t.Kind {
	case plan.KindString:
		return plan.Literal{Bytes: text}, true
	case plan.KindFloat32, plan.KindFloat64:
		switch s {
		case p.o.nanValue:
			s = "NaN"
		case p.o.posInf:
			s = "Infinity"
		case p.o.negInf:
			s = "-Infinity"
		}
	}
	return p.values.CSVValue(s, t)
}

// view is a string that shares memory with b, which must not change while it is in use.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func (p *rowParser) parseJSON(rec []byte, visit func(row []plan.Literal)) bool {
	rows, ok := p.values.JSONRows(view(rec), p.row)
	if !ok && len(rows) == 0 {
		for i := range p.items {
			p.items[i] = null
		}
		if p.corrupt >= 0 {
			p.items[p.corrupt] = plan.Literal{Bytes: rec}
		}
		if p.o.mode == permissive {
			visit(p.items)
		}
		return false
	}
	if !ok && p.o.mode != permissive {
		return false
	}
	for _, row := range rows {
		if row.Null {
			for i := range p.items {
				p.items[i] = null
			}
			row.Items = p.items
		}
		if p.corrupt >= 0 {
			row.Items[p.corrupt] = null
			if !ok {
				row.Items[p.corrupt] = plan.Literal{Bytes: rec}
			}
		}
		visit(row.Items)
	}
	return ok
}

// blank reports a record that is none: an empty line, or a comment. Blanks alone are a field where records of CSV may
// span lines.
func (o *options) blank(rec []byte) bool {
	if o.json || !o.multiLine || o.trimLeading {
		rec = bytes.TrimLeft(rec, " \t\r\n")
	}
	return len(rec) == 0 || o.comment != 0 && rec[0] == o.comment
}
