package coordinator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// joinTime is how long one request to add a member may wait for it to catch up: less than callers wait.
const joinTime = 15 * time.Second

// cluster says how the coordinators are. Somebody who does not lead answers only if nobody does.
func (c *Coordinator) cluster(w http.ResponseWriter, r *http.Request) error {
	if c.leading(r.Context()) == nil && c.leaderAddress() != "" {
		return consensus.ErrNotLeader
	}
	own := c.node.Report(false)
	if len(own.Members) == 0 {
		return api.Errorf(api.CodeUnavailable, "coordinator %s is no member of a cluster yet: it waits for a majority of its peers, or to be added", own.ID)
	}
	if own.Leader == own.ID {
		if err := c.node.Verify(r.Context()); err != nil {
			return err
		}
	}
	status := api.ClusterStatus{
		From: own.ID, Cluster: own.Cluster, Leader: own.Leader, Term: own.Term, EntryVersion: c.node.EntryVersion(), Members: []api.MemberStatus{},
	}
	reports := c.reports(r.Context(), own.Members)
	furthest := uint64(0)
	for _, report := range reports {
		if report != nil {
			furthest = max(furthest, report.Applied)
		}
	}
	for i, m := range own.Members {
		s := api.MemberStatus{ID: m.ID, Address: m.Address, Voter: m.Voter}
		if report := reports[i]; report != nil {
			s.Answers, s.Build, s.EntryVersion, s.Term = true, report.Build, report.Entries, report.Term
			s.Applied, s.Lag, s.LastContact = report.Applied, furthest-report.Applied, time.Duration(report.Contact)
			s.State = report.State
			s.DiskFree, s.DiskLow, s.Trouble = report.DiskFree, report.DiskLow, report.Trouble
		}
		status.Members = append(status.Members, s)
	}
	writeJSON(w, http.StatusOK, status)
	return nil
}

// reports has all members report, and those that answer tell the hash of their state. A large one takes time to compute:
// what was said before has to do where it takes too long.
func (c *Coordinator) reports(ctx context.Context, members []consensus.Member) []*consensus.Report {
	reports := c.node.AskAll(ctx, members)
	var answering []consensus.Member
	for i, r := range reports {
		if r != nil {
			answering = append(answering, members[i])
		}
	}
	hashed := c.node.AskHashes(ctx, answering)
	for i, r := range reports {
		if r == nil {
			continue
		}
		if hashed[0] != nil {
			reports[i] = hashed[0]
		}
		hashed = hashed[1:]
	}
	return reports
}

func (c *Coordinator) addMember(w http.ResponseWriter, r *http.Request, _ *term) error {
	var request api.AddMemberRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if err := plan.ValidateID("coordinator id", request.ID); err != nil {
		return api.Errorf(api.CodeInvalid, "%s", err)
	}
	if _, _, err := net.SplitHostPort(request.Address); err != nil {
		return api.Errorf(api.CodeInvalid, "coordinator %s: address %q is not host:port", request.ID, request.Address)
	}
	ctx, cancel := context.WithTimeout(r.Context(), joinTime)
	defer cancel()
	voter, err := c.node.AddMember(ctx, request.ID, request.Address, c.supply)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, api.AddMemberReply{Voter: voter})
	return nil
}

// supply gives a new member the plans and plugins that runs need, before it counts as one of those that have them.
func (c *Coordinator) supply(ctx context.Context, m consensus.Member) error {
	for _, digest := range c.neededBlobs() {
		f, err := c.blobs.open(ctx, digest) // from another, if need be
		if answer := (*api.Error)(nil); errors.As(err, &answer) && answer.Code == api.CodeNotFound {
			continue // nobody has it, so nothing is gained by keeping the new one out
		}
		if err != nil {
			return err
		}
		f.Close()
		if err := c.blobs.copy(ctx, m.Address, digest); err != nil {
			return fmt.Errorf("copy plans to coordinator %s: %w", m.ID, err)
		}
	}
	return nil
}

func (c *Coordinator) neededBlobs() (digests []string) {
	c.node.Read(func(m *state.Machine) { digests = m.Blobs() })
	return digests
}

