package idempotency_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

func TestRetryOverHTTPGetsTheSameResponse(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		h := s.Required(caller, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
			w.Header().Set("Set-Cookie", "secret=1")
			w.Header().Set("X-Latin", "caf\xe9")
			return shop(w, r, tx)
		})
		first, second := post(h, "k1", "{}"), post(h, `"k1"`, "{}")
		for _, w := range []*httptest.ResponseRecorder{first, second} {
			wantStatus(t, w, http.StatusCreated)
			if got := w.Header(); w.Body.String() != `{"order":1}` || got.Get("Location") != "/orders/1" ||
				got.Get("Content-Type") != "application/json" || got.Get("X-Latin") != "caf\xe9" || got.Get("Content-Length") != "11" {
				t.Errorf("got %v %s", w.Header(), w.Body)
			}
		}
		if first.Header().Get("Idempotency-Replayed") != "" || second.Header().Get("Idempotency-Replayed") != "true" {
			t.Error("the wrong response is marked as replayed")
		}
		if first.Header().Get("Set-Cookie") == "" || second.Header().Get("Set-Cookie") != "" {
			t.Error("a cookie must be in the first response only")
		}
		wantCount(t, db, "orders", 1)
	})
}

func TestProblems(t *testing.T) {
	p := newSQLite(t)
	s, db := p.store(t, &idempotency.Options{Wait: -1, MaxBody: 100, MaxResponse: 1000})
	h := s.Required(caller, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
		if err := shop(w, r, tx); err != nil {
			return err
		}
		switch body := readAll(t, r.Body); body {
		case "fail":
			return errors.New("the password of the database is 1234")
		case "long":
			for range 11 {
				w.Write(make([]byte, 100))
			}
		case "busy":
			return fmt.Errorf("reserve: %w", idempotency.ErrUnavailable)
		}
		return nil
	})
	wantStatus(t, post(h, "used", "{}"), http.StatusCreated)
	release := hold(t, s, idempotency.Key{Caller: "ada", Value: "in-flight"})
	for _, c := range []struct {
		name, user, key, body string
		status                int
	}{
		{"in flight", "ada", "in-flight", "{}", 409},
		{"no key", "ada", "", "{}", 400},
		{"bad key", "ada", "a b", "{}", 400},
		{"binary key", "ada", "\xff\x00", "{}", 400},
		{"long key", "ada", strings.Repeat("k", 256), "{}", 400},
		{"no caller", "", "k", "{}", 403},
		{"large body", "ada", "k", strings.Repeat("b", 101), 413},
	} {
		wantProblem(t, c.name, postAs(h, c.user, c.key, c.body), c.status)
	}
	release()
	for _, c := range []struct {
		name, key, body string
		status          int
	}{
		{"other payload", "used", "other", 422},
		{"handler fails", "k", "fail", 500},
		{"response too large", "k", "long", 500},
		{"database busy", "k", "busy", 503},
	} {
		w := post(h, c.key, c.body)
		wantProblem(t, c.name, w, c.status)
		if strings.Contains(w.Body.String(), "1234") || w.Header().Get("Location") != "" {
			t.Errorf("%s: the response reveals an internal error: %v %s", c.name, w.Header(), w.Body)
		}
	}
	r := httptest.NewRequest("POST", "/orders", nil)
	r.Header["Idempotency-Key"] = []string{"a", "b"}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	wantProblem(t, "two keys", w, 400)
	r = httptest.NewRequest("POST", "/orders", io.MultiReader(strings.NewReader("{"), brokenReader{}))
	r.Header.Set("Idempotency-Key", "k")
	r.Header.Set("X-User", "ada")
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r)
	wantProblem(t, "body cut off", w, 400)
	wantCount(t, db, "orders", 2)
	wantCount(t, db, "idempotency_keys", 2)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func wantProblem(t *testing.T, name string, w *httptest.ResponseRecorder, status int) {
	t.Helper()
	var problem struct {
		Title, Detail string
		Status        int
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Errorf("%s: %v in %q", name, err, w.Body)
	}
	retry := w.Header().Get("Retry-After") != ""
	if w.Code != status || problem.Status != status || problem.Title == "" || problem.Detail == "" ||
		w.Header().Get("Content-Type") != "application/problem+json" || retry != (status == 409 || status == 503) {
		t.Errorf("%s: want %d, got %d %v %s", name, status, w.Code, w.Header(), w.Body)
	}
}

