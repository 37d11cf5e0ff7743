--
-- The classic playbook of safe patterns, each by one call: nullable column,
-- concurrent index, NOT VALID then VALIDATE for CHECK and foreign key, the NOT
-- NULL pattern, default then backfill, rename, int to bigint, and contract.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
SET zdm.batch_rest = 0;
CREATE TABLE customer (id int PRIMARY KEY);
CREATE TABLE orders (id int PRIMARY KEY, customer int, state text, price int);
INSERT INTO customer SELECT i FROM generate_series(1, 50) i;
INSERT INTO orders SELECT i, i % 50 + 1, CASE WHEN i % 4 > 0 THEN 'open' END, i FROM generate_series(1, 20000) i;

-- each as a migration tool would state it: in its own transaction, and twice
CREATE PROCEDURE run(what text, ddl text, up text DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	id bigint;
BEGIN
	id := zdm.migrate(ddl, up, label => what);
	COMMIT;
	IF id <> zdm.migrate(ddl, up, label => what) THEN
		RAISE EXCEPTION 'another id the second time';
	END IF;
	COMMIT;
END
$$;

-- a nullable column, at once
CALL run('nullable column', 'ALTER TABLE orders ADD COLUMN note text');
CALL zdm.wait('nullable column', 'completed', '1 min');
-- an index, concurrently
CALL run('index', 'CREATE INDEX orders_state ON orders (state) WHERE state <> ''done''');
CALL zdm.wait('index', 'completed', '1 min');
-- a CHECK, not valid and then validated
CALL run('check', 'ALTER TABLE orders ADD CONSTRAINT orders_price CHECK (price > 0)');
CALL zdm.wait('check', 'completed', '1 min');
-- a foreign key, the same
CALL run('foreign key', 'ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customer');
CALL zdm.wait('foreign key', 'completed', '1 min');
-- NOT NULL, filled in and proved
CALL run('not null', 'ALTER TABLE orders ALTER state SET NOT NULL', '''new''');
CALL zdm.wait('not null', 'completed', '1 min');
-- a default for new rows, then for the old ones
CALL run('default', 'ALTER TABLE orders ALTER note SET DEFAULT ''none''');
CALL zdm.wait('default', 'completed', '1 min');
SELECT zdm.backfill('orders', 'note = ''none''', 'note IS NULL', label => 'backfill') > 0;
CALL zdm.wait('backfill', 'completed', '1 min');
-- a rename, with both names in use until contract
CALL run('rename', 'ALTER TABLE orders RENAME COLUMN price TO amount');
CALL zdm.wait('rename', 'ready', '1 min');
INSERT INTO orders (id, customer, state, price) VALUES (20001, 1, 'old', 7);
INSERT INTO orders (id, customer, state, amount) VALUES (20002, 1, 'new', 8);
SELECT id, price, amount FROM orders WHERE id > 20000 ORDER BY id;
SELECT zdm.cutover('rename');
CALL zdm.wait('rename', 'switched', '1 min');
SELECT zdm.contract('rename');
CALL zdm.wait('rename', 'completed', '1 min');
-- int to bigint, of a primary key that others reference
CREATE TABLE item (id int PRIMARY KEY, order_id bigint REFERENCES orders);
INSERT INTO item SELECT i, i FROM generate_series(1, 100) i;
CALL run('bigint', 'ALTER TABLE orders ALTER id TYPE bigint');
CALL zdm.wait('bigint', 'ready', '1 min');
SELECT zdm.cutover('bigint');
CALL zdm.wait('bigint', 'switched', '1 min');
INSERT INTO orders (id, customer, state, amount) VALUES (5000000000, 1, 'large', 9);
INSERT INTO item VALUES (101, 5000000000);
SELECT zdm.contract('bigint');
CALL zdm.wait('bigint', 'completed', '1 min');
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'item'::regclass AND contype = 'f';
-- a column that nobody needs any more
CALL run('drop', 'ALTER TABLE orders DROP COLUMN note');
CALL zdm.wait('drop', 'ready', '1 min');
SELECT zdm.contract('drop');
CALL zdm.wait('drop', 'completed', '1 min');

-- the end of it
SELECT label, kind, state FROM zdm.migrations ORDER BY id;
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum;
SELECT conname, convalidated, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'orders'::regclass AND contype <> 'n' ORDER BY conname;
SELECT pg_get_indexdef(indexrelid), indisvalid FROM pg_index WHERE indrelid = 'orders'::regclass ORDER BY 1;
SELECT count(*), count(*) FILTER (WHERE state = 'new'), sum(amount) FROM orders;
