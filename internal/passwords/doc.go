// Package passwords holds the files of users that routes ask for passwords: it reads and watches them, and checks.
//
// # Life of a check
//
// [Set.Prepare] (set.go) reads the files of a revision, as htpasswd writes them (parse.go). A request's credentials
// (basic.go) are first looked up ([File.Look]: check.go) among those that have been checked before. What is not there
// has to be checked ([File.Check]), which takes tens of milliseconds by intent. Who calls it must be ready to wait, and
// bounds how many do at a time.
//
// # Promises
//
//   - No password is kept, and none is in a log or an error. What was checked is known by a hash under a secret key,
//     made with the hash of the file. So an edited or removed user is asked anew at once.
//   - How long a check takes does not tell whether there is such a user.
//   - What is remembered is bounded. Look blocks on nothing and allocates nothing.
//   - Once a revision is prepared, no state of its files takes away what serves. A file that is missing or broken is
//     reported, and the last good content stays in use.
//   - All is safe from any goroutine. There is at most one goroutine, the watcher's, until [Set.Close].
//
// # Not here
//
// What a client is told (proxy/route, proxy/forward), and how many checks are made at a time (proxy/forward).
//
// # Decisions
//
// Bcrypt alone. What Apache once wrote by default (MD5, SHA-1, crypt) is guessed by the billion. A hash without a cost
// of its own cannot be told from plain text. The error says what to write.
//
// Failed checks are remembered too. A client that repeats an old password would take all the time that there is for
// checks, and keep others out.
//
// A password longer than the 72 bytes that bcrypt looks at is wrong. All that begin alike would be right.
package passwords