func TestOptionalKey(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, nil)
		h := s.Optional(caller, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
			if readAll(t, r.Body) == "refuse" {
				defer w.WriteHeader(http.StatusServiceUnavailable)
				_, err := buy(r.Context(), tx)
				return err
			}
			return shop(w, r, tx)
		})
		for range 2 {
			wantStatus(t, post(h, "", "{}"), http.StatusCreated)
		}
		wantStatus(t, post(h, "", "refuse"), http.StatusServiceUnavailable)
		wantCount(t, db, "orders", 2)
		wantCount(t, db, "idempotency_keys", 0)
		for range 2 {
			wantStatus(t, post(h, "k", "{}"), http.StatusCreated)
		}
		wantCount(t, db, "orders", 3)
		wantStatus(t, post(h, "a b", "{}"), http.StatusBadRequest)
	})
}

// TestDisconnectedClientRollsBack: if a client disconnects before the commit, nothing happens and its key is free.
func TestDisconnectedClientRollsBack(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, db := p.store(t, &idempotency.Options{Wait: patience})
		ctx, disconnect := context.WithCancel(t.Context())
		ended := make(chan struct{})
		h := s.Required(caller, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
			if err := shop(w, r, tx); err != nil {
				return err
			}
			disconnect()
			<-r.Context().Done()
			return nil
		})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			h.ServeHTTP(w, r)
		}))
		defer server.Close()
		req, err := http.NewRequestWithContext(ctx, "POST", server.URL+"/orders", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", "k")
		req.Header.Set("X-User", "ada")
		req.Header.Set("Content-Type", "application/json")
		if _, err := http.DefaultClient.Do(req); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		<-ended
		wantCount(t, db, "orders", 0)
		w := post(s.Required(caller, shop), "k", "{}")
		wantStatus(t, w, http.StatusCreated)
		if w.Header().Get("Idempotency-Replayed") != "" {
			t.Error("replayed")
		}
	})
}

// TestSlowBodyHoldsNothing: a client that sends its body slowly holds no database connection and no key.
func TestSlowBodyHoldsNothing(t *testing.T) {
	p := newSQLite(t)
	s, db := p.store(t, &idempotency.Options{Wait: -1})
	h := s.Required(caller, shop)
	body, client := io.Pipe()
	slow := httptest.NewRequest("POST", "/orders", body)
	slow.Header.Set("Idempotency-Key", "k")
	slow.Header.Set("X-User", "ada")
	responded := make(chan int)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, slow)
		responded <- w.Code
	}()
	if _, err := client.Write([]byte("{")); err != nil { // returns when the handler has read it
		t.Fatal(err)
	}
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%d connections in use", n)
	}
	wantStatus(t, post(h, "other", "{}"), http.StatusCreated)
	client.Close()
	if status := <-responded; status != http.StatusCreated {
		t.Errorf("status %d", status)
	}
}

func TestResponseIsHeldBackUntilTheCommit(t *testing.T) {
	each(t, func(t *testing.T, p testDatabase) {
		s, _ := p.store(t, nil)
		h := s.Required(caller, func(w http.ResponseWriter, r *http.Request, tx *sql.Tx) error {
			c := http.NewResponseController(w)
			if err := c.Flush(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("flush: %v", err)
			}
			if _, _, err := c.Hijack(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("hijack: %v", err)
			}
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusNoContent)
			w.Header().Set("X-After-Status", "1")
			w.WriteHeader(http.StatusTeapot)
			if _, err := w.Write([]byte("text")); !errors.Is(err, http.ErrBodyNotAllowed) {
				t.Errorf("body of a 204: %v", err)
			}
			return nil
		})
		for range 2 {
			w := post(h, "k", "{}")
			wantStatus(t, w, http.StatusNoContent)
			if w.Body.Len() > 0 || w.Header().Get("X-After-Status") != "" || w.Header().Get("Content-Length") != "" {
				t.Errorf("got %v %s", w.Header(), w.Body)
			}
		}
	})
}
