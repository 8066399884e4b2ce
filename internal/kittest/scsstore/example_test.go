package scsstore_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"

	"github.com/alexedwards/scs/v2"
	"github.com/alicebob/miniredis/v2"
	"github.com/redis/rueidis"

	"github.com/tenfold-go/tenfold/kit/session/scsstore"
)

// A service that uses scs changes one line. Then any node can answer any request.
func Example() {
	redis := miniredis.NewMiniRedis() // use your Redis instead
	if err := redis.Start(); err != nil {
		panic(err)
	}
	defer redis.Close()
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{redis.Addr()}, DisableCache: true})
	if err != nil {
		panic(err)
	}
	defer client.Close()

	manager := scs.New()
	if manager.Store, err = scsstore.New(client, nil); err != nil {
		panic(err)
	}
	server := httptest.NewServer(manager.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		manager.Put(r.Context(), "seen", manager.GetInt(r.Context(), "seen")+1)
		fmt.Fprintln(w, "visit", manager.GetInt(r.Context(), "seen"))
	})))
	defer server.Close()

	jar, _ := cookiejar.New(nil)
	browser := http.Client{Jar: jar}
	for range 2 {
		res, err := browser.Get(server.URL)
		if err != nil {
			panic(err)
		}
		text, _ := io.ReadAll(res.Body)
		res.Body.Close()
		fmt.Print(string(text))
	}
	// Output:
	// visit 1
	// visit 2
}
