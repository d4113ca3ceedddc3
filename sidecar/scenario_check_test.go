package sidecar_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fabian4/gateway-homebrew-go/internal/testcert"
	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// check runs gateway check with an environment, and tells what it prints and its exit code. Before it come commands of
// a shell, if any.
func check(t *testing.T, environ env, before ...string) (printed string, code int) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	all := env{
		"PATH": os.Getenv("PATH"), "GATEWAY_LISTEN": testserver.Addr(t), "GATEWAY_ADMIN_LISTEN": testserver.Addr(t),
	}
	maps.Copy(all, environ)
	cmd := exec.Command("sh", "-c", strings.Join(append(before, `exec "$0" check`), "; "), path)
	cmd.Dir = t.TempDir()
	cmd.Env = []string{}
	for name, value := range all {
		if value != unset {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	out, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if long := utf8.RuneCountInString(line) > 81 && strings.Count(strings.TrimSpace(line), " ") > 1; long ||
			strings.Contains(line, "\x1b") {
			t.Errorf("a line is longer than 80, or coloured: %q", line)
		}
	}
	return string(out), code
}

// joined is what was printed without its line breaks, so that a sentence is found however long its paths are.
func joined(printed string) string { return strings.Join(strings.Fields(printed), " ") }

// has holds what was printed to sentences, in any order, and what was not to others.
func has(t *testing.T, printed string, wants []string, never ...string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			t.Log(printed)
		}
	}()
	text := joined(printed)
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("printed no %q", want)
		}
	}
	for _, no := range never {
		if strings.Contains(text, no) {
			t.Errorf("printed %q", no)
		}
	}
}

// Each thing that is wrong around a gateway that was never started is told with what to do.
func TestCheckWithoutConsul(t *testing.T) {
	t.Parallel()
	ca, dir := testcert.NewCA(t, "ca"), t.TempDir()
	leaf := func(name string, from, until time.Time) (cert, key string) {
		return ca.Leaf(t, testcert.Leaf{DNS: []string{name + ".test"}, NotAfter: until,
			Edit: func(c *x509.Certificate) { c.NotBefore = from }}).Write(t, dir, name)
	}
	now := time.Now()
	oldCert, oldKey := leaf("old", now.Add(-48*time.Hour), now.Add(-3*time.Hour))
	newCert, newKey := leaf("new", now.Add(time.Hour), now.Add(30*24*time.Hour))
	soonCert, soonKey := leaf("soon", now.Add(-time.Hour), now.Add(50*time.Hour))
	goodCert, goodKey := leaf("good", now.Add(-time.Hour), now.Add(90*24*time.Hour))
	taken, gone := testserver.Listen(t).Addr().String(), testserver.Addr(t)
	document, users := filepath.Join(dir, "gateway.yaml"), filepath.Join(dir, "users")
	write(t, users, "ann:plain\n")
	otherCert, otherKey := leaf("other", now.Add(-48*time.Hour), now.Add(-5*time.Hour))
	tls := func(certs ...string) string {
		var all []string
		for i := 0; i < len(certs); i += 2 {
			all = append(all, fmt.Sprintf("{cert_file: %q, key_file: %q}", certs[i], certs[i+1]))
		}
		return "tls: {certificates: [" + strings.Join(all, ", ") + "]}"
	}
	write(t, document, fmt.Sprintf(`
listeners:
  - {name: secure, address: %q, %s}
  - {name: broken, address: %q, %s}
routes: [{name: shop, cluster: app, basic_auth: {file: %q}}]
clusters: [{name: app, endpoints: [%q, %q]}]
`, taken, tls(oldCert, oldKey, newCert, newKey, soonCert, soonKey, goodCert, goodKey),
		testserver.Addr(t), tls(goodCert, oldKey), users, taken, gone))
	printed, code := check(t, env{
		"GATEWAY_CONFIG": document, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://" + gone,
		"OTEL_METRIC_EXPORT_INTERVAL": "often", "GATEWAY_ACCESS_LOG": "nowhere/access.log", "GATEWAY_STATE_DIR": dir,
		"CONSUL_CLIENT_CERT": otherCert, "CONSUL_CLIENT_KEY": otherKey,
	}, "ulimit -n 100")
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	has(t, printed, []string{
		"✓ none runs yet: nobody listens at 127.0.0.1:",
		"✓ file " + document + ": revision ",
		"✗ certificate " + oldCert + ": EXPIRED 3 h ago",
		"✗ certificate " + otherCert + ": EXPIRED 5 h ago",
		"✗ certificate " + newCert + ": not valid before " + now.Add(time.Hour).UTC().Format("2006-01-02T15:04"),
		"! certificate " + soonCert + ": expires in 2 days → renew it",
		"✓ certificate " + goodCert + ": its key fits, good until ",
		"✗ listeners[1].tls.certificates[0]: ", "→ put a whole file in its place",
		"✗ routes[0].basic_auth.file: " + users, "→ mend the file",
		"! cluster app: " + gone + ": connect: connection refused → is it started, and is this its port?",
		"✓ 1 of 2 endpoints can be connected to",
		"✗ access log: nowhere: no such file or directory → set GATEWAY_ACCESS_LOG",
		"✗ state directory: " + dir + ": mode is 0755, want 0700",
		"✗ the process may open 100 files: enough for 18 connections → raise the limit",
		"✗ listener secure: listen tcp " + taken + ": bind: address already in use → ss -ltnp",
		"✓ listener broken: ", "✓ admin port: ",
		"! env OTEL_METRIC_EXPORT_INTERVAL: \"often\": not a positive number",
		"✗ metrics: http://" + gone + ": dial tcp " + gone + ": connect: connection refused", "→ is a Collector there?",
		"10 problems, 3 notices, 1 not checked",
	})
}

