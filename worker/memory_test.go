package worker

import "testing"

// What is promised to tasks and outputs leaves a quarter of the memory.
func TestShareMemory(t *testing.T) {
	for _, total := range []int64{1, 7, 64 << 20, 1<<30 + 3} {
		for _, alone := range []bool{false, true} {
			m := shareMemory(total, alone)
			if m.tasks < 0 || m.kept < 0 || m.builds < 0 || m.kept > 0 && !alone {
				t.Errorf("%d bytes, alone %v: %+v", total, alone, m)
			}
			if free := total - m.tasks - m.kept - m.builds; free != total/4 {
				t.Errorf("%d bytes, alone %v: %d left, want %d", total, alone, free, total/4)
			}
		}
	}
}
