package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// maxCost is what a text of sizeUnit may allocate in all, garbage included.
const maxCost = 64 << 20

// costOf gives the bytes that decoding a text allocates. No test of this package runs beside it.
func costOf(text string) (int, error) {
	var before, after runtime.MemStats
	data := []byte(text)
	runtime.ReadMemStats(&before)
	_, err := Decode(data, Standard())
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc), err
}

// withoutRace skips what counts bytes where others allocate too.
func withoutRace(t testing.TB) {
	t.Helper()
	if underRace {
		t.Skip("the race detector allocates too")
	}
}

// filled repeats unit behind head until the text has a size of sizeUnit, or as much as a text may weigh, less by a few.
func filled(head, unit string) string {
	count := (sizeUnit - len(head)) / len(unit)
	if w := weigh([]byte(unit + unit)); w > 1 {
		count = min(count, 2*(maxWeight-weigh([]byte(head))-16)/w)
	}
	return head + strings.Repeat(unit, max(count, 0))
}

// heavy are texts that cost most for their size, as head and unit.
var heavy = [][2]string{
	{"[", ":,"}, {"[", "?,"}, {"[", "[],"}, {"[", ","}, {"{", "a,"}, {"{", "? ,"}, {"{", "'':,"}, {"[", "{},"},
	{"[", "{a: },"},
	{"a: [", ":,"}, {"a: [[", ":,"}, {"a: [[[[[[", ":,"}, {"- [", ":,"}, {"? [", ":,"}, {"? a\n: [", ":,"},
	{"a:\n [\n", " :,\n"},
	{"--- [", ":,"}, {"--- [[", ":,"}, {"---\n[", ":,"}, {"- [", "!a "}, {"- [", "!a &b "}, {"- [", `"" `},
	{"- [", "'' "},
	{"- [", "] "}, {"- {", "} "}, {"- 'a: [', [", ":,"}, {"- ': [',[", ":,"}, {"- [a, ': [',", ":,"},
	{"- éééé: [[", ":,"},
	{"- ", "[a]: [b]\n- "}, {"", "- [a, b]\n"}, {"", "- {a}\n"}, {"a:\n", "- : \n"}, {"", "? a\n"}, {"", ":\n"},
	{"", "?\n"},
	{"", "-\n"}, {"", "a:\n"}, {"", "- a:\n"}, {"", "#\n"}, {"", "a: #\n"}, {"a:\n", "- #\n"}, {"a: [", "a #\n,"},
	{"a: [", "#\n"},
	{"a:", "\n"}, {"a:\n", " \n\n#\n"}, {"a: |\n", " \n"}, {"a: >\n", " a\n\n"}, {`a: "`, `\n`}, {"a: '", "''"},
	{"", "a "}, {"", "a\n"},
	{"", "é"}, {"a: ", "\u2028"}, {"", "\ufeff"}, {"", "- |\n"}, {"", "%TAG !a! b\n"}, {"", "---\n"}, {"", "--- a\n"},
	{"a: [&a 1,", "*a,"},
	{"a: [", "&a ,"}, {"a: [", "! ,"}, {"a: [", "!!str ,"}, {"a: {", "<<: ,"}, {"a: [", "=,"}, {"a: [", "2001-01-01,"},
	{"a: [", "0x1,"},
	{"a: [", "'' "}, {"", "'' "}, {"a: [", `''""`}, {"", `''""`}, {"", "'\n' "}, {"? ", `''""`}, {"a: [", "[] "},
	{"- ", `''""`}, {"a: [", `'\n'""`}, {"a: [", "=|2-\n'a': \n<<: "}, {"[", "    <<[]'"}, {"a: [x\ny: [", "1,"},
	{"a: ['" + strings.Repeat("x", 1100) + "': [", "1,"}, {"a: [b c: d: [", "1,"}, {"a: ['' '', ", "'' ',' "},
	{"a: b\n '\n", "'\n' "}, {"a:\n- b: c\n  'd': '", "\n' '"}, {"a: |\n  x\n", "'\n' "}, {"a: # '\n ", "'\n' "},
	{"a: [!x' ", "'','' "}, {"a: [&x' ", "'','' "}, {"a: [b#' ", "'','' "}, {"a: [b #' \n", "'','' "},
	{"a: [b:' ", "'','' "}, {"a: [\"\\\"\" ", "'' "}, {"a: [?' ", "'','' "}, {"a: [-' ", "'','' "},
	{"a: [:' ", "'','' "},
	{"a: ['b':' ", "'','' "}, {"a: [b\n- ' ", "'','' "}, {"a: [b\r#' ", "'','' "}, {"a: >2\n  ' ", "'\n' "},
	{"--- '", "' '\n"}, {"a: [{}: [", "1,"}, {"a: [[]: [", "1,"}, {"a: [b\u2028#' ", "'','' "}, {"a: {b c\nd: {", "e,"},
	{"a:\n" + strings.Repeat("- a\n", 60000) + "- [", "'' "},
	{"a:\n" + strings.Repeat("- a\n", 60000) + "- '' ", "'' "},
	{"routes: [", "{},"}, {"routes: [", "1,"}, {"routes:\n", "- 1\n"}, {"routes:\n", "- {}\n"},
	{"routes:\n", "- {a: ,b: }\n"},
	{"clusters: [", "{},"}, {"clusters:\n", "- 1\n"}, {"listeners:\n", "- 1\n"}, {"clusters:\n", "- {a: ,b: }\n"},
	{"routes:\n- match: {headers: {", "a: b,"}, {"routes:\n- match:\n    headers:\n", "      a:\n"},
	{"routes:\n- match: {methods: [", "A,"}, {"routes:\n- match: {methods: [", "GET,"},
	{"routes:\n- listeners: [", "a,"},
	{"clusters:\n- endpoints: [", "a,"}, {"clusters:\n- endpoints: [", "{address: a},"},
	{"clusters:\n- endpoints:\n", "  - a:1\n"},
	{"routes:\n- clusters: [", "{name: a},"}, {"access_log: {fields: [", "time,"},
	{"listeners:\n- sni: [", "{host: a},"},
	{"routes:\n- match: {query: {", "a: b,"}, {"routes:\n- match: {hosts: [", "a,"},
	{"routes:\n- match: {hosts: [", "'*.a',"}, {"routes:\n- match: {source: [", "::,"},
	{"routes: [", `{match: {path_regex: 'a{1000}b{1000}c{1000}'}},`},
	{"routes: [", `{match: {path_regex: '` + strings.Repeat(`\pL`, 300) + `'}},`},
	{"routes: [", `{match: {path_regex: '` + strings.Repeat(`\W`, 300) + `'}},`},
	{"routes: [", `{match: {path_regex: '(?i)` + strings.Repeat(`[^k]`, 300) + `'}},`},
	{"routes: [", `{match: {path_regex: '` + strings.Repeat(`(`, 900) + strings.Repeat(`)`, 900) + `'}},`},
	{"routes:\n", "- {cluster: a, name: a}\n"}, {"clusters:\n", "- {name: a, endpoints: [a:1]}\n"},
}

