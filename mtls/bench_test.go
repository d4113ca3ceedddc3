package mtls

import (
	"crypto/tls"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
)

// BenchmarkHandshake is both sides of a connection over loopback.
func BenchmarkHandshake(b *testing.B) {
	ca, dir := testcert.NewCA(b, "ca"), b.TempDir()
	set := NewSet(Options{Unwatched: true})
	defer set.Close()
	p, err := set.Prepare(listenerDoc(config.ListenerTLS{
		Certificates: []config.Certificate{certificate(ca.Server(b, "a.test").Write(b, dir, "a"))},
	}))
	if err != nil {
		b.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		cache tls.ClientSessionCache
	}{{"full", nil}, {"resumed", tls.NewLRUClientSessionCache(1)}} {
		b.Run(row.name, func(b *testing.B) {
			client := browser(ca, "a.test")
			client.ClientSessionCache = row.cache
			b.ReportAllocs()
			for b.Loop() {
				meet(b, p.Server("web").ServerConfig(), client).mustWork(b)
			}
		})
	}
}

// BenchmarkClientConfig is what each new connection to an endpoint costs here.
func BenchmarkClientConfig(b *testing.B) {
	ca, dir := testcert.NewCA(b, "ca"), b.TempDir()
	set := NewSet(Options{Unwatched: true})
	defer set.Close()
	p, err := set.Prepare(clusterDoc(config.ProtocolAuto,
		config.ClusterTLS{Mode: config.TLSServer, CAFile: ca.Write(b, dir, "ca")}))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p.Client("api").Config("10.0.0.1:443")
	}
}
