package config

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
