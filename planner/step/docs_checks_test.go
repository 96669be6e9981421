package step

// checksHead is what the page about checks says of all of them.
const checksHead = `# Checks

Generated from the registry by ` + "`go test ./planner/step -run TestCheckDocs -rewrite`" + `. A [job file](jobs.md) may have conditions that an output must
meet before it is published:

` + "```yaml" + `
checks:
  - output: examples               # may be left out where the job has one output
    rows: {min: 1000, vs_median: {of: 7, min: 0.5}}
  - unique: [request_id, item_id]
  - where: feature_time IS NULL OR feature_time < shown_at
    name: no feature from the future
  - drift: {columns: [price, country], psi: 0.2}
    severity: warn
` + "```" + `

| field | meaning |
|---|---|
| ` + "`output`" + ` | the output that is looked at |
| ` + "`severity`" + ` | ` + "`block`" + ` (default): if the check does not hold, nothing of the run is published; ` + "`warn`" + `: it is told |
| ` + "`name`" + ` | what the check is called in tables and manifests; default: its kind and columns |
| one of the kinds below | what is checked |

A mistake in a check is told when the job is planned, with its place in the file, as any other.

## When they run

When all tasks of a run are done and its files are decided, the run is ` + "`checking`" + `: a second run, ` + "`RUN.checks`" + `, reads the files that were
written (not the plan again) and measures; all that one pass over an output can say is measured in one pass. The leading coordinator judges, and the
verdict is recorded. Then

- the outputs are published, if no check with the severity ` + "`block`" + ` fails; or
- the run is ` + "`blocked`" + `: its files stay in the version folder, without a manifest, ` + "`_SUCCESS`" + ` or a word in ` + "`_LATEST`" + `, so readers see nothing of it. It
  stays so until somebody publishes it all the same, ` + "`quern release RUN --because \"…\"`" + `, cancels it (` + "`quern cancel`" + `) or purges it, or until it is
  forgotten like an old run (30 days). The last three delete what it wrote.

A check that cannot be evaluated (a file is gone, a comparison overflows, the second run was cancelled) fails, and says why. A release, with who and
why, and what came of each check go into the [manifest](formats.md#manifestjson). If the leader dies anywhere on the way, the next one goes on from there.

Of an output without rows all checks hold except ` + "`rows`" + ` with a minimum and ` + "`drift`" + `. The versions that a check compares with are those that readers could
follow: the one that ` + "`_LATEST`" + ` named when the run's files were decided, and from there back, manifest by manifest.
`
