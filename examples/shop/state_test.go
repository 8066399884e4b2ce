package shop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tenfold-go/tenfold/kit/idempotency"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

func TestCarts(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) { testCarts(t, state.Carts) })
}

// testCarts is the test of every implementation of Carts.
func testCarts(t *testing.T, carts Carts) {
	ctx := t.Context()
	wantCart := func(owner string, want map[string]int) {
		t.Helper()
		got, err := carts.Quantities(ctx, owner)
		if err != nil || !maps.Equal(got, want) {
			t.Errorf("cart of %s: %v, %v; want %v", owner, got, err, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	wantCart("a", nil)
	must(carts.Add(ctx, "a", "x", 2, ""))
	must(carts.Add(ctx, "a", "x", 3, ""))
	must(carts.Add(ctx, "a", "y", 1, ""))
	wantCart("a", map[string]int{"x": 5, "y": 1})
	wantCart("b", nil)
	must(carts.Remove(ctx, "a", "y", ""))
	must(carts.Remove(ctx, "a", "y", ""))
	must(carts.Remove(ctx, "unknown", "y", ""))
	wantCart("a", map[string]int{"x": 5})

	for range 2 { // an operation counts once, for each owner
		must(carts.Add(ctx, "a", "x", 1, "op1"))
		must(carts.Add(ctx, "a", "y", 7, "op2"))
		must(carts.Add(ctx, "b", "x", 9, "op1"))
	}
	wantCart("a", map[string]int{"x": 6, "y": 7})
	wantCart("b", map[string]int{"x": 9})
	must(carts.Remove(ctx, "b", "x", "op3"))
	must(carts.Add(ctx, "b", "x", 4, ""))
	must(carts.Remove(ctx, "b", "x", "op3")) // a later repetition keeps later additions
	wantCart("b", map[string]int{"x": 4})

	for range 2 { // an order counts once, too, and later additions stay
		must(carts.Take(ctx, "a", map[string]int{"x": 5, "y": 8, "z": 1}, "order 1"))
		wantCart("a", map[string]int{"x": 1})
	}
	must(carts.Add(ctx, "a", "x", 1, "op1"))
	wantCart("a", map[string]int{"x": 1})

	for range 2 { // the second merge changes nothing
		must(carts.Merge(ctx, "a", "b"))
		wantCart("a", map[string]int{"x": 5})
		wantCart("b", nil)
	}

	t.Run("limits", func(t *testing.T) {
		must(carts.Add(ctx, "full", "p0", maxQuantity, ""))
		for range 2 { // a refused operation changes nothing
			if err := carts.Add(ctx, "full", "p0", 1, "op"); !errors.Is(err, ErrCartFull) {
				t.Errorf("one more than %d: %v", maxQuantity, err)
			}
		}
		for i := 1; i < maxCartLines; i++ {
			must(carts.Add(ctx, "full", fmt.Sprint("p", i), 1, ""))
		}
		if err := carts.Add(ctx, "full", "extra", 1, ""); !errors.Is(err, ErrCartFull) {
			t.Errorf("product %d: %v", maxCartLines+1, err)
		}
		must(carts.Add(ctx, "full", "p1", 1, ""))
		for product, n := range map[string]int{"extra": 1, "p1": 7, "p0": 5} {
			must(carts.Add(ctx, "guest", product, n, ""))
		}
		must(carts.Merge(ctx, "full", "guest"))
		got, err := carts.Quantities(ctx, "full")
		must(err)
		if len(got) != maxCartLines || got["p1"] != 9 || got["p0"] != maxQuantity || got["extra"] != 0 {
			t.Errorf("%d products: %v", len(got), got)
		}
		for i := range maxOps {
			must(carts.Remove(ctx, "hasty", "x", fmt.Sprint(i)))
		}
		if err := carts.Add(ctx, "hasty", "x", 1, "one more"); !errors.Is(err, ErrCartFull) {
			t.Errorf("operation %d: %v", maxOps+1, err)
		}
		must(carts.Take(ctx, "hasty", map[string]int{"x": 1}, "order"))
		wantCart("hasty", nil)
	})

	t.Run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range maxQuantity / 10 {
					if err := carts.Add(ctx, "busy", "x", 1, ""); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		wantCart("busy", map[string]int{"x": maxQuantity})
	})
}

func TestUsers(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		ctx := t.Context()
		u := User{ID: "1", Name: "judy", PasswordHash: []byte{1, 2, 0, 3}, Admin: true}
		if err := state.Users.Add(ctx, u); err != nil {
			t.Fatal(err)
		}
		want := Profile{ID: "1", Name: "judy", Admin: true}
		if p, err := state.Users.Profile(ctx, "1"); err != nil || p != want {
			t.Errorf("profile %+v, %v", p, err)
		}
		if p, err := state.Users.Profile(ctx, "2"); !errors.Is(err, ErrNotFound) {
			t.Errorf("profile of an unknown user: %+v, %v", p, err)
		}
		u.ID = "2"
		if err := state.Users.Add(ctx, u); !errors.Is(err, ErrNameTaken) {
			t.Errorf("same name: %v", err)
		}
		got, err := state.Users.ByName(ctx, "judy")
		if err != nil || got.ID != "1" || string(got.PasswordHash) != "\x01\x02\x00\x03" || !got.Admin {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := state.Users.ByName(ctx, "' OR 1=1 --"); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown user: %v", err)
		}
	})
}

