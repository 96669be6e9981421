// Package coordinator is one coordinator process: an HTTP server, and while it leads, the loops that move runs along.
//
// What is true is in the state machine (package state), which every coordinator holds (package consensus). A leader
// adds only what it can afford to forget: which workers it has heard of lately, and who waits for an answer. All that
// it decides goes through the log before anybody hears of it, so a leader that is one no longer can do no harm.
//
// # Goroutines
//
// The server's handlers; one loop that follows leadership; and for each time of leading a term with its loops:
// dispatch (ready tasks to waiting workers), expire (workers that have fallen silent), deaf (somebody else hears the
// workers), retain (old runs) and finish (commit, publish, clean up; one goroutine per run that needs it). Nothing polls: the loops wait for the next applied log entry.
//
// # Shutdown
//
// In this order: requests are refused; leadership is handed over, while peers still reach us; waiting requests are
// answered and the term ends; the server closes; then raft, which no request uses any more; the blobs last.
package coordinator
