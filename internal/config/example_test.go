package config_test

import (
	"fmt"

	"github.com/tenfold-go/tenfold/internal/config"
)

func ExampleParse() {
	_, err := config.Parse("tenfold.yaml", []byte(`
services:
  shop:
    rnu: [shop, serve]
    probe: {interval: 2 seconds}
routes:
  - {path: /, to: shpo}
`), nil)
	fmt.Println(err)
	// Output:
	// 3 problems in tenfold.yaml
	// tenfold.yaml:4:5: services.shop.rnu: unknown field
	//     hint: did you mean run?
	// tenfold.yaml:5:23: services.shop.probe.interval: "2 seconds" is not a duration
	//     hint: write 2s
	// tenfold.yaml:7:19: routes[0].to: there is no service "shpo"
	//     hint: did you mean shop?
}
