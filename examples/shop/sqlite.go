package shop

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tenfold-go/tenfold/kit/idempotency"
)

type sqliteUsers struct{ db *database }

func (s sqliteUsers) Add(ctx context.Context, u User) error {
	var added int
	err := s.db.write.QueryRowContext(ctx,
		"INSERT INTO users (id, name, password_hash, admin) VALUES (?, ?, ?, ?) ON CONFLICT (name) DO NOTHING RETURNING 1",
		u.ID, u.Name, u.PasswordHash, u.Admin).Scan(&added)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNameTaken
	}
	return named(err, "user", u.Name)
}

func (s sqliteUsers) ByName(ctx context.Context, name string) (User, error) {
	u := User{Name: name}
	err := s.db.read.QueryRowContext(ctx, "SELECT id, password_hash, admin FROM users WHERE name = ?", name).
		Scan(&u.ID, &u.PasswordHash, &u.Admin)
	return u, named(err, "user", name)
}

func (s sqliteUsers) Profile(ctx context.Context, id string) (Profile, error) {
	p := Profile{ID: id}
	err := s.db.read.QueryRowContext(ctx, "SELECT name, admin FROM users WHERE id = ?", id).Scan(&p.Name, &p.Admin)
	return p, named(err, "user", id)
}

type sqliteCatalog struct{ db *database }

const productColumns = "id, category, name, description, price_cents"

func (s sqliteCatalog) Products(ctx context.Context, category string) ([]Product, error) {
	query, args := "SELECT "+productColumns+" FROM products ORDER BY category, name", []any(nil)
	if category != "" {
		query, args = "SELECT "+productColumns+" FROM products WHERE category = ? ORDER BY name", []any{category}
	}
	products, err := collect(ctx, s.db.read, scanProduct, query, args...)
	return products, named(err, "products of", category)
}

func (s sqliteCatalog) Product(ctx context.Context, id string) (Product, error) {
	p, err := scanProduct(s.db.read.QueryRowContext(ctx, "SELECT "+productColumns+" FROM products WHERE id = ?", id))
	return p, named(err, "product", id)
}

func (s sqliteCatalog) Stock(ctx context.Context, id string) (n int, err error) {
	err = s.db.read.QueryRowContext(ctx, "SELECT stock FROM products WHERE id = ?", id).Scan(&n)
	return n, named(err, "product", id)
}

func (s sqliteCatalog) SetPrice(ctx context.Context, id string, cents int64) (Product, error) {
	p, err := scanProduct(s.db.write.QueryRowContext(ctx,
		"UPDATE products SET price_cents = ? WHERE id = ? RETURNING "+productColumns, cents, id))
	return p, named(err, "product", id)
}

func scanProduct(row scanner) (p Product, err error) {
	err = row.Scan(&p.ID, &p.Category, &p.Name, &p.Description, &p.PriceCents)
	return p, err
}

type sqliteOrders struct {
	db   *database
	once *idempotency.Store[*sql.Tx] // keys and responses, in the same file
}

const orderColumns = "id, customer, paid, placed_at, lines, total_cents"

func (s sqliteOrders) Place(
	ctx context.Context, key idempotency.Key, fp idempotency.Fingerprint, draft func() (Order, error),
) (idempotency.Response, bool, error) {
	return s.once.Do(ctx, key, fp, func(ctx context.Context, tx *sql.Tx) (idempotency.Response, error) {
		o, err := draft()
		if err != nil {
			return idempotency.Response{}, err
		}
		return o.answer(), s.write(ctx, tx, o)
	})
}

func (s sqliteOrders) write(ctx context.Context, tx *sql.Tx, o Order) error {
	lines, err := json.Marshal(o.Lines)
	if err != nil {
		return fmt.Errorf("encode order: %w", err)
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO orders ("+orderColumns+") VALUES (?, ?, ?, ?, ?, ?)",
		o.ID, o.Customer, o.Paid, o.PlacedAt.UnixMilli(), string(lines), o.TotalCents)
	if err != nil {
		return fmt.Errorf("write order: %w", err)
	}
	for _, l := range o.Lines {
		var left int
		err := tx.QueryRowContext(ctx, "UPDATE products SET stock = stock - ? WHERE id = ? AND stock >= ? RETURNING stock",
			l.Quantity, l.Product, l.Quantity).Scan(&left)
		if errors.Is(err, sql.ErrNoRows) {
			return soldOut(l)
		}
		if err != nil {
			return fmt.Errorf("take %q out of the stock: %w", l.Product, err)
		}
	}
	return nil
}

func (s sqliteOrders) Paid(ctx context.Context, id string) (paid bool, err error) {
	err = s.db.read.QueryRowContext(ctx, "SELECT paid FROM orders WHERE id = ?", id).Scan(&paid)
	return paid, named(err, "order", id)
}

func (s sqliteOrders) MarkPaid(ctx context.Context, id string) error {
	var found int
	err := s.db.write.QueryRowContext(ctx, "UPDATE orders SET paid = 1 WHERE id = ? RETURNING 1", id).Scan(&found)
	return named(err, "order", id)
}

func (s sqliteOrders) Recent(ctx context.Context, customer string, limit int) ([]Order, error) {
	orders, err := collect(ctx, s.db.read, scanOrder,
		"SELECT "+orderColumns+" FROM orders WHERE customer = ? ORDER BY number DESC LIMIT ?", customer, limit)
	return orders, named(err, "orders of", customer)
}

func scanOrder(row scanner) (Order, error) {
	var o Order
	var placed int64
	var lines []byte
	if err := row.Scan(&o.ID, &o.Customer, &o.Paid, &placed, &lines, &o.TotalCents); err != nil {
		return o, err
	}
	o.PlacedAt = time.UnixMilli(placed).UTC()
	return o, json.Unmarshal(lines, &o.Lines)
}

// scanner is *sql.Row or *sql.Rows.
type scanner interface{ Scan(...any) error }

// collect reads all rows of a query.
func collect[T any](
	ctx context.Context, db *sql.DB, scan func(scanner) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := []T{}
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, rows.Err()
}

// named adds the subject to an error. It converts "no rows" to ErrNotFound, and a lock that was held for longer than the busy
// timeout to ErrUnavailable.
func named(err error, what, name string) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	if isBusy(err) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%s %q: %w", what, name, err)
}
