package config

import "testing"

// What is not said of a cookie is not in the effective document. So revisions stay what they were before there were
// keys for it.
func TestCookies(t *testing.T) {
	const (
		rest  = `"ttl":"0s","path":"/"`
		plain = `{"name":"a",` + rest + `}`
	)
	for _, row := range []struct{ written, want string }{
		{`{name: a}`, plain},
		{`{name: a, secure: false}`, plain},
		{`{name: a, http_only: true}`, plain},
		{`{name: a, same_site: lax}`, plain},
		{`{name: a, secure: true}`, `{"name":"a",` + rest + `,"secure":true}`},
		{`{name: a, http_only: false}`, `{"name":"a",` + rest + `,"http_only":false}`},
		{`{name: a, same_site: strict}`, `{"name":"a",` + rest + `,"same_site":"strict"}`},
		{`{name: a, same_site: none, secure: true, http_only: false}`,
			`{"name":"a",` + rest + `,"secure":true,"http_only":false,"same_site":"none"}`},
		{`{name: __Host-a, secure: true}`, `{"name":"__Host-a",` + rest + `,"secure":true}`},
		{`{name: __secure-a, secure: true, path: /a}`,
			`{"name":"__secure-a","ttl":"0s","path":"/a","secure":true}`},
		{`{name: __Host, path: /a}`, `{"name":"__Host","ttl":"0s","path":"/a"}`},
	} {
		for _, doc := range []*Document{
			decode(t, `
routes: [{name: r, clusters: [{name: c}], sticky: {cookie: `+row.written+`}}]
clusters: [{name: c, endpoints: ["a:1"]}]
`, Base{}),
			decode(t, `clusters: [{name: c, endpoints: ["a:1"], balance: hash, hash: {cookie: `+row.written+`}}]`,
				Base{}),
		} {
			var cookie *Cookie
			if len(doc.Routes) > 0 {
				cookie = &doc.Routes[0].Sticky.Cookie
			} else {
				cookie = &doc.Clusters[0].Hash.Cookie
			}
			var e encoder
			if cookieBlock.encode(&e, cookie); string(e.out) != row.want {
				t.Errorf("%s is %s, want %s", row.written, e.out, row.want)
			}
			same(t, doc, Base{})
		}
	}
}
