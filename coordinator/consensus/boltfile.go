package consensus

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// vetFile checks that a bbolt file is whole: that both of its first pages are valid, and every page that can be reached
// is where and what it should be, down to the order of the keys. bbolt itself takes the older first page if the newer one
// is damaged, which is to forget what was promised to others, and panics about the rest in goroutines of its own.
//
// A file that a crash has left behind passes: bbolt writes pages anew and names them by one first page, which is a single
// sector of the disk.
func vetFile(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	b := &boltFile{f: f, size: info.Size(), seen: map[uint64]bool{}}
	root, err := b.meta()
	if err != nil {
		return err
	}
	return b.tree(root, nil, nil, 0)
}

const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	boltHead    = 16 // of a page: id, flags, count, overflow
	boltElement = 16 // of a branch or a leaf
	boltBranch  = 1  // flags of pages
	boltLeaf    = 2
	boltBucket  = 1   // flag of an element whose value is a bucket
	boltDeep    = 100 // levels of a tree are fewer
)

type boltFile struct {
	f        *os.File
	size     int64
	pageSize int64
	pages    uint64 // in use; the rest of the file is spare
	seen     map[uint64]bool
}

func damagedf(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(format, args...))
}

// meta reads the first two pages and returns the root of the newer.
func (b *boltFile) meta() (root uint64, err error) {
	var newest uint64
	b.pageSize = 0
	for i := range int64(2) {
		m := make([]byte, 64)
		if _, err := b.f.ReadAt(m, i*b.pageSize+boltHead); err != nil {
			return 0, damagedf("first page %d cannot be read: %v", i, err)
		}
		sum := fnv.New64a()
		sum.Write(m[:56])
		ne := binary.NativeEndian
		if ne.Uint32(m) != boltMagic || ne.Uint32(m[4:]) != boltVersion || ne.Uint64(m[56:]) != sum.Sum64() {
			return 0, damagedf("first page %d is not valid", i)
		}
		if b.pageSize = int64(ne.Uint32(m[8:])); b.pageSize < 512 || b.pageSize > 1<<20 {
			return 0, damagedf("first page %d speaks of pages of %d bytes", i, b.pageSize)
		}
		if id := ne.Uint64(m[48:]); i == 0 || id > newest {
			newest, root, b.pages = id, ne.Uint64(m[16:]), ne.Uint64(m[40:])
		}
	}
	if b.pages > uint64(b.size/b.pageSize) {
		return 0, damagedf("the file was cut: it has %d bytes, and %d are in use", b.size, b.pages*uint64(b.pageSize))
	}
	return root, nil
}

// tree checks a page and what is below it, whose keys are from low on, and below high unless that is nil.
func (b *boltFile) tree(id uint64, low, high []byte, depth int) error {
	if id < 2 || id >= b.pages || b.seen[id] || depth > boltDeep {
		return damagedf("page %d is out of place", id)
	}
	b.seen[id] = true
	page := make([]byte, b.pageSize)
	if _, err := b.f.ReadAt(page, int64(id)*b.pageSize); err != nil {
		return damagedf("page %d cannot be read: %v", id, err)
	}
	ne := binary.NativeEndian
	if got := ne.Uint64(page); got != id {
		return damagedf("page %d says that it is page %d", id, got)
	}
	if more := uint64(ne.Uint32(page[12:])); more > 0 {
		if more >= b.pages-id {
			return damagedf("page %d goes on for %d pages", id, more)
		}
		for i := id + 1; i <= id+more; i++ {
			if b.seen[i] {
				return damagedf("page %d goes on over page %d", id, i)
			}
			b.seen[i] = true
		}
		page = make([]byte, int64(more+1)*b.pageSize)
		if _, err := b.f.ReadAt(page, int64(id)*b.pageSize); err != nil && !errors.Is(err, io.EOF) {
			return damagedf("page %d cannot be read: %v", id, err)
		}
	}
	if err := b.page(page, low, high, depth); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// boltItem is an element of a page.
type boltItem struct {
	key, value []byte // no value in a branch
	child      uint64 // of a branch
	bucket     bool
}

func (b *boltFile) page(page, low, high []byte, depth int) error {
	items, err := boltItems(page)
	if err != nil {
		return err
	}
	for i, item := range items {
		if i > 0 {
			low = items[i-1].key
		}
		if order := bytes.Compare(item.key, low); order < 0 || (i > 0 && order == 0) || (high != nil && bytes.Compare(item.key, high) >= 0) {
			return damagedf("key %x is out of order", item.key)
		}
		next := high
		if i+1 < len(items) {
			next = items[i+1].key
		}
		switch {
		case item.bucket:
			err = b.bucket(item.value, depth)
		case item.child != 0:
			err = b.tree(item.child, item.key, next, depth+1)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket checks the value that stands for a bucket: its root and a counter, then the page itself if it is small.
func (b *boltFile) bucket(value []byte, depth int) error {
	if len(value) < 16 {
		return damagedf("a bucket of %d bytes", len(value))
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return b.tree(root, nil, nil, depth+1)
	}
	if len(value) < 16+boltHead {
		return damagedf("a bucket of %d bytes without a page", len(value))
	}
	return b.page(value[16:], nil, nil, depth+1)
}

// boltItems takes a page apart. What elements point to lies one after the other, right behind them.
func boltItems(page []byte) ([]boltItem, error) {
	ne := binary.NativeEndian
	flags, count := ne.Uint16(page[8:]), int(ne.Uint16(page[10:]))
	if flags != boltBranch && flags != boltLeaf {
		return nil, damagedf("flags %#x", flags)
	}
	at := boltHead + count*boltElement
	items := make([]boltItem, 0, min(count, len(page)/boltElement))
	for i := range count {
		from := boltHead + i*boltElement
		if from+boltElement > len(page) {
			return nil, damagedf("%d elements", count)
		}
		e := page[from : from+boltElement]
		var item boltItem
		position, keySize, valueSize := int(ne.Uint32(e)), int(ne.Uint32(e[4:])), 0
		if flags == boltLeaf {
			position, keySize, valueSize = int(ne.Uint32(e[4:])), int(ne.Uint32(e[8:])), int(ne.Uint32(e[12:]))
			item.bucket = ne.Uint32(e) == boltBucket
			if f := ne.Uint32(e); f > boltBucket {
				return nil, damagedf("element %d has flags %#x", i, f)
			}
		} else if item.child = ne.Uint64(e[8:]); item.child == 0 {
			return nil, damagedf("element %d has no page", i)
		}
		if from+position != at || at+keySize+valueSize > len(page) {
			return nil, damagedf("element %d is out of place", i)
		}
		item.key, item.value = page[at:at+keySize], page[at+keySize:at+keySize+valueSize]
		items, at = append(items, item), at+keySize+valueSize
	}
	return items, nil
}
