// Package client speaks to coordinators: JSON over HTTP/2. It finds out who leads, follows when that changes,
// and tries again when nobody answers, so that callers see one coordinator that is sometimes slow.
//
// Every request may be repeated: the API is made so that a second one changes nothing.
package client
