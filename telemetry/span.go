package telemetry

import (
	"bytes"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
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
	mostClientAttributes = 14
)

// maxSpanAttempts bounds the attempts of a request that have a span: the last ones do.
const maxSpanAttempts = 32

// Record makes spans of a request whose trace is recorded: one of the request, and one for each attempt. Nothing of r
// and attempts is kept. It does not wait for the collector.
func (t *Tracer) Record(place *Trace, r *Record, attempts []Attempt) {
	first := max(0, len(attempts)-maxSpanAttempts)
	if !t.take(1 + len(attempts) - first) {
		return
	}
	call := newCall(r)
	server := t.start(place.parent(), place.context.trace, place.span, call.name(r.Route), trace.SpanKindServer, r.Time,
		call.serverAttributes(r))
	if r.Queued > 0 {
		server.AddEvent(eventQueued, trace.WithTimestamp(r.Time.Add(r.QueuedAfter)),
			trace.WithAttributes(attrQueueDuration.Float64(r.Queued.Seconds())))
	}
	own := spanContext(place.context.trace, place.span, false)
	for i := first; i < len(attempts); i++ {
		t.recordAttempt(place, own, &call, r, &attempts[i], i+1)
	}
	if kind := call.serverError(r); kind != "" {
		server.SetAttributes(attrErrorType.String(kind))
		server.SetStatus(codes.Error, reasonText(r.Reason))
	}
	server.End(trace.WithTimestamp(r.Time.Add(r.Duration)))
}

// recordAttempt makes the span of the nth attempt.
func (t *Tracer) recordAttempt(place *Trace, server trace.SpanContext, call *call, r *Record, try *Attempt, n int) {
	id := place.context.trace
	began := r.Time.Add(try.After)
	var links []trace.Link
	if n > 1 {
		links = []trace.Link{{SpanContext: spanContext(id, place.attemptSpan(n-1), false)}}
	}
	span := t.start(server, id, place.attemptSpan(n), call.name(""), trace.SpanKindClient, began,
		call.clientAttributes(r, try, n), links...)
	end := began.Add(try.Took)
	if try.Ejected {
		span.AddEvent(eventEjected, trace.WithTimestamp(end))
	}
	if kind := call.clientError(try); kind != "" {
		span.SetAttributes(attrErrorType.String(kind))
		span.SetStatus(codes.Error, reasonText(try.Cause))
	}
	span.End(trace.WithTimestamp(end))
}

func (t *Tracer) start(parent trace.SpanContext, id traceID, span spanID, name string, kind trace.SpanKind,
	at time.Time, attrs []attribute.KeyValue, links ...trace.Link,
) trace.Span {
	ctx := &ids{trace.ContextWithSpanContext(t.root, parent), id, span}
	_, s := t.spans.Start(ctx, name, trace.WithSpanKind(kind), trace.WithTimestamp(at), trace.WithAttributes(attrs...),
		trace.WithLinks(links...))
	return s
}

// parent is the caller's span; one that is not valid where the trace begins here.
func (t *Trace) parent() trace.SpanContext {
	if t.context.span == (spanID{}) {
		return trace.SpanContext{}
	}
	return spanContext(t.context.trace, t.context.span, true)
}

func spanContext(id traceID, span spanID, remote bool) trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID(id), SpanID: trace.SpanID(span), TraceFlags: trace.FlagsSampled, Remote: remote,
	})
}

// call is what the spans of one request have in common.
type call struct {
	method          string // of HTTP, from a fixed set
	service, remote string // of gRPC; empty where it is not
	common          []attribute.KeyValue
}

func newCall(r *Record) call {
	method := ParseMethod(r.Method)
	c := call{method: method.String()}
	c.common = []attribute.KeyValue{
		attrMethod.String(c.method), attrRevision.String(label(r.Revision)),
	}
	if method == MethodOther {
		c.common = append(c.common, attrMethodOriginal.String(spanText(r.Method)))
	}
	if r.Call {
		service, remote, _ := bytes.Cut(bytes.TrimPrefix(r.Path, slash), slash)
		c.service, c.remote = spanText(service), spanText(remote)
		c.common = append(c.common, attrRPCSystem.String("grpc"), attrRPCService.String(c.service),
			attrRPCMethod.String(c.remote))
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

func (c *call) serverAttributes(r *Record) []attribute.KeyValue {
	attrs := append(make([]attribute.KeyValue, 0, mostServerAttributes),
		attrScheme.String(r.Scheme.String()), attrPath.String(spanText(r.Path)),
		attrPeerAddress.String(r.Peer), attrListener.String(label(r.Listener)),
		attrProtocolVersion.String(protocolVersion(r.Protocol)))
	attrs = append(attrs, c.common...)
	attrs = append(attrs, addressOf(attrServerAddress, attrServerPort, spanText(r.Host))...)
	client := r.Peer
	if r.RemoteIP != nil {
		client = string(r.RemoteIP)
	}
	attrs = append(attrs, attrClientAddress.String(client))
	for _, text := range []struct {
		key   attribute.Key
		value string
	}{
		{attrRoute, label(r.Route)}, {attrCluster, label(r.Cluster)}, {attrUserAgent, spanText(r.UserAgent)},
		{attrRequestID, spanText(r.RequestID)}, {attrFlag, r.Flag.String()},
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

func (c *call) clientAttributes(r *Record, t *Attempt, n int) []attribute.KeyValue {
	attrs := append(make([]attribute.KeyValue, 0, mostClientAttributes), attrCluster.String(label(r.Cluster)))
	attrs = append(attrs, c.common...)
	attrs = append(attrs, addressOf(attrServerAddress, attrServerPort, t.Endpoint)...)
	attrs = append(attrs, addressOf(attrPeerAddress, attrPeerPort, t.Endpoint)...)
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

// addressOf are the attributes of a host with or without a port.
func addressOf(address, port attribute.Key, hostport string) []attribute.KeyValue {
	if hostport == "" {
		return nil
	}
	host, service, err := net.SplitHostPort(hostport)
	if err != nil {
		return []attribute.KeyValue{address.String(strings.Trim(hostport, "[]"))}
	}
	attrs := []attribute.KeyValue{address.String(host)}
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		attrs = append(attrs, port.Int(int(n)))
	}
	return attrs
}

// protocolVersion is what the conventions call a version of HTTP.
func protocolVersion(protocol string) string {
	version := strings.TrimPrefix(protocol, "HTTP/")
	return strings.TrimSuffix(version, ".0") + map[bool]string{true: ".0"}[version == "1.0"]
}

// spanText is a text of a client's, bounded and in UTF-8.
func spanText(b []byte) string {
	return strings.ToValidUTF8(string(b[:min(len(b), spanTextBytes)]), "\uFFFD")
}
