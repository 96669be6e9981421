package coordinator

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

const (
	manifestName = "manifest.json"
	successName  = "_SUCCESS"
	latestName   = "_LATEST"

	manifestVersion = 1
)

// manifest describes a version of an output. Its bytes are a function of the job and of the data: no run id, no time,
// nothing that depends on who computed it; of a job with checks also of the versions before it, and of who overrode them. So writing it twice is harmless, and equal datasets have equal manifests.
type manifest struct {
	Format      int                `json:"format"` // of this file
	Job         string             `json:"job"`
	Output      string             `json:"output"`
	FileFormat  string             `json:"file_format"`
	Compression string             `json:"compression"`
	Schema      []manifestColumn   `json:"schema"`
	Rows        int64              `json:"rows"`
	PartitionBy []string           `json:"partition_by,omitempty"` // columns that are in the keys of shards and not in the files
	SortBy      []string           `json:"sort_by,omitempty"`      // order of the rows of each shard
	RowsPerFile int64              `json:"rows_per_file,omitempty"`
	Time        string             `json:"time,omitempty"` // the column of min_time and max_time
	Shards      []api.ShardInfo    `json:"shards"`         // in order
	Columns     []manifestStats    `json:"columns,omitempty"`
	Inputs      []plan.Input       `json:"inputs"`
	Params      []manifestParam    `json:"params"`
	Functions   []manifestFunction `json:"functions"`
	Rejects     *manifestRejects   `json:"rejects,omitempty"` // rows that functions could not do
	Plan        string             `json:"plan"`              // SHA-256
	Stages      []manifestStage    `json:"stages"`
	Sources     []manifestSource   `json:"sources,omitempty"`
	Steps       []manifestStep     `json:"steps,omitempty"` // of the job file, in its order
	// Of a job with checks: the run that the pointer named before, what came of the checks of this output, and why it was
	// published if that was in spite of them.
	Parent   string            `json:"parent,omitempty"`
	Checks   []api.CheckResult `json:"checks,omitempty"`
	Override *api.Override     `json:"override,omitempty"`
}

type manifestColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
}

type manifestParam struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

type manifestFunction struct {
	Name   string `json:"name"`
	Export string `json:"export"`
	SHA256 string `json:"sha256"` // of the plugin's executable
	// Options is a JSON object; Files are side files.
	Options json.RawMessage     `json:"options,omitempty"`
	Files   []plan.FunctionFile `json:"files,omitempty"`
}

type manifestStage struct {
	RowsRead     int64 `json:"rows_read"` // from sources
	RowsIn       int64 `json:"rows_in"`   // from shuffles
	RowsOut      int64 `json:"rows_out"`
	RowsRejected int64 `json:"rows_rejected,omitempty"`
}

// manifestRejects is what functions could not do of all that the output is made of.
type manifestRejects struct {
	Rows      int64                 `json:"rows"`
	Functions []api.FunctionRejects `json:"functions"` // by name
	Files     []manifestRejectsFile `json:"files"`
}

type manifestRejectsFile struct {
	// Output is in whose version folder of the same run the file is, if not in this one's: that of the first output that is
	// made of the same rows.
	Output string `json:"output,omitempty"`
	api.FileInfo
}

func newManifestRejects(output string, files []state.RejectsFile) *manifestRejects {
	if len(files) == 0 {
		return nil
	}
	m := &manifestRejects{}
	rows := map[string]int64{}
	for _, f := range files {
		m.Rows += f.Rows
		file := manifestRejectsFile{FileInfo: f.FileInfo}
		if f.Output != output {
			file.Output = f.Output
		}
		m.Files = append(m.Files, file)
		for _, fn := range f.Functions {
			rows[fn.Name] += fn.Rows
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		m.Functions = append(m.Functions, api.FunctionRejects{Name: name, Rows: rows[name]})
	}
	return m
}

// keys are the names of all files that the manifest names as its own.
func (m *manifest) keys() []string {
	var keys []string
	for _, s := range m.Shards {
		keys = append(keys, s.Key)
	}
	if m.Rejects != nil {
		for _, f := range m.Rejects.Files {
			if f.Output == "" {
				keys = append(keys, f.Name)
			}
		}
	}
	return keys
}

// namedFiles lists the files that the manifest of an output names.
func (c *Coordinator) namedFiles(ctx context.Context, o state.Output) ([]string, error) {
	data, err := c.options.Store.Get(ctx, storage.Join(o.VersionURL, manifestName))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	return m.keys(), nil
}

func newManifest(job *plan.Job, made state.Committed, output state.CommittedOutput, written []api.FileList) (*manifest, error) {
	planned, ok := job.Output(output.Name)
	if !ok {
		return nil, fmt.Errorf("the plan has no output %q", output.Name)
	}
	m := manifest{
		Format: manifestVersion, Job: job.Name, Output: output.Name, FileFormat: planned.Format, Compression: planned.Compression,
		Schema: []manifestColumn{}, Shards: []api.ShardInfo{}, Inputs: []plan.Input{}, Params: []manifestParam{},
		Functions: []manifestFunction{}, Stages: []manifestStage{}, Plan: made.Plan,
	}
	for _, f := range planned.Schema.Fields {
		m.Schema = append(m.Schema, manifestColumn{Name: f.Name, Type: f.Type.String(), Nullable: f.Nullable})
	}
	m.layOut(planned)
	for _, l := range written {
		for _, s := range l.Files {
			m.Rows += s.Rows
			m.Shards = append(m.Shards, s)
		}
	}
	var err error
	if m.Columns, err = mergeStats(planned.Schema, written); err != nil {
		return nil, fmt.Errorf("output %s: %w", output.Name, err)
	}
	m.Parent, m.Override = output.Parent, made.Override
	for _, r := range made.Checks {
		if r.Output == output.Name {
			m.Checks = append(m.Checks, r)
		}
	}
	m.Rejects = newManifestRejects(output.Name, output.Rejects)
	m.Inputs = append(m.Inputs, job.Inputs...)
	for _, p := range job.Params {
		m.Params = append(m.Params, manifestParam{Name: p.Name, Type: p.Type.String(), Value: p.Value})
	}
	for _, f := range job.Functions {
		m.Functions = append(m.Functions, manifestFunction{f.Name, f.Export, f.SHA256, json.RawMessage(f.Options), f.Files})
	}
	for _, s := range made.Stages {
		m.Stages = append(m.Stages, manifestStage{RowsRead: s.RowsRead, RowsIn: s.RowsIn, RowsOut: s.RowsOut, RowsRejected: s.RowsRejected})
	}
	m.Sources = countSources(job, made.Stages)
	m.Steps = countSteps(job, made.Stages)
	return &m, nil
}

func (m *manifest) encode() ([]byte, error) {
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(data, '\n'), nil
}

// layOut says how the rows of the shards lie in files.
func (m *manifest) layOut(o *plan.Output) {
	names := o.Schema.Names()
	for _, c := range o.PartitionBy {
		m.PartitionBy = append(m.PartitionBy, names[c])
	}
	for _, k := range o.SortBy {
		m.SortBy = append(m.SortBy, k.Text(names[k.Column]))
	}
	if m.RowsPerFile = o.RowsPerFile; o.Time > 0 {
		m.Time = names[o.Time-1]
	}
}
