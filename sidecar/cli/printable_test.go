package cli

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
	"github.com/fabian4/gateway-homebrew-go/proxy/route"
	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// hostile has what terminals obey: colours, the title of the window, C1 controls, a new line, another direction of
// writing.
const hostile = "a\x1b[31mb\x1b]0;c\x07d\u009b31me\r\nf\u202eg\tz"

// What a client, an endpoint or Consul has chosen never reaches the terminal as it is.
func TestNothingHostileIsPrinted(t *testing.T) {
	failed := failures()[0]
	failed.Method, failed.Host, failed.Path, failed.RequestID = hostile, hostile, hostile, hostile
	failed.Reason, failed.TraceID, failed.Attempts[1].Reason = hostile, hostile, hostile
	s := statusFixture()
	s.Trouble = []string{"cluster orders: " + hostile}
	s.Clusters = []cluster.Status{{Name: "orders", Follows: hostile, Endpoints: []cluster.EndpointStatus{
		{Address: "10.0.0.1:80", State: "unhealthy", Reason: hostile, Unused: hostile},
	}}}
	address := showing(t, sidecar.View{
		Ready:  func() []string { return nil },
		Status: func() sidecar.Status { return s },
		Failures: func(string, int) sidecar.FailureList {
			return sidecar.FailureList{Failures: []telemetry.Failure{failed}}
		},
		Explain: func(route.ExplainRequest) (*route.Explanation, error) {
			return &route.Explanation{Host: hostile, Others: []route.RouteLost{{Name: "a", Reason: hostile}}}, nil
		},
	})
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, hostile)
	}))
	t.Cleanup(other.Close)
	foreign := strings.TrimPrefix(other.URL, "http://")
	for _, row := range []struct {
		at   string
		args []string
		code int
	}{
		{address, []string{"failures"}, exitFine},
		{address, []string{"explain", "--id", hostile}, exitFine},
		{address, []string{"explain", "GET", "http://a/"}, exitBad},
		{address, []string{"status"}, exitFine},
		{address, []string{"top", "--once"}, exitFine},
		{address, []string{"check", "--service", "web"}, exitBad},
		{foreign, []string{"failures"}, exitBad},
		{foreign, []string{"explain", "--id", "a"}, exitBad},
		{foreign, []string{"status"}, exitBad},
		{foreign, []string{"top", "--once"}, exitBad},
		{foreign, []string{"check"}, exitBad},
	} {
		got := do(t, Process{}, append(row.args, "--admin-listen", row.at)...)
		if got.code != row.code {
			t.Errorf("%q: exit code %d, want %d: %s", row.args, got.code, row.code, got.stderr)
		}
		text := got.stdout + got.stderr
		if !strings.Contains(text, "31mb") {
			t.Errorf("%q does not show the text: %q", row.args, text)
		}
		for line := range strings.SplitSeq(text, "\n") {
			if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%q prints %q", row.args, line)
			}
			if strings.HasPrefix(line, "f ") {
				t.Errorf("%q has a line that was chosen elsewhere: %q", row.args, line)
			}
		}
	}
}
