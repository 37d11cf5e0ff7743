# 070_any_order.pl: whatever is done to a migration, in whatever order, it ends
# well.
#
# In each round every table is given a migration or two, of any kind, and while
# writers are at work, calls and accidents rain on them: pause, resume, cutover,
# contract, revert, configure; workers that are held up, fail, are killed or
# cancelled, a server that crashes, tables that are locked, rewritten, emptied,
# given columns and partitions.  In the end each is driven to one of its two
# ends.  Then the table must be like its twin, to which the plain DDL was done of
# those that completed; nothing of ours may be left on it; and every row must
# hold what was last written to it, which it says itself: a is always 'v'
# followed by n.
#
# ZDM_SEED has the same turns taken again, as far as timing allows, and
# ZDM_ORDER_SECONDS sets the time.
#
# long

use strict;
use warnings;

use IPC::Run;
use PostgreSQL::Test::Utils;
use ZdmTest;
use Test::More;
use Time::HiRes qw(time usleep);

my $seconds = $ENV{ZDM_ORDER_SECONDS} // 30;
my @tables = qw(t1 t2 p1 p2);
my $rows = 1500;
my ($restarts, $calls, %ends) = (0, 0);
my @trouble;

seed_random();
my $node = zdm_node('main', conf => "zdm.batch_rest = 0\nzdm.batch_time = 20ms\nzdm.backfill_workers = 2\nzdm.guard = off\n");

# run(sql): what it printed, or "ERROR sqlstate: message".
sub run
{
	my ($sql, %option) = @_;
	my ($out, $err) = ('', '');

	my $rc = $node->psql('postgres', "\\set VERBOSITY verbose\nSET client_min_messages = error;\nSET lock_timeout = '5s';\n$sql",
		stdout => \$out, stderr => \$err, on_error_stop => 1);
	return $out if $rc == 0;
	return "ERROR $1: $2" if $err =~ /(?:ERROR|FATAL):\s+(\w{5}): (.*)/;
	return "ERROR 08000: $err";
}

sub sql { return $node->safe_psql('postgres', $_[0]) }

# try_to(what, sql, expected sqlstate...): note any other error.
sub try_to
{
	my ($what, $sql, @expected) = @_;
	my $answer = run($sql);

	$calls++;
	return $answer if $answer !~ /^ERROR (\w+)/;
	my $state = $1;
	push @trouble, "$what: $answer" unless grep { $state eq $_ } @expected, '55P03', '40P01';
	return $answer;
}

# make(schema, table, the key's type): with its rows, anew.
sub make
{
	my ($schema, $table, $key_type) = @_;
	my $parted = $table =~ /^p/;

	# in one transaction: writers are at work
	sql("BEGIN; SET LOCAL client_min_messages = error; DROP TABLE IF EXISTS $schema.$table;"
		  . "CREATE TABLE $schema.$table (id $key_type NOT NULL, n int NOT NULL DEFAULT 0, a text NOT NULL DEFAULT 'v0', "
		  . "nul int, ref int, pad text DEFAULT 'p', CONSTRAINT ${table}_a CHECK (a LIKE 'v%')) "
		  # spread over enough pages for a helper to have a part in them
		  . ($parted ? 'PARTITION BY RANGE (id)' : 'WITH (fillfactor = 10)') . ';'
		  . ($parted ? "CREATE TABLE $schema.${table}_1 PARTITION OF $schema.$table FOR VALUES FROM (MINVALUE) TO (1000);"
			  . "CREATE TABLE $schema.${table}_2 PARTITION OF $schema.$table FOR VALUES FROM (1000) TO (100000);" : '')
		  . "ALTER TABLE $schema.$table ADD PRIMARY KEY (id);"
		  . "CREATE INDEX ${table}_an ON $schema.$table (a, n DESC); CREATE INDEX ${table}_low ON $schema.$table (lower(a)) WHERE n > 5;"
		  . "COMMENT ON COLUMN $schema.$table.a IS 'same as n';"
		  . "INSERT INTO $schema.$table SELECT i, i, 'v' || i, CASE WHEN i % 3 = 0 THEN i END, i % 100 FROM generate_series(1, $rows) i; COMMIT");
	return;
}

