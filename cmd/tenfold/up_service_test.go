package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// service is the program that these tests run on many nodes: the test binary under the name "service". Like every
// service, it listens on PORT and finishes its requests on SIGTERM.
//
//	GET  /              the id of its node, at once; the probe uses it
//	GET  /small         the id of its node
//	GET  /long/...      the id of its node; any path
//	GET  /version       the environment variable VERSION
//	GET  /page          20 KB of known length
//	GET  /chunked       3 KB of unknown length, written to the network in one piece
//	GET  /status/CODE   an answer with that status
//	POST /orders/ID     appends the ID to the file SERVICE_JOURNAL, as soon as the request arrives
//	GET  /session       has a session in the memory of its node, with the cookie sid
//	GET  /grow          uses ?mib= more MiB of memory until it ends
//	GET  /socket        a WebSocket: it sends the id of its node, then every message that it receives
//
// All but the first wait ?ms= milliseconds before they answer, and ten times as long on the node that SERVICE_SLOW
// names. After SIGUSR2 the node answers probes, and no other request.
func service() {
	if err := serveUntilTerm(); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

func serveUntilTerm() error {
	journal, err := os.OpenFile(os.Getenv("SERVICE_JOURNAL"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil && os.Getenv("SERVICE_JOURNAL") != "" {
		return err
	}
	node := os.Getenv("TENFOLD_NODE")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, node) })
	mux.HandleFunc("GET /small", func(w http.ResponseWriter, r *http.Request) {
		takeTime(r)
		fmt.Fprintln(w, node)
	})
	mux.HandleFunc("GET /long/{rest...}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, node) })
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, os.Getenv("VERSION")) })
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) {
		takeTime(r)
		w.Header().Set("Content-Length", strconv.Itoa(len(thePage)))
		w.Write([]byte(thePage))
	})
	mux.HandleFunc("GET /chunked", func(w http.ResponseWriter, r *http.Request) {
		takeTime(r)
		w.Write([]byte(theChunks[:1000])) // more than net/http waits for before it gives up on a Content-Length,
		w.Write([]byte(theChunks[1000:])) // less than what it collects before it writes
	})
	mux.HandleFunc("GET /status/{code}", func(w http.ResponseWriter, r *http.Request) {
		takeTime(r)
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
	})
	mux.HandleFunc("POST /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		if _, err := fmt.Fprintln(journal, r.PathValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		takeTime(r)
		w.WriteHeader(http.StatusCreated)
	})
	sessions := sync.Map{}
	mux.HandleFunc("GET /session", func(w http.ResponseWriter, r *http.Request) {
		if c, err := r.Cookie("sid"); err == nil {
			if _, known := sessions.Load(c.Value); known {
				return
			}
		}
		id := rand.Text()
		sessions.Store(id, true)
		http.SetCookie(w, &http.Cookie{Name: "sid", Value: id, Path: "/"})
	})
	mux.HandleFunc("GET /grow", func(w http.ResponseWriter, r *http.Request) {
		mib, _ := strconv.Atoi(r.FormValue("mib"))
		grown = bytes.Repeat([]byte{1}, mib<<20)
	})
	mux.HandleFunc("GET /socket", func(w http.ResponseWriter, r *http.Request) { echo(w, r, node) })

	listener, err := net.Listen("tcp", net.JoinHostPort(os.Getenv("HOST"), os.Getenv("PORT")))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: named(node, untilDeadlock(mux))}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	stopped := make(chan error, 1)
	go func() {
		<-term
		stopped <- server.Shutdown(context.Background())
	}()
	if err := server.Serve(listener); err != http.ErrServerClosed {
		return err
	}
	return <-stopped
}

var (
	thePage   = strings.Repeat("0123456789abcde\n", 1280)
	theChunks = thePage[:3000]
)

// grown is what GET /grow has used.
var grown []byte

// named adds the id of the node to every answer.
func named(node string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Node", node)
		next.ServeHTTP(w, r)
	})
}

// untilDeadlock passes requests on until SIGUSR2. From then on, it holds all requests but the probe indefinitely.
func untilDeadlock(next http.Handler) http.Handler {
	signals, deadlock := make(chan os.Signal, 1), make(chan struct{})
	signal.Notify(signals, syscall.SIGUSR2)
	go func() { <-signals; close(deadlock) }()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-deadlock:
			if r.URL.Path != "/" {
				select {}
			}
		default:
		}
		next.ServeHTTP(w, r)
	})
}

func takeTime(r *http.Request) {
	ms, _ := strconv.Atoi(r.FormValue("ms"))
	if slow := os.Getenv("SERVICE_SLOW"); slow != "" && slow == os.Getenv("TENFOLD_NODE") {
		ms *= 10
	}
	time.Sleep(time.Duration(ms) * time.Millisecond)
}

func echo(w http.ResponseWriter, r *http.Request, node string) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	message := []byte(node)
	for c.Write(r.Context(), websocket.MessageText, message) == nil {
		if _, message, err = c.Read(r.Context()); err != nil {
			return
		}
	}
}
