package parquetio

import (
	"bytes"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func TestStored(t *testing.T) {
	decoder, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer decoder.Close()
	for _, size := range []int{0, 1, maxBlock - 1, maxBlock, maxBlock + 1, 3 * maxBlock} {
		data := bytes.Repeat([]byte{7, 1, 2}, size/3+1)[:size]
		frame := appendStored([]byte("before"), data)
		got, err := decoder.DecodeAll(frame[len("before"):], nil)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes come back as %d, and %v", size, len(got), err)
		}
		var header zstd.Header
		if err := header.Decode(frame[len("before"):]); err != nil || !header.SingleSegment || header.FrameContentSize != uint64(size) {
			t.Errorf("header of %d bytes: %+v, and %v", size, header, err)
		}
	}
}
