// Package statedir keeps small files in a directory of this process alone. Each is there whole, as it was before or as
// it is now, whatever happens while it is written.
//
// # Life of a file
//
// [Open] judges the directory, makes it where only its last part is missing, and locks it. [Dir.Write] puts the content
// into an envelope with a version and a checksum (seal.go), writes that to a temporary file, and syncs it. Then it
// renames it, and syncs the directory (write.go). [Dir.Read] takes only what it can prove whole and ours; what it
// refuses is named in one sentence, and [Dir.SetAside] makes room for the next. [Dir.Intact] tells whether a file is
// still what was read or written.
//
// # Promises
//
//   - The process or the machine may crash at any moment. Read then gives the content of the last Write that returned,
//     or of the one after it.
//   - Nobody else can read the directory or the files, nor have written them: others' are refused.
//   - Two processes never use one directory at a time.
//   - Sizes are bounded. Several goroutines may use a directory at a time, but only one of them the same file.
//   - A directory that is removed, replaced, or not private any more is noticed by the next use. When it is good again,
//     the next use succeeds.
//
// # Not here
//
// What is kept, and what is done with it: sidecar.
//
// # Decisions
//
// An envelope in JSON around JSON: a person can read a file, and the checksum is of the very bytes between.
//
// [Dir.Note] does not sync: it is for what must survive the process and not the machine, and may be written before each
// document is read.
//
// [Dir.NoteBytes] has the envelope in a line before the bytes. It is for a large file that nobody reads by eye, whose
// text form would cost a start more than it saves.
package statedir
