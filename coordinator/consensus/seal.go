package consensus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// errDamaged: what was read is not what was written.
var errDamaged = errors.New("damaged")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sealMark begins what is added to everything that is stored: the mark, then a CRC-32C. bbolt checks its two first
// pages only, so without it a changed bit in an entry would be applied, and this coordinator would know other things
// than its peers. What older builds have stored has none and is taken as it is; they, in turn, do not mind it.
const (
	sealMark = "q1"
	sealSize = len(sealMark) + crc32.Size
)

func appendSeal(b []byte, sum uint32) []byte {
	return binary.BigEndian.AppendUint32(append(b, sealMark...), sum)
}

// sealed is an entry as it is stored, with its sum where raft has room for it.
func sealed(l *raft.Log) *raft.Log {
	c := *l
	c.Extensions = appendSeal(nil, entrySum(l))
	return &c
}

// unseal checks an entry that was stored under an index, and makes it as it was.
func unseal(index uint64, l *raft.Log) error {
	if l.Index != index {
		return fmt.Errorf("%w: there is entry %d in its place", errDamaged, l.Index)
	}
	if len(l.Extensions) == 0 {
		return nil
	}
	if string(l.Extensions) != string(appendSeal(nil, entrySum(l))) {
		return fmt.Errorf("%w: its checksum is another", errDamaged)
	}
	l.Extensions = nil
	return nil
}

func entrySum(l *raft.Log) uint32 {
	head := binary.BigEndian.AppendUint64(nil, l.Index)
	head = binary.BigEndian.AppendUint64(head, l.Term)
	head = append(head, byte(l.Type))
	return crc32.Update(crc32.Checksum(head, castagnoli), castagnoli, l.Data)
}

// sealValue and unsealValue do the same for raft's few values: its term, and whom it voted for.
func sealValue(key, value []byte) []byte {
	return appendSeal(append([]byte(nil), value...), valueSum(key, value))
}

func unsealValue(key, stored []byte) ([]byte, error) {
	n := len(stored) - sealSize
	if n < 0 || string(stored[n:n+len(sealMark)]) != sealMark {
		return stored, nil
	}
	if binary.BigEndian.Uint32(stored[n+len(sealMark):]) != valueSum(key, stored[:n]) {
		return nil, fmt.Errorf("%w: the checksum of %s is another", errDamaged, key)
	}
	return stored[:n], nil
}

func valueSum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}
