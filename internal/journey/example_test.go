package journey

import (
	"net/url"
	"testing"
)

func TestStepExample(t *testing.T) {
	j, err := Parse("journey.yaml", []byte(`
steps:
  - path: /cart
    extract: {id: {json: $.id}, link: {header: Location}}
  - {path: "/orders/${id}?v=${visit.id}", method: PUT, headers: {Host: shop.test, X-Id: "${id}"}}
  - {path: "${link}"}
`), ".")
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse("http://localhost:8080/base/")
	for i, want := range []string{
		"GET localhost:8080 http://localhost:8080/cart", "PUT shop.test http://localhost:8080/orders/1?v=1",
		"GET localhost:8080 http://localhost:8080/1",
	} {
		r := j.Visitors[0].Steps[i].Example(base)
		if got := r.Method + " " + r.Host + " " + r.URL.String(); got != want {
			t.Errorf("step %d: %s, want %s", i, got, want)
		}
	}
	if r := j.Visitors[0].Steps[1].Example(base); r.Header.Get("X-Id") != "1" || r.Header["Host"] != nil {
		t.Errorf("headers %v", r.Header)
	}
}
