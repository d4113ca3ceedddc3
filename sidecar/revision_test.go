package sidecar

import (
	"reflect"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

// All that a query to the catalog can have comes from the key of the document of the same name.
func TestTheQueryHasAllThatTheDocumentSays(t *testing.T) {
	for i := range reflect.TypeFor[consul.Query]().NumField() {
		name := reflect.TypeFor[consul.Query]().Field(i).Name
		var c config.Consul
		key := reflect.ValueOf(&c).Elem().FieldByName(name)
		if !key.IsValid() {
			t.Errorf("%s: the document has no such key", name)
			continue
		}
		key.SetString("x")
		q := consul.QueryOf(c)
		for j := range reflect.TypeFor[consul.Query]().NumField() {
			want := ""
			if i == j {
				want = "x"
			}
			if got := reflect.ValueOf(q).Field(j).String(); got != want {
				t.Errorf("%s is x: %s of the query is %q, want %q", name, reflect.TypeFor[consul.Query]().Field(j).Name,
					got, want)
			}
		}
	}
}
