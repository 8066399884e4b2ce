package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/internal/status"
)

const (
	shoppers = 200
	reading  = 50 * time.Millisecond  // how long a visitor reads a page before the next click
	pause    = 250 * time.Millisecond // how long a visitor waits before the same request again
)

// The logout storm: 200 visitors use a shop on three nodes, balanced by round-robin. With state in the memory of the
// nodes, visitors lose their logins and carts. With shared state, no visitor loses anything.
func TestUpLogoutStorm(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		x := upShop(t, "memory", "--store", "none")
		s := sendVisitors(x, 100)
		<-s.done
		if lost := s.figure(t, "memory", 0); lost == 0 {
			t.Error("no visitor lost a login or a cart: either the nodes do not take turns, or this test shows nothing")
		}
		x.stop()
	})
	t.Run("shared", func(t *testing.T) {
		x := upShop(t, "shared")
		s := sendVisitors(x, 100)
		<-s.done
		s.nothingLost(t, 0)
		x.stop()
	})
	t.Run("shared, with nodes killed", func(t *testing.T) {
		x := upShop(t, "shared")
		s := sendVisitors(x, 25)
		kills := x.killEverySecond(s.done)
		if kills == 0 {
			t.Error("no node was killed: this test shows nothing")
		}
		x.awaitReady()
		s.nothingLost(t, kills)
		x.stop()
	})
}

// upShop runs the example shop on three nodes.
func upShop(t *testing.T, state string, args ...string) *running {
	t.Helper()
	return up(t, call{args: slices.Concat([]string{"--access", "off", "-f", "-"}, args), stdin: fmt.Sprintf(`
services:
  shop:
    run: [tenfold, shop, serve, --state, %s, --db, %q, --password-cost, "4", --payment-latency, 50ms]
    nodes: 3
    balance: round-robin
    probe: /readyz
`, state, filepath.Join(t.TempDir(), "shop.db"))})
}

// killEverySecond kills the oldest node every second, until done is closed. It waits until all nodes are ready again:
// this test does not measure how fast nodes start.
func (x *running) killEverySecond(done <-chan struct{}) (kills int) {
	x.t.Helper()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-done:
			return kills
		case <-second.C:
		}
		if s := x.services()[0]; s.Ready == s.Wanted && s.Running == s.Wanted {
			oldest := slices.MinFunc(x.nodes(), func(a, b status.Node) int { return a.Started.Compare(b.Started) })
			kill(x.t, oldest.PID, syscall.SIGKILL)
			kills++
		}
	}
}

// visitorGroup is all visitors of one run.
type visitorGroup struct {
	begun time.Time
	all   []*shopper
	done  chan struct{} // closed when the last one has finished
}

