package e2e

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/quern-engine/quern/storage"
)

// TestStoresCredentials reads and writes with credentials that are missing or wrong, in buckets that are not there and with mistakes in
// the URL, on the object stores that QUERN_STORES names: what is said names the mend.
func TestStoresCredentials(t *testing.T) {
	bases := strings.Fields(os.Getenv("QUERN_STORES"))
	if len(bases) == 0 {
		t.Skip("QUERN_STORES names no object stores: see e2e/stores.sh")
	}
	const unset = ""
	wrong := map[string][]struct {
		name string
		env  map[string]string
		url  func(base string) string
		want []string
	}{
		"s3": {
			{"none", map[string]string{"AWS_ACCESS_KEY_ID": unset, "AWS_SECRET_ACCESS_KEY": unset, "AWS_EC2_METADATA_DISABLED": "true"}, nil,
				[]string{"no credentials were found", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}},
			{"wrong", map[string]string{"AWS_SECRET_ACCESS_KEY": "wrong"}, nil, []string{"access denied", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"}},
			{"no region", map[string]string{"AWS_REGION": unset, "AWS_DEFAULT_REGION": unset}, func(base string) string {
				base, _, _ = strings.Cut(base, "?")
				return base
			}, []string{"no region", "add region=", "AWS_REGION"}},
			{"parameter", nil, func(base string) string { return base + "&regoin=x" }, []string{`"regoin"`, "check the URL's parameters"}},
		},
		"gs": {
			{"none", map[string]string{"STORAGE_EMULATOR_HOST": unset, "GOOGLE_APPLICATION_CREDENTIALS": unset, "HOME": "/nowhere", "NO_GCE_CHECK": "true"}, nil,
				[]string{"could not find default credentials", "GOOGLE_APPLICATION_CREDENTIALS"}},
			{"no file", map[string]string{"STORAGE_EMULATOR_HOST": unset, "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/key.json"}, nil,
				[]string{"/nowhere/key.json", "GOOGLE_APPLICATION_CREDENTIALS"}},
		},
		"azblob": {
			{"none", map[string]string{"AZURE_STORAGE_ACCOUNT": unset, "AZURE_STORAGE_KEY": unset}, nil, []string{"AZURE_STORAGE_ACCOUNT"}},
			{"wrong", map[string]string{"AZURE_STORAGE_KEY": "d3Jvbmc="}, nil, []string{"access denied", "AZURE_STORAGE_KEY"}},
		},
	}
	local, err := filepath.Abs("../testdata/flights")
	if err != nil {
		t.Fatal(err)
	}
	for _, base := range bases {
		scheme, _, _ := strings.Cut(base, ":")
		t.Run(scheme, func(t *testing.T) {
			check := func(job string, env map[string]string, want []string) {
				t.Helper()
				cmd := exec.Command(binary(t), "run", job, "-q")
				cmd.Dir = t.TempDir()
				for _, e := range os.Environ() {
					name, _, _ := strings.Cut(e, "=")
					if _, other := env[name]; !other {
						cmd.Env = append(cmd.Env, e)
					}
				}
				for name, value := range env {
					if value != unset {
						cmd.Env = append(cmd.Env, name+"="+value)
					}
				}
				said, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if !errors.As(err, &exit) {
					t.Errorf("%v, want a failure; said:\n%s", err, said)
				}
				for _, words := range want {
					if !strings.Contains(string(said), words) {
						t.Errorf("nothing of %q in:\n%s", words, said)
					}
				}
			}
			for _, c := range wrong[scheme] {
				t.Run(c.name, func(t *testing.T) {
					url := base
					if c.url != nil {
						url = c.url(base)
					}
					check(writeBlobJob(t, storage.Join(url, "flights"), filepath.Join(t.TempDir(), "out")), c.env, c.want)
				})
			}
			t.Run("no bucket", func(t *testing.T) {
				missing := strings.Replace(base, "//lake/", "//sea/", 1)
				want := []string{"there is no bucket sea"}
				check(writeBlobJob(t, storage.Join(missing, "flights"), filepath.Join(t.TempDir(), "out")), nil, want)
				check(writeBlobJob(t, local, storage.Join(missing, "out")), nil, want)
			})
		})
	}
}
