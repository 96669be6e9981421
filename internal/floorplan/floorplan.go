// Package floorplan reads the plan of the house, floorplan.txt: which room may import which, which rooms are pure, and
// which room is the one door to a heavy dependency. Its test holds the code to it.
package floorplan

import (
	"fmt"
	"sort"
	"strings"
)

// Plan is the parsed floor plan. Rooms are folders relative to the module's root.
type Plan struct {
	Rooms map[string][]string // room -> rooms it may import
	Pure  map[string]bool
	Doors map[string][]string // module path prefix -> rooms that may import it
}

// Parse reads the text form.
func Parse(text string) (*Plan, error) {
	p := &Plan{Rooms: map[string][]string{}, Pure: map[string]bool{}, Doors: map[string][]string{}}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		if verb == "pure" {
			for _, room := range strings.Fields(rest) {
				p.Pure[room] = true
			}
			continue
		}
		name, list, ok := strings.Cut(rest, ":")
		into := map[string]map[string][]string{"room": p.Rooms, "door": p.Doors}[verb]
		if !ok || into == nil {
			return nil, fmt.Errorf("line %d: not a room, pure or door line: %s", i+1, line)
		}
		if _, twice := into[name]; twice {
			return nil, fmt.Errorf("line %d: %s stands twice", i+1, name)
		}
		into[name] = strings.Fields(list)
	}
	return p, p.check()
}

// check refuses names of rooms that are not in the plan, and circles.
func (p *Plan) check() error {
	for room, imports := range p.Rooms {
		for _, r := range imports {
			if _, ok := p.Rooms[r]; !ok {
				return fmt.Errorf("room %s imports %s, which is not in the plan", room, r)
			}
		}
	}
	if circle := p.circle(); circle != nil {
		return fmt.Errorf("rooms in a circle: %s", strings.Join(circle, " -> "))
	}
	return nil
}

// circle finds a circle of rooms, if there is one.
func (p *Plan) circle() []string {
	const visiting, done = 1, 2
	state := map[string]int{}
	var path []string
	var visit func(room string) []string
	visit = func(room string) []string {
		path = append(path, room)
		state[room] = visiting
		for _, next := range p.Rooms[room] {
			if state[next] == visiting {
				return append(path, next)
			}
			if state[next] == 0 {
				if circle := visit(next); circle != nil {
					return circle
				}
			}
		}
		state[room] = done
		path = path[:len(path)-1]
		return nil
	}
	rooms := make([]string, 0, len(p.Rooms))
	for room := range p.Rooms {
		rooms = append(rooms, room)
	}
	sort.Strings(rooms)
	for _, room := range rooms {
		if state[room] == 0 {
			if circle := visit(room); circle != nil {
				return circle
			}
		}
	}
	return nil
}

// Allows reports whether a room may import another.
func (p *Plan) Allows(room, imported string) bool {
	for _, r := range p.Rooms[room] {
		if r == imported {
			return true
		}
	}
	return false
}

// Door returns the dependency whose door an import path must pass, and whether the room is that door.
func (p *Plan) Door(room, path string) (dependency string, open bool) {
	for dep, rooms := range p.Doors {
		if path == dep || strings.HasPrefix(path, dep+"/") {
			for _, r := range rooms {
				if r == room {
					return dep, true
				}
			}
			return dep, false
		}
	}
	return "", true
}
