package state

import (
	"slices"

	"github.com/quern-engine/quern/api"
)

// What attempts have logged is in files, which are blobs; the state has their digests. These are the bounds, in bytes.
const (
	// MaxRunLogs is what is kept of a run. Attempts that do well have a part of it only, so that there is room for those that fail.
	MaxRunLogs     = 10 << 20
	MaxRunLogsWell = 8 << 20
	maxRunFiles    = 2000
	// maxLogs bounds the logs of all runs; those of the runs that ended first go.
	maxLogs = 1 << 30
)

// LogFile is lines of attempts of a run: an [api.LogLine] as JSON on each.
type LogFile struct {
	Digest string `json:"digest"`
	Bytes  int64  `json:"bytes"`
	Lines  int64  `json:"lines"`
}

// KeepLogs says what attempts of a run have logged: what is in a file, which a majority has, and how many lines there was no room
// for. Its idempotency key is the file's digest. Of entries from LogsVersion on only.
type KeepLogs struct {
	RunID   string   `json:"run_id"`
	File    *LogFile `json:"file,omitempty"`
	LeftOut int64    `json:"left_out,omitempty"`
}

func (r *run) logged() (bytes int64) {
	for _, f := range r.Logs {
		bytes += f.Bytes
	}
	return bytes
}

func (a *applier) keepLogs(c *KeepLogs) {
	r := a.runs[c.RunID]
	if r == nil {
		a.reject()
		return
	}
	f := c.File
	switch {
	case f == nil:
	case slices.ContainsFunc(r.Logs, func(o LogFile) bool { return o.Digest == f.Digest }):
		a.repeat()
		return
	case r.logged()+f.Bytes > MaxRunLogs || len(r.Logs) >= maxRunFiles:
		r.LeftOut += f.Lines
	default:
		r.Logs = append(r.Logs, *f)
		a.logs += f.Bytes
	}
	r.LeftOut += c.LeftOut
	for _, old := range a.doc.Runs {
		if a.logs <= maxLogs {
			break
		}
		if old.State.Terminal() && old != r {
			a.dropLogs(old)
		}
	}
	if a.logs > maxLogs {
		a.dropLogs(r)
	}
}

// dropLogs gives up the log files of a run.
func (a *applier) dropLogs(r *run) {
	for _, f := range r.Logs {
		r.LeftOut += f.Lines
		a.logs -= f.Bytes
	}
	r.Logs = nil
}

// Logs is what is known of a run's logs.
type Logs struct {
	State   api.RunState
	Rests   bool // it does not change by itself any more
	Last    int  // number of the last event in the journal
	Files   []LogFile
	LeftOut int64 // lines that are in no file
}

// Logs is what is known of a run's logs. The list is not to be changed.
func (m *Machine) Logs(id string) (Logs, bool) {
	r := m.runs[id]
	if r == nil {
		return Logs{}, false
	}
	l := Logs{State: r.State, Rests: r.State.Terminal() || r.blocked(), Files: slices.Clip(r.Logs), LeftOut: r.LeftOut}
	if n := len(r.Journal); n > 0 {
		l.Last = r.Journal[n-1].Number
	}
	return l, true
}

// LogRoom is how many bytes of a file with lines of attempts would be kept of a run: attempts of which some have failed, or none.
func (m *Machine) LogRoom(id string, failed bool) int64 {
	r := m.runs[id]
	if r == nil || len(r.Logs) >= maxRunFiles || (!failed && len(r.Logs) >= maxRunFiles*3/4) {
		return 0
	}
	most := int64(MaxRunLogsWell)
	if failed {
		most = MaxRunLogs
	}
	return max(0, most-r.logged())
}

// LogBlobs lists the digests of the log files of all runs that are known.
func (m *Machine) LogBlobs() []string {
	var list []string
	for _, r := range m.doc.Runs {
		for _, f := range r.Logs {
			list = append(list, f.Digest)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
