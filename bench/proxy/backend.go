//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// backend responds to GET /N with N bytes. To be cheap, it parses only what the benchmark sends.
type backend struct{ net.Listener }

// startBackend returns a backend on a free loopback port.
func startBackend() (*backend, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &backend{l}
	go func() { // ends when l is closed
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			go serve(nc)
		}
	}()
	return b, nil
}

func (b *backend) Addr() string { return b.Listener.Addr().String() }

// serve responds to requests until the proxy closes the connection.
func serve(nc net.Conn) {
	defer nc.Close()
	in := bufio.NewReaderSize(nc, 8<<10)
	responses := map[int][]byte{}
	for {
		size, body, err := readRequest(in)
		if err != nil {
			return
		}
		if _, err := in.Discard(body); err != nil {
			return
		}
		if responses[size] == nil {
			responses[size] = response(size)
		}
		if _, err := nc.Write(responses[size]); err != nil {
			return
		}
	}
}

// readRequest reads the head of a request. It returns the size of the response to send and of the request body to skip.
func readRequest(in *bufio.Reader) (size, body int, err error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	if _, after, ok := bytes.Cut(line, []byte(" /")); ok {
		digits, _, _ := bytes.Cut(after, []byte(" "))
		size, _ = strconv.Atoi(string(digits)) // the path "/", which probes request, gives 0
	}
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, 0, err
		}
		if len(line) <= 2 {
			return size, body, nil
		}
		const name = "content-length:"
		if len(line) > len(name) && (line[0] == 'C' || line[0] == 'c') &&
			bytes.EqualFold(line[:len(name)], []byte(name)) {
			if body, err = strconv.Atoi(string(bytes.TrimSpace(line[len(name):]))); err != nil || body < 0 {
				return 0, 0, io.ErrUnexpectedEOF
			}
		}
	}
}

// response returns a whole response with a body of the given size.
func response(size int) []byte {
	return []byte(responseHead(size) + strings.Repeat("x", size))
}

func responseHead(size int) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Type: "+
		"text/plain\r\nContent-Length: %d\r\n\r\n", size)
}
