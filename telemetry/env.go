package telemetry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/namedfile"
)

// settings is what the OTEL_* variables say. The SDK and the exporter read most
// of them again for themselves. What they pass over in silence, or report on a
// logger of their own, is found and named here.
type settings struct {
	destination                // of metrics
	interval    time.Duration  // between two exports of metrics
	patience    time.Duration  // for collecting and exporting them
	scrape      bool           // answer scrapes
	traces      tracesSettings // of which tracesErr tells why they make no sense
	tracesErr   error
	warnings    []string // each begins with the variable it is about
}

// destination is where one signal is sent to.
type destination struct {
	export   bool          // send to the endpoint
	protocol string        // of OTLP: protocolGRPC or protocolHTTP
	endpoint string        // for the log
	target   string        // host:port if the endpoint has no scheme, else empty
	timeout  time.Duration // of one export
}

// The variables that are looked at in more than one place.
const (
	envEndpoint       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envServiceName    = "OTEL_SERVICE_NAME"
	envResource       = "OTEL_RESOURCE_ATTRIBUTES"
	otlpPrefix        = "OTEL_EXPORTER_OTLP_"
	otlpMetricsPrefix = "OTEL_EXPORTER_OTLP_METRICS_"
	otlpTracesPrefix  = "OTEL_EXPORTER_OTLP_TRACES_"
)

// The protocols of OTLP, as OTEL_EXPORTER_OTLP_PROTOCOL names them.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

// readSettings looks variables up by env, which is os.Getenv outside tests. The
// error is about a setting with which exporting makes no sense.
func readSettings(env func(string) string) (settings, error) {
	e := &environment{get: env, own: otlpMetricsPrefix}
	var s settings
	if e.word("OTEL_SDK_DISABLED", "false", "true", "false") == "true" {
		return settings{warnings: e.warnings}, nil
	}
	var otlp bool
	otlp, s.scrape = e.exporters()
	var err error
	if _, endpoint := e.signal("ENDPOINT"); otlp && endpoint != "" {
		s.destination, err = e.destination(func() { e.metrics(&s) })
	}
	e.own = otlpTracesPrefix
	s.traces, s.tracesErr = e.traces()
	s.warnings = e.warnings
	return s, err
}

// destination reads where the signal is sent to, and looks at all that is said about the way. own checks what is said
// of this signal alone.
func (e *environment) destination(own func()) (d destination, err error) {
	name, endpoint := e.signal("ENDPOINT")
	protocol, _ := e.signal("PROTOCOL")
	d.protocol = e.word(protocol, protocolGRPC, protocolGRPC, protocolHTTP)
	err = errors.Join(e.readEndpoint(&d, name, endpoint), e.checkFiles())
	e.checkWords()
	own()
	d.timeout = e.milliseconds(otlpPrefix+"TIMEOUT", 10000)
	if timeout, _ := e.signal("TIMEOUT"); timeout != otlpPrefix+"TIMEOUT" {
		d.timeout = e.milliseconds(timeout, 10000)
	}
	e.checkPairs(d.protocol == protocolGRPC)
	d.export = err == nil
	return d, err
}

// environment reads variables and gathers what is wrong with them.
type environment struct {
	get      func(string) string
	own      string // how the variables of the signal begin that is being read
	warnings []string
}

// warn notes a warning, once: some variables are about both signals.
func (e *environment) warn(name, format string, args ...any) {
	if w := name + ": " + fmt.Sprintf(format, args...); !slices.Contains(e.warnings, w) {
		e.warnings = append(e.warnings, w)
	}
}

// value is a variable without the blanks around it, as the SDK takes it.
func (e *environment) value(name string) string { return strings.TrimSpace(e.get(name)) }

// signal finds an exporter's variable: the one for the signal wins over the one
// for all signals.
func (e *environment) signal(key string) (name, value string) {
	if v := e.value(e.own + key); v != "" {
		return e.own + key, v
	}
	return otlpPrefix + key, e.value(otlpPrefix + key)
}

// word reads a variable that is one of a few words, in any case; anything else
// is warned of and taken for the default.
func (e *environment) word(name, fallback string, words ...string) string {
	v := e.value(name)
	if v == "" {
		return fallback
	}
	for _, w := range words {
		if strings.EqualFold(v, w) {
			return w
		}
	}
	e.warn(name, "%q: not one of %s; %s is used", v, strings.Join(words, ", "), fallback)
	return fallback
}

// exporters reads the list of exporters. Without one there are both: sending waits for an endpoint, and answering
// scrapes costs nothing until one comes.
func (e *environment) exporters() (otlp, prometheus bool) {
	const name = "OTEL_METRICS_EXPORTER"
	v := e.value(name)
	if v == "" {
		return true, true
	}
	for w := range strings.SplitSeq(v, ",") {
		switch strings.ToLower(strings.TrimSpace(w)) {
		case "otlp":
			otlp = true
		case "prometheus":
			prometheus = true
		case "none":
			return false, false
		default:
			e.warn(name, "%q: not a list of otlp, prometheus, none; both are used", v)
			return true, true
		}
	}
	return otlp, prometheus
}

