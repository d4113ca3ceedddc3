package route

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// naiveFits is what the document says of an operator, read as it stands there.
func naiveFits(m config.ValueMatch, value string) bool {
	wanted := m.Value
	if m.IgnoreCase && m.Operator != config.Regex {
		wanted, value = strings.Map(lower, wanted), strings.Map(lower, value)
	}
	switch m.Operator {
	case config.Exact:
		return value == wanted
	case config.Prefix:
		return strings.HasPrefix(value, wanted)
	case config.Suffix:
		return strings.HasSuffix(value, wanted)
	case config.Contains:
		return strings.Contains(value, wanted)
	case config.Regex:
		flags := "(?s)"
		if m.IgnoreCase {
			flags = "(?si)"
		}
		at := regexp.MustCompile(flags + `^(?:` + wanted + `)$`).FindStringIndex(value)
		return at != nil && at[0] == 0 && at[1] == len(value)
	}
	return true // Present
}

// FuzzOperator: whatever a route wants and a client sends, a header and a parameter are judged as the naive reading
// does. The lines of values are those of several fields.
func FuzzOperator(f *testing.F) {
	f.Add(uint8(config.Exact), "a", "b\na", "p=b&p=a", false, false)
	f.Add(uint8(config.Prefix), "A-", "a-1", "x&p=%61-&p", true, false)
	f.Add(uint8(config.Suffix), "", "", "p", false, true)
	f.Add(uint8(config.Exact), "a b", "a+b", "p=a+b", false, false)
	f.Add(uint8(config.Contains), "b+", "a\nB+", "p=a+b%2B%", true, true)
	f.Add(uint8(config.Regex), "[0-9]+|é", "7\n8a", "p=%C3%A9", true, false)
	f.Add(uint8(config.Present), "", "", "%70=", false, false)
	f.Fuzz(func(t *testing.T, operator uint8, wanted, values, query string, ignoreCase, invert bool) {
		m := config.ValueMatch{
			Name: "p", Operator: config.Operator(operator), Value: wanted, IgnoreCase: ignoreCase, Invert: invert,
		}
		if m.Operator > config.Present || strings.ContainsRune(wanted, 0xfffd) {
			return // no byte that is no UTF-8 gets into a document
		}
		if m.Operator == config.Regex {
			if strings.Contains(wanted, `\Q`) {
				return // the naive reading would take in what it adds
			}
			if _, err := config.CompileWhole(wanted, ignoreCase); err != nil {
				return
			}
		}
		compiled, err := compileValues([]config.ValueMatch{m})
		if err != nil {
			t.Fatal(err)
		}
		fits, h := false, new(message.Head)
		for value := range strings.SplitSeq(values, "\n") {
			if !message.ValidValue([]byte(value)) || message.Padded([]byte(value)) {
				return
			}
			h.Append([]byte("P"), []byte(value))
			fits = fits || naiveFits(m, value)
		}
		if got := compiled[0].fitsHeader(h, new(Workspace)); got != (fits != invert) {
			t.Errorf("%+v fits the fields %q: %v, want %v", m, values, got, !got)
		}
		fits = false
		for one := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(one, "=")
			name, err := url.QueryUnescape(name)
			value, also := url.QueryUnescape(value)
			if err != nil || also != nil {
				return // an encoding that is none
			}
			fits = fits || one != "" && name == m.Name && naiveFits(m, value)
		}
		if got := compiled[0].fitsQuery([]byte(query), new(Workspace)); got != (fits != invert) {
			t.Errorf("%+v fits the query %q: %v, want %v", m, query, got, !got)
		}
	})
}

// FuzzSticky: whatever cookies a client sends, it stays at a cluster of the route whose value one of them has, or
// nowhere.
func FuzzSticky(f *testing.F) {
	rt := &Route{sticky: compileCookie(&config.Cookie{Name: "canary", Path: "/"})}
	upstreams := map[string]*Upstream{}
	c := &config.Route{Sticky: config.Sticky{Cookie: config.Cookie{Name: "canary"}}}
	for _, name := range []string{"one", "two", "none"} {
		upstreams[name] = &Upstream{}
		c.Clusters = append(c.Clusters, config.WeightedCluster{Name: name, Weight: len(c.Clusters) % 2})
	}
	if unknown := rt.compileSplit(c, upstreams); unknown != "" {
		f.Fatal(unknown)
	}
	one := string(rt.upstream[0].value[:])
	f.Add("canary=" + one)
	f.Add("a=b; canary=x;canary=" + one + "\nCanary=" + one)
	f.Add("canary=\ncanary = " + one + ";;=;canary")
	f.Fuzz(func(t *testing.T, cookies string) {
		var want *weighted
		h := new(message.Head)
		for field := range strings.SplitSeq(cookies, "\n") {
			if !message.ValidValue([]byte(field)) || message.Padded([]byte(field)) {
				return
			}
			h.Append([]byte("Cookie"), []byte(field))
			for pair := range strings.SplitSeq(field, ";") {
				value, is := strings.CutPrefix(strings.Trim(pair, " \t"), "canary=")
				for i := range rt.upstream {
					if is && want == nil && value == string(rt.upstream[i].value[:]) {
						want = &rt.upstream[i]
					}
				}
			}
		}
		if got := rt.staysAt(h); got != want {
			t.Errorf("%q: stays at %v, want %v", cookies, got, want)
		}
	})
}
