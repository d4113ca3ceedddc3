package sidecar

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// shownCluster writes a cluster as GATEWAY_UPSTREAMS would have it.
func shownCluster(c config.Cluster) string {
	var parts []string
	for _, e := range c.Endpoints {
		parts = append(parts, fmt.Sprintf("%s*%d", e.Address, e.Weight))
	}
	if c.Consul.Service != "" {
		s := "consul:" + c.Consul.Service
		if c.Consul.Tags != "" {
			s += "@" + string(c.Consul.Tags)
		}
		parts = append(parts, s)
	}
	return c.Name + "=" + strings.Join(parts, ",")
}

func shownUpstreams(u Upstreams) string {
	var all []string
	for _, c := range u {
		all = append(all, shownCluster(c))
	}
	return strings.Join(all, ";")
}

func shownRoutes(r Routes) string {
	var all []string
	for _, route := range r {
		all = append(all, strings.Join(route.Match.Hosts, "")+route.Match.PathPrefix+"="+route.Clusters[0].Name)
	}
	return strings.Join(all, ";")
}

func shownForwards(f Forwards) string {
	var all []string
	for _, l := range f {
		all = append(all, l.Address+"="+l.Cluster)
	}
	return strings.Join(all, ";")
}

// decodeRow is a text, and what is read from it or what is wrong with it.
type decodeRow struct{ in, want, wrong string }

func checkDecode(t *testing.T, rows []decodeRow, read func(string) (string, error)) {
	t.Helper()
	for _, r := range rows {
		got, err := read(r.in)
		if r.wrong != "" {
			if err == nil || err.Error() != r.wrong {
				t.Errorf("Decode(%q): %v, want %s", r.in, err, r.wrong)
			}
			continue
		}
		if err != nil || got != r.want {
			t.Errorf("Decode(%q) = %q, %v, want %q", r.in, got, err, r.want)
		}
	}
}

func TestUpstreams(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "", want: ""},
		{in: "orders=10.0.0.1:9000*3,10.0.0.2:9000; users=consul:users@v1",
			want: "orders=10.0.0.1:9000*3,10.0.0.2:9000*1;users=consul:users@v1"},
		{in: " a = h:1 , [::1]:2*65535 ;\n", want: "a=h:1*1,[::1]:2*65535"},
		{in: "a=h:1,consul:b", want: "a=h:1*1,consul:b"},
		{in: "a", wrong: `"a": no = (the form is name=host:port)`},
		{in: "=h:1", wrong: `"=h:1": nothing on one side of = (the form is name=host:port)`},
		{in: "a=", wrong: `"a=": nothing on one side of = (the form is name=host:port)`},
		{in: "a b=h:1", wrong: `"a b=h:1": "a b" is not a cluster's name (letters, digits, - _ .)`},
		{in: "a=h:1;;b=h:1", wrong: `"": no = (the form is name=host:port)`},
		{in: "a=h:1; a=h:2", wrong: `"a=h:2": cluster a is there already`},
		{in: "a=h:1,h:1*2", wrong: `"a=h:1,h:1*2": h:1 is there twice (weight it with *N)`},
		{in: "a=h", wrong: `"h": want host:port, such as 127.0.0.1:8080`},
		{in: "a=:1", wrong: `":1": want a host before the port: write 127.0.0.1:1 for this machine`},
		{in: "a=h:http", wrong: `"h:http": want a port from 1 to 65535`},
		{in: "a=h:0", wrong: `"h:0": want a port from 1 to 65535`},
		{in: "a=h:08", wrong: `"h:08": want a port from 1 to 65535`},
		{in: "a=h/x:1", wrong: `"h/x:1": want a host name of letters, digits, - and _ between its dots`},
		{in: "a=::1:1", wrong: `"::1:1": want host:port, an IPv6 address in brackets`},
		{in: "a=h:1*0", wrong: `"h:1*0": "0" is not a weight (1 to 65535)`},
		{in: "a=h:1*65536", wrong: `"h:1*65536": "65536" is not a weight (1 to 65535)`},
		{in: "a=h:1*", wrong: `"h:1*": "" is not a weight (1 to 65535)`},
		{in: "a=h:1,,h:2", wrong: `"": want host:port, such as 127.0.0.1:8080`},
		{in: "a=consul:", wrong: `"consul:": not a service (like consul:users or consul:users@v1)`},
		{in: "a=consul:b@", wrong: `"consul:b@": not a service (like consul:users or consul:users@v1)`},
		{in: "a=consul:b,consul:c", wrong: `"a=consul:b,consul:c": two services of the catalog (one is allowed)`},
	}, func(in string) (string, error) {
		var u Upstreams
		err := u.Decode(in)
		return shownUpstreams(u), err
	})
}

