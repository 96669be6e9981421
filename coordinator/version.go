package coordinator

import (
	"encoding/json"
	"fmt"

	"github.com/quern-engine/quern/coordinator/state"
)

// The files of a dataset beside its shards: see docs/formats.md.
const (
	ManifestName = manifestName // in a version
	MadeByName   = madeByName   // in a version that a job has made
	SuccessName  = successName  // in a version, when it is whole
	LatestName   = latestName   // in a dataset: the id of the run that made its latest version
)

// EntryVersion is the newest version of log entries that this build reads, and writes where all members read it.
const EntryVersion = state.EntryVersion

// Step is what a manifest says of a step of the job.
type Step = manifestStep

// Manifest describes a version of an output.
type Manifest = manifest

// DecodeManifest reads a manifest.
func DecodeManifest(data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode manifest: %w", err)
	}
	if m.Format != manifestVersion {
		return nil, fmt.Errorf("decode manifest: it has the format %d, and this version of quern knows %d", m.Format, manifestVersion)
	}
	return &m, nil
}

// MadeBy is the job that made a version.
type MadeBy = madeBy

// DecodeMadeBy reads what a version was made by.
func DecodeMadeBy(data []byte) (*MadeBy, error) {
	var m MadeBy
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("decode %s: %w", madeByName, err)
	}
	if m.Format != madeByVersion {
		return nil, fmt.Errorf("decode %s: it has the format %d, and this version of quern knows %d", madeByName, m.Format, madeByVersion)
	}
	if m.Job == nil {
		return nil, fmt.Errorf("decode %s: there is no job in it", madeByName)
	}
	return &m, nil
}