# What the catalog says of the table and its partitions, in any order.
sub shape
{
	my ($schema, $table) = @_;
	my $shape = sql(<<"EOS");
WITH t AS (SELECT oid FROM pg_class WHERE relnamespace = '$schema'::regnamespace AND relkind IN ('r', 'p')
            AND relname IN ('$table', '${table}_1', '${table}_2'))
SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
  SELECT format('column %s.%s %s %s %s %s', attrelid::regclass, attname, format_type(atttypid, atttypmod),
                CASE WHEN attnotnull THEN 'not null' END, pg_get_expr(adbin, adrelid), col_description(attrelid, attnum)) AS line
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
   WHERE attrelid IN (SELECT oid FROM t) AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT pg_get_indexdef(indexrelid) || CASE WHEN indisprimary THEN ' primary' ELSE '' END || CASE WHEN indisvalid THEN '' ELSE ' invalid' END
    FROM pg_index WHERE indrelid IN (SELECT oid FROM t)
  UNION ALL
  SELECT format('constraint %s of %s: %s %s', conname, conrelid::regclass, pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE conrelid IN (SELECT oid FROM t) AND contype <> 'n'
  UNION ALL
  SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid IN (SELECT oid FROM t) AND NOT tgisinternal
) l
EOS
	$shape =~ s/\b(?:live|twin)\././g;
	return $shape;
}

# The lines that only one of two shapes has.
sub difference
{
	my ($is, $expected) = @_;
	my %is = map { $_ => 1 } split /\n/, $is;
	my %expected = map { $_ => 1 } split /\n/, $expected;

	return join("\n", (map { "is: $_" } grep { !$expected{$_} } sort keys %is),
		(map { "should be: $_" } grep { !$is{$_} } sort keys %expected));
}

# --- what there is: how it is stated, and the plain DDL that comes to the same
my @kinds = (
	{ name => 'rename', call => "zdm.rename_column('live.%', 'a', 'b')", ddl => 'ALTER TABLE twin.% RENAME a TO b' },
	{ name => 'type', call => "zdm.change_column_type('live.%', 'n', 'bigint')", ddl => 'ALTER TABLE twin.% ALTER n TYPE bigint' },
	{ name => 'key type', call => "zdm.change_column_type('live.%', 'id', 'bigint')", ddl => 'ALTER TABLE twin.% ALTER id TYPE bigint' },
	{ name => 'set not null', call => "zdm.set_not_null('live.%', 'nul', '0')",
		ddl => 'UPDATE twin.% SET nul = 0 WHERE nul IS NULL; ALTER TABLE twin.% ALTER nul SET NOT NULL', undone_by_hand => 1 },
	{ name => 'backfill', call => "zdm.backfill('live.%', 'pad = ''q''', 'pad = ''p'' AND id <= $rows')", ddl => '' },
	map { { name => $_, call => "zdm.migrate('ALTER TABLE live.% $_')", ddl => "ALTER TABLE twin.% $_" } }
	  ('ADD CONSTRAINT positive CHECK (n >= 0)', 'ADD CONSTRAINT parent FOREIGN KEY (ref) REFERENCES live.parent',
		'ADD COLUMN added int NOT NULL DEFAULT 5', 'ADD CONSTRAINT %_one UNIQUE (id, n)',
		'DROP COLUMN pad', 'ALTER pad SET DEFAULT 4711::text'));
push @kinds,
  map { { name => $_->[0], call => "zdm.migrate('$_->[1] live.%$_->[2]')", ddl => "$_->[1] twin.%$_->[2]" } }
  (['index', 'CREATE INDEX made ON', '(n, a)'], ['unique index', 'CREATE UNIQUE INDEX made ON', '(id, a)']);

