package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// bad has each document of testdata that must be refused, with all that is wrong with it. A line that begins with four
// spaces goes on with the one before it.
var bad = []struct{ file, want string }{
	{"access-log-empty.bad.yaml", `
1:22: access_log.fields: want at least one field, leave fields out for all (seen an empty list)
`},
	{"access-log.bad.yaml", `
2:12: access_log.enabled: want true or false (seen "yes")
3:13: access_log.sampling: want a number from 0 to 1 (seen 1.5)
4:18: access_log.fields[1]: want one of time, method, path, query, host, protocol, status, duration_ms, upstream_ms,
    remote_ip, user_agent, referer, listener, route, cluster, upstream, attempts, bytes_read, bytes_written, flag,
    request_id, trace_id, revision, tls_version, client_identity, grpc_status, reason, sampled, span_id (seen "tmie")
5:9: access_log.slow: want a duration with its unit, such as 1s or 1ms (seen 1)
`},
	{"access.bad.yaml", `
2:42: listeners[0].allow: only protocol tcp and tls have allow: for http write it in routes
2:73: listeners[0].deny: only protocol tcp and tls have deny: for http write it in routes
3:82: listeners[1].allow.identities: protocol tls passes TLS on undecrypted, so no client shows a certificate (protocol
    tcp decrypts)
4:80: listeners[2].deny.identities: no client is asked for a certificate: the listener needs tls with client_ca_file
5:134: listeners[3].allow.identities: no client is asked for a certificate: the listener needs tls with client_ca_file
7:53: routes[0].allow: want sources, identities or both (seen an empty mapping)
8:53: routes[1].allow: want a mapping such as {sources: [10.0.0.0/8]} (seen a list)
9:63: routes[2].allow.sources: want at least one network, leave sources out for any (seen an empty list)
9:79: routes[2].allow.identities: want at least one name, leave identities out for any (seen an empty list)
10:54: routes[3].allow: key source is not known, did you mean sources?
11:63: routes[4].deny.sources[0]: want a network without bits behind its length, such as 10.0.0.0/8 (seen "10.0.0.1/8")
11:75: routes[4].deny.sources[1]: want an IPv4 network, such as 10.0.0.0/8 (seen "::ffff:10.1.2.3/104")
11:98: routes[4].deny.sources[2]: want an IPv4 network, such as 10.1.2.3/32 (seen "::ffff:10.1.2.3")
11:141: routes[4].deny.sources[5]: want a network such as 10.0.0.0/8 (seen "localhost")
12:66: routes[5].deny.identities[0]: want a name such as spiffe://example.org/ns/default/dc/dc1/svc/web (seen "")
12:70: routes[5].deny.identities[1]: want a URI such as spiffe://example.org/web (seen "spiffe://")
12:83: routes[5].deny.identities[2]: want a path behind the trust domain, such as spiffe://td/ns/default/dc/dc1/svc/web;
    a star stands for any segment (seen "spiffe://td")
12:98: routes[5].deny.identities[3]: the path of a SPIFFE ID has no empty segment and no dots alone (seen
    "spiffe://td/")
12:114: routes[5].deny.identities[4]: the path of a SPIFFE ID has no empty segment and no dots alone (seen
    "spiffe://td/a//b")
13:66: routes[6].deny.identities[0]: the trust domain of a SPIFFE ID has neither a port nor a user (seen
    "spiffe://td:8/a")
13:85: routes[6].deny.identities[1]: a SPIFFE ID has neither a query nor a fragment nor anything encoded (seen
    "spiffe://td/a?b")
13:104: routes[6].deny.identities[2]: a star stands for one whole segment of a URI's path, such as
    spiffe://example.org/ns/default/dc/*/svc/web (seen "spiffe://*/a")
13:120: routes[6].deny.identities[3]: a star stands for one whole segment of a URI's path, such as
    spiffe://example.org/ns/default/dc/*/svc/web (seen "spiffe://td/a*")
13:138: routes[6].deny.identities[4]: a star stands for one whole segment of a URI's path, such as
    spiffe://example.org/ns/default/dc/*/svc/web (seen "*.b.c")
14:66: routes[7].deny.identities[0]: the subject of a certificate is not looked at: want a name of its subjectAltName,
    such as spiffe://example.org/web or web.example.org (seen "CN=web,O=x")
14:80: routes[7].deny.identities[1]: want a URI such as spiffe://example.org/web, or a DNS name such as web.example.org
    (seen "web/x")
14:87: routes[7].deny.identities[2]: want a name of ASCII without spaces: write other bytes of a URI as %XX (seen "a b")
14:94: routes[7].deny.identities[3]: want an e-mail address such as ann@example.org (seen "ann@")
14:102: routes[7].deny.identities[4]: want an address without a zone (seen "fe80::1%eth0")
14:118: routes[7].deny.identities[5]: want a URI such as spiffe://example.org/web (seen "://x")
15:72: routes[8].allow.identities[1]: a.b is there twice
15:96: routes[8].allow.identities[3]: spiffe://td/a/* is there twice
`},
	{"addresses.bad.yaml", `
2:24: listeners[0].address: want host:port: write :8080 (seen "8080")
3:24: listeners[1].address: want a port from 1 to 65535 (seen ":http")
4:24: listeners[2].address: want a port from 1 to 65535 (seen ":65536")
5:24: listeners[3].address: want host:port, an IPv6 address in brackets (seen "::1:80")
6:24: listeners[4].address: want host:port, an IPv6 address in brackets (seen "[::1]")
7:24: listeners[5].address: want a port from 1 to 65535 (seen ":080")
8:5: listeners[6]: address is missing
9:24: listeners[7].address: want text, which needs quotes here (seen 8080)
11:27: clusters[0].endpoints[0]: want a host before the port: write 127.0.0.1:80 for this machine (seen ":80")
11:34: clusters[0].endpoints[1]: want a port from 1 to 65535 (seen "a:0")
11:41: clusters[0].endpoints[2]: want host:port, such as 127.0.0.1:8080 (seen "a")
11:46: clusters[0].endpoints[3]: want an IPv6 address inside the brackets (seen "[a]:80")
11:56: clusters[0].endpoints[4]: want an IPv6 address inside the brackets (seen "[10.0.0.1]:80")
11:73: clusters[0].endpoints[5]: want an address of four numbers without leading zeros, or a name that does not end in a
    number (seen "10.0.0.01:80")
11:89: clusters[0].endpoints[6]: want a host name of letters, digits, - and _ between its dots (seen "a b:80")
11:99: clusters[0].endpoints[7]: want host:port, such as 127.0.0.1:8080 (seen "")
11:103: clusters[0].endpoints[8]: want a port from 1 to 65535 (seen "a:+80")
11:112: clusters[0].endpoints[9]: want host:port, without http:// (seen "http://a:80")
`},
	{"aliases.bad.yaml", `
2:5: document: anchors are not read, write the value out where it is needed (&base)
3:5: document: aliases are not read, write the value out (*base)
4:6: document: merge keys are not read, write the keys out (<<)
5:12: document: tags are not read (!!str)
5:32: document: tags are not read (!special)
`},
	{"apply.bad.yaml", `
2:13: apply.max_lost: want a percentage from 0% to 100% (seen 1)
3:3: apply: key most is not known (known: max_lost)
`},
	{"bad.bad.json", `
3:28: routes[0].cluster: cluster b is not defined (there is none)
3:58: routes[0].timeouts.upstream: want a duration with its unit, such as 5s or 5ms (seen 5)
`},
	{"basic-auth.bad.yaml", `
2:58: routes[0].basic_auth: file is missing (such as users.htpasswd)
3:58: routes[1].basic_auth: want a mapping such as {file: users.htpasswd} (seen "users.htpasswd")
4:65: routes[2].basic_auth.file: want a path (seen "")
4:76: routes[2].basic_auth.realm: want a text that browsers show (seen "")
5:75: routes[3].basic_auth.realm: want printable ASCII without " and \ (seen "a \"b\"")
6:75: routes[4].basic_auth.realm: want printable ASCII without " and \ (seen "täglich")
7:58: routes[5].basic_auth: file is missing (such as users.htpasswd)
7:59: routes[5].basic_auth: key users is not known, did you mean file?
`},
	{"braces.bad.json", `
1:1: document: is empty
`},
	{"cluster-tls.bad.yaml", `
2:40: clusters[0].tls: key_file is missing (mode is mtls)
3:47: clusters[1].tls.mode: mode tls shows no certificate: say mode: mtls, or leave out cert_file and key_file
4:47: clusters[2].tls.mode: mode none uses no other key of tls
5:64: clusters[3].tls.cert_file: cert_file is missing (mode is mtls)
6:79: clusters[4].tls.peer_uri: insecure_skip_verify checks nothing, so no URI either
7:51: clusters[5].tls.peer_uri: want a URI such as spiffe://example.org/api (seen "not-a-uri")
7:75: clusters[5].tls.server_name: want a host without a port (seen "a:1")
8:45: clusters[6].protocol: protocol auto asks by ALPN, so it needs tls (seen no tls)
9:45: clusters[7].protocol: protocol auto asks by ALPN, so it needs tls (seen no tls)
10:47: clusters[8].tls.mode: want one of none, tls, mtls (seen "on")
`},
	{"clusters.bad.yaml", `
2:5: clusters[0]: want endpoints, consul, or both (seen none)
3:5: clusters[1]: want endpoints, consul, or both (seen none)
4:23: clusters[2].consul: service is missing
5:33: clusters[3].consul.service: a name is needed (seen "")
6:52: clusters[4].consul.only_passing: want true or false (seen "true")
6:65: clusters[4].consul.tag: want no control bytes (seen "a\tb")
7:5: clusters[5]: name is missing
8:12: clusters[6].name: want a name of letters, digits and . _ - / : @ + ~ (seen "a b")
8:48: clusters[6].balance: want one of wrr, least_request, random, hash (seen "roundrobin"), did you mean wrr?
8:67: clusters[6].panic: want one of when_none_healthy, never (seen "always")
9:12: clusters[7].name: want text, which needs quotes here (seen 1)
9:27: clusters[7].endpoints[0]: address is missing
10:50: clusters[8].slow_start: want a duration with its unit, such as 10s or 10ms (seen 10)
`},
	{"comment.bad.yaml", `
1:1: document: is empty
`},
	{"conditions.bad.yaml", `
2:46: routes[0].match.methods[0]: want a method in upper case: methods differ by case (seen "get")
3:46: routes[1].match.methods[0]: want a method such as GET (seen "GET POST")
4:45: routes[2].match.methods: want at least one method, leave methods out for all (seen an empty list)
5:51: routes[3].match.methods[1]: GET is there twice
6:46: routes[4].match.methods[0]: CONNECT is refused before any route (seen "CONNECT")
7:46: routes[5].match.headers: want the name of a field (seen "x canary")
8:45: routes[6].match.headers: field x-canary is there twice: names do not differ by case
9:56: routes[7].match.headers.x-canary: want text in quotes
10:56: routes[8].match.headers.x-canary: want a value without control bytes
11:56: routes[9].match.headers.x-canary: want a value without space around it: none is left when it arrives
12:46: routes[10].match.headers.host: want match.host for the host
13:46: routes[11].match.headers: want the name of a field, no pseudo-header: match has keys for the host, the path and
    the method (seen ":path")
14:45: routes[12].match.headers: want at least one field, leave headers out for none (seen an empty mapping)
15:61: routes[13].match.headers.authorization: want text (seen a list)
`},
	{"consul.bad.yaml", `
2:50: clusters[0].consul.empty_hold: want a duration such as 5s, 1h30m or 250ms (seen "-1s")
3:50: clusters[1].consul.empty_hold: want a duration with its unit, such as 30s or 30ms (seen 30)
4:50: clusters[2].consul.empty_hold: want a duration such as 5s, 1h30m or 250ms (seen "forever")
5:50: clusters[3].consul.empty_hold: want a duration from 1ms to 8760h (seen "9000h")
6:23: clusters[4].consul: service is missing
7:23: clusters[5].consul: want one of tag and tags (seen both)
8:44: clusters[6].consul.tags: want at least one tag, leave tags out for any (seen an empty list)
9:53: clusters[7].consul.tags[2]: v1 is there twice
10:49: clusters[8].consul.tags[1]: want a tag (seen "")
11:44: clusters[9].consul.tags: want a list: write [v1] (seen "v1")
12:46: clusters[10].consul.filter: want an expression as Consul reads it; at its character 22: no match found, ` +
		`expected: "!=", "==", "contains", "in", "is", "matches", "not" or [ \t\r\n] ` +
		`(seen "Service.Meta.version = \"2\"")
13:46: clusters[11].consul.filter: want an expression as Consul reads it; at its character 10: no match found, ` +
		`expected: [ \t\r\n] (seen "a == b or")
14:46: clusters[12].consul.filter: want an expression, leave filter out for none (seen " ")
15:46: clusters[13].consul.filter: want an expression as Consul reads it; at its character 26: rule "string": ` +
		`Unterminated string literal (seen "Service.Tags contains \"v1")
16:46: clusters[14].consul.filter: want a simpler expression, with fewer parentheses in parentheses: ` +
		`Consul would read it for long (seen "((((((((((a == b))))))))))")
17:46: clusters[15].consul.filter: want no control bytes (seen "a == b\tand c == d")
18:46: clusters[16].consul.filter: want text, which needs quotes here (seen 2)
19:44: clusters[17].consul.port: want the name of a port as instances are registered with it, leave port out for their
    own (seen 8080)
20:44: clusters[18].consul.port: want no control bytes (seen "a\tb")
21:46: clusters[19].consul.prefer: want one of node, zone (seen "rack")
`},
	{"control.bad.yaml", `
2:11: document: not text (a control byte, or not UTF-8)
`},
	{"cookie.bad.yaml", `
2:88: routes[0].sticky.cookie.name: want secure: true: browsers require it with __Host- (seen __Host-a)
3:118: routes[1].sticky.cookie.path: want /: browsers require it with __Host- (seen /b)
4:102: routes[2].sticky.cookie.same_site: want secure: true: browsers require it with same_site: none (seen none)
5:102: routes[3].sticky.cookie.same_site: want one of lax, strict, none (seen "None")
6:99: routes[4].sticky.cookie.secure: want true or false (seen "yes")
6:117: routes[4].sticky.cookie.http_only: want true or false (seen 1)
7:91: routes[5].sticky.cookie: key httpOnly is not known, did you mean http_only?
7:107: routes[5].sticky.cookie: key samesite is not known, did you mean same_site?
10:72: clusters[1].hash.cookie.name: want secure: true: browsers require it with __Secure- (seen __SECURE-g)
10:110: clusters[1].hash.cookie.same_site: want secure: true: browsers require it with same_site: none (seen none)
11:72: clusters[2].hash.cookie.name: want secure: true: browsers require it with __Host- (seen __Host-h)
11:88: clusters[2].hash.cookie.path: want /: browsers require it with __Host- (seen /h)
12:101: clusters[3].hash.cookie.same_site: want secure: true: browsers require it with same_site: none (seen none)
13:90: clusters[4].hash.cookie.secure: want true or false (seen 1)
14:86: clusters[5].hash.cookie.same_site: want one of lax, strict, none (seen true)
`},
	{"dangling-none.bad.yaml", `
1:29: routes[0].cluster: cluster a is not defined (there is none)
1:44: routes[0].listeners[0]: listener web is not defined (there is none)
`},
	{"dangling.bad.yaml", `
3:55: listeners[1].cluster: cluster paymnts is not defined (did you mean payments?)
7:32: listeners[2].sni[0].cluster: cluster nowhere is not defined (known: c1, c2, c3, c4, c5, c6, c7, c8 and 1 more)
9:27: routes[0].listeners[0]: listener wbe is not defined (did you mean web?)
9:42: routes[0].cluster: cluster orders is not defined (known: c1, c2, c3, c4, c5, c6, c7, c8 and 1 more)
10:88: routes[1].clusters[1].name: cluster gone is not defined (known: c1, c2, c3, c4, c5, c6, c7, c8 and 1 more)
`},
	{"deep.bad.yaml", `
1:32: document: nested too deeply (more than 24 levels)
`},
	{"duplicate-addresses.bad.yaml", `
3:24: listeners[1].address: the address 0.0.0.0:8080 is taken (at 2:5)
4:24: listeners[2].address: the address [::]:8080 is taken (at 2:5)
6:24: listeners[4].address: the address [::ffff:127.0.0.1]:8080 is taken (at 5:5)
9:24: clusters[0].endpoints[1]: the address a:1 is there twice
9:78: clusters[0].endpoints[4]: the address [::1]:1 is there twice
`},
	{"duplicate-keys.bad.yaml", `
5:5: clusters[0]: key balance is there twice
8:30: clusters[1].limits: key max_pending is there twice
10:1: document: key timeouts is there twice
`},
	{"duplicate-names.bad.yaml", `
3:12: listeners[1].name: the name web is taken (at 2:5)
6:12: routes[1].name: the name a is taken (at 5:5)
9:12: clusters[1].name: the name a is taken (at 8:5)
`},
	{"duplicate-routes.bad.yaml", `
6:5: routes[1]: another route matches just the same (at 5:5)
8:5: routes[3]: another route matches just the same (at 7:5)
`},
	{"durations.bad.yaml", `
2:9: timeouts.read: want a duration with its unit, such as 5s or 5ms (seen 5)
3:10: timeouts.write: want a duration with its unit, such as 1.5s or 1.5ms (seen 1.5)
4:13: timeouts.upstream: want a duration such as 5s, 1h30m or 250ms (seen "-1s")
5:12: timeouts.connect: want more than 0: it would wait without end (seen "0s")
6:9: timeouts.idle: want a duration such as 5s, 1h30m or 250ms (seen "5 seconds")
7:13: timeouts.tcp_idle: want a duration from 1ms to 8760h (seen "100us")
8:21: timeouts.tcp_max_duration: want a duration from 1ms to 8760h (seen "9000h")
12:31: clusters[0].keepalive.idle_timeout: want a duration such as 5s (seen nothing)
13:37: clusters[0].passive_health.base_ejection: want more than 0: it would wait without end (seen 0)
13:54: clusters[0].passive_health.max_ejection: want a duration such as 5s, 1h30m or 250ms (seen "soon")
16:56: clusters[1].passive_health.max_ejection: want at least base_ejection (seen 30s, base_ejection is 1m0s)
`},
	{"empty.bad.yaml", `
1:1: document: is empty
`},
	{"error-pages-list.bad.yaml", `
1:14: error_pages: want a mapping such as {"404": {body: "no such page"}} (seen a list)
`},
	{"error-pages-none.bad.yaml", `
1:14: error_pages: want at least one page, leave error_pages out for none (seen an empty mapping)
`},
	{"error-pages.bad.yaml", `
2:15: error_pages.404.body: want at least one byte, leave the page out for the gateway's own text (seen "")
3:3: error_pages: 404 is there twice
4:32: error_pages.5xx.content_type: want a media type such as text/html; charset=utf-8 (seen "html")
5:3: error_pages: want a status from 400 to 599, or a class such as 5xx (seen "5XX")
6:3: error_pages: want a status from 400 to 599, or a class such as 5xx (seen 200)
7:3: error_pages: want a status from 400 to 599, or a class such as 5xx (seen 600)
8:3: error_pages: want a status from 400 to 599, or a class such as 5xx (seen "3xx")
9:3: error_pages: want a status from 400 to 599, or a class such as 5xx (seen a list)
10:10: error_pages.410: body is missing
11:10: error_pages.411: want a mapping such as {body: "no such page"} (seen "gone")
12:17: error_pages.412.body: want text, in quotes where it looks like something else (seen 412)
13:20: error_pages.413: key status is not known (known: body, content_type)
`},
	{"external-auth.bad.yaml", `
2:61: routes[0].external_auth: cluster is missing: which one is asked?
3:61: routes[1].external_auth: want a mapping such as {cluster: auth, path: /check} (seen "auth")
4:71: routes[2].external_auth.cluster: cluster none is not defined (known: a, l4)
5:71: routes[3].external_auth.cluster: a route needs a cluster that speaks HTTP (the protocol of l4 is tcp)
6:80: routes[4].external_auth.path: want a path that begins with / (seen "check")
6:96: routes[4].external_auth.timeout: want more than 0: it would wait without end (seen "0s")
6:110: routes[4].external_auth.on_error: want one of deny, allow (seen "open")
7:92: routes[5].external_auth.request_headers[0]: host cannot be sent: the gateway writes it
7:98: routes[5].external_auth.request_headers[1]: te cannot be sent: the gateway writes what belongs to the connection
    and the body
7:102: routes[5].external_auth.request_headers[2]: want the name of a field (seen "a b")
8:93: routes[6].external_auth.response_headers[0]: content-length cannot be taken over: the gateway writes what belongs
    to the connection and the body
8:109: routes[6].external_auth.response_headers[1]: x-forwarded-for cannot be taken over: the gateway tells by it who
    the client is
8:126: routes[6].external_auth.response_headers[2]: forwarded cannot be taken over: the gateway tells by it who the
    client is
8:137: routes[6].external_auth.response_headers[3]: x-real-ip cannot be taken over: the gateway tells by it who the
    client is
9:61: routes[7].external_auth: cluster is missing: which one is asked?
9:62: routes[7].external_auth: key address is not known, did you mean cluster?
`},
	{"failover.bad.yaml", `
2:45: clusters[0].failover: want at least one cluster, leave failover out for none (seen an empty list)
3:46: clusters[1].failover[0]: a cluster cannot stand in for itself (seen b)
4:46: clusters[2].failover[0]: cluster orders-dc3 is not defined (did you mean orders-dc2?)
4:70: clusters[2].failover[2]: orders-dc2 is there twice
5:45: clusters[3].failover: a cluster cannot stand in for itself (seen d -> e -> f -> d)
8:46: clusters[6].failover[0]: g needs a cluster that speaks HTTP (the protocol of mysql is tcp)
8:53: clusters[6].failover[1]: g needs a cluster without proxy_protocol (that of proxied is v1)
9:54: clusters[7].failover: want a list: write [orders] (seen "orders")
10:55: clusters[8].failover[0]: cluster orders-dc3 is not defined (did you mean orders-dc2?)
10:67: clusters[8].failover[1]: want a name of letters, digits and . _ - / : @ + ~ (seen "x y")
11:46: clusters[9].failover[0]: cluster orders-dc3 is not defined (did you mean orders-dc2?)
`},
	{"habits.bad.yaml", `
2:36: routes[0].match: key domains is not known, did you mean hosts?
3:36: routes[1].match: key prefix is not known, did you mean path_prefix?
4:43: routes[2].match.hosts: want a list: write [shop.example.com] (seen "shop.example.com")
5:49: routes[3].match.path_prefix: want a path without {id}, which stands for itself: path_regex:
    "/users/[^/]+/orders(/.*)?" has any segment there (seen "/users/{id}/orders")
6:42: routes[4].match.path: want a path without :id, which stands for itself: path_regex: "/users/[^/]+" has any segment
    there (seen "/users/:id")
7:48: routes[5].match.path_regex: want a pattern for the whole path, which begins with /: this one fits none
8:48: routes[6].match.path_regex: want a pattern for the whole path, which begins with /: this one fits none
9:46: routes[7].match.methods[0]: want one method each: write [GET, HEAD] for GET or HEAD (seen "GET|POST")
10:45: routes[8].match.headers: want a mapping such as {x-canary: "1"} (seen a list)
11:52: routes[9].match.headers.x-a: key exact_match is not known, did you mean exact?
12:46: routes[10].match.headers: want the whole name of a field: a star stands for itself (seen "x-*")
13:43: routes[11].match.query: want a mapping such as {page: "1"} (seen "page=1")
14:42: routes[12].redirect: key code is not known, did you mean status?
15:33: routes[13].redirect.path: want a path that begins with one slash: host: names another host (seen
    "//evil.example.com/")
16:33: routes[14].redirect.path: want a path without variables: only the values of headers have them (seen
    "/$request_uri")
17:44: routes[15].prefix_rewrite: want a path without variables: only the values of headers have them (seen "/${1}")
18:28: routes[16]: key rewrite is not known, did you mean prefix_rewrite?
19:5: routes[17]: want exactly one of cluster, clusters, redirect, respond (seen none)
19:16: routes[17]: key direct_response is not known, did you mean respond?
20:43: routes[18].regex_rewrite: pattern is missing
20:43: routes[18].regex_rewrite: substitution is missing
20:44: routes[18].regex_rewrite: key regex is not known, did you mean pattern?
20:61: routes[18].regex_rewrite: key replacement is not known, did you mean substitution?
21:46: routes[19].request_headers: key append is not known, did you mean add?
22:58: routes[20].request_headers.set.x-ip: variable ${remote_addr} is not known: did you mean ${remote_ip}?
22:85: routes[20].request_headers.set.x-proto: variable ${proto} is not known: did you mean ${scheme}?
23:58: routes[21].request_headers.set.x-ip: want ${name} for a variable: %DOWNSTREAM_REMOTE_ADDRESS% would be sent as it
    is
23:97: routes[21].request_headers.set.x-path: want ${name} for a variable: %REQ(:PATH)% would be sent as it is
24:58: routes[22].request_headers.set.x-ip: want ${name} for a variable: %[src] would be sent as it is
24:76: routes[22].request_headers.set.x-name: want ${name} for a variable: {{ .ClientIP }} would be sent as it is
25:55: routes[23].request_headers.remove[0]: want the whole name of a field: a star stands for itself (seen "x-*")
26:49: routes[24].mirror: key weight is not known, did you mean percent?
27:36: routes[25].allow: key ips is not known, did you mean sources?
28:56: routes[26].external_auth: key failure_mode_allow is not known, did you mean on_error?
28:101: routes[26].external_auth.response_headers[0]: want the whole name of a field: a star stands for itself (seen
    "x-*")
29:25: routes[27].cluster: want consul:SERVICE or consul:SERVICE@TAG (seen "Consul:orders")
30:25: routes[28].cluster: want consul:SERVICE or consul:SERVICE@TAG: several tags are tags of a cluster under clusters
    (seen "consul:orders@v1,v2")
31:25: routes[29].cluster: want consul:SERVICE or consul:SERVICE@TAG (seen "consul://orders")
33:44: clusters[0].balance: want one of wrr, least_request, random, hash (seen "ROUND_ROBIN"), did you mean wrr?
34:44: clusters[1].balance: want one of wrr, least_request, random, hash (seen "ring_hash"), did you mean hash?
34:66: clusters[1].failover[0]: want consul:SERVICE or consul:SERVICE@TAG (seen "consul:")
35:36: clusters[2].consul: key dc is not known, did you mean datacenter?
35:45: clusters[2].consul: key passing is not known, did you mean only_passing?
35:66: clusters[2].consul.port: want the name of a port as instances are registered with it, leave port out for their
    own (seen 8080)
`},
	{"hash.bad.yaml", `
2:44: clusters[0].balance: balance hash needs a key hash that says by what, such as hash: {header: x-user}
3:41: clusters[1].hash: only balance hash has a hash (the balance is wrr)
4:56: clusters[2].hash: want one of header, cookie, query, source_ip (seen none)
5:56: clusters[3].hash: want exactly one of header, cookie, query, source_ip (seen 2 keys)
6:68: clusters[4].hash: want true, or another key than source_ip (seen false)
7:65: clusters[5].hash.header: want the name of a field (seen "x user")
8:65: clusters[6].hash.header: want another field than Host, which every client of a site sends alike (seen "Host")
9:64: clusters[7].hash.query: want the name of a parameter, as URLs have it (seen "a=b")
10:65: clusters[8].hash.cookie: name is missing
10:71: clusters[8].hash.cookie.ttl: want whole seconds (seen "1500ms")
11:72: clusters[9].hash.cookie.name: want the name of a cookie (seen "a;b")
11:85: clusters[9].hash.cookie.path: want a path that begins with /, without space or ; (seen "x; Domain=y")
12:57: clusters[10].hash: key heeder is not known, did you mean header?
13:56: clusters[11].hash: want a mapping such as {header: x-user} (seen "x-user")
14:71: clusters[12].hash: a cluster of protocol tcp knows of its clients their addresses only: write {source_ip: true}
15:44: clusters[13].balance: want one of wrr, least_request, random, hash (seen "hsah")
`},
	{"health-check.bad.yaml", `
2:49: clusters[0].health_check: type is missing (http, tcp or grpc)
3:67: clusters[1].health_check.path: a check of type tcp has no path
3:76: clusters[1].health_check.host: a check of type tcp has no host
4:68: clusters[2].health_check.path: want a path that begins with / (seen "healthz")
4:86: clusters[2].health_check.service: a check of type http has no service
4:99: clusters[2].health_check.statuses: want at least one status, leave statuses out for any 2xx (seen an empty list)
5:85: clusters[3].health_check.timeout: want at most the interval (seen 2s, interval is 1s)
5:108: clusters[3].health_check.healthy_threshold: want a number from 1 to 100 (seen 0)
6:73: clusters[4].health_check.statuses[0]: want a number from 100 to 599 (seen 99)
6:77: clusters[4].health_check.statuses[1]: want a whole number (seen "200")
7:67: clusters[5].health_check: a check of type grpc over tls needs protocol http2 or auto (the protocol is http1)
`},
	{"header-edits.bad.yaml", `
2:65: routes[0].request_headers: want at least one of set, add, remove (seen an empty mapping)
3:65: routes[1].request_headers: want a mapping such as {set: {x-route: "${route}"}} (seen "x-a")
4:71: routes[2].request_headers.set: want at least one field, leave set out for none (seen an empty mapping)
4:80: routes[2].request_headers.add: want at least one field, leave add out for none (seen an empty mapping)
4:92: routes[2].request_headers.remove: want at least one name, leave remove out for none (seen an empty list)
5:72: routes[3].request_headers.set: host cannot be set: write host_rewrite or preserve_host of the route
5:81: routes[3].request_headers.set: want the name of a field, no pseudo-header: a route has keys for the host and the
    path (seen ":path")
5:93: routes[3].request_headers.set: want the name of a field (seen "a b")
5:101: routes[3].request_headers.set: te cannot be set: the gateway writes what belongs to the connection and the body
6:72: routes[4].request_headers.add: x-forwarded-for cannot be added: the gateway tells by it who the client is (remove
    is possible)
6:92: routes[4].request_headers.add: expect cannot be added: the gateway writes what belongs to the connection and the
    body
6:103: routes[4].request_headers.add: proxy-authorization cannot be added: the gateway writes what belongs to the
    connection and the body
7:75: routes[5].request_headers.remove[0]: host cannot be removed: write host_rewrite or preserve_host of the route
7:81: routes[5].request_headers.remove[1]: content-length cannot be removed: the gateway writes what belongs to the
    connection and the body
7:97: routes[5].request_headers.remove[2]: want the name of a field, no pseudo-header: a route has keys for the host
    and the path (seen ":path")
8:73: routes[6].response_headers.set: transfer-encoding cannot be set: the gateway writes what belongs to the connection
    and the body
8:95: routes[6].response_headers.set: host cannot be set: a response has none
8:105: routes[6].response_headers: key replace is not known (known: set, add, remove)
9:77: routes[7].request_headers.set.x-a: variable ${rout} is not known: did you mean ${route}?
9:93: routes[7].request_headers.set.x-b: variable ${what} is not known (known: remote_ip, host, path, method, scheme,
    request_id, trace_id, route, cluster, endpoint, listener, client_identity, tls_version, revision, service, instance)
9:109: routes[7].request_headers.set.x-c: a variable begins with ${ and does not end: want } behind its name
9:125: routes[7].request_headers.set.x-d: want ${name} for a variable, $$ for a dollar
9:134: routes[7].request_headers.set.x-e: want the name of a variable between ${ and }
10:77: routes[8].request_headers.set.x-a: want a value without control bytes
10:97: routes[8].request_headers.set.x-c: want text in quotes
10:105: routes[8].request_headers.set.x-d: want a value without space around it: none is left when it arrives
10:121: routes[8].request_headers.set: field x-e is there twice: names do not differ by case
15:18: routes[9].request_headers.set.x-a: want at most 16 variables in a value
16:80: routes[10].request_headers: a route with redirect sends nothing to a cluster, so it has no request_headers
17:80: routes[11].request_headers.remove[1]: x-a is there twice
19:25: request_headers.set: connection cannot be set: the gateway writes what belongs to the connection and the body
20:29: response_headers.remove[0]: content-length cannot be removed: the gateway writes what belongs to the connection
    and the body
`},
	{"hints.bad.yaml", `
2:43: routes[0].match.host: want one host, write hosts for several (seen a list)
3:45: routes[1].match.hosts[0]: want a host without https:// (seen "https://a.org")
4:24: routes[2].cluster: want one cluster, write clusters for several (seen a list)
5:51: routes[3].redirect.host: want a host without http:// (seen "http://a.org")
6:51: routes[4].redirect.path: want a path that begins with one slash: host: names another host (seen "/\\evil.org")
7:61: routes[5].redirect.prefix_rewrite: want a path that begins with one slash: host: names another host (seen
    "//evil.org")
8:61: routes[6].redirect.prefix_rewrite: want a path that begins with one slash: host: names another host (seen
    "/\\evil.org")
9:73: routes[7].respond.headers.x-ip: want a value without variables: response_headers of the route has them
10:48: routes[8]: key error_pages is not known here: it is one of the whole document
11:77: routes[9].request_headers.set.x-a: want the name of a variable between ${ and }: did you mean ${host}?
11:93: routes[9].request_headers.set.x-b: want the name of a variable between ${ and }
11:122: routes[9].request_headers.set.x-c: want the name of a variable between ${ and }
13:37: clusters[0]: key retries is not known (known: name, endpoints, consul, protocol, balance, hash, panic, tls,
    passive_health, health_check, limits, keepalive, proxy_protocol, slow_start, failover, allow_empty)
13:61: clusters[0]: key routes is not known here: it is one of the whole document
`},
	{"hosts.bad.yaml", `
2:42: routes[0].match.host: want a host without a port (seen "a.example.com:8080")
3:42: routes[1].match.host: want a name after the *, leave the host out for any (seen "*")
4:42: routes[2].match.host: want a host name of letters, digits, - and _ between its dots (seen "*.*.com")
5:42: routes[3].match.host: want a host name of letters, digits, - and _ between its dots (seen "a*.com")
6:42: routes[4].match.host: want a host without a dot at its end (seen "a.com.")
7:42: routes[5].match.host: want a host name of letters, digits, - and _ between its dots (seen "a..com")
8:42: routes[6].match.host: want a host name of letters, digits, - and _ between its dots (seen "bücher.de")
9:42: routes[7].match.host: want an address of four numbers without leading zeros, or a name that does not end in a
    number (seen "10.0.0.010")
10:42: routes[8].match.host: want an IPv6 address inside the brackets, and no port (seen "[10.0.0.1]")
11:42: routes[9].match.host: want a host without http:// (seen "http://a.com")
12:69: routes[10].host_rewrite: want a host name of letters, digits, - and _ between its dots (seen "a b")
13:69: routes[11].host_rewrite: want a port from 1 to 65535 (seen "a:99999")
`},
	{"kinds.bad.yaml", `
1:12: listeners: want a list: begin each entry with - and a space (seen a mapping)
3:5: routes[0]: want a mapping (seen "just text")
3:5: routes[0]: name is missing
4:5: routes[1]: want a mapping (seen a list)
4:5: routes[1]: name is missing
5:11: routes[2].name: want text (seen a list)
6:12: routes[2].match: want a mapping such as {path_prefix: /api} (seen "/")
7:16: routes[2].listeners: want a list: write [web] (seen "web")
8:14: routes[2].cluster: want text (seen a mapping)
10:15: routes[3].clusters: want a list such as [{name: orders, weight: 95}] (seen "a")
11:22: routes[3].match.headers: want a mapping such as {x-canary: "1"} (seen a list)
11:36: routes[3].match.methods: want a list: write [GET] (seen "GET")
12:15: routes[3].timeouts: want a mapping such as {upstream: 5s} (seen "5s")
13:20: routes[3].preserve_host: want true or false (seen "no")
14:14: routes[3].upgrades: want a list (seen nothing)
17:16: clusters[0].endpoints: want a list: write [127.0.0.1:1] (seen "127.0.0.1:1")
18:10: clusters[0].tls: want a mapping such as {mode: tls, ca_file: ca.pem} (seen true)
19:13: clusters[0].consul: want a mapping such as {service: orders} (seen "api")
20:11: timeouts: want a mapping such as {upstream: 5s} (seen a list)
21:13: access_log: want a mapping such as {enabled: false} (seen "off")
`},
	{"l4.bad.yaml", `
2:5: listeners[0]: want a cluster (seen none)
3:5: listeners[1]: want exactly one of cluster and sni (seen none)
4:5: listeners[2]: want exactly one of cluster and sni (seen both)
5:50: listeners[3].sni: only protocol tls has sni (protocol is tcp)
6:39: listeners[4].cluster: only protocol tcp and tls have cluster (protocol is http)
6:56: listeners[4].idle_timeout: only protocol tcp and tls have idle_timeout (protocol is http)
7:62: listeners[5].tls: protocol tls passes TLS on undecrypted, so it has no tls block (protocol tcp decrypts)
8:50: listeners[6].sni: want at least one host (seen an empty list)
9:101: listeners[7].sni[2]: host is missing ("*" is whatever no other names)
9:115: listeners[7].sni[3]: cluster is missing
10:40: listeners[8].protocol: want one of http, tcp, tls (seen "udp")
12:27: routes[0].listeners[0]: listener b has no routes (its protocol is tls)
13:26: routes[1].listeners: want at least one listener, leave listeners out for all (seen an empty list)
14:50: routes[2].cluster: a route needs a cluster that speaks HTTP (the protocol of a is tcp)
15:72: routes[3].clusters[1].name: a route needs a cluster without proxy_protocol: requests of many clients share its
    connections (that of pp is v1)
`},
	{"latin1.bad.yaml", `
2:11: document: not text (a control byte, or not UTF-8)
`},
	{"laughs.bad.yaml", `
1:4: document: anchors are not read, write the value out where it is needed (&a)
2:4: document: anchors are not read, write the value out where it is needed (&b)
3:4: document: anchors are not read, write the value out where it is needed (&c)
`},
	{"listener-tls.bad.yaml", `
2:35: listeners[0].tls: want at least one certificate, such as certificates: [{cert_file: a.pem, key_file: a.key}] (seen
    none)
3:35: listeners[1].tls: want at least one certificate, such as certificates: [{cert_file: a.pem, key_file: a.key}] (seen
    none)
4:51: listeners[2].tls.certificates[0]: key_file is missing
4:100: listeners[2].tls.certificates[1].cert_file: want a path (seen "")
5:94: listeners[3].tls.client_auth: client_ca_file is missing (client_auth is require)
6:94: listeners[4].tls.min_version: want 1.2 or 1.3 (seen "1.1")
6:121: listeners[4].tls.client_cert_header: client_ca_file is missing: no client has a certificate to tell of
7:113: listeners[5].tls.client_auth: want one of none, optional, require (seen "always")
`},
	{"match.bad.yaml", `
2:35: routes[0].match: want one of host and hosts (seen both)
3:43: routes[1].match.hosts: want at least one host, leave hosts out for any (seen an empty list)
4:51: routes[2].match.hosts[1]: a.com is there twice
5:44: routes[3].match.hosts[0]: want a name after the *, leave the host out for any (seen "*")
6:35: routes[4].match: want one of path, path_regex and path_prefix (seen path and path_regex and path_prefix)
7:42: routes[5].match.path: want a path that begins with / (seen "a")
8:42: routes[6].match.path: want a path without the *, which stands for itself: path_prefix: /api matches all below it
    (seen "/api/*")
9:42: routes[7].match.path: want a path without ? and # (seen "/a?b")
10:42: routes[8].match.path: want a path that does not climb above the root (seen "/../a")
11:48: routes[9].match.path_regex: want a pattern, leave path_regex out for any path (seen "")
12:48: routes[10].match.path_regex: want a pattern of RE2 (unexpected ))
13:48: routes[11].match.path_regex: want a simpler pattern: this one has more than 2000 steps
14:48: routes[12].match.path_regex: want a pattern of RE2 (there is no (?=, (?!, (?<= nor (?<!)
15:49: routes[13].match.path_regex: want a pattern of RE2 (there are no \1 nor other letters than those of RE2 behind a
    \)
16:49: routes[14].match.path_regex: want a pattern of RE2 (missing closing ])
17:71: routes[15].prefix_rewrite: only path_prefix and path have a part to replace (the route has path_regex)
18:36: routes[16].match: key path_prefx is not known, did you mean path_prefix?
19:49: routes[17].match.headers.x: want exactly one of exact, prefix, suffix, contains, regex, present (seen none)
19:50: routes[17].match.headers.x: key prefx is not known, did you mean prefix?
20:49: routes[18].match.headers.x: want exactly one of exact, prefix, suffix, contains, regex, present (seen prefix and
    suffix)
21:49: routes[19].match.headers.x: want exactly one of exact, prefix, suffix, contains, regex, present (seen none)
22:58: routes[20].match.headers.x.prefix: want some text: any value has an empty one (for "it is there" write present:
    true)
23:57: routes[21].match.headers.x.regex: want a pattern of RE2 (missing closing ])
24:59: routes[22].match.headers.x.present: want true or false (seen "yes")
25:78: routes[23].match.headers.x.ignore_case: present has no value to compare, so it has no ignore_case
26:57: routes[24].match.headers.x.exact: want a value without space around it: none is left when it arrives
27:46: routes[25].match.headers.host: want match.host for the host
28:43: routes[26].match.query: want at least one parameter, leave query out for none (seen an empty mapping)
29:44: routes[27].match.query: want the name of a parameter (seen "")
30:50: routes[28].match.query.page: want text in quotes
31:69: routes[29].match.query.page.invert: want true or false (seen "no")
32:44: routes[30].match.source: want at least one network, leave source out for any (seen an empty list)
33:45: routes[31].match.source[0]: want a network without bits behind its length, such as 10.0.0.0/8 (seen "10.0.0.1/8")
33:57: routes[31].match.source[1]: want a network such as 10.0.0.0/8 (seen "localhost")
34:55: routes[32].match.source[1]: 10.0.0.1/32 is there twice
36:5: routes[34]: another route matches just the same for y.com (at 35:5)
38:5: routes[36]: another route matches just the same (at 37:5)
40:5: routes[38]: another route matches just the same (at 39:5)
43:48: routes[41].match.path_regex: want a pattern of RE2 ({n,m} repeats 1000 times at most, nested ones multiplied,
    and n is not above m)
44:48: routes[42].match.path_regex: want a pattern of RE2 ({n,m} repeats 1000 times at most, nested ones multiplied,
    and n is not above m)
45:5: routes[43]: want exactly one of cluster, clusters, redirect, respond (seen none)
45:34: routes[43].match: key cluster is not known here: it is one of the route
46:56: routes[44].match.headers: want the name of a field, no pseudo-header: match has keys for the host, the path and
    the method (seen ":method")
`},
	{"mirror.bad.yaml", `
2:54: routes[0].mirror: cluster is missing: which one gets the copies?
3:54: routes[1].mirror: want a mapping such as {cluster: shadow, percent: 10} (seen "a")
4:64: routes[2].mirror.cluster: cluster b is not defined (known: a, tcp)
4:76: routes[2].mirror.percent: want a number from 0 to 100 (seen 101)
5:64: routes[3].mirror.cluster: a route needs a cluster that speaks HTTP (the protocol of tcp is tcp)
5:78: routes[3].mirror.percent: want a number (seen "10")
6:67: routes[4].mirror: key share is not known (known: cluster, percent)
7:66: routes[5].mirror: a route with respond sends nothing to a cluster, so it has no mirror
`},
	{"nothing.bad.yaml", `
1:8: routes: want a list (seen nothing)
2:10: clusters: want a list (seen nothing)
`},
	{"null.bad.json", `
1:1: document: is empty
`},
	{"numbers.bad.yaml", `
3:34: routes[0].clusters[0].weight: want a number from 0 to 65535 (seen 65536)
3:60: routes[0].clusters[1].weight: want a number from 0 to 65535 (seen -1)
3:83: routes[0].clusters[2].weight: want a number from 0 to 65535 (seen 0x10)
3:108: routes[0].clusters[3].weight: want a number from 0 to 65535 (seen 1_000)
3:134: routes[0].clusters[4].weight: want a whole number (seen "5")
4:25: routes[0].retries.attempts: want a number from 1 to 10 (seen 0)
5:24: routes[0].rate_limit.rate: want a number from 0.001 to 1000000 (seen 0)
5:34: routes[0].rate_limit.burst: want a plain decimal number (seen 010)
7:52: clusters[0].endpoints[0].weight: want a whole number (seen 1.5)
8:52: clusters[1].endpoints[0].weight: want a whole number (seen true)
8:98: clusters[1].passive_health.max_ejected_percent: want a number from 0 to 100 (seen 101)
9:52: clusters[2].endpoints[0].weight: want a whole number (seen 99999999999999999999)
9:99: clusters[2].limits.retry_budget: want a number from 0 to 1 (seen 1.1)
10:58: clusters[3].limits.retry_budget: want a number from 0 to 1 (seen .nan)
11:61: clusters[4].limits.max_connections: want a number from 0 to 1000000 (seen -5)
12:24: access_log.sampling: want a number from 0 to 1 (seen -0.1)
`},
	{"passive-health.bad.yaml", `
2:68: clusters[0].passive_health.statuses[1]: 429 is there twice
2:80: clusters[0].passive_health.statuses[3]: 5xx is there twice
3:63: clusters[1].passive_health.statuses[0]: want a status from 400 to 599, or a class such as 5xx (seen 399)
3:68: clusters[1].passive_health.statuses[1]: want a status from 400 to 599, or a class such as 5xx (seen 600)
3:73: clusters[1].passive_health.statuses[2]: want a status from 400 to 599, or a class such as 5xx (seen "4XX")
3:78: clusters[1].passive_health.statuses[3]: want a status from 400 to 599, or a class such as 5xx (seen "3xx")
3:83: clusters[1].passive_health.statuses[4]: want a status from 400 to 599, or a class such as 5xx (seen "yes")
3:88: clusters[1].passive_health.statuses[5]: want a status from 400 to 599, or a class such as 5xx (seen "0429")
3:96: clusters[1].passive_health.statuses[6]: want a status from 400 to 599, or a class such as 5xx (seen a list)
4:62: clusters[2].passive_health.statuses: want a list: write [5xx] (seen "5xx")
5:77: clusters[3].passive_health.statuses: what a cluster of protocol tcp carries has no statuses
`},
	{"paths.bad.yaml", `
2:49: routes[0].match.path_prefix: want a path that begins with / (seen "api")
3:49: routes[1].match.path_prefix: want a path without ? and # (seen "/api?x=1")
4:49: routes[2].match.path_prefix: want a path without ? and # (seen "/api#x")
5:49: routes[3].match.path_prefix: want a path without spaces, control bytes and bytes above ASCII: write them as %XX
    (seen "/a b")
6:49: routes[4].match.path_prefix: want a path without spaces, control bytes and bytes above ASCII: write them as %XX
    (seen "/é")
7:49: routes[5].match.path_prefix: want two hex digits after each % (seen "/%zz")
8:49: routes[6].match.path_prefix: want two hex digits after each % (seen "/%2")
9:49: routes[7].match.path_prefix: want a path that does not climb above the root (seen "/a/../..")
10:49: routes[8].match.path_prefix: want a path that does not climb above the root (seen "/%2e%2E/")
11:49: routes[9].match.path_prefix: want a path that begins with / (seen "")
12:49: routes[10].match.path_prefix: want a path of at most 64 segments (seen
    "/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23...")
13:71: routes[11].prefix_rewrite: want a path that begins with / (seen "v1")
`},
	{"pointer.bad.json", `
1:1: document: is a pointer to a pushed revision, which only a single key in Consul can be: write the document itself
    here
`},
	{"proxy-protocol.bad.yaml", `
2:46: listeners[0].proxy_protocol: want false, or the networks that are trusted, such as {from: [10.0.0.0/8]} (seen
    true)
3:46: listeners[1].proxy_protocol: want the networks that are trusted, such as {from: [10.0.0.0/8]} (seen none)
4:46: listeners[2].proxy_protocol: want the networks that are trusted, such as {from: [10.0.0.0/8]} (seen none)
5:54: listeners[3].proxy_protocol.from[0]: want a network without bits behind its length, such as 10.0.0.0/8 (seen
    "10.0.0.1/8")
5:66: listeners[3].proxy_protocol.from[1]: want a network such as 10.0.0.0/8 (seen "everyone")
5:76: listeners[3].proxy_protocol.from[2]: want a network such as 10.0.0.0/8 (seen 10)
6:46: listeners[4].proxy_protocol: want false, or the networks that are trusted, such as {from: [10.0.0.0/8]} (seen
    "v2")
8:51: clusters[0].proxy_protocol: want one of v1, v2 (seen "v3")
`},
	{"redirect.bad.yaml", `
2:46: routes[0].redirect: want one of scheme, host, port, path, prefix_rewrite, or query: drop: without any it leads to
    itself
3:46: routes[1].redirect: want a mapping such as {scheme: https} (seen "https")
4:46: routes[2].redirect: want one of scheme, host, port, path, prefix_rewrite, or query: drop: without any it leads to
    itself
5:55: routes[3].redirect.scheme: want one of http, https (seen "ftp")
5:66: routes[3].redirect.host: want a host without a port (seen "a:80")
5:80: routes[3].redirect.port: want a number from 1 to 65535 (seen 0)
5:90: routes[3].redirect.query: want one of keep, drop (seen "none")
5:104: routes[3].redirect.status: want one of 301, 302, 303, 307, 308 (seen 300)
6:53: routes[4].redirect.path: want a path that begins with / (seen "new")
7:46: routes[5].redirect: want one of path and prefix_rewrite (seen both)
7:53: routes[5].redirect.path: want a path without ? and # (seen "/a?b")
8:70: routes[6].redirect.status: want one of 301, 302, 303, 307, 308 (seen "301")
9:69: routes[7].redirect.prefix_rewrite: only path_prefix and path have a part to replace (the route has path_regex)
10:5: routes[8]: want exactly one of cluster, clusters, redirect, respond (seen redirect and respond)
11:73: routes[9].upgrades: a route with redirect sends nothing to a cluster, so it has no upgrades
11:92: routes[9].preserve_host: a route with redirect sends nothing to a cluster, so it has no preserve_host
11:112: routes[9].host_rewrite: a route with redirect sends nothing to a cluster, so it has no host_rewrite
`},
	{"regex-rewrite.bad.yaml", `
2:63: routes[0].regex_rewrite: pattern is missing
2:63: routes[0].regex_rewrite: substitution is missing
3:63: routes[1].regex_rewrite: want a mapping such as {pattern: "^/u/([0-9]+)", substitution: "/users/$1"} (seen "/a")
4:73: routes[2].regex_rewrite.pattern: want a pattern, leave regex_rewrite out for none (seen "")
5:73: routes[3].regex_rewrite.pattern: want a pattern of RE2 (missing closing ))
5:93: routes[3].regex_rewrite.substitution: want a part of a path, without ? and # (seen "/a?b")
6:94: routes[4].regex_rewrite.substitution: the pattern has no group $2 (it has 1 group)
7:94: routes[5].regex_rewrite.substitution: want $1 for a group (seen "/\\1")
8:94: routes[6].regex_rewrite.substitution: want ${1} for a group with a digit behind it (seen "/$10")
9:94: routes[7].regex_rewrite.substitution: want $0 to $9 or ${0} to ${9} for a group, $$ for a dollar (seen "/$name")
10:94: routes[8].regex_rewrite.substitution: want $0 to $9 or ${0} to ${9} for a group, $$ for a dollar (seen "/${1")
11:94: routes[9].regex_rewrite.substitution: want a path without spaces, control bytes and bytes above ASCII: write them
    as %XX (seen "/a b")
12:94: routes[10].regex_rewrite.substitution: want a part of a path without . and .. as segments (seen "/../$1")
13:73: routes[11].regex_rewrite.pattern: want at most 9 groups, write (?:...) for one that is not used (seen 10)
14:5: routes[12]: want one of prefix_rewrite and regex_rewrite (seen both)
15:73: routes[13].regex_rewrite: a route with redirect sends nothing to a cluster, so it has no regex_rewrite
`},
	{"respond.bad.yaml", `
2:45: routes[0].respond: status is missing (such as 503)
3:45: routes[1].respond: want a mapping such as {status: 503, body: "back at six"} (seen 503)
4:54: routes[2].respond.status: want a number from 200 to 599 (seen 100)
5:65: routes[3].respond.body: a response with status 204 has no body: leave body out
5:82: routes[3].respond.content_type: a response with status 204 has no body: leave content_type out
6:65: routes[4].respond.body: want text, in quotes where it looks like something else (seen 1)
6:82: routes[4].respond.content_type: want a media type such as text/html; charset=utf-8 (seen "html")
7:5: routes[5]: want exactly one of cluster, clusters, redirect, respond (seen cluster and respond)
8:69: routes[6].retries: a route with respond sends nothing to a cluster, so it has no retries
8:100: routes[6].prefix_rewrite: a route with respond sends nothing to a cluster, so it has no prefix_rewrite
8:114: routes[6].timeouts: a route with respond sends nothing to a cluster, so it has no timeouts
9:68: routes[7].respond.headers: want at least one field, leave headers out for none (seen an empty mapping)
10:69: routes[8].respond.headers: want the name of a field (seen "a b")
10:77: routes[8].respond.headers: want the name of a field (seen ":status")
11:69: routes[9].respond.headers: content-length cannot be set: the gateway writes what belongs to the connection and
    the body
11:90: routes[9].respond.headers: connection cannot be set: the gateway writes what belongs to the connection and the
    body
11:109: routes[9].respond.headers: host cannot be set: a response has none
12:69: routes[10].respond.headers: content-type cannot be set: write content_type
12:88: routes[10].respond.headers: date cannot be set: the gateway writes it
13:79: routes[11].respond.headers: field x-a is there twice: names do not differ by case
13:94: routes[11].respond.headers.x-b: want a value without control bytes
13:114: routes[11].respond.headers.x-d: want text in quotes
13:122: routes[11].respond.headers.x-e: want a value without space around it: none is left when it arrives
`},
	{"retries.bad.yaml", `
4:25: routes[0].retries.attempts: want a number from 1 to 10 (seen 11)
4:34: routes[0].retries.on[0]: want one of connect-failure, reset, timeout, unavailable, or a status from 500 to 599
    (seen "5xx")
4:39: routes[0].retries.on[1]: want one of connect-failure, reset, timeout, unavailable, or a status from 500 to 599
    (seen "404")
4:46: routes[0].retries.on[2]: want one of connect-failure, reset, timeout, unavailable, or a status from 500 to 599
    (seen 600)
4:51: routes[0].retries.on[3]: want one of connect-failure, reset, timeout, unavailable, or a status from 500 to 599
    (seen "conect-failure")
4:97: routes[0].retries.per_try_timeout: want a duration with its unit, such as 2s or 2ms (seen 2)
8:19: routes[1].retries.on: want at least one reason (seen an empty list)
`},
	{"route-targets.bad.yaml", `
2:5: routes[0]: want exactly one of cluster, clusters, redirect, respond (seen none)
3:5: routes[1]: want exactly one of cluster, clusters, redirect, respond (seen cluster and clusters)
4:51: routes[2].clusters: want at least one cluster (seen an empty list)
5:51: routes[3].clusters: want a weight above 0 (seen only 0)
6:63: routes[4].clusters[1]: a is there twice
7:52: routes[5].clusters[0]: name is missing
8:50: routes[6].cluster: a name is needed (seen "")
`},
	{"sizes-huge.bad.yaml", `
1:20: limits.max_body: want a size from 0 to 1PiB (seen "99999999GiB")
`},
	{"sizes-kb.bad.yaml", `
1:20: limits.max_body: want a size such as 65536, 64KiB or 10MB (seen "10kb")
`},
	{"sizes-negative.bad.yaml", `
1:20: limits.max_body: want a size from 0 to 1PiB (seen -1)
`},
	{"sticky.bad.yaml", `
2:63: routes[0].sticky: only a split over clusters is sticky; to stay at an endpoint of one cluster, write balance: hash
    there (the route has cluster)
3:73: routes[1].sticky: a route with respond sends nothing to a cluster, so it has no sticky
4:87: routes[2].sticky: cookie is missing (such as {name: canary})
5:87: routes[3].sticky: want a mapping such as {cookie: {name: canary}} (seen "canary")
6:96: routes[4].sticky.cookie: want a mapping such as {name: user} (seen "canary")
7:96: routes[5].sticky.cookie: name is missing
7:102: routes[5].sticky.cookie.ttl: want whole seconds (seen "1500ms")
8:103: routes[6].sticky.cookie.name: want the name of a cookie (seen "a;b")
8:116: routes[6].sticky.cookie.path: want a path that begins with /, without space or ; (seen "x")
9:87: routes[7].sticky: cookie is missing (such as {name: canary})
9:88: routes[7].sticky: key header is not known (known: cookie)
10:90: routes[8].sticky: want a cookie of another name: by this one cluster hashed chooses endpoints, and all who stay
    at a cluster have the same (seen user)
11:94: routes[9].sticky: want a cookie of another name: by this one cluster hashed chooses endpoints, and all who stay
    at a cluster have the same (seen user)
`},
	{"sticky-elsewhere.bad.yaml", `
2:87: routes[0].sticky: want a cookie of another name: by this one route b chooses endpoints of cluster hashed, and all
    who stay at a cluster have the same (seen user)
4:83: routes[2].sticky: want a cookie of another name: by this one route d chooses endpoints of cluster shops, and all
    who stay at a cluster have the same (seen shop)
`},
	{"sticky-shared.bad.yaml", `
4:101: routes[2].sticky: want a cookie of another name or path: route a gives this one to the same clients for other
    clusters, and each of the two would replace what the other gave (seen canary)
7:88: routes[5].sticky: want a cookie of another name or path: route a gives this one to the same clients for other
    clusters, and each of the two would replace what the other gave (seen canary)
10:89: routes[8].sticky: want a cookie of another name or path: route h gives this one to the same clients for other
    clusters, and each of the two would replace what the other gave (seen stay)
11:93: routes[9].sticky: want a cookie of another name or path: route h gives this one to the same clients for other
    clusters, and each of the two would replace what the other gave (seen stay)
15:99: routes[13].sticky: want a cookie of another name or path: route h gives this one to the same clients for other
    clusters, and each of the two would replace what the other gave (seen stay)
16:103: routes[14].sticky.cookie.name: want secure: true: browsers require it with __Host- (seen __Host-x)
17:103: routes[15].sticky.cookie.name: want secure: true: browsers require it with __Secure- (seen __secure-x)
`},
	{"syntax.bad.json", `
1:26: document: not YAML (while parsing a flow node: did not find expected node content)
`},
	{"syntax.bad.yaml", `
4:12: document: not YAML (while parsing a flow mapping: did not find expected ',' or '}')
`},
	{"syntax-colon.bad.yaml", `
2:7: document: not YAML (mapping values are not allowed in this context: is this line indented as its neighbours are,
    and does the one before it have its colon?)
`},
	{"syntax-dash.bad.yaml", `
3:3: document: not YAML (while parsing a block collection: did not find expected '-' indicator: is this line indented
    as its neighbours are?)
`},
	{"syntax-template.bad.yaml", `
3:1: document: not YAML (while scanning a simple key: could not find expected ':': a line without a colon, want key:
    value)
`},
	{"syntax-toml.bad.yaml", `
2:1: document: not YAML (did not find expected <document start>: want lines such as key: value)
`},
	{"tab.bad.yaml", `
2:1: document: not YAML (a tab: write spaces in front of a key, a dash or a value)
`},
	{"text.bad.yaml", `
1:1: document: want a mapping (seen "routes")
`},
	{"two-documents.bad.yaml", `
2:1: document: a second document begins here (want one)
`},
	{"unknown-keys.bad.yaml", `
2:5: listeners[0]: address is missing
2:17: listeners[0]: key addrss is not known, did you mean address?
5:5: routes[0]: key matches is not known, did you mean match?
6:13: routes[0].match: key hsot is not known, did you mean host?
6:22: routes[0].match: key path-prefix is not known, did you mean path_prefix?
7:16: routes[0].timeouts: key upstrem is not known, did you mean upstream?
10:27: clusters[0].endpoints[0]: address is missing
10:28: clusters[0].endpoints[0]: key addr is not known, did you mean address?
10:50: clusters[0]: key colour is not known (known: name, endpoints, consul, protocol, balance, hash, panic, tls,
    passive_health, health_check, limits, keepalive, proxy_protocol, slow_start, failover, allow_empty)
11:1: document: key timeout is not known, did you mean timeouts?
12:3: document: want a key (seen a list)
`},
	{"upgrades-rate-limit.bad.yaml", `
2:64: routes[0].upgrades[0]: h2c is never passed on as an upgrade (seen "h2c")
2:69: routes[0].upgrades[1]: want a protocol such as websocket (seen "a b")
3:65: routes[1].rate_limit: rate is missing (requests a second)
4:80: routes[2].rate_limit.key: want route, remote_ip or header:NAME (seen "client")
5:72: routes[3].rate_limit.rate: want a number (seen "1/s")
5:82: routes[3].rate_limit.key: want route, remote_ip or header:NAME (seen "header:")
`},
	{"withdrawn.bad.json", `
1:1: document: is a pointer to a pushed revision, which only a single key in Consul can be: write the document itself
    here
`},
}

func TestBadDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.*")
	if err != nil || len(files) != len(bad) {
		t.Errorf("testdata has %d bad documents (%v), the table %d", len(files), err, len(bad))
	}
	for _, row := range bad {
		t.Run(row.file, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata", row.file))
			if err != nil {
				t.Fatal(err)
			}
			doc, err := Decode(data, Base{})
			var problems Problems
			if doc != nil || !errors.As(err, &problems) {
				t.Fatalf("Decode = %v, %v, want problems", doc, err)
			}
			if want := strings.ReplaceAll(strings.TrimSpace(row.want), "\n    ", " "); err.Error() != want {
				t.Errorf("problems:\n%s\nwant:\n%s", err, want)
			}
		})
	}
}
