package datagen

import (
	"context"
	"math/rand/v2"
)

// itemSnapshots is how many snapshots there are of an item's features in a day. Users have one.
const itemSnapshots = 4

const noCTR = certain / 100 // of a snapshot without a click-through rate

// features makes the snapshots of the task's day and slice of the keys.
func (t *task) features(ctx context.Context) error {
	if err := t.itemFeatures(ctx); err != nil {
		return err
	}
	return t.userFeatures(ctx)
}

func (t *task) itemFeatures(ctx context.Context) error {
	s, err := t.snapshots(ctx, itemFeatures, streamItemFeatures, streamItemCorrections)
	if err != nil {
		return err
	}
	const every = dayLen / itemSnapshots
	from, to := t.slice(t.Items)
	for n := range int64(itemSnapshots) {
		for key := from + 1; key <= to; key++ {
			known := t.world.item(key)
			truth := snapshot{key: key, ctr: meanClicks(known.quality()), impressions: t.seen(t.items, key), price: known.price()}
			if err := s.add(ctx, truth, t.begin+n*every, every); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *task) userFeatures(ctx context.Context) error {
	s, err := t.snapshots(ctx, userFeatures, streamUserFeatures, streamUserCorrections)
	if err != nil {
		return err
	}
	from, to := t.slice(t.Users)
	for key := from + 1; key <= to; key++ {
		truth := snapshot{key: key, ctr: meanClicks(t.world.user(key).keenness()), impressions: t.seen(t.users, key)}
		if err := s.add(ctx, truth, t.begin, dayLen); err != nil {
			return err
		}
	}
	return nil
}

// seen is how many impressions a key has in seven days, as far as its popularity says.
func (t *task) seen(p *popular, key int64) int64 {
	share := min(p.share(key), certain-1)
	return int64(below(uint64(share)<<32, uint64(t.Impressions)*7))
}

// snapshot is what the features of a key are about.
type snapshot struct {
	key         int64
	ctr         uint64 // 2^-16
	impressions int64
	price       int64 // cents; users have none
}

// snapshots writes a table of features.
type snapshots struct {
	*task
	out            *output
	r, corrections *rand.PCG
	late           rate
}

func (t *task) snapshots(ctx context.Context, table *table, first, corrections stream) (*snapshots, error) {
	out, err := t.create(ctx, table, t.dayFolder(t.day)+"/"+t.part()+".parquet")
	return &snapshots{
		task: t, out: out, late: rateOf(t.Late),
		r: newSource(t.Seed, first, t.day, t.file), corrections: newSource(t.Seed, corrections, t.day, t.file),
	}, err
}

// add makes a snapshot about a second in the span of time from begin on. One that is corrected later appears twice: with
// the same key and feature_time, but a later available_at and other values.
func (s *snapshots) add(ctx context.Context, truth snapshot, begin, span int64) error {
	if err := s.out.room(ctx, 1); err != nil {
		return err
	}
	at := begin + int64(below(s.r.Uint64(), uint64(span/second)))*second
	available := at + featureDelay.at(s.r.Uint64())
	s.fill(truth, at, available, s.r)
	if s.late.holds(uint32(s.corrections.Uint64())) {
		s.fill(truth, at, available+correctionDelay.at(s.corrections.Uint64()), s.corrections)
	}
	return nil
}

// fill makes a row of what is near the truth.
func (s *snapshots) fill(truth snapshot, at, available int64, r *rand.PCG) {
	o, i := s.out, s.out.n
	o.longs[snapshotKey][i], o.longs[snapshotTime][i], o.longs[snapshotAvailable][i] = truth.key, at, available
	millionths := near(r, int64(truth.ctr*1_000_000>>16), 20)
	o.doubles[snapshotCTR][i] = float64(millionths) / 1_000_000 // the nearest there is, on every processor
	o.nulls[snapshotCTR][i] = noCTR.holds(uint32(r.Uint64()))
	o.longs[snapshotImpressions][i] = near(r, truth.impressions, 10)
	if truth.price > 0 {
		o.decimals[snapshotPrice][i] = cents(near(r, truth.price, 10))
	}
	o.n++
}

// near is a number that is off by so many percent at most.
func near(r *rand.PCG, n, percent int64) int64 {
	off := 1<<16 - percent<<16/100 + int64(below(r.Uint64(), uint64(percent)<<17/100)) // 2^-16
	return int64(below(uint64(off)<<32, uint64(n)<<16))
}
