package proxy_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// A client of gRPC's own has had a message of a stream that does not become whole, and sends on. It learns the true
// status, which is that of the access log.
func TestCallThatIsBrokenOff(t *testing.T) {
	alone(t)
	for way, route := range ways {
		for _, tt := range []struct {
			name, option string
			lost         bool // the endpoint's connection, once the message is there
			code         codes.Code
			text         string
			flag         telemetry.Flag
		}{
			{"the connection is lost", "", true, codes.Unavailable, "upstream broke off", telemetry.UC},
			{"timeouts.request", "timeouts: {request: 300ms}", false, codes.DeadlineExceeded, "upstream timeout",
				telemetry.UT},
			{"timeouts.response_idle", "timeouts: {response_idle: 300ms}", false, codes.DeadlineExceeded,
				"upstream timeout", telemetry.UT},
		} {
			t.Run(way+", "+tt.name, func(t *testing.T) {
				s := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, st grpc.ServerStream) error {
					if err := st.SendMsg(wrapperspb.String("first")); err != nil {
						return err
					}
					<-st.Context().Done()
					return st.Context().Err()
				}))
				ln := testserver.Listen(t)
				go func() { _ = s.Serve(ln) }() // ends with Stop
				t.Cleanup(s.Stop)
				options := strings.Trim(route+", "+tt.option, ", ")
				log := newLog(t)
				g := start(t, clustered(options, "protocol: http2", ln.Addr().String()), log.use)
				c, err := grpc.NewClient(g.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				both := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
				st, err := c.NewStream(t.Context(), both, "/x.Y/Talk")
				if err != nil {
					t.Fatal(err)
				}
				got := new(wrapperspb.StringValue)
				if err := st.RecvMsg(got); err != nil || got.Value != "first" {
					t.Fatalf("%q, %v; want the first message", got.Value, err)
				}
				if tt.lost {
					s.Stop()
				}
				err = st.RecvMsg(got)
				if status.Code(err) != tt.code || status.Convert(err).Message() != tt.text {
					t.Errorf("the client has %v, want %v %q", err, tt.code, tt.text)
				}
				want := fmt.Sprint(200, " ", int(tt.code), " ", tt.flag)
				line := log.lines(1)[0]
				if got := fmt.Sprint(line["status"], " ", line["grpc_status"], " ", line["flag"]); got != want {
					t.Errorf("line %q, want %q", got, want)
				}
				if err := st.SendMsg(got); err == nil {
					t.Error("the ended call takes another message")
				}
			})
		}
	}
}

// The endpoint's own reset of a call goes on as it is, and the access log has the status that clients make of it.
func TestCallThatTheEndpointResets(t *testing.T) {
	together(t)
	for way, route := range ways {
		for code, want := range map[http2.ErrCode]codes.Code{
			http2.ErrCodeCancel: codes.Canceled, http2.ErrCodeInternal: codes.Internal,
			http2.ErrCodeEnhanceYourCalm: codes.ResourceExhausted,
		} {
			t.Run(fmt.Sprint(way, ", ", code), func(t *testing.T) {
				t.Parallel()
				log := newLog(t)
				_, down, up := relayingWithin(t, "", route, nil, nil, log.use)
				down.Ask(3, true, "POST", "/x.Y/Get", "content-type", "application/grpc")
				id := up.Any().StreamID
				up.Head(id, false, ":status", "200", "content-type", "application/grpc")
				down.Answer(3, "200")
				up.Must(up.WriteRSTStream(id, code))
				down.Reset(3, code)
				if line := log.lineOf(2, "path", "/x.Y/Get"); line["grpc_status"] != float64(want) {
					t.Errorf("line %v, want status %d", line, want)
				}
			})
		}
	}
}

