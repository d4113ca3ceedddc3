package consul

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fabian4/gateway-homebrew-go/discovery"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// An error names the setting that mends it, and keeps its own words and its class.
func TestAdvice(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{statusFault(http.StatusForbidden, http.Header{}, "ACL not found"),
			"status 403: ACL not found (Consul does not know the token: CONSUL_HTTP_TOKEN)"},
		{statusFault(http.StatusBadRequest, http.Header{}, "Client sent an HTTP request to an HTTPS server."),
			"status 400: Client sent an HTTP request to an HTTPS server. (write https:// in CONSUL_HTTP_ADDR)"},
		{transportFault(errors.New("http: server gave HTTP response to HTTPS client")),
			"http: server gave HTTP response to HTTPS client (write http:// in CONSUL_HTTP_ADDR)"},
		{transportFault(errors.New("remote error: tls: certificate required")),
			"remote error: tls: certificate required (set CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY)"},
		{transportFault(errors.New("remote error: tls: bad certificate")),
			"remote error: tls: bad certificate (Consul refuses the certificate of CONSUL_CLIENT_CERT)"},
		{statusFault(http.StatusInternalServerError, http.Header{}, "No cluster leader"),
			"status 500: No cluster leader"},
	} {
		got := advised(row.err)
		if got.Error() != row.want || classOf(got) != classOf(row.err) {
			t.Errorf("%q of class %v, want %q of class %v", got, classOf(got), row.want, classOf(row.err))
		}
	}
}

// Certificates that are not accepted name the setting too, whichever way net/http wraps the error.
func TestAdviceForCertificates(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	for want, config := range map[string]*tls.Config{
		"(CONSUL_CACERT names the file of Consul's CA)": {MinVersion: tls.VersionTLS13},
		"(CONSUL_TLS_SERVER_NAME is the name to expect)": {
			MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: "x",
		},
	} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
		resp, err := client.Get(server.URL)
		if err == nil {
			resp.Body.Close()
			t.Fatal("the certificate was accepted")
		}
		if got := advised(transportFault(err)); !strings.HasSuffix(got.Error(), want) {
			t.Errorf("%q, want %q at its end", got, want)
		}
	}
}

// A watch tells the advice.
func TestWatchTellsAdvice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tracker := discovery.NewTracker(nil, "kv")
		w := &watch[string]{tracker: tracker, woken: make(chan struct{}, 1)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.backOff(t.Context(), faultf(telemetry.DiscoveryACL, "status 403: %s", unknownToken))
		}()
		<-time.After(time.Millisecond)
		if got := tracker.Status(); !strings.Contains(got.Error, "CONSUL_HTTP_TOKEN") || got.Class != "acl" {
			t.Errorf("error %q of class %q", got.Error, got.Class)
		}
		<-done
	})
}

// A list that ACLs have cut names the rights that are missing.
func TestFilteredNamesTheRights(t *testing.T) {
	for _, row := range []struct {
		header, value string
	}{
		{"X-Consul-Results-Filtered-By-ACLs", "true"},
		{"X-Consul-Default-ACL-Policy", "deny"},
	} {
		c := fakeConsul(t, func(w http.ResponseWriter, _ *http.Request) { say(w, "7", "[]", row.header, row.value) })
		_, err := c.health(t.Context(), service{name: "shop"}, fetchOptions{})
		const want = `; needed: service "shop" { policy = "read" } and node_prefix "" { policy = "read" }`
		if err == nil || !strings.HasSuffix(err.Error(), want) || classOf(err) != telemetry.DiscoveryACL {
			t.Errorf("%s: %v, want %q", row.header, err, fmt.Sprint("...", want))
		}
	}
}
