package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`\]\(([^)# ]*)(?:#([^) ]*))?\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
)

// anchors are those that GitHub makes of a page's headings.
func anchors(p *page) []string {
	var all []string
	for _, m := range heading.FindAllStringSubmatch(p.prose(), -1) {
		slug := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
				return r
			}
			return -1
		}, strings.ToLower(m[1]))
		all = append(all, slug)
	}
	return all
}

// Links between the pages, and from the README, lead to what is there.
func TestLinks(t *testing.T) {
	all := pages(t)
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	from := map[string]*page{"../README.md": newPage("../README.md", string(readme))}
	maps.Copy(from, all)
	for name, p := range from {
		for _, m := range link.FindAllStringSubmatch(p.prose(), -1) {
			target, anchor := m[1], m[2]
			if strings.Contains(target, "://") {
				continue
			}
			to := p
			if target != "" {
				path := filepath.Join(filepath.Dir(name), target)
				if _, err := os.Stat(path); err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if to = all[path]; to == nil {
					to = from[path]
				}
			}
			if anchor != "" && (to == nil || !slices.Contains(anchors(to), anchor)) {
				t.Errorf("%s: %s has no anchor %s", name, target, anchor)
			}
		}
	}
}

// Others link to these anchors, so they stay.
func TestAnchors(t *testing.T) {
	all := pages(t)
	for name, want := range map[string][]string{
		"routing-basics.md":     {"http11-reverse-proxy", "routing"},
		"load-balancing.md":     {"wrr"},
		"reliability-basics.md": {"timeouts", "passive-health"},
		"observability.md":      {"access-log", "metrics"},
		"h2-grpc.md":            {"alpn", "grpc-pass-through"},
		"l4-proxy.md":           {"port-to-cluster", "timeouts"},
		"tls-terminator.md":     nil,
		"upstream-security.md":  nil,
		"config-hot-reload.md":  nil,
		"consul.md":             nil,
		"revisions.md":          nil,
		"operations.md":         nil,
		"benchmarks.md":         nil,
	} {
		p := all[name]
		if p == nil {
			t.Errorf("there is no page %s", name)
			continue
		}
		for _, anchor := range want {
			if !slices.Contains(anchors(p), anchor) {
				t.Errorf("%s has no anchor %s", name, anchor)
			}
		}
	}
}

// A dotted name in backticks is a key, a metric or an attribute.
func TestDottedNames(t *testing.T) {
	keys := keysOf(t)
	var known []string
	for name, m := range instruments(t) {
		known = append(append(known, name), m.attributes...)
	}
	for _, attributes := range exported(t) {
		known = append(known, attributes...)
	}
	known = append(known, ofSpans(t)...)
	// resource attributes
	known = append(known, "go.memory.type", "service.name", "service.instance.id", "service.version", "gateway.role")
	// settings of fabio and Traefik, on the page for those who come from there
	known = append(known, "proxy.gzip.contenttype", "loadbalancer.healthcheck",
		"loadbalancer.server.port", "consulcatalog.connect")
	known = append(known, "acl.tokens.agent") // of Consul's own agent
	dotted := regexp.MustCompile(`^[a-z_]+(\.[a-z_0-9]+)+$`)
	file := regexp.MustCompile(`\.(yaml|md|log|pem|key|txt|hcl|json|com|conf|cfg|go|internal|org)$`)
	isKey := func(name string) bool {
		for key := range keys {
			if key = strings.ReplaceAll(key, "[]", ""); key == name || strings.HasSuffix(key, "."+name) {
				return true
			}
		}
		return false
	}
	for _, p := range pages(t) {
		for _, m := range inline.FindAllStringSubmatch(p.prose(), -1) {
			if name := m[1]; dotted.MatchString(name) && !file.MatchString(name) && !slices.Contains(known, name) &&
				!isKey(name) {
				t.Errorf("%s: %s is neither a key nor a metric nor an attribute", p.name, name)
			}
		}
	}
}

// TestContributingNamesFilesThatAreThere reads the paths in backquotes. A bare name is in the folder of the path before
// it.
func TestContributingNamesFilesThatAreThere(t *testing.T) {
	text, err := os.ReadFile("../CONTRIBUTING.md")
	if err != nil {
		t.Fatal(err)
	}
	path := regexp.MustCompile("`([A-Za-z0-9_./-]+(?:\\.go|\\.md|/))`")
	known := 0
	for line := range strings.SplitSeq(string(text), "\n") {
		folder := ""
		for _, m := range path.FindAllStringSubmatch(line, -1) {
			name := m[1]
			if _, err := os.Stat(filepath.Join("..", name)); err != nil && !strings.Contains(name, "/") {
				name = filepath.Join(folder, name)
			}
			if _, err := os.Stat(filepath.Join("..", name)); err != nil {
				t.Errorf("CONTRIBUTING.md: %v", err)
				continue
			}
			known++
			folder = filepath.Dir(name)
		}
	}
	if known < 40 {
		t.Errorf("CONTRIBUTING.md names %d files, want the ten changes with theirs", known)
	}
}
