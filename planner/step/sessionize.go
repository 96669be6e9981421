package step

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
)

var sessionizeKind = &Kind{
	Name:    "sessionize",
	Summary: "Divides the rows of each key into sessions at gaps in time.",
	Fields: []Field{
		{Name: "from", Type: "step or source", Required: true, Doc: "the rows"},
		{Name: "keys", Type: "list of columns", Required: true, Doc: "whose sessions they are"},
		{Name: "time", Type: "column", Required: true, Doc: "the time of a row"},
		{Name: "gap", Type: "duration", Required: true, Doc: "a row this far behind the one before, or further, begins a session"},
		{Name: "max_length", Type: "duration", Doc: "sessions are cut each time this much has passed since their first row"},
		{Name: "salt", Type: "text", Doc: "makes other session ids; default `v1`"},
	},
	Example: `- name: visits
  sessionize:
    from: impressions
    keys: [user_id]
    time: shown_at
    gap: 30m
    max_length: 1d`,
	Notes: "All columns stay, and four are added: `session_id`, a bigint that follows from the salt, the keys and the session's beginning; `session_start`, the time of " +
		"its first row; `session_end`, that of its last row and the gap; `session_part`, 0, or the number of the piece that `max_length` has cut. They are NULL where a key or the time is NULL. " +
		"To get sessions across midnight whole, read the day before, too, and leave its rows out in the next step.",
	read: readSessionize,
}

type sessionize struct {
	from, time jobfile.Value
	keys       []jobfile.Value
	gap, max   int64
	salt       string
}

func readSessionize(o *options) planner {
	return &sessionize{
		from: o.text("from"), keys: o.names("keys"), time: o.text("time"),
		gap: o.positive("gap"), max: o.positive("max_length"), salt: o.seed("salt", "v1"),
	}
}

func (s *sessionize) plan(p *planning) logical.Node {
	in := p.input(s.from)
	keys, t := p.keys(in, s.keys), ident(p.time(in, s.time).Name)
	for _, name := range []string{"session_id", "session_start", "session_end", "session_part"} {
		p.free(in, jobfile.Value{Text: name, Span: s.from.Span})
	}
	known := []string{t + " IS NOT NULL"}
	for _, k := range keys {
		known = append(known, ident(k.Name)+" IS NOT NULL")
	}
	part := "0L"
	if s.max > 0 {
		part = fmt.Sprintf("timestampdiff(MICROSECOND, min(%s) OVER (PARTITION BY %s, `__n`), %s) DIV %d", t, idents("", keys), t, s.max)
	}
	const text = `
SELECT {cols},
  CASE WHEN {known} THEN stable_hash('session', {salt}, {keys}, min({t}) OVER session, ` + "`__part`" + `) END AS session_id,
  CASE WHEN {known} THEN min({t}) OVER session END AS session_start,
  CASE WHEN {known} THEN timestampadd(MICROSECOND, {gap}, max({t}) OVER session) END AS session_end,
  CASE WHEN {known} THEN ` + "`__part`" + ` END AS session_part
FROM (
  SELECT *, {part} AS ` + "`__part`" + ` FROM (
    SELECT *, count_if(` + "`__new`" + `) OVER (PARTITION BY {keys} ORDER BY {t}) AS ` + "`__n`" + ` FROM (
      SELECT *, coalesce(timestampdiff(MICROSECOND, lag({t}) OVER (PARTITION BY {keys} ORDER BY {t}), {t}) >= {gap}, true) AS ` + "`__new`" + ` FROM input)))
WINDOW session AS (PARTITION BY {keys}, ` + "`__n`, `__part`" + `)`
	in.node = p.counted(in.node, plan.RowsIn)
	rows := p.sql(strings.NewReplacer(
		"{cols}", idents("", in.cols), "{keys}", idents("", keys), "{t}", t, "{known}", strings.Join(known, " AND "),
		"{salt}", quote(s.salt), "{gap}", fmt.Sprint(s.gap), "{part}", part).Replace(text), map[string]*relation{"input": in})
	return p.counted(rows, plan.RowsOut)
}
