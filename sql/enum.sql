--
-- Enums: adding a value, and, by way of a new type, removing one (the README's
-- section, statement by statement) and renaming one (which notes the way to have
-- both names for a while).
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
\pset format unaligned
\pset tuples_only on
\set SHOW_CONTEXT never
CREATE TYPE state AS ENUM ('new', 'lost', 'done');
CREATE TABLE orders (id int PRIMARY KEY, state state NOT NULL DEFAULT 'new', history state[]);
CREATE INDEX orders_state ON orders (state);
INSERT INTO orders SELECT i, (enum_range(NULL::state))[i % 3 + 1], '{new,lost}' FROM generate_series(1, 1000) i;

-- a value more: as it stands, and usable at once
SELECT zdm.migrate('ALTER TYPE state ADD VALUE ''open'' AFTER ''new''', label => 'open');
CALL zdm.wait('open', 'completed', '1 min');
INSERT INTO orders VALUES (1001, 'open');
SELECT enum_range(NULL::state);

-- renaming one: nothing before contract, and then all of it at once
SELECT phase, statement, lock, work, note FROM zdm.plan('ALTER TYPE state RENAME VALUE ''lost'' TO ''it''''s gone''');
SELECT zdm.migrate('ALTER TYPE state RENAME VALUE ''lost'' TO ''it''''s gone''', label => 'rename, and back');
CALL zdm.wait('rename, and back', 'ready', '1 min');
SELECT notes[cardinality(notes)] FROM zdm.migrations WHERE label = 'rename, and back';
SELECT zdm.revert('rename, and back');
CALL zdm.wait('rename, and back', 'reverted', '1 min');
SELECT enum_range(NULL::state);
CREATE TYPE "Odd %" AS ENUM ('a', 'c');
CREATE TABLE odd (v "Odd %" DEFAULT 'a' CHECK (v <> 'a' OR v IS NOT NULL));
CREATE INDEX odd_v ON odd (v) WHERE v = 'a';
INSERT INTO odd VALUES ('a'), ('c');
SELECT zdm.migrate('ALTER TYPE "Odd %" RENAME VALUE ''a'' TO ''%b\''''%''', label => 'odd');
CALL zdm.wait('odd', 'ready', '1 min');
SELECT zdm.migrate('ALTER TYPE "Odd %" RENAME VALUE ''a'' TO ''%b\''''%''', label => 'odd') = id AS the_same FROM zdm.migrations WHERE label = 'odd';
INSERT INTO odd VALUES ('a');
SELECT zdm.contract('odd');
CALL zdm.wait('odd', 'completed', '1 min');
INSERT INTO odd VALUES ('a');
INSERT INTO odd DEFAULT VALUES;
SELECT v, count(*) FROM odd GROUP BY v ORDER BY v;
SELECT pg_get_indexdef('odd_v'::regclass), (SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'odd'::regclass AND contype = 'c');
SELECT zdm.plan('ALTER TYPE "Odd %" RENAME VALUE ''a'' TO ''b''');
SELECT zdm.plan('ALTER TYPE state RENAME VALUE ''nothing'' TO ''b''');
SELECT zdm.plan('ALTER TYPE state RENAME VALUE ''new'' TO ''done''');
SELECT zdm.plan('ALTER TYPE nothing RENAME VALUE ''a'' TO ''b''');
SELECT zdm.plan('ALTER TYPE int4 RENAME VALUE ''a'' TO ''b''');
CREATE ROLE regress_zdm_other;
GRANT USAGE ON SCHEMA zdm TO regress_zdm_other;
SET ROLE regress_zdm_other;
SELECT zdm.migrate('ALTER TYPE state RENAME VALUE ''new'' TO ''old''');
RESET ROLE;
DROP OWNED BY regress_zdm_other;
DROP ROLE regress_zdm_other;

-- no row needs it any more
SELECT zdm.backfill('orders', $$state = 'done'$$, $$state = 'lost'$$, label => 'no more lost');
SELECT zdm.backfill('orders', $$history = array_replace(history, 'lost', 'done')$$, $$'lost' = ANY (history)$$, label => 'no more lost in history');
CALL zdm.wait('no more lost', 'completed', '1 min');
CALL zdm.wait('no more lost in history', 'completed', '1 min');

-- a new type, and both columns changed to it
CREATE TYPE order_state AS ENUM ('new', 'open', 'done');
CREATE CAST (state AS order_state) WITH INOUT AS ASSIGNMENT;
CREATE CAST (order_state AS state) WITH INOUT AS ASSIGNMENT;
SELECT zdm.change_column_type('orders', 'state', 'order_state', label => 'orders.state');
SELECT zdm.change_column_type('orders', 'history', 'order_state[]', label => 'orders.history');
CALL zdm.wait('orders.state', 'ready', '1 min');
CALL zdm.wait('orders.history', 'ready', '1 min');
-- what the new type lacks is the old application's until the cutover, which waits for it
INSERT INTO orders VALUES (1002, 'lost');
DELETE FROM orders WHERE id = 1002;
INSERT INTO orders VALUES (1002, 'open', '{new,open}');
SELECT zdm.cutover('orders.state'), zdm.cutover('orders.history');
CALL zdm.wait('orders.state', 'switched', '1 min');
CALL zdm.wait('orders.history', 'switched', '1 min');
INSERT INTO orders VALUES (1003, 'lost');
INSERT INTO orders VALUES (1003, 'open');
INSERT INTO orders (id) VALUES (1004) RETURNING state;
SELECT zdm.contract('orders.state'), zdm.contract('orders.history');
CALL zdm.wait('orders.state', 'completed', '1 min');
CALL zdm.wait('orders.history', 'completed', '1 min');

-- the old type goes
SELECT zdm.migrate('DROP TYPE state', label => 'too early');
SELECT zdm.migrate('ALTER TABLE orders ALTER state SET DEFAULT ''new''', label => 'orders.state default');
CALL zdm.wait('orders.state default', 'completed', '1 min');
DROP CAST (state AS order_state);
DROP CAST (order_state AS state);
SELECT zdm.migrate('DROP TYPE state', label => 'drop state');
CALL zdm.wait('drop state', 'ready', '1 min');
SELECT zdm.contract('drop state');
CALL zdm.wait('drop state', 'completed', '1 min');
SELECT to_regtype('state');
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute WHERE attrelid = 'orders'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY 1;
SELECT pg_get_indexdef('orders_state'::regclass);
SELECT state, count(*) FROM orders GROUP BY state ORDER BY state;
SELECT DISTINCT history FROM orders ORDER BY 1;