func TestOrders(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		ctx := t.Context()
		for _, id := range []string{"c1", "c2"} {
			if err := state.Users.Add(ctx, User{ID: id, Name: id, PasswordHash: []byte{1}}); err != nil {
				t.Fatal(err)
			}
		}
		placed := time.Date(2026, 5, 4, 3, 2, 1, 6e6, time.UTC)
		for i := range 5 {
			key := idempotency.Key{Caller: "c1", Value: fmt.Sprint("k", i)}
			order := Order{ID: fmt.Sprint("o", i), Customer: "c1", PlacedAt: placed,
				Lines: []Line{{"clips", "Clips", 2, 50, 100}}, TotalCents: 100}
			draft := func() (Order, error) { return order, nil }
			first, replayed, err := state.Orders.Place(ctx, key, idempotency.Fingerprint{}, draft)
			if err != nil || replayed || first.Status != 201 || !strings.Contains(string(first.Body), `"id":"`+order.ID+`","paid":true`) {
				t.Fatalf("got %d %s, %v, %v", first.Status, first.Body, replayed, err)
			}
			order.ID, order.TotalCents = "other", 999
			again, replayed, err := state.Orders.Place(ctx, key, idempotency.Fingerprint{}, draft)
			if err != nil || !replayed || again.Status != 201 || string(again.Body) != string(first.Body) {
				t.Fatalf("same key: %d %s, %v, %v", again.Status, again.Body, replayed, err)
			}
			if _, _, err := state.Orders.Place(ctx, key, idempotency.Fingerprint{1}, draft); !errors.Is(err, idempotency.ErrMismatch) {
				t.Fatalf("same key, other request: %v", err)
			}
		}
		if err := state.Orders.MarkPaid(ctx, "o4"); err != nil {
			t.Fatal(err)
		}
		if err := state.Orders.MarkPaid(ctx, "nothing"); !errors.Is(err, ErrNotFound) {
			t.Errorf("pay nothing: %v", err)
		}
		for id, want := range map[string]bool{"o3": false, "o4": true} {
			if paid, err := state.Orders.Paid(ctx, id); err != nil || paid != want {
				t.Errorf("%s: paid %v, %v", id, paid, err)
			}
		}
		recent, err := state.Orders.Recent(ctx, "c1", 3)
		if err != nil || len(recent) != 3 || recent[0].ID != "o4" || recent[2].ID != "o2" {
			t.Fatalf("recent: %+v, %v", recent, err)
		}
		if o := recent[0]; !o.Paid || !o.PlacedAt.Equal(placed) || o.Lines[0] != (Line{"clips", "Clips", 2, 50, 100}) {
			t.Errorf("as read: %+v", o)
		}
		if none, err := state.Orders.Recent(ctx, "c2", 3); err != nil || none == nil || len(none) != 0 {
			t.Errorf("none: %v, %v", none, err)
		}
		if left := stockOf(t, state, "clips"); left != seedStock-10 {
			t.Errorf("%d clips are left, want %d", left, seedStock-10)
		}
	})
}

