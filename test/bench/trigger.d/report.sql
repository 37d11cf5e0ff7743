-- Round 0 only warmed up.  What a variant adds is the difference to another one
-- in the same portion, measured within a few milliseconds: what disturbs both
-- falls out.  Of a round's portions, and of the rounds, the median.

CREATE VIEW bench.by_portion AS
	SELECT round, portion, task,
		max(ns) FILTER (WHERE variant = 'none') AS none,
		max(ns) FILTER (WHERE variant = 'c_noop') AS c_noop,
		max(ns) FILTER (WHERE variant = 'ours') AS ours,
		max(ns) FILTER (WHERE variant = 'plpgsql') AS plpgsql,
		max(ns) FILTER (WHERE variant = 'plpgsql_up') AS plpgsql_up
	FROM bench.result WHERE round > 0 GROUP BY round, portion, task;

CREATE VIEW bench.added AS
	SELECT task, baseline,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ours) AS ours,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql) AS plpgsql,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql_up) AS plpgsql_up
	FROM (SELECT round, task, baseline,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY ours - ns) AS ours,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql - ns) AS plpgsql,
			percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql_up - ns) AS plpgsql_up
		FROM bench.by_portion, LATERAL (VALUES ('no trigger', none), ('a C trigger that does nothing', c_noop)) b (baseline, ns)
		GROUP BY round, task, baseline) r
	GROUP BY task, baseline;

CREATE VIEW bench.promise AS
	SELECT task, baseline, ours / nullif(least(plpgsql, plpgsql_up), 0) AS ratio,
		CASE WHEN task LIKE 'insert%' THEN 0.5 ELSE 0.25 END AS at_most
	FROM bench.added
	WHERE (task LIKE 'insert%' AND baseline = 'no trigger')
		OR (task LIKE 'update elsewhere%' AND baseline <> 'no trigger');

\echo CPU time per row, ns, median
SELECT task,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY none)::int AS none,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY c_noop)::int AS c_noop,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY ours)::int AS ours,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql)::int AS plpgsql,
	percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql_up)::int AS "plpgsql, up only"
	FROM bench.by_portion GROUP BY task ORDER BY task;
\echo Added per row, ns, median of the rounds
SELECT task, baseline AS "added to", ours::int, plpgsql::int, plpgsql_up::int AS "plpgsql, up only"
	FROM bench.added ORDER BY task, baseline DESC;
\echo What ours adds, as a part of what the smaller PL/pgSQL trigger adds
SELECT task, baseline AS "added to", round(ratio::numeric, 3) AS ratio, at_most FROM bench.promise ORDER BY task;
