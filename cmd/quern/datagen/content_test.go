package datagen

import (
	"maps"
	"math"
	"slices"
	"testing"
)

// isRate checks that so many of n are as many as a probability makes likely: four standard deviations off at most.
func isRate(t *testing.T, what string, hits, n int, p float64) {
	t.Helper()
	want, off := p*float64(n), 4*math.Sqrt(float64(n)*p*(1-p))
	if math.Abs(float64(hits)-want) > off {
		t.Errorf("%s: %d of %d, want %.1f ± %.1f", what, hits, n, want, off)
	}
}

func share(r rate) float64 { return float64(r) / float64(certain) }

// isSpread checks that values are distributed as a table says, knot by knot.
func isSpread(t *testing.T, what string, values []int64, q quantiles) {
	t.Helper()
	slices.Sort(values)
	if values[0] < q[0].at || values[len(values)-1] >= q.max() {
		t.Errorf("%s: from %d to %d", what, values[0], values[len(values)-1])
	}
	for _, k := range q[1 : len(q)-1] {
		below, _ := slices.BinarySearch(values, k.at)
		isRate(t, what, below, len(values), float64(k.upTo)/parts)
	}
}

// TestReferences follows each row to the one that it is about.
func TestReferences(t *testing.T) {
	s := made(t, tiny(out))
	shown, clicked := byID(s.rows(t, impressions)), byID(s.rows(t, clicks))
	people, things := byID(s.rows(t, users)), byID(s.rows(t, items))
	if len(people) != 500 || len(things) != 200 {
		t.Errorf("%d users, %d items", len(people), len(things))
	}
	for _, r := range shown {
		if _, ok := things[r[impressionItem].Int]; !ok {
			t.Fatalf("impression of no item: %s", r.text())
		}
		if _, ok := people[r[impressionUser].Int]; !ok && !r[impressionUser].Null {
			t.Fatalf("impression by no user: %s", r.text())
		}
	}
	perImpression := map[int64]bool{}
	for _, c := range clicked {
		i, ok := shown[c[clickImpression].Int]
		if !ok || perImpression[c[clickImpression].Int] || i[impressionRequest].Int != c[clickRequest].Int || i[impressionItem].Int != c[clickItem].Int ||
			!same(i[impressionUser].Null, i[impressionUser].Int, c[clickUser].Null, c[clickUser].Int) || c[clickTime].Int < i[impressionTime].Int {
			t.Fatalf("click %s of impression %s", c.text(), i.text())
		}
		perImpression[c[clickImpression].Int] = true
	}
	sales := byID(s.rows(t, conversions))
	for _, v := range sales {
		c, ok := clicked[v[conversionClick].Int]
		if !ok || c[clickItem].Int != v[conversionItem].Int || v[conversionTime].Int < c[clickTime].Int ||
			!same(v[conversionUser].Null, v[conversionUser].Int, c[clickUser].Null, c[clickUser].Int) {
			t.Fatalf("conversion %s of click %s", v.text(), c.text())
		}
	}
	if len(clicked) < 2000 || len(sales) < 100 {
		t.Errorf("%d clicks, %d conversions", len(clicked), len(sales))
	}
}

// same compares values of which NULL is one.
func same(null1 bool, v1 int64, null2 bool, v2 int64) bool {
	return null1 == null2 && (null1 || v1 == v2)
}

// TestDays checks that rows lie in the folder of their day, that there are none after the last day, and that no row is
// available before it happens.
func TestDays(t *testing.T) {
	s := made(t, tiny(out))
	end := s.Start.UnixMicro() + int64(s.Days)*dayLen
	for _, of := range []struct {
		*table
		time int
	}{{impressions, impressionTime}, {clicks, clickTime}, {conversions, conversionTime}, {itemFeatures, snapshotTime}, {userFeatures, snapshotTime}} {
		crossing := 0
		for _, r := range s.rows(t, of.table) {
			at, folder := r[of.time].Int, r[len(r)-1].Int
			if at/dayLen != folder || at < s.Start.UnixMicro() || at >= end || r[of.available()].Int <= at {
				t.Fatalf("%s: %s", of.name, r.text())
			}
			if r[of.available()].Int/dayLen != folder {
				crossing++
			}
		}
		if crossing == 0 && of.table != conversions { // of which there are few
			t.Errorf("%s: no row becomes available on a later day", of.name)
		}
	}
}

