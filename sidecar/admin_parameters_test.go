package sidecar

import (
	"fmt"
	"testing"
)

func TestParametersOfAnAdminEndpoint(t *testing.T) {
	for _, row := range []struct {
		query, want string
	}{
		{"", "map[]"},
		{"a=1&b=2", "map[a:[1] b:[2]]"},
		{"a=", "map[a:[]]"},
		{"many=1&many=2", "map[many:[1 2]]"},
		{"a=1&a=2", "a: is there 2 times"},
		{"b=1&b=2&a=1&a=2&a=3", "a: is there 3 times"},
		{"c=1", `parameter "c": is none of a, many, b`},
		{"many*=1", `parameter "many*": is none of a, many, b`},
		{"A=1", `parameter "A": is none of a, many, b`},
		{"a=%zz", `query: invalid URL escape "%zz"`},
	} {
		values, err := parameters(row.query, []string{"a", "many", "b"}, "many")
		got := fmt.Sprint(map[string][]string(values))
		if err != nil {
			got = err.Error()
		}
		if got != row.want {
			t.Errorf("%s: %s, want %s", row.query, got, row.want)
		}
	}
}
