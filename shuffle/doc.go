// Package shuffle moves rows between stages. A map task's [Writer] splits its batches into partitions and writes them
// to a segment in the worker's [Store]; [Handler] serves the blocks of segments over HTTP/2; a reducer's [Stream], from
// a [Client], reads one partition of every map output, always in map order, so that results do not depend on timing.
//
// Nothing is buffered whole: a stream decodes one block at a time, and HTTP/2 flow control holds back the senders.
// A block whose checksum is wrong never goes downstream. What cannot be read, after a few tries, ends the stream with a
// plan.FailureFetch that names the lost map output, so that the coordinator has it computed again.
package shuffle