func TestRoutes(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "", want: ""},
		{in: "api.example.com/v1=orders; /=app", want: "api.example.com/v1=orders;/=app"},
		{in: "API.Example.com=orders", want: "api.example.com/=orders"},
		{in: "*.example.com/a/=x", want: "*.example.com/a=x"},
		{in: "/a=b=x", want: "/a=b=x"},
		{in: "/a", wrong: `"/a": no = (the form is host/path=cluster)`},
		{in: "/=a b", wrong: `"/=a b": "a b" is not a cluster's name (letters, digits, - _ .)`},
		{in: "h:80/=x", wrong: `"h:80/=x": want a host without a port (seen "h:80")`},
		{in: "*/=x", wrong: `"*/=x": want a name after the *, leave the host out for any (seen "*")`},
		{in: "*./=x", wrong: `"*./=x": want a host name (seen "*.")`},
		{in: "/a?b=x", wrong: `"/a?b=x": "/a?b" is not a path (no space, ? or #)`},
		{in: "/a b=x", wrong: `"/a b=x": "/a b" is not a path (no space, ? or #)`},
		{in: "/a=x; /a/=y", wrong: `"/a/=y": a route for this is there already`},
	}, func(in string) (string, error) {
		var r Routes
		err := r.Decode(in)
		return shownRoutes(r), err
	})
}

func TestForwards(t *testing.T) {
	checkDecode(t, []decodeRow{
		{in: "", want: ""},
		{in: ":3306=mysql; 127.0.0.1:6379=redis", want: ":3306=mysql;127.0.0.1:6379=redis"},
		{in: "[::]:0=x", want: "[::]:0=x"},
		{in: "3306=mysql", wrong: `"3306=mysql": want host:port: write :3306`},
		{in: ":mysql=mysql", wrong: `":mysql=mysql": want a port from 1 to 65535`},
		{in: ":3306=", wrong: `":3306=": nothing on one side of = (the form is host:port=cluster)`},
		{in: ":3306=a/b", wrong: `":3306=a/b": "a/b" is not a cluster's name (letters, digits, - _ .)`},
		{in: "127.0.0.1:1=a; 127.0.0.2:1=b",
			wrong: `"127.0.0.2:1=b": port 1 is there already (two listeners of one port need names: put them into ` +
				`the document)`},
	}, func(in string) (string, error) {
		var f Forwards
		err := f.Decode(in)
		return shownForwards(f), err
	})
}

func TestForwardsAreNamed(t *testing.T) {
	var f Forwards
	if err := f.Decode("127.0.0.1:3306=mysql"); err != nil {
		t.Fatal(err)
	}
	if got := f[0]; got.Name != "tcp-3306" || got.Protocol != "tcp" {
		t.Errorf("got %+v, want name tcp-3306, protocol tcp", got)
	}
}

// fuzzDecode checks that what is read from any text is written and read as the same.
func fuzzDecode(f *testing.F, seeds []string, read func(string) (string, error)) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		shown, err := read(in)
		if err != nil {
			return
		}
		again, err := read(shown)
		if err != nil || again != shown {
			t.Errorf("%q is read as %q, and that as %q, %v", in, shown, again, err)
		}
	})
}

func FuzzUpstreams(f *testing.F) {
	fuzzDecode(f, []string{"orders=10.0.0.1:9000*3,10.0.0.2:9000; users=consul:users@v1", "a=[::1]:1", "a=;=,*"},
		func(in string) (string, error) {
			var u Upstreams
			err := u.Decode(in)
			return shownUpstreams(u), err
		})
}

func FuzzRoutes(f *testing.F) {
	fuzzDecode(f, []string{"api.example.com/v1=orders; /=app", "*.a/=b", "/a=b=c;"}, func(in string) (string, error) {
		var r Routes
		err := r.Decode(in)
		return shownRoutes(r), err
	})
}

func FuzzForwards(f *testing.F) {
	fuzzDecode(f, []string{":3306=mysql; 127.0.0.1:6379=redis", "[::]:0=a", ":=;"}, func(in string) (string, error) {
		var l Forwards
		err := l.Decode(in)
		return shownForwards(l), err
	})
}

func FuzzPairs(f *testing.F) {
	fuzzDecode(f, []string{"cert.pem:key.pem, b.pem:b.key", ":", "a:b:c"}, readPairs)
}
