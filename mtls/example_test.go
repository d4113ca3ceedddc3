package mtls_test

import (
	"crypto/tls"
	"fmt"
	"net"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
	"github.com/fabian4/gateway-homebrew-go/mtls"
)

// A revision is prepared whole; what is wrong with its files is said with their
// place in the document.
func Example() {
	set := mtls.NewSet(mtls.Options{})
	defer set.Close()
	prepared, err := set.Prepare(&config.Document{Listeners: []config.Listener{{
		Name:     "web",
		Protocol: config.ProtocolHTTP,
		TLS: config.ListenerTLS{Certificates: []config.Certificate{{CertFile: "missing.pem",
			KeyFile: "missing.key"}}},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer prepared.Close()
	serve := func(conn net.Conn) { tls.Server(conn, prepared.Server("web").ServerConfig()) }
	_ = serve
	// Output: listeners[0].tls.certificates[0]: missing.pem: no such file or directory
}
