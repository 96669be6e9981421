// Package state is the coordinator's memory: which runs there are, which tasks they consist of, which attempts were
// granted, which of them counted, and which workers are known. Every coordinator holds a [Machine] and feeds it the
// same log, so all of them know the same.
//
// [Machine.Apply] is a pure function of the machine and a log entry. There is no clock, randomness, goroutine or I/O
// here: times and ids arrive inside commands, and what follows from a command is returned as data (a [Result] with
// [Event]s) for the caller to log and act on.
//
// Rules that everything else leans on:
//
//  1. A commit counts once. An attempt's report is accepted if the run is live and the attempt is one that its
//     task is running now (a slow task may run two); a lost, replaced or repeated attempt changes nothing.
//  2. Every command may arrive twice. Whoever proposes one may lose leadership before the answer and has to try again.
//  3. A stage is ready when each of its input stages is complete. It stops being ready when one of them loses output.
//  4. A task that runs again must make the same rows (its checksums agree), or the run fails: rows of two different
//     executions are never mixed.
//  5. A terminal state is final, and is entered only when nothing of the run can write to its outputs any more.
package state
