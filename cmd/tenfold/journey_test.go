package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tenfold-go/tenfold/internal/curve"
)

// recordedShop is a service like the one that internal/recording/testdata/shop.har was recorded at. Its tokens and numbers
// are others for each visit, so that only a journey that extracts them works.
type recordedShop struct {
	mu     sync.Mutex
	issued map[string]bool
	wrong  []string
}

func (s *recordedShop) issue() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := rand.Text()
	s.issued[token] = true
	return token
}

func (s *recordedShop) check(w http.ResponseWriter, r *http.Request, what, token string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.issued[token] {
		return true
	}
	s.wrong = append(s.wrong, fmt.Sprintf("%s %s: %s %q", r.Method, r.URL, what, token))
	w.WriteHeader(http.StatusForbidden)
	return false
}

func (s *recordedShop) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `<meta content="%s" name="csrf-token"><input type="hidden" name="authenticity_token" value="%s">`, s.issue(), s.issue())
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		if s.check(w, r, "form token", r.FormValue("authenticity_token")) && r.FormValue("user") == "ann@shop.example" {
			http.SetCookie(w, &http.Cookie{Name: "session", Value: s.issue()})
			w.Header().Set("Location", "/account")
			w.WriteHeader(http.StatusFound)
		}
	})
	session := func(w http.ResponseWriter, r *http.Request) bool {
		c, err := r.Cookie("session")
		if err != nil {
			c = &http.Cookie{}
		}
		return s.check(w, r, "session", c.Value)
	}
	mux.HandleFunc("GET /account", func(w http.ResponseWriter, r *http.Request) { session(w, r) })
	mux.HandleFunc("POST /api/token", func(w http.ResponseWriter, r *http.Request) {
		if session(w, r) && s.check(w, r, "csrf token", r.Header.Get("X-CSRF-Token")) {
			fmt.Fprintf(w, `{"access": {"access_token": %q}}`, s.issue())
		}
	})
	bearer := func(w http.ResponseWriter, r *http.Request) bool {
		return s.check(w, r, "bearer token", strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}
	mux.HandleFunc("GET /api/products", func(w http.ResponseWriter, r *http.Request) {
		if bearer(w, r) && r.FormValue("q") == "red pen" {
			fmt.Fprintf(w, `{"products": [{"id": "other"}, {"id": %q}]}`, s.issue())
		}
	})
	mux.HandleFunc("POST /api/carts", func(w http.ResponseWriter, r *http.Request) {
		var order struct{ Product, Note string }
		err := json.NewDecoder(r.Body).Decode(&order)
		if bearer(w, r) && s.check(w, r, "product", order.Product) && err == nil && order.Note == `pay ${later} "soon"` &&
			len(r.Header.Get("Idempotency-Key")) > 30 {
			fmt.Fprintf(w, `{"cart": {"id": %q}}`, s.issue())
		}
	})
	mux.HandleFunc("GET /carts/{id}", func(w http.ResponseWriter, r *http.Request) { s.check(w, r, "cart", r.PathValue("id")) })
	mux.HandleFunc("POST /upload", func(w http.ResponseWriter, r *http.Request) {})
	return mux
}

// A journey that is made from a HAR file works at the service, with other tokens than the recorded ones.
func TestJourneyFromHARWorks(t *testing.T) {
	shop := &recordedShop{issued: map[string]bool{}}
	server := httptest.NewServer(shop.handler())
	defer server.Close()
	dir := t.TempDir()
	file, result := filepath.Join(dir, "journey.yaml"), filepath.Join(dir, "a.json")
	code, stdout, stderr := runVerb(t, "journey", "from", filepath.Join(repository, "internal/recording/testdata/shop.har"), "-o", file)
	if code != 0 || stdout != "" || !strings.Contains(stderr, "note: step 2: the recorded value of password is a secret") {
		t.Fatalf("exit code %d\n%s%s", code, stdout, stderr)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	quick := strings.NewReplacer("think: 4s", "think: 40ms", "think: 3s", "think: 30ms", "think: 2s", "think: 20ms", "think: 2.4s", "think: 24ms",
		"think: 930ms", "think: 9ms").Replace(string(text))
	if err := os.WriteFile(file, []byte(quick), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr = tenfoldLoad(t.Context(), file, "--target", server.URL, "--rate", "5", "--duration", "1s", "--warmup", "0s", "--json", result)
	var d curve.Document
	data, _ := os.ReadFile(result)
	if json.Unmarshal(data, &d) != nil || code != 0 || len(d.Steps) != 1 || d.Steps[0].Errors != 0 || len(d.Steps[0].Journey) != 9 ||
		d.Steps[0].Journey[8].Requests == 0 {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
	if len(shop.wrong) > 0 {
		t.Errorf("%d requests had a wrong value: %.5q", len(shop.wrong), shop.wrong)
	}
}

func runVerb(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), &terminal{stdin: strings.NewReader(""), stdout: &out, stderr: &errs}, args)
	return code, out.String(), errs.String()
}
