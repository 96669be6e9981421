package consensus

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"github.com/quern-engine/quern/coordinator/state"
)

// Report is how a node sees itself and the others.
type Report struct {
	ID      string `json:"id"`
	Cluster string `json:"cluster,omitempty"` // empty if it is of none yet
	Build   string `json:"build"`
	Entries int    `json:"entries"` // newest version of log entries that it reads
	Term    uint64 `json:"term"`
	Leader  string `json:"leader,omitempty"`  // id
	Applied uint64 `json:"applied"`           // log index of the newest command that it has applied
	State   string `json:"state,omitempty"`   // hash of the state machine at that index, if it was asked for
	Last    uint64 `json:"last"`              // log index of its newest entry; 0: it has none
	Contact int64  `json:"contact,omitempty"` // since the leader's last word, in ns
	Learns  bool   `json:"learns,omitempty"`  // it does not vote yet: see novice
	Sought  int64  `json:"sought,omitempty"`  // since a worker last asked here for the leader, in ns; 0: none has
	// Members are those that it knows, itself included, unless it was removed or has not been made one.
	Members  []Member `json:"members"`
	DiskFree uint64   `json:"disk_free"` // bytes of the state directory's file system
	DiskLow  bool     `json:"disk_low,omitempty"`
	Trouble  string   `json:"trouble,omitempty"` // what is wrong with its disk, in words
}

// Report tells how this node is, with the hash of its state if that is asked for: it takes as long as a snapshot.
func (n *Node) Report(hashed bool) Report {
	leader, _ := n.Leader()
	r := Report{
		ID: n.id, Cluster: n.cluster.ID(), Build: n.build, Entries: n.reads,
		Term: n.Term(), Leader: leader, Last: n.raft.LastIndex(), Members: n.Members(),
	}
	r.Learns = n.novice != nil && n.novice.quiet.Load()
	if r.Applied = n.applyIndex(); hashed {
		r.Applied, r.State = n.hash()
	}
	if last := n.raft.LastContact(); !last.IsZero() && !n.IsLeader() {
		r.Contact = int64(time.Since(last))
	}
	if at := n.sought.Load(); at != nil {
		r.Sought = int64(time.Since(*at))
	}
	r.DiskFree, r.DiskLow, _ = space(n.dir)
	if trouble := n.vault.trouble.Load(); trouble != nil {
		r.Trouble = *trouble
	}
	return r
}

// SoughtByWorker notes that a worker has asked this node, which does not lead, for what a leader does.
func (n *Node) SoughtByWorker() {
	now := time.Now()
	n.sought.Store(&now)
}

func (n *Node) applyIndex() (index uint64) {
	n.Read(func(m *state.Machine) { index = m.Index() })
	return index
}

// hash is that of the machine at an index. Others go on meanwhile.
func (n *Node) hash() (index uint64, hash string) {
	var still *state.Machine
	n.Read(func(m *state.Machine) { still = m.Copy() })
	hash, err := still.Hash()
	if err != nil {
		n.log.Warn("the state has no hash", "error", err)
	}
	return still.Index(), hash
}

// DiskLow reports that the state directory is running out of space, or has.
func (n *Node) DiskLow() bool {
	_, low, _ := space(n.dir)
	return low || n.vault.full.Load()
}

const (
	reportType = "application/vnd.quern.coordinator+json"
	askTimeout = 2 * time.Second
	// hashTimeout is longer: a million tasks take a while to encode.
	hashTimeout = 10 * time.Second
)

func (n *Node) serveReport(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get(inviteHeader) != "" {
		if err := n.accept(r.Context(), r.Header); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
	}
	data, err := json.Marshal(n.Report(r.FormValue("hash") == "true"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", reportType)
	w.Write(data) // an error means that the caller has gone
}

// Ask has the node at an address report. It goes the way of raft's connections, and so knows whether they would work.
func (n *Node) Ask(ctx context.Context, address string) (Report, error) {
	return n.request(ctx, address, false, nil)
}

func (n *Node) request(ctx context.Context, address string, hashed bool, more http.Header) (r Report, err error) {
	if address == n.address {
		return n.Report(hashed), nil
	}
	path, timeout := Path, askTimeout
	if hashed {
		path, timeout = Path+"?hash=true", hashTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	conn, err := n.stream.dial(ctx, address)
	if err != nil {
		return r, fmt.Errorf("dial coordinator %s: %w", address, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var head strings.Builder
	fmt.Fprintf(&head, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\nAccept: %s\r\n%s: %s\r\n", path, address, reportType, ClusterHeader, n.cluster.ID())
	_ = more.Write(&head) // no error: it is memory
	if _, err := io.WriteString(conn, head.String()+"\r\n"); err != nil {
		return r, fmt.Errorf("ask coordinator %s: %w", address, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return r, fmt.Errorf("ask coordinator %s: %w", address, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return r, fmt.Errorf("ask coordinator %s: %w", address, misfit(response))
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<20)).Decode(&r); err != nil {
		return r, fmt.Errorf("coordinator %s: %w", address, err)
	}
	if n.isOurs(r) {
		n.stream.mu.Lock()
		n.stream.versions[address] = max(r.Entries, oldestEntries)
		n.stream.mu.Unlock()
	}
	return r, nil
}

// Member is a coordinator as the log has it.
type Member struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Voter   bool   `json:"voter"`
}

// Members are all coordinators of the cluster as far as this one knows, in order of their ids.
func (n *Node) Members() []Member {
	future := n.raft.GetConfiguration()
	if future.Error() != nil {
		return nil // it never fails: it is what this node keeps at hand
	}
	return membersOf(future.Configuration())
}

func membersOf(c raft.Configuration) []Member {
	var members []Member
	for _, s := range c.Servers {
		members = append(members, Member{ID: string(s.ID), Address: string(s.Address), Voter: s.Suffrage == raft.Voter})
	}
	return inOrder(members)
}
