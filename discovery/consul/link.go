package consul

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/consul/api"
)

const (
	dialTimeout = 3 * time.Second
	tlsTimeout  = 5 * time.Second

	// A connection with many parked requests and no traffic must give a sign of life. Else a cut cable would hold them
	// all until their deadline.
	pingAfter   = 30 * time.Second
	pingTimeout = 15 * time.Second

	// spareConnections are for requests besides the parked watches.
	spareConnections = 4
)

// link is how an agent is reached. It is never edited.
type link struct {
	base      url.URL // scheme, host and path prefix
	query     url.Values
	user      *api.HttpBasicAuth
	http      *http.Client
	fresh     *http.Client // a new connection for each request
	token     string
	tokenFile string
	files     []string          // of TLS
	content   [sha256.Size]byte // of these files
}

// newLink resolves the environment as the library does for Consul's command line.
func newLink(options Options) (*link, error) {
	if err := checkSwitches(); err != nil {
		return nil, err
	}
	config := api.DefaultConfig()
	if options.Address != "" {
		config.Address = options.Address
	}
	l := &link{user: config.HttpAuth, token: config.Token, tokenFile: config.TokenFile, query: url.Values{}}
	if options.Token != "" {
		l.token, l.tokenFile = options.Token, ""
	}
	if options.TokenFile != "" {
		l.tokenFile = options.TokenFile
	}
	if config.Namespace != "" {
		l.query.Set("ns", config.Namespace)
	}
	if config.Partition != "" {
		l.query.Set("partition", config.Partition)
	}
	transport, single := newTransport(), newTransport()
	single.DisableKeepAlives, single.ForceAttemptHTTP2, single.HTTP2 = true, false, nil
	for _, t := range []*http.Transport{transport, single} {
		if err := l.setAddress(config, t); err != nil {
			return nil, err
		}
	}
	if err := l.readFiles(&config.TLSConfig); err != nil {
		return nil, err
	}
	var err error
	if l.http, err = newHTTP(transport, config.TLSConfig); err != nil {
		return nil, err
	}
	if l.fresh, err = newHTTP(single, config.TLSConfig); err != nil {
		return nil, err
	}
	return l, nil
}

func newHTTP(transport *http.Transport, tls api.TLSConfig) (*http.Client, error) {
	client, err := api.NewHttpClient(transport, tls)
	if err != nil {
		return nil, fmt.Errorf("env %s: %w", strings.Join(tlsVariables(), ", "), err)
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return client, nil
}

// tlsVariables names those of TLS that are set.
func tlsVariables() (names []string) {
	for _, name := range []string{
		api.HTTPCAFile, api.HTTPCAPath, api.HTTPClientCert, api.HTTPClientKey, api.HTTPTLSServerName,
	} {
		if os.Getenv(name) != "" {
			names = append(names, name)
		}
	}
	return names
}

// checkSwitches refuses what the library would only log and then read as "no":
// no TLS, or no check of the certificate.
func checkSwitches() error {
	for _, name := range []string{api.HTTPSSLEnvName, api.HTTPSSLVerifyEnvName} {
		if v := os.Getenv(name); v != "" {
			if _, err := strconv.ParseBool(v); err != nil {
				return fmt.Errorf("env %s: %q: not true or false", name, v)
			}
		}
	}
	return nil
}

// newTransport keeps its connections, ignores HTTP_PROXY (the agent is beside us), and has no timeout for the head of
// a response. Requests block on purpose, and each has a deadline of its own.
func newTransport() *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		TLSHandshakeTimeout: tlsTimeout,
		MaxIdleConns:        watchesHTTP1 + spareConnections,
		MaxIdleConnsPerHost: watchesHTTP1 + spareConnections,
		IdleConnTimeout:     90 * time.Second,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingTimeout},
	}
}

// setAddress reads CONSUL_HTTP_ADDR: host:port, http:// or https:// with an
// optional path before /v1, or unix:// and the path of a socket.
func (l *link) setAddress(config *api.Config, transport *http.Transport) error {
	l.base = url.URL{Scheme: config.Scheme, Host: config.Address}
	scheme, rest, found := strings.Cut(config.Address, "://")
	if !found {
		return l.checkHost(config.Address)
	}
	switch scheme {
	case "http": // does not take back CONSUL_HTTP_SSL
	case "https":
		l.base.Scheme = "https"
	case "unix":
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "unix", rest)
		}
		l.base.Host = "localhost"
		return nil
	default:
		return fmt.Errorf("env CONSUL_HTTP_ADDR: %q: scheme is not http, https or unix", withoutUser(config.Address))
	}
	host, prefix, _ := strings.Cut(rest, "/")
	l.base.Host = host
	if prefix = strings.TrimRight(prefix, "/"); prefix != "" {
		l.base.Path = "/" + prefix
	}
	return l.checkHost(config.Address)
}

// checkHost judges the host of an address.
func (l *link) checkHost(address string) error {
	if strings.Contains(address, "@") {
		return fmt.Errorf("env CONSUL_HTTP_ADDR: %q: has a user: write the address alone, and "+
			"CONSUL_HTTP_AUTH=USER:PASSWORD", withoutUser(address))
	}
	if u, err := url.Parse("http://" + l.base.Host); err != nil || u.Host != l.base.Host || u.Hostname() == "" {
		return fmt.Errorf("env CONSUL_HTTP_ADDR: %q: not host:port", address)
	}
	return nil
}

// withoutUser is an address without what may be a password: all before the last @ is masked.
func withoutUser(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return address
	}
	scheme, _, found := strings.Cut(address[:at], "://")
	if !found {
		return "***" + address[at:]
	}
	return scheme + "://***" + address[at:]
}

// request makes the request for path, below the prefix of the address.
func (l *link) request(
	ctx context.Context, method, path string, query url.Values, body io.Reader,
) (*http.Request, error) {
	u := l.base
	u.Path += path
	maps.Copy(query, l.query)
	u.RawQuery = query.Encode()
	req, err := http.NewRequestWithContext(ctx, method, u.String(), body)
	if err != nil {
		return nil, err
	}
	if l.user != nil {
		req.SetBasicAuth(l.user.Username, l.user.Password)
	}
	return req, nil
}
