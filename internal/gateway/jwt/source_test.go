package jwt

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Keys over a real connection are accepted only from a server with a valid certificate, complete and without redirect.
func TestSourceOverTheNetwork(t *testing.T) {
	set := jwks(t, newSigner(t, "a", "EdDSA"))
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks.json", func(w http.ResponseWriter, r *http.Request) { w.Write(set) })
	mux.Handle("/moved", http.RedirectHandler("/jwks.json", http.StatusFound))
	mux.HandleFunc("/huge", func(w http.ResponseWriter, r *http.Request) {
		for range maxSetBytes/1024 + 1 {
			io.WriteString(w, strings.Repeat(" ", 1024))
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Write(set)
	})
	plain := httptest.NewServer(mux)
	defer plain.Close()
	secure := httptest.NewUnstartedServer(mux)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // for the failed handshake
	secure.StartTLS()
	defer secure.Close()
	for at, want := range map[string]string{
		plain.URL + "/jwks.json":  "",
		plain.URL + "/moved":      "answered 302: redirects are not followed",
		plain.URL + "/missing":    "answered 404",
		plain.URL + "/huge":       "is larger than 1 MiB",
		plain.URL + "/cut":        "unexpected EOF",
		secure.URL + "/jwks.json": "certificate",
	} {
		data, err := newSource(at, nil).read(t.Context())
		if want == "" && (err != nil || string(data) != string(set)) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", at, err, want)
		}
	}
}