// TestCostOfBrokenText: what a text costs is bounded by its size, whatever is in it. Each text here is refused.
func TestCostOfBrokenText(t *testing.T) {
	withoutRace(t)
	for _, h := range heavy {
		text := filled(h[0], h[1]) + closing(h[0])
		cost, err := costOf(text)
		if err == nil {
			t.Errorf("%q and many times %q is accepted", h[0], h[1])
		}
		if cost > maxCost {
			t.Errorf("%q and %d KiB of %q: %d MiB allocated, want at most %d (%.100v)",
				h[0], len(text)>>10, h[1], cost>>20, maxCost>>20, err)
		}
	}
	// As much as Consul takes, which weighs more than it may.
	for _, unit := range []string{":,", "?,", "[],", ","} {
		cost, err := costOf("[" + strings.Repeat(unit, sizeUnit/len(unit)))
		if err == nil || cost > 2<<20 {
			t.Errorf("512 KiB of %q: %d MiB allocated, want next to nothing (%.100v)", unit, cost>>20, err)
		}
	}
}

// What stopped the library is said, and what may be missing.
func TestTooMuchInARow(t *testing.T) {
	for text, want := range map[string]string{
		"a: [" + strings.Repeat("'' ", 5000):    "over 4096 values and quotes in a row: is a comma, a quote or",
		"a:\n- [" + strings.Repeat("a,", 40000): "one item of a list is too large",
	} {
		if _, err := Decode([]byte(text), Standard()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v, want %s", text, err, want)
		}
	}
}

// closing ends what a head has opened.
func closing(head string) string {
	var end []byte
	for _, c := range []byte(head) {
		switch c {
		case '[':
			end = append(end, ']')
		case '{':
			end = append(end, '}')
		}
	}
	slices.Reverse(end)
	return string(end)
}

// until gives head, and items for as long as the text has at most a size.
func until(size int, head string, item func(i int) string, end string) string {
	var b strings.Builder
	b.WriteString(head)
	for i := 0; ; i++ {
		next := item(i)
		if b.Len()+len(next)+len(end) > size {
			return strings.TrimSuffix(b.String(), ",") + end
		}
		b.WriteString(next)
	}
}