func (c *Coordinator) removeMember(w http.ResponseWriter, r *http.Request, _ *term) error {
	if err := c.node.RemoveMember(r.Context(), r.PathValue("id"), r.FormValue("force") == "true"); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

func (c *Coordinator) transfer(w http.ResponseWriter, r *http.Request, _ *term) error {
	var request api.TransferRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if err := c.node.Transfer(r.Context(), request.To); err != nil {
		return err
	}
	leader := c.options.ID
	if request.To != leader {
		for leader, _ = c.node.Leader(); leader == "" || leader == c.options.ID; leader, _ = c.node.Leader() {
			if !c.sleep(r.Context(), 0) {
				return r.Context().Err()
			}
		}
	}
	writeJSON(w, http.StatusOK, api.TransferReply{Leader: leader})
	return nil
}

// whileRoom refuses what makes the state grow while the disk is nearly full, so that the runs there are can go on.
func (c *Coordinator) whileRoom(f func(http.ResponseWriter, *http.Request, *term) error) func(http.ResponseWriter, *http.Request, *term) error {
	return func(w http.ResponseWriter, r *http.Request, t *term) error {
		if c.node.DiskLow() {
			return api.Errorf(api.CodeUnavailable, "coordinator %s has next to no disk space left where its state is: no new runs until there is", c.options.ID)
		}
		return f(w, r, t)
	}
}

// join asks the coordinators that it was told of, again and again, to make this one a member.
func (c *Coordinator) join(ctx context.Context) {
	members := client.New(c.options.Join, client.Options{Identity: c.options.Identity})
	defer members.Close()
	for try := 0; ; try++ {
		err := members.AddMember(ctx, c.options.ID, c.address)
		if err == nil {
			c.log.Info("joined the cluster")
			return
		}
		if ctx.Err() != nil {
			return
		}
		var answer *api.Error
		if errors.As(err, &answer) && (answer.Code == api.CodeConflict || answer.Code == api.CodeInvalid) {
			c.log.Error("cannot join the cluster; trying again", "error", err)
		} else {
			c.log.Info("could not join the cluster yet", "error", err)
		}
		if !c.sleep(ctx, try) {
			return
		}
	}
}

// tendEvery is how often a coordinator looks after what membership brings with it.
const tendEvery = 5 * time.Second

// tend fetches the plans and plugins that this coordinator should have and does not, and gives leadership away when the
// disk is nearly full and somebody else has space.
func (c *Coordinator) tend(ctx context.Context) {
	for {
		select {
		case <-c.options.Clock.After(tendEvery):
		case <-ctx.Done():
			return
		}
		if c.node.IsLeader() && c.node.DiskLow() {
			c.yieldForSpace(ctx)
		}
		for _, digest := range c.neededBlobs() {
			if c.blobs.has(digest) || ctx.Err() != nil {
				continue
			}
			f, err := c.blobs.open(ctx, digest)
			if err != nil {
				c.log.Info("could not fetch a plan or plugin", "digest", digest, "error", err)
				continue
			}
			f.Close()
		}
	}
}

// Failed is closed when this coordinator cannot go on, or is not to: see [Coordinator.Failure].
func (c *Coordinator) Failed() <-chan struct{} { return c.node.Failed() }

// Failure says why. A coordinator that was removed from its cluster has not failed: it returns nil.
func (c *Coordinator) Failure() error {
	if err := c.node.Failure(); !errors.Is(err, consensus.ErrRemoved) {
		return err
	}
	return nil
}

// Recover makes a coordinator that has lost the others for good the only one of its cluster. It must not run; its next
// start says where it is reached. abandoned must name the others.
func Recover(id, stateDir string, abandoned []string) error {
	err := consensus.Recover(consensus.Options{ID: id, Dir: filepath.Join(stateDir, "raft"), Address: id}, abandoned)
	var refusal consensus.RefusedError
	if errors.As(err, &refusal) {
		return api.Errorf(api.CodeConflict, "%s", refusal)
	}
	return err
}
