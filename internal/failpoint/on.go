//go:build failpoint

package failpoint

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Enabled tells whether failpoints are compiled in.
const Enabled = true

var armed = newArmament(os.Getenv("QUERN_FAILPOINTS"))

// Hit takes the action of a failpoint, if it has one and this is the hit that it waits for.
func Hit(name string) error { return HitBy(name, nil) }

// HitBy is Hit with the name of who comes here.
func HitBy(name string, who fmt.Stringer) error {
	a, ok := armed.hit(name, who)
	if !ok {
		return nil
	}
	fmt.Fprintf(os.Stderr, "failpoint %s: %s\n", name, a.verb)
	return a.take(name)
}

// armament is what the process has been told to do where.
type armament struct {
	file string // where the text comes from; "" if it does not change

	mu     sync.Mutex
	text   string            // guarded by mu, like the rest
	points map[string]*point // by name
}

type point struct {
	action action
	who    string // in the names of those whose hits count; "" for all
	at     int    // which hit; 0 for every one
	hits   int
}

type action struct {
	verb  string
	pause time.Duration
	text  string
}

func newArmament(setting string) *armament {
	p := &armament{}
	if file, ok := strings.CutPrefix(setting, "@"); ok {
		p.file = file
		return p
	}
	p.arm(setting)
	return p
}

// arm takes a text that is not the one before. Hits are counted from then on. A text that is wrong ends the process: a
// test that believes it has armed something must not pass.
func (p *armament) arm(text string) {
	points, err := parse(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	p.text, p.points = text, points
}

func (p *armament) hit(name string, who fmt.Stringer) (action, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file != "" {
		data, _ := os.ReadFile(p.file) // one that is not there arms nothing
		if text := strings.TrimSpace(string(data)); text != p.text {
			p.arm(text)
		}
	}
	point := p.points[name]
	if point == nil || point.who != "" && (who == nil || !strings.Contains(who.String(), point.who)) {
		return action{}, false
	}
	point.hits++
	return point.action, point.at == 0 || point.at == point.hits
}

func (a action) take(name string) error {
	switch a.verb {
	case "kill":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal ends the process in a moment
	case "pause":
		time.Sleep(a.pause)
	case "until":
		for {
			if _, err := os.Stat(a.text); err == nil {
				return nil
			}
			time.Sleep(time.Millisecond)
		}
	case "error":
		if a.text == "" {
			return fmt.Errorf("failpoint %s", name)
		}
		return errors.New(a.text)
	}
	return nil
}

func parse(text string) (map[string]*point, error) {
	points := map[string]*point{}
	for term := range strings.SplitSeq(text, ";") {
		if term = strings.TrimSpace(term); term == "" {
			continue
		}
		name, rest, ok := strings.Cut(term, "=")
		p := &point{at: 1}
		name, p.who, _ = strings.Cut(name, "@")
		if count, action, counted := strings.Cut(rest, "*"); counted {
			if _, err := fmt.Sscanf(count, "%d", &p.at); err != nil || p.at < 0 {
				return nil, fmt.Errorf("failpoint %q: %q is not a number of hits", term, count)
			}
			rest = action
		}
		var arg string
		p.action.verb, arg, _ = strings.Cut(rest, ":")
		switch p.action.verb {
		case "kill":
		case "pause":
			d, err := time.ParseDuration(arg)
			if err != nil {
				return nil, fmt.Errorf("failpoint %q: pause:%s is not a duration", term, arg)
			}
			p.action.pause = d
		case "error":
			p.action.text = arg
		case "until":
			p.action.text = arg
			ok = ok && arg != ""
		default:
			ok = false
		}
		if !ok {
			return nil, fmt.Errorf("failpoint %q: write name=kill, name=pause:2s, name=until:FILE or name=error:text, with @WHO after the name, N* before the action", term)
		}
		points[name] = p
	}
	return points, nil
}
