package cli

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/pflag"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
)

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The README's table is what `gateway env` prints.
func TestReadmeEnvironment(t *testing.T) {
	printed, _, _ := strings.Cut(do(t, Process{}, "env").stdout, "\n\n")
	columns := regexp.MustCompile(` {2,}`)
	var want []string
	for line := range strings.Lines(printed) {
		cell := columns.Split(strings.TrimSpace(line), 3)
		switch {
		case len(cell) == 1 && len(want) > 0: // the meaning goes on
			want[len(want)-1] = strings.TrimSuffix(want[len(want)-1], " |") + " " + cell[0] + " |"
		case len(cell) != 3:
			t.Fatalf("gateway env: line %q, want three columns", line)
		case cell[0] != "VARIABLE":
			want = append(want, "| `"+cell[0]+"` | "+code(cell[1])+" | "+cell[2]+" |")
		}
	}
	if len(want) != len(sidecar.Variables()) {
		t.Errorf("gateway env: %d variables, want all %d", len(want), len(sidecar.Variables()))
	}
	var got []string
	for line := range strings.Lines(readme(t)) {
		if strings.HasPrefix(line, "| `GATEWAY_") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the README's table is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// code sets a default as code, unless it is words.
func code(shown string) string {
	if strings.HasPrefix(shown, "(") || shown == "host name" {
		return shown
	}
	return "`" + shown + "`"
}

// block is a fenced block of the README: the id in the comment above it, and its
// lines.
type block struct {
	id, language string
	lines        []string
}

var fenced = regexp.MustCompile("(?m)^(?:<!-- block: ([a-z]+) -->\n)?```([a-z]+)\n((?s:.*?))^```$")

func blocks(t *testing.T) []block {
	t.Helper()
	var all []block
	for _, m := range fenced.FindAllStringSubmatch(readme(t), -1) {
		all = append(all, block{m[1], m[2], strings.Split(strings.TrimSuffix(m[3], "\n"), "\n")})
	}
	return all
}

// Each shell block has an id that a test knows; whoever adds one says here how
// it is proved.
func TestReadmeShellBlocks(t *testing.T) {
	known := map[string]string{ // id -> first word of each line
		"try":    "go",
		"test":   "make",
		"consul": "make consul bin/gateway for for CONSUL_HTTP_ADDR=127.0.0.1:8500 bin/gateway curl }",
	}
	seen := map[string]bool{}
	for _, b := range blocks(t) {
		if b.language != "sh" {
			continue
		}
		var words []string
		for _, line := range b.lines {
			words = append(words, strings.Fields(line)[0])
		}
		if want, ok := known[b.id]; !ok || seen[b.id] || strings.Join(words, " ") != want {
			t.Errorf("block %q runs %q, want %q once", b.id, words, want)
		}
		seen[b.id] = true
	}
	if len(seen) != len(known) {
		t.Errorf("blocks %v, want all of %v", seen, known)
	}
}

// The README names each verb, and so does the help of the root.
func TestReadmeVerbs(t *testing.T) {
	_, commands, _ := strings.Cut(readme(t), "\n## Commands\n")
	commands, _, _ = strings.Cut(commands, "\n## ")
	var got, want []string
	for _, m := range regexp.MustCompile("`gateway ([a-z]+)").FindAllStringSubmatch(commands, -1) {
		got = append(got, m[1])
	}
	help := do(t, Process{}, "--help").stdout
	for line := range strings.Lines(help) {
		if n := utf8.RuneCountInString(line); n > helpWidth+1 {
			t.Errorf("gateway --help has a line of %d columns: %s", n, line)
		}
	}
	for _, group := range []string{"While it runs:\n  explain ", "Flags, timeouts:\n      --read-timeout duration ",
		"Flags:\n  -h, --help "} {
		if !strings.Contains(help, "\n"+group) {
			t.Errorf("gateway --help has no %q", group)
		}
	}
	for _, c := range newRoot(&Process{}).Commands() {
		if c.Name() == "help" {
			continue
		}
		want = append(want, c.Name())
		if !strings.Contains(help, "\n  "+c.Name()+" ") {
			t.Errorf("gateway --help does not name %s", c.Name())
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the README has the verbs %q, want %q", got, want)
	}
}

// Each row of the table of commands has an example: of this verb, with arguments and flags that the verb takes.
func TestReadmeExamples(t *testing.T) {
	_, commands, _ := strings.Cut(readme(t), "\n## Commands\n")
	commands, _, _ = strings.Cut(commands, "\n## ")
	row := regexp.MustCompile("(?m)^\\| `gateway ?([a-z]*)[^`]*` \\| .* \\| `gateway ?([^`]*)` \\|$")
	rows := row.FindAllStringSubmatch(commands, -1)
	if want := strings.Count(commands, "\n| `"); len(rows) != want {
		t.Errorf("%d rows of the table have an example, want all %d", len(rows), want)
	}
	word := regexp.MustCompile(`'[^']*'|[^' ]+`)
	for _, m := range rows {
		var args []string
		for _, arg := range word.FindAllString(m[2], -1) {
			args = append(args, strings.Trim(arg, "'"))
		}
		cmd, rest, err := newRoot(&Process{}).Find(args)
		if err != nil {
			t.Errorf("gateway %s: %v", m[2], err)
			continue
		}
		if path := cmd.CommandPath(); !strings.HasPrefix(path, strings.TrimSpace("gateway "+m[1])) {
			t.Errorf("the example of gateway %s is of %s", m[1], path)
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Errorf("gateway %s: %v", m[2], err)
			continue
		}
		if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
			t.Errorf("gateway %s: %v", m[2], err)
		}
	}
}

// The page about revisions has the flags of their verbs.
func TestRevisionFlags(t *testing.T) {
	text, err := os.ReadFile("../../docs/revisions.md")
	if err != nil {
		t.Fatal(err)
	}
	shared := map[string]bool{"number": true} // -n, in the table of the verbs
	for _, v := range sidecar.Variables() {
		shared[v.Flag] = true
	}
	want := map[string][]string{} // flag -> verbs
	verbs := []string{"push", "diff", "history", "rollback", "fleet"}
	for _, verb := range verbs {
		cmd, _, err := newRoot(&Process{}).Find([]string{verb})
		if err != nil {
			t.Fatal(err)
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !shared[f.Name] {
				want["--"+f.Name] = append(want["--"+f.Name], verb)
			}
		})
	}
	got := map[string][]string{}
	row := regexp.MustCompile("(?m)^\\| `(--[a-z-]+)[^`]*` \\| ([a-z, ]+) \\|")
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		if got[m[1]] = strings.Split(m[2], ", "); m[2] == "all" {
			got[m[1]] = verbs
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the page has %v, want %v", got, want)
	}
}

// What a reader copies must work as it is.
func TestReadmeFlags(t *testing.T) {
	text, commands, _ := strings.Cut(readme(t), "\n## Commands\n") // those are TestReadmeExamples's
	_, after, _ := strings.Cut(commands, "\n## ")
	flags := map[string]string{}
	for _, v := range sidecar.Variables() {
		flags["--"+v.Flag] = v.Name
	}
	given := regexp.MustCompile(`gateway((?: --[a-z-]+ [^ &` + "`" + `]+)+)`)
	found := 0
	for _, m := range given.FindAllStringSubmatch(text+after, -1) {
		from := sidecar.Sources{Flags: map[string]string{}}
		words := strings.Fields(m[1])
		for i := 0; i < len(words); i += 2 {
			name, ok := flags[words[i]]
			if !ok {
				t.Errorf("%q: no such flag", words[i])
				continue
			}
			from.Flags[name] = words[i+1]
		}
		if _, err := sidecar.Load(from); err != nil {
			t.Errorf("gateway%s: %v", m[1], err)
		}
		found++
	}
	if found != 2 {
		t.Errorf("%d commands with flags, want 2", found)
	}
}

func TestReadmeDocuments(t *testing.T) {
	found := 0
	for _, b := range blocks(t) {
		if b.language != "yaml" {
			continue
		}
		found++
		if _, err := config.Decode([]byte(strings.Join(b.lines, "\n")), config.Standard()); err != nil {
			t.Errorf("%v", err)
		}
	}
	if found != 1 {
		t.Errorf("%d documents, want 1", found)
	}
}

// Links lead to files that are there.
func TestReadmeLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)\)`)
	links := link.FindAllStringSubmatch(readme(t), -1)
	if len(links) == 0 {
		t.Error("no link was found")
	}
	for _, m := range links {
		if _, err := os.Stat("../../" + m[1]); err != nil {
			t.Error(err)
		}
	}
}
