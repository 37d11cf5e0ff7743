-- Round 0 only warmed up.  What a variant adds is taken in each round by itself.

CREATE VIEW bench.by_round AS
	SELECT round, task,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) FILTER (WHERE variant = 'none') AS none,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) FILTER (WHERE variant = 'c_noop') AS c_noop,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) FILTER (WHERE variant = 'ours') AS ours,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) FILTER (WHERE variant = 'plpgsql') AS plpgsql,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ns) FILTER (WHERE variant = 'plpgsql_up') AS plpgsql_up
	FROM bench.result WHERE round > 0 GROUP BY round, task;

CREATE VIEW bench.median AS
	SELECT task,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY none) AS none,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY c_noop) AS c_noop,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY ours) AS ours,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql) AS plpgsql,
		percentile_cont(0.5) WITHIN GROUP (ORDER BY plpgsql_up) AS plpgsql_up,
		count(*) AS rounds
	FROM bench.by_round GROUP BY task;

CREATE VIEW bench.promise AS
	SELECT task, 'added to no trigger' AS measured,
		(ours - none) / nullif(least(plpgsql, plpgsql_up) - none, 0) AS ratio, 0.5 AS at_most
	FROM bench.median WHERE task LIKE 'insert%'
	UNION ALL
	SELECT task, 'added to a C trigger that does nothing',
		(ours - c_noop) / nullif(least(plpgsql, plpgsql_up) - c_noop, 0), 0.25
	FROM bench.median WHERE task LIKE 'update elsewhere%';

\echo CPU time per row, ns: median of the rounds
SELECT task, none::int, c_noop::int, ours::int, plpgsql::int, plpgsql_up::int AS "plpgsql, up only", rounds
	FROM bench.median ORDER BY task;
\echo What ours adds, as a part of what the smaller PL/pgSQL trigger adds
SELECT task, measured, round(ratio::numeric, 3) AS ratio, at_most FROM bench.promise ORDER BY task;