# state_some(table): a migration of some kind; undef if it is refused, because
# it is not to be had or another is in the way.
sub state_some
{
	my ($table) = @_;
	my $kind = pick(@kinds);
	my ($call, $ddl) = map { s/INDEX made/INDEX %_made/r =~ s/%/$table/gr } $kind->{call}, $kind->{ddl};
	my $id = run('SET zdm.batch_time = ' . pick("'1ms'", "'20ms'") . '; SET zdm.batch_rest = ' . pick(0, 0, 30) . "; SELECT $call");

	return if $id =~ /^ERROR (0A000|55P03|55006|42701|42P07|42710|42703|08)/;
	die "$kind->{name} of $table: $id" if $id !~ /^\d+$/;
	return { id => $id, table => $table, kind => $kind->{name}, ddl => $ddl, parted => scalar($table =~ /^p/), did => [] };
}

# hold_up(error, seconds): workers wait, or fail, at some point for a moment.
my @holders;

sub hold_up
{
	my ($error, $for) = @_;
	my $point = pick(map({ "state-$_" } qw(expanding migrating cutting_over contracting reverting)),
		qw(step-before-commit backfill-before-commit backfill-after-batch backfill-with-snapshot undo-before-commit toplevel-before-mark));

	push @holders,
	  IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c',
			"SELECT pg_advisory_lock(hashtextextended('zdm:$point$error', 0)); SELECT pg_sleep($for)" ],
		'<', '/dev/null', '>', '/dev/null', '2>', '/dev/null');
	return;
}

# --- what is done to it
my @steering = qw(pause resume cutover contract revert);
my $extra = 0;

my %accidents = (
	steer => sub {
		my $call = pick(@steering);
		$call = pick(@steering) if $call eq 'revert';	# half as often
		try_to($call, "SELECT zdm.$call($_[0]{id})", '55000', '08000', '57P03', '57P01');
	},
	configure => sub {
		my ($name, $value) = @{ pick([ 'batch_rest', '0' ], [ 'batch_time', '5ms' ], [ 'lock_wait', '10ms' ], [ 'on_conflict', 'old' ]) };
		try_to('configure', "SELECT zdm.configure($_[0]{id}, '$name', '$value')", '55000', '08000', '57P03');
	},
	kill => sub { run("SELECT pg_terminate_backend(worker) FROM zdm.progress WHERE worker IS NOT NULL AND id = $_[0]{id}") },
	cancel => sub { run("SELECT pg_cancel_backend(worker) FROM zdm.progress WHERE worker IS NOT NULL AND id = $_[0]{id}") },
	hold => sub { hold_up(pick('', '', ':40P01', ':race', ':53100'), pick(0.1, 0.4)) },
	rewrite => sub { try_to('VACUUM FULL', "VACUUM FULL live.$_[0]{table}", '57014') },
	vacuum => sub { try_to('VACUUM', "VACUUM (ANALYZE) live.$_[0]{table}") },
	empty => sub { try_to('TRUNCATE', "TRUNCATE live.$_[0]{table}") },
	column => sub {
		$extra++;
		try_to('ADD COLUMN', "ALTER TABLE live.$_[0]{table} ADD COLUMN extra$extra int DEFAULT 7");
		try_to('DROP COLUMN', "ALTER TABLE live.$_[0]{table} DROP COLUMN IF EXISTS extra$extra") if rand() < 0.7;
	},
	lock => sub {
		run("BEGIN; LOCK TABLE live.$_[0]{table} IN " . pick('SHARE', 'ROW EXCLUSIVE', 'ACCESS SHARE') . ' MODE; SELECT pg_sleep('
			  . pick(0.05, 0.3) . '); ' . pick('COMMIT', 'ROLLBACK'));
	},
	schema => sub {
		my $t = $_[0]{table};
		return if $_[0]{parted};
		run("ALTER TABLE live.$t SET SCHEMA aside");
		wait_for('the table to be back',
			sub { run("ALTER TABLE IF EXISTS aside.$t SET SCHEMA live"); sql("SELECT to_regclass('live.$t') IS NOT NULL") eq 't' });
	},
	partition => sub {
		my ($m) = @_;
		return unless $m->{parted};
		my $name = "live.$m->{table}_x";
		run("CREATE TABLE $name (LIKE live.$m->{table} INCLUDING ALL); ALTER TABLE $name DROP CONSTRAINT IF EXISTS parent;"
			  . "INSERT INTO $name (id, n" . (rand() < 0.5 ? ') SELECT i, 0' : ', ref) SELECT i, 0, 1') . " FROM generate_series(200001, 200200) i;"
			  . "ALTER TABLE live.$m->{table} ATTACH PARTITION $name FOR VALUES FROM (200000) TO (300000)");
		usleep(rand 200_000);
		remove_extra_partition($m) if rand() < 0.6;
	},
);
my @frequent = (('steer') x 12, qw(hold hold configure kill kill cancel rewrite vacuum empty column lock lock schema partition partition));

