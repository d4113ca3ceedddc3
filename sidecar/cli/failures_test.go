package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/sidecar"
	"github.com/fabian4/gateway-homebrew-go/telemetry"
)

// broken is a gateway on which these requests have failed.
func broken(t *testing.T, leftOut uint64, all ...telemetry.Failure) (address string) {
	t.Helper()
	return showing(t, sidecar.View{Failures: func(id string, _ int) sidecar.FailureList {
		list := sidecar.FailureList{LeftOut: leftOut}
		for i := range all {
			if id == "" || all[i].RequestID == id {
				list.Failures = append(list.Failures, all[i])
			}
		}
		return list
	}})
}

func failures() []telemetry.Failure {
	at, unavailable := time.Date(2026, 11, 29, 9, 21, 2, 652e6, time.UTC), 14
	return []telemetry.Failure{
		{
			Time: at, RequestID: "id-1", TraceID: "0af7", Protocol: "HTTP/1.1", Method: "GET", Host: "shop.example.com",
			Path: "/orders/7", Status: 502, Flag: "UF", Reason: "connect: connection refused", DurationMS: 19.112,
			RemoteIP: "192.0.2.7", Listener: "web", Route: "orders", Cluster: "orders-v1", Revision: "1a2b",
			Attempts: []telemetry.FailedAttempt{
				{Upstream: "10.0.0.9:80", AfterMS: 0.5, DurationMS: 1, Status: 503},
				{Upstream: "10.0.0.10:80", AfterMS: 18, DurationMS: 1.1, Flag: "UF",
					Reason: "connect: connection refused"},
			},
		},
		{
			Time: at, RequestID: "id-2", Protocol: "HTTP/2.0", Method: "POST", Host: "api", Path: "/pay.Pay/Now",
			Status: 200, GRPCStatus: &unavailable, Flag: "UH", Reason: "no healthy upstream", Slow: true,
			DurationMS: 1200,
			RemoteIP:   "192.0.2.8", Listener: "web", Route: "pay", Cluster: "pay", Revision: "1a2b",
			Attempts: []telemetry.FailedAttempt{
				{Upstream: "10.0.0.11:80", AfterMS: 1, DurationMS: 3, Status: 200, GRPCStatus: &unavailable},
			},
		},
		{
			Time: at, Protocol: "tcp", Flag: "SI", DurationMS: 60000, RemoteIP: "192.0.2.9", Listener: "db",
			Cluster: "db", Revision: "1a2b",
			Attempts: []telemetry.FailedAttempt{{Upstream: "10.0.0.3:5432", AfterMS: 1, DurationMS: 59999, Flag: "SI"}},
		},
	}
}

func TestFailures(t *testing.T) {
	address := broken(t, 7, failures()...)
	got := do(t, Process{}, "failures", "--admin-listen", address)
	want := `2026-11-29T09:21:02.652Z  502 UF  GET shop.example.com/orders/7, 19.1 ms
    10.0.0.9:80, begun after 0.5 ms, took 1.0 ms: 503
    10.0.0.10:80, begun after 18.0 ms, took 1.1 ms: UF: connect: connection refused
    route orders, id id-1
2026-11-29T09:21:02.652Z  200 grpc-status 14 UH slow  POST api/pay.Pay/Now, 1200.0 ms
    10.0.0.11:80, begun after 1.0 ms, took 3.0 ms: 200 grpc-status 14
    no healthy upstream
    route pay, id id-2
2026-11-29T09:21:02.652Z  SI  tcp on listener db, 60000.0 ms
    10.0.0.3:5432, begun after 1.0 ms, took 59999.0 ms: SI
7 more came too fast to be kept
`
	if got.code != 0 || got.stdout != want {
		t.Errorf("failures: %+v\nwant %s", got, want)
	}
	got = do(t, Process{}, "failures", "--json", "--admin-listen", address)
	if got.code != 0 || !strings.Contains(got.stdout, `"left_out": 7`) {
		t.Errorf("failures --json: %+v", got)
	}
	got = do(t, Process{}, "failures", "--admin-listen", broken(t, 0))
	if got.code != 0 || got.stdout != "nothing has failed\n" {
		t.Errorf("failures of a gateway without: %+v", got)
	}
}

func TestExplainByID(t *testing.T) {
	address := broken(t, 7, failures()...)
	got := do(t, Process{}, "explain", "--id", "id-1", "--admin-listen", address)
	want := `request    GET shop.example.com/orders/7
response   502 UF
reason     connect: connection refused
time       2026-11-29T09:21:02.652Z, took 19.1 ms
client     192.0.2.7 on listener web
route      orders
cluster    orders-v1
revision   1a2b
attempt 1  10.0.0.9:80, begun after 0.5 ms, took 1.0 ms: 503
attempt 2  10.0.0.10:80, begun after 18.0 ms, took 1.1 ms: UF: connect: connection refused
id         id-1
trace      0af7
`
	if got.code != 0 || got.stdout != want {
		t.Errorf("explain --id: %+v\nwant %s", got, want)
	}
	got = do(t, Process{}, "explain", "--id", "id-9", "--admin-listen", address)
	wantErr := "gateway: request id-9: is not among the last that failed or were slow (7 came too fast to be kept)\n"
	if got.code != 1 || got.stdout != "" || got.stderr != wantErr {
		t.Errorf("explain of a request that is not kept: %+v, want code 1, %q", got, wantErr)
	}
}
