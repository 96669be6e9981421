package coordinator

import (
	"context"
	"encoding/json"
	"fmt"

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
// nothing that depends on who computed it. So writing it twice is harmless, and equal datasets have equal manifests.
type manifest struct {
	Format      int                `json:"format"` // of this file
	Job         string             `json:"job"`
	Output      string             `json:"output"`
	FileFormat  string             `json:"file_format"`
	Compression string             `json:"compression"`
	Schema      []manifestColumn   `json:"schema"`
	Rows        int64              `json:"rows"`
	Shards      []manifestShard    `json:"shards"` // in order
	Inputs      []plan.Input       `json:"inputs"`
	Params      []manifestParam    `json:"params"`
	Functions   []manifestFunction `json:"functions"`
	Plan        string             `json:"plan"` // SHA-256
	Stages      []manifestStage    `json:"stages"`
}

type manifestColumn struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Nullable bool   `json:"nullable"`
}

type manifestShard struct {
	Key    string `json:"key"` // below the folder of the manifest
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
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
}

type manifestStage struct {
	RowsRead int64 `json:"rows_read"` // from sources
	RowsIn   int64 `json:"rows_in"`   // from shuffles
	RowsOut  int64 `json:"rows_out"`
}

// namedFiles lists the files that the manifest of a published output names.
func (c *Coordinator) namedFiles(ctx context.Context, o state.Output) ([]api.FileInfo, error) {
	data, err := c.options.Store.Get(ctx, storage.Join(o.VersionURL, manifestName))
	if err != nil {
		return nil, err
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	var files []api.FileInfo
	for _, s := range m.Shards {
		files = append(files, api.FileInfo{Name: s.Key, Rows: s.Rows, Bytes: s.Bytes, SHA256: s.SHA256})
	}
	return files, nil
}

func encodeManifest(job *plan.Job, made state.Committed, output state.CommittedOutput) ([]byte, error) {
	planned, ok := job.Output(output.Name)
	if !ok {
		return nil, fmt.Errorf("the plan has no output %q", output.Name)
	}
	m := manifest{
		Format: manifestVersion, Job: job.Name, Output: output.Name, FileFormat: planned.Format, Compression: planned.Compression,
		Schema: []manifestColumn{}, Shards: []manifestShard{}, Inputs: []plan.Input{}, Params: []manifestParam{},
		Functions: []manifestFunction{}, Stages: []manifestStage{}, Plan: made.Plan,
	}
	for _, f := range planned.Schema.Fields {
		m.Schema = append(m.Schema, manifestColumn{Name: f.Name, Type: f.Type.String(), Nullable: f.Nullable})
	}
	for _, f := range output.Files {
		m.Rows += f.Rows
		m.Shards = append(m.Shards, manifestShard{Key: f.Name, Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256})
	}
	m.Inputs = append(m.Inputs, job.Inputs...)
	for _, p := range job.Params {
		m.Params = append(m.Params, manifestParam{Name: p.Name, Type: p.Type.String(), Value: p.Value})
	}
	for _, f := range job.Functions {
		m.Functions = append(m.Functions, manifestFunction{Name: f.Name, Export: f.Export, SHA256: f.SHA256})
	}
	for _, s := range made.Stages {
		m.Stages = append(m.Stages, manifestStage{RowsRead: s.RowsRead, RowsIn: s.RowsIn, RowsOut: s.RowsOut})
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode manifest: %w", err)
	}
	return append(data, '\n'), nil
}
