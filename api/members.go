package api

import "time"

// CoordinatorsHeader is on answers of a coordinator that is not alone: host:port of all that vote, comma separated. A
// caller that was told of one knows the others before that one goes.
const CoordinatorsHeader = "Quern-Coordinators"

// ClusterStatus is what GET /v1/cluster answers: the leader, or if there is none the coordinator that was asked.
type ClusterStatus struct {
	From    string `json:"from"`              // id of the coordinator that says so
	Cluster string `json:"cluster,omitempty"` // id of the cluster; empty if the coordinator is alone for good
	Leader  string `json:"leader,omitempty"`  // id; empty if there is none
	Term    uint64 `json:"term"`
	// EntryVersion is the version of the log entries that are written: the newest that all members read.
	EntryVersion int            `json:"entry_version"`
	Members      []MemberStatus `json:"members"` // in order of their ids
}

// MemberStatus is one coordinator. What comes after Answers is its own word, and zero if it does not answer.
type MemberStatus struct {
	ID      string `json:"id"`
	Address string `json:"address"` // host:port
	Voter   bool   `json:"voter"`   // false while it catches up
	Answers bool   `json:"answers"`

	Build        string        `json:"build,omitempty"`
	EntryVersion int           `json:"entry_version,omitempty"` // newest version of log entries that it reads
	Term         uint64        `json:"term,omitempty"`
	Applied      uint64        `json:"applied,omitempty"`      // log index of the newest command that it has applied
	State        string        `json:"state,omitempty"`        // hash of its state there: with the same index, all have the same
	Lag          uint64        `json:"lag,omitempty"`          // log entries that the furthest member has applied beyond that
	LastContact  time.Duration `json:"last_contact,omitempty"` // since it heard from the leader
	DiskFree     uint64        `json:"disk_free,omitempty"`    // bytes where its state directory is
	DiskLow      bool          `json:"disk_low,omitempty"`
	Trouble      string        `json:"trouble,omitempty"` // what is wrong with its disk, in words
}

// AddMemberRequest makes a coordinator a member (POST /v1/cluster/members), or tells the address that a member has now.
// It can be repeated, and must be until the member votes.
type AddMemberRequest struct {
	ID      string `json:"id"`
	Address string `json:"address"` // host:port
}

// AddMemberReply says whether it votes already. It does once it knows what the others know.
type AddMemberReply struct {
	Voter bool `json:"voter"`
}

// TransferRequest hands leadership over (POST /v1/cluster/transfer).
type TransferRequest struct {
	To string `json:"to,omitempty"` // id; empty is whoever is closest
}

// TransferReply says who leads now.
type TransferReply struct {
	Leader string `json:"leader"` // id
}
