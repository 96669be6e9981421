package datagen

import "context"

const (
	noBrand = certain * 3 / 100
	noAge   = certain / 10
	brands  = 200
	// oldest is how long before the first day items and users may have come.
	oldest = 730 * dayLen
)

// dimensions makes the task's slice of users and items, in order of their ids.
func (t *task) dimensions(ctx context.Context) error {
	if err := t.itemRows(ctx); err != nil {
		return err
	}
	return t.userRows(ctx)
}

func (t *task) itemRows(ctx context.Context) error {
	o, err := t.create(ctx, items, t.part()+".parquet")
	if err != nil {
		return err
	}
	from, to := t.slice(t.Items)
	for key := from + 1; key <= to; key++ {
		if err := o.room(ctx, 1); err != nil {
			return err
		}
		known, i := t.world.item(key), o.n
		x := mix(uint64(known)) // what is told of an item, besides its properties
		o.longs[itemsItem][i], o.longs[itemsCreated][i] = key, t.before(x)
		o.ints[itemsCategory][i] = known.category()
		o.longs[itemsBrand][i], o.nulls[itemsBrand][i] = int64(1+below(mix(x), brands)), noBrand.holds(uint32(x))
		o.decimals[itemsPrice][i] = cents(known.price())
		o.n++
	}
	return nil
}

func (t *task) userRows(ctx context.Context) error {
	o, err := t.create(ctx, users, t.part()+".parquet")
	if err != nil {
		return err
	}
	from, to := t.slice(t.Users)
	for key := from + 1; key <= to; key++ {
		if err := o.room(ctx, 1); err != nil {
			return err
		}
		known, i := t.world.user(key), o.n
		x := mix(uint64(known))
		y := mix(x)
		o.longs[usersUser][i], o.longs[usersSignup][i] = key, t.before(x)
		o.ints[usersCountry][i] = int32(below(y, uint64(len(countries))))
		o.ints[usersDevice][i], o.ints[usersInterest][i] = known.device(), known.interest()
		o.ints[usersAge][i], o.nulls[usersAge][i] = int32(below(y<<32, uint64(len(ages)))), noAge.holds(uint32(x))
		o.n++
	}
	return nil
}

// before is a second before the first day.
func (t *task) before(random uint64) int64 {
	return t.start - second*int64(1+below(random, uint64(oldest/second)))
}
