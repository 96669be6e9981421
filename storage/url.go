package storage

import (
	"net/url"
	"path"
	"path/filepath"
	"strings"

	"github.com/quern-engine/quern/plan"
)

const (
	schemeFile = "file"
	schemeMem  = "mem"
)

// schemes are those that can be opened.
func knownScheme(scheme string) bool {
	switch scheme {
	case schemeFile, schemeMem, "s3", "gs", "azblob":
		return true
	}
	return false
}

// isURL reports scheme://…; a Windows drive or a name with a colon is not one.
func isURL(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	if !ok || scheme == "" {
		return false
	}
	for i, r := range scheme {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", r)) {
			return false
		}
	}
	return true
}

// URL turns a path into a URL: a relative one starts at dir, which is absolute. A URL passes through.
func URL(dir, name string) (string, error) {
	if name == "" {
		return "", plan.Failf(plan.FailureUser, "empty path")
	}
	if strings.ContainsRune(name, 0) {
		return "", plan.Failf(plan.FailureUser, "path %q has a NUL character", name)
	}
	if isURL(name) {
		if _, err := parse(name); err != nil {
			return "", err
		}
		return name, nil
	}
	if !filepath.IsAbs(name) {
		if isURL(dir) {
			return Join(dir, name), nil
		}
		if !filepath.IsAbs(dir) {
			return "", plan.Failf(plan.FailureInternal, "folder %q of path %q is not absolute", dir, name)
		}
		name = filepath.Join(dir, name)
	}
	return fileURL(filepath.Clean(name)), nil
}

// fileURL is the URL of an absolute local path.
func fileURL(name string) string {
	return (&url.URL{Scheme: schemeFile, Path: filepath.ToSlash(name)}).String()
}

// parse checks a URL's form. Its Path is decoded.
func parse(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err != nil || !isURL(rawURL) {
		return nil, plan.Failf(plan.FailureUser, "%q is not a URL", Display(rawURL))
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case !knownScheme(u.Scheme):
		return nil, plan.Failf(plan.FailureUser, "%s: scheme %q is not known; use a path, file://, s3://, gs:// or azblob://",
			Display(rawURL), u.Scheme)
	case u.User != nil:
		return nil, plan.Failf(plan.FailureUser, "%s: credentials do not belong in a URL; set them in the environment", Display(rawURL))
	case u.Scheme == schemeFile && u.Host != "" && u.Host != "localhost":
		return nil, plan.Failf(plan.FailureUser, "%s: a file URL has three slashes: file:///%s%s", Display(rawURL), u.Host, u.Path)
	case u.Scheme != schemeFile && u.Scheme != schemeMem && u.Host == "":
		return nil, plan.Failf(plan.FailureUser, "%s names no bucket", Display(rawURL))
	}
	return u, nil
}

// withPath is u with another decoded path.
func withPath(u *url.URL, p string) string {
	c := *u
	c.Path, c.RawPath = p, ""
	if c.Scheme == schemeFile {
		c.Host = ""
	}
	return c.String()
}

// Join adds path elements to a URL and keeps its query.
func Join(rawURL string, elem ...string) string {
	u, err := url.Parse(rawURL)
	if err != nil || !isURL(rawURL) {
		return path.Join(append([]string{rawURL}, elem...)...)
	}
	return withPath(u, path.Join(append([]string{"/" + u.Path}, elem...)...))
}

// Display is a URL for people: the path of a local file; for others the URL without its query, where settings are that
// a message should not repeat.
func Display(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || !isURL(rawURL) {
		return rawURL
	}
	if u.Scheme == schemeFile {
		return filepath.FromSlash(u.Path)
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// elements splits a path at its slashes, empty elements left out.
func elements(p string) []string {
	return strings.FieldsFunc(p, func(r rune) bool { return r == '/' })
}

// hidden reports a path element that data listings skip, as Spark's do: a partition of a column that begins with _ is
// data.
func hidden(elem string) bool {
	return strings.HasPrefix(elem, "_") && !strings.Contains(elem, "=") || strings.HasPrefix(elem, ".")
}

// hasMeta reports a glob pattern.
func hasMeta(s string) bool { return strings.ContainsAny(s, "*?[") }

// Base is the folder that a path, glob or folder URL starts from: the URL itself, or of a glob the part before its first
// pattern. Hive partition columns are the name=value elements below it.
func Base(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil || !hasMeta(u.Path) {
		return rawURL
	}
	base, _ := splitGlob(u.Path)
	return withPath(u, base)
}

// splitGlob splits a pattern into the folder without patterns and the elements from the first pattern on.
func splitGlob(p string) (base string, patterns []string) {
	elems := elements(p)
	for i, e := range elems {
		if hasMeta(e) {
			return "/" + strings.Join(elems[:i], "/"), elems[i:]
		}
	}
	return p, nil
}
