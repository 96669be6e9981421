package client

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
)

// joinTime is how long a coordinator may take over one request to add a member.
const joinTime = 20 * time.Second

// maxLearned bounds how many coordinators are remembered that nobody named at the beginning.
const maxLearned = 16

// learn remembers the coordinators of a header, instead of those of the last one.
func (c *Client) learn(header string) {
	if header == "" {
		return
	}
	var learned []string
	for address := range strings.SplitSeq(header, ",") {
		if _, _, err := net.SplitHostPort(address); err == nil && !slices.Contains(c.endpoints, address) && len(learned) < maxLearned {
			learned = append(learned, address)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.learned = learned
}

// known is how many coordinators there are to try.
func (c *Client) known() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.endpoints) + len(c.learned)
}

// Cluster is how the coordinators are.
func (c *Client) Cluster(ctx context.Context) (*api.ClusterStatus, error) {
	var s api.ClusterStatus
	if err := c.call(ctx, request{method: http.MethodGet, path: "/v1/cluster"}, nil, &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// AddMember makes a coordinator a member, and returns when it votes.
func (c *Client) AddMember(ctx context.Context, id, address string) error {
	for {
		var reply api.AddMemberReply
		r := request{method: http.MethodPost, path: "/v1/cluster/members", wait: joinTime}
		if err := c.call(ctx, r, api.AddMemberRequest{ID: id, Address: address}, &reply); err != nil {
			return err
		}
		if reply.Voter {
			return nil
		}
	}
}

// RemoveMember takes a coordinator out of the cluster; with force even if too few that answer are left to decide anything.
func (c *Client) RemoveMember(ctx context.Context, id string, force bool) error {
	path := "/v1/cluster/members/" + url.PathEscape(id)
	if force {
		path += "?force=true"
	}
	return c.call(ctx, request{method: http.MethodDelete, path: path}, nil, nil)
}

// Transfer hands leadership to a coordinator, or to whoever is closest if id is empty, and says who leads now.
func (c *Client) Transfer(ctx context.Context, id string) (leader string, err error) {
	var reply api.TransferReply
	err = c.call(ctx, request{method: http.MethodPost, path: "/v1/cluster/transfer"}, api.TransferRequest{To: id}, &reply)
	return reply.Leader, err
}
