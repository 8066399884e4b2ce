-- Version 2: a stock of each product, and orders whose keys are in idempotency_keys, together with their answers.

ALTER TABLE products ADD COLUMN stock INTEGER NOT NULL DEFAULT 1000000 CHECK (stock >= 0);

CREATE TABLE orders_2 (
    number      INTEGER PRIMARY KEY, -- in the order of writing
    id          TEXT NOT NULL UNIQUE,
    customer    TEXT NOT NULL REFERENCES users (id),
    paid        INTEGER NOT NULL,
    placed_at   INTEGER NOT NULL,    -- milliseconds since 1970
    lines       TEXT NOT NULL,       -- JSON: names and prices as they were when it was bought
    total_cents INTEGER NOT NULL
) STRICT;

INSERT INTO orders_2 SELECT number, id, customer, paid, placed_at, lines, total_cents FROM orders;
DROP TABLE orders;
ALTER TABLE orders_2 RENAME TO orders;
CREATE INDEX orders_by_customer ON orders (customer, number);
