package datagen

import (
	"context"
	"math/bits"
	"math/rand/v2"
)

// A request shows a page of items.
const minRequest, maxRequest = 5, 20

// maxSession bounds the requests of a session, so that it ends on the next day at the latest.
const maxSession = 40

// idsOfFile is how many ids of each kind a task may give.
const idsOfFile = 1_000_000_000

// Probabilities of what happens to sessions and requests.
const (
	oneMore   = certain * 4 / 5   // of another request in a session
	signedOut = certain * 2 / 100 // of a session whose user is not known
	borrowed  = certain / 10      // of a session on another device than the user's
	noDevice  = certain * 5 / 1000
	noValue   = certain / 100
	resent    = certain * 6 / 10 // of a row that is logged twice: that the second is not the same row but a later one
)

// traffic makes the log of one task: sessions in the order in which they begin, with all that follows from them. Rows go
// to the day of their time, which may be a later one; what would happen behind the last day has not happened yet.
type traffic struct {
	*task
	r, repeats                                *rand.PCG
	twice                                     rate
	impressions, clicks, conversions          dayLog
	session, request, impression, click, sale int64 // the last ids that were given
}

// visit is a session.
type visit struct {
	id       int64
	user     int64
	tastes   user
	signedIn bool
	device   int32
}

func (t *task) events(ctx context.Context) error {
	first := (int64(t.day)*int64(t.Files) + int64(t.file)) * idsOfFile
	g := &traffic{
		task: t, r: newSource(t.Seed, streamTraffic, t.day, t.file), repeats: newSource(t.Seed, streamRepeats, t.day, t.file), twice: rateOf(t.Duplicates),
		impressions: dayLog{task: t, table: impressions}, clicks: dayLog{task: t, table: clicks}, conversions: dayLog{task: t, table: conversions},
		session: first, request: first, impression: first, click: first, sale: first,
	}
	for _, l := range []*dayLog{&g.impressions, &g.clicks, &g.conversions} {
		if _, err := l.at(ctx, t.begin); err != nil { // a day has its file even if nothing happens
			return err
		}
	}
	from, to := t.slice(t.Impressions)
	for total, left := to-from, to-from; left > 0; {
		// Sessions are spread over the day as impressions are, in order.
		moment, _ := bits.Div64(uint64(total-left), g.r.Uint64(), uint64(total))
		n, err := g.visit(ctx, t.begin+timeOfDay.at(moment), left)
		if err != nil {
			return err
		}
		left -= n
	}
	return nil
}

// visit makes a session of at most so many impressions and returns how many it has.
func (g *traffic) visit(ctx context.Context, at, most int64) (shown int64, err error) {
	g.session++
	x := g.r.Uint64()
	v := visit{id: g.session, user: g.users.draw(g.r), signedIn: !signedOut.holds(uint32(x))}
	v.tastes = g.world.user(v.user)
	v.device = v.tastes.device()
	if x >>= 32; borrowed.holds(uint32(x)) {
		v.device = int32(below(g.r.Uint64(), uint64(len(devices))))
	}
	for range maxSession {
		x := g.r.Uint64()
		size := pageSize(minRequest+int64(below(x<<32, maxRequest-minRequest+1)), most-shown)
		if err := g.page(ctx, &v, at, int(size)); err != nil {
			return 0, err
		}
		if shown += size; shown == most || !oneMore.holds(uint32(x>>32)) {
			break
		}
		at += requestGap.at(g.r.Uint64())
	}
	return shown, nil
}

// pageSize is a size that leaves nothing, or enough for another page.
func pageSize(size, left int64) int64 {
	switch {
	case left <= maxRequest:
		return left
	case left-size < minRequest:
		return left - minRequest
	}
	return size
}