// readEndpoint finds where to send to. The exporter takes an address without a scheme for a URL that it then cannot
// read, and sends to localhost instead. So such an address is handed to it apart. No text shows what may be a password.
func (e *environment) readEndpoint(s *destination, name, v string) error {
	if !strings.Contains(v, "://") && !strings.HasPrefix(v, "unix:") {
		if _, _, err := net.SplitHostPort(v); err != nil || strings.ContainsAny(v, "@/ ") {
			return fmt.Errorf("env %s: neither a URL nor host:port", name)
		}
		s.target, s.endpoint = v, v
		if _, insecure := e.signal("INSECURE"); insecure == "" {
			e.warn(name, "%q: has no scheme, so TLS is spoken; write http://%s for plain text", v, v)
		}
		return nil
	}
	u, err := url.Parse(v)
	if err != nil {
		return fmt.Errorf("env %s: not a URL", name)
	}
	// For the log: without the user and the query, where people put secrets.
	s.endpoint = (&url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path}).String()
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() == "" {
			return fmt.Errorf("env %s: %q: has no host", name, s.endpoint)
		}
		if u.Port() == "" {
			e.warn(name, "%q: has no port, so %s is used; collectors listen on %s", s.endpoint,
				map[bool]string{true: "443", false: "80"}[s.protocol == protocolGRPC || u.Scheme == "https"],
				map[string]string{protocolGRPC: "4317", protocolHTTP: "4318"}[s.protocol])
		}
	case "unix":
	default:
		return fmt.Errorf("env %s: %q: want http or https in place of %s", name, s.endpoint, u.Scheme)
	}
	return nil
}

func (e *environment) checkWords() {
	for _, prefix := range []string{otlpPrefix, e.own} {
		e.word(prefix+"COMPRESSION", "none", "gzip", "none")
		e.word(prefix+"INSECURE", "false", "true", "false")
	}
}

func (e *environment) metrics(s *settings) {
	e.word(otlpMetricsPrefix+"TEMPORALITY_PREFERENCE", "cumulative", "cumulative", "delta", "lowmemory")
	const buckets = "explicit_bucket_histogram"
	e.word(otlpMetricsPrefix+"DEFAULT_HISTOGRAM_AGGREGATION", buckets, buckets)
	s.interval = e.milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 60000)
	s.patience = e.milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", 30000)
}

// milliseconds reads a variable that is a time.
func (e *environment) milliseconds(name string, fallback int) time.Duration {
	n := int64(fallback)
	if v := e.value(name); v != "" {
		if given, err := strconv.ParseInt(v, 10, 32); err != nil || given <= 0 {
			e.warn(name, "%q: not a positive number of milliseconds; %d is used", v, fallback)
		} else {
			n = given
		}
	}
	return time.Duration(n) * time.Millisecond
}

// checkPairs looks for pairs that are none. Headers are secrets: their values
// are never shown.
func (e *environment) checkPairs(grpc bool) {
	for _, name := range []string{otlpPrefix + "HEADERS", e.own + "HEADERS", envResource} {
		v := e.value(name)
		if v == "" {
			continue
		}
		for i, pair := range strings.Split(v, ",") {
			key, value, found := strings.Cut(pair, "=")
			if _, err := url.PathUnescape(value); !found || strings.TrimSpace(key) == "" || err != nil {
				e.warn(name, "entry %d: not key=value with the value percent-encoded", i+1)
			} else if name != envResource && grpc && !isMetadataKey(strings.TrimSpace(key)) {
				e.warn(name, "entry %d: gRPC cannot carry a header of this name (letters, digits, - _ . are "+
					"allowed); it is not sent", i+1)
			}
		}
	}
}

// isMetadataKey tells whether gRPC takes a name for metadata. The exporter makes it lower-case.
func isMetadataKey(key string) bool {
	for i := range len(key) {
		c := key[i] | 0x20
		if !('a' <= c && c <= 'z' || '0' <= key[i] && key[i] <= '9' || strings.IndexByte("-_.", key[i]) >= 0) {
			return false
		}
	}
	return key != ""
}

// checkFiles reads what the exporter is about to read: it would go on without
// what it cannot, and then fail each handshake.
func (e *environment) checkFiles() error {
	var problems []error
	if name, file := e.signal("CERTIFICATE"); file != "" {
		pem, err := namedfile.Read(file, maxPEMBytes)
		if err == nil && !x509.NewCertPool().AppendCertsFromPEM(pem) {
			err = fmt.Errorf("%s: holds no certificate", file)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("env %s: %w", name, err))
		}
	}
	certName, cert := e.signal("CLIENT_CERTIFICATE")
	keyName, key := e.signal("CLIENT_KEY")
	switch {
	case cert != "" && key != "":
		if err := checkPair(cert, key); err != nil {
			problems = append(problems, fmt.Errorf("env %s and %s: %w", certName, keyName, err))
		}
	case cert != "" || key != "":
		problems = append(problems, fmt.Errorf("env %s and %s: one is set without the other", certName, keyName))
	}
	return errors.Join(problems...)
}

// maxPEMBytes bounds one file of the exporter's.
const maxPEMBytes = 4 << 20

func checkPair(cert, key string) error {
	certPEM, err := namedfile.Read(cert, maxPEMBytes)
	if err != nil {
		return err
	}
	keyPEM, err := namedfile.Read(key, maxPEMBytes)
	if err != nil {
		return err
	}
	_, err = tls.X509KeyPair(certPEM, keyPEM)
	return err
}
