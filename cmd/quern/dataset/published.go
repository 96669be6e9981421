package dataset

import (
	"context"
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Fill says how a dataset stands to a planned output.
type Fill struct {
	Version *Version // the newest published version of the very same plan: nothing is to be done; nil if there is none
	Reason  string   // why something is: "missing", or what differs from the newest version of the same parameters
}

// Index looks datasets up by their URLs, each once. It is for one caller at a time.
type Index struct {
	store *storage.Store
	known map[string][]Version
}

// NewIndex returns an empty index.
func NewIndex(store *storage.Store) *Index {
	return &Index{store: store, known: map[string][]Version{}}
}

// Fill finds out whether an output of a planned job, whose plan has the digest, is there already.
func (x *Index) Fill(ctx context.Context, job *plan.Job, output plan.Output, digest string) (Fill, error) {
	versions, err := x.versions(ctx, output.URL)
	if err != nil {
		return Fill{}, err
	}
	f := Fill{Reason: "missing"}
	for i := range versions {
		v := &versions[i]
		switch m := v.Manifest; {
		case v.State != Published || m.Output != output.Name:
		case m.Plan == digest:
			return Fill{Version: v}, nil
		case f.Reason == "missing" && m.Job == job.Name && sameParams(v, job):
			f.Reason = "the job has changed"
			if !slices.Equal(m.Inputs, job.Inputs) {
				f.Reason = "inputs have changed"
			}
		}
	}
	return f, nil
}

func sameParams(v *Version, job *plan.Job) bool {
	if len(v.Manifest.Params) != len(job.Params) {
		return false
	}
	for i, p := range v.Manifest.Params {
		if p.Name != job.Params[i].Name || p.Value != job.Params[i].Value {
			return false
		}
	}
	return true
}

func (x *Index) versions(ctx context.Context, url string) ([]Version, error) {
	if v, ok := x.known[url]; ok {
		return v, nil
	}
	files, err := x.store.Tree(ctx, url)
	if err != nil {
		return nil, err
	}
	d, err := newTree(url, files).dataset(ctx, x.store, "")
	if err != nil {
		return nil, err
	}
	x.known[url] = d.Versions
	return d.Versions, nil
}
