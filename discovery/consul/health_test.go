package consul

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// largeService is what Consul says of n instances, with what else it says of each.
func largeService(n int) string {
	const entry = `{"Node":{"ID":"5d2fc7d8-03ca-2a74-bc11-c50b992c6f41","Node":"node-%[1]d","Address":"10.0.0.1",` +
		`"Datacenter":"dc1",` +
		`"TaggedAddresses":{"lan":"10.0.0.1","lan_ipv4":"10.0.0.1","wan":"10.0.0.1","wan_ipv4":"10.0.0.1"},` +
		`"Meta":{"consul-network-segment":"","consul-version":"1.22.2"},"CreateIndex":11,"ModifyIndex":14},` +
		`"Service":{"ID":"api-%[1]d","Service":"api","Tags":["v1","primary"],"Address":"10.0.0.1",` +
		`"TaggedAddresses":{"lan_ipv4":{"Address":"10.0.0.1","Port":80},"wan_ipv4":{"Address":"10.0.0.1","Port":80}},` +
		`"Meta":{"version":"1.2.3"},"Port":%[2]d,"Weights":{"Passing":5,"Warning":2},"EnableTagOverride":false,` +
		`"Proxy":{"Mode":"","MeshGateway":{},"Expose":{}},"Connect":{},"PeerName":"","CreateIndex":21,` +
		`"ModifyIndex":21},` +
		`"Checks":[{"Node":"node-%[1]d","CheckID":"serfHealth","Name":"Serf Health Status","Status":"passing",` +
		`"Notes":"","Output":"Agent alive and reachable","ServiceID":"","ServiceName":"","ServiceTags":[],"Type":"",` +
		`"Definition":{},"CreateIndex":11,"ModifyIndex":11},` +
		`{"Node":"node-%[1]d","CheckID":"service:api-%[1]d","Name":"Service 'api' check","Status":"passing",` +
		`"Notes":"","Output":"HTTP GET http://10.0.0.1/: 200 OK","ServiceID":"api-%[1]d","ServiceName":"api",` +
		`"ServiceTags":["v1","primary"],"Type":"http","Definition":{},"CreateIndex":21,"ModifyIndex":21}]}`
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf(entry, i, i%65535+1)
	}
	return "[" + strings.Join(all, ",") + "]"
}

// BenchmarkHealthAnswer is a change of a service of 5,000 instances, of which one
// record is all that changed.
func BenchmarkHealthAnswer(b *testing.B) {
	text := largeService(5000)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { say(w, "7", text) }))
	defer server.Close()
	c, err := New(Options{Address: server.Listener.Addr().String()})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		a, err := c.health(b.Context(), service{name: "api"}, fetchOptions{})
		e, _ := endpointsOf(Query{Service: "api", Tags: "v1"}, a.value)
		if err != nil || len(e.Instances) != 5000 {
			b.Fatal(err)
		}
	}
}
