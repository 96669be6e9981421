package arrowipc

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errTruncated = errors.New("message ends early")

// checkMessages walks the encapsulated messages of a stream and checks that each one's metadata and body lie within
// it, and that counts in the metadata are possible, before Arrow's reader allocates what they ask for.
func checkMessages(stream []byte, foreign bool) error {
	for len(stream) > 0 {
		if len(stream) < 8 {
			return errTruncated
		}
		if binary.LittleEndian.Uint32(stream) != 0xFFFFFFFF {
			return errors.New("not an Arrow IPC stream")
		}
		size := int64(int32(binary.LittleEndian.Uint32(stream[4:])))
		if stream = stream[8:]; size == 0 {
			return nil // end mark
		}
		if size < 8 || size > int64(len(stream)) {
			return fmt.Errorf("message metadata of %d bytes: %w", size, errTruncated)
		}
		body, err := checkMessage(stream[:size], foreign)
		if err != nil {
			return err
		}
		if body < 0 || body > int64(len(stream))-size {
			return fmt.Errorf("message body of %d bytes: %w", body, errTruncated)
		}
		stream = stream[size+body:]
	}
	return nil
}

// checkMessage checks the counts in a message's metadata, and says how long the body behind it is.
func checkMessage(meta []byte, foreign bool) (body int64, err error) {
	message, err := root(meta)
	if err != nil {
		return 0, err
	}
	kind, err := message.scalar(messageHeaderType, 1)
	if err != nil {
		return 0, err
	}
	if len(kind) == 1 && kind[0] == headerIsSchema {
		if err := checkSchema(message, foreign); err != nil {
			return 0, err
		}
	}
	length, err := message.scalar(messageBodyLength, 8)
	if err != nil || length == nil {
		return 0, err
	}
	return int64(binary.LittleEndian.Uint64(length)), nil
}
