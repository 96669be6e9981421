package consensus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// RefusedError says why a change of membership is not made.
type RefusedError string

// Error is the message.
func (e RefusedError) Error() string { return string(e) }

func refused(format string, args ...any) error { return RefusedError(fmt.Sprintf(format, args...)) }

func inOrder(members []Member) []Member {
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return members
}

func find(members []Member, id string) (Member, bool) {
	for _, m := range members {
		if m.ID == id {
			return m, true
		}
	}
	return Member{}, false
}

func describe(members []Member) string {
	var list []string
	for _, m := range members {
		list = append(list, m.ID+"="+m.Address)
	}
	return strings.Join(list, ",")
}

func voters(members []Member) (list []Member) {
	for _, m := range members {
		if m.Voter {
			list = append(list, m)
		}
	}
	return list
}

// Alone says that no other coordinator has a say.
func (n *Node) Alone() bool {
	v := voters(n.Members())
	return len(v) == 1 && v[0].ID == n.id
}

const (
	reachTime  = 3 * time.Second // as long as clients try when nobody answers
	reachPause = 20 * time.Millisecond
)

// AddMember makes the node at an address a member: without a vote at first, so that the others need not wait for it, and
// with one when it knows what they know and ready has returned. Until then the answer is false, and whoever asked asks
// again. A member that has moved is given its new address.
func (n *Node) AddMember(ctx context.Context, id, address string, ready func(context.Context, Member) error) (voter bool, err error) {
	if n.stream == nil {
		return false, refused("this coordinator was started without an address for others: it stays alone")
	}
	if !n.IsLeader() {
		return false, ErrNotLeader
	}
	n.reach(ctx, address)
	if voter, err := n.admit(ctx, id, address); voter || err != nil {
		n.inform(ctx)
		return voter, err
	}
	if caughtUp, err := n.awaitCatchUp(ctx, address); err != nil || !caughtUp {
		return false, err
	}
	if err := ready(ctx, Member{ID: id, Address: address}); err != nil {
		return false, err
	}
	n.changing.Lock()
	defer n.changing.Unlock()
	if m, known := find(n.Members(), id); !known || m.Address != address {
		return false, refused("coordinator %s was removed or has moved meanwhile", id)
	}
	if err := n.wait(ctx, n.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0)); err != nil {
		return false, err
	}
	n.log.Info("a coordinator has joined", "id", id, "address", address)
	n.inform(ctx)
	return true, nil
}

// inform waits until all who answer know who the members are. A new voter is not elected by those who do not know yet that
// it is one: should the leader die before, nobody would lead.
func (n *Node) inform(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for last := n.raft.CommitIndex(); ctx.Err() == nil; {
		behind := func(r *Report) bool { return r != nil && r.Last < last }
		if !slices.ContainsFunc(n.AskAll(ctx, n.Members()), behind) {
			return
		}
		select {
		case <-time.After(reachPause):
		case <-ctx.Done():
		case <-n.stop:
			return
		}
	}
}

// reach waits for a while until a node answers: it may have been started a moment ago.
func (n *Node) reach(ctx context.Context, address string) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for ctx.Err() == nil {
		if _, err := n.Ask(ctx, address); err == nil {
			return
		}
		select {
		case <-time.After(reachPause):
		case <-ctx.Done():
		case <-n.stop:
			return
		}
	}
}

// admit makes a node a member if there is nothing against it, and says whether it has a vote.
func (n *Node) admit(ctx context.Context, id, address string) (voter bool, err error) {
	n.changing.Lock() // what speaks for a change must hold until it is made
	defer n.changing.Unlock()
	if !n.IsLeader() {
		return false, ErrNotLeader
	}
	n.correctAddress()
	members := n.Members()
	m, known := find(members, id)
	for _, other := range members {
		if other.ID != id && other.Address == address {
			return false, refused("%s is the address of coordinator %s", address, other.ID)
		}
	}
	report, err := n.Ask(ctx, address)
	if err == nil {
		err = n.acceptable(ctx, report, m, known, id, address)
	}
	if err == nil {
		err = n.invite(ctx, id, address, report) // a member, too, whose disk was lost
	}
	if err != nil {
		return false, asRefusal(ctx, err)
	}
	switch {
	case known && m.Voter && m.Address == address:
		return true, nil
	case !known:
		n.log.Info("a coordinator joins", "id", id, "address", address)
		err = n.wait(ctx, n.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0))
	case m.Address != address && m.Voter:
		n.log.Info("a coordinator has moved", "id", id, "from", m.Address, "to", address)
		return true, n.wait(ctx, n.raft.AddVoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0))
	case m.Address != address:
		err = n.wait(ctx, n.raft.AddNonvoter(raft.ServerID(id), raft.ServerAddress(address), 0, 0))
	}
	return false, err
}

// asRefusal makes a node that does not answer one that is not added, unless the caller has lost patience.
func asRefusal(ctx context.Context, err error) error {
	var refusal RefusedError
	if ctx.Err() != nil || errors.As(err, &refusal) {
		return err
	}
	return refused("%v", err)
}

