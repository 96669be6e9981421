// Package storage reads and writes files on local disks and in object stores. It is the one door to gocloud.dev.
//
// Everything is named by URL: file:///absolute/path, s3://bucket/key, gs://bucket/key, azblob://container/key and
// mem://bucket/key (a bucket that lives as long as its Store). Query parameters of a blob URL say how to open the bucket
// (s3://bucket/key?endpoint=…&use_path_style=true) and are kept whenever a URL is joined or listed. Credentials come
// from the environment, as each cloud's own tools find them; they never belong in a URL.
//
// Local files do not go through gocloud.dev's fileblob: its writes are not synced to disk, and its conditional write
// lets several writers win. A Writer here makes a file durable first (contents, then folder entry), and nothing is
// visible under its name before Commit. Nothing relies on that rename for more than visibility: which files count is
// decided elsewhere.
//
// Errors are plan.Failure: FailureUser for what a person must put right (a missing file, no permission, a device where a
// file should be), FailureStorage for what may pass. Reads are repeated a few times before the latter is returned. An
// error for something that is not there satisfies errors.Is(err, fs.ErrNotExist).
package storage
