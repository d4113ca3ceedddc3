package sidecar

import (
	"reflect"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func loadEnv(t *testing.T, environ ...string) Bootstrap {
	t.Helper()
	b, err := Load(Sources{Environ: environ, Hostname: hostNamed("web-1")})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestBase(t *testing.T) {
	for _, row := range []struct {
		name                        string
		environ                     []string
		listeners, routes, clusters string
	}{
		{"nothing", []string{"GATEWAY_LISTEN="}, "", "", ""},
		{"an app", []string{"GATEWAY_APP=127.0.0.1:3000"}, "default :8080", "/=app", "app=127.0.0.1:3000*1"},
		{"an app whose route is taken", []string{"GATEWAY_APP=127.0.0.1:3000", "GATEWAY_UPSTREAMS=b=h:1",
			"GATEWAY_ROUTES=/=b;/app=app"},
			"default :8080", "/=b;/app=app", "b=h:1*1;app=127.0.0.1:3000*1"},
		{"a host's / leaves the app its own", []string{"GATEWAY_APP=127.0.0.1:3000", "GATEWAY_ROUTES=a.b/=app"},
			"default :8080", "a.b/=app;/=app", "app=127.0.0.1:3000*1"},
		{"L4", []string{"GATEWAY_TCP=:3306=mysql", "GATEWAY_UPSTREAMS=mysql=consul:mysql"},
			"default :8080 tcp-3306 :3306", "", "mysql=consul:mysql"},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := loadEnv(t, row.environ...)
			base := b.Base()
			listeners := ""
			for i, l := range base.Listeners {
				if i > 0 {
					listeners += " "
				}
				listeners += l.Name + " " + l.Address
			}
			if listeners != row.listeners {
				t.Errorf("listeners %q, want %q", listeners, row.listeners)
			}
			if got := shownRoutes(base.Routes); got != row.routes {
				t.Errorf("routes %q, want %q", got, row.routes)
			}
			if got := shownUpstreams(base.Clusters); got != row.clusters {
				t.Errorf("clusters %q, want %q", got, row.clusters)
			}
		})
	}
}

func TestBaseCarriesSettings(t *testing.T) {
	b := loadEnv(t, "GATEWAY_TLS_CERTS=a.pem:a.key", "GATEWAY_TLS_CLIENT_CA=ca.pem", "GATEWAY_ACCESS_LOG=off",
		"GATEWAY_ACCESS_LOG_FIELDS=status,time", "GATEWAY_ACCESS_LOG_SAMPLING=0.5", "GATEWAY_UPSTREAM_MAX_IDLE=7")
	base := b.Base()
	wantTLS := config.ListenerTLS{Certificates: []config.Certificate{{CertFile: "a.pem", KeyFile: "a.key"}},
		ClientCAFile: "ca.pem"}
	if got := base.Listeners[0].TLS; !reflect.DeepEqual(got, wantTLS) {
		t.Errorf("TLS %+v, want %+v", got, wantTLS)
	}
	wantLog := config.AccessLog{Enabled: false, Sampling: 0.5, Fields: []string{"status", "time"}}
	if !reflect.DeepEqual(base.AccessLog, wantLog) {
		t.Errorf("access log %+v, want %+v", base.AccessLog, wantLog)
	}
	if base.Keepalive.MaxIdle != 7 {
		t.Errorf("max idle %d, want 7", base.Keepalive.MaxIdle)
	}
}