// All is well before the first start, and while the gateway runs. Its ports are its own then, and what it finds wrong
// with its traffic is told.
func TestCheckBeforeAndAfterTheStart(t *testing.T) {
	t.Parallel()
	collector := testserver.Collector(t)
	listen, admin := testserver.Addr(t), testserver.Addr(t)
	environ := env{
		"GATEWAY_LISTEN": listen, "GATEWAY_ADMIN_LISTEN": admin, "GATEWAY_APP": testserver.Addr(t),
		"OTEL_EXPORTER_OTLP_ENDPOINT": collector.Endpoint(), "OTEL_TRACES_EXPORTER": "otlp",
		"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.EndpointHTTP() + "/v1/traces",
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "GATEWAY_DRAIN_DELAY": "0s",
		"GATEWAY_ACCESS_LOG": filepath.Join(t.TempDir(), "access.log"),
		"GATEWAY_STATE_DIR":  filepath.Join(t.TempDir(), "state"),
	}
	printed, code := check(t, environ)
	if code != 0 {
		t.Errorf("exit code %d before the start, want 0", code)
	}
	has(t, printed, []string{
		"✓ none runs yet: nobody listens at " + admin, "✓ listener default: " + listen + " is free",
		"✓ metrics: " + collector.Endpoint() + " takes them",
		"✓ traces: " + collector.EndpointHTTP() + "/v1/traces takes them",
		"iB free on the disk of " + environ["GATEWAY_ACCESS_LOG"],
		"iB free on the disk of " + environ["GATEWAY_STATE_DIR"],
		"! cluster app: " + environ["GATEWAY_APP"] + ": connect: connection refused",
		"all is well, 1 notice, 1 not checked",
	})
	g := serve(t, environ)
	if printed, code = check(t, environ); code != 0 {
		t.Errorf("exit code %d while it runs, want 0", code)
	}
	has(t, printed, []string{
		"✓ ready, serves revision ", "✓ its settings are those of this environment",
		"✓ listener default: " + listen + " is the running gateway's",
		"✓ admin port: " + admin + " is the running gateway's", "descriptors ✓ ", "all is well",
	})
	for _, row := range []struct {
		change  env
		says    string
		notices string // with that of the app
	}{
		{env{"GATEWAY_READ_TIMEOUT": "5s"}, "! GATEWAY_READ_TIMEOUT: here 5s, in the running gateway 15s", "2 notices"},
		{env{"GATEWAY_APP": unset}, "! GATEWAY_APP: here (none), in the running gateway " + environ["GATEWAY_APP"],
			"1 notice"},
		{env{"OTEL_TRACES_EXPORTER": unset}, "! OTEL_TRACES_EXPORTER: here not set, in the running gateway otlp",
			"2 notices"},
		{env{"OTEL_SERVICE_NAME": "x"},
			"! OTEL_SERVICE_NAME: here x, in the running gateway not set → gateway env --running", "2 notices"},
	} {
		changed := maps.Clone(environ)
		maps.Copy(changed, row.change)
		if printed, code = check(t, changed); code != 0 {
			t.Errorf("exit code %d with other settings, want 0", code)
		}
		has(t, printed, []string{row.says, "all is well, " + row.notices})
	}
	wide := maps.Clone(environ)
	wide["GATEWAY_LISTEN"] = listen[strings.LastIndexByte(listen, ':'):]
	if printed, code = check(t, wide); code != 0 {
		t.Errorf("exit code %d with the same port of all interfaces, want 0", code)
	}
	has(t, printed, []string{
		"listener default: " + wide["GATEWAY_LISTEN"] + " is taken by the running gateway, which listens on " + listen,
	})
	for range 3 {
		_, _, _ = fetch(g.url) // nobody is at the endpoint
	}
	if printed, code = check(t, environ); code != 1 {
		t.Errorf("exit code %d with an app that is away, want 1", code)
	}
	has(t, printed, []string{"✗ cluster app: 3 of 3 attempts failed in the last minute: UF 3"})
	other := maps.Clone(environ)
	other["GATEWAY_SERVICE"] = "other"
	printed, _ = check(t, other)
	has(t, printed, []string{
		"✗ admin port " + admin + ": is of the gateway of service app, not of other",
		"✗ listener default: listen tcp " + listen + ": bind: address already in use",
	})
}

