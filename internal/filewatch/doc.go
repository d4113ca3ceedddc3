// Package filewatch tells when what is read from some paths may have changed. Documents, certificates, roots and token
// files are watched by it, with one promise for all.
//
// # Life of a change
//
// A path is walked link by link (chain.go). The directory of each link and of the file is watched with inotify, and so
// is the file itself (notify.go). After an event that concerns them, the watcher waits until nothing has happened for
// Quiet, at most for Most. Then it walks the paths again, and calls changed (watcher.go). In addition it compares the
// file's status (size, times, identity) once in each PollInterval. Nothing announces changes on network file systems,
// or those of a directory above that is replaced.
//
// # Promises
//
//   - A change is told at most Most after its first event, or PollInterval and Most after it if there was no event.
//     This holds for a file that is written in place, replaced by a rename, removed or made anew. It also holds for
//     one that is reached through a link that is turned, at any level. And it holds for one that is mounted alone into
//     a container and written outside.
//   - changed is called from one goroutine, never twice at a time. Paths that are new to the watcher are told once,
//     since they may have changed before they were watched.
//   - What did not change may be told too: the reader compares.
//   - All methods are safe from any goroutine. Follow may be called from changed, Close may not.
//   - There is no goroutine, and nothing is asked of the system, until there is a path to watch.
//   - Where the system gives no watches, the status is still compared.
//
// # Not here
//
// Reading (internal/namedfile), and what a change means (discovery, discovery/consul, mtls, internal/passwords).
//
// # Decisions
//
// Polling alone would do with one or two calls of stat a second. But a new certificate or document would take a second
// to be seen. Events alone miss too much. Directories are watched because a watch on a file stays with the old file
// when a new one takes its name. Files are watched because their directory hears nothing of a write through another
// name.
package filewatch
