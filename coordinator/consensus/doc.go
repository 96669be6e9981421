// Package consensus keeps a state.Machine the same on every coordinator. It is the only door to hashicorp/raft, and
// hides what is awkward about it: calls take a context, results come with their error, proposals of many callers
// travel in one log entry, leadership changes can be slept through, and a log store that hangs gives the leadership up
// instead of the cluster.
//
// Who the members are is in the log, and changes while the cluster works. A node without an address, in an embedded
// cluster, is alone for good; one with an address may be alone until others are added. A node whose disk is not as it
// should be stops rather than guess: see docs/adr/0012-coordinators-come-and-go.md.
//
// Raft's connections go over the process's one HTTP port: the dialer sends GET /v1/raft with "Upgrade: quern-raft", the
// handler hijacks the connection, and from then on it belongs to raft.
package consensus
