package proxy_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Clients get the cookies of sticky and of hash with the attributes that the document has for them.
func TestAttributesOfCookies(t *testing.T) {
	rows := []struct{ keys, want string }{
		{"", "; Path=/; HttpOnly; SameSite=Lax"},
		{", secure: true", "; Path=/; Secure; HttpOnly; SameSite=Lax"},
		{", http_only: false", "; Path=/; SameSite=Lax"},
		{", same_site: strict", "; Path=/; HttpOnly; SameSite=Strict"},
		{", same_site: none, secure: true", "; Path=/; Secure; HttpOnly; SameSite=None"},
		{", ttl: 1m, path: /a, secure: true, http_only: false, same_site: strict",
			"; Path=/a; Max-Age=60; Secure; SameSite=Strict"},
	}
	eachPair(t, func(addr func(string) string, protocol string) string {
		routes, clusters := new(strings.Builder), new(strings.Builder)
		app := addr("app")
		for i, row := range rows {
			fmt.Fprintf(routes, "- {name: r%[1]d, match: {path: /%[1]d}, clusters: [{name: c%[1]d}], "+
				"sticky: {cookie: {name: stays%[1]d%[2]s}}}\n", i, row.keys)
			fmt.Fprintf(clusters, "- {name: c%[1]d, endpoints: [%[2]q], protocol: %[3]s, balance: hash, "+
				"hash: {cookie: {name: user%[1]d%[4]s}}}\n", i, app, protocol, row.keys)
		}
		return "routes:\n" + routes.String() + "clusters:\n" + clusters.String()
	}, func(t *testing.T, g *gateway, c *http.Client) {
		value := regexp.MustCompile(`=[0-9a-f]{16};`)
		for i, row := range rows {
			header, _ := send(t, c, fmt.Sprintf("http://%s/%d", g.addr, i), "")
			var got []string
			for _, made := range header.Values("Set-Cookie") {
				got = append(got, value.ReplaceAllString(made, ";"))
			}
			slices.Sort(got)
			want := []string{fmt.Sprintf("stays%d%s", i, row.want), fmt.Sprintf("user%d%s", i, row.want)}
			if !slices.Equal(got, want) {
				t.Errorf("%q: Set-Cookie = %q, want %q", row.keys, got, want)
			}
		}
	})
}
