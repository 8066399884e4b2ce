package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tenfold-go/tenfold/kit/cache"
	"github.com/tenfold-go/tenfold/kit/redistest"
)

// priceOfClips reads the price that a path shows.
func priceOfClips(v *visitor, path string) (int64, error) {
	a, err := v.try("GET", path, "")
	if err != nil || a.status != http.StatusOK {
		return 0, fmt.Errorf("%w: %d %s", err, a.status, a.body)
	}
	var found struct {
		Product
		Products []Product
	}
	if err := json.Unmarshal([]byte(a.body), &found); err != nil {
		return 0, err
	}
	if found.ID != "" {
		return found.PriceCents, nil
	}
	p, err := find(found.Products, "clips")
	if err != nil {
		return 0, err
	}
	return p.PriceCents, nil
}

var pathsOfClips = []string{"/api/products/clips", "/api/products", "/api/products?category=desk"}

// openCached is openShared for a node that already serves the catalog from level 1.
func openCached(t *testing.T, dir string, redis *redistest.Server) *State {
	t.Helper()
	state := openShared(t, dir, redis)
	eventually(t, "a hit in level 1", func() bool {
		if _, err := state.Catalog.Products(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		return state.caches["catalog"]().HitsL1 > 0
	})
	return state
}

// adminOf returns the admin with a token that is valid on all nodes.
func adminOf(t *testing.T, node string) *visitor {
	var login struct{ Token string }
	v := visit(t, node)
	v.want(http.StatusOK, &login, "POST", "/api/login", credentialsJSON("admin"))
	v = visit(t, node)
	v.token = login.Token
	return v
}

// setPrice sets the price until all nodes have confirmed it. A node that is too slow makes a second try necessary.
func setPrice(admin *visitor, cents int64) {
	admin.t.Helper()
	eventually(admin.t, "the price is confirmed", func() bool {
		a := admin.do("PUT", "/api/products/clips/price", fmt.Sprintf(`{"price_cents": %d}`, cents))
		if a.status != http.StatusOK && a.status != http.StatusServiceUnavailable {
			admin.t.Fatalf("set price: %d %s", a.status, a.body)
		}
		return a.status == http.StatusOK
	})
}

// Visitors read a price on all nodes while the admin raises it on one node after the other. A read that starts after a change has
// been acknowledged returns that price or a newer one.
func TestNoNodeServesAnOldPriceAfterTheChangeIsAcknowledged(t *testing.T) {
	redis, dir := redistest.Start(t), t.TempDir()
	var nodes []string
	for range 3 {
		nodes = append(nodes, startShop(t, openCached(t, dir, redis), Options{}))
	}
	var acknowledged, reads atomic.Int64
	done := make(chan struct{})
	var looking sync.WaitGroup
	for i := range 2 * len(nodes) {
		v := visit(t, nodes[i%len(nodes)])
		looking.Go(func() {
			for n := i; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				newest, path := acknowledged.Load(), pathsOfClips[n%len(pathsOfClips)]
				switch price, err := priceOfClips(v, path); {
				case err != nil:
					t.Error(err)
					return
				case price < newest:
					t.Errorf("%s shows %d on node %d after %d was acknowledged", path, price, i%len(nodes), newest)
				}
				reads.Add(1)
			}
		})
	}
	admin := adminOf(t, nodes[0])
	for cents := int64(1001); cents <= 1040; cents++ {
		admin.node = nodes[cents%3]
		setPrice(admin, cents)
		acknowledged.Store(cents)
		for i, node := range nodes {
			if price, err := priceOfClips(visit(t, node), pathsOfClips[i]); err != nil || price != cents {
				t.Errorf("node %d shows %d, %v after %d was acknowledged", i, price, err, cents)
			}
		}
	}
	close(done)
	looking.Wait()
	t.Logf("%d reads", reads.Load())
}

