package consul

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// advised is an error of a watch with the setting to look at, where its own words do not tell.
func advised(err error) error {
	if hint := adviceFor(err); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

// adviceFor is what to do about an error; empty: nothing is known of it.
func adviceFor(err error) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "CONSUL_CACERT names the file of Consul's CA"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "CONSUL_TLS_SERVER_NAME is the name to expect"
	}
	for _, one := range []struct{ says, do string }{
		{unknownToken, "Consul does not know the token: CONSUL_HTTP_TOKEN"},
		{"HTTP request to an HTTPS server", "write https:// in CONSUL_HTTP_ADDR"},
		{"HTTP response to HTTPS client", "write http:// in CONSUL_HTTP_ADDR"},
		{"tls: certificate required", "set CONSUL_CLIENT_CERT and CONSUL_CLIENT_KEY"},
		{"tls: bad certificate", "Consul refuses the certificate of CONSUL_CLIENT_CERT"},
	} {
		if strings.Contains(err.Error(), one.says) {
			return one.do
		}
	}
	return ""
}