// TestRequests checks pages and sessions.
func TestRequests(t *testing.T) {
	s := made(t, tiny(out))
	pages, sessions := map[int64][]row{}, map[int64]map[int64]int64{} // rows by request; times of requests by session
	distinct := byID(s.rows(t, impressions))
	for _, r := range distinct {
		pages[r[impressionRequest].Int] = append(pages[r[impressionRequest].Int], r)
		id := r[impressionSession].Int
		if sessions[id] == nil {
			sessions[id] = map[int64]int64{}
		}
		sessions[id][r[impressionRequest].Int] = r[impressionTime].Int
	}
	if n := s.Impressions * int64(s.Days); int64(len(distinct)) > n || int64(len(distinct)) < n*97/100 {
		t.Errorf("%d impressions, want %d less those after the last day", len(distinct), n)
	}
	for _, page := range pages {
		slices.SortFunc(page, func(a, b row) int { return int(a[impressionPosition].Int - b[impressionPosition].Int) })
		if len(page) < minRequest || len(page) > maxRequest {
			t.Fatalf("a request of %d impressions", len(page))
		}
		for i, r := range page {
			if r[impressionPosition].Int != int64(i+1) || r[impressionTime].Int != page[0][impressionTime].Int || r[impressionUser].Int != page[0][impressionUser].Int {
				t.Fatalf("position %d: %s", i+1, r.text())
			}
		}
	}
	overMidnight, several := 0, 0
	for _, requests := range sessions {
		times := slices.Sorted(maps.Values(requests))
		for i := range times[1:] {
			if gap := times[i+1] - times[i]; gap <= 0 || gap >= requestGap.max() {
				t.Fatalf("a gap of %d µs in a session", gap)
			}
		}
		if times[0]/dayLen != times[len(times)-1]/dayLen {
			overMidnight++
		}
		if len(times) > 1 {
			several++
		}
	}
	if overMidnight == 0 {
		t.Error("no session goes over midnight")
	}
	isRate(t, "sessions of several requests", several, len(sessions), share(oneMore))
}

// TestRepeats compares a set with the same one without rows that are logged twice.
func TestRepeats(t *testing.T) {
	o := tiny(out)
	twice := made(t, o)
	o.Duplicates = 0
	once := made(t, o)
	for _, of := range []*table{impressions, clicks, conversions} {
		clean, all := once.rows(t, of), twice.rows(t, of)
		originals, seen := byID(clean), map[string]int{}
		if len(originals) != len(clean) {
			t.Fatalf("%s has rows twice without --duplicates", of.name)
		}
		exact, later := 0, 0
		for _, r := range all {
			original := originals[r[0].Int]
			switch {
			case r.text() != original.text():
				later++
				if r[of.available()].Int <= original[of.available()].Int {
					t.Fatalf("%s: %s was logged again as %s", of.name, original.text(), r.text())
				}
				r[of.available()] = original[of.available()]
				if r.text() != original.text() {
					t.Fatalf("%s: %s was logged again as another: %s", of.name, original.text(), r.text())
				}
			case seen[r.text()] > 0:
				exact++
				fallthrough
			default:
				seen[r.text()]++
			}
		}
		if len(seen) != len(clean) || len(all) != len(clean)+exact+later {
			t.Errorf("%s: %d rows, of which %d are again and %d are again later; want the %d rows without --duplicates",
				of.name, len(all), exact, later, len(clean))
		}
		isRate(t, of.name+" logged twice", exact+later, len(clean), 0.02)
		if of == impressions {
			isRate(t, "of these, later", later, exact+later, share(resent))
		}
	}
}

