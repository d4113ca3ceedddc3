package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// shopCalls is a server of gRPC whose method says how it ends. Echo returns each message, and a number is the status
// that it ends with. Hang waits for the end of the call, and Late refuses each second time. seen gets the traceparent
// of each call.
func shopCalls(t *testing.T, seen chan<- string) (address string) {
	t.Helper()
	var calls atomic.Int64
	return grpcServer(t, func(_ any, st grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(st.Context())
		seen <- strings.Join(md.Get("traceparent"), ",")
		full, _ := grpc.Method(st.Context())
		method := full[strings.LastIndexByte(full, '/')+1:]
		if code, err := strconv.Atoi(method); err == nil {
			return grpcstatus.Error(codes.Code(code), "by its name")
		}
		if method == "Late" && calls.Add(1)%2 == 1 {
			return grpcstatus.Error(codes.Unavailable, "not yet")
		}
		if method == "Hang" {
			<-st.Context().Done()
			return st.Context().Err()
		}
		if method == "Late" { // slow enough to be among the failures
			<-time.After(2 * time.Millisecond)
		}
		return echoMessages(st)
	})
}

// calling is one call of a client's.
type calling struct {
	method   string
	messages int
	give     bool // the client gives the call up behind its messages
}

// do makes the call as part of a trace, and returns the status of gRPC.
func (c calling) do(t *testing.T, by *grpc.ClientConn, trace, caller string) codes.Code {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), longestWait)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", "00-"+trace+"-"+caller+"-01")
	st, err := by.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true},
		"/shop.v1.Orders/"+c.method)
	for i := 0; i < c.messages && err == nil; i++ {
		got := new(wrapperspb.StringValue)
		if err = st.SendMsg(wrapperspb.String(fmt.Sprint("message ", i))); err == nil {
			err = st.RecvMsg(got)
		}
	}
	if err == nil && c.give {
		cancel()
	} else if err == nil {
		err = st.CloseSend()
	}
	if err == nil {
		err = st.RecvMsg(new(wrapperspb.StringValue))
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return grpcstatus.Code(err)
}

// A call of gRPC from app to app by two gateways is one trace of four spans. They are named for the service and the
// method, with the status as the conventions for RPC have it. That holds on a connection that is being made, where a
// goroutine carries it, and on one that is there, where it is relayed.
func TestTraceOfCalls(t *testing.T) {
	t.Parallel()
	collector := testserver.Collector(t)
	seen := make(chan string, 100)
	environ := func(name, to, plain, route string) env {
		file := t.TempDir() + "/gateway.yaml"
		write(t, file, "routes:\n- {name: hang, match: {path: /shop.v1.Orders/Hang}, cluster: c"+route+"}\n"+
			"- {name: plain, match: {path: /shop.v1.Orders/Plain}, cluster: plain}\n- {name: all, cluster: c}\n"+
			"clusters:\n- {name: c, protocol: http2, endpoints: ['"+to+"']}\n"+
			"- {name: plain, protocol: http2, endpoints: ['"+plain+"']}\n")
		return env{
			"GATEWAY_CONFIG": file, "GATEWAY_SERVICE": name, "OTEL_TRACES_EXPORTER": "otlp",
			"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.Endpoint(), "OTEL_BSP_SCHEDULE_DELAY": "50",
		}
	}
	plain := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen <- r.Header.Get("Traceparent")
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	t.Cleanup(plain.Close)
	second := serve(t, environ("second", shopCalls(t, seen), plain.Listener.Addr().String(), ""))
	to := strings.TrimPrefix(second.url, "http://")
	first := serve(t, environ("first", to, to, ", timeouts: {upstream: 100ms}"))

	// What the spans say, in the order of the way: "-" none, "!" an error.
	good := [4]string{"0", "0", "0", "0"}
	for i, row := range []struct {
		name string
		call calling
		code codes.Code
		want [4]string // rpc.grpc.status_code of the four
	}{
		{"unary", calling{method: "Echo", messages: 1}, 0, good},
		{"a stream", calling{method: "Echo", messages: 5}, 0, good},
		{"without a message", calling{method: "Echo"}, 0, good},
		{"the caller's fault", calling{method: "5"}, codes.NotFound, [4]string{"5", "5!", "5", "5!"}},
		{"the server's fault", calling{method: "13"}, codes.Internal, [4]string{"13!", "13!", "13!", "13!"}},
		{"beyond the codes", calling{method: "99"}, codes.Code(99), [4]string{"99", "99!", "99", "99!"}},
		{"too long", calling{method: "Hang"}, codes.DeadlineExceeded, [4]string{"4!", "-!", "1", "-!"}},
		{"of a server that does not know gRPC", calling{method: "Plain"}, codes.Unavailable,
			[4]string{"-!", "-!", "-!", "-!"}},
		{"given up", calling{method: "Echo", messages: 1, give: true}, codes.Canceled, [4]string{"1", "1!", "1", "1!"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			by, err := grpc.NewClient(strings.TrimPrefix(first.url, "http://"),
				grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { by.Close() })
			for n, way := range []string{"first on its connection", "relayed"} {
				trace, caller := fmt.Sprintf("%032x", 1+2*i+n), fmt.Sprintf("%016x", 0xca00+2*i+n)
				if code := row.call.do(t, by, trace, caller); code != row.code {
					t.Fatalf("%s: status %v, want %v", way, code, row.code)
				}
				testserver.WaitFor(t, longestWait, "four spans",
					func() bool { return len(ofTrace(t, collector, trace)) == 4 })
				spans, parent := ofTrace(t, collector, trace), caller
				for j, of := range []struct{ service, kind string }{
					{"first", "server"}, {"first", "client"}, {"second", "server"}, {"second", "client"},
				} {
					s := spans[parent]
					if s.Kind != of.kind || s.Resource["service.name"] != of.service ||
						s.Name != "shop.v1.Orders/"+row.call.method || s.Attributes["rpc.system"] != "grpc" ||
						s.Attributes["rpc.service"] != "shop.v1.Orders" ||
						s.Attributes["rpc.method"] != row.call.method {
						t.Fatalf("%s: span %+v, want the %s span of %s; all:\n%+v", way, s, of.kind, of.service, spans)
					}
					got := s.Attributes["rpc.grpc.status_code"]
					if got == "" {
						got = "-"
					}
					if s.Failed {
						got += "!"
					}
					if got != row.want[j] || s.Failed == (s.Attributes["error.type"] == "") {
						t.Errorf("%s: the %s span of %s has status %s, want %s: %+v", way, of.kind, of.service, got,
							row.want[j], s)
					}
					if p, ok := spans[s.Parent]; ok && s.Start.Before(p.Start) {
						t.Errorf("%s: span %+v begins before its parent %+v", way, s, p)
					}
					parent = s.ID
				}
				if got, want := <-seen, "00-"+trace+"-"+parent+"-01"; got != want {
					t.Errorf("%s: the app was told of %s, want %s", way, got, want)
				}
			}
		})
	}
}

