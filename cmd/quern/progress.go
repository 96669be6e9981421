package main

import (
	"os"

	"golang.org/x/term"

	"github.com/quern-engine/quern/api"
)

// progress shows a run while it goes on.
type progress interface {
	update(*api.RunStatus)
	// say shows a remark of the command's own.
	say(text string)
	done()
}

// newProgress is a bar per stage on a terminal, a line per event otherwise, and nothing when quiet.
func newProgress(w *os.File, quiet bool) progress {
	switch {
	case quiet:
		return noProgress{}
	case drawable(w):
		return newBarProgress(w)
	}
	return newLineProgress(w)
}

// drawable reports a terminal that lines can be drawn again on.
func drawable(w *os.File) bool {
	width, _, err := term.GetSize(int(w.Fd()))
	return err == nil && width > 0 && os.Getenv("TERM") != "dumb"
}

type noProgress struct{}

func (noProgress) update(*api.RunStatus) {}
func (noProgress) say(string)            {}
func (noProgress) done()                 {}
