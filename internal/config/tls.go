package config

import (
	"errors"
	"net/url"
	"strings"

	"go.yaml.in/yaml/v4"
)

// How a listener asks for client certificates.
const (
	ClientAuthNone     = "none"
	ClientAuthOptional = "optional"
	ClientAuthRequire  = "require"
)

// Whether and how a cluster's connections are encrypted.
const (
	TLSNone   = "none"
	TLSServer = "tls"  // the endpoint proves itself
	TLSMutual = "mtls" // both do
)

// ListenerTLS is what a listener shows and asks for; files are watched.
type ListenerTLS struct {
	Certificates     []Certificate // chosen by SNI, the first if none fits; none = no TLS
	ClientCAFile     string
	ClientAuth       string
	MinVersion       string // "1.2" or "1.3"
	ClientCertHeader bool   // tell the upstream who the client is in X-Forwarded-Client-Cert
}

// Enabled tells whether the listener terminates TLS.
func (t *ListenerTLS) Enabled() bool { return len(t.Certificates) > 0 }

// Certificate is a PEM pair on disk.
type Certificate struct {
	CertFile string
	KeyFile  string
}

// ClusterTLS is how the gateway connects to a cluster's endpoints.
type ClusterTLS struct {
	Mode               string
	CAFile             string // roots; empty = the system's
	CertFile           string // mtls
	KeyFile            string // mtls
	ServerName         string // SNI and the name to verify; empty = the endpoint's host
	InsecureSkipVerify bool
	PeerURI            string // the URI SAN to expect instead of a host name
}

// Enabled tells whether the cluster's connections are encrypted.
func (t *ClusterTLS) Enabled() bool { return t.Mode == TLSServer || t.Mode == TLSMutual }

var listenerTLSBlock = block[ListenerTLS]{
	form: "{certificates: [{cert_file: a.pem, key_file: a.key}]}",
	fields: []field[ListenerTLS]{
		at("certificates", func(t *ListenerTLS) *[]Certificate { return &t.Certificates },
			blocksOf(&certificateBlock)),
		at("client_ca_file", func(t *ListenerTLS) *string { return &t.ClientCAFile }, file).optional(),
		at("client_auth", func(t *ListenerTLS) *string { return &t.ClientAuth },
			word(ClientAuthNone, ClientAuthOptional, ClientAuthRequire)),
		at("min_version", func(t *ListenerTLS) *string { return &t.MinVersion }, tlsVersion),
		at("client_cert_header", func(t *ListenerTLS) *bool { return &t.ClientCertHeader }, flag).optional(),
	},
	begin: func(d *decoder, t *ListenerTLS) { t.MinVersion = "1.2" },
	end:   checkListenerTLS,
}

// checkListenerTLS asks for client certificates as soon as there is something
// to check them with, and refuses to ask where there is not.
func checkListenerTLS(d *decoder, n *yaml.Node, t *ListenerTLS) {
	if v := valueOf(n, "certificates"); v == nil || v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
		d.problem(n, "want at least one certificate, such as certificates: [{cert_file: a.pem, key_file: a.key}] "+
			"(seen none)")
	}
	hasCA := has(n, "client_ca_file")
	switch {
	case t.ClientAuth == "" && hasCA:
		t.ClientAuth = ClientAuthRequire
	case t.ClientAuth == "":
		t.ClientAuth = ClientAuthNone
	case t.ClientAuth != ClientAuthNone && !hasCA:
		d.problemIn(n, "client_auth", "client_ca_file is missing (client_auth is %s)", t.ClientAuth)
	}
	if t.ClientCertHeader && !hasCA {
		d.problemIn(n, "client_cert_header", "client_ca_file is missing: no client has a certificate to tell of")
	}
}

var certificateBlock = block[Certificate]{
	form: "{cert_file: a.pem, key_file: a.key}",
	fields: []field[Certificate]{
		at("cert_file", func(c *Certificate) *string { return &c.CertFile }, file),
		at("key_file", func(c *Certificate) *string { return &c.KeyFile }, file),
	},
	end: func(d *decoder, n *yaml.Node, c *Certificate) {
		for _, key := range []string{"cert_file", "key_file"} {
			if !has(n, key) {
				d.problem(n, "%s is missing", key)
			}
		}
	},
}

var clusterTLSBlock = block[ClusterTLS]{
	form: "{mode: tls, ca_file: ca.pem}",
	fields: []field[ClusterTLS]{
		at("mode", func(t *ClusterTLS) *string { return &t.Mode }, word(TLSNone, TLSServer, TLSMutual)),
		at("ca_file", func(t *ClusterTLS) *string { return &t.CAFile }, file.or("")).optional(),
		at("cert_file", func(t *ClusterTLS) *string { return &t.CertFile }, file.or("")).optional(),
		at("key_file", func(t *ClusterTLS) *string { return &t.KeyFile }, file.or("")).optional(),
		at("server_name", func(t *ClusterTLS) *string { return &t.ServerName }, certificateName.or("")).optional(),
		at("insecure_skip_verify", func(t *ClusterTLS) *bool { return &t.InsecureSkipVerify }, flag).optional(),
		at("peer_uri", func(t *ClusterTLS) *string { return &t.PeerURI }, peerURI.or("")).optional(),
	},
	begin: func(d *decoder, t *ClusterTLS) { t.Mode = TLSServer },
	end:   checkClusterTLS,
}

// checkClusterTLS refuses what a mode would not use. A certificate that is never shown, or a check that is never made,
// is a mistake worth telling.
func checkClusterTLS(d *decoder, n *yaml.Node, t *ClusterTLS) {
	if t.Mode == TLSNone && (*t != ClusterTLS{Mode: TLSNone}) {
		d.problemIn(n, "mode", "mode none uses no other key of tls")
		return
	}
	if t.Mode == TLSServer && (t.CertFile != "" || t.KeyFile != "") {
		d.problemIn(n, "mode", "mode tls shows no certificate: say mode: mtls, or leave out cert_file and key_file")
	}
	if t.Mode == TLSMutual {
		for _, key := range []string{"cert_file", "key_file"} {
			if v := valueOf(n, key); v == nil || v.Value == "" {
				d.problemIn(n, key, "%s is missing (mode is mtls)", key)
			}
		}
	}
	if t.InsecureSkipVerify && t.PeerURI != "" {
		d.problemIn(n, "peer_uri", "insecure_skip_verify checks nothing, so no URI either")
	}
}

// file is a path on disk; it is opened when the revision is prepared.
var file = text(func(s string) (string, error) {
	if s == "" {
		return "", errors.New("want a path")
	}
	return s, checkPrintable(s)
})

// tlsVersion may also be written as the number that it looks like.
var tlsVersion = kind[string]{
	decode: func(d *decoder, n *yaml.Node, v *string) {
		s, ok := d.scalar(n, "1.2 or 1.3", "!!str", "!!float")
		switch {
		case !ok:
		case s != "1.2" && s != "1.3":
			d.problem(n, "want 1.2 or 1.3 (%s)", seen(n))
		default:
			*v = s
		}
	},
	encode: func(e *encoder, v *string) { e.text(*v) },
}

var peerURI = text(func(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return "", errors.New("want a URI such as spiffe://example.org/api")
	}
	return s, checkPrintable(s)
})

func checkPrintable(s string) error {
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 }) {
		return errors.New("want no control bytes")
	}
	return nil
}
