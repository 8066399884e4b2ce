package shop

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"
)

// page is the data of the front page. Its buttons use the API like any program.
type page struct {
	Node       string
	Fleet      []fleetNode // empty when this shop does not know the fleet
	Categories []string
	Category   string // "" for all
	Products   []Product
	Customer   *customer // nil for a guest, and when the store does not respond
	Cart       Cart
	CartDown   bool // the store of carts and logins does not respond
	Orders     []Order
	OrderKey   string // one per page, so that two clicks or a retry buy once
}

const ordersOnPage = 5

func (s *Shop) front(w http.ResponseWriter, r *http.Request) error {
	p := page{
		Node:       s.node,
		Fleet:      s.fleet.seenBy(r.Context(), s.node),
		Categories: categories,
		Category:   r.URL.Query().Get("category"),
		OrderKey:   rand.Text(),
	}
	var err error
	if p.Products, err = s.productsOf(r); err != nil {
		return err
	}
	status := http.StatusOK
	if p.Customer, err = s.visitor(r); err == nil {
		var owner string
		if owner, err = s.cartOf(r, p.Customer); err == nil {
			p.Cart, err = s.cart(r.Context(), owner)
		}
	}
	if errors.Is(err, ErrUnavailable) { // show the products anyway
		s.log.Error("page without cart", "err", err)
		p.CartDown, status = true, http.StatusServiceUnavailable
	} else if err != nil {
		return err
	}
	if p.Customer != nil {
		if p.Orders, err = s.state.Orders.Recent(r.Context(), p.Customer.ID, ordersOnPage); err != nil {
			return err
		}
	}
	var body bytes.Buffer // so that a failing template is an error instead of half a page
	if err := pageTemplate.Execute(&body, p); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	body.WriteTo(w) // an error means that the client disconnected
	return nil
}

//go:embed web
var web embed.FS

var pageTemplate = template.Must(template.New("page.html").Funcs(template.FuncMap{
	"money": func(cents int64) string { return fmt.Sprintf("€%d.%02d", cents/100, cents%100) },
	"asset": assetURL,
}).ParseFS(web, "web/page.html"))

// asset is a static file. Its ETag and the URL that pages use are made from its content. Browsers may keep that URL
// indefinitely, because different content has a different URL, even while nodes of two versions run at the same time.
type asset struct {
	content []byte
	tag     string
}

var assets = readAssets()

func readAssets() map[string]asset {
	assets := map[string]asset{}
	files, err := web.ReadDir("web/static")
	if err != nil {
		panic(err) // not possible: the files are part of the program
	}
	for _, f := range files {
		content, err := web.ReadFile("web/static/" + f.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		assets[f.Name()] = asset{content, hex.EncodeToString(sum[:8])}
	}
	return assets
}

func assetURL(name string) (string, error) {
	a, ok := assets[name]
	if !ok {
		return "", fmt.Errorf("no asset %q", name)
	}
	return "/static/" + name + "?v=" + a.tag, nil
}

func serveAsset(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	a, ok := assets[name]
	if !ok {
		return fmt.Errorf("asset %q: %w", name, ErrNotFound)
	}
	w.Header().Set("ETag", `"`+a.tag+`"`)
	w.Header().Set("Cache-Control", "no-cache")
	if r.URL.Query().Get("v") == a.tag {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(a.content))
	return nil
}
