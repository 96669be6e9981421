package operator

import (
	"cmp"
	"slices"
	"sort"
)

// bag is keys in order, each with the position of the event that it comes from: no two entries are the same. It is a list
// of short sorted blocks, so that coming and going moves few entries however many there are.
type bag[K cmp.Ordered] struct {
	blocks [][]bagEntry[K] // none is empty
	n      int
	spare  [][]bagEntry[K]
}

type bagEntry[K cmp.Ordered] struct {
	key      K
	position int64
}

// bagBlock is how many entries a block has at most.
const bagBlock = 128

func (e bagEntry[K]) compare(o bagEntry[K]) int {
	if c := cmp.Compare(e.key, o.key); c != 0 {
		return c
	}
	return cmp.Compare(e.position, o.position)
}

// block is the block in which an entry is, or belongs; there must be one.
func (b *bag[K]) block(e bagEntry[K]) int {
	last := len(b.blocks) - 1
	if b.blocks[last][0].compare(e) <= 0 {
		return last
	}
	return max(0, sort.Search(last, func(i int) bool { return b.blocks[i][0].compare(e) > 0 })-1)
}

func (b *bag[K]) add(e bagEntry[K]) {
	b.n++
	if len(b.blocks) == 0 {
		b.blocks = append(b.blocks, append(b.fresh(), e))
		return
	}
	k := b.block(e)
	block := b.blocks[k]
	at := len(block)
	if block[at-1].compare(e) > 0 {
		at, _ = slices.BinarySearchFunc(block, e, bagEntry[K].compare)
	}
	if len(block) < bagBlock {
		b.blocks[k] = slices.Insert(block, at, e)
		return
	}
	half := len(block) / 2
	if at == len(block) {
		half = at // what comes in order fills blocks
	}
	upper := append(b.fresh(), block[half:]...)
	block = block[:half]
	if at <= half && half < bagBlock {
		block = slices.Insert(block, at, e)
	} else {
		upper = slices.Insert(upper, at-half, e)
	}
	b.blocks[k] = block
	b.blocks = slices.Insert(b.blocks, k+1, upper)
}

// beside is the entries before and after the place of one that is not there, nil for none.
func (b *bag[K]) beside(e bagEntry[K]) (before, after *bagEntry[K]) {
	if b.n == 0 {
		return nil, nil
	}
	k := b.block(e)
	block := b.blocks[k]
	at := len(block)
	if block[at-1].compare(e) > 0 {
		at, _ = slices.BinarySearchFunc(block, e, bagEntry[K].compare)
	}
	switch {
	case at > 0:
		before = &block[at-1]
	case k > 0:
		before = &b.blocks[k-1][len(b.blocks[k-1])-1]
	}
	switch {
	case at < len(block):
		after = &block[at]
	case k+1 < len(b.blocks):
		after = &b.blocks[k+1][0]
	}
	return before, after
}

func (b *bag[K]) fresh() []bagEntry[K] {
	if last := len(b.spare) - 1; last >= 0 {
		out := b.spare[last]
		b.spare = b.spare[:last]
		return out[:0]
	}
	return make([]bagEntry[K], 0, bagBlock)
}

func (b *bag[K]) remove(e bagEntry[K]) {
	if b.n == 0 {
		return
	}
	k := b.block(e)
	block := b.blocks[k]
	at, found := slices.BinarySearchFunc(block, e, bagEntry[K].compare)
	if !found {
		return
	}
	b.n--
	if len(block) > 1 {
		b.blocks[k] = slices.Delete(block, at, at+1)
		return
	}
	b.spare = append(b.spare, block)
	b.blocks = slices.Delete(b.blocks, k, k+1)
}

func (b *bag[K]) clear() {
	b.spare = append(b.spare, b.blocks...)
	b.blocks, b.n = b.blocks[:0], 0
}

// at is the entry of a rank, from 0.
func (b *bag[K]) at(rank int) bagEntry[K] {
	if rank > b.n/2 {
		from := b.n
		for k := len(b.blocks) - 1; ; k-- {
			if from -= len(b.blocks[k]); rank >= from {
				return b.blocks[k][rank-from]
			}
		}
	}
	for k := 0; ; k++ {
		if rank < len(b.blocks[k]) {
			return b.blocks[k][rank]
		}
		rank -= len(b.blocks[k])
	}
}

func (b *bag[K]) first() bagEntry[K] { return b.blocks[0][0] }

func (b *bag[K]) last() bagEntry[K] {
	block := b.blocks[len(b.blocks)-1]
	return block[len(block)-1]
}

func (b *bag[K]) bytes() int64 { return int64(len(b.blocks)+len(b.spare)) * bagBlock * 24 }