// An attempt whose response says UNAVAILABLE, and is dropped for another one, keeps its own status: in its span, and
// among the failures.
func TestTraceOfACallTriedAgain(t *testing.T) {
	t.Parallel()
	collector := testserver.Collector(t)
	seen := make(chan string, 2)
	file := t.TempDir() + "/gateway.yaml"
	write(t, file,
		"routes: [{name: all, cluster: c, retries: {on: [unavailable], attempts: 2}}]\naccess_log: {slow: 1ms}\n"+
			"clusters: [{name: c, protocol: http2, endpoints: ['"+shopCalls(t, seen)+"']}]\n")
	g := serve(t, env{
		"GATEWAY_CONFIG": file, "OTEL_TRACES_EXPORTER": "otlp", "OTEL_BSP_SCHEDULE_DELAY": "50",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.Endpoint(),
	})
	by, err := grpc.NewClient(strings.TrimPrefix(g.url, "http://"),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { by.Close() })
	const trace, caller = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	if code := (calling{method: "Late"}).do(t, by, trace, caller); code != codes.OK {
		t.Fatalf("status %v", code)
	}
	testserver.WaitFor(t, longestWait, "three spans", func() bool { return len(collector.Spans(t)) == 3 })
	server := ofTrace(t, collector, trace)[caller]
	if server.Failed || server.Attributes["rpc.grpc.status_code"] != "0" {
		t.Errorf("the span of the call: %+v", server)
	}
	for _, want := range []struct {
		status, resent, kind string
		failed               bool
	}{{"14", "", "14", true}, {"0", "1", "", false}} {
		told := strings.Split(<-seen, "-")
		i := slices.IndexFunc(collector.Spans(t), func(s testserver.Span) bool { return s.ID == told[2] })
		if i < 0 {
			t.Fatalf("the app was told of %s, which is no span:\n%+v", told, collector.Spans(t))
		}
		s := collector.Spans(t)[i]
		if s.Parent != server.ID || s.Attributes["rpc.grpc.status_code"] != want.status || s.Failed != want.failed ||
			s.Attributes["http.request.resend_count"] != want.resent || s.Attributes["error.type"] != want.kind {
			t.Errorf("an attempt: %+v, want %+v", s, want)
		}
	}
	_, told, err := fetch(g.admin + "/failures")
	if err != nil || !strings.Contains(told, `"grpc_status": 14`) {
		t.Errorf("GET /failures: %v, without the status of the first attempt:\n%s", err, told)
	}
}

// ofTrace are the spans of a trace, by their parents.
func ofTrace(t *testing.T, collector *testserver.CollectorServer, trace string) map[string]testserver.Span {
	t.Helper()
	spans := map[string]testserver.Span{}
	for _, s := range collector.Spans(t) {
		if s.Trace == trace {
			spans[s.Parent] = s
		}
	}
	return spans
}
