// Package config is the document of one revision: its model, and the one strict way from text to a
// value. The rest of the gateway checks nothing of it again.
//
// # Life of a document
//
// Decode and DecodeParts (decode.go) make a tree of each text (parse.go), or take the one that was kept
// of it (tree.go). They walk it section by section. So each value is read, checked and given its
// default at one place, and each problem knows its line and column (problem.go). A section is a block:
// a table of fields, one line a key (schema.go). Each field is of a kind that reads one sort of
// value and writes it back (values.go, names.go, address.go, host.go, path.go, size.go). Every idea of the document
// has a file of its own with its type, its table, its defaults and its checks. These are listener.go, route.go,
// match.go, weighted.go, retries.go, cluster.go, tls.go, timeouts.go, ... A setting is added or removed there and
// nowhere else. What the bootstrap adds is written as text and read last (base.go), so it follows the same rules. The
// same tables write the effective document (encode.go) and tell what changed (diff.go); origin.go tells who said a
// value.
//
// # Promises
//
// A Document is complete: every default is in it, every reference is to
// something that is there, nothing in it contradicts the rest. It is never
// edited after Decode, and Decode keeps nothing: both may be used by many
// goroutines.
//
// Decode finds all problems, not the first, orders them by place and tells at most a hundred. It
// never panics. Its cost is bounded by the size of the text, while the text is parsed and not after
// (bounds.go). 512 KiB cost at most 64 MB and 300 ms, whatever is in them. All parts together are
// at most 8 MiB, and hold no more values than four such texts. A tree is at most 24 levels deep.
// Ten thousand routes and a thousand clusters take about 150 ms, most of it in the YAML parser.
//
// The effective document, as YAML or JSON, decodes to the same revision under
// any base with the same defaults. The revision is a hash of that document: a
// comment, or a default written out, makes no new one.
//
// Nothing secret is in a document: keys and certificates are named by their
// files. Values of header conditions are not shown in problems all the same.
//
// # Not here
//
// Files that the document names are opened, services are asked for and addresses
// are bound where a revision is applied. Matching is the proxy's: here is only
// what of it two routes could disagree on. The environment is read by the
// bootstrap, which hands over a Base.
//
// # Decisions
//
// Tables with closures over reflection on tags. A table says which values a key takes, and gives
// writing, comparing and suggestions without other code. It walks 10,000 routes in the time in
// which a second decoding pass would only begin.
//
// There are no anchors, aliases, merge keys or tags. A problem's line must be the line where the value is, and a small
// text must not mean a large tree. A tool that writes documents can repeat itself.
//
// There is one notation for one meaning. Thus yes is not true, 010 is not a number, 5 is not a duration, and an
// unquoted 1.10 is not a name. What a user meant is asked, not guessed; only letter case and order that cannot matter
// are made uniform.
//
// yaml/v4 over yaml/v3: the same speed, and its syntax errors have a column.
// JSON is read by it too; an escaped surrogate pair is all of JSON that it
// refuses.
//
// A text is weighed before it is parsed, by its punctuation: each node needs some,
// quoted or not. That needs no second parser, which could disagree with the
// first. What the library reads ahead is bounded as it reads, since only the
// library knows where such a part begins.
//
// At a start a large text is cut in front of items of its lists, and parsed by
// several goroutines. The cut looks at lines alone, and may be wrong. A piece is
// then no document, or its lists have not the items that the lines show, and
// the whole is parsed. While something serves one goroutine parses, and leaves
// the other processors to requests. The routes of a start are read by several
// goroutines too (fork.go). Only if none finds a problem their work is taken.
//
// What the library makes of a large text can be kept beside it (tree.go). With it a start decodes 10,000 routes in
// a quarter of the time, and with less memory. Nodes that are alike are kept, and read, once. So a tree has no
// places, and what is wrong with a document is looked for in the text again. That is worth 250 lines and a file
// half as large as the text. The tree is kept and not the document. All rules are applied to it as ever, with the
// bootstrap of that start, so that nothing unchecked comes into service. It is bound to the text, to the version
// of the library and to this form of it. Anything else is not read, and the text is parsed. No second parser of
// YAML is needed.
//
// Passive health is on by default, limits on connections are not. The first costs nothing while all
// is well. The second would refuse connections of a busy port at some number that nobody chose.
package config