// With --json programs get the same, and the same exit code.
func TestCheckForPrograms(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "check", "--json", "--access-log", "nowhere/access.log")
	cmd.Env = []string{"GATEWAY_LISTEN=" + testserver.Addr(t), "GATEWAY_ADMIN_LISTEN=" + testserver.Addr(t)}
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != 1 {
		t.Errorf("gateway check --json: %v, want exit code 1", err)
	}
	var got struct {
		Problems, Notices int
		NotChecked        int `json:"not_checked"`
		Sections          []struct {
			Name     string
			Findings []struct{ State, Text, Do string }
		}
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if got.Problems != 1 || got.Notices != 0 || got.NotChecked != 1 || len(got.Sections) != 13 {
		t.Errorf("gateway check --json: %+v", got)
	}
	for _, s := range got.Sections {
		if len(s.Findings) == 0 {
			t.Errorf("section %s has no finding", s.Name)
			continue
		}
		if f := s.Findings[0]; s.Name == "files" && (f.State != "wrong" || f.Do == "" ||
			f.Text != "access log: nowhere: no such file or directory") {
			t.Errorf("section %+v", s)
		}
	}
}

// What is wrong with the environment is told first, and alone.
func TestCheckOfSettings(t *testing.T) {
	t.Parallel()
	printed, code := check(t, env{"GATEWAY_LISTEN": "80", "GATEWAY_PRPOF": "true"})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	has(t, printed, []string{
		"settings ✗ env GATEWAY_PRPOF: unknown variable (perhaps GATEWAY_PPROF)",
		`✗ env GATEWAY_LISTEN: "80": want host:port: write :80 → gateway env lists all of them`, "2 problems",
	}, "consul")
}