// acceptable refuses a node that is not the one meant, and one with a log of its own: what it has applied could not be
// taken back.
func (n *Node) acceptable(ctx context.Context, r Report, m Member, known bool, id, address string) error {
	switch {
	case r.ID != id:
		return refused("the coordinator at %s is %s, not %s", address, r.ID, id)
	case r.Entries < n.EntryVersion():
		return refused("coordinator %s reads log entries up to version %d, and version %d is written here: it needs a newer build", id, r.Entries, n.EntryVersion())
	case !known && r.Last > 0:
		return refused("coordinator %s has a state of its own, of the cluster %s: start it on an empty state directory, with --join", id, describe(r.Members))
	case known && m.Address != address:
		if old, err := n.Ask(ctx, m.Address); err == nil && old.ID == id && n.isOurs(old) {
			return refused("coordinator %s is a member, and answers at %s", id, m.Address)
		}
		if _, same := find(r.Members, n.id); !same {
			return refused("coordinator %s is a member whose state directory was lost: 'quern cluster remove %s' first", id, id)
		}
	}
	return nil
}

// awaitCatchUp waits until a member knows what is committed now, or the context ends: then it reports false.
func (n *Node) awaitCatchUp(ctx context.Context, address string) (bool, error) {
	const slowest = 250 * time.Millisecond
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, slowest) {
		applied, committed := n.applyIndex(), n.raft.CommitIndex()
		if r, err := n.Ask(ctx, address); err == nil && n.isOurs(r) && r.Applied >= applied && r.Last >= committed && !r.Learns {
			return true, nil
		}
		if !n.IsLeader() {
			return false, ErrNotLeader
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return false, nil
		case <-n.stop:
			return false, ErrClosed
		}
	}
}

// RemoveMember takes a node out of the cluster. A leader that is to remove itself hands over first, and the next one has to
// be asked. Without force, a change after which too few would be there to decide anything is refused.
func (n *Node) RemoveMember(ctx context.Context, id string, force bool) error {
	if !n.IsLeader() {
		return ErrNotLeader
	}
	n.changing.Lock()
	defer n.changing.Unlock()
	members := n.Members()
	gone, known := find(members, id)
	if !known {
		return nil
	}
	if gone.Voter {
		if err := n.mayLose(ctx, members, gone, force); err != nil {
			return err
		}
	}
	if id == n.id {
		if err := n.StepDown(ctx); err != nil {
			return err
		}
		return ErrNotLeader
	}
	n.log.Info("a coordinator is removed", "id", id, "address", gone.Address)
	return n.wait(ctx, n.raft.RemoveServer(raft.ServerID(id), 0, 0))
}

func (n *Node) mayLose(ctx context.Context, members []Member, gone Member, force bool) error {
	rest := slices.DeleteFunc(voters(members), func(m Member) bool { return m.ID == gone.ID })
	if len(rest) == 0 {
		return refused("%s is the only coordinator that votes: there would be no cluster without it", gone.ID)
	}
	answers := n.AskAll(ctx, rest)
	var silent []string
	for i, r := range answers {
		if r == nil {
			silent = append(silent, rest[i].ID)
		}
	}
	if live, needed := len(rest)-len(silent), len(rest)/2+1; live < needed && !force {
		return refused("without %s, %d of %d coordinators would have to answer, and %s does not; remove those that are gone first, or give --force",
			gone.ID, needed, len(rest), strings.Join(silent, ", "))
	}
	return nil
}

// AskAll has members report, at the same time. There is nil for those that do not, and where another cluster answers.
func (n *Node) AskAll(ctx context.Context, members []Member) []*Report {
	return n.ours(n.askAll(ctx, members, false))
}

// AskHashes is AskAll with the hashes of their states.
func (n *Node) AskHashes(ctx context.Context, members []Member) []*Report {
	return n.ours(n.askAll(ctx, members, true))
}

func (n *Node) askAll(ctx context.Context, members []Member, hashed bool) []*Report {
	reports := make([]*Report, len(members))
	var asking sync.WaitGroup
	for i, m := range members {
		asking.Go(func() {
			if m.ID == n.id {
				own := n.Report(hashed)
				reports[i] = &own
			} else if r, err := n.request(ctx, m.Address, hashed, nil); err == nil && r.ID == m.ID {
				reports[i] = &r
			}
		})
	}
	asking.Wait()
	return reports
}

// Transfer hands leadership to a voter, or to the one that is closest if id is empty.
func (n *Node) Transfer(ctx context.Context, id string) error {
	switch to, known := find(n.Members(), id); {
	case !n.IsLeader():
		return ErrNotLeader
	case id == n.id:
		return nil
	case id == "" && n.Alone():
		return refused("coordinator %s is the only one that votes", n.id)
	case id == "":
		return n.wait(ctx, n.raft.LeadershipTransfer())
	case !known || !to.Voter:
		return refused("coordinator %s has no vote here", id)
	default:
		return n.wait(ctx, n.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(to.Address)))
	}
}
