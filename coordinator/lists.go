package coordinator

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// readLists is how many lists of shards are read at once: a store answers in milliseconds, and there may be thousands.
const readLists = 16

// written is what the attempts that count have written of an output, in the order of the tasks.
func (c *Coordinator) written(ctx context.Context, o state.CommittedOutput) ([]api.FileList, error) {
	lists := make([]api.FileList, len(o.Files))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readLists)
	for i, f := range o.Files {
		if !api.IsList(f.Name) { // a worker of an older build
			lists[i].Files = []api.ShardInfo{{Key: f.Name, Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256}}
			continue
		}
		group.Go(func() (err error) {
			lists[i], err = c.readList(ctx, o.VersionURL, f)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("output %s: %w", o.Name, err)
	}
	return lists, nil
}

// readList reads the list that an attempt has reported.
func (c *Coordinator) readList(ctx context.Context, versionURL string, f api.FileInfo) (list api.FileList, err error) {
	content, err := c.options.Store.Get(ctx, storage.Join(versionURL, f.Name))
	if err != nil {
		return list, fmt.Errorf("read what task wrote, %s: %w", f.Name, err)
	}
	if got := plan.Digest(content); got != f.SHA256 {
		return list, fmt.Errorf("%s is not what was reported: it has the digest %s, not %s", f.Name, got, f.SHA256)
	}
	if err := json.Unmarshal(content, &list); err != nil {
		return list, fmt.Errorf("decode %s: %w", f.Name, err)
	}
	for _, s := range list.Files {
		if !validKey(s.Key) {
			return list, fmt.Errorf("%s: shard %q", f.Name, s.Key)
		}
	}
	return list, nil
}

// validKey reports a key that can only mean a file in a version folder or below: it came over the network.
func validKey(key string) bool {
	elems := strings.Split(key, "/")
	for _, e := range elems[:len(elems)-1] {
		if e == "" || e[0] == '.' || strings.ContainsAny(e, "\\?#") {
			return false
		}
	}
	return state.ValidFileName(elems[len(elems)-1])
}

// discardable lists what an attempt that came too late has written, as far as it can be told.
func (c *Coordinator) discardable(ctx context.Context, versionURL string, f api.FileInfo) (keys []string, err error) {
	if api.IsList(f.Name) {
		list, err := c.readList(ctx, versionURL, f)
		if err != nil {
			return nil, err
		}
		for _, s := range list.Files {
			keys = append(keys, s.Key)
		}
	}
	return append(keys, f.Name), nil
}
