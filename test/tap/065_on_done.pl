# on_done: what a call's end runs, as whom, how often; and what it can do to the process that
# runs it, by a drain's session and what that is like afterwards.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $node = OAuth1::Node->start('main', service => $service,
	settings => [ 'oauth1.worker = off', 'restart_after_crash = on' ]);
OAuth1::Shop::register($node, $service);
my $dba = OAuth1::Session->new($node);
$dba->rows($_) foreach (
	'CREATE ROLE alice LOGIN', 'CREATE ROLE gone', 'CREATE SCHEMA alice AUTHORIZATION alice',
	q{SELECT oauth1.grant_consumer('shop', 'alice')}, q{SELECT oauth1.grant_consumer('shop', 'gone')});
my $alice = OAuth1::Session->new($node, user => 'alice');
$alice->rows('CREATE TABLE alice.seen (id bigint, status integer, what text)');

# ---------------------------------------------------------------- helpers

# Makes the function alice.NAME, whose body (plpgsql) knows id and response; returns its name.
sub on_done
{
	my ($name, $body, $more) = @_;
	$alice->rows("CREATE FUNCTION alice.$name(id bigint, response oauth1.http_response) RETURNS void "
		  . 'LANGUAGE plpgsql ' . ($more // '') . " AS \$on_done\$ BEGIN\n$body\nEND \$on_done\$");
	return "alice.$name(bigint, oauth1.http_response)";
}

# Alice enqueues a call that has this on_done; returns its id.
sub enqueue
{
	my ($on_done, $more) = @_;
	$more = ", $more" if defined $more;
	return $alice->rows("SELECT oauth1.enqueue('shop', 'GET', '/api/items', on_done => "
		  . quote($on_done) . ($more // '') . ')');
}

sub drain { return $dba->rows('CALL oauth1.drain()'); }

# The state of a call, how many attempts of its on_done failed ('-': nothing is to follow), and
# what is said of it.
sub outcome { return outcome_by($dba, @_); }

sub outcome_by
{
	my ($session, $id) = @_;
	return $session->rows("SELECT c.state, coalesce(f.attempts::text, '-'), c.on_done_error
		FROM oauth1.call c LEFT JOIN oauth1.follow_up f USING (id) WHERE c.id = $id");
}

# Alice's function with that body is run once.
sub tried
{
	my ($name, $body, $more) = @_;
	my $id = enqueue(on_done($name, $body, $more));
	drain();
	my $outcome = outcome($id);
	$dba->rows("DELETE FROM oauth1.follow_up WHERE id = $id");
	return $outcome;
}

sub seen
{
	my ($id) = @_;
	return $dba->rows("SELECT coalesce(status::text, 'NULL'), what FROM alice.seen WHERE id = $id");
}

sub fails_with
{
	my ($name, $body, $like) = @_;
	like(tried($name, $body), qr/^done\|1\|on_done failed: $like/, "$name: its own failure");
	return;
}

# ---------------------------------------------------------------- what it gets

my $note = on_done('note', q{INSERT INTO alice.seen VALUES (id, response.status,
	current_user || ' ' || current_setting('search_path') || ' ' || coalesce(response.content_type, '-'));});
my $id = enqueue($note);
drain();
is(outcome($id), 'done|-|', 'it ran, and nothing is to follow');
is(seen($id), '200|alice "$user", public, pg_temp application/json', 'as the enqueuer, with that role\'s search_path and the response');
foreach (
	[ 'ALTER DATABASE postgres SET search_path = public', 'public' ],
	[ 'ALTER ROLE alice SET search_path = alice, pg_catalog', 'alice, pg_catalog' ],
	[ 'ALTER ROLE alice IN DATABASE postgres SET search_path = alice', 'alice' ])
{
	my ($sql, $path) = @$_;
	$dba->rows($sql);
	my $with = enqueue($note);
	drain();
	is(seen($with), "200|alice $path, pg_temp application/json", $sql);
}
$dba->rows($_) foreach 'ALTER DATABASE postgres RESET search_path', 'ALTER ROLE alice RESET search_path',
  'ALTER ROLE alice IN DATABASE postgres RESET search_path';
drain();
is($dba->rows("SELECT count(*) FROM alice.seen WHERE id = $id"), '1', 'once');

$dba->rows(q{SELECT oauth1.create_provider('nowhere', '{https://localhost:1}')});
$dba->rows(q{SELECT oauth1.create_consumer('nowhere', 'nowhere', 'k', 's')});
$dba->rows(q{SELECT oauth1.grant_consumer('nowhere', 'alice')});
my $strict = on_done('strict', 'INSERT INTO alice.seen VALUES (id, response.status);', 'STRICT');
my @unanswered = map { $alice->rows("SELECT oauth1.enqueue('nowhere', 'GET', '/', token => NULL, max_attempts => 1, on_done => '$_')") }
  ($note, $strict);
drain();
is(outcome($unanswered[0]), 'failed|-|', 'a call without an answer');
is(seen($unanswered[0]), 'NULL|alice "$user", public, pg_temp -', 'has it too, with NULL');
is(outcome($unanswered[1]) . seen($unanswered[1]), 'failed|-|', 'a STRICT one is as STRICT functions are');

my $refused = $alice->rows("SELECT oauth1.enqueue('shop', 'GET', '/status/404', on_done => '$note')");
drain();
is(outcome($refused), 'failed|-|', 'a call that failed with an answer');
like(seen($refused), qr/^404\|/, 'has that answer');

$id = enqueue($note, q{run_at => now() + interval '1 hour'});
$dba->rows("DELETE FROM oauth1.queue WHERE id = $id; UPDATE oauth1.call SET state = 'cancelled', finished_at = now() WHERE id = $id");
drain();
is(outcome($id) . seen($id), 'cancelled|-|', 'nothing follows');

# ---------------------------------------------------------------- what it can go on with

my $chain = on_done('chain', q{IF (SELECT count(*) FROM alice.seen WHERE what = 'chain') < 2 THEN
	INSERT INTO alice.seen VALUES (id, response.status, 'chain');
	PERFORM oauth1.enqueue('shop', 'GET', '/api/items', on_done => 'alice.chain(bigint, oauth1.http_response)'); END IF;});
enqueue($chain);
drain();
is($dba->rows(q{SELECT count(*), count(DISTINCT id) FROM alice.seen WHERE what = 'chain'}), '2|2', 'it can enqueue the next call, which the same drain sends');

like(tried('calls', q{INSERT INTO alice.seen SELECT id, r.status, 'call' FROM oauth1.http_get('shop', '/api/items') r;}),
	qr/^done\|-\|$/, 'it can make a call');
is($dba->rows(q{SELECT status FROM alice.seen WHERE what = 'call'}), '200', 'which is answered');

$id = $alice->rows(q{SELECT oauth1.enqueue('nowhere', 'GET', '/', token => NULL, max_attempts => 1, on_done => } . quote(on_done('again',
	q{IF (SELECT count(*) FROM alice.seen WHERE what = 'again') < 2 THEN PERFORM oauth1.retry_call(id); END IF; INSERT INTO alice.seen VALUES (id, 0, 'again');})) . ')');
drain();
is($dba->rows("SELECT cardinality(attempts), on_done_error FROM oauth1.call WHERE id = $id"), '3|', 'it can have its own call sent again');
is(outcome($id) . $dba->rows("SELECT count(*) FROM alice.seen WHERE id = $id"), 'failed|-|3', 'whose next end is followed too');

# ---------------------------------------------------------------- failures

$id = enqueue(on_done('raises', q{INSERT INTO alice.seen VALUES (id, 0, 'raises'); PERFORM 1 / 0;}));
drain();
is(outcome($id), 'done|1|on_done failed: division by zero', 'a failure is shown, the call stays done');
is($dba->rows(q{SELECT count(*) FROM alice.seen WHERE what = 'raises'}), '0', 'what it did is undone');
is($alice->rows("SELECT error FROM oauth1.calls WHERE id = $id"), 'on_done failed: division by zero', 'the enqueuer sees it');
my @waits;
for my $attempt (1 .. 4)
{
	push @waits, $dba->rows("SELECT extract(epoch FROM due - now()) FROM oauth1.follow_up WHERE id = $id");
	drain();
	$dba->rows("UPDATE oauth1.follow_up SET due = now() WHERE id = $id");
	drain();
}
is(outcome($id), 'done|-|on_done failed: division by zero; given up after 5 attempts', 'five attempts, then it is given up');
$dba->rows("UPDATE oauth1.call SET state = 'cancelled' WHERE id = $id");
$dba->rows("INSERT INTO oauth1.follow_up SELECT $id, oauth1._system_identifier(), oid, now() FROM pg_database WHERE datname = 'postgres'");
drain();
is(outcome($id), 'cancelled|-|', 'what is no end that is followed any more is not followed');
foreach my $n (0 .. 3)
{
	ok($waits[$n] > 0.5 * 2**$n - 0.4 && $waits[$n] <= 2**$n, "wait " . ($n + 1) . ": $waits[$n] s");
}

my $mends = on_done('mends', q{IF (SELECT count(*) FROM alice.seen WHERE what = 'mended') = 0 THEN RAISE 'not yet'; END IF;});
$id = enqueue($mends);
drain();
like(outcome($id), qr/^done\|1\|on_done failed: not yet$/, 'one that fails at first');
$alice->rows(q{INSERT INTO alice.seen VALUES (0, 0, 'mended')});
$dba->rows("UPDATE oauth1.follow_up SET due = now() WHERE id = $id");
drain();
is(outcome($id), 'done|-|', 'and then not: the error is gone too');

# ---------------------------------------------------------------- what was there at enqueue, and is not

sub enqueue_as_gone
{
	my ($on_done) = @_;
	return $dba->rows("SET ROLE gone; SELECT oauth1.enqueue('shop', 'GET', '/api/items', on_done => '$on_done'); RESET ROLE");
}
$alice->rows('GRANT USAGE ON SCHEMA alice TO gone; GRANT INSERT ON alice.seen TO gone');

$id = enqueue_as_gone($note);
$alice->rows("REVOKE EXECUTE ON FUNCTION $note FROM PUBLIC");
drain();
is(outcome($id), "done|1|on_done failed: permission denied for function alice.note(bigint,oauth1.http_response)", 'EXECUTE is checked when it runs');
$alice->rows("GRANT EXECUTE ON FUNCTION $note TO PUBLIC; REVOKE USAGE ON SCHEMA alice FROM gone");
$dba->rows("UPDATE oauth1.follow_up SET due = now() WHERE id = $id");
drain();
is(outcome($id), 'done|2|on_done failed: permission denied for schema alice', 'and so is USAGE');
$alice->rows('GRANT USAGE ON SCHEMA alice TO gone');
$dba->rows('ALTER ROLE gone RENAME TO renamed');
$dba->rows("UPDATE oauth1.follow_up SET due = now() WHERE id = $id");
drain();
is(outcome($id), 'done|3|on_done failed: role "gone", which enqueued the call, does not exist any more', 'a role that has another name is not who enqueued');
$dba->rows('ALTER ROLE renamed RENAME TO gone');
$dba->rows("UPDATE oauth1.follow_up SET due = now() WHERE id = $id");
drain();
is(outcome($id), 'done|-|', 'all is there again: it runs');
like(seen($id), qr/^200\|gone /, 'as that role');

my $dropped = on_done('dropped', 'NULL;');
$id = enqueue($dropped);
$alice->rows("DROP FUNCTION $dropped");
drain();
is(outcome($id), 'done|1|on_done failed: function "alice.dropped(bigint,oauth1.http_response)" does not exist', 'a function that is gone');

# ---------------------------------------------------------------- hostile: rights

fails_with('reads', 'PERFORM FROM oauth1.call;', 'permission denied for table call');
fails_with('becomes', q{EXECUTE 'SET ROLE ' || quote_ident(session_user);}, 'cannot set parameter "role" within security-');
fails_with('resets', 'RESET ROLE;', 'cannot set parameter "role" within security-');
fails_with('authorizes', q{EXECUTE 'SET SESSION AUTHORIZATION ' || quote_ident(session_user);}, 'cannot set parameter "session_authorization"');
fails_with('drains', 'CALL oauth1.drain();', 'permission denied for procedure drain');
fails_with('commits', 'COMMIT;', 'invalid transaction termination');
$dba->rows('GRANT EXECUTE ON PROCEDURE oauth1.drain(integer, integer) TO alice');
fails_with('drains_again', 'CALL oauth1.drain();', qr/oauth1\.drain\(\) must be a statement of its own/);
$dba->rows('REVOKE EXECUTE ON PROCEDURE oauth1.drain(integer, integer) FROM alice');

# ---------------------------------------------------------------- hostile: what it leaves behind

fails_with('temporary', 'CREATE TEMP TABLE t ();', 'cannot create temporary table within security-restricted operation');
fails_with('prepares', q{EXECUTE 'PREPARE p AS SELECT 1';}, 'cannot execute PREPARE within security-restricted operation');
fails_with('listens', 'LISTEN oauth1_call;', 'cannot execute LISTEN within security-restricted operation');
fails_with('holds', q{EXECUTE 'DECLARE c CURSOR WITH HOLD FOR SELECT 1';}, 'cannot create a cursor WITH HOLD within security-restricted operation');
fails_with('discards', 'DISCARD TEMP;', 'cannot execute DISCARD within security-restricted operation');
$alice->rows('CREATE TABLE alice.deferred (n integer UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO alice.deferred VALUES (1)');
fails_with('defers', 'INSERT INTO alice.deferred VALUES (1);', 'cannot fire deferred trigger within security-restricted operation');
fails_with("temporary_$_->[0]", $_->[1], qr/an on_done cannot create temporary objects|cannot create a type in a temporary schema/) foreach (
	[ 'type', 'CREATE DOMAIN pg_temp.t AS integer CHECK (VALUE > 0);' ],
	[ 'function', q{CREATE FUNCTION pg_temp.f() RETURNS integer LANGUAGE sql AS 'SELECT 1';} ]);
is($dba->rows(q{SELECT count(*) FROM pg_type WHERE typname = 't'}), '0', 'and has none left');
like(tried('permanent', 'CREATE DOMAIN alice.t AS integer; CREATE TABLE alice.made (n serial PRIMARY KEY, t alice.t CHECK (t > 0)); CREATE INDEX ON alice.made (t);'), qr/^done\|-\|$/, 'others it can create');
my %locks = (
	lock => 'PERFORM pg_advisory_lock(42);',
	try_lock => 'PERFORM pg_try_advisory_lock_shared(4, 2);',
	unlock => 'PERFORM pg_advisory_unlock(42);',
	unlock_all => 'PERFORM pg_advisory_unlock_all();');
my $one_lock = q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND pid = } . $dba->pid;
$dba->rows('SELECT pg_advisory_lock(42)');
fails_with($_, $locks{$_}, 'an on_done cannot take or release advisory locks of the session') foreach sort keys %locks;
is($dba->rows($one_lock), '1', "the session's own lock is as it was");
$dba->rows('SELECT pg_advisory_unlock(42)');
like(tried('xact_lock', 'PERFORM pg_advisory_xact_lock(42);'), qr/^done\|-\|$/, "one of the transaction's can be had");
is($dba->rows($one_lock), '0', 'and is free with it');

my @settings = ('work_mem', 'search_path', 'statement_timeout', 'transaction_read_only', 'session_replication_role', 'role', 'alice.own', 'oauth1.token');
my $settings = 'SELECT ' . join(', ', map { "current_setting('$_', true)" } @settings);
my $before = $dba->rows($settings);
like(tried('sets', q{SET work_mem = '77MB'; SET search_path = alice; SET LOCAL statement_timeout = '1ms';
	PERFORM set_config('alice.own', 'x', false); PERFORM set_config('oauth1.token', 'other', false);}),
	qr/^done\|-\|$/, 'settings may be changed');
is($dba->rows($settings) =~ s/\|\|/|/gr, $before =~ s/\|\|/|/gr, 'and are put back');
like(tried('reads_only', 'SET transaction_read_only = on;'), qr/^done\|-\|$/, 'one that only reads is still taken out of the queue');
like(tried('sets_and_fails', q{SET work_mem = '77MB'; RAISE 'x';}), qr/failed: x/, 'also by one that fails');
is($dba->rows($settings) =~ s/\|\|/|/gr, $before =~ s/\|\|/|/gr, 'then too');

# ---------------------------------------------------------------- hostile: it does not end

fails_with('recurses', 'PERFORM alice.recurses(id, response);', 'stack depth limit exceeded');
fails_with('cancels', q{RAISE 'x' USING ERRCODE = 'query_canceled';}, 'x');
fails_with('shuts_down', q{RAISE 'x' USING ERRCODE = 'admin_shutdown';}, 'x');
fails_with('serializes', q{RAISE 'x' USING ERRCODE = 'serialization_failure';}, 'x');

# Blocks within blocks, each of which catches the cancel and goes on; and one that lets it pass.
my $goes_on = 'LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP;';
my $stubborn = "BEGIN BEGIN $goes_on EXCEPTION WHEN query_canceled THEN $goes_on END; EXCEPTION WHEN division_by_zero THEN NULL; END;";
my $began = time;
fails_with('stays', "INSERT INTO alice.seen VALUES (id, 0, 'stays'); $stubborn", 'on_done took longer than 4 s');
my $took = time - $began;
ok($took > 4 && $took < 5, "it was cut after 4 s ($took)");
# ---------------------------------------------------------------- a cancel of the drain

sub sleeper { my ($name, $catch) = @_; return on_done($name, "INSERT INTO alice.seen VALUES (id, 0, '$name'); "
	. ($catch ? 'BEGIN PERFORM pg_sleep(1.5); EXCEPTION WHEN query_canceled THEN NULL; END;' : 'PERFORM pg_sleep(1.5);')); }

# Waits until what was started in the DBA's session sleeps.
my $pid = $dba->pid;
my $other = OAuth1::Session->new($node);

sub wait_for_sleep
{
	for (1 .. 500)
	{
		return 1 if $other->rows("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = $pid") eq 't';
		sleep 0.01;
	}
	return 0;
}

$id = enqueue(sleeper('sleeps', 0));
$dba->rows(q{SET statement_timeout = '300ms'});
my $error = $dba->error('CALL oauth1.drain()');
is("$error->{sqlstate} $error->{message}", '57014 canceling statement due to statement timeout', "the session's statement_timeout ends the drain");
is(outcome($id), 'done|0|', 'and is no failure of the on_done, which is still to run');
$dba->rows("DELETE FROM oauth1.follow_up WHERE id = $id");
$id = enqueue(sleeper('catches', 1));
$error = $dba->error('CALL oauth1.drain()');
is("$error->{sqlstate} $error->{message}", '57014 canceling statement due to statement timeout', 'also where the on_done caught it');
is(outcome($id), 'done|0|', 'then too it is still to run');
$dba->rows('RESET statement_timeout');
is($dba->rows(q{SELECT count(*) FROM alice.seen WHERE what IN ('sleeps', 'catches')}), '0', 'nothing of it took effect');
$dba->start('CALL oauth1.drain()');
ok(wait_for_sleep(), 'a drain runs it again');
$other->rows("SELECT pg_cancel_backend($pid)");
$error = OAuth1::Session::parse($dba->finish);
is("$error->{sqlstate} $error->{message}", '57014 canceling statement due to user request', 'a cancel ends the drain, though the on_done caught it');
is(outcome($id), 'done|0|', 'once more it is still to run');
$dba->start('CALL oauth1.drain()');
ok(wait_for_sleep(), 'a drain runs it once more');
$other->rows('CALL oauth1.drain()');
is(outcome_by($other, $id), 'done|1|', 'another drain leaves it to that one, whose run is counted meanwhile');
$dba->finish;
is(outcome($id), 'done|-|', 'it runs to its end');
is($dba->rows("SELECT count(*) FROM alice.seen WHERE id = $id"), '1', 'with effect once');

# ---------------------------------------------------------------- death in between

$id = enqueue(sleeper('dies', 0));
$dba->start('CALL oauth1.drain()');
ok(wait_for_sleep(), 'it runs');
$other->rows("SELECT pg_terminate_backend($pid)");
$dba->finish;
$dba = OAuth1::Session->new($node);
is(outcome($id), 'done|0|', 'its session was terminated: it is still to run');
$pid = $dba->pid;
$dba->start('CALL oauth1.drain()');
ok(wait_for_sleep(), 'it runs again');
kill 'KILL', $pid;
$dba->finish;
$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come up again';
($dba, $other) = map { OAuth1::Session->new($node) } 1 .. 2;
$alice = OAuth1::Session->new($node, user => 'alice');
is(outcome($id), 'done|1|', 'its process was killed: it is still to run, and that counts, for it might have been what killed it');
$dba->rows("UPDATE oauth1.follow_up SET attempts = 5 WHERE id = $id");
drain();
is(outcome($id), 'done|-|on_done failed: its process died while it ran; given up after 5 attempts', 'so that does not go on for ever');
$dba->rows("INSERT INTO oauth1.follow_up SELECT $id, oauth1._system_identifier(), oid, now() FROM pg_database WHERE datname = 'postgres'");
$alice->rows(q{CREATE OR REPLACE FUNCTION alice.dies(id bigint, response oauth1.http_response) RETURNS void LANGUAGE sql BEGIN ATOMIC INSERT INTO alice.seen VALUES (id, 0, 'dies'); END});
drain();
is(outcome($id) . $dba->rows("SELECT count(*) FROM alice.seen WHERE id = $id"), 'done|-|1', 'then it ran, with effect once');

# ---------------------------------------------------------------- two drains

my @ids = map { enqueue($note) } 1 .. 40;
$_->start('CALL oauth1.drain()') foreach $dba, $other;
$_->finish foreach $dba, $other;
is($dba->rows('SELECT count(*), count(DISTINCT id) FROM alice.seen WHERE id IN (' . join(',', @ids) . ')'), '40|40', 'of two drains, one runs each');

# ---------------------------------------------------------------- notifications

my $listener = OAuth1::Session->new($node);
sub heard { my $text = $listener->query('SELECT 1'); return join ' ', map { s/"//gr } $text =~ /"oauth1_call" with payload "(.*?)" received/g; }
$listener->rows('LISTEN oauth1_call');
my ($done, $failed) = (enqueue($note), $alice->rows(q{SELECT oauth1.enqueue('nowhere', 'GET', '/', token => NULL, max_attempts => 1)}));
drain();
is(join(' ', sort split / (?=\{)/, heard()), "{id: $done, state: done} {id: $failed, state: failed}", 'who listens is told');
$node->append_conf('postgresql.conf', 'oauth1.notify = off');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('oauth1.notify') = 'off'});
enqueue($note);
drain();
is(heard(), '', 'unless that is switched off');

# ---------------------------------------------------------------- a commit that fails

$dba->rows($_) foreach (
	'CREATE EXTENSION postgres_fdw',
	"CREATE SERVER itself FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '" . $node->host . "', port '" . $node->port . "', dbname 'postgres')",
	"CREATE USER MAPPING FOR alice SERVER itself OPTIONS (user 'alice', password_required 'false')",
	'GRANT USAGE ON FOREIGN SERVER itself TO alice');
$alice->rows(q{CREATE FOREIGN TABLE alice.elsewhere (n integer) SERVER itself OPTIONS (schema_name 'alice', table_name 'deferred')});
my $slow = $alice->rows(q{SELECT oauth1.enqueue('shop', 'POST', '/flaky/first_byte=2000/api/echo')});
$id = enqueue(on_done('commits_elsewhere', 'INSERT INTO alice.elsewhere VALUES (1);'));
$dba->start('CALL oauth1.drain()');
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM oauth1.follow_up WHERE id = $id AND attempts > 0") or die 'no failure';
like($other->rows("SELECT error FROM oauth1.calls WHERE id = $id"), qr/^on_done failed: duplicate key value violates unique constraint "deferred_n_key"$/,
	"what another server did not commit is the on_done's failure");
$other->rows('CALL oauth1.drain()');
is($other->rows("SELECT state FROM oauth1.calls WHERE id = $slow"), 'running', 'who fails to commit still has what it claimed');
$dba->finish;
is($dba->rows("SELECT state, status, error FROM oauth1.calls WHERE id = $slow"), 'done|200|', 'and records it');

# ---------------------------------------------------------------- in the worker

$node->append_conf('postgresql.conf', 'oauth1.worker = on');
$node->reload;
my $sets = on_done('sets_in_worker', q{INSERT INTO alice.seen VALUES (id, pg_backend_pid(), current_user || ' ' || current_setting('work_mem')); SET work_mem = '77MB';});
$dba->rows(q{DELETE FROM oauth1.follow_up});
@ids = map { enqueue($sets) } 1 .. 2;
my $list = join(',', @ids);
$node->poll_query_until('postgres', "SELECT count(*) = 2 FROM alice.seen WHERE id IN ($list)") or die 'the worker runs nothing';
is($dba->rows("SELECT count(DISTINCT status), string_agg(DISTINCT what, ' ') FROM alice.seen WHERE id IN ($list)"), '1|alice ' . $dba->rows('SHOW work_mem'), 'a setting does not stay in the worker');

$id = enqueue(on_done('pretends', q{INSERT INTO alice.seen VALUES (id, 0, 'stays'); BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN END;}));
$began = time;
$node->poll_query_until('postgres', "SELECT attempts = 1 FROM oauth1.follow_up WHERE id = $id") or die 'the worker does not end it';
$took = time - $began;
ok($took > 3.9 && $took < 6, "the worker cuts one after 4 s ($took)");
is(outcome($id), 'done|1|on_done failed: on_done took longer than 4 s', 'though it caught that');
is($dba->rows(q{SELECT count(*) FROM alice.seen WHERE what = 'stays'}), '0', 'and what it did is undone');

sub wait_for_worker { $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'oauth1 worker' AND wait_event = 'PgSleep'}) or die 'the worker does not sleep'; return; }
$dba->rows("UPDATE oauth1.follow_up SET attempts = 0, due = now() WHERE id = $id");
wait_for_worker();
is($dba->rows(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'}), 't', 'a cancel of the worker');
sleep 0.2;
wait_for_worker();
$node->append_conf('postgresql.conf', 'oauth1.worker = off');
$began = time;
$node->stop('fast');
$took = time - $began;
ok($took < 2.5, "a fast shutdown does not wait for it ($took s)");
$node->start;
$dba = OAuth1::Session->new($node);
is(outcome($id), 'done|0|on_done failed: on_done took longer than 4 s', 'and is no failure of it');

# ---------------------------------------------------------------- what is in the log

my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
$log =~ s/^.*LOG:  statement: SELECT oauth1\.(?:create_consumer|set_token)\(.*$//mg;
is(index($log, $_), -1, 'no secret in the log') foreach values %OAuth1::Shop::secrets;
ok($log =~ qr{on_done of call \d+ is given up\n.*DETAIL:  on_done failed: division by zero\n}, 'what was given up is in the log');

done_testing();
