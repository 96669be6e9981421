package jobfile

import (
	"regexp"
	"strconv"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/quern-engine/quern/plan"
)

// Bounds of what a job may ask for.
const (
	leastMemory  = 64 << 20 // a Go process that does nothing has some ten MiB
	mostMemory   = 1 << 40
	leastCPUs    = 0.01 // of which the kernel makes a millisecond in each tenth of a second
	mostCPUs     = 4096
	leastTimeout = 10 * time.Millisecond
	mostTimeout  = 24 * time.Hour
)

// treatment reads how a function's processes and failures are to be treated.
func (r *reader) treatment(fields map[string]*yaml.Node) (t plan.Treatment) {
	if n := fields["on_error"]; n != nil {
		if word := r.oneOf(quotedNull(n), "on_error", "fail", "null", "quarantine"); word != "fail" {
			t.OnError = plan.OnError(word)
		}
	}
	if n := fields["memory"]; n != nil {
		t.Memory = r.memory(n)
	}
	if n := fields["timeout"]; n != nil {
		t.Timeout = r.timeout(n)
	}
	if n := fields["cpus"]; n != nil {
		t.CPUs = r.cpus(n)
	}
	if n := fields["network"]; n != nil {
		v := Value{Text: n.Value, Span: r.span(n)}
		if t.Network = v.Text == "true"; n.Kind != yaml.ScalarNode || n.ShortTag() != "!!bool" {
			r.fail(v.Span, "network must be true or false, found %s", describe(n))
		}
	}
	return t
}

// quotedNull is a scalar as text: in YAML a bare null is no text, but as a word for what to do it is.
func quotedNull(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.ScalarNode && n.Value == "null" {
		text := *n
		text.Tag = "!!str"
		return &text
	}
	return n
}

var memoryPattern = regexp.MustCompile(`^([1-9][0-9]{0,6})(MiB|GiB)$`)

func (r *reader) memory(n *yaml.Node) int64 {
	v := Value{Text: n.Value, Span: r.span(n)}
	m := memoryPattern.FindStringSubmatch(v.Text)
	if n.Kind != yaml.ScalarNode || m == nil {
		r.fail(v.Span, "memory must be a number of MiB or GiB, found %s", describe(n)).WithHint("for example 512MiB")
		return 0
	}
	bytes, _ := strconv.ParseInt(m[1], 10, 64) // seven digits at most
	if bytes <<= 20; m[2] == "GiB" {
		bytes <<= 10
	}
	if bytes < leastMemory || bytes > mostMemory {
		r.fail(v.Span, "memory must be between %d MiB and %d GiB", leastMemory>>20, int64(mostMemory)>>30)
	}
	return bytes
}

// cpus is a number of processors, in thousandths.
func (r *reader) cpus(n *yaml.Node) int64 {
	v := Value{Text: n.Value, Span: r.span(n)}
	cpus, err := strconv.ParseFloat(v.Text, 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(cpus >= leastCPUs && cpus <= mostCPUs) {
		r.fail(v.Span, "cpus must be a number of processors between %v and %v, found %s", leastCPUs, mostCPUs, describe(n)).WithHint("for example 2 or 0.5")
		return 0
	}
	return int64(cpus * 1000)
}

func (r *reader) timeout(n *yaml.Node) int64 {
	v := Value{Text: n.Value, Span: r.span(n)}
	d, err := time.ParseDuration(v.Text)
	switch {
	case n.Kind != yaml.ScalarNode || err != nil:
		r.fail(v.Span, "timeout must be a duration, found %s", describe(n)).WithHint("for example 30s or 5m")
	case d < leastTimeout || d > mostTimeout:
		r.fail(v.Span, "timeout must be between %s and %s", leastTimeout, mostTimeout)
	}
	return d.Milliseconds()
}
