package datagen

import "math/bits"

// world is what there is besides the log: users and items with the properties that the log follows from.
type world struct {
	users, items       *popular
	userSeed, itemSeed uint64
}

func newWorld(o *Options) *world {
	return &world{
		users: newPopular(o.Seed, streamUserOrder, o.Users, o.Hot), items: newPopular(o.Seed, streamItemOrder, o.Items, o.Hot),
		userSeed: keyed(o.Seed, streamUser), itemSeed: keyed(o.Seed, streamItem),
	}
}

// The properties of a user or an item are bits of a hash of its id.
type (
	user uint64
	item uint64
)

func (w *world) user(id int64) user { return user(mix(w.userSeed + uint64(id)*spacing)) }
func (w *world) item(id int64) item { return item(mix(w.itemSeed + uint64(id)*spacing)) }

// taste is hidden: the fewer bits a user's and an item's differ in, the likelier is a click.
func (u user) taste() uint16 { return uint16(u) }
func (i item) taste() uint16 { return uint16(i) }

// interest and category are what the dimension tables tell of the tastes.
func (u user) interest() int32 { return int32(u.taste() >> 12) }
func (i item) category() int32 { return int32(i.taste() >> 12) }

// keenness is how many clicks a user makes compared to others: 0.5 to 1.5, in 2^-16.
func (u user) keenness() uint64 { return 1<<15 + uint64(u>>16&0xffff) }

// quality is how many clicks an item gets compared to others: 0.33 to 1.67, in 2^-16; both ends are rare.
func (i item) quality() uint64 {
	sum := uint64(i>>16&0xff) + uint64(i>>24&0xff) // 0 to 510
	return 1<<16/3 + sum<<16*4/3/510
}

// device is what a user mostly uses.
func (u user) device() int32 { return int32(uint64(u>>32) % uint64(len(devices))) }

// price is in cents: 1 to 400, most of them low.
func (i item) price() int64 {
	x := int64(i >> 40 & 0xffff)
	return 100 + x*x>>16*39_900>>16
}

// buyers is the share of an item's clicks that become conversions: 4 to 12 %.
func (i item) buyers() rate { return certain/25 + rate(uint64(i>>56)*(uint64(certain)*2/25)>>8) }

// examined is how many look at a position at all, in 2^-16: near position^-0.6.
var examined = [maxRequest]uint64{
	65536, 43237, 33903, 28526, 24952, 22367, 20391, 18820, 17536, 16462, 15547, 14756, 14064, 13453, 12907, 12417, 11973, 11570, 11200, 10861,
}

// attracted is how many of those who look click, by the number of bits in which tastes differ, in 2^-16.
var attracted = [17]uint64{
	39322, 34079, 29491, 24904, 20316, 15729, 11469, 7864, 5243, 3408, 2228, 1442, 983, 655, 459, 328, 262,
}

// clicks is the probability that a user clicks an item in a position, of which the first is 0.
func (u user) clicks(i item, position int) rate {
	differ := bits.OnesCount16(u.taste() ^ i.taste())
	p := examined[position] * attracted[differ] >> 16 // 2^-16
	p = p * u.keenness() >> 8 * i.quality() >> 8      // 2^-32
	return rate(min(p, uint64(certain)*9/10))
}

// meanClicks is the share of impressions that are clicked, over all positions and tastes, of a user or an item that has
// so many more clicks than others: in 2^-16.
func meanClicks(factor uint64) uint64 { return meanAttracted * meanExamined >> 16 * factor >> 16 }

// meanAttracted is the mean of attracted where tastes differ in each bit half of the time.
var meanAttracted = func() (sum uint64) {
	ways := uint64(1)
	for differ, a := range attracted {
		sum += ways * a
		ways = ways * uint64(16-differ) / uint64(differ+1)
	}
	return sum >> 16
}()

// meanExamined is the mean of examined where all sizes of a page are as frequent.
var meanExamined = func() uint64 {
	var sum, weights uint64
	for i, e := range examined {
		pages := uint64(maxRequest - max(i, minRequest-1)) // sizes with a position i
		sum += pages * e
		weights += pages
	}
	return sum / weights
}()
