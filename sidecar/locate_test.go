package sidecar

import (
	"errors"
	"strings"
	"testing"

	"github.com/fabian4/gateway-homebrew-go/discovery/consul"
	"github.com/fabian4/gateway-homebrew-go/internal/cluster"
)

// What the agent has said holds while it is away: traffic does not spread over all zones when Consul does not answer.
func TestLearn(t *testing.T) {
	away := errors.New("away")
	known := cluster.Location{Node: "n", Datacenter: "dc1", Zone: "z"}
	said := consul.Location{Node: "n", Datacenter: "dc1", Zone: "z"}
	for _, row := range []struct {
		name    string
		before  cluster.Location
		found   consul.Location
		err     error
		zone    string // of the bootstrap
		want    cluster.Location
		unknown string // how Unknown begins
	}{
		{"it says so", cluster.Location{}, said, nil, "", known, ""},
		{"the bootstrap has the zone", cluster.Location{}, said, nil, "mine",
			cluster.Location{Node: "n", Datacenter: "dc1", Zone: "mine"}, ""},
		{"it moved", known, consul.Location{Node: "m", Datacenter: "dc1", Zone: "y"}, nil, "",
			cluster.Location{Node: "m", Datacenter: "dc1", Zone: "y"}, ""},
		{"its node has lost the zone", known, consul.Location{Node: "n", Datacenter: "dc1"}, nil, "",
			cluster.Location{Node: "n", Datacenter: "dc1"}, "node n has none: "},
		{"it is away", known, consul.Location{}, away, "", known, ""},
		{"it is away in the middle", known, consul.Location{Node: "n", Datacenter: "dc1"}, away, "", known, ""},
		{"it never said so", cluster.Location{}, consul.Location{}, away, "", cluster.Location{}, "away"},
		{"it never said the node", cluster.Location{Zone: "mine"}, consul.Location{}, away, "mine",
			cluster.Location{Zone: "mine"}, "away"},
		{"another node, and then away", known, consul.Location{Node: "m", Datacenter: "dc1"}, away, "",
			cluster.Location{Node: "m", Datacenter: "dc1"}, "away"},
		{"another node in the zone of the bootstrap", known, consul.Location{Node: "m", Datacenter: "dc1"}, away, "z",
			cluster.Location{Node: "m", Datacenter: "dc1", Zone: "z"}, ""},
	} {
		got := learn(row.before, row.found, row.err, row.zone)
		unknown := got.Unknown
		got.Unknown = ""
		if got != row.want || !strings.HasPrefix(unknown, row.unknown) || (unknown == "") != (row.unknown == "") {
			t.Errorf("%s: %+v, unknown %q, want %+v and %q", row.name, got, unknown, row.want, row.unknown)
		}
	}
}