// TestCostOfValidText: dense documents as a person or a tool may write them are accepted, at the same cost.
func TestCostOfValidText(t *testing.T) {
	withoutRace(t)
	cluster := "clusters: [{name: a, endpoints: ['a:1']}]\n"
	for name, text := range map[string]string{
		"routes": until(sizeUnit, cluster+"routes:\n", func(i int) string {
			return fmt.Sprintf("- {name: r%x, match: {path_prefix: /%x}, cluster: a}\n", i, i)
		}, ""),
		"routes in lines": until(sizeUnit, cluster+"routes:\n", func(i int) string {
			return fmt.Sprintf("- name: r%x\n  match:\n    path_prefix: /%x\n  cluster: a\n", i, i)
		}, ""),
		"routes as JSON": until(sizeUnit, `{"clusters":[{"name":"a","endpoints":["a:1"]}],"routes":[`,
			func(i int) string {
				return fmt.Sprintf(`{"name":"r%x","match":{"path_prefix":"/%x"},"cluster":"a"},`, i, i)
			}, "]}"),
		"endpoints": until(sizeUnit, "clusters:\n- name: a\n  endpoints: [", func(i int) string {
			return fmt.Sprintf("%d.%d.%d.1:1,", 1+i>>16, i>>8&255, i&255)
		}, "]\n"),
		"endpoints in lines": until(sizeUnit, "clusters:\n- name: a\n  endpoints:\n", func(i int) string {
			return fmt.Sprintf("  - %d.%d.%d.1:1\n", 1+i>>16, i>>8&255, i&255)
		}, ""),
		"headers": until(sizeUnit/2, cluster+
			"routes:\n- name: a\n  cluster: a\n  match:\n    path_prefix: /\n    headers:\n", func(i int) string {
			return fmt.Sprintf("      %x: x\n", i+0xa0000)
		}, ""),
		"text": cluster + "# " + strings.Repeat("a comment, with commas: and 'quotes' - ", sizeUnit/4/40) + "\n",
	} {
		cost, err := costOf(text)
		if err != nil {
			t.Errorf("%s: %.200v", name, err)
		}
		if cost > maxCost {
			t.Errorf("%s: %d MiB allocated, want at most %d", name, cost>>20, maxCost>>20)
		}
		t.Logf("%s: %d KiB, %d MiB allocated", name, len(text)>>10, cost>>20)
	}
}

// TestCostOfManyParts: what the parts of a folder cost together is bounded too.
func TestCostOfManyParts(t *testing.T) {
	withoutRace(t)
	var parts []Part
	for i := range MaxDocumentBytes / sizeUnit {
		parts = append(parts, Part{Name: fmt.Sprintf("%02d", i), Data: []byte(filled("a: [", "a,"))})
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := DecodeParts(parts, Standard())
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "holds too many values") {
		t.Errorf("err = %.200v", err)
	}
	if cost := after.TotalAlloc - before.TotalAlloc; cost > 3*maxCost {
		t.Errorf("%d MiB allocated, want at most %d", cost>>20, 3*maxCost>>20)
	}
}

// TestTenThousandRoutes: a large document with all that a route may say is no heavy one.
func TestTenThousandRoutes(t *testing.T) {
	if underRace {
		t.Skip("it is about a bound; TestDecodeKnown shows the race detector the same code")
	}
	text := until(MaxDocumentBytes, "clusters: [{name: a, endpoints: ['a:1']}]\nroutes:\n", func(i int) string {
		if i == 10_000 {
			return strings.Repeat(" ", MaxDocumentBytes)
		}
		return fmt.Sprintf(`- name: route-%d
  match: {host: host-%d.example.com, path_prefix: /api/v%d, methods: [GET, HEAD], headers: {x-a: b, x-c: d}}
  clusters: [{name: a, weight: 95}]
  preserve_host: true
  prefix_rewrite: /v1
  timeouts: {upstream: 10s, request: 60s}
  retries: {attempts: 2, on: [connect-failure, reset, "503"], per_try_timeout: 2s}
  upgrades: [websocket]
`, i, i, i)
	}, "")
	doc, err := Decode([]byte(text), Standard())
	if err != nil || len(doc.Routes) != 10_000 {
		t.Fatalf("%d KiB: %.300v", len(text)>>10, err)
	}
}

// FuzzCost holds the bound for any text, and for any text that repeats itself.
func FuzzCost(f *testing.F) {
	withoutRace(f)
	for _, h := range heavy[:8] { // TestCostOfBrokenText has them all
		f.Add(h[0], h[1], "")
	}
	f.Fuzz(func(t *testing.T, head, unit, end string) {
		if unit == "" || len(head)+len(end) > 1<<10 || len(unit) > 1<<10 {
			return
		}
		text := filled(head, unit) + end
		if cost, err := costOf(text); cost > maxCost {
			t.Errorf("%d KiB: %d MiB allocated, want at most %d (%.100v)", len(text)>>10, cost>>20, maxCost>>20, err)
		}
	})
}

// BenchmarkHeavy is the time that each heavy text takes: at most 300 ms on a machine that does nothing else.
func BenchmarkHeavy(b *testing.B) {
	for _, h := range heavy {
		b.Run(fmt.Sprintf("%q", h), func(b *testing.B) {
			data := []byte(filled(h[0], h[1]))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = Decode(data, Standard())
			}
		})
	}
}

// TestRevisionOfLongText: the revision is the hash of the whole text, which is hashed piece by piece.
func TestRevisionOfLongText(t *testing.T) {
	doc, err := Decode(large(), Standard())
	if err != nil {
		t.Fatal(err)
	}
	text := doc.canonical()
	if sum := sha256.Sum256(text); doc.Revision != hex.EncodeToString(sum[:6]) || len(text) < 4*mostUnhashed {
		t.Errorf("revision %s of %d KiB, want the hash of the text, %x", doc.Revision, len(text)>>10, sum[:6])
	}
}