sub remove_extra_partition
{
	my ($m) = @_;
	my $name = "live.$m->{table}_x";

	wait_for("$name to be gone",
		sub {
			run("DO \$\$ BEGIN IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass('$name')) "
				  . "THEN ALTER TABLE live.$m->{table} DETACH PARTITION $name; END IF; DROP TABLE IF EXISTS $name; END \$\$");
			sql("SELECT to_regclass('$name') IS NULL") eq 't';
		});
	return;
}

# --- the writers: they know no more than that a may be called b
sub make_writers
{
	sql(<<'EOS');
CREATE TABLE writer_error (at timestamptz DEFAULT now(), state text, message text);
CREATE FUNCTION write_some(t text, i int, first bool) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	a text := CASE WHEN first THEN 'a' ELSE 'b' END;
BEGIN
	IF i % 10 = 0 THEN
		EXECUTE format('DELETE FROM live.%I WHERE id = %s', t, i);
	ELSIF i % 10 < 4 THEN
		EXECUTE format('INSERT INTO live.%I (id, n, %I, nul, ref) VALUES (%s, 0, %L, 1, 1) '
			'ON CONFLICT DO NOTHING', t, a, i, 'v0');
	ELSE
		EXECUTE format('UPDATE live.%I SET n = n + 1, %I = %L || (n + 1) WHERE id = %s', t, a, 'v', i);
	END IF;
EXCEPTION
	WHEN undefined_column THEN
		IF first THEN
			PERFORM public.write_some(t, i, false);
		ELSE
			INSERT INTO public.writer_error VALUES (default, sqlstate, t || ' ' || sqlerrm);
		END IF;
	-- set aside for a moment, or two writers and a TRUNCATE
	WHEN undefined_table OR deadlock_detected THEN
		NULL;
	WHEN OTHERS THEN
		INSERT INTO public.writer_error VALUES (default, sqlstate, t || ' ' || sqlerrm);
END $$;
EOS
	return;
}

