package route

import (
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/proxy/message"
)

// asking is a decision about a route whose service vouches for these fields.
func asking(vouched ...string) *Decision {
	return &Decision{Route: &Route{external: &externalAuth{config: &config.ExternalAuth{
		Cluster: "auth", ResponseHeaders: vouched, OnError: config.OnErrorDeny,
	}}}}
}

// What the answer says goes behind the head, and not into what lies behind it in memory: the request's body.
func TestAnswerLeavesTheBodyAlone(t *testing.T) {
	memory := []byte("X-User: root\r\nAccept: a\r\n" + strings.Repeat("body", 100))
	h := &message.Head{Buf: memory[:25]}
	h.Add(0, 6, 8, 12, 14)
	h.Add(14, 20, 22, 23, 25)
	answer := &message.Head{Status: 200}
	answer.Append([]byte("X-User"), []byte("ann"))
	if reply := asking("x-user").Answered(h, answer, nil); reply != nil {
		t.Fatalf("refused by %v", reply)
	}
	if got := string(h.AppendFields(nil, 0)); got != "Accept: a\r\nX-User: ann\r\n" {
		t.Errorf("the request has %q", got)
	}
	if body := string(memory[25:]); body != strings.Repeat("body", 100) {
		t.Errorf("the body is %.40q", body)
	}
}

func TestAnswered(t *testing.T) {
	for _, tt := range []struct {
		status  int
		onError string
		want    int // 0: let in
		text    string
	}{
		{200, config.OnErrorDeny, 0, ""}, {204, config.OnErrorDeny, 0, ""}, {299, config.OnErrorDeny, 0, ""},
		{401, config.OnErrorAllow, 401, "unauthorized"}, {403, config.OnErrorAllow, 403, "forbidden"},
		{302, config.OnErrorAllow, 302, "redirected"}, {308, config.OnErrorDeny, 308, "redirected"},
		{500, config.OnErrorDeny, 503, "authorization is not available"}, {500, config.OnErrorAllow, 0, ""},
		{503, config.OnErrorAllow, 0, ""},
		{404, config.OnErrorAllow, 503, "authorization is not available"}, // another service: everybody would get in
		{304, config.OnErrorAllow, 503, "authorization is not available"},
		{429, config.OnErrorAllow, 503, "authorization is not available"},
	} {
		d := asking()
		d.Route.external.config.OnError = tt.onError
		status, text := 0, ""
		if reply := d.Answered(new(message.Head), &message.Head{Status: tt.status}, nil); reply != nil {
			status, text = reply.Status, reply.Text
		}
		if status != tt.want || text != tt.text {
			t.Errorf("%d, on error %s: %d %q, want %d %q", tt.status, tt.onError, status, text, tt.want, tt.text)
		}
	}
}

func TestSpelled(t *testing.T) {
	for name, want := range map[string]bool{
		"x-user": true, "X-USER": true, "X_User": true, "x_user": true, "x-users": false, "xuser": false,
		"x.user":    false,
		"x-role-id": true, "x_role-ID": true, "x-role_id": true, "-_user": false,
	} {
		if got := spelled([]string{"x-user", "x-role-id"}, []byte(name)); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