// While Redis is down, the shop serves from the database and does not confirm a new price.
func TestCatalogWhileRedisIsDown(t *testing.T) {
	redis, dir := redistest.Start(t), t.TempDir()
	nodes := []string{startShop(t, openCached(t, dir, redis), Options{}), startShop(t, openCached(t, dir, redis), Options{})}
	admin := adminOf(t, nodes[0])
	for _, node := range nodes {
		if price, err := priceOfClips(visit(t, node), "/api/products"); err != nil || price != 7_20 {
			t.Fatalf("%d, %v", price, err)
		}
	}
	redis.Kill()
	for _, path := range []string{"/api/products", "/api/products/clips", "/api/products/clips/stock", "/api/me"} {
		admin.want(http.StatusOK, nil, "GET", path, "")
	}
	a := admin.want(http.StatusServiceUnavailable, nil, "PUT", "/api/products/clips/price", `{"price_cents": 1}`)
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	for _, node := range nodes { // a node stops using level 1 when it cannot receive new prices
		eventually(t, "the price is that of the database", func() bool {
			price, err := priceOfClips(visit(t, node), "/api/products")
			if err != nil {
				t.Error(err)
			}
			return price == 1
		})
	}
	redis.Restart()
	eventually(t, "ready again", func() bool { return admin.do("GET", "/readyz", "").status == http.StatusOK })
	setPrice(admin, 2)
	for _, node := range nodes {
		if price, err := priceOfClips(visit(t, node), "/api/products"); err != nil || price != 2 {
			t.Errorf("%d, %v", price, err)
		}
	}
}

// While Redis is down, the database gets at most databaseReaders queries at once, and the queue is limited too.
func TestQueriesAreLimitedWhileRedisIsDown(t *testing.T) {
	redis := redistest.Start(t)
	client, err := openRedis(redis.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	redis.Kill()
	var running, most atomic.Int64
	slow, finish := make(chan struct{}), sync.Once{}
	defer finish.Do(func() { close(slow) })
	read := func(context.Context, string) (int, error) {
		n := running.Add(1)
		defer running.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		<-slow
		return 1, nil
	}
	stock, err := cache.New(client, "stock", notFound(read), cacheOptions[int](stockAge, "1", slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	const asking, served = 200, 11 * databaseReaders
	errs := make(chan error, asking)
	for i := range asking {
		go func() {
			_, err := get(t.Context(), stock, "stock of", fmt.Sprint("product-", i))
			errs <- err
		}()
	}
	for range asking - served {
		if err := <-errs; !errors.Is(err, ErrUnavailable) {
			t.Errorf("more than %d at once: %v", served, err)
		}
	}
	finish.Do(func() { close(slow) })
	for range served { // on a slow machine, reads that have waited too long are refused as well
		if err := <-errs; err != nil && !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
	}
	if n := most.Load(); n > databaseReaders {
		t.Errorf("%d loads at once, want at most %d", n, databaseReaders)
	}
}

func TestProfileAndStock(t *testing.T) {
	eachState(t, func(t *testing.T, state *State) {
		v := visit(t, startShop(t, state, Options{}))
		var registered, me Profile
		v.want(http.StatusCreated, &registered, "POST", "/api/register", credentialsJSON("mia"))
		v.want(http.StatusOK, &me, "GET", "/api/me", "")
		if me != registered || me.Name != "mia" || me.Admin {
			t.Errorf("profile %+v, registered %+v", me, registered)
		}
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 3}`)
		v.want(http.StatusCreated, nil, "POST", "/api/orders", "")
		var stock struct {
			Product string
			Stock   int
		}
		v.want(http.StatusOK, &stock, "GET", "/api/products/clips/stock", "")
		if stock.Product != "clips" || stock.Stock != seedStock-3 {
			t.Errorf("stock: %+v", stock)
		}
		v.want(http.StatusOK, nil, "POST", "/api/cart/items", `{"product": "clips", "quantity": 1}`)
		v.want(http.StatusCreated, nil, "POST", "/api/orders", "")
		eventually(t, "the stock is shown", func() bool { // after five seconds, because it is cached
			v.want(http.StatusOK, &stock, "GET", "/api/products/clips/stock", "")
			return stock.Stock == seedStock-4
		})
	})
}

func TestMetricsCountReadsBySource(t *testing.T) {
	v := visit(t, startShop(t, openShared(t, t.TempDir(), redistest.Start(t)), Options{}))
	v.want(http.StatusOK, nil, "GET", "/api/products", "")
	body := v.want(http.StatusOK, nil, "GET", "/metrics", "").body
	for _, line := range []string{
		`shop_cache_reads_total{cache="catalog",from="database"} 1`,
		`shop_cache_reads_total{cache="catalog",from="process"} 0`,
		`shop_cache_reads_total{cache="profile",from="redis"} 0`,
		`shop_cache_reads_total{cache="stock",from="twin"} 0`,
		`shop_cache_unconfirmed_total{cache="catalog"} 0`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no line %s", line)
		}
	}
}
