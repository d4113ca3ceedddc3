package config

import (
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// What becomes of a request whose external authorization cannot be had.
const (
	OnErrorDeny  = "deny"
	OnErrorAllow = "allow"
)

// ExternalAuth has another service say which requests may pass.
type ExternalAuth struct {
	Cluster         string // empty = nobody is asked
	Path            string // with its query
	Timeout         time.Duration
	RequestHeaders  []string // names of what of the request is sent to it, lower-case, sorted
	ResponseHeaders []string // names of what of its response the request carries on; likewise
	OnError         string
}

// Asks is the cluster without which the route lets nobody in, nil if there is none.
func (r *Route) Asks() []WeightedCluster {
	if r.ExternalAuth.Cluster == "" || r.ExternalAuth.OnError == OnErrorAllow {
		return nil
	}
	return []WeightedCluster{{Name: r.ExternalAuth.Cluster, Weight: 1}}
}

var externalAuthBlock = block[ExternalAuth]{
	form: "{cluster: auth, path: /check}",
	fields: []field[ExternalAuth]{
		at("cluster", func(a *ExternalAuth) *string { return &a.Cluster }, routedCluster),
		at("path", func(a *ExternalAuth) *string { return &a.Path }, requestPath),
		at("timeout", func(a *ExternalAuth) *time.Duration { return &a.Timeout }, duration(false)),
		at("request_headers", func(a *ExternalAuth) *[]string { return &a.RequestHeaders }, fieldNames("sent")),
		at("response_headers", func(a *ExternalAuth) *[]string { return &a.ResponseHeaders },
			fieldNames("taken over")).optional(),
		at("on_error", func(a *ExternalAuth) *string { return &a.OnError }, word(OnErrorDeny, OnErrorAllow)),
	},
	begin: func(d *decoder, a *ExternalAuth) {
		a.Path, a.Timeout, a.OnError = "/", time.Second, OnErrorDeny
		a.RequestHeaders = []string{"authorization", "cookie"}
	},
	end: func(d *decoder, n *yaml.Node, a *ExternalAuth) {
		if !has(n, "cluster") {
			d.problem(n, "cluster is missing: which one is asked?")
		}
	},
}

// fieldNames is a list of names of fields that are sent on from one head in another, without order.
func fieldNames(edit string) kind[[]string] {
	return listOf(kind[string]{
		decode: func(d *decoder, n *yaml.Node, v *string) {
			*v = editableName(d, n, edit, fieldsSet{"host": "the gateway writes it"})
			if isForwarded(*v) {
				d.problem(n, "%s cannot be %s: the gateway tells by it who the client is", *v, edit)
			}
		},
		encode: func(e *encoder, v *string) { e.text(*v) },
	}).then(func(d *decoder, n *yaml.Node, v *[]string) {
		if len(*v) > maxHeaders {
			d.problem(n, "want at most %d names (seen %d)", maxHeaders, len(*v))
		}
		d.onlyOnce(n, *v)
		slices.Sort(*v)
	})
}

// isForwarded tells whether a field of that name, in lower case, is the gateway's word about the client.
func isForwarded(name string) bool {
	return name == "forwarded" || name == "x-real-ip" || strings.HasPrefix(name, "x-forwarded-")
}
