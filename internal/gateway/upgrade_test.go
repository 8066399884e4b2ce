package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// switching starts a node that switches to the protocol answer, and then echoes what it gets in upper case. Without an
// upgrade in the request it responds with 200 and the fields that it got.
func switching(t *testing.T, answer string) string {
	return address(serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			fmt.Fprintf(w, "no upgrade, Connection %q", r.Header["Connection"])
			return
		}
		nc, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer nc.Close()
		fmt.Fprintf(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\nX-Asked: %s\r\n\r\n",
			answer, strings.Join(r.Header["Upgrade"], "|"))
		for {
			line, err := buffered.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(nc, strings.ToUpper(line))
		}
	}))
}

// switchTo asks for an upgrade, and returns the response. After 101 it also checks that bytes pass in both directions.
func switchTo(t *testing.T, f *front, method, upgrade string) (*http.Response, string) {
	t.Helper()
	nc := dial(t, f.addr)
	defer nc.Close()
	fmt.Fprintf(nc, "%s /x HTTP/1.1\r\nHost: shop.example\r\n", method)
	fmt.Fprintf(nc, "Connection: Upgrade\r\nUpgrade: %s\r\nContent-Length: 0\r\n\r\n", upgrade)
	r := bufio.NewReader(nc)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(resp.Body)
		return resp, string(body)
	}
	io.WriteString(nc, "hello\n")
	line, err := r.ReadString('\n')
	if line != "HELLO\n" {
		t.Errorf("%s: the connection answers %q %v", upgrade, line, err)
	}
	return resp, ""
}

// A service switches to the protocols that it names. A node does not see any other one.
func TestUpgradeByName(t *testing.T) {
	f := start(t, "", "upgrade: [websocket, my-proto, other/2]", switching(t, "My-Proto"))
	for _, row := range []struct{ method, upgrade, asked string }{
		{"GET", "my-proto", "my-proto"},
		{"GET", "My-Proto", "My-Proto"},
		{"POST", "my-proto", "my-proto"},
		{"GET", "h2c, my-proto, unknown", "my-proto"},
		{"GET", "other/2, my-proto", "other/2, my-proto"},
	} {
		resp, _ := switchTo(t, f, row.method, row.upgrade)
		if resp.StatusCode != 101 || !strings.EqualFold(resp.Header.Get("Upgrade"), "my-proto") || resp.Header.Get("X-Asked") != row.asked {
			t.Errorf("%s %s: %d %v, want the node to be asked for %q", row.method, row.upgrade, resp.StatusCode, resp.Header, row.asked)
		}
	}
	for _, upgrade := range []string{"h2c", "unknown", "my-proto/2", "other", "TLS/1.0"} {
		if resp, body := switchTo(t, f, "GET", upgrade); resp.StatusCode != 200 || body != "no upgrade, Connection []" {
			t.Errorf("%s: %d %q, want a response without an upgrade", upgrade, resp.StatusCode, body)
		}
	}
	// The node switches to a protocol that it was not asked for.
	if resp, _ := switchTo(t, f, "GET", "other/2"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d after a switch to another protocol, want 502", resp.StatusCode)
	}
}

// By default only WebSocket is passed on, and with "off" nothing is.
func TestUpgradeDefaultAndOff(t *testing.T) {
	node := switching(t, "websocket")
	f := start(t, "", "", node)
	if resp, _ := switchTo(t, f, "GET", "WebSocket"); resp.StatusCode != 101 || resp.Header.Get("X-Asked") != "websocket" {
		t.Errorf("WebSocket: %d %v", resp.StatusCode, resp.Header)
	}
	if resp, _ := switchTo(t, f, "POST", "websocket"); resp.StatusCode != 200 {
		t.Errorf("WebSocket with POST: %d, want 200 without an upgrade", resp.StatusCode)
	}
	if resp, _ := switchTo(t, f, "GET", "my-proto"); resp.StatusCode != 200 {
		t.Errorf("another protocol: %d, want 200 without an upgrade", resp.StatusCode)
	}
	off := start(t, "", "upgrade: off", node)
	if resp, _ := switchTo(t, off, "GET", "websocket"); resp.StatusCode != 200 {
		t.Errorf("WebSocket with upgrade: off: %d, want 200 without an upgrade", resp.StatusCode)
	}
}
