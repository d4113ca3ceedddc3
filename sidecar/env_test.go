package sidecar

import (
	"bytes"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kelseyhightower/envconfig"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

func hostNamed(name string) func() (string, error) {
	return func() (string, error) { return name, nil }
}

func TestDefaults(t *testing.T) {
	b, err := Load(Sources{Hostname: hostNamed("web-1")})
	if err != nil {
		t.Fatal(err)
	}
	want := Bootstrap{
		Service: "app", Instance: "web-1", Listen: ":8080", Source: SourceEnv, ConsulKey: "gateway/app/config",
		Ack:         AckAuto,
		Probation:   15 * time.Second,
		AdminListen: "127.0.0.1:9901", ReadTimeout: 15 * time.Second, WriteTimeout: 30 * time.Second,
		UpstreamTimeout: 10 * time.Second, ConnectTimeout: 2 * time.Second, IdleTimeout: time.Minute,
		TCPIdleTimeout: 5 * time.Minute, DrainDelay: 2 * time.Second, DrainTimeout: 30 * time.Second,
		AppQueueTimeout: time.Second, UpstreamMaxIdle: 128, UpstreamIdleTimeout: 90 * time.Second,
		MaxHeaderBytes: 64 << 10, AccessLog: "stdout", AccessLogSampling: 1, LogLevel: "info", LogFormat: "json",
	}
	if !reflect.DeepEqual(b, want) {
		t.Errorf("Load() =\n%+v, want\n%+v", b, want)
	}
}

// Standard is the same defaults as a document without bootstrap has them.
func TestDefaultsAreStandard(t *testing.T) {
	b, err := Load(Sources{Hostname: hostNamed("web-1")})
	if err != nil {
		t.Fatal(err)
	}
	base := b.Base()
	wantListeners := []config.Listener{{Name: "default", Address: ":8080", Protocol: "http"}}
	if !reflect.DeepEqual(base.Listeners, wantListeners) {
		t.Errorf("listeners = %+v, want %+v", base.Listeners, wantListeners)
	}
	base.Listeners = nil
	if want := config.Standard(); !reflect.DeepEqual(base, want) {
		t.Errorf("Base() =\n%+v, want\n%+v", base, want)
	}
}

func TestVariables(t *testing.T) {
	vars := Variables()
	if got, want := len(vars), reflect.TypeFor[Bootstrap]().NumField(); got != want {
		t.Fatalf("%d variables, want one for each of %d fields", got, want)
	}
	for _, row := range []struct{ name, flag, shown string }{
		{"GATEWAY_SERVICE", "service", "app"},
		{"GATEWAY_INSTANCE", "instance", "host name"},
		{"GATEWAY_TCP", "tcp", "(none)"},
		{"GATEWAY_TLS_CERTS", "tls-certs", "(none)"},
		{"GATEWAY_TLS_CLIENT_CA", "tls-client-ca", "(none)"},
		{"GATEWAY_ADMIN_LISTEN", "admin-listen", "127.0.0.1:9901"},
		{"GATEWAY_TCP_IDLE_TIMEOUT", "tcp-idle-timeout", "5m"},
		{"GATEWAY_PPROF", "pprof", "false"},
	} {
		i := slices.IndexFunc(vars, func(v Variable) bool { return v.Name == row.name })
		if i < 0 {
			t.Errorf("no variable %s", row.name)
			continue
		}
		if v := vars[i]; v.Flag != row.flag || v.Shown != row.shown {
			t.Errorf("%s: flag %q, default %q; want %q, %q", row.name, v.Flag, v.Shown, row.flag, row.shown)
		}
	}
	for _, v := range vars {
		if v.Help == "" || strings.Contains(v.Help, "\n") {
			t.Errorf("%s: help %q, want one line", v.Name, v.Help)
		}
	}
}

// What envconfig itself would name and default is what we do.
func TestVariablesAreEnvconfigs(t *testing.T) {
	var b bytes.Buffer
	if err := envconfig.Usagef("GATEWAY", &Bootstrap{}, &b,
		"{{range .}}{{usage_key .}}|{{usage_default .}}|{{usage_description .}}\n{{end}}"); err != nil {
		t.Fatal(err)
	}
	var ours strings.Builder
	for _, v := range Variables() {
		ours.WriteString(v.Name + "|" + v.Default + "|" + v.Help + "\n")
	}
	if b.String() != ours.String() {
		t.Errorf("envconfig:\n%s\nours:\n%s", b.String(), ours.String())
	}
}

func TestLoad(t *testing.T) {
	for _, row := range []struct {
		name string
		from Sources
		got  func(Bootstrap) any
		want any
	}{
		{"environment over default", Sources{Environ: []string{"GATEWAY_LISTEN=:80"}},
			func(b Bootstrap) any { return b.Listen }, ":80"},
		{"empty is a value", Sources{Environ: []string{"GATEWAY_LISTEN="}}, func(b Bootstrap) any { return b.Listen },
			""},
		{"flag over environment", Sources{Environ: []string{"GATEWAY_LISTEN=:80"},
			Flags: map[string]string{"GATEWAY_LISTEN": ":81"}}, func(b Bootstrap) any { return b.Listen }, ":81"},
		{"flag hides a bad variable", Sources{Environ: []string{"GATEWAY_LISTEN=80"},
			Flags: map[string]string{"GATEWAY_LISTEN": ":81"}}, func(b Bootstrap) any { return b.Listen }, ":81"},
		{"own default over the table's", Sources{Defaults: map[string]string{"GATEWAY_DRAIN_DELAY": "0s"}},
			func(b Bootstrap) any { return b.DrainDelay }, time.Duration(0)},
		{"environment over own default", Sources{Defaults: map[string]string{"GATEWAY_DRAIN_DELAY": "0s"},
			Environ: []string{"GATEWAY_DRAIN_DELAY=1s"}}, func(b Bootstrap) any { return b.DrainDelay }, time.Second},
		{"the first of two counts", Sources{Environ: []string{"GATEWAY_SERVICE=a", "GATEWAY_SERVICE=b"}},
			func(b Bootstrap) any { return b.Service }, "a"},
		{"foreign variables stay out", Sources{Environ: []string{"PORT=1", "LISTEN=:1", "SERVICE=x", "ADMIN_LISTEN=:1",
			"CONFIG=x", "=_SERVICE=y"}}, func(b Bootstrap) any {
			return b.Listen + b.Service + b.AdminListen +
				b.Config
		}, ":8080app127.0.0.1:9901"},
		{"drain at once", Sources{Environ: []string{"GATEWAY_DRAIN_TIMEOUT=0s"}},
			func(b Bootstrap) any { return b.DrainTimeout }, time.Duration(0)},
		{"number", Sources{Environ: []string{"GATEWAY_MAX_CONNECTIONS=100"}},
			func(b Bootstrap) any { return b.MaxConnections }, 100},
		{"share", Sources{Environ: []string{"GATEWAY_ACCESS_LOG_SAMPLING=0.25"}},
			func(b Bootstrap) any { return b.AccessLogSampling }, 0.25},
		{"switch", Sources{Environ: []string{"GATEWAY_PPROF=true"}}, func(b Bootstrap) any { return b.Pprof }, true},
		{"size", Sources{Environ: []string{"GATEWAY_MAX_HEADER_BYTES=32KiB"}},
			func(b Bootstrap) any { return b.MaxHeaderBytes }, Size(32 << 10)},
		{"quotes and backslashes", Sources{Environ: []string{"GATEWAY_CONFIG=/a \"b\"\\c`\n\xff"}},
			func(b Bootstrap) any { return b.Config }, "/a \"b\"\\c`\n\xff"},
		{"key of the service", Sources{Environ: []string{"GATEWAY_SERVICE=web"}},
			func(b Bootstrap) any { return b.ConsulKey }, "gateway/web/config"},
		{"key of its own", Sources{Environ: []string{"GATEWAY_CONSUL_KEY=edge/"}},
			func(b Bootstrap) any { return b.ConsulKey }, "edge/"},
		{"source: nothing set", Sources{}, func(b Bootstrap) any { return b.Source }, SourceEnv},
		{"source: consul", Sources{Environ: []string{"CONSUL_HTTP_ADDR=127.0.0.1:8500"}},
			func(b Bootstrap) any { return b.Source }, SourceConsul},
		{"source: empty is not set", Sources{Environ: []string{"CONSUL_HTTP_ADDR=", "GATEWAY_CONFIG="}},
			func(b Bootstrap) any { return b.Source }, SourceEnv},
		{"source: file", Sources{Environ: []string{"GATEWAY_CONFIG=a.yaml"}}, func(b Bootstrap) any { return b.Source },
			SourceFile},
		{"source: both, but said", Sources{Environ: []string{"CONSUL_HTTP_ADDR=x", "GATEWAY_CONFIG=a.yaml",
			"GATEWAY_SOURCE=file"}}, func(b Bootstrap) any { return b.Source }, SourceFile},
		{"service links", Sources{Environ: []string{
			"GATEWAY_SERVICE_HOST=10.0.0.1", "GATEWAY_SERVICE_PORT=80", "GATEWAY_SERVICE_PORT_HTTP=80",
			"GATEWAY_PORT=tcp://10.0.0.1:80",
			"GATEWAY_PORT_80_TCP=tcp://10.0.0.1:80", "GATEWAY_PORT_80_TCP_ADDR=10.0.0.1",
			"GATEWAY_PORT_53_UDP_PROTO=udp",
			"GATEWAY_ADMIN_SERVICE_HOST=10.0.0.2", "GATEWAY_ADMIN_PORT=tcp://10.0.0.2:80",
		}}, func(b Bootstrap) any { return b.Service }, "app"},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.from.Hostname = hostNamed("web-1")
			b, err := Load(row.from)
			if err != nil {
				t.Fatal(err)
			}
			if got := row.got(b); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}

func TestLoadProblems(t *testing.T) {
	for _, row := range []struct {
		name string
		from Sources
		want []string
	}{
		{"all at once", Sources{Environ: []string{"GATEWAY_READ_TIMEOUT=5", "GATEWAY_ADMIN_LISTEN=9000",
			"GATEWAY_PPROF=maybe", "GATEWAY_ZZZ=1", "GATEWAY_LISTENN=:80"}}, []string{
			`env GATEWAY_LISTENN: unknown variable (perhaps GATEWAY_LISTEN)`,
			`env GATEWAY_ZZZ: unknown variable`,
			`env GATEWAY_ADMIN_LISTEN: "9000": want host:port: write :9000`,
			`env GATEWAY_READ_TIMEOUT: "5": not a duration (like 500ms, 15s or 5m)`,
			`env GATEWAY_PPROF: "maybe": neither true nor false`,
		}},
		{"the flag is named", Sources{Environ: []string{"GATEWAY_READ_TIMEOUT=5s"},
			Flags: map[string]string{"GATEWAY_READ_TIMEOUT": "-1s"}},
			[]string{`flag --read-timeout: "-1s": shorter than 1ms`}},
		{"own prefix without a name", Sources{Environ: []string{"GATEWAY_=1"}},
			[]string{`env GATEWAY_: unknown variable`}},
		{"a port that is no link", Sources{Environ: []string{"GATEWAY_PORT=80"}},
			[]string{`env GATEWAY_PORT: unknown variable`}},
		{"empty where it means nothing", Sources{Environ: []string{"GATEWAY_IDLE_TIMEOUT=", "GATEWAY_MAX_HEADER_BYTES=",
			"GATEWAY_SERVICE=", "GATEWAY_LOG_LEVEL="}}, []string{
			`env GATEWAY_SERVICE: "": not a name (letters, digits, - _ ., at most 128)`,
			`env GATEWAY_IDLE_TIMEOUT: "": empty (leave it out for the default, 60s)`,
			`env GATEWAY_MAX_HEADER_BYTES: "": empty (leave it out for the default, 64KiB)`,
			`env GATEWAY_LOG_LEVEL: "": none of trace, debug, info, warn, error, off`,
		}},
		{"numbers", Sources{Environ: []string{"GATEWAY_UPSTREAM_MAX_IDLE=010", "GATEWAY_MAX_CONNECTIONS=-1",
			"GATEWAY_ACCESS_LOG_SAMPLING=NaN", "GATEWAY_MAX_HEADER_BYTES=1"}}, []string{
			`env GATEWAY_UPSTREAM_MAX_IDLE: "010": not a whole number`,
			`env GATEWAY_MAX_CONNECTIONS: "-1": less than 0`,
			`env GATEWAY_MAX_HEADER_BYTES: "1": out of bounds (1KiB to 16MiB)`,
			`env GATEWAY_ACCESS_LOG_SAMPLING: "NaN": not a share (0 to 1)`,
		}},
		{"an unknown word", Sources{Environ: []string{"GATEWAY_SOURCE=consol"}},
			[]string{`env GATEWAY_SOURCE: "consol": none of auto, env, file, consul (perhaps consul)`}},
		{"both sources", Sources{Environ: []string{"CONSUL_HTTP_ADDR=x", "GATEWAY_CONFIG=a.yaml"}},
			[]string{`env GATEWAY_SOURCE: "auto": env CONSUL_HTTP_ADDR and env GATEWAY_CONFIG are both set (say ` +
				`which: consul or file)`}},
		{"both sources, one by flag", Sources{Environ: []string{"CONSUL_HTTP_ADDR=x"},
			Flags: map[string]string{"GATEWAY_CONFIG": "a.yaml"}},
			[]string{`env GATEWAY_SOURCE: "auto": env CONSUL_HTTP_ADDR and flag --config are both set (say which: ` +
				`consul or file)`}},
		{"file source without file", Sources{Environ: []string{"GATEWAY_SOURCE=file"}},
			[]string{`env GATEWAY_SOURCE: "file": GATEWAY_CONFIG does not say which`}},
		{"one address twice", Sources{Environ: []string{"GATEWAY_ADMIN_LISTEN=:8080", "GATEWAY_TCP=:8080=app",
			"GATEWAY_APP=127.0.0.1:1"}}, []string{
			`env GATEWAY_TCP: ":8080": env GATEWAY_LISTEN listens there too`,
			`env GATEWAY_TCP: ":8080": env GATEWAY_ADMIN_LISTEN listens there too`,
			`env GATEWAY_ADMIN_LISTEN: ":8080": env GATEWAY_LISTEN listens there too`,
		}},
		{"drain without time", Sources{Environ: []string{"GATEWAY_DRAIN_DELAY=30s"}},
			[]string{`env GATEWAY_DRAIN_TIMEOUT: "30s": not longer than env GATEWAY_DRAIN_DELAY (30s), ` +
				`which is a part of it; what is in flight would be cut at once`}},
		{"app without host", Sources{Environ: []string{"GATEWAY_APP=:3000"}},
			[]string{`env GATEWAY_APP: ":3000": want a host before the port: write 127.0.0.1:3000 for this machine`}},
		{"a limit without app", Sources{Environ: []string{"GATEWAY_APP_CONCURRENCY=1"}},
			[]string{`env GATEWAY_APP_CONCURRENCY: "1": there is no GATEWAY_APP that it could limit`}},
		{"certificates without listener", Sources{Environ: []string{"GATEWAY_LISTEN=", "GATEWAY_TLS_CERTS=a:b"}},
			[]string{`env GATEWAY_TLS_CERTS: set, but GATEWAY_LISTEN is empty: no listener would show them`}},
		{"client CA without certificates", Sources{Environ: []string{"GATEWAY_TLS_CLIENT_CA=ca.pem"}},
			[]string{`env GATEWAY_TLS_CLIENT_CA: "ca.pem": set without GATEWAY_TLS_CERTS (only TLS has client ` +
				`certificates)`}},
		{"two clusters app", Sources{Environ: []string{"GATEWAY_APP=a:1", "GATEWAY_UPSTREAMS=app=b:1"}},
			[]string{`env GATEWAY_UPSTREAMS: "app": env GATEWAY_APP makes a cluster of this name`}},
		{"unknown clusters, and no document",
			Sources{Environ: []string{"GATEWAY_ROUTES=/=users", "GATEWAY_TCP=:3306=mysql"}}, []string{
				`env GATEWAY_ROUTES: cluster "users" is neither in GATEWAY_UPSTREAMS nor made by GATEWAY_APP`,
				`env GATEWAY_TCP: cluster "mysql" is neither in GATEWAY_UPSTREAMS nor made by GATEWAY_APP`,
			}},
		{"lists show the entry", Sources{Environ: []string{"GATEWAY_UPSTREAMS=a=h:1; b=h",
			"GATEWAY_TRUSTED_PROXIES=10.0.0.0/8,10.1.0.0/8"}}, []string{
			`env GATEWAY_UPSTREAMS: "h": want host:port, such as 127.0.0.1:8080`,
			`env GATEWAY_TRUSTED_PROXIES: "10.1.0.0/8": has bits beyond its mask (the network is 10.0.0.0/8)`,
		}},
		{"long values are cut", Sources{Environ: []string{"GATEWAY_LISTEN=" + strings.Repeat("x", 200)}},
			[]string{`env GATEWAY_LISTEN: "` + strings.Repeat("x", 120) +
				`"...: want host:port, such as 127.0.0.1:8080`}},
		{"no instance", Sources{Hostname: func() (string, error) { return "", os.ErrPermission }},
			[]string{`env GATEWAY_INSTANCE: empty, and this host has no name to take instead: permission denied`}},
		{"names", Sources{Environ: []string{"GATEWAY_INSTANCE=a/b", "GATEWAY_CONSUL_KEY=/a", "GATEWAY_ACCESS_LOG="}},
			[]string{
				`env GATEWAY_INSTANCE: "a/b": not an id (no space and no /, 255 bytes at most)`,
				`env GATEWAY_CONSUL_KEY: "/a": not a key (a key of Consul is not empty and does not begin with /)`,
				`env GATEWAY_ACCESS_LOG: empty (off, stdout, or a file)`,
			}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if row.from.Hostname == nil {
				row.from.Hostname = hostNamed("web-1")
			}
			b, err := Load(row.from)
			if err == nil {
				t.Fatalf("no problem, want %q", row.want)
			}
			if got := strings.Split(err.Error(), "\n"); !slices.Equal(got, row.want) {
				t.Errorf("problems:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(row.want, "\n"))
			}
			if !reflect.DeepEqual(b, Bootstrap{}) {
				t.Errorf("a bad bootstrap came out: %+v", b)
			}
		})
	}
}

// What would hold a connection for ever if it were 0 may not be; the rest may,
// and nothing may be negative.
func TestDurationBounds(t *testing.T) {
	zero := map[string]bool{
		"GATEWAY_UPSTREAM_TIMEOUT": true, "GATEWAY_TCP_IDLE_TIMEOUT": true, "GATEWAY_TCP_MAX_DURATION": true,
		"GATEWAY_DRAIN_DELAY": true, "GATEWAY_DRAIN_TIMEOUT": true, "GATEWAY_APP_QUEUE_TIMEOUT": true,
		"GATEWAY_PROBATION": true, "GATEWAY_SPREAD": true,
	}
	load := func(name, text string) error {
		_, err := Load(Sources{Environ: []string{name + "=" + text}, Hostname: hostNamed("web-1")})
		return err
	}
	checked := 0
	for _, v := range Variables() {
		if v.kind() != "duration" {
			continue
		}
		checked++
		wrong := "env " + v.Name + `: "0s": shorter than 1ms`
		if err := load(v.Name, "0s"); zero[v.Name] && err != nil || !zero[v.Name] &&
			(err == nil || err.Error() != wrong) {
			t.Errorf("%s=0s: %v, want it refused: %v", v.Name, err, !zero[v.Name])
		}
		if err := load(v.Name, "-1s"); err == nil ||
			!strings.HasPrefix(err.Error(), "env "+v.Name+`: "-1s": shorter than `) {
			t.Errorf("%s=-1s: %v, want it refused", v.Name, err)
		}
		if err := load(v.Name, "20s"); err != nil {
			t.Errorf("%s=20s: %v", v.Name, err)
		}
	}
	durations := 0
	for f := range reflect.TypeFor[Bootstrap]().Fields() {
		if f.Type == reflect.TypeFor[time.Duration]() {
			durations++
		}
	}
	if checked != durations {
		t.Errorf("%d durations were checked, the bootstrap has %d", checked, durations)
	}
}

// A document may bring the clusters that the bootstrap's routes name.
func TestLoadLeavesClustersToTheDocument(t *testing.T) {
	_, err := Load(Sources{Environ: []string{"GATEWAY_ROUTES=/=users", "GATEWAY_CONFIG=a.yaml"},
		Hostname: hostNamed("web-1")})
	if err != nil {
		t.Error(err)
	}
}

func TestValue(t *testing.T) {
	from := Sources{Environ: []string{"GATEWAY_ADMIN_LISTEN=:1", "GATEWAY_READ_TIMEOUT=bad"}}
	if got := from.Value("GATEWAY_ADMIN_LISTEN"); got != ":1" {
		t.Errorf("Value = %q, want :1", got)
	}
	from.Flags = map[string]string{"GATEWAY_ADMIN_LISTEN": ""}
	if got := from.Value("GATEWAY_ADMIN_LISTEN"); got != "" {
		t.Errorf("Value = %q, want the flag's", got)
	}
}

// The logger takes each level and format that the table offers.
func TestLogWordsAreTheLoggers(t *testing.T) {
	words := map[string][]string{}
	for _, v := range Variables() {
		words[v.Name] = v.OneOf
	}
	for _, level := range words["GATEWAY_LOG_LEVEL"] {
		for _, format := range words["GATEWAY_LOG_FORMAT"] {
			if _, err := telemetry.NewLogger(level, format, &bytes.Buffer{}); err != nil {
				t.Error(err)
			}
		}
	}
}
