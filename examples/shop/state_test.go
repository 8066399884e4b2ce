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
)

func TestCarts(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) { testCarts(t, state.Carts) })
}

// testCarts is what every implementation of Carts must do.
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
	must(carts.Add(ctx, "a", "x", 2))
	must(carts.Add(ctx, "a", "x", 3))
	must(carts.Add(ctx, "a", "y", 1))
	wantCart("a", map[string]int{"x": 5, "y": 1})
	wantCart("b", nil)
	must(carts.Remove(ctx, "a", "y"))
	must(carts.Remove(ctx, "a", "y"))
	must(carts.Remove(ctx, "nobody", "y"))
	wantCart("a", map[string]int{"x": 5})

	for range 2 { // twice is as once
		must(carts.Raise(ctx, "a", map[string]int{"x": 3, "y": 7}))
		wantCart("a", map[string]int{"x": 5, "y": 7})
	}
	for range 2 {
		must(carts.Settle(ctx, "a", map[string]int{"x": 5, "y": 6, "z": 1}))
		wantCart("a", map[string]int{"y": 7})
	}
	must(carts.Settle(ctx, "a", map[string]int{"y": 7}))
	wantCart("a", nil)

	t.Run("limits", func(t *testing.T) {
		must(carts.Add(ctx, "full", "p0", maxQuantity))
		if err := carts.Add(ctx, "full", "p0", 1); !errors.Is(err, ErrCartFull) {
			t.Errorf("one more than %d: %v", maxQuantity, err)
		}
		for i := 1; i < maxCartLines; i++ {
			must(carts.Add(ctx, "full", fmt.Sprint("p", i), 1))
		}
		if err := carts.Add(ctx, "full", "extra", 1); !errors.Is(err, ErrCartFull) {
			t.Errorf("product %d: %v", maxCartLines+1, err)
		}
		must(carts.Add(ctx, "full", "p1", 1))
		must(carts.Raise(ctx, "full", map[string]int{"extra": 1, "p1": 9, "p0": maxQuantity + 1}))
		got, err := carts.Quantities(ctx, "full")
		must(err)
		if len(got) != maxCartLines || got["p1"] != 9 || got["p0"] != maxQuantity || got["extra"] != 0 {
			t.Errorf("%d products: %v", len(got), got)
		}
	})

	t.Run("many at once", func(t *testing.T) {
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				for range maxQuantity / 10 {
					if err := carts.Add(ctx, "busy", "x", 1); err != nil {
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
		u.ID = "2"
		if err := state.Users.Add(ctx, u); !errors.Is(err, ErrNameTaken) {
			t.Errorf("same name: %v", err)
		}
		got, err := state.Users.ByName(ctx, "judy")
		if err != nil || got.ID != "1" || string(got.PasswordHash) != "\x01\x02\x00\x03" || !got.Admin {
			t.Errorf("got %+v, %v", got, err)
		}
		if _, err := state.Users.ByName(ctx, "' OR 1=1 --"); !errors.Is(err, ErrNotFound) {
			t.Errorf("nobody: %v", err)
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
			o := Order{ID: fmt.Sprint("o", i), Customer: "c1", Key: fmt.Sprint("k", i), PlacedAt: placed,
				Lines: []Line{{"x", "X", 2, 50, 100}}, TotalCents: 100}
			if got, err := state.Orders.Place(ctx, o); err != nil || got.ID != o.ID {
				t.Fatalf("got %+v, %v", got, err)
			}
			o.ID, o.TotalCents = "other", 999
			if got, err := state.Orders.Place(ctx, o); err != nil || got.ID != fmt.Sprint("o", i) || got.TotalCents != 100 {
				t.Fatalf("same key: %+v, %v", got, err)
			}
		}
		if err := state.Orders.MarkPaid(ctx, "o4"); err != nil {
			t.Fatal(err)
		}
		if err := state.Orders.MarkPaid(ctx, "nothing"); !errors.Is(err, ErrNotFound) {
			t.Errorf("pay nothing: %v", err)
		}
		recent, err := state.Orders.Recent(ctx, "c1", 3)
		if err != nil || len(recent) != 3 || recent[0].ID != "o4" || recent[2].ID != "o2" {
			t.Fatalf("recent: %+v, %v", recent, err)
		}
		if o := recent[0]; !o.Paid || !o.PlacedAt.Equal(placed) || o.Lines[0] != (Line{"x", "X", 2, 50, 100}) {
			t.Errorf("as read: %+v", o)
		}
		if o, err := state.Orders.ByKey(ctx, "c1", "k1"); err != nil || o.ID != "o1" || o.Paid {
			t.Errorf("by key: %+v, %v", o, err)
		}
		if _, err := state.Orders.ByKey(ctx, "c2", "k1"); !errors.Is(err, ErrNotFound) {
			t.Errorf("another customer's key: %v", err)
		}
		if none, err := state.Orders.Recent(ctx, "c2", 3); err != nil || none == nil || len(none) != 0 {
			t.Errorf("none: %v, %v", none, err)
		}
	})
}

func TestCatalogStates(t *testing.T) {
	shared := openShared(t, t.TempDir(), startRedis(t))
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

// A full disk, a wrong file, a file of tomorrow: each is one clear error at the start.
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
		newer: "version 99, this program knows 1",
	} {
		if _, err := openDatabase(t.Context(), file); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
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
	for round := range 20 { // the switch to WAL once failed in one of a hundred rounds
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
	tx, err := other.write.BeginTx(t.Context(), nil) // another process that hangs while it writes
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if _, err := db.write.Exec("PRAGMA busy_timeout = 1"); err != nil { // rather than five seconds
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
	state := openShared(t, t.TempDir(), startRedis(t))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := state.Carts.Quantities(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("redis: %v", err)
	}
	if _, err := state.Catalog.Products(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("database: %v", err)
	}
}
