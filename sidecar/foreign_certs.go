package sidecar

import (
	"os"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// foreignCertificates are the files that the client of Consul and the exporters read by themselves, by the variables
// that name them.
var foreignCertificates = []struct{ cert, key, ca string }{
	{"CONSUL_CLIENT_CERT", "CONSUL_CLIENT_KEY", "CONSUL_CACERT"},
	otlpCertificates("OTEL_EXPORTER_OTLP_"),
	otlpCertificates("OTEL_EXPORTER_OTLP_METRICS_"),
	otlpCertificates("OTEL_EXPORTER_OTLP_TRACES_"),
}

func otlpCertificates(prefix string) struct{ cert, key, ca string } {
	return struct{ cert, key, ca string }{
		prefix + "CLIENT_CERTIFICATE", prefix + "CLIENT_KEY", prefix + "CERTIFICATE",
	}
}

// observeCertificates has the end of what others read told, too.
func (s *Sidecar) observeCertificates() {
	var pairs []config.Certificate
	var roots []string
	for _, names := range foreignCertificates {
		p := config.Certificate{CertFile: os.Getenv(names.cert), KeyFile: os.Getenv(names.key)}
		if p.CertFile != "" && p.KeyFile != "" {
			pairs = append(pairs, p)
		}
		if file := os.Getenv(names.ca); file != "" {
			roots = append(roots, file)
		}
	}
	s.certs.Observe(pairs, roots)
}
