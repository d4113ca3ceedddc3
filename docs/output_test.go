package docs_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// compare holds what the page shows against what the commands printed. Commands
// without an output print nothing.
func (s *session) compare(t *testing.T, p *page, outputs []string) {
	t.Helper()
	text, run := p.text, -1
	moved := 0 // by what was replaced before
	for i, b := range p.blocks {
		if b.kind != "run" {
			continue
		}
		if run++; run >= len(outputs) {
			t.Fatalf("%s:%d: the commands were not reached", p.name, p.line(b.start))
		}
		got := strings.TrimRight(outputs[run], "\n") + "\n"
		want, shown := "\n", i+1 < len(p.blocks) && p.blocks[i+1].kind == "output"
		if shown {
			want = p.blocks[i+1].text
		}
		switch {
		case matches(want, got):
		case shown && *update:
			at := p.blocks[i+1].start + moved
			text = text[:at] + got + text[at+len(want):]
			moved += len(got) - len(want)
		default:
			t.Errorf("%s:%d: the commands\n%sprint\n%swant\n%s", p.name, p.line(b.start), b.text, got, want)
		}
	}
	if text != p.text {
		if err := os.WriteFile(p.name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// vary are the parts of an output that differ from one run to the next.
var vary = []struct{ pattern, name string }{
	{`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:?\d\d)`, "TIME"},
	{`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC`, "TIME"},
	{`\b\d\d:\d\d:\d\d\.\d{3}\b`, "TIME"},
	{`(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT`, "TIME"},
	{`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`, "UUID"},
	{`\b[0-9a-f]{64}\b`, "HASH"}, // of a document, or of a certificate
	{`\b(revision"?[ =:]+"?)[0-9a-f]{12}\b`, "${1}REVISION"},
	{`([* ] |pushed |before: |live |take )[0-9a-f]{12}\b`, "${1}REVISION"},
	{`\b(rolled back +)[0-9a-f]{12}\b`, "${1}REVISION"},
	{`\b(rolled back after )[0-9]+ s\b`, "${1}N s"},
	{`\b[0-9]+ of [0-9]+ requests failed \(UF [0-9]+\), before 0 of [0-9]+`, "N failed, before none"},
	{`\b(hash=)[0-9a-f]+`, "${1}HASH"},
	{`\b(took"?[=:]"?)[0-9.]+(ns|µs|ms|s)`, "${1}DURATION"},
	{`(_ms":)[0-9.]+`, "${1}MS"},
	{`\b[0-9]+\.[0-9] ms\b`, "MS ms"}, // of an attempt
	{`\b[0-9]+ tried\b`, "N tried"},   // within a minute
	{`\b[0-9.]+ requests/s\b`, "N requests/s"},
	{`\(last [0-9]+ s\)`, "(last N s)"},
	{`\b[0-9]+ (s|min) ago\b`, "N s ago"},
	// chosen by the kernel
	{`127\.0\.0\.1:(3276[89]|327[7-9]\d|32[89]\d\d|3[3-9]\d{3}|[4-6]\d{4})\b`, "127.0.0.1:PORT"},
	{`[0-9.]+( us of CPU a request| bytes for each)`, "N$1"},
	{`curl/[0-9.]+`, "curl/VERSION"},
	{`(?m)^(version +).*$`, "${1}VERSION"},
	{`\binstance [^ ,]+`, "instance INSTANCE"},
	{`\b(instance=)[^ ]+`, "${1}INSTANCE"},
	{`/[^ "]+/gateway\.dev\.yaml`, "DIR/gateway.dev.yaml"},
	{`(?m)^(document +\w+ ")[^"]*/`, "${1}DIR/"},
	{`\b[0-9]+ of [0-9]+ (connections|file descriptors)\b`, "N of N ${1}"},
	{`\b(version=")[^"]+`, "${1}VERSION"},
	{` {2,}`, "  "}, // columns are as wide as what is in them
	{`(?m) +$`, ""},
}

var patterns = func() (all []*regexp.Regexp) {
	for _, v := range vary {
		all = append(all, regexp.MustCompile(v.pattern))
	}
	return all
}()

func steady(text string) string {
	for i, p := range patterns {
		text = p.ReplaceAllString(text, vary[i].name)
	}
	return text
}

// matches tells whether got is want, in which a line ... stands for any lines.
func matches(want, got string) bool {
	var like strings.Builder
	for line := range strings.Lines(steady(want)) {
		if line == "...\n" {
			like.WriteString("(?:.*\n)*?")
		} else {
			like.WriteString(regexp.QuoteMeta(line))
		}
	}
	return regexp.MustCompile(`\A` + like.String() + `\z`).MatchString(steady(got))
}

func TestMatches(t *testing.T) {
	for _, row := range []struct {
		want, got string
		is        bool
	}{
		{"a\n", "a\n", true},
		{"a\n", "a\nb\n", false},
		{"a\n...\n", "a\nb\n", true},
		{"...\nb\n", "a\nb\n", true},
		{"...\nb\n", "a\nb\nc\n", false},
		{"a\n...\nc\n...\ne\n", "a\nb\nc\nd\ne\n", true},
		{"a\n...\nc\n...\ne\n", "a\nb\nd\ne\n", false},
		{"a\n...\nb\n", "a\nb\n", true},
		{"at 2026-11-23T07:00:20Z\n", "at 2027-01-02T03:04:05Z\n", true},
		{"revision be35b7a0f1c2 of 1\n", "revision 000000000000 of 2\n", false},
		{"", "", true},
		{"\n", "a\n", false},
	} {
		if matches(row.want, row.got) != row.is {
			t.Errorf("matches(%q, %q) = %v, want %v", row.want, row.got, !row.is, row.is)
		}
	}
}
