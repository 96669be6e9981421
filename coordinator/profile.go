package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/diagnose"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// profile answers what a run did and where its time went, from the state, or from what was written down when it ended.
func (c *Coordinator) profile(w http.ResponseWriter, r *http.Request, _ *term) error {
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	p, err := c.profileOf(r.Context(), r.PathValue("run"))
	if err != nil {
		return err
	}
	p.Findings = diagnose.Findings(p)
	writeJSON(w, http.StatusOK, p)
	return nil
}

func (c *Coordinator) profileOf(ctx context.Context, run string) (*api.Profile, error) {
	var known state.Profiled
	ok := false
	c.node.Read(func(m *state.Machine) { known, ok = m.Profile(run, c.now()) })
	if !ok {
		return nil, unknownRun(run)
	}
	if known.Written != "" {
		return c.readProfile(ctx, run, known.Written)
	}
	job, err := c.loadJob(ctx, known.Plan)
	var answer *api.Error
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.As(err, &answer) && answer.Code == api.CodeNotFound:
		return &known.Profile, nil // of an older build, and so long ago that its plan is not kept
	case err != nil:
		return nil, err
	}
	describePlan(&known.Profile, job)
	return &known.Profile, nil
}

func (c *Coordinator) readProfile(ctx context.Context, run, digest string) (*api.Profile, error) {
	data, err := c.blobs.read(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("read the profile of run %s: %w", run, err)
	}
	p := &api.Profile{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("decode the profile of run %s: %w", run, err)
	}
	return p, nil
}

// writeProfile writes down the profile of a run that has ended, on a majority of the coordinators, so that the state need not
// keep what it is made of.
func (c *Coordinator) writeProfile(ctx context.Context, run string) error {
	c.trace(run)
	p, err := c.profileOf(ctx, run)
	if err != nil {
		var answer *api.Error
		if errors.As(err, &answer) && answer.Code == api.CodeNotFound {
			return nil // it was forgotten meanwhile
		}
		return err
	}
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encode the profile of run %s: %w", run, err)
	}
	digest := plan.Digest(data)
	if err := c.blobs.put(digest, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("store the profile of run %s: %w", run, err)
	}
	if err := c.blobs.spread(ctx, c.life(), digest); err != nil {
		return err
	}
	if _, err = c.propose(ctx, state.Command{Profiled: &state.RunProfiled{RunID: run, Profile: digest, At: c.now()}}); err == nil {
		c.traced.forget(run)
	}
	return err
}

// describePlan puts the plan beside what was counted.
func describePlan(p *api.Profile, job *plan.Job) {
	for i := range p.Stages {
		if i >= len(job.Stages) {
			return
		}
		s := job.Stages[i]
		p.Stages[i].Sink, p.Stages[i].Keys = s.SinkText(), s.SinkKeys()
		p.Stages[i].Operators = operatorProfiles(s, p.Stages[i].Counts.Operators)
		if source, ok := describeSource(s); ok {
			p.Sources = append(p.Sources, source)
		}
	}
}

func operatorProfiles(s *plan.Stage, counts []api.OperatorCounts) []api.OperatorProfile {
	var list []api.OperatorProfile
	var parents []int // of the operator at hand, from the root
	s.Lines(func(depth int, n *plan.Node, text string) {
		o := api.OperatorProfile{Depth: depth, Op: n.Op, Text: text}
		if len(list) < len(counts) {
			o.OperatorCounts = counts[len(list)]
		}
		o.Own = o.Nanos
		if n.Scan != nil && n.Scan.Dropped != nil {
			o.FoldersDropped, o.FilesDropped, o.GroupsDropped = n.Scan.Dropped.Folders, n.Scan.Dropped.Files, n.Scan.Dropped.RowGroups
		}
		parents = append(parents[:depth], len(list))
		list = append(list, o)
		if depth > 0 {
			parent := &list[parents[depth-1]]
			parent.Own = max(0, parent.Own-o.Nanos)
		}
	})
	return list
}

// describeSource is the files that a stage reads.
func describeSource(s *plan.Stage) (api.SourceProfile, bool) {
	p := api.SourceProfile{Stage: s.ID}
	s.Root.Walk(func(n *plan.Node) {
		if n.Op == plan.NodeScan && n.Scan.Function == "" {
			p.Name = n.Scan.Source
		}
	})
	seen := map[string]bool{}
	for _, splits := range s.Splits {
		for _, split := range splits {
			if !seen[split.URL] {
				seen[split.URL] = true
				p.Files++
				p.Bytes += split.Size
			}
		}
	}
	return p, p.Files > 0 && p.Name != ""
}