// An order that is refused changes nothing: no order, no key, and the stock of its other lines is unchanged.
func TestOrdersThatAreNotPlaced(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		ctx := t.Context()
		if err := state.Users.Add(ctx, User{ID: "c", Name: "c", PasswordHash: []byte{1}}); err != nil {
			t.Fatal(err)
		}
		setStock(t, state, "clips", 1)
		key := idempotency.Key{Caller: "c", Value: "k"}
		order := Order{ID: "o", Customer: "c", Lines: []Line{{"ledger", "Ledger", 1, 1, 1}, {"clips", "Clips", 2, 1, 2}}, TotalCents: 3}
		var fault error
		draft := func() (Order, error) { return order, fault }
		_, _, err := state.Orders.Place(ctx, key, idempotency.Fingerprint{}, draft)
		if p, ok := errors.AsType[*problem](err); !ok || p.Status != 409 || !strings.Contains(p.Detail, `fewer than 2 of "Clips"`) {
			t.Errorf("too few: %v", err)
		}
		fault = errors.New("no cart")
		if _, _, err := state.Orders.Place(ctx, key, idempotency.Fingerprint{}, draft); !errors.Is(err, fault) {
			t.Errorf("no draft: %v", err)
		}
		if list, err := state.Orders.Recent(ctx, "c", 9); err != nil || len(list) != 0 || stockOf(t, state, "ledger") != seedStock {
			t.Errorf("left behind: %+v, %v, %d ledgers", list, err, stockOf(t, state, "ledger"))
		}
		fault, order.Lines[1].Quantity = nil, 1
		_, replayed, err := state.Orders.Place(ctx, key, idempotency.Fingerprint{1}, draft) // the key is free
		if err != nil || replayed || stockOf(t, state, "clips") != 0 {
			t.Errorf("the last one: %v, %v", replayed, err)
		}
	})
}

