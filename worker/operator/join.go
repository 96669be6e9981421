package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// HashJoin joins by equal keys: the right input is read whole and indexed at the first Next, the left one streams
// through. However many matches a row has, no more than a batch of pairs exists at a time.
//
// When the right input does not fit in memory both inputs go to scratch files, divided by a hash of their keys, and are
// joined file by file; see joinSpilled. Every left row carries its place in the input, by which the results are put
// back in order.
type HashJoin struct {
	stream
	plan      *plan.Join
	condition *residual // nil without one
	weak      *residual // null-aware: holds for pairs whose comparison is NULL
	nulls     nullKeys  // null-aware
	publisher *publisher

	shareKey string       // of the build side in env.Builds, or empty
	shared   *sharedBuild // what it has there; nil before, and where it has none
	making   bool         // the others with this key wait for this join's build side

	loading loader
	top     *joiner     // the join in memory; nil before the build side is read, and when it does not fit
	outputs []SpillFile // results of scratch files
	merge   *merge
}

var _ Operator = (*HashJoin)(nil)

// NewHashJoin makes a join of left (probe) and right (build) to schema.
func NewHashJoin(env Env, left, right Operator, j *plan.Join, schema plan.Schema) (*HashJoin, error) {
	l, r := left.Schema(), right.Schema()
	if len(j.LeftKeys) != len(j.RightKeys) {
		return nil, fmt.Errorf("join: %d keys on the left, %d on the right", len(j.LeftKeys), len(j.RightKeys))
	}
	for i, c := range j.LeftKeys {
		lt, rt := l.Fields[c].Type, r.Fields[j.RightKeys[i]].Type
		if !lt.Equal(rt) {
			return nil, fmt.Errorf("join: key %d is %s on the left and %s on the right", i+1, lt, rt)
		}
	}
	want := len(l.Fields)
	switch j.Type {
	case plan.JoinInner, plan.JoinLeft, plan.JoinFull, plan.JoinCross, plan.JoinSingle:
		want += len(r.Fields)
	case plan.JoinLeftSemi, plan.JoinLeftAnti:
	case plan.JoinRightSemi, plan.JoinRightAnti:
		want = len(r.Fields)
	case plan.JoinMark:
		want++
	default:
		return nil, fmt.Errorf("join of unknown type %q", j.Type)
	}
	if len(schema.Fields) != want {
		return nil, fmt.Errorf("%s join: %d columns out, schema has %d", j.Type, want, len(schema.Fields))
	}
	if j.NullAware && j.Type != plan.JoinLeftAnti && j.Type != plan.JoinMark {
		return nil, fmt.Errorf("%s join cannot be null-aware", j.Type)
	}
	o := &HashJoin{stream: newStream(env, schema, left, right), plan: j}
	o.loading = loader{s: &o.stream, schema: r, keys: j.RightKeys}
	o.publisher = newPublisher(o.env, j, r)
	var err error
	if j.Condition != nil {
		if o.condition, err = newResidual(j.Condition, l, r, env.Session); err != nil {
			return nil, err
		}
	}
	if j.NullAware {
		o.nulls = newNullKeys(j)
		if o.weak, err = newResidual(o.nulls.comparison(j, l, r), l, r, env.Session); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// Next returns the next joined rows; the first call reads the right input.
func (o *HashJoin) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *HashJoin) next(ctx context.Context) (arrow.Record, error) {
	if o.top == nil && o.merge == nil {
		if err := o.start(ctx); err != nil {
			return nil, err
		}
	}
	var rec arrow.Record
	var err error
	if o.top != nil {
		rec, err = o.top.next(ctx)
	} else if rec, err = o.merge.next(ctx); rec != nil {
		rec = unnumbered(o.schema, rec)
	}
	if rec == nil && err == nil {
		err = io.EOF
	}
	return rec, err
}

// start reads the right input, and joins on disk if need be.
func (o *HashJoin) start(ctx context.Context) error {
	side, err := o.sharedSide(ctx)
	if err != nil {
		return err
	}
	if side != nil {
		o.top = o.joinerOver(side)
		return nil
	}
	var rest arrow.Record // the batch that memory has no room for
	err = o.untilFull(ctx, &rest)
	if err == nil && rest != nil {
		defer rest.Release()
		o.giveUp()
		return o.joinSpilled(ctx, rest)
	}
	if err != nil {
		return err
	}
	o.publisher.publish(o.loading.batches)
	side, err = o.loading.finish(o)
	if err != nil {
		return err
	}
	if o.making {
		o.shared, o.making = o.env.Builds.offer(o.shareKey, side, o.publisher.filters()), false
	}
	o.top = o.joinerOver(side)
	return nil
}

func (o *HashJoin) joinerOver(side *buildSide) *joiner {
	return &joiner{o: o, build: side, left: func(ctx context.Context) (arrow.Record, error) {
		return o.pull(ctx, 0)
	}}
}

// sharedSide is the build side that another task has made; nil if there is none, or no room for it.
func (o *HashJoin) sharedSide(ctx context.Context) (*buildSide, error) {
	if o.env.Builds == nil || o.shareKey == "" {
		return nil, nil
	}
	shared, side, err := o.env.Builds.acquire(ctx, o.shareKey)
	if err != nil {
		return nil, err
	}
	if shared == nil {
		o.making = true
		return nil, nil
	}
	if ok, err := o.tryHold(side.bytes()); err != nil || !ok {
		side.release()
		o.env.Builds.release(shared)
		return nil, err
	}
	o.shared = shared
	for _, f := range shared.filters {
		o.env.Filters.Publish(f.id, f.filter)
	}
	return side, nil
}

// giveUp tells those who wait for this join's build side that it will not be shared.
func (o *HashJoin) giveUp() {
	if o.making {
		o.env.Builds.giveUp(o.shareKey)
		o.making = false
	}
}

// untilFull loads the right input as far as memory goes; rest is the first batch that it did not take.
func (o *HashJoin) untilFull(ctx context.Context, rest *arrow.Record) error {
	for {
		rec, err := o.pull(ctx, 1)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		err = o.publisher.observe(rec)
		taken := false
		if err == nil {
			taken, err = o.loading.add(rec)
		}
		if err == nil && !taken {
			*rest = rec
			return nil
		}
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// Close releases the build side and the current left batch, removes scratch files, and closes both inputs.
func (o *HashJoin) Close() error {
	o.giveUp()
	o.loading.drop()
	o.top.close()
	if o.shared != nil {
		o.env.Builds.release(o.shared)
		o.shared = nil
	}
	err := errors.Join(o.merge.close(), removeAll(o.outputs))
	o.top, o.merge, o.outputs = nil, nil, nil
	return errors.Join(err, o.stream.Close())
}
