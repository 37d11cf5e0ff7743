-- A small schema: what an ALTER TABLE of the guard's benchmark finds around it.
CREATE TABLE small (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x', b int CHECK (b > 0), c timestamptz);
CREATE INDEX ON small (b);
CREATE INDEX ON small (c);
CREATE VIEW small_view AS SELECT * FROM small;
CREATE TABLE other (id int PRIMARY KEY, small int REFERENCES small);
INSERT INTO small SELECT g, 'x', g, now() FROM generate_series(1, 100) g;
