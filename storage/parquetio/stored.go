package parquetio

import "encoding/binary"

// storedPages is how many pages are stored for one that compression did not make smaller.
const storedPages = 7

// maxBlock is the longest block of a Zstandard frame.
const maxBlock = 128 << 10

// appendStored appends data as a Zstandard frame whose blocks are raw (RFC 8878, section 3.1.1): any decoder copies them.
func appendStored(dst, data []byte) []byte {
	// One segment, whose size stands in four bytes.
	dst = append(dst, 0x28, 0xb5, 0x2f, 0xfd, 0b10<<6|1<<5)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(data)))
	for {
		n := min(len(data), maxBlock)
		head := uint32(n) << 3 // of type 0: raw
		if n == len(data) {
			head |= 1 // the last
		}
		dst = append(dst, byte(head), byte(head>>8), byte(head>>16))
		dst = append(dst, data[:n]...)
		if data = data[n:]; len(data) == 0 {
			return dst
		}
	}
}