// Of a response that is none of gRPC's nothing may look whole: not to a call, and not to anybody else.
func TestResponseThatIsBrokenOff(t *testing.T) {
	together(t)
	for way, route := range ways {
		for name, fields := range map[string][]string{
			"no call":      {"content-type", "text/plain"},
			"a page":       {"content-type", "application/grpc", "text/html"},
			"has a length": {"content-type", "application/grpc", "application/grpc", "content-length", "10"},
		} {
			t.Run(way+", "+name, func(t *testing.T) {
				t.Parallel()
				log := newLog(t)
				_, down, up := relayingWithin(t, "", route, nil, nil, log.use)
				down.Ask(3, true, "POST", "/x.Y/Get", fields[:2]...)
				id := up.Any().StreamID
				head := []string{":status", "200", "content-type", fields[len(fields)-1]}
				if len(fields) > 3 {
					head = append([]string{":status", "200", "content-type"}, fields[2:]...)
				}
				up.Head(id, false, head...)
				down.Answer(3, "200")
				up.Must(up.WriteData(id, false, []byte("half")))
				down.Text(3, "half")
				up.w.reset()
				down.Reset(3, http2.ErrCodeInternal)
				want := any(nil)
				if fields[1] == "application/grpc" {
					want = float64(codes.Internal)
				}
				if line := log.lineOf(2, "path", "/x.Y/Get"); line["grpc_status"] != want || line["flag"] != "UC" {
					t.Errorf("line %v, want status %v", line, want)
				}
			})
		}
	}
}

// A caller that has no window for all that has come gets it, and then the status. It sends on, which is of no use.
func TestCallThatIsBrokenOffBeforeASlowReader(t *testing.T) {
	for way, route := range ways {
		for _, window := range []uint32{65535, 2} {
			t.Run(fmt.Sprint(way, ", ", window), func(t *testing.T) {
				setting := http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}
				_, _, down, up := relaying(t, route, setting)
				down.Ask(3, false, "POST", "/x.Y/Talk", "content-type", "application/grpc")
				id := up.Any().StreamID
				up.Head(id, false, ":status", "200", "content-type", "application/grpc")
				up.Must(up.WriteData(id, false, []byte("text")))
				down.Answer(3, "200")
				down.Text(3, "text"[:min(4, window)])
				up.w.reset()
				if window < 4 {
					down.Sync() // nothing of the status comes before the rest
					down.Must(down.WriteWindowUpdate(3, 100))
					down.Text(3, "xt")
				}
				if got := values(down.Section(3), "grpc-status"); len(got) != 1 || got[0] != "14" {
					t.Errorf("status %q, want 14", got)
				}
				down.Reset(3, http2.ErrCodeNo)
			})
		}
	}
}

// The head of a response to a call is larger than its client takes: there is nothing that trailers could end.
func TestCallWhoseHeadIsNotTaken(t *testing.T) {
	for way, route := range ways {
		t.Run(way, func(t *testing.T) {
			_, _, down, up := relaying(t, route, http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1000})
			down.Ask(3, true, "POST", "/x.Y/Get", "content-type", "application/grpc")
			id := up.Any().StreamID
			up.Head(id, false, ":status", "200", "content-type", "application/grpc", "x-big", strings.Repeat("x", 1200))
			down.Reset(3, http2.ErrCodeInternal)
			up.Reset(id, http2.ErrCodeCancel)
		})
	}
}

// A response has come whole, and its client takes it slowly. That the trailers of the request are larger than the
// endpoint takes costs it nothing of that.
func TestTrailersThatAreNotTakenBehindAWholeResponse(t *testing.T) {
	large := http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 1000}
	_, down, up := relayingWithin(t, "", "", tiny(), []http2.Setting{large})
	down.Ask(3, false, "POST", "/")
	id := up.Any().StreamID
	up.Head(id, false, ":status", "200")
	up.Must(up.WriteData(id, true, []byte("text")))
	down.Answer(3, "200")
	down.Text(3, "te")
	down.Head(3, true, "x-big", strings.Repeat("x", 1200))
	up.Reset(id, http2.ErrCodeInternal)
	down.Must(down.WriteWindowUpdate(3, 100))
	if !down.Text(3, "xt") {
		t.Error("the response has no end")
	}
}

// A response has come whole, and its client takes it slowly while it sends on. The deadline of the request ends the
// upload only.
func TestDeadlineBehindAWholeResponse(t *testing.T) {
	alone(t)
	_, _, down, up := relaying(t, "timeouts: {request: 300ms}", tiny()...)
	down.Ask(3, false, "POST", "/")
	id := up.Any().StreamID
	up.Head(id, false, ":status", "200")
	up.Must(up.WriteData(id, true, []byte("text")))
	down.Answer(3, "200")
	down.Text(3, "te")
	up.Reset(id, http2.ErrCodeCancel) // at the deadline
	down.Must(down.WriteWindowUpdate(3, 100))
	if !down.Text(3, "xt") {
		t.Error("the response has no end")
	}
	down.Reset(3, http2.ErrCodeNo)
}
