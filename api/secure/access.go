package secure

import (
	"net/http"
	"strings"
)

// Access is a set of those who may use a route. The zero value is nobody.
type Access uint8

// Who there is. Anyone needs no credentials at all; it is for questions about a process's health.
const (
	Callers      Access = 1 << iota // who shows a token
	Workers                         // who shows a worker's certificate
	Coordinators                    // who shows a coordinator's certificate
	Anyone
	Monitors // who shows a certificate for reading metrics
)

// Members are the processes of the cluster.
const Members = Workers | Coordinators

// String names them.
func (a Access) String() string {
	var names []string
	for i, name := range []string{"callers", "workers", "coordinators", "anyone", "monitors"} {
		if a&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// Route is a line of the table of what a process serves, to whom.
type Route struct {
	Pattern string // as [http.ServeMux] has it
	For     Access
	Body    int64 // most bytes of a request's body; zero is DefaultBody
	Handler http.Handler
}

// DefaultBody is how long a request is unless its route says otherwise.
const DefaultBody = 1 << 20
