package sidecar

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func newLogLevel(t *testing.T, usual string) (*logLevel, *bytes.Buffer) {
	t.Helper()
	out := &bytes.Buffer{}
	logger, err := telemetry.NewLogger(usual, "json", out)
	if err != nil {
		t.Fatal(err)
	}
	return &logLevel{logger: logger, usual: usual}, out
}

func TestLogLevelComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLogLevel(t, "warn")
		defer l.stop()
		if got, want := l.set("debug", time.Minute), "log level debug for 1m0s, then warn"; got != want {
			t.Errorf("set = %q, want %q", got, want)
		}
		part := l.logger.Named("proxy") // a part of the gateway has the level of the whole
		part.Debug("one")
		<-time.After(30 * time.Second) // the fake clock's
		l.set("debug", time.Minute)
		<-time.After(59 * time.Second)
		part.Debug("two")
		<-time.After(2 * time.Second)
		part.Debug("three")
		part.Info("three")
		for _, want := range []string{`"one"`, `"two"`, `"for":"1m0s","level":"debug"`, `"level":"warn"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the log has no %s: %s", want, out)
			}
		}
		if strings.Contains(out.String(), "three") {
			t.Errorf("the level did not come back: %s", out)
		}
	})
}

func TestLogLevelForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newLogLevel(t, "info")
		l.set("trace", time.Minute)
		if got, want := l.set("off", 0), "log level off until the gateway ends"; got != want {
			t.Errorf("set = %q, want %q", got, want)
		}
		<-time.After(time.Hour) // the fake clock's
		l.logger.Error("unseen")
		if got, want := l.set("info", 0), "log level info"; got != want {
			t.Errorf("set = %q, want %q", got, want)
		}
		l.logger.Info("seen")
		if s := out.String(); strings.Contains(s, "unseen") || !strings.Contains(s, `"seen"`) {
			t.Errorf("log: %s", s)
		}
	})
}

func TestAdminLogLevel(t *testing.T) {
	l, _ := newLogLevel(t, "info")
	t.Cleanup(l.stop)
	f := startAdmin(t, View{LogLevel: l.set}, AdminOptions{})
	const known = "level: want one of trace, debug, info, warn, error, off"
	for query, want := range map[string]string{
		"":                       known + " (seen \"\")\n",
		"?level=loud":            known + " (seen \"loud\")\n",
		"?level=debug&for=5":     "for: want a duration above 0 with its unit, such as 5m, up to 24h (seen \"5\")\n",
		"?level=debug&for=-5m":   "for: want a duration above 0 with its unit, such as 5m, up to 24h (seen \"-5m\")\n",
		"?level=debug&for=25h":   "for: want a duration above 0 with its unit, such as 5m, up to 24h (seen \"25h\")\n",
		"?level=debug&level=off": "level: is there 2 times\n",
		"?lvl=debug":             "parameter \"lvl\": is none of level, for\n",
	} {
		if got := f.ask(t, "POST", "/log"+query); got.status != 400 || got.body != want {
			t.Errorf("POST /log%s: %d %q, want 400 %q", query, got.status, got.body, want)
		}
	}
	if got := f.ask(t, "POST", "/log?level=debug&for=5m"); got.status != 200 ||
		got.body != "log level debug for 5m0s, then info\n" || !l.logger.IsDebug() {
		t.Errorf("POST /log: %d %q", got.status, got.body)
	}
	if got := f.ask(t, "GET", "/log?level=debug"); got.status != 405 {
		t.Errorf("GET /log: %d, want 405", got.status)
	}
	if got := f.ask(t, "POST", "/log?level=debug", "Origin: http://a.example"); got.status != 403 {
		t.Errorf("POST /log of a web page: %d, want 403", got.status)
	}
}
