package coordinator

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/storage"
)

func TestDatasetVersions(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "clicks")
	for name, content := range map[string]string{
		"r1/_SUCCESS": "", "r1/manifest.json": `{"rows": 1}`, "r2/_SUCCESS": "", "r2/manifest.json": `{"rows": 2}`,
		"r3/manifest.json": `{"rows": 3}`, // not whole
		"_LATEST":          "r2\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	store := storage.New()
	defer store.Close()
	c := &Coordinator{options: Options{Store: store}}
	ask := func(path, version string) (api.DatasetVersion, error) {
		query := url.Values{"path": {path}, "version": {version}}
		answer := httptest.NewRecorder()
		if err := c.dataset(answer, httptest.NewRequest("GET", "/v1/dataset?"+query.Encode(), nil)); err != nil {
			return api.DatasetVersion{}, c.explain(err)
		}
		var v api.DatasetVersion
		return v, json.Unmarshal(answer.Body.Bytes(), &v)
	}
	for version, want := range map[string]string{"": "r2", "r1": "r1"} {
		v, err := ask(dir, version)
		if err != nil || v.Version != want || v.Path != dir || v.VersionPath != filepath.Join(dir, want) || len(v.Manifest) == 0 {
			t.Errorf("version %q is %+v, %v", version, v, err)
		}
	}
	for _, bad := range []struct {
		path, version string
		code          api.Code
	}{
		{dir, "r3", api.CodeNotFound},
		{dir, "r4", api.CodeNotFound},
		{filepath.Dir(dir), "", api.CodeNotFound},
		{dir, "../clicks/r1", api.CodeInvalid},
		{"clicks", "", api.CodeInvalid},
		{"", "", api.CodeInvalid},
		{"ftp://x/y", "", api.CodeInvalid},
	} {
		var answer *api.Error
		if _, err := ask(bad.path, bad.version); !errors.As(err, &answer) || answer.Code != bad.code {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}
