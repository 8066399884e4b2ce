package client

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestSwitchingProtocols(t *testing.T) {
	c := peer(t, func(nc net.Conn, br *bufio.Reader) {
		readHead(br)
		io.WriteString(nc, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst line\n")
		io.Copy(nc, br)
	})
	ctx, cancel := context.WithCancel(t.Context())
	req := request(t, "GET", "http://a/", nil).WithContext(ctx)
	req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"echo"}}
	resp, err := c.RoundTrip(req)
	if err != nil || resp.StatusCode != 101 || resp.Header.Get("Upgrade") != "echo" {
		t.Fatal(resp, err)
	}
	cancel() // must not end the tunnel
	tunnel := resp.Body.(io.ReadWriteCloser)
	br := bufio.NewReader(tunnel)
	if line, _ := br.ReadString('\n'); line != "first line\n" {
		t.Errorf("got %q", line)
	}
	io.WriteString(tunnel, "echo\n")
	if line, _ := br.ReadString('\n'); line != "echo\n" {
		t.Errorf("got %q", line)
	}
	tunnel.(io.ReaderFrom).ReadFrom(strings.NewReader("last line"))
	tunnel.(interface{ CloseWrite() error }).CloseWrite()
	var rest bytes.Buffer
	if n, err := io.Copy(&rest, br); err != nil || rest.String() != "last line" {
		t.Errorf("%d, %v, %q", n, err, &rest)
	}
	if c.Reusable() {
		t.Error("reusable")
	}
	tunnel.Close()
}