# --- the end of it
sub drive_to_its_end
{
	my ($m) = @_;
	my $forward = rand() < 0.6;
	my $deadline = time + 60;

	while (1)
	{
		my ($state, $paused) = split /\|/, sql("SELECT state, paused FROM zdm.migrations WHERE id = $m->{id}");

		return $state if $state eq 'completed' || $state eq 'reverted';
		if (time > $deadline)
		{
			push @trouble, "stuck: " . sql(<<"EOQ");
SELECT p::text FROM zdm.progress p WHERE state NOT IN ('completed', 'reverted')
UNION ALL SELECT s::text FROM zdm.stretch s
UNION ALL SELECT p::text FROM zdm.step_progress p WHERE migration = $m->{id}
UNION ALL SELECT (pid, pg_blocking_pids(pid), state, wait_event, query)::text FROM pg_stat_activity WHERE backend_type IN ('pg_zdm helper', 'pg_zdm worker')
EOQ
			die $trouble[-1];
		}
		if ($state eq 'failed')
		{
			push @trouble, 'failed: ' . sql("SELECT error_state, error, error_context FROM zdm.migrations WHERE id = $m->{id}") unless $m->{failed}++;
			$forward = 0;
		}
		if ($paused eq 't') { run("SELECT zdm.resume($m->{id})") }
		elsif (!$forward && $state ne 'reverting')
		{
			# too late if contract has dropped something
			$forward = 1 if run("SELECT zdm.revert($m->{id})") =~ /^ERROR 55000/;
			run("SELECT zdm.resume($m->{id})") if $forward && $state eq 'failed';
		}
		elsif ($state eq 'ready' || $state eq 'switched')
		{
			my $differ = run("SELECT count(*) FROM zdm.verify($m->{id})");
			push @trouble, "verify: $differ" unless $differ eq '0' || $differ =~ /^ERROR (55000|55P03)/;
			run("SELECT zdm.cutover($m->{id})") if $state eq 'ready';
			run("SELECT zdm.contract($m->{id})");
		}
		usleep(20_000);
	}
}

# What a migration's steps have come to, for whoever has to find out why.
sub story
{
	my ($m) = @_;

	return sql("SELECT string_agg(concat_ws(' ', m.id, m.kind, 'made', m.created, 'step', s.step, s.phase, s.verb, s.state, "
		  . "'attempts', p.attempts, s.started, s.finished, s.executed), E'\\n' ORDER BY s.step) "
		  . "FROM zdm.migration m JOIN zdm.step s ON s.migration = m.id "
		  . "JOIN zdm.step_progress p USING (migration, step) WHERE m.id = $m->{id}");
}

sub check_table
{
	my ($t) = @_;

	for my $column (split /\n/, sql("SELECT attname FROM pg_attribute WHERE attrelid = 'live.$t'::regclass AND attname LIKE 'extra%' AND NOT attisdropped"))
	{
		wait_for('the column to be gone', sub { run("ALTER TABLE live.$t DROP COLUMN IF EXISTS $column") !~ /^ERROR/ });
	}
	my ($is, $expected) = (shape('live', $t), shape('twin', $t));
	push @trouble, 'shape: ' . difference($is, $expected) if $is ne $expected;

	my $a = $is =~ /^column \.$t\.a /m ? 'a' : 'b';
	my $wrong = sql("SELECT coalesce(string_agg(concat_ws(' ', id, n, $a), ', '), '') FROM (SELECT * FROM live.$t WHERE $a IS DISTINCT FROM 'v' || n LIMIT 5) x");
	push @trouble, "rows: $wrong" if $wrong ne '';
	my $left = sql("SELECT string_agg(x, ', ') FROM ("
		  . "SELECT relname::text FROM pg_class WHERE relname ~ 'zdm\\d' AND relname ~ '^$t' "
		  . "UNION ALL SELECT 'invalid ' || indexrelid::regclass FROM pg_index WHERE NOT indisvalid AND indexrelid::regclass::text ~ '$t' "
		  . "UNION ALL SELECT conname FROM pg_constraint WHERE conname ~ 'zdm\\d' AND conrelid::regclass::text ~ '$t' "
		  . "UNION ALL SELECT tgname FROM pg_trigger WHERE tgfoid = 'zdm.sync'::regproc AND tgrelid::regclass::text ~ '$t' "
		  . "UNION ALL SELECT attname FROM pg_attribute WHERE attname ~ 'zdm\\d' AND attrelid IN (SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relname ~ '^$t') "
		  . "UNION ALL SELECT 'pair ' || id FROM zdm.pair WHERE relid = 'live.$t'::regclass AND new_attnum IS NOT NULL) l (x)");
	push @trouble, "left: $left" if $left ne '';
	return;
}