// allRights is a policy with which nothing is told to be missing.
const allRights = `key_prefix "gateway/app/" { policy = "read" }
key_prefix "gateway/app/ack/" { policy = "write" }
session_prefix "" { policy = "write" }
service_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
service "app" { policy = "write" }`

// The rights of the token are told one by one, by the rule that gives each.
func TestCheckOfTheToken(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	consul.KVPut("gateway/app/config",
		"routes: [{name: shop, cluster: orders}]\nclusters: [{name: orders, consul: {service: orders}}]\n")
	consul.Register(testserver.Service{ID: "orders-1", Name: "orders", Address: "127.0.0.1", Port: 1})
	token := consul.NewToken(allRights)
	environ := env{
		"CONSUL_HTTP_ADDR": consul.Addr(), "CONSUL_HTTP_TOKEN": token.Secret, "GATEWAY_INSTANCE": "one",
		"GATEWAY_REGISTER": "true",
	}
	printed, code := check(t, environ)
	if code != 0 {
		t.Errorf("exit code %d with all rights, want 0", code)
	}
	has(t, printed, []string{
		"✓ " + consul.Addr() + " answers in ", ", its leader is 127.0.0.1:", "✓ its data are at most ",
		"✓ key gateway/app/config: revision ", "✓ orders: 1 healthy instance", "clock ✓ as Consul's", "all is well",
		`token ✓ key_prefix "gateway/app/" { policy = "read" }`, `✓ service "orders" { policy = "read" }`,
		`✓ node_prefix "" { policy = "read" }`, `✓ service "app" { policy = "write" }`,
		`✓ key_prefix "gateway/app/ack/" { policy = "write" }`, `✓ session_prefix "" { policy = "write" }`,
	})
	for _, row := range []struct {
		without  string // the rule
		code     int
		problems []string
	}{
		{`key_prefix "gateway/app/" { policy = "read" }`, 1, []string{
			`✗ lacks key_prefix "gateway/app/" { policy = "read" } → give its policy the rule`,
			`document ✗ read key gateway/app/config: the token needs key_prefix "gateway/app/" { policy = "read" }: ` +
				`status 403`}},
		{`service_prefix "" { policy = "read" }`, 1, []string{`✗ lacks service "orders" { policy = "read" }`,
			`services ✗ orders: filtered by ACLs`}},
		{`node_prefix "" { policy = "read" }`, 1, []string{`! lacks node_prefix "" { policy = "read" }: instances on`,
			`services ✗ orders: filtered by ACLs`,
			`→ the token needs service "orders" { policy = "read" } and node_prefix`}},
		{`service "app" { policy = "write" }`, 1, []string{`✗ lacks service "app" { policy = "write" }`}},
		{`key_prefix "gateway/app/ack/" { policy = "write" }`, 0, []string{
			`! lacks key_prefix "gateway/app/ack/" { policy = "write" }: gateway push --wait`,
			"all is well, 1 notice"}},
		{`session_prefix "" { policy = "write" }`, 0, []string{`! lacks session_prefix "" { policy = "write" }`}},
	} {
		consul.SetRules(token, strings.Replace(allRights, row.without, "", 1))
		printed, code := check(t, environ)
		if code != row.code {
			t.Errorf("without %s: exit code %d, want %d", row.without, code, row.code)
		}
		has(t, printed, row.problems)
	}
	consul.SetRules(token, strings.Replace(allRights, `session_prefix ""`, `session "test"`, 1))
	printed, _ = check(t, environ)
	has(t, printed, []string{`✓ session_prefix "" { policy = "write" }`, "all is well"})
	for value, says := range map[string]string{
		unset:                                  `✗ lacks key_prefix "gateway/app/"`,
		"0a5a2a5e-0000-0000-0000-000000000000": "token ✗ is refused: status 403: ACL not found → set CONSUL_HTTP_TOKEN",
	} {
		bare := maps.Clone(environ)
		bare["CONSUL_HTTP_TOKEN"] = value
		printed, code := check(t, bare)
		if code != 1 {
			t.Errorf("with token %q: exit code %d, want 1", value, code)
		}
		has(t, printed, []string{says}, allRights)
	}
}

