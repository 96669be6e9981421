// Package worker is a stateless worker: it registers with the coordinator that leads, pulls attempts by long polling as
// slots become free, runs each in its slot, or in all of them if it is to be alone (package worker/task), reports how they ended, and serves the shuffle
// segments they wrote to other workers.
//
// # Goroutines
//
// Run owns all of them and waits for all of them: the HTTP server; three loops that talk to the leader (lease,
// heartbeat, report); and one goroutine per attempt. The loops never hold a lock while they wait for an answer.
//
// # Leaders come and go
//
// No answer, or an answer from a coordinator that does not lead, means: try again, with a growing, jittered pause.
// Attempts that run meanwhile go on, and what they finish stays in the outbox until a leader has taken it. A leader
// that does not know the worker (unknown_worker) gets a new registration and then the same request again. Assignments
// carry the leader's epoch; one that is older than the newest epoch seen is refused and handed back.
//
// # Shutdown
//
// A worker that is told to drain takes no more work, and goes on with everything else until the leader says that no run needs
// what it holds. Then, or when the context of Run is done, in this order:
//
//  1. The loops end: nothing more is leased, and nothing more is reported, because a report sent while stopping could
//     promise segments that are about to go.
//  2. Running attempts are cancelled and waited for; each discards its unfinished output.
//  3. The leader is told, so that it does the work elsewhere without waiting for the lease to run out.
//  4. The HTTP server closes: readers on other workers see a broken stream and report the loss to the leader.
//  5. Plugin processes and connections to other workers are closed, after the attempts that used them.
//  6. The scratch folder is removed, after the last reader of its files.
//  7. The lock on the scratch folder is released.
package worker