// TestCorrections compares snapshots with those of the same set without corrections.
func TestCorrections(t *testing.T) {
	o := tiny(out)
	late := made(t, o)
	o.Late = 0
	right := made(t, o)
	for _, of := range []*table{itemFeatures, userFeatures} {
		type key struct{ key, time int64 }
		first := map[key]row{}
		for _, r := range right.rows(t, of) {
			first[key{r[snapshotKey].Int, r[snapshotTime].Int}] = r
		}
		want := map[*table]int{itemFeatures: 200 * itemSnapshots * 3, userFeatures: 500 * 3}[of]
		if len(first) != want {
			t.Errorf("%s: %d snapshots, want %d", of.name, len(first), want)
		}
		corrected, unknown := 0, 0
		for _, r := range late.rows(t, of) {
			f, ok := first[key{r[snapshotKey].Int, r[snapshotTime].Int}]
			switch {
			case !ok:
				t.Fatalf("%s: %s is about no snapshot", of.name, r.text())
			case r.text() == f.text():
			case r[snapshotAvailable].Int > f[snapshotAvailable].Int && r[snapshotCTR:].text() != f[snapshotCTR:].text():
				corrected++
			default:
				t.Fatalf("%s: %s corrects %s", of.name, r.text(), f.text())
			}
			if r[snapshotCTR].Null {
				unknown++
			}
		}
		isRate(t, of.name+" corrected", corrected, len(first), 0.05)
		isRate(t, of.name+" without a rate", unknown, len(first)+corrected, share(noCTR))
	}
}

// TestDelays compares times with the tables that they are drawn from.
func TestDelays(t *testing.T) {
	o := tiny(out)
	o.Duplicates, o.Impressions, o.Days = 0, 30_000, 10
	s := made(t, o)
	shown, clicked := byID(s.rows(t, impressions)), byID(s.rows(t, clicks))
	// The last days are left out, of which not all that follows is in the log.
	end := s.Start.UnixMicro() + int64(s.Days)*dayLen
	var afterShown, afterClick, logged []int64
	for _, c := range clicked {
		if at := shown[c[clickImpression].Int][impressionTime].Int; at < end-clickDelay.max() {
			afterShown = append(afterShown, c[clickTime].Int-at)
		}
		logged = append(logged, c[clickAvailable].Int-c[clickTime].Int)
	}
	for _, v := range s.rows(t, conversions) {
		if at := clicked[v[conversionClick].Int][clickTime].Int; at < end-conversionDelay.max() {
			afterClick = append(afterClick, v[conversionTime].Int-at)
		}
	}
	isSpread(t, "clicks", afterShown, clickDelay)
	isSpread(t, "conversions", afterClick, conversionDelay)
	isSpread(t, "log", logged, logDelay)
}

// TestRates compares what happened with the probabilities that the hidden properties make.
func TestRates(t *testing.T) {
	o := tiny(out)
	o.Duplicates, o.Impressions = 0, 100_000
	s := made(t, o)
	w := newWorld(&o)
	clicked := map[int64]bool{}
	for _, c := range s.rows(t, clicks) {
		clicked[c[clickImpression].Int] = true
	}
	var expected, variance float64
	var hits, hotItem, hotUser, known, noUser, noDevices int
	var alike, alikeHits, unlike, unlikeHits int
	shown := s.rows(t, impressions)
	for _, r := range shown {
		if r[impressionItem].Int == w.items.keyOf(0) {
			hotItem++
		}
		if r[impressionDevice].Null {
			noDevices++
		}
		if r[impressionUser].Null {
			noUser++
			continue
		}
		known++
		if r[impressionUser].Int == w.users.keyOf(0) {
			hotUser++
		}
		u, i := w.user(r[impressionUser].Int), w.item(r[impressionItem].Int)
		p := share(u.clicks(i, int(r[impressionPosition].Int-1)))
		expected, variance = expected+p, variance+p*(1-p)
		hit := 0
		if clicked[r[impressionID].Int] {
			hit = 1
		}
		hits += hit
		if u.interest() == i.category() {
			alike, alikeHits = alike+1, alikeHits+hit
		} else {
			unlike, unlikeHits = unlike+1, unlikeHits+hit
		}
	}
	// Clicks after the end of the last day are not in the log: a few of a minute.
	if off := math.Abs(float64(hits) - expected); off > 4*math.Sqrt(variance)+5 {
		t.Errorf("%d clicks, want %.1f ± %.1f", hits, expected, 4*math.Sqrt(variance))
	}
	if r := expected / float64(known); r < 0.02 || r > 0.08 {
		t.Errorf("a click rate of %.3f", r)
	}
	if a, b := float64(alikeHits)/float64(alike), float64(unlikeHits)/float64(unlike); a < 1.4*b {
		t.Errorf("click rates %.4f where interest and category agree, %.4f elsewhere", a, b)
	}
	isRate(t, "hot item", hotItem, len(shown), o.Hot)
	// Users are drawn by session, of which there are far fewer.
	sessions := 3 * int(o.Impressions) / 60
	isRate(t, "hot user", hotUser*sessions/known, sessions, o.Hot)
	isRate(t, "signed out", noUser*sessions/len(shown), sessions, share(signedOut))
	isRate(t, "no device", noDevices/12, len(shown)/12, share(noDevice))
}