// What is wrong in Consul itself: no document, a bad one, services that are not there, and no Consul.
func TestCheckOfConsul(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t)
	environ := env{"CONSUL_HTTP_ADDR": consul.Addr()}
	printed, code := check(t, environ)
	if code != 1 {
		t.Errorf("exit code %d without a document, want 1", code)
	}
	has(t, printed, []string{"✗ key gateway/app/config: there is none → gateway push FILE --service app",
		"token ✓ not needed: ACLs are off"})

	consul.KVPut("gateway/app/config", "routes: [{name: a, cluster: nobody}]\nclusters: [{name: a, endpoint: x}]\n")
	printed, _ = check(t, environ)
	has(t, printed,
		[]string{"✗ key gateway/app/config: 1:29: routes[0].cluster: ", "clusters[0]: key endpoint is not known",
			"→ mend it: gateway validate FILE"})

	consul.Register(testserver.Service{ID: "orders-1", Name: "orders", Address: "127.0.0.1", Port: 1,
		Tags: []string{"v1"}})
	consul.Register(testserver.Service{ID: "sick-1", Name: "sick", Address: "127.0.0.1", Port: 2})
	consul.Critical("sick-1")
	consul.KVPut("gateway/app/config", `
routes: [{name: shop, cluster: a}]
clusters:
  - {name: a, consul: {service: ordres}}
  - {name: b, consul: {service: orders, tag: v2}}
  - {name: c, consul: {service: orders}}
  - {name: d, consul: {service: sick}}
  - {name: e, consul: {service: later}, allow_empty: true}
`)
	printed, code = check(t, environ)
	if code != 1 {
		t.Errorf("exit code %d with a typo in a service, want 1", code)
	}
	has(t, printed, []string{"✗ ordres: not in the catalog (perhaps orders) → register it",
		"✗ orders tag v2: none of its 1 instance has the tag", "✓ orders: 1 healthy instance",
		"✗ sick: none of 1 instance is healthy", "! later: has no instance"})

	consul.Stop()
	printed, code = check(t, environ)
	if code != 1 {
		t.Errorf("exit code %d without Consul, want 1", code)
	}
	has(t, printed, []string{"✗ " + consul.Addr() + ": dial tcp " + consul.Addr() + ": connect: connection refused " +
		"→ is an",
		"- key gateway/app/config: not read", "token - not known", "services - not known", "clock - not compared"})
}

// What is wrong with a variable of Consul is told by its name, with what to do about this one, and without a secret.
func TestCheckOfConsulsVariables(t *testing.T) {
	t.Parallel()
	consul := testserver.Consul(t, testserver.DenyByDefault)
	missing := filepath.Join(t.TempDir(), "missing")
	for _, row := range []struct {
		set  env
		says string
	}{
		{env{"CONSUL_HTTP_TOKEN_FILE": missing}, "✗ env CONSUL_HTTP_TOKEN_FILE: " + missing +
			": no such file or directory → set CONSUL_HTTP_TOKEN or CONSUL_HTTP_TOKEN_FILE to a token of this Consul"},
		{env{"CONSUL_HTTP_TOKEN": "hush\nhush"},
			"✗ env CONSUL_HTTP_TOKEN: not one line of printable characters → set "},
		{env{"CONSUL_HTTP_TOKEN": "hush"}, "Consul does not know the token (CONSUL_HTTP_TOKEN): status 403: " +
			"ACL not found → the section token tells what to do"},
		{env{"CONSUL_HTTP_ADDR": "http://ann:hush@" + consul.Addr()}, "✗ env CONSUL_HTTP_ADDR: " +
			`"http://***@` + consul.Addr() + `": has a user: write the address alone`},
		{env{"CONSUL_CACERT": missing}, "✗ env CONSUL_CACERT: " + missing + ": no such file or directory → mend the"},
	} {
		environ := env{"CONSUL_HTTP_ADDR": consul.Addr()}
		maps.Copy(environ, row.set)
		printed, code := check(t, environ)
		if code != 1 {
			t.Errorf("exit code %d with %v, want 1", code, row.set)
		}
		has(t, printed, []string{row.says}, "hush")
	}
}

