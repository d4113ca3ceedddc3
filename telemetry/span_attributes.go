package telemetry

import (
	"bytes"
	"net"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// The attributes of spans alone.
const (
	attrMethodOriginal  attribute.Key = "http.request.method_original"
	attrResendCount     attribute.Key = "http.request.resend_count"
	attrPath            attribute.Key = "url.path"
	attrServerAddress   attribute.Key = "server.address"
	attrServerPort      attribute.Key = "server.port"
	attrClientAddress   attribute.Key = "client.address"
	attrPeerAddress     attribute.Key = "network.peer.address"
	attrPeerPort        attribute.Key = "network.peer.port"
	attrProtocolVersion attribute.Key = "network.protocol.version"
	attrUserAgent       attribute.Key = "user_agent.original"
	attrRPCSystem       attribute.Key = "rpc.system"
	attrRPCService      attribute.Key = "rpc.service"
	attrRPCMethod       attribute.Key = "rpc.method"
	attrRequestID       attribute.Key = "gateway.request_id"
	attrQueueDuration   attribute.Key = "gateway.queue.duration" // seconds
)

// The events of spans.
const (
	eventQueued  = "gateway.queued"           // of the request: it had to wait for its turn, or for an endpoint
	eventEjected = "gateway.endpoint.ejected" // of the attempt: it was one failure too many
)

// spanTextBytes bounds each text of a span.
const spanTextBytes = 1024

// So many attributes a span has at most. More would only cost a copy.
const (
	mostServerAttributes = 22
	mostClientAttributes = 16
)

// call is what the spans of one request have in common.
type call struct {
	method          string // of HTTP, from a fixed set
	original        string // the method as it came, where it is not of that set
	service, remote string // of gRPC; empty where it is not
}

func newCall(r *Record) call {
	method := ParseMethod(r.Method)
	c := call{method: method.String()}
	if method == MethodOther {
		c.original = spanText(r.Method)
	}
	if r.Call {
		service, remote, _ := bytes.Cut(bytes.TrimPrefix(r.Path, slash), slash)
		c.service, c.remote = spanText(service), spanText(remote)
	}
	return c
}

var slash = []byte("/")

// name is that of a span: of few different values, as the conventions ask for.
func (c *call) name(route string) string {
	switch {
	case c.service != "":
		return c.service + "/" + c.remote
	case c.method == methodNames[MethodOther]:
		return strings.TrimRight("HTTP "+label(route), " ")
	}
	return strings.TrimRight(c.method+" "+label(route), " ")
}

// common are the attributes of all spans of a request.
func (e *ended) common(attrs []attribute.KeyValue) []attribute.KeyValue {
	c := &e.call
	attrs = append(attrs, attrMethod.String(c.method), attrRevision.String(label(e.record.Revision)))
	if c.method == methodNames[MethodOther] {
		attrs = append(attrs, attrMethodOriginal.String(c.original))
	}
	if e.record.Call {
		attrs = append(attrs, attrRPCSystem.String("grpc"), attrRPCService.String(c.service),
			attrRPCMethod.String(c.remote))
	}
	return attrs
}

func (e *ended) serverAttributes() []attribute.KeyValue {
	r := &e.record
	attrs := append(make([]attribute.KeyValue, 0, mostServerAttributes),
		attrScheme.String(r.Scheme.String()), attrPath.String(e.path),
		attrPeerAddress.String(r.Peer), attrListener.String(label(r.Listener)),
		attrProtocolVersion.String(protocolVersion(r.Protocol)))
	attrs = e.common(attrs)
	attrs = addressOf(attrs, attrServerAddress, attrServerPort, e.host)
	attrs = append(attrs, attrClientAddress.String(e.client))
	for _, text := range [...]struct {
		key   attribute.Key
		value string
	}{
		{attrRoute, label(r.Route)}, {attrCluster, label(r.Cluster)}, {attrUserAgent, e.agent},
		{attrRequestID, e.id}, {attrFlag, r.Flag.String()}, {attrErrorType, e.call.serverError(r)},
	} {
		if text.value != "" {
			attrs = append(attrs, text.key.String(text.value))
		}
	}
	if r.Status > 0 {
		attrs = append(attrs, attrStatus.Int(r.Status))
	}
	if r.GRPC {
		attrs = append(attrs, attrGRPCStatus.Int(r.GRPCStatus))
	}
	return attrs
}

// clientAttributes are those of the nth attempt.
func (e *ended) clientAttributes(t *Attempt, n int) []attribute.KeyValue {
	attrs := append(make([]attribute.KeyValue, 0, mostClientAttributes), attrCluster.String(label(e.record.Cluster)))
	attrs = e.common(attrs)
	attrs = addressOf(attrs, attrServerAddress, attrServerPort, t.Endpoint)
	attrs = addressOf(attrs, attrPeerAddress, attrPeerPort, t.Endpoint)
	if n > 1 {
		attrs = append(attrs, attrResendCount.Int(n-1))
	}
	if t.Status > 0 {
		attrs = append(attrs, attrStatus.Int(t.Status))
		if t.GRPC {
			attrs = append(attrs, attrGRPCStatus.Int(t.GRPCStatus))
		}
	}
	if t.Flag != NoFlag {
		attrs = append(attrs, attrFlag.String(t.Flag.String()))
	}
	if kind := e.call.clientError(t); kind != "" {
		attrs = append(attrs, attrErrorType.String(kind))
	}
	return attrs
}

// serverError is the error.type of the request, empty where it has none. A client that goes away is no error of ours.
func (c *call) serverError(r *Record) string {
	switch {
	case r.GRPC && serverCode(r.GRPCStatus):
		return strconv.Itoa(r.GRPCStatus)
	case r.Status >= 500:
		return strconv.Itoa(r.Status)
	case r.Flag != NoFlag && r.Flag != DC && r.Status < 400:
		return r.Flag.String()
	}
	return ""
}

// clientError is the error.type of an attempt. By the conventions 4xx are errors of a client too.
func (c *call) clientError(t *Attempt) string {
	switch {
	case t.Flag != NoFlag:
		return failureType(t.Flag)
	case t.GRPC && t.GRPCStatus != 0:
		return strconv.Itoa(t.GRPCStatus)
	case t.Status >= 400:
		return strconv.Itoa(t.Status)
	}
	return ""
}

// addressOf appends the attributes of a host with or without a port.
func addressOf(attrs []attribute.KeyValue, address, port attribute.Key, hostport string) []attribute.KeyValue {
	if hostport == "" {
		return attrs
	}
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return append(attrs, address.String(strings.Trim(hostport, "[]")))
	}
	attrs = append(attrs, address.String(host))
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		attrs = append(attrs, port.Int(int(n)))
	}
	return attrs
}

// protocolVersion is what the conventions call a version of HTTP.
func protocolVersion(protocol string) string {
	version := strings.TrimPrefix(protocol, "HTTP/")
	if version == "1.0" {
		return version
	}
	return strings.TrimSuffix(version, ".0")
}

// spanText is a text of a client's, bounded and in UTF-8.
func spanText(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), spanTextBytes)]), "\uFFFD")
}