// sendVisitors starts the visitors, perSecond of them each second.
func sendVisitors(x *running, perSecond int) *visitorGroup {
	s := &visitorGroup{begun: time.Now(), done: make(chan struct{})}
	transport := &http.Transport{MaxIdleConnsPerHost: shoppers}
	var visits sync.WaitGroup
	for i := range shoppers {
		jar, _ := cookiejar.New(nil) // never fails without options
		v := &shopper{
			http: &http.Client{Jar: jar, Transport: transport, Timeout: patience},
			shop: x.url, name: fmt.Sprintf("visitor-%d", i), cart: map[string]int{},
		}
		s.all = append(s.all, v)
		visits.Go(func() {
			time.Sleep(time.Until(s.begun.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
			v.err = v.visit()
		})
	}
	go func() { visits.Wait(); close(s.done) }()
	x.t.Cleanup(func() { <-s.done; transport.CloseIdleConnections() })
	return s
}

// nothingLost fails the test when a visitor has lost anything. All of them visit again, after the last kill.
func (s *visitorGroup) nothingLost(t *testing.T, kills int) {
	t.Helper()
	for _, v := range s.all {
		if v.err == nil && v.lost == (losses{}) {
			v.err = v.visitAgain()
		}
	}
	if lost := s.figure(t, "shared", kills); lost > 0 {
		t.Errorf("%d of %d visitors lost something", lost, shoppers)
	}
}

// figure prints the results of the visitors and returns how many lost something.
func (s *visitorGroup) figure(t *testing.T, state string, kills int) (lost int) {
	t.Helper()
	var logins, carts, orders, requests, repeated int
	for _, v := range s.all {
		if v.err != nil {
			t.Errorf("%s: %v", v.name, v.err)
		}
		if v.lost != (losses{}) {
			lost++
		}
		if v.lost.login {
			logins++
		}
		if v.lost.cart {
			carts++
		}
		if v.lost.order {
			orders++
		}
		requests, repeated = requests+v.requests, repeated+v.repeated
	}
	figure(t, "logout-storm", "state", state, "kills", kills, "visitors", shoppers, "lost_share", float64(lost)/shoppers,
		"lost_login", logins, "lost_cart", carts, "lost_order", orders, "requests", requests, "repeated", repeated,
		"took", time.Since(s.begun))
	return lost
}

// losses are what a visitor has lost.
type losses struct{ login, cart, order bool }

// shopper is a visitor with a browser. It repeats requests that no node answered, and stops when it has lost something.
type shopper struct {
	http *http.Client
	shop string
	name string
	cart map[string]int // quantities by product
	key  string         // Idempotency-Key of the current action

	lost     losses
	order    string // its id
	requests int
	repeated int   // requests that no node answered
	err      error // an unexpected answer
}

// visit registers, fills a cart and buys.
func (v *shopper) visit() error {
	if err := v.register(); err != nil || v.lost != (losses{}) {
		return err
	}
	for _, product := range []string{"fountain-pen", "dot-grid", "clips"} {
		time.Sleep(reading)
		if err := v.put(product); err != nil || v.lost != (losses{}) {
			return err
		}
	}
	return v.buy()
}

// register makes an account and logs in with it.
func (v *shopper) register() error {
	account := fmt.Sprintf(`{"name": %q, "password": "correct horse"}`, v.name)
	begun := v.repeated
	status, err := v.ask("POST", "/api/register", account, nil)
	if status == http.StatusConflict && v.repeated > begun { // the request that got no answer has made the account
		if status, err = v.ask("POST", "/api/login", account, nil); status == http.StatusUnauthorized {
			v.lost.login = true
			return nil
		}
	}
	return expected(err, "register", status, http.StatusCreated, http.StatusOK)
}

// put adds a product and checks that the other ones are still in the cart. A request without an answer may have added
// the product: the Idempotency-Key of this click makes sure that it is added once.
func (v *shopper) put(product string) error {
	var cart placed
	line := fmt.Sprintf(`{"product": %q, "quantity": 1}`, product)
	v.cart[product] = 1
	v.key = v.name + "-" + product
	status, err := v.ask("POST", "/api/cart/items", line, &cart)
	if err := expected(err, "fill the cart", status, http.StatusOK); err != nil {
		return err
	}
	if v.lost.cart = !maps.Equal(cart.quantities(), v.cart); v.lost.cart {
		return v.readOrders(nil)
	}
	return nil
}

// readOrders reads the list of orders. Its status shows whether the login is still valid.
func (v *shopper) readOrders(list any) error {
	status, err := v.ask("GET", "/api/orders", "", list)
	v.lost.login = status == http.StatusUnauthorized
	return expected(err, "read the orders", status, http.StatusOK, http.StatusUnauthorized)
}

// buy sends the order twice under one key: that is one order.
func (v *shopper) buy() error {
	v.key = v.name + "-order"
	for range 2 {
		time.Sleep(reading)
		var order placed
		switch status, err := v.ask("POST", "/api/orders", "", &order); {
		case status == http.StatusUnauthorized:
			v.lost.login = true
			return nil
		case status == http.StatusConflict: // the cart is empty
			v.lost.cart = true
			return nil
		case err != nil || status != http.StatusCreated:
			return expected(err, "check out", status, http.StatusCreated)
		case v.order != "" && order.ID != v.order || !order.Paid || !maps.Equal(order.quantities(), v.cart):
			v.lost.order = true
			return nil
		}
		v.order = order.ID
	}
	return nil
}

// visitAgain checks that the visitor is logged in, has an empty cart, and has one paid order.
func (v *shopper) visitAgain() error {
	var cart placed
	status, err := v.ask("GET", "/api/cart", "", &cart)
	v.lost.cart = len(cart.Lines) > 0
	if err := expected(err, "read the cart", status, http.StatusOK); err != nil {
		return err
	}
	var list struct{ Orders []placed }
	err = v.readOrders(&list)
	v.lost.order = len(list.Orders) != 1 || list.Orders[0].ID != v.order || !list.Orders[0].Paid
	return err
}

// placed is an order, or the part of an order that a cart has.
type placed struct {
	ID    string
	Paid  bool
	Lines []struct {
		Product  string
		Quantity int
	}
}

func (p placed) quantities() map[string]int {
	all := map[string]int{}
	for _, l := range p.Lines {
		all[l.Product] += l.Quantity
	}
	return all
}

// isUnknownOutcome reports a status after which a request may or may not have had its effect: its node ended, or could
// not reach a server that it needs.
func isUnknownOutcome(status int) bool { return status >= 502 && status <= 504 }

func expected(err error, doing string, status int, want ...int) error {
	if err == nil && !slices.Contains(want, status) {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// ask sends a request until a node answers it. The request must be one that may be repeated.
func (v *shopper) ask(method, path, body string, into any) (status int, err error) {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(pause) {
		if status, err = v.try(method, path, body, into); err != nil || !isUnknownOutcome(status) {
			return status, err
		}
	}
	return status, fmt.Errorf("status %d for %v", status, patience)
}

// try sends a request once. It decodes an answer of 2xx into the last argument.
func (v *shopper) try(method, path, body string, into any) (status int, err error) {
	req, err := http.NewRequest(method, v.shop+path, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if method == "POST" && v.key != "" {
		req.Header.Set("Idempotency-Key", v.key)
	}
	v.requests++
	resp, err := v.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, fmt.Errorf("read answer of %s %s: %w", method, path, err)
	}
	if isUnknownOutcome(resp.StatusCode) {
		v.repeated++
	}
	if into != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(text, into)
	}
	return resp.StatusCode, err
}
