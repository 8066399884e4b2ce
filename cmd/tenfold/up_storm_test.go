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
	reading  = 50 * time.Millisecond  // how long a visitor looks at a page before the next click
	pause    = 250 * time.Millisecond // and before trying again what got no answer
)

// The logout storm: the same shop on three nodes that take turns. State in the memory of its nodes loses the visitors
// their logins and carts, shared state loses nothing.
func TestUpLogoutStorm(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		x := upShop(t, "memory", "--store", "none")
		s := storm(x, 100)
		<-s.over
		if lost := s.figure(t, "memory", 0); lost == 0 {
			t.Error("nobody lost a login or a cart: either the nodes do not take turns, or this storm shows nothing")
		}
		x.stop()
	})
	t.Run("shared", func(t *testing.T) {
		x := upShop(t, "shared")
		s := storm(x, 100)
		<-s.over
		s.nothingLost(t, 0)
		x.stop()
	})
	t.Run("shared, with nodes killed", func(t *testing.T) {
		x := upShop(t, "shared")
		s := storm(x, 25)
		kills := x.killEverySecond(s.over)
		if kills == 0 {
			t.Error("no node was killed: this shows nothing")
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

// killEverySecond kills the oldest node every second until over, but never one of a fleet that is not whole again yet:
// how fast nodes start is not what the storm is about.
func (x *running) killEverySecond(over <-chan struct{}) (kills int) {
	x.t.Helper()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-over:
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

// crowd is all visitors of a storm.
type crowd struct {
	begun time.Time
	all   []*shopper
	over  chan struct{} // closed when the last one is through
}

// storm sends the visitors, so many each second.
func storm(x *running, perSecond int) *crowd {
	s := &crowd{begun: time.Now(), over: make(chan struct{})}
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
	go func() { visits.Wait(); close(s.over) }()
	x.t.Cleanup(func() { <-s.over; transport.CloseIdleConnections() })
	return s
}

// nothingLost fails the test for everything that a visitor lost. All of them come back once more, after the last kill.
func (s *crowd) nothingLost(t *testing.T, kills int) {
	t.Helper()
	for _, v := range s.all {
		if v.err == nil && v.lost == (losses{}) {
			v.err = v.comeBack()
		}
	}
	if lost := s.figure(t, "shared", kills); lost > 0 {
		t.Errorf("%d of %d visitors lost something", lost, shoppers)
	}
}

// figure prints what became of the visitors and returns how many lost something.
func (s *crowd) figure(t *testing.T, state string, kills int) (lost int) {
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

// losses are what a visitor had and has no more.
type losses struct{ login, cart, order bool }

// shopper is a visitor with a browser, who does again what got no answer, and leaves when something is lost.
type shopper struct {
	http *http.Client
	shop string
	name string
	cart map[string]int // what they have put into it, by product
	key  string         // what they do now, however often they have to ask for it

	lost     losses
	order    string // its id
	requests int
	repeated int   // of these, those that no node answered
	err      error // an answer that no shop should give
}

// visit is one visitor's way through the shop.
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
	if status == http.StatusConflict && v.repeated > begun { // it was made by the request that got no answer
		if status, err = v.ask("POST", "/api/login", account, nil); status == http.StatusUnauthorized {
			v.lost.login = true
			return nil
		}
	}
	return expected(err, "register", status, http.StatusCreated, http.StatusOK)
}

// put adds a product, and sees whether the others are still there. What got no answer may be in the cart all the same: under
// the key of this click it is added once.
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
		return v.look(nil)
	}
	return nil
}

// look reads the list of orders, which tells whether the login is still there.
func (v *shopper) look(list any) error {
	status, err := v.ask("GET", "/api/orders", "", list)
	v.lost.login = status == http.StatusUnauthorized
	return expected(err, "look at the orders", status, http.StatusOK, http.StatusUnauthorized)
}

// buy checks out, and clicks twice: that is one order.
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

// comeBack is the visitor's next visit: logged in, with an empty cart, and with one order that is paid.
func (v *shopper) comeBack() error {
	var cart placed
	status, err := v.ask("GET", "/api/cart", "", &cart)
	v.lost.cart = len(cart.Lines) > 0
	if err := expected(err, "look at the cart", status, http.StatusOK); err != nil {
		return err
	}
	var list struct{ Orders []placed }
	err = v.look(&list)
	v.lost.order = len(list.Orders) != 1 || list.Orders[0].ID != v.order || !list.Orders[0].Paid
	return err
}

// placed is an order, or the part of it that a cart has.
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

// unanswered says that nobody knows what became of a request: its node died, or could not reach what it needs.
func unanswered(status int) bool { return status >= 502 && status <= 504 }

func expected(err error, doing string, status int, want ...int) error {
	if err == nil && !slices.Contains(want, status) {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// ask sends a request until a node answers it; for those that may be repeated.
func (v *shopper) ask(method, path, body string, into any) (status int, err error) {
	for begun := time.Now(); time.Since(begun) < patience; time.Sleep(pause) {
		if status, err = v.try(method, path, body, into); err != nil || !unanswered(status) {
			return status, err
		}
	}
	return status, fmt.Errorf("status %d for %v", status, patience)
}

// try sends a request once, and reads an answer of 2xx.
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
	if unanswered(resp.StatusCode) {
		v.repeated++
	}
	if into != nil && resp.StatusCode < 300 {
		err = json.Unmarshal(text, into)
	}
	return resp.StatusCode, err
}
