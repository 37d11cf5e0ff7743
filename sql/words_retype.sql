--
-- What does not go with a new type is named as the user knows it: an index, a
-- CHECK, a foreign key, never the table that the change was tried on.
--
CREATE EXTENSION pg_zdm;
SET client_min_messages = warning;
SET zdm.guard = off;
\set SHOW_CONTEXT never
CREATE TYPE mood AS ENUM ('a', 'b');
CREATE TYPE mood2 AS ENUM ('a', 'b');
CREATE CAST (mood AS mood2) WITH INOUT AS ASSIGNMENT;
CREATE CAST (mood2 AS mood) WITH INOUT AS ASSIGNMENT;
CREATE TABLE t (id int PRIMARY KEY, m mood, "At" timestamp, b text);
CREATE INDEX fine ON t (b);
CREATE INDEX "Not a" ON t (id) WHERE m <> 'a'::mood;
SELECT zdm.change_column_type('t', 'm', 'mood2');
DROP INDEX "Not a";
ALTER TABLE t ADD CONSTRAINT fine_too CHECK (b <> ''), ADD CONSTRAINT "no b" CHECK (m <> 'b'::mood);
SELECT zdm.change_column_type('t', 'm', 'mood2');
ALTER TABLE t DROP CONSTRAINT "no b", DROP CONSTRAINT fine_too;
-- an operator class of the old type; an expression that is no longer IMMUTABLE
CREATE INDEX by_pattern ON t (b text_pattern_ops);
SELECT zdm.change_column_type('t', 'b', 'int', up => 'length(b)', down => 'b::text');
DROP INDEX by_pattern;
CREATE INDEX by_day ON t (date_trunc('day', "At"));
SELECT zdm.change_column_type('t', 'At', 'timestamptz');
DROP INDEX by_day;
ALTER TABLE t ADD CONSTRAINT day_unique UNIQUE (m, "At");
SELECT zdm.change_column_type('t', 'At', 'point', up => 'point(1, extract(epoch FROM "At")::float8)', down => 'to_timestamp(("At")[1])::timestamp');
-- both ends of a key of an enum
\set VERBOSITY terse
CREATE TABLE parent (m mood PRIMARY KEY);
CREATE TABLE child (m mood CONSTRAINT child_of REFERENCES parent);
SELECT zdm.change_column_type('parent', 'm', 'mood2');
SELECT zdm.change_column_type('child', 'm', 'mood2');
\set VERBOSITY default
-- the change itself, and a partitioned table
SELECT zdm.change_column_type('t', 'm', 'point');
CREATE TABLE p (k int, m mood) PARTITION BY LIST (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);
CREATE INDEX p_m ON p (k) WHERE m = 'a'::mood;
SELECT zdm.change_column_type('p', 'm', 'mood2');
SELECT count(*) FROM zdm.migrations;
