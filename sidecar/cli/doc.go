// Package cli is the command line: one file a verb.
//
// # Life of a command
//
// main hands Main what the process has: arguments, environment, streams, signals
// and the way to make a sidecar (cli.go). Main builds the tree of verbs (root.go),
// which picks one. Each verb is a function from a Process to an error. The files run.go and dev.go start the sidecar
// and wait for it, the others answer and end. What went wrong becomes text on stderr and an exit code in one place
// (exit.go).
//
// push, diff, history, rollback and fleet go to Consul through one store (revisions.go), with the environment that a
// gateway has. push --wait (wait.go) and fleet read what the gateways say there. tally.go judges it. changes.go shows
// what internal/docdiff finds.
//
// # Promises
//
// Exit code 0 is fine. 1 says that the thing asked about is bad, 2 that the question was: arguments, flags,
// environment. 3, of push --wait, says that the time was over before the answer was known. Nothing
// but main touches the process itself, so each verb runs in a test as it runs in a shell. Answers go to stdout and
// complaints to stderr, a line each and never a page of usage.
//
// # Not here
//
// What a variable means and whether it is good (sidecar), what a document may say
// (internal/config), how a revision is served (sidecar).
//
// # Decisions
//
// Cobra, for it completes in four shells and is what the tools around us use. Its errors and usage pages are replaced,
// since they bury the one line that matters. The flags are made from the variables' table, so the two cannot differ.
//
// push --wait ends with 3 where no gateway speaks, as where all are silent: nobody has
// confirmed anything. Who names the wrong service would else be told that all is well.
// It waits meanwhile, since gateways may be starting.
//
// push --wait waits for the end of a probation only with --through-probation: who deploys would wait for it each time.
// A push with --force begins none, whatever a gateway has said of the revision before.
//
// A push that leaves no route needs --allow-empty, as one does that leaves a route without an endpoint. The gateway
// itself takes it: there, which routes there are is the author's word.
//
// A folder of keys has no revisions: its keys are written one by one, so what is live may be half of a change. Several
// files are pushed to one key instead.
//
// push --dry-run asks no gateway what its recent requests would lose. Their admin ports
// are on loopback, and have nothing that takes a document. What would lose too many is
// refused by apply.max_lost, on the gateway that had them.
//
// top draws its table itself, with golang.org/x/term for the terminal's mode. A TUI library (Bubble Tea v2) was
// measured. It adds 2.1 MB, 6 % of the binary, and 14 modules to a process that runs beside every app, for a table and
// eight keys.
package cli