func TestPopular(t *testing.T) {
	for _, n := range []int64{1, 2, 3, 10, 97, 1000, 4096, 100_003} {
		for _, hot := range []float64{0, 0.4} {
			p := newPopular(7, streamItemOrder, n, hot)
			seen, sum := make([]bool, n), rate(0)
			for rank := range uint64(n) {
				key := p.keyOf(rank)
				if key < 1 || key > n || seen[key-1] || p.rankOf(key) != rank {
					t.Fatalf("n %d: rank %d has key %d, which has rank %d", n, rank, key, p.rankOf(key))
				}
				seen[key-1] = true
				sum += p.share(key)
			}
			if off := math.Abs(share(sum) - 1); off > 1e-4 {
				t.Errorf("n %d: shares sum up to 1 - %g", n, off)
			}
			if first := share(p.share(p.keyOf(0))); n > 1 && hot > 0 && math.Abs(first-hot) > 1e-9 && first < 0.5 {
				t.Errorf("n %d: the hottest has %v, want %v", n, first, hot)
			}
			r, draws := newSource(7, streamTraffic, 0, 0), 200_000
			counts := map[int64]int{}
			for range draws {
				counts[p.draw(r)]++
			}
			for rank := range uint64(min(n, 40)) {
				key := p.keyOf(rank)
				isRate(t, "draws of a rank", counts[key], draws, share(p.share(key)))
			}
		}
	}
}

// TestHarmonic compares the sums by blocks with sums of all.
func TestHarmonic(t *testing.T) {
	for _, r := range [][2]uint64{{10, 16}, {1 << 16, 1 << 17}, {1 << 20, 1<<20 + 777_777}} {
		sum := 0.0
		for k := r[0]; k < r[1]; k++ {
			sum += 1 / float64(k)
		}
		if got := float64(harmonic(r[0], r[1])) / unit; math.Abs(got/sum-1) > 1e-6 {
			t.Errorf("from %d to %d: %v, want %v", r[0], r[1], got, sum)
		}
	}
}

// TestQuantiles walks through the tables.
func TestQuantiles(t *testing.T) {
	for name, q := range map[string]quantiles{
		"click": clickDelay, "conversion": conversionDelay, "log": logDelay, "resend": resendDelay, "gap": requestGap,
		"feature": featureDelay, "correction": correctionDelay, "day": timeOfDay,
	} {
		last := int64(-1)
		for i := range uint64(1 << 12) {
			if at := q.at(i << 52); at < last {
				t.Fatalf("%s: %d after %d", name, at, last)
			} else {
				last = at
			}
		}
		if first, end := q.at(0), q.at(math.MaxUint64); first != q[0].at || end >= q.max() || end < q.max()-q.max()/1000 {
			t.Errorf("%s: from %d to %d", name, first, end)
		}
		for _, k := range q[1 : len(q)-1] {
			x := (math.MaxUint64/parts + 1) * k.upTo
			if got := q.at(x); got < k.at || got > k.at+q.max()/1000 {
				t.Errorf("%s: %d of 10,000 are below %d, want %d", name, k.upTo, got, k.at)
			}
		}
	}
}

// TestPageSize tries all sizes and rests: nothing is left, or enough for another page.
func TestPageSize(t *testing.T) {
	for left := int64(minRequest); left < 100; left++ {
		for size := int64(minRequest); size <= maxRequest; size++ {
			got := pageSize(size, left)
			if got < minRequest || got > maxRequest || left-got != 0 && left-got < minRequest {
				t.Errorf("a page of %d where %d are left", got, left)
			}
		}
	}
}
