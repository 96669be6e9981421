package consensus

import (
	"strings"
	"testing"
)

// One of three is left. It goes on with all that it knew, and others join it.
func TestTheLastOneOfThreeRecovers(t *testing.T) {
	t.Parallel()
	ctx := testContext(t)
	h := grown(ctx, t, nil)
	h.propose(ctx, "r1")
	h.agree(ctx)
	c1 := h.rooms["c1"]
	want := hash(t, c1.Node)
	o := Options{ID: "c1", Dir: c1.dir, Address: "c1", Volatile: true}
	if err := Recover(o, []string{"c2", "c3"}); err == nil || !strings.Contains(err.Error(), "another process uses this state directory") {
		t.Errorf("recovered while it runs: %v", err)
	}
	for _, id := range []string{"c1", "c2", "c3"} {
		h.stop(id)
	}
	wantRefusal(t, Recover(o, nil), "give --abandon c2,c3")
	wantRefusal(t, Recover(o, []string{"c2"}), "give --abandon c2,c3")
	if err := Recover(o, []string{"c3", "c2"}); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, Recover(o, nil), "only member already")
	if err := Recover(Options{ID: "c9", Dir: o.Dir}, nil); err == nil || !strings.Contains(err.Error(), "belongs to coordinator c1") {
		t.Errorf("recovered as another: %v", err)
	}
	if err := Recover(Options{ID: "c1", Dir: t.TempDir()}, nil); err == nil || !strings.Contains(err.Error(), "no coordinator's log") {
		t.Errorf("recovered from nothing: %v", err)
	}
	again := h.begin("c1", false)
	lead(ctx, t, again)
	if got := hash(t, again); got != want {
		t.Error("it has another state")
	}
	h.begin("c4", true)
	h.add(ctx, "c4")
	h.propose(ctx, "r2")
	h.agree(ctx)
}