// What the environment itself names is mended there, and not in a document.
func TestCheckOfTheBootstrapsOwn(t *testing.T) {
	t.Parallel()
	missing := filepath.Join(t.TempDir(), "missing.pem")
	printed, code := check(t, env{
		"GATEWAY_TLS_CERTS": missing + ":" + missing, "GATEWAY_CONFIG": t.TempDir(),
		"GATEWAY_LISTEN": "no.host.invalid:80",
	})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	has(t, printed, []string{
		missing + ": no such file or directory → put a whole file in its place, or mend the path in " +
			"GATEWAY_TLS_CERTS or GATEWAY_TLS_CLIENT_CA",
		": not a regular file (a folder) → make it a file that the gateway may read",
		"→ no resolver knows the host: mend it, or write :80",
	}, "in the document")
}

// A clock that differs is told by the Date of Consul's responses.
func TestCheckOfTheClock(t *testing.T) {
	t.Parallel()
	late := backend(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(-90*time.Second).UTC().Format(http.TimeFormat))
		w.Header().Set("X-Consul-Index", "1")
		w.Header().Set("X-Consul-LastContact", "12000")
		_, _ = w.Write([]byte(`"127.0.0.1:8300"`))
	}))
	printed, code := check(t, env{"CONSUL_HTTP_ADDR": late})
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	has(t, printed, []string{"clock ✗ it differs from Consul's by 1m30s", "✗ its data are 12s old"})
}

// What a start would not like about the state that is kept is told before it.
func TestCheckOfTheState(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	environ := env{
		"GATEWAY_STATE_DIR": dir, "GATEWAY_APP": testserver.Addr(t), "GATEWAY_ADMIN_LISTEN": testserver.Addr(t),
		"GATEWAY_LISTEN": testserver.Addr(t), "GATEWAY_DRAIN_DELAY": "0s",
	}
	if printed, code := check(t, environ); code != 0 {
		t.Errorf("exit code %d without a directory, want 0: %s", code, printed)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the check has made the directory: %v", err)
	}
	g := serve(t, environ)
	if printed, code := check(t, environ); code != 0 {
		t.Errorf("exit code %d while it runs, want 0: %s", code, printed)
	}
	g.stop()
	if printed, code := check(t, environ); code != 0 {
		t.Errorf("exit code %d after it has run, want 0: %s", code, printed)
	}
	environ["GATEWAY_SERVICE"] = "other"
	printed, code := check(t, environ)
	if code != 1 {
		t.Errorf("exit code %d with the state of another service, want 1", code)
	}
	has(t, printed, []string{"✗ state directory: " + dir + ": last-good.json is not used: it is of service app, ",
		"→ the start goes on without it"})
	delete(environ, "GATEWAY_SERVICE")
	if err := os.Truncate(filepath.Join(dir, "last-good.json"), 20); err != nil {
		t.Fatal(err)
	}
	if printed, code = check(t, environ); code != 1 {
		t.Errorf("exit code %d with a broken file, want 1", code)
	}
	has(t, printed, []string{
		"✗ state directory: " + dir + "/last-good.json: broken: ", "or let the gateway write it anew",
	})
}
