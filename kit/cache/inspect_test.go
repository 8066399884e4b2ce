package cache

import (
	"strings"
	"testing"
	"time"
)

func TestInspectExplains(t *testing.T) {
	db := newTable()
	db.set("a", 1)
	c, pass := newClockedCache(t, db, &Options[string, int]{Tuning: Tuning{Jitter: -1, Early: -1}})
	expect := func(source, reason string) {
		t.Helper()
		i, err := c.Inspect(t.Context(), "a")
		if err != nil || i.Source != source || !strings.Contains(i.String(), reason) {
			t.Errorf("%v %v; want %s: %s", i, err, source, reason)
		}
	}
	expect("loader", "Run is not running; the store has nothing")
	get(t, c, "a")
	expect("store", "fresh in the store")
	stop := startRun(t, c)
	expect("store", "not in level 1; fresh")
	get(t, c, "a")
	expect("process", "receives every invalidation")
	stop()
	pass(301 * time.Second)
	expect("store", "served to the next read, which refreshes it")
	if err := c.InvalidateAt(t.Context(), pos(1, 9), "a"); err != nil {
		t.Fatal(err)
	}
	expect("loader", "no value of this generation")
	if i, _ := c.Inspect(t.Context(), "a"); i.Needed != pos(1, 9) || i.Generation == "" {
		t.Errorf("want position and generation of the invalidation: %+v", i)
	}
}
