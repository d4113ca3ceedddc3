package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// longestSentence is how many words a sentence of the pages may have. What is in backquotes is one word.
const longestSentence = 25

var (
	notProse    = regexp.MustCompile("(?s)<!--.*?-->|(?m)^```.*?^```")
	codeSpan    = regexp.MustCompile("`[^`]*`")
	linkTarget  = regexp.MustCompile(`\]\([^)]*\)`)
	sentenceEnd = regexp.MustCompile(`[.!?]["”)*]*(\s+|$)`)
	wordOfText  = regexp.MustCompile(`[A-Za-z0-9'’-]+`)
)

// sentences splits one line of a page.
func sentences(line string) []string {
	var all []string
	for cell := range strings.SplitSeq(line, " | ") {
		cell = linkTarget.ReplaceAllString(codeSpan.ReplaceAllString(cell, "code"), "]")
		all = append(all, sentenceEnd.Split(cell, -1)...)
	}
	return all
}

func TestSentencesAreShort(t *testing.T) {
	for _, p := range pages(t) {
		for line := range strings.SplitSeq(notProse.ReplaceAllString(p.text, ""), "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			for _, s := range sentences(line) {
				if n := len(wordOfText.FindAllString(s, -1)); n > longestSentence {
					t.Errorf("%s: a sentence of %d words, want at most %d: %s", p.name, n, longestSentence, s)
				}
			}
		}
	}
	for _, row := range []struct {
		line string
		want int
	}{
		{"One. Two? `Not. Two` three.", 4},
		{"See [the page](a.b. c).", 2},
		{"| cell one | cell two. And more |", 3},
	} {
		if got := len(sentences(row.line)); got != row.want {
			t.Errorf("%q has %d sentences (the empty one at the end counts), want %d", row.line, got, row.want)
		}
	}
}

// TestPlainWords looks for images that a reader whose third language this is cannot know.
func TestPlainWords(t *testing.T) {
	images := regexp.MustCompile(`(?i)\b(in vain|goodbyes?|would become of|bears a request|is no list|counts as ` +
		`from|holds what it knows|no word of|last words?|nudges?|crumbs?|heirs?)\b`)
	check := func(name, text string) {
		for _, found := range images.FindAllString(text, -1) {
			t.Errorf("%s: %q is no plain word", name, found)
		}
	}
	for _, p := range pages(t) {
		check(p.name, p.text)
	}
	for _, name := range []string{"README.md", "CHANGELOG.md", "CONTRIBUTING.md"} {
		text, err := os.ReadFile("../" + name)
		if err != nil {
			t.Fatal(err)
		}
		check(name, string(text))
	}
}
