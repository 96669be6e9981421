package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// frame is what a screen shows at a time: a line, and what is below it in a width.
type frame struct {
	head  string
	lines func(width int) []string
}

// screen draws frames on a terminal, each over the one before. To mpb it is one bar with many lines, since how many rows there are,
// and how wide, may change from one frame to the next.
type screen struct {
	w         *os.File
	container *mpb.Progress
	once      sync.Once
	bar       *mpb.Bar // nil before begin
	// draw makes a frame with at most so many lines below the first. It is called by a goroutine of the container's.
	draw func(room int, now time.Time) frame
	now  frame // that is being drawn; of that goroutine
}

func newScreen(w *os.File, draw func(room int, now time.Time) frame) *screen {
	return &screen{w: w, container: mpb.New(mpb.WithOutput(w)), draw: draw}
}

// begin has frames drawn from now on.
func (s *screen) begin() {
	s.once.Do(func() {
		s.bar = s.container.MustAdd(0, mpb.BarFillerFunc(s.head), mpb.BarFillerTrim(), mpb.BarExtender(mpb.BarFillerFunc(s.below), false))
	})
}

// head draws the first line.
func (s *screen) head(w io.Writer, stat decor.Statistics) error {
	s.now = s.draw(s.room(), time.Now())
	// A key that the terminal has echoed has moved the cursor off the first column.
	_, err := io.WriteString(w, "\r"+text.Snip(s.now.head, stat.AvailableWidth, "…"))
	return err
}

// below draws the lines below it.
func (s *screen) below(w io.Writer, stat decor.Statistics) error {
	for _, line := range s.now.lines(stat.AvailableWidth) {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	return nil
}

// room is how many lines the terminal has, beside the first line and the one that the cursor is in.
func (s *screen) room() int {
	_, height, err := term.GetSize(int(s.w.Fd()))
	if err != nil {
		height = 24
	}
	return max(height-2, 0)
}

// say prints a line above the frame.
func (s *screen) say(text string) {
	_, _ = s.container.Write([]byte("\r" + text + "\n")) // a terminal that is gone shows nothing
}

// end leaves the last frame where it is.
func (s *screen) end() {
	if s.bar != nil {
		s.bar.Abort(false)
	}
	s.container.Wait()
}
