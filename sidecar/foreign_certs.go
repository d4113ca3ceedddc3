package sidecar

import (
	"os"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// foreignCertificates are the variables that name what ForeignCertificates gives.
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

// ForeignCertificates are the files that the client of Consul and the exporters read by themselves.
func ForeignCertificates() (pairs []config.Certificate, roots []string) {
	for _, names := range foreignCertificates {
		p := config.Certificate{CertFile: os.Getenv(names.cert), KeyFile: os.Getenv(names.key)}
		if p.CertFile != "" && p.KeyFile != "" {
			pairs = append(pairs, p)
		}
		if file := os.Getenv(names.ca); file != "" {
			roots = append(roots, file)
		}
	}
	return pairs, roots
}
