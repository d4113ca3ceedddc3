// Package docs_test holds the pages for operators to what the gateway does. Each command that a page shows is run and
// its output compared, and each document is decoded. Each name (key, variable, metric, field, flag, link) is one that
// there is.
//
// What stands in a fence is told by a comment above it:
//
//	<!-- block: document FILE -->  a whole document, written to FILE for the commands that follow
//	<!-- block: file FILE -->      any other file, written likewise
//	<!-- block: tags NAME -->      services as they are registered for another gateway; NAME.yaml is the document for them
//	<!-- block: run -->            commands, run by bash in the order of the page, in one folder
//	<!-- block: output -->         what the commands above print; a line ... stands for any lines
//	<!-- block: shown -->          commands that cannot be run here (containers, services of the system)
//	<!-- block: other -->          anything else
//
// `go test ./docs -update` writes the outputs anew where they differ.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// page is one file of this folder.
type page struct {
	name   string
	text   string
	blocks []block
}

// block is a fence of a page.
type block struct {
	kind     string // document, file, run, output, shown or other; empty = not told
	file     string // of a document; the name of tags
	language string
	text     string // with the line end of its last line
	start    int    // of text, in the page's
}

var fence = regexp.MustCompile("(?m)^(?:<!-- block: ([a-z]+)(?: ([^ \n]+))? -->\n)?```([a-z]*)\n((?s:.*?))^```$")

// pages are all pages, by name.
func pages(t *testing.T) map[string]*page {
	t.Helper()
	names, err := filepath.Glob("*.md")
	if err != nil || len(names) == 0 {
		t.Fatalf("pages %v, %v", names, err)
	}
	all := map[string]*page{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = newPage(name, string(text))
	}
	return all
}

func newPage(name, text string) *page {
	p := &page{name: name, text: text}
	for _, at := range fence.FindAllStringSubmatchIndex(text, -1) {
		group := func(i int) string {
			if at[2*i] < 0 {
				return ""
			}
			return text[at[2*i]:at[2*i+1]]
		}
		p.blocks = append(p.blocks, block{kind: group(1), file: group(2), language: group(3), text: group(4),
			start: at[8]})
	}
	return p
}

// prose is the page without its fences.
func (p *page) prose() string { return fence.ReplaceAllString(p.text, "") }

// line is the line of an offset, for messages.
func (p *page) line(offset int) int { return 1 + strings.Count(p.text[:offset], "\n") }

// Every fence says what it is, so that none is forgotten by the tests.
func TestFences(t *testing.T) {
	languages := map[string]string{"document": "yaml json", "file": "yaml json text ini", "tags": "json", "run": "sh",
		"shown": "sh", "output": "text json", "other": "text json yaml sh ini"}
	for _, p := range pages(t) {
		for i, b := range p.blocks {
			allowed, known := languages[b.kind]
			switch {
			case !known:
				t.Errorf("%s:%d: a fence without a comment that says what it is", p.name, p.line(b.start))
			case !strings.Contains(" "+allowed+" ", " "+b.language+" "):
				t.Errorf("%s:%d: a %s in %q, want one of %s", p.name, p.line(b.start), b.kind, b.language, allowed)
			case slices.Contains([]string{"document", "file", "tags"}, b.kind) != (b.file != ""):
				t.Errorf("%s:%d: a %s with the file %q", p.name, p.line(b.start), b.kind, b.file)
			case b.kind == "output" && (i == 0 || p.blocks[i-1].kind != "run"):
				t.Errorf("%s:%d: an output of no commands", p.name, p.line(b.start))
			}
		}
		if n := strings.Count(p.text, "\n```"); n != 2*len(p.blocks) {
			t.Errorf("%s: %d fence marks, want %d", p.name, n, 2*len(p.blocks))
		}
	}
}
