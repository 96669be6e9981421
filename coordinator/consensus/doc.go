// Package consensus keeps a state.Machine the same on every coordinator. It is the only door to hashicorp/raft, and
// hides what is awkward about it: calls take a context, results come with their error, proposals of many callers
// travel in one log entry, leadership changes can be slept through, and a log store that hangs gives the leadership up
// instead of the cluster.
//
// A node with no peers is a single voter. It runs the same code, with timeouts that let it lead within milliseconds.
//
// Raft's connections go over the process's one HTTP port: the dialer sends GET /v1/raft with "Upgrade: quern-raft", the
// handler hijacks the connection, and from then on it belongs to raft.
package consensus
