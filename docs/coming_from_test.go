package docs_test

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fabian4/gateway-homebrew-go/internal/testserver"
)

// movedRequest is one request to a gateway that serves a document in place of tags.
type movedRequest struct {
	request string // METHOD URL, and a field in each further line
	want    string // STATUS, then of a redirect where to, of the app its ID, method, path and host
	has     string // lines of the response's head or of what the app got, separated by |
	hasNot  string // beginnings of such lines, separated by |
}

// moved are the requests for each set of tags of the page.
var moved = map[string][]movedRequest{
	"fabio-strip": {
		{request: "GET http://a.test/orders/7?x=1", want: "200 orders GET /7?x=1 a.test"},
		{request: "GET http://a.test/orders", want: "200 orders GET / a.test"},
		{request: "GET http://a.test/orders7", want: "404"},
	},
	"fabio-prepend": {
		{request: "GET http://orders.example.com/7?x=1", want: "200 orders GET /v1/7?x=1 orders.example.com"},
		{request: "GET http://a.test/old/orders/7", want: "200 orders GET /v0/orders/7 a.test"},
	},
	"fabio-redirect": {
		{request: "GET http://shop.example.com:80/cart?x=1", want: "301 https://shop.example.com/cart?x=1"},
		{
			request: "GET http://shop.example.com:80//other.example.com",
			want:    "301 https://shop.example.com//other.example.com",
		},
		{request: "GET https://shop.example.com:443/cart", want: "200 shop GET /cart shop.example.com:443"},
	},
	"fabio-tls": {
		{request: "GET http://a.test/orders/7", want: "200 orders GET /orders/7 a.test", has: `TLS: name ""`},
	},
	"fabio-host": {
		{request: "GET http://a.test/legacy", want: "200 legacy GET /legacy legacy.internal"},
		{request: "GET http://a.test/plain", want: "200 legacy GET /plain APP"},
	},
	"fabio-access": {
		{request: "GET http://a.test/admin", want: "200 admin GET /admin a.test"},
		{request: "GET http://a.test/public", want: "403"},
		{request: "GET http://a.test/public\nX-Forwarded-For: 192.0.2.1", want: "403"},
	},
	"fabio-auth": {
		{
			request: "GET http://a.test/shop",
			want:    "401", has: `Www-Authenticate: Basic realm="staff", charset="UTF-8"`,
		},
		{
			request: "GET http://ann:secret@a.test/shop",
			want:    "200 shop GET /shop a.test", has: "Authorization: Basic YW5uOnNlY3JldA==",
		},
		{request: "GET http://ann:guess@a.test/shop", want: "401"},
	},
	"traefik-strip": {
		{request: "GET http://a.test/orders/7?x=1", want: "200 orders GET /7?x=1 a.test", has: "X-Prefix: /orders"},
	},
	"traefik-prepend": {
		{request: "GET http://orders.example.com/", want: "200 orders GET /v1/ orders.example.com"},
		{request: "GET http://orders.example.com/7?x=1", want: "200 orders GET /v1/7?x=1 orders.example.com"},
	},
	"traefik-redirect": {
		{request: "POST http://shop.example.com:80/cart?x=1", want: "308 https://shop.example.com/cart?x=1"},
		{request: "GET https://shop.example.com:443/cart", want: "200 shop GET /cart shop.example.com:443"},
	},
	"traefik-canary": {
		{request: "GET http://shop.example.com/\nX-Canary: 1", want: "200 shop-2 GET / shop.example.com"},
	},
	"traefik-tls": {
		{
			request: "GET http://a.test/orders/7",
			want:    "200 orders GET /orders/7 a.test", has: `TLS: name "orders.internal"`,
		},
	},
	"traefik-headers": {
		{request: "GET http://a.test/shop\nCookie: a=b\nX-Script-Name: other", want: "200 shop GET /shop a.test",
			has:    "X-Script-Name: shop|X-Served-By: gateway|Strict-Transport-Security: max-age=63072000",
			hasNot: "Cookie:|Server:|X-Script-Name: other"},
	},
	"traefik-auth": {
		{request: "GET http://a.test/shop", want: "401"},
		{request: "GET http://ann:secret@a.test/shop", want: "200 shop GET /shop a.test", hasNot: "Authorization:"},
	},
}

// movedBesides are what single requests cannot show.
var movedBesides = map[string]func(t *testing.T, g *movedGateway){
	"fabio-canary": func(t *testing.T, g *movedGateway) { g.shares(t, "http://a.test/shop", "shop-2", 0.1, 0.35) },
	"fabio-tcp": func(t *testing.T, g *movedGateway) {
		c, err := net.Dial("tcp", g.listeners[":3306"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(c, "hello\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		host, port, _ := net.SplitHostPort(c.LocalAddr().String())
		if want := "PROXY TCP4 " + host + " "; err != nil || !strings.HasPrefix(line, want) ||
			!strings.Contains(line, " "+port+" ") || !strings.HasSuffix(line, "hello\n") {
			t.Errorf("the app got %q (%v), want %s and hello", line, err, want)
		}
	},
	"traefik-canary": func(t *testing.T, g *movedGateway) {
		g.shares(t, "http://shop.example.com/", "shop-2", 0.01, 0.15)
		g.stays(t, "http://shop.example.com/", "canary", "; Path=/; HttpOnly; SameSite=Lax")
	},
	"traefik-sticky": func(t *testing.T, g *movedGateway) {
		g.shares(t, "http://a.test/shop", "shop-2", 0.3, 0.7)
		g.stays(t, "http://a.test/shop", "shop", "; Path=/; Secure; HttpOnly; SameSite=Lax")
	},
}

// TestComingFrom registers the services of each set of tags in a real Consul, with these tags. It sends requests to a
// gateway that serves the document beside them.
func TestComingFrom(t *testing.T) {
	p := pages(t)["coming-from.md"]
	gateway := gatewayProgram(t)
	consul := testserver.Consul(t)
	var names []string
	for _, b := range p.blocks {
		if b.kind != "tags" {
			continue
		}
		names = append(names, b.file)
		i := slices.IndexFunc(p.blocks, func(d block) bool { return d.kind == "document" && d.file == b.file+".yaml" })
		if i < 0 {
			t.Errorf("%s:%d: tags without a document %s.yaml", p.name, p.line(b.start), b.file)
			continue
		}
		t.Run(b.file, func(t *testing.T) {
			if moved[b.file] == nil && movedBesides[b.file] == nil {
				t.Fatal("nothing is tried")
			}
			g := startMoved(t, gateway, consul, p, b, p.blocks[i])
			for _, r := range moved[b.file] {
				g.try(t, r)
			}
			if f := movedBesides[b.file]; f != nil {
				f(t, g)
			}
		})
	}
	for _, of := range []string{"fabio-", "traefik-"} {
		n := 0
		for _, name := range names {
			if strings.HasPrefix(name, of) {
				n++
			}
		}
		if n < 8 {
			t.Errorf("%d sets of tags of %s, want at least 8", n, of)
		}
	}
	for name := range moved {
		if !slices.Contains(names, name) {
			t.Errorf("the page has no tags %s", name)
		}
	}
}
