// Package config reads quern.yaml: contexts, which name clusters and what to show them, defaults, and the flags of processes that
// serve. It knows where things stand in the file; what they mean is the flags' business. Mistakes show line and column.
package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
)

// maxBytes bounds the file: more is not a configuration.
const maxBytes = 1 << 20

// Schema lists the settings that each section may have. They are called as the flags are.
type Schema struct {
	Context, Defaults, Coordinator, Worker []string
	// Paths are settings that name a file or folder: relative ones start at the folder of quern.yaml.
	Paths []string
}

// Value is a setting as the file has it. The values of a list are joined by commas.
type Value struct {
	Text string
	span source.Span
}

// Section is a set of settings by their names.
type Section map[string]Value

// Context is a cluster, and what to show there.
type Context struct {
	Name string
	Section
}

// File is a configuration.
type File struct {
	Path     string
	Current  Value // the name of the context that counts unless another is asked for; may be empty
	Contexts []Context
	// Defaults hold where the context says nothing; the others are flags of the commands with their names.
	Defaults, Coordinator, Worker Section

	text *source.Text
}

// Load reads a file. Errors about what is in it are of type *source.Error.
func Load(path string, s Schema) (*File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	if info.Size() > maxBytes {
		return nil, fmt.Errorf("read the configuration: %s has %d bytes; at most %d are read", path, info.Size(), maxBytes)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	r := &reader{file: &File{Path: path, text: &source.Text{File: path, Body: string(data)}}, schema: s}
	r.read()
	if r.err != nil {
		return nil, r.err
	}
	return r.file, nil
}

// Exists reports whether there is a file.
func Exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// Context finds one by its name.
func (f *File) Context(name string) (Context, bool) {
	i := slices.IndexFunc(f.Contexts, func(c Context) bool { return c.Name == name })
	if i < 0 {
		return Context{}, false
	}
	return f.Contexts[i], true
}

// Names are those of the contexts, in the file's order.
func (f *File) Names() []string {
	names := make([]string, len(f.Contexts))
	for i, c := range f.Contexts {
		names[i] = c.Name
	}
	return names
}

// Errorf is a mistake at a value.
func (f *File) Errorf(v Value, format string, args ...any) *source.Error {
	return f.text.Errorf(v.span, "", format, args...)
}

// Where says in which line of the file a value stands: /home/a/quern.yaml:12.
func (f *File) Where(v Value) string {
	return fmt.Sprintf("%s:%d", f.Path, 1+strings.Count(f.text.Body[:v.span.Start], "\n"))
}

// Use makes another context the current one. Nothing else of the file changes.
func (f *File) Use(name string) error {
	if _, ok := f.Context(name); !ok {
		return f.unknown(name)
	}
	quoted := name
	if strings.ContainsFunc(name, func(r rune) bool { return !plainRune(r) }) {
		quoted = "'" + strings.ReplaceAll(name, "'", "''") + "'"
	}
	body := f.text.Body
	if at := f.Current.span; at.End > at.Start {
		body = body[:at.Start] + quoted + body[at.End:]
	} else {
		body = "current-context: " + quoted + "\n" + body
	}
	return replace(f.Path, body)
}

func (f *File) unknown(name string) error {
	if len(f.Contexts) == 0 {
		return fmt.Errorf("there is no context %q; %s has none", name, f.Path)
	}
	return fmt.Errorf("there is no context %q in %s; it has %s", name, f.Path, strings.Join(f.Names(), ", "))
}

// plainRune says that a name needs no quotes in YAML for this character.
func plainRune(r rune) bool {
	return r == '-' || r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}

// replace writes a file anew, all of it or nothing. A link stays one.
func replace(path, body string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	t, err := os.CreateTemp(filepath.Dir(path), ".quern-*.yaml")
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	_, err = t.WriteString(body)
	err = errors.Join(err, t.Chmod(info.Mode().Perm()), t.Sync(), t.Close())
	if err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write the configuration: %w", errors.Join(err, os.Remove(t.Name())))
	}
	return nil
}
