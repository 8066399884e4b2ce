package server

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/internal/config"
	"github.com/tenfold-go/tenfold/internal/fleet"
	"github.com/tenfold-go/tenfold/internal/gateway"
)

func TestASecondGatewayAndFleetUseTheSameMetrics(t *testing.T) {
	cfg, err := config.Command([]string{"shop"}, &config.CommandOptions{Nodes: "1"})
	if err != nil {
		t.Fatal(err)
	}
	s := &cfg.Services[0]
	s.Run, s.Addresses = nil, []string{"127.0.0.1:1"}
	m := newMetrics()
	for range 2 {
		g, err := gateway.New(cfg, &gateway.Options{Metrics: m.gateway})
		if err != nil {
			t.Fatal(err)
		}
		services := []fleet.Service{{Service: cfg.Services[0]}}
		if _, err := fleet.New(services, g, &fleet.Options{Metrics: m.fleet}); err != nil {
			t.Fatal(err)
		}
		g.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "http://shop.example/", nil))
	}
	w := httptest.NewRecorder()
	m.handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	const want = `http_requests_total{code="503",method="GET",service="shop"} 2`
	if !strings.Contains(w.Body.String(), want) {
		t.Errorf("/metrics has no %s:\n%s", want, w.Body)
	}
}
