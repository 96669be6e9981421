package step

import (
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/sql"
)

// Check finds mistakes that show without the columns of what the step reads: names of sources and steps that are not among
// the known ones, and the syntax of expressions. Expressions gets each expression that can be read.
func (s *Step) Check(known []string, expression func(*source.Text)) []error {
	c := &checker{file: s.file, known: known, expression: expression}
	c.mapping(s.Kind.Fields, s.step.Options)
	return c.mistakes
}

type checker struct {
	file       *jobfile.File
	known      []string
	expression func(*source.Text)
	mistakes   []error
}

func (c *checker) mapping(fields []Field, t *jobfile.Tree) {
	for _, f := range fields {
		value := t.Entry(f.Name)
		switch {
		case value == nil || value.Form == jobfile.Nothing:
		case value.Form == jobfile.List:
			for _, item := range value.Items {
				c.value(f, item)
			}
		default:
			c.value(f, value)
		}
	}
}

func (c *checker) value(f Field, t *jobfile.Tree) {
	switch {
	case f.Fields != nil:
		c.mapping(f.Fields, t)
	case strings.HasSuffix(f.Type, "step or source"):
		if err := NoRelation(c.file, t.Value, c.known); err != nil {
			c.mistakes = append(c.mistakes, err)
		}
	case (f.Type == "expression" || f.Type == "condition") && t.SQL != nil:
		if _, err := sql.ParseExpr(t.SQL); err != nil {
			c.mistakes = append(c.mistakes, err)
			return
		}
		c.expression(t.SQL)
	}
}

// NoRelation is the error for a name that no source and no earlier step has; nil if one has it.
func NoRelation(f *jobfile.File, name jobfile.Value, known []string) error {
	for _, k := range known {
		if strings.EqualFold(k, name.Text) {
			return nil
		}
	}
	err := failAt(f, name, "there is no source or earlier step %q", name.Text)
	if len(known) == 0 {
		return err
	}
	return hint(err, name.Text, known, "there are: "+strings.Join(known, ", "))
}