// stockOf returns the stock in the database, which readers of the cache may see later.
func stockOf(t *testing.T, state *State, product string) int {
	t.Helper()
	catalog := state.Catalog
	if c, ok := catalog.(cachedCatalog); ok {
		catalog = c.Catalog
	}
	n, err := catalog.Stock(t.Context(), product)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func setStock(t *testing.T, state *State, product string, n int) {
	t.Helper()
	switch c := state.Catalog.(type) {
	case *memoryCatalog:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stock[product] = n
	case cachedCatalog:
		if _, err := databaseOf(state).write.Exec("UPDATE products SET stock = ? WHERE id = ?", n, product); err != nil {
			t.Fatal(err)
		}
	}
}

func databaseOf(shared *State) *database { return shared.Orders.(sqliteOrders).db }

func TestCatalogStates(t *testing.T) {
	shared := openShared(t, t.TempDir(), redistest.Start(t))
	a, errA := OpenMemory().Catalog.Products(t.Context(), "")
	b, errB := shared.Catalog.Products(t.Context(), "")
	if errA != nil || errB != nil || len(a) != len(seedProducts) || fmt.Sprint(a) != fmt.Sprint(b) {
		t.Errorf("the two states disagree:\n%v %v\n%v %v", a, errA, b, errB)
	}
	for _, c := range categories {
		if p, err := shared.Catalog.Products(t.Context(), c); err != nil || len(p) != 6 {
			t.Errorf("%s: %v, %v", c, p, err)
		}
	}
}

// A full disk, a wrong file or a file of a later version is one clear error at the start.
func TestDatabaseThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	noise := filepath.Join(dir, "noise.db")
	if err := os.WriteFile(noise, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	db, err := openDatabase(t.Context(), newer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.write.Exec("PRAGMA user_version = 99"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		filepath.Join(dir, "no", "such", "folder.db"): "unable to open database file",
		noise: "not a database",
		newer: "version 99, this program supports version 2",
	} {
		if _, err := openDatabase(t.Context(), file); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}

// A file of the first schema has orders with their keys, but no stock.
func TestOldDatabaseIsBroughtUpToDate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	old, err := openSQLite(file)
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.Exec(migrations[0] + `
INSERT INTO settings VALUES ('signing key', zeroblob(32));
INSERT INTO users VALUES ('u', 'una', x'01', 0);
INSERT INTO products VALUES ('clips', 'desk', 'Brass Clips', 'A dozen in a tin.', 999);
INSERT INTO orders VALUES (7, 'o', 'u', 'k', 1, 1000, '[{"product": "clips", "quantity": 2}]', 1998);
PRAGMA user_version = 1`)
	if err := errors.Join(err, old.Close()); err != nil {
		t.Fatal(err)
	}
	state, err := OpenShared(t.Context(), file, redistest.Start(t).URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer state.Close()
	list, err := state.Orders.Recent(t.Context(), "u", 9)
	if err != nil || len(list) != 1 || list[0].ID != "o" || !list[0].Paid || list[0].Lines[0].Quantity != 2 || list[0].TotalCents != 1998 {
		t.Errorf("orders: %+v, %v", list, err)
	}
	if p, err := state.Catalog.Product(t.Context(), "clips"); err != nil || p.PriceCents != 999 || stockOf(t, state, "clips") != seedStock {
		t.Errorf("product: %+v, %v, stock %d", p, err, stockOf(t, state, "clips"))
	}
}

func TestDatabaseWithAnOddName(t *testing.T) {
	for _, name := range []string{"with space.db", "100%.db", "what?.db", "a#b.db", "ö.db"} {
		file := filepath.Join(t.TempDir(), name)
		db, err := openDatabase(t.Context(), file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		db.Close()
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

func TestManyNodesMayOpenANewDatabaseAtOnce(t *testing.T) {
	for round := range 20 { // the switch to WAL once failed in 1 % of the rounds
		file := filepath.Join(t.TempDir(), fmt.Sprint(round, ".db"))
		keys := make([]string, 8)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				db, err := openDatabase(t.Context(), file)
				if err != nil {
					t.Error(err)
					return
				}
				defer db.Close()
				key, err := db.signingKey(t.Context())
				if err != nil {
					t.Error(err)
				}
				keys[i] = string(key)
			})
		}
		wg.Wait()
		for i, k := range keys {
			if k == "" || k != keys[0] {
				t.Errorf("round %d: node %d has another key", round, i)
			}
		}
	}
}

func TestLockedDatabaseIsUnavailable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shop.db")
	db, err := openDatabase(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := openDatabase(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	tx, err := other.write.BeginTx(t.Context(), nil) // another process that holds the write lock
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := db.write.Exec("PRAGMA busy_timeout = 1"); err != nil { // instead of five seconds
		t.Fatal(err)
	}
	if err := (sqliteUsers{db}).Add(t.Context(), User{ID: "1", Name: "petra", PasswordHash: []byte{1}}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if _, err := (sqliteCatalog{db}).Products(t.Context(), ""); err != nil {
		t.Errorf("reading goes on: %v", err)
	}
}

func TestCancelledCallsEnd(t *testing.T) {
	state := openShared(t, t.TempDir(), redistest.Start(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := state.Carts.Quantities(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("redis: %v", err)
	}
	if _, err := state.Orders.Recent(ctx, "a", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("database: %v", err)
	}
}