# turn(migration): when its plain DDL is done to the twin.  A table that is made
# anew comes first; renames come last, as what was stated beside one knew the old
# name.
sub turn
{
	my ($m) = @_;

	return $m->{kind} eq 'rename' ? 2 : $m->{kind} eq 'key type' ? 0 : 1;
}

# do_plainly(migration): what it did, done to the twin.
sub do_plainly
{
	my ($m) = @_;

	# no plain DDL changes the type of a partition key's column
	if ($m->{kind} eq 'key type' && $m->{parted}) { make('twin', $m->{table}, 'bigint') }
	else { sql($m->{ddl}) }
	return;
}

# --- go
sql('CREATE SCHEMA live; CREATE SCHEMA twin; CREATE SCHEMA aside; CREATE TABLE live.parent (id int PRIMARY KEY); '
	  . 'INSERT INTO live.parent SELECT generate_series(0, 100)');
make_writers();
make('live', $_, 'int') for @tables;
my $writers = start_pgbench($node,
	"\\set i random(1, @{[$rows * 2]})\n\\set t random(1, 2)\n\\set k random(1, 2)\n"
	  . "\\if :k = 1\nSELECT write_some('t' || :t, :i, true);\n\\else\nSELECT write_some('p' || :t, :i, true);\n\\endif\n\\sleep 2 ms\n",
	'-c', 3);

my $end_time = time + $seconds;
my $round = 0;
while (time < $end_time && @trouble < 5)
{
	my %migrations;

	$round++;
	for my $t (@tables)
	{
		wait_for("$t to be made", sub { make($_, $t, 'int') for qw(live twin); 1 });
	}
	hold_up('', pick(0.2, 1)) for 1 .. 3;
	for my $t (@tables)
	{
		# one that is refused is followed by another
		$migrations{$t} = [ grep { defined } map { state_some($t) } 1 .. 3 ];
	}
	my @all = map { @$_ } @migrations{@tables};

	for (1 .. 8 + int rand 25)
	{
		my $m = pick(@all);
		my $what = pick(@frequent);
		my $before = @trouble;

		$accidents{$what}->($m);
		push @{ $m->{did} }, $what;
		$_ = "round $round, $m->{kind} on $m->{table} ($m->{id}): $_" for @trouble[ $before .. $#trouble ];
		usleep(rand 40_000);
	}
	if (rand() < 0.25)
	{
		$restarts++;
		rand() < 0.5 ? $node->stop('immediate') : kill_postmaster($node);
		start_again($node);
	}
	$_->finish for splice @holders;
	for my $t (@tables)
	{
		my $before = @trouble;
		my @did;

		remove_extra_partition($migrations{$t}[0]) if $t =~ /^p/ && @{ $migrations{$t} };
		for my $m (@{ $migrations{$t} })
		{
			my $end = drive_to_its_end($m);

			$ends{"$m->{kind} $end"}++;
			push @did, "$m->{kind} ($m->{id}, $end) after @{ $m->{did} }";
		}
		do_plainly($_) for grep { migration_state($node, $_->{id}) eq 'completed' && $_->{ddl} ne '' }
		  sort { turn($a) <=> turn($b) } @{ $migrations{$t} };
		check_table($t);
		$_ = "round $round, $t, " . join(', ', @did) . ": $_" for @trouble[ $before .. $#trouble ];
		diag(story($_)) for @trouble > $before ? @{ $migrations{$t} } : ();
	}
}
stop_pgbench($writers);

my $errors = sql("SELECT string_agg(DISTINCT state || ' ' || message, E'\\n') FROM writer_error");
diag("$round rounds, $calls calls, $restarts crashes: " . join(', ', map { "$_ $ends{$_}" } sort keys %ends));
diag($_) for @trouble;
is(scalar @trouble, 0, 'every migration came to one of its ends, and left the table as it should be');
is($errors, '', 'no writer met an error');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP: |signal 11|signal 6|cache lookup failed/, 'nothing bad in the log');
done_testing();
