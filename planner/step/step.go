// Package step is the registry of the operators that a job file's steps may be besides SQL: those that make training
// data, and the call of a plugin's table function. Each is a name, the options that it takes, and a function that plans it. What SQL can say is planned as SQL, text
// and all, so that a step has the meaning that its documentation shows; the rest are nodes of their own.
//
// The checks of outputs are kinds of the same form: see [ParseOutputCheck] and [PlanOutputChecks].
//
// A step is read before anything is looked up, so that a typing error is told at once: see [Parse]. It is planned when
// the columns of what it reads are known: see [Step.Plan]. All mistakes are of type *source.Error and point into the
// job file.
package step

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

// Kind is an operator.
type Kind struct {
	Name    string
	Summary string
	Fields  []Field
	// Example is the text of a step, Notes what else to know about the operator, in Markdown.
	Example, Notes string
	// Short is the option that a check may be given by alone.
	Short string

	read      func(o *options) planner
	readCheck func(o *options) measurer // of a check
}

// Field is an option.
type Field struct {
	Name     string
	Type     string // for people: "column", "list of columns", "duration", …
	Required bool
	Doc      string
	Fields   []Field // of what is a mapping, or a list of mappings
}

// planner is an operator whose options have been read.
type planner interface {
	// plan makes the rows of the step. Problems go to p.fail, and what is returned after one is not used.
	plan(p *planning) logical.Node
}

// kinds lists the operators in the order in which a night uses them.
var kinds = []*Kind{dedupeKind, sessionizeKind, asofKind, windowsKind, sequenceKind, labelKind, sampleKind, negativesKind, splitKind, shuffleKind, mapKind}

// Kinds lists the operators. The caller must not change them.
func Kinds() []*Kind { return slices.Clone(kinds) }

// lookup finds an operator by name.
func lookup(name string) (*Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return nil, false
}

// Step is a step of a job file that is an operator.
type Step struct {
	Kind    *Kind
	file    *jobfile.File
	step    *jobfile.Step
	planner planner
	doubts  []*source.Error

	// What the latest Plan has found.
	first     int // number of its first tally; 0: nothing is counted
	tallies   []plan.TallyInfo
	reads     []string
	watermark string

	looksAhead int64
}

// LooksAhead is [logical.Relation.LooksAhead] of what the latest Plan made.
func (s *Step) LooksAhead() int64 { return s.looksAhead }

// Parse reads the options of a step. Parameters are replaced in texts; in expressions they are constants.
func Parse(f *jobfile.File, s *jobfile.Step, params jobfile.Params) (*Step, error) {
	kind, ok := lookup(s.Operator.Text)
	if !ok {
		names := []string{"sql"}
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		err := f.Errorf(s.Operator.Span, "there is no operator %q", s.Operator.Text)
		return nil, hint(err, s.Operator.Text, names, "a step is "+strings.Join(names, ", "))
	}
	o := newOptions(f, params, s.Operator, kind.Name, kind.Fields, s.Options)
	planner := kind.read(o)
	if *o.err != nil {
		return nil, *o.err
	}
	return &Step{Kind: kind, file: f, step: s, planner: planner, doubts: *o.doubts}, nil
}

// Doubts is what is allowed, and perhaps not meant.
func (s *Step) Doubts() []*source.Error { return s.doubts }

// Plan plans the step over the sources and steps before it. What it counts is numbered from first on; nothing is counted if that
// is 0.
func (s *Step) Plan(env *logical.Environment, first int) (logical.Node, error) {
	p := &planning{file: s.file, step: s.step, env: env, first: first}
	node := s.planner.plan(p)
	if p.err != nil {
		return nil, p.err
	}
	s.first, s.tallies, s.reads, s.watermark = first, p.tallies, p.reads, p.watermark
	s.looksAhead = p.looksAhead
	return node, nil
}

// hint names the one of the known names that is most like the one given, or says otherwise what there is; "" for nothing.
func hint(err *source.Error, given string, known []string, otherwise string) *source.Error {
	if near := source.Nearest(given, known); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	if otherwise == "" {
		return err
	}
	return err.WithHint("%s", otherwise)
}

// failAt makes an error at a place in the file.
func failAt(f *jobfile.File, at jobfile.Value, format string, args ...any) *source.Error {
	return f.Errorf(at.Span, "%s", fmt.Sprintf(format, args...))
}
