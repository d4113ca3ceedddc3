package telemetry

import "testing"

func TestParseMethod(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string
	}{
		{"GET", "GET"}, {"HEAD", "HEAD"}, {"POST", "POST"}, {"PUT", "PUT"}, {"DELETE", "DELETE"},
		{"CONNECT", "CONNECT"}, {"OPTIONS", "OPTIONS"}, {"TRACE", "TRACE"}, {"PATCH", "PATCH"},
		{"get", "_OTHER"}, {"GETS", "_OTHER"}, {"GE", "_OTHER"}, {"", "_OTHER"}, {"PROPFIND", "_OTHER"},
		{"_OTHER", "_OTHER"},
	} {
		if got := ParseMethod([]byte(tt.in)).String(); got != tt.want {
			t.Errorf("ParseMethod(%q) = %s, want %s", tt.in, got, tt.want)
		}
	}
}

func TestParseMethodDoesNotAllocate(t *testing.T) {
	method := []byte("DELETE")
	if n := testing.AllocsPerRun(100, func() { ParseMethod(method) }); n != 0 {
		t.Errorf("ParseMethod allocates %v times, want 0", n)
	}
}

func TestEnumNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{SchemeHTTP.String(), "http"}, {SchemeHTTPS.String(), "https"}, {Scheme(9).String(), "http"},
		{L4.String(), "l4"}, {L7.String(), "l7"},
		{DiscoveryACL.String(), "acl"}, {DiscoveryLimit.String(), "limit"},
		{DiscoveryServer.String(), "server"}, {DiscoveryTransport.String(), "transport"},
		{DiscoveryClass(99).String(), "_OTHER"},
		{Method(99).String(), "_OTHER"},
		{NoFlag.String(), ""}, {NR.String(), "NR"}, {UH.String(), "UH"}, {UO.String(), "UO"}, {UF.String(), "UF"},
		{UC.String(), "UC"}, {UT.String(), "UT"}, {DC.String(), "DC"}, {DPE.String(), "DPE"}, {UPE.String(), "UPE"},
		{RL.String(), "RL"}, {AC.String(), "AC"}, {SI.String(), "SI"}, {DT.String(), "DT"}, {LR.String(), "LR"},
		{Flag(99).String(), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}
