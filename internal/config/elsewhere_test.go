package config

import "testing"

// What others call something is translated only to words that are known at the place. A word that is known itself is
// never translated to another one.
func TestMeant(t *testing.T) {
	for _, row := range []struct {
		word  string
		known []string
		want  string
	}{
		{"regex", matchBlock.keys(), "path_regex"},
		{"Regex", regexRewriteBlock.keys(), "pattern"},
		{"code", redirectBlock.keys(), "status"},
		{"code", clusterBlock.keys(), ""},
		{"source", hashBlock.keys(), "source_ip"},
		{"source", Balances, "hash"},
		{"maxAge", cookieBlock.keys(), "ttl"},
		{"httpOnly", cookieBlock.keys(), "http_only"},
		{"SameSite", cookieBlock.keys(), "same_site"},
		{"clusterz", routeBlock.keys(), "cluster"},
		{"leastconn", Balances, "least_request"},
		{"remote_addr", variableNames[NoVariable+1:], "remote_ip"},
		{"users", basicAuthBlock.keys(), "file"},
		{"nothing like it", routeBlock.keys(), ""},
	} {
		if got := meant(row.word, row.known); got != row.want {
			t.Errorf("%s among %q: %q, want %q", row.word, row.known, got, row.want)
		}
	}
}

// Each word to which others are translated is one of a document.
func TestAlsoCalledNamesWords(t *testing.T) {
	known := map[string]bool{}
	for _, words := range [][]string{
		routeBlock.keys(), matchBlock.keys(), redirectBlock.keys(), respondBlock.keys(), regexRewriteBlock.keys(),
		requestEditsBlock.keys(), mirrorBlock.keys(), accessBlock.keys(), basicAuthBlock.keys(),
		externalAuthBlock.keys(),
		clusterBlock.keys(), consulBlock.keys(), hashBlock.keys(), cookieBlock.keys(),
		passiveHealthBlock.keys(), errorPageBlock.keys(),
		operators(headerValue, headerValue).keys(), Balances, variableNames[NoVariable+1:],
	} {
		for _, word := range words {
			known[word] = true
		}
	}
	for word := range alsoCalled {
		if !known[word] {
			t.Errorf("%s is not a key of a document", word)
		}
	}
}

func TestForeignVariable(t *testing.T) {
	for value, want := range map[string]string{
		"%REQ(:PATH?ORIGINAL)%": "%REQ(:PATH?ORIGINAL)%", "a %START_TIME% b": "%START_TIME%",
		"%[src,lower]":    "%[src,lower]",
		"{{ .ClientIP }}": "{{ .ClientIP }}", "{{host}}": "{{host}}",
		"50% of 100%": "", "%AB%CD%EF": "", "%E2%82%AC": "", `{"a":{"b":{}}}`: "", "${host}": "", "%": "", "[%]": "",
	} {
		if got := foreignVariable(value); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
	}
}
