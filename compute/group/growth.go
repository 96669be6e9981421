package group

// Growth bounds the memory that assigning so many rows may take beside what the table holds: the keys if all of them
// are new, and the larger index that they may need, which exists beside the old one for a while. Text is not counted.
func (t *Table) Growth(rows int) int64 {
	n := int64(rows) * int64(max(t.width, 1)) * 8
	for _, s := range t.strings {
		if s != nil {
			n += s.slots.growth(rows) + int64(rows)*8
		}
	}
	if t.words != nil {
		n += t.words.slots.growth(rows)
	}
	if t.rows != nil {
		n += t.rows.slots.growth(rows)
	}
	return n
}

func (s *slots) growth(rows int) int64 {
	size := len(s.table)
	for s.used+rows > size/8*5 {
		size = larger(size)
	}
	if size == len(s.table) {
		return 0
	}
	return int64(size) * 8
}
