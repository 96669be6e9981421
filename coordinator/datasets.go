package coordinator

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// dataset answers with the manifest of a dataset's latest version, or of the one asked for.
func (c *Coordinator) dataset(w http.ResponseWriter, r *http.Request) error {
	path := r.FormValue("path")
	if !filepath.IsAbs(path) && !strings.Contains(path, "://") {
		return api.Errorf(api.CodeInvalid, "path=%q: give a dataset by its absolute path or URL", path)
	}
	base, err := storage.URL("/", path)
	if err != nil {
		return err
	}
	version := r.FormValue("version")
	if version == "" {
		latest, err := c.options.Store.Get(r.Context(), storage.Join(base, latestName))
		if err != nil {
			return noDataset(err, "dataset "+storage.Display(base)+" has no version yet")
		}
		version = strings.TrimSpace(string(latest))
	}
	if err := plan.ValidateID("version", version); err != nil {
		return err
	}
	folder := storage.Join(base, version)
	if _, err := c.options.Store.Get(r.Context(), storage.Join(folder, successName)); err != nil {
		return noDataset(err, "dataset "+storage.Display(base)+" has no version "+version)
	}
	manifest, err := c.options.Store.Get(r.Context(), storage.Join(folder, manifestName))
	if err != nil {
		return err
	}
	if !json.Valid(manifest) {
		return api.Errorf(api.CodeInternal, "the manifest in %s is damaged", storage.Display(folder))
	}
	writeJSON(w, http.StatusOK, api.DatasetVersion{Path: storage.Display(base), Version: version, VersionPath: storage.Display(folder), Manifest: manifest})
	return nil
}

func noDataset(err error, message string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return api.Errorf(api.CodeNotFound, "%s", message)
	}
	return err
}
