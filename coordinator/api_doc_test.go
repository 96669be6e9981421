package coordinator

import (
	"os"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api/secure"
)

// Each route for callers is in docs/api.md.
func TestRoutesAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range (&Coordinator{}).routes() {
		if r.For&(secure.Callers|secure.Anyone) != 0 && !strings.Contains(string(doc), "| `"+r.Pattern) {
			t.Errorf("docs/api.md has no line for %s", r.Pattern)
		}
	}
}
