package sidecar_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// own is a service as its agent has it.
type own struct {
	Service, Address string
	Port             int
	Tags             []string
	Meta             map[string]string
}

// services are those that an agent has, by id.
func services(t *testing.T, consul *testserver.ConsulServer) (all map[string]own) {
	t.Helper()
	if err := json.Unmarshal(consul.Call(http.MethodGet, "/v1/agent/services", nil), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// agentCheck is a check as its agent has it.
type agentCheck struct{ Status, Output, Notes string }

// checked is a check of the agent; the zero value: it has none of this id.
func checked(t *testing.T, consul *testserver.ConsulServer, id string) agentCheck {
	t.Helper()
	var all map[string]agentCheck
	if err := json.Unmarshal(consul.Call(http.MethodGet, "/v1/agent/checks", nil), &all); err != nil {
		t.Fatal(err)
	}
	return all[id]
}

const maintenance = "_service_maintenance:"

func waitPassing(t *testing.T, consul *testserver.ConsulServer, id string) {
	t.Helper()
	testserver.WaitFor(t, longestWait, id+" to pass", func() bool {
		return checked(t, consul, "service:"+id).Status == "passing"
	})
}

// The gateway is in the catalog while it is ready, in maintenance while it drains, and then not any more.
func TestRegistration(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	consul.Register(testserver.Service{Name: "other", Port: 1})
	environ := env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_SERVICE": "web", "GATEWAY_INSTANCE": "one",
		"GATEWAY_REGISTER": "true", "GATEWAY_REGISTER_TAGS": "v2, eu", "GATEWAY_REGISTER_META": "version=2; zone=eu-1",
		"GATEWAY_DRAIN_DELAY": "3s",
	}
	g := up(t, environ)
	testserver.WaitFor(t, longestWait, "a check that says why it is not ready", func() bool {
		c := checked(t, consul, "service:web-one")
		return c.Status == "critical" && strings.Contains(c.Output, "no routes: the bootstrap has none")
	})
	consul.KVPut("gateway/web/config", one(app(t, "app")))
	waitPassing(t, consul, "web-one")
	s := services(t, consul)["web-one"]
	if s.Service != "web" || s.Address != "127.0.0.1" || s.Port != port(t, strings.TrimPrefix(g.url, "http://")) ||
		strings.Join(s.Tags, " ") != "v2 eu" || s.Meta["version"] != "2" || s.Meta["zone"] != "eu-1" {
		t.Errorf("registered %+v", s)
	}

	// A revision whose first listener is another.
	address := testserver.Addr(t)
	consul.KVPut("gateway/web/config", "listeners: [{name: first, address: '"+address+"'}]\n"+one(app(t, "app")))
	testserver.WaitFor(t, longestWait, "the other port", func() bool {
		return services(t, consul)["web-one"].Port == port(t, address)
	})
	waitPassing(t, consul, "web-one")

	g.signal(syscall.SIGTERM)
	testserver.WaitFor(t, longestWait, "the maintenance", func() bool {
		return checked(t, consul, maintenance+"web-one").Notes == "the gateway drains"
	})
	if g.ended() {
		t.Error("there was no time to notice")
	}
	if code := g.exit(longestWait); code != 0 {
		t.Errorf("ended with code %d", code)
	}
	if all := services(t, consul); len(all) != 1 || all["other"].Service == "" {
		t.Errorf("at the end there are %+v", all)
	}
}

// An agent that has lost the service gets it again; so does one that a person has taken it from.
func TestRegistrationAfterALoss(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	g := serve(t, env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_APP": app(t, "app"), "GATEWAY_INSTANCE": "one",
		"GATEWAY_REGISTER": "true",
	})
	waitPassing(t, consul, "app-one")
	consul.Deregister("app-one")
	waitPassing(t, consul, "app-one")
	consul.Stop()
	consul.Wipe()
	consul.Start()
	waitPassing(t, consul, "app-one")
	g.waitLogged("the agent has lost the service, it gets it again")
}

// A right that is missing is told once, by its name.
func TestRegistrationWithoutTheRight(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	const reads = `key_prefix "gateway/" { policy = "read" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
`
	token := consul.NewToken(reads)
	g := serve(t, env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "CONSUL_HTTP_TOKEN": token.Secret, "GATEWAY_APP": app(t, "app"),
		"GATEWAY_SERVICE": "web", "GATEWAY_INSTANCE": "one", "GATEWAY_REGISTER": "true",
	})
	const message = "service is not registered as it should be"
	line := g.waitLogged(message)
	if why, _ := line["error"].(string); !strings.Contains(why, `the token needs service "web" { policy = "write" }`) {
		t.Errorf("logged %v", line)
	}
	g.wait("more tries", func(s status) bool {
		last := s.Discovery[len(s.Discovery)-1]
		return last.Name == "registration of web-one" && last.Failing > 1 && last.Class == "acl"
	})
	if n := len(g.logged(message)); n != 1 {
		t.Errorf("told %d times", n)
	}
	consul.SetRules(token, reads+`service "web" { policy = "write" }`)
	waitPassing(t, consul, "web-one")
	g.wait("no error any more", func(s status) bool { return s.Discovery[len(s.Discovery)-1].Error == "" })
}

// What somebody else has registered is left alone, and so is a maintenance of somebody else. What is left of a process
// that was killed is taken up.
func TestRegistrationOfOthers(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "GATEWAY_APP": app(t, "app"), "GATEWAY_INSTANCE": "one",
		"GATEWAY_REGISTER": "true", "GATEWAY_DRAIN_DELAY": "20s",
	}
	consul.Register(testserver.Service{Name: "app", ID: "app-one", Port: 4711})
	g := serve(t, environ)
	line := g.waitLogged("service is not registered as it should be")
	why, _ := line["error"].(string)
	if !strings.Contains(why, "something else has registered a service with this id") {
		t.Errorf("logged %v", line)
	}
	consul.Deregister("app-one")
	waitPassing(t, consul, "app-one")

	g.signal(syscall.SIGTERM)
	testserver.WaitFor(t, longestWait, "the maintenance", func() bool {
		return checked(t, consul, maintenance+"app-one").Status == "critical"
	})
	g.signal(syscall.SIGKILL)
	<-g.exited
	g = serve(t, environ)
	testserver.WaitFor(t, longestWait, "the end of the maintenance", func() bool {
		return checked(t, consul, maintenance+"app-one") == agentCheck{}
	})
	waitPassing(t, consul, "app-one")

	consul.Maintenance("app-one", true) // a person's
	g.signal(syscall.SIGKILL)
	<-g.exited
	environ["GATEWAY_DRAIN_DELAY"] = "0s"
	g = serve(t, environ)
	g.waitLogged("service registered")
	waitPassing(t, consul, "app-one")
	if checked(t, consul, maintenance+"app-one").Status != "critical" {
		t.Error("a person's maintenance is ended")
	}

	consul.Deregister("app-one")
	consul.Register(testserver.Service{Name: "app", ID: "app-one", Port: 4711}) // in place of ours
	g.stop()
	if s := services(t, consul)["app-one"]; s.Port != 4711 {
		t.Errorf("at the end there is %+v", s)
	}
}
