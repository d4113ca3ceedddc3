package config_test

import (
	"fmt"

	"github.com/fabian4/gateway-homebrew-go/internal/config"
)

func ExampleDecode() {
	doc, err := config.Decode([]byte(`
routes:
  - name: checkout
    match: {host: shop.example.com, path_prefix: /checkout/}
    cluster: checkout
clusters:
  - name: checkout
    endpoints: ["10.0.0.1:9000", {address: "10.0.0.2:9000", weight: 3}]
`), config.Standard())
	if err != nil {
		fmt.Println(err)
		return
	}
	r := doc.Routes[0]
	fmt.Println(r.Match.PathPrefix, r.Timeouts.Upstream, r.Clusters[0].Weight)
	fmt.Println(doc.Clusters[0].Endpoints)

	_, err = config.Decode([]byte(`
routes:
  - {name: checkout, cluster: chekout}
clusters:
  - {name: checkout, endpoint: ["10.0.0.1:9000"]}
timeouts: {read: 15}
`), config.Standard())
	fmt.Println(err)
	// Output:
	// /checkout 10s 1
	// [{10.0.0.1:9000 1} {10.0.0.2:9000 3}]
	// 3:31: routes[0].cluster: cluster chekout is not defined (did you mean checkout?)
	// 5:5: clusters[0]: want endpoints, consul, or both (seen none)
	// 5:22: clusters[0]: key endpoint is not known, did you mean endpoints?
	// 6:18: timeouts.read: want a duration with its unit, such as 15s or 15ms (seen 15)
}