// page makes a request: items in random order, so that a position says nothing about what is shown there.
func (g *traffic) page(ctx context.Context, v *visit, at int64, size int) error {
	g.request++
	o, err := g.impressions.at(ctx, at)
	if o == nil || err != nil {
		return err
	}
	if err := o.room(ctx, size); err != nil {
		return err
	}
	available := at + logDelay.at(g.r.Uint64())
	unknown := noDevice.holds(uint32(g.r.Uint64()))
	from, to := o.n, o.n+size
	ids, requests, sessions := o.longs[impressionID][from:to], o.longs[impressionRequest][from:to], o.longs[impressionSession][from:to]
	userIDs, itemIDs := o.longs[impressionUser][from:to], o.longs[impressionItem][from:to]
	positions, deviceCodes := o.ints[impressionPosition][from:to], o.ints[impressionDevice][from:to]
	times, availables := o.longs[impressionTime][from:to], o.longs[impressionAvailable][from:to]
	noUsers, noDevices := o.nulls[impressionUser][from:to], o.nulls[impressionDevice][from:to]
	for i := range ids {
		g.impression++
		ids[i], requests[i], sessions[i] = g.impression, g.request, v.id
		userIDs[i], noUsers[i] = v.user, !v.signedIn
		positions[i] = int32(i + 1)
		deviceCodes[i], noDevices[i] = v.device, unknown
		times[i], availables[i] = at, available
		itemIDs[i] = g.items.draw(g.r)
		x := g.r.Uint64()
		if g.twice.holds(uint32(x)) {
			g.repeat(o, from+i)
		}
		if shown := g.world.item(itemIDs[i]); v.tastes.clicks(shown, i).holds(uint32(x >> 32)) {
			if err := g.clicked(ctx, v, shown, itemIDs[i], at); err != nil {
				return err
			}
		}
	}
	o.n = to
	return nil
}

// repeat has a row logged again: the same row, or one that became available later.
func (g *traffic) repeat(o *output, row int) {
	again := repeat{row: row}
	if resent.holds(uint32(g.repeats.Uint64())) {
		again.later = resendDelay.at(g.repeats.Uint64())
	}
	o.again = append(o.again, again)
}

// clicked makes the click on the last impression, and perhaps a conversion.
func (g *traffic) clicked(ctx context.Context, v *visit, shown item, itemID, seen int64) error {
	at := seen + clickDelay.at(g.r.Uint64())
	o, err := g.clicks.at(ctx, at)
	if o == nil || err != nil {
		return err
	}
	if err := o.room(ctx, 1); err != nil {
		return err
	}
	g.click++
	i, x := o.n, g.r.Uint64()
	o.longs[clickID][i], o.longs[clickImpression][i], o.longs[clickRequest][i] = g.click, g.impression, g.request
	o.longs[clickUser][i], o.nulls[clickUser][i] = v.user, !v.signedIn
	o.longs[clickItem][i] = itemID
	o.longs[clickTime][i], o.longs[clickAvailable][i] = at, at+logDelay.at(g.r.Uint64())
	o.n++
	if g.twice.holds(uint32(x)) {
		g.repeat(o, i)
	}
	if shown.buyers().holds(uint32(x >> 32)) {
		return g.bought(ctx, v, shown, itemID, at)
	}
	return nil
}

// bought makes the conversion of the last click.
func (g *traffic) bought(ctx context.Context, v *visit, bought item, itemID, clicked int64) error {
	at := clicked + conversionDelay.at(g.r.Uint64())
	o, err := g.conversions.at(ctx, at)
	if o == nil || err != nil {
		return err
	}
	if err := o.room(ctx, 1); err != nil {
		return err
	}
	g.sale++
	i, x := o.n, g.r.Uint64()
	o.longs[conversionID][i], o.longs[conversionClick][i] = g.sale, g.click
	o.longs[conversionUser][i], o.nulls[conversionUser][i] = v.user, !v.signedIn
	o.longs[conversionItem][i] = itemID
	pieces := int64(1 + below(g.r.Uint64(), 3))
	o.decimals[conversionValue][i], o.nulls[conversionValue][i] = cents(bought.price()*pieces), noValue.holds(uint32(x>>32))
	o.longs[conversionTime][i], o.longs[conversionAvailable][i] = at, at+logDelay.at(g.r.Uint64())
	o.n++
	if g.twice.holds(uint32(x)) {
		g.repeat(o, i)
	}
	return nil
}

// dayLog is what a task writes of one table: a file for its own day and, once they have rows, for the days after it.
type dayLog struct {
	*task
	table *table
	days  []*output
}

// at is the file for rows of a time, nil if it is behind the last day.
func (l *dayLog) at(ctx context.Context, time int64) (*output, error) {
	if time >= l.end {
		return nil, nil
	}
	later := int((time - l.begin) / dayLen)
	for later >= len(l.days) {
		l.days = append(l.days, nil)
	}
	if l.days[later] == nil {
		o, err := l.create(ctx, l.table, l.name(later))
		if err != nil {
			return nil, err
		}
		l.days[later] = o
	}
	return l.days[later], nil
}

func (l *dayLog) name(later int) string {
	name := l.dayFolder(l.day+later) + "/" + l.part()
	if later > 0 {
		name += "-from-" + l.date(l.day) // sessions that began earlier
	}
	return name + ".parquet"
}
