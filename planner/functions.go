package planner

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
)

// FunctionRef is a plugin function that a job file names.
type FunctionRef struct {
	Name   string // as called in SQL
	Plugin string // a Go package, Python sources or an executable, as written: relative to the job file's folder; or a name
	Python string // the interpreter or virtual environment of Python sources, absolute; empty for the usual one
	Export string // as registered in the plugin
	SHA256 string // the pin, if the job file has one
	// Options is a JSON object, empty for none; Files are paths by name, absolute.
	Options string
	Files   map[string]string
	plan.Treatment

	file *jobfile.File
	fn   jobfile.Function
}

// FunctionsWanted lists a job file's plugin functions, so that the caller can build and describe the plugins before
// it asks for a plan. The file is in the folder dir.
func FunctionsWanted(file, dir, text string, params map[string]string) ([]FunctionRef, error) {
	job, err := jobfile.Parse(file, text)
	if err != nil || len(job.Functions) == 0 {
		return nil, err
	}
	var values jobfile.Params
	if takesParams(job) {
		if values, err = job.Resolve(params); err != nil {
			return nil, err
		}
	}
	var refs []FunctionRef
	for _, f := range job.Functions {
		ref := FunctionRef{Name: f.Name.Text, Plugin: f.Plugin.Text, Export: f.Export.Text, SHA256: f.SHA256.Text, Treatment: f.Treatment, file: job, fn: f}
		if ref.Python = f.Python.Text; ref.Python != "" && !filepath.IsAbs(ref.Python) {
			ref.Python = filepath.Join(dir, ref.Python)
		}
		if f.Options != nil && len(f.Options.Entries) > 0 {
			if ref.Options, err = optionsJSON(job, values, f.Options); err != nil {
				return nil, err
			}
		}
		for _, side := range f.Files {
			path, err := values.Expand(job, side.Path)
			if err != nil {
				return nil, err
			}
			if ref.Files == nil {
				ref.Files = map[string]string{}
			}
			if ref.Files[side.Name.Text] = path; !filepath.IsAbs(path) {
				ref.Files[side.Name.Text] = filepath.Join(dir, path)
			}
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// FunctionsTakeParams reports a job file in which parameters are part of functions' options, or of paths of their files.
func FunctionsTakeParams(file, text string) (bool, error) {
	job, err := jobfile.Parse(file, text)
	return err == nil && takesParams(job), err
}

func takesParams(f *jobfile.File) bool {
	for _, fn := range f.Functions {
		if fn.Options != nil && mentionsParam(fn.Options) {
			return true
		}
		for _, side := range fn.Files {
			if strings.Contains(side.Path.Text, "${") {
				return true
			}
		}
	}
	return false
}

func mentionsParam(t *jobfile.Tree) bool {
	if t.Form == jobfile.Text && strings.Contains(t.Text, "${") {
		return true
	}
	for _, item := range t.Items {
		if mentionsParam(item) {
			return true
		}
	}
	for _, e := range t.Entries {
		if mentionsParam(e.Value) {
			return true
		}
	}
	return false
}

// PluginErrorf makes an error at the place where the job file names the plugin.
func (r *FunctionRef) PluginErrorf(format string, args ...any) *source.Error {
	return r.file.Errorf(r.fn.Plugin.Span, "function "+r.Name+": "+format, args...)
}

// ExportErrorf makes an error at the place where the job file says what the function is called in the plugin.
func (r *FunctionRef) ExportErrorf(format string, args ...any) *source.Error {
	return r.file.Errorf(r.fn.Export.Span, "function "+r.Name+": "+format, args...)
}

// Refused makes an error at the place of an option, a JSON Pointer, or of a side file, or as near to it as there is.
func (r *FunctionRef) Refused(option, file, message string) *source.Error {
	span := r.fn.Name.Span
	for _, f := range r.fn.Files {
		if f.Name.Text == file {
			span = f.Path.Span
		}
	}
	if at := r.fn.Options; at != nil && file == "" {
		span = at.Span
		for _, part := range strings.Split(option, "/")[1:] {
			for _, e := range at.Entries {
				if e.Key.Text == part {
					span = e.Key.Span
				}
			}
			if at = at.Entry(part); at == nil {
				break
			}
		}
	}
	return r.file.Errorf(span, "function %s: %s", r.Name, message)
}

// optionsJSON is a mapping as JSON, in order of its keys.
func optionsJSON(f *jobfile.File, params jobfile.Params, t *jobfile.Tree) (string, error) {
	v, err := jsonValue(f, params, t)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(v) // sorts keys
	return string(text), err
}

// jsonValue is a value of the options. A text that is a parameter has the parameter's value as text.
func jsonValue(f *jobfile.File, params jobfile.Params, t *jobfile.Tree) (any, error) {
	switch t.Form {
	case jobfile.Nothing:
		return nil, nil
	case jobfile.Boolean:
		return strings.EqualFold(t.Text, "true"), nil
	case jobfile.Number:
		return jsonNumber(f, t)
	case jobfile.Text:
		return params.Text(f, t.Value)
	case jobfile.List:
		list := []any{}
		for _, item := range t.Items {
			v, err := jsonValue(f, params, item)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	}
	object := map[string]any{}
	for _, e := range t.Entries {
		v, err := jsonValue(f, params, e.Value)
		if err != nil {
			return nil, err
		}
		object[e.Key.Text] = v
	}
	return object, nil
}

func jsonNumber(f *jobfile.File, t *jobfile.Tree) (any, error) {
	if n, err := strconv.ParseInt(t.Text, 0, 64); err == nil {
		return n, nil
	}
	x, err := strconv.ParseFloat(t.Text, 64)
	if err != nil || math.IsInf(x, 0) || math.IsNaN(x) {
		return nil, f.Errorf(t.Span, "%s is no number that JSON has", t.Text)
	}
	return x, nil
}
