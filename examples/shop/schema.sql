-- Version 1. Later versions are files of their own, applied in order; this one no longer changes.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE users (
    id            TEXT PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    password_hash BLOB NOT NULL,
    admin         INTEGER NOT NULL
) STRICT;

CREATE TABLE products (
    id          TEXT PRIMARY KEY,
    category    TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    price_cents INTEGER NOT NULL CHECK (price_cents > 0)
) STRICT;

CREATE INDEX products_by_category ON products (category, name);

CREATE TABLE orders (
    number      INTEGER PRIMARY KEY, -- in the order of writing
    id          TEXT NOT NULL UNIQUE,
    customer    TEXT NOT NULL REFERENCES users (id),
    key         TEXT NOT NULL,
    paid        INTEGER NOT NULL,
    placed_at   INTEGER NOT NULL,    -- milliseconds since 1970
    lines       TEXT NOT NULL,       -- JSON: names and prices as they were when it was bought
    total_cents INTEGER NOT NULL,
    UNIQUE (customer, key)           -- makes a repeated order the same order
) STRICT;

CREATE INDEX orders_by_customer ON orders (customer, number);
