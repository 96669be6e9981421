// Package segment is the on-disk form of a map attempt's shuffle output, and of the blocks that travel between workers.
//
// A segment is one file: a header that names the attempt, blocks in the order in which they were written, an index and
// a footer. A block is a checksummed frame around one Arrow record batch of one partition; readers send and receive
// these frames verbatim. The footer is the commit mark: a file without it is no segment.
//
// Every byte of a segment is covered by a CRC-32C, and every length is bounded and checked before it is used, so that a
// damaged file gives an error that matches [ErrCorrupt], never other rows. The format is described in docs/formats.md.
package segment

import "errors"

// ErrCorrupt is wrapped by errors about bytes that are not what was written.
var ErrCorrupt = errors.New("corrupt shuffle data")

// MaxPayload bounds a block's payload, compressed or not. A batch that encodes to more is cut in two when written.
const MaxPayload = 64 << 20
