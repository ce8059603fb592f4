# What a role does with its queued calls: results, waiting, cancel, retry, purge; and adopt_calls.
# The states are made here, as those who send would have written them, and nothing is sent; but for
# the last section.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('main', service => $service, settings => [ 'oauth1.worker = off', 'oauth1.allow_http = on' ]);
my $dba = OAuth1::Session->new($node);
$dba->rows($_) foreach (
	q{SELECT oauth1.create_provider('shop', '{https://shop.example/api}')},
	q{SELECT oauth1.create_consumer('shop', 'shop', 'shop-key', 'shop-secret')},
	q{SELECT oauth1.set_token('shop', 'shop-token', 'shop-token-secret')},
	(map { "CREATE ROLE $_ LOGIN" } qw(alice bob member keeper)),
	'GRANT alice TO member', 'GRANT ' . $dba->rows('SELECT current_user') . ' TO keeper',
	q{CREATE FUNCTION on_done(bigint, oauth1.http_response) RETURNS void LANGUAGE sql AS ''},
	q{SELECT oauth1.grant_consumer('shop', 'alice')}, q{SELECT oauth1.grant_consumer('shop', 'bob')});
my %session = map { $_ => OAuth1::Session->new($node, user => $_) } qw(alice bob member keeper);
my $alice = $session{alice};
my $two = OAuth1::Session->new($node, user => 'alice');
$_->rows(q{SET timezone = 'UTC'}) foreach $dba, $alice;

# A call in a state. What is set beside the state is as dispatch records it.
my %ended = (
	done => q{status = 201, reply_content_type = 'text/plain', reply_headers = '{"x": "y"}', reply_body = 'anvil', elapsed_ms = 1.5},
	failed => q{status = 404, reply_body = 'none', elapsed_ms = 2.5},
	unanswered => q{sqlstate = 'OA008', error = 'could not connect'},
	cut => q{status = 200, elapsed_ms = 3.5, sqlstate = 'OA008', error = 'cut short'},
	uncertain => q{sqlstate = 'OA009', error = 'no answer'},
	cancelled => q{sqlstate = '57014', error = 'cancelled by bob'});
my %state_of = (unanswered => 'failed', cut => 'failed');
my $attempt = q{(1, '2026-01-01', 1.5, NULL, 'OA008', 'first', false)::oauth1.call_attempt};

sub enqueue { my ($more) = @_; return q{SELECT oauth1.enqueue('shop', 'POST', '/orders', body => 'an anvil'} . ($more ? ", $more" : '') . ')'; }

sub call_in
{
	my ($state, %options) = @_;
	my $id = ($options{as} // $alice)->rows(enqueue($options{with}));
	if ($state eq 'running')
	{
		$dba->rows("UPDATE oauth1.queue SET claim = 7, claimed_at = '2026-01-01' WHERE id = $id");
	}
	elsif ($state eq 'waiting')
	{
		$dba->rows("UPDATE oauth1.call SET attempts = ARRAY[$attempt] WHERE id = $id");
		$dba->rows("UPDATE oauth1.queue SET due = now() + interval '1 hour' WHERE id = $id");
	}
	elsif ($state ne 'pending')
	{
		$dba->rows("DELETE FROM oauth1.queue WHERE id = $id");
		$dba->rows("UPDATE oauth1.call SET state = '" . ($state_of{$state} // $state) . "', finished_at = now(), attempts = ARRAY[$attempt], $ended{$state} WHERE id = $id");
	}
	return $id;
}

sub state_of { return $dba->rows("SELECT state FROM oauth1.calls WHERE id = $_[0]"); }
sub queued { return $dba->rows("SELECT claim IS NULL, due <= now() FROM oauth1.queue WHERE id = $_[0]"); }

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{message} : '', $like, "$name: says so");
	return;
}

# ---------------------------------------------------------------- every function in every state

# What call_result, cancel_call and retry_call return, and the state after the latter two.
my $answer = q{201|text/plain|{"x": "y"}|anvil||1.5};
my $failure = '404|||none||2.5';
my $none = '|||||';
my @matrix = (
	[ pending => $none, 't', 'cancelled', 't', 'pending' ],
	[ waiting => $none, 't', 'cancelled', 't', 'pending' ],
	[ running => $none, 'f', 'running', 'f', 'running' ],
	[ done => $answer, 'f', 'done', 'f', 'done' ],
	[ failed => $failure, 'f', 'failed', 't', 'pending' ],
	[ unanswered => $none, 'f', 'failed', 't', 'pending' ],
	[ cut => $none, 'f', 'failed', 't', 'pending' ],
	[ uncertain => $none, 'f', 'uncertain', 't', 'pending' ],
	[ cancelled => $none, 'f', 'cancelled', 't', 'pending' ]);
foreach my $case (@matrix)
{
	my ($state, $result, $cancelled, $after_cancel, $retried, $after_retry) = @$case;
	my $id = call_in($state);
	is($alice->rows("SELECT * FROM oauth1.call_result($id)"), $result, "call_result: $state");
	if ($ended{$state})
	{
		is($alice->rows("SELECT * FROM oauth1.await_call($id)"), $result, "await_call: $state");
	}
	else
	{
		is_error($alice->error("SELECT oauth1.await_call($id, 1)"), 'OA006', qr/has not ended within 1 ms/, "await_call: $state");
	}
	my $before = $dba->rows("SELECT c, q FROM oauth1.call c LEFT JOIN oauth1.queue q USING (id) WHERE id = $id");
	is($alice->rows("SELECT oauth1.cancel_call($id)"), $cancelled, "cancel_call: $state");
	is(state_of($id), $after_cancel, "cancel_call: $state: the state after it");
	if ($cancelled eq 't')
	{
		is(queued($id), '', "cancel_call: $state: not in the queue");
		is($dba->rows("SELECT sqlstate, error, finished_at BETWEEN now() - interval '1 minute' AND clock_timestamp() FROM oauth1.call WHERE id = $id"), '57014|cancelled by alice|t', "cancel_call: $state: by whom and when");
	}
	else
	{
		is($dba->rows("SELECT c, q FROM oauth1.call c LEFT JOIN oauth1.queue q USING (id) WHERE id = $id"), $before, "cancel_call: $state: all as it was");
	}
	my $again = call_in($state);
	is($alice->rows("SELECT oauth1.retry_call($again)"), $retried, "retry_call: $state");
	is(state_of($again), $after_retry, "retry_call: $state: the state after it");
	is(queued($again), 't|t', "retry_call: $state: due now") if $retried eq 't';
}
is($alice->rows('SELECT oauth1.call_result(' . call_in('cut') . ') IS NULL'), 't', 'no answer: NULL, not a row of nulls');
{
	my $id = call_in('done');
	$dba->rows("UPDATE oauth1.call SET reply_body = NULL, reply_body_bytes = '\\x00ff' WHERE id = $id");
	is($alice->rows("SELECT body IS NULL, body_bytes FROM oauth1.call_result($id)"), 't|\x00ff', 'body_bytes');
	is($alice->rows("SELECT (oauth1.raise_for_status(oauth1.call_result($id))).status"), 201, 'an http_response like any');
}

# ---------------------------------------------------------------- whose

my %of = (alice => call_in('waiting'), bob => call_in('waiting', as => $session{bob}));
my @functions = map { "SELECT oauth1.$_" } 'call_result(%d)', 'await_call(%d, 1)', 'cancel_call(%d)', 'retry_call(%d)';
foreach my $sql (@functions)
{
	my ($function) = $sql =~ /oauth1\.(\w+)/;
	foreach my $who (sort keys %session)
	{
		foreach my $whose (sort keys %of)
		{
			my $may = $who eq $whose || $who eq 'keeper' || ($who eq 'member' && $whose eq 'alice');
			my $error = $session{$who}->error('BEGIN; ' . sprintf $sql, $of{$whose});
			my $wanted = !$may ? '42704' : $function eq 'await_call' ? 'OA006' : 'no error';
			is($error ? $error->{sqlstate} : 'no error', $wanted, "$function: $who, a call of $whose");
			$session{$who}->rows('ROLLBACK');
		}
	}
	is_error($alice->error(sprintf $sql, 123456789), '42704', qr/^call 123456789 does not exist or is another role's$/, "$function: no such call");
	is_error($alice->error($sql =~ s/%d/NULL/r), '22004', qr/^id must not be null$/, "$function: null");
}
is($session{bob}->error(sprintf $functions[0], $of{alice})->{message} =~ s/\d+/N/r, $session{bob}->error(sprintf $functions[0], 123456789)->{message} =~ s/\d+/N/r, 'another role\'s call and none are not told apart');
foreach my $function (qw(cancel_call retry_call))
{
	is_error($alice->error("BEGIN READ ONLY; SELECT oauth1.$function($of{alice})"), '25006', qr/oauth1\.$function\(\)/, "$function in a read-only transaction");
	$alice->rows('ROLLBACK');
}

# ---------------------------------------------------------------- await_call

# Ends a call that a session waits for, some time after it began to.
sub end_later
{
	my ($id, $ms) = @_;
	sleep $ms / 1000;
	$dba->rows("BEGIN; DELETE FROM oauth1.queue WHERE id = $id; UPDATE oauth1.call SET state = 'done', finished_at = now(), $ended{done} WHERE id = $id; COMMIT");
	return;
}
foreach my $begin ('BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY')
{
	my $id = call_in('pending');
	$alice->rows("$begin; SELECT count(*) FROM pg_class");
	$alice->start("SELECT body FROM oauth1.await_call($id)");
	end_later($id, 600);
	my $ended = time;
	is($alice->finish, "anvil\n", "await_call, $begin: what came meanwhile");
	cmp_ok(time - $ended, '<', 0.25, "await_call, $begin: at once");
	$alice->rows('COMMIT');
}
{
	my $id = call_in('running');
	my $started = time;
	is($alice->error("SELECT oauth1.await_call($id, 300)")->{detail}, 'It is running.', 'await_call: what it is when the time is over');
	my $took = time - $started;
	ok($took >= 0.3 && $took < 0.55, "await_call: the time that is given ($took s)");
	is_error($alice->error(q{SET oauth1.timeout = '50ms'; } . "SELECT oauth1.await_call($id)"), 'OA006', qr/within 50 ms/, 'await_call: else oauth1.timeout');
	$alice->rows('RESET oauth1.timeout');
	is_error($alice->error("SELECT oauth1.await_call($id, 0)"), '22023', qr/timeout_ms/, 'await_call: no time');

	$started = time;
	is_error($alice->error(q{SET statement_timeout = '100ms'; } . "SELECT oauth1.await_call($id)"), '57014', qr/statement timeout/, 'await_call: statement_timeout');
	cmp_ok(time - $started, '<', 0.35, 'await_call: statement_timeout, at once');
	$alice->rows('RESET statement_timeout');
	my $pid = $alice->pid;
	$alice->start("SELECT oauth1.await_call($id)");
	ok($node->poll_query_until('postgres', "SELECT state = 'active' AND wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid"), 'await_call: it waits');
	$started = time;
	$dba->rows("SELECT pg_cancel_backend($pid)");
	is_error(OAuth1::Session::parse($alice->finish), '57014', qr/user request/, 'await_call: cancelled');
	cmp_ok(time - $started, '<', 0.25, 'await_call: cancelled, at once');
}

# It would wait for itself.
my %in_own_transaction = (
	'enqueued' => 'BEGIN; ' . enqueue(),
	'in a subtransaction' => 'BEGIN; SAVEPOINT a; ' . enqueue(),
	'in one that was released' => 'BEGIN; SAVEPOINT a; SAVEPOINT b; ' . enqueue() . '; RELEASE b; RELEASE a',
	'from within a later one' => 'BEGIN; ' . enqueue() . '; SAVEPOINT a');
foreach my $name (sort keys %in_own_transaction)
{
	my ($id) = $alice->rows($in_own_transaction{$name}) =~ /(\d+)/;
	my $started = time;
	is_error($alice->error("SELECT oauth1.await_call($id)"), '55000', qr/in the transaction that enqueued it/, "await_call: $name");
	cmp_ok(time - $started, '<', 0.25, "await_call: $name: at once");
	$alice->rows('ROLLBACK');
}
{
	my $id = call_in('failed');
	$alice->rows("BEGIN; SELECT oauth1.retry_call($id)");
	is_error($alice->error("SELECT oauth1.await_call($id)"), '55000', qr/enqueued it/, 'await_call: put back by the same transaction');
	$alice->rows('ROLLBACK');
	$alice->rows("BEGIN; SELECT oauth1.cancel_call(" . ($id = call_in('pending')) . ')');
	is($alice->rows("SELECT oauth1.await_call($id) IS NULL"), 't', 'await_call: cancelled by the same transaction');
	$alice->rows('ROLLBACK');
	$alice->rows('BEGIN; SAVEPOINT a; ' . enqueue() . '; ROLLBACK TO a');
	is_error($alice->error("SELECT oauth1.await_call($id, 1)"), 'OA006', qr/within/, 'await_call: another call of a transaction that had enqueued');
	$alice->rows('ROLLBACK');
}

# ---------------------------------------------------------------- beside those who claim

# A claim that is under way is waited for; and whoever was refused holds up nobody.
sub waits_for_lock
{
	return $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'alice'});
}
my $sender = OAuth1::Session->new($node);
$sender->rows(q{SET lock_timeout = '2s'});
foreach my $function (qw(cancel_call retry_call))
{
	foreach my $end (qw(COMMIT ROLLBACK))
	{
		my $id = call_in('pending');
		$sender->rows("BEGIN; UPDATE oauth1.queue SET claim = 8, claimed_at = now() WHERE id = $id");
		$alice->rows('BEGIN');
		$alice->start("SELECT oauth1.$function($id)");
		ok(waits_for_lock(), "$function beside a claim, $end: waits");
		sleep 1.2 if $function eq 'cancel_call' && $end eq 'COMMIT';    # longer than who sends would
		$sender->rows($end);
		is($alice->finish, $end eq 'COMMIT' ? "f\n" : "t\n", "$function beside a claim, $end: its state decides");
		if ($end eq 'COMMIT')
		{
			my $error = $sender->error("BEGIN; DELETE FROM oauth1.queue WHERE id = $id AND claim = 8; UPDATE oauth1.call SET state = 'done', finished_at = now() WHERE id = $id; COMMIT");
			is($error ? $error->{text} : '', '', "$function that was refused: the call is recorded while that transaction is open");
		}
		$alice->rows('COMMIT');
	}

	# A transaction whose snapshot is older than the state.
	my $id = call_in('running');
	$alice->rows('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
	$dba->rows("UPDATE oauth1.queue SET claim = NULL, claimed_at = NULL WHERE id = $id");
	is_error($alice->error("SELECT oauth1.$function($id)"), '40001', qr/concurrent update/, "$function, REPEATABLE READ: pending since the snapshot");
	$alice->rows('ROLLBACK; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class');
	my $new = $two->rows(enqueue());
	is_error($alice->error("SELECT oauth1.$function($new)"), '40001', qr/concurrent update/, "$function, REPEATABLE READ: enqueued since the snapshot");
	$alice->rows('ROLLBACK');
}
{
	my $id = call_in('done');
	$alice->rows("BEGIN; SELECT oauth1.retry_call($id), oauth1.cancel_call($id)");
	is($sender->error("BEGIN; DELETE FROM oauth1.call WHERE id = $id; ROLLBACK"), undef, 'retry_call of one that is done: nothing is locked');
	$alice->rows('ROLLBACK');

	# An on_done that is running is waited for, and has its error written: no deadlock.
	$id = call_in('failed');
	$dba->rows("INSERT INTO oauth1.follow_up SELECT $id, system_identifier, 1, now() FROM pg_control_system()");
	$sender->rows("BEGIN; SELECT FROM oauth1.follow_up WHERE id = $id FOR UPDATE");
	$alice->start("SELECT oauth1.retry_call($id)");
	ok(waits_for_lock(), 'retry_call beside an on_done: waits');
	is($sender->error("UPDATE oauth1.call SET on_done_error = 'an error' WHERE id = $id; COMMIT"), undef, 'retry_call beside an on_done: that goes on');
	is($alice->finish, "t\n", 'retry_call beside an on_done: then sends it again');
	is($dba->rows("SELECT on_done_error FROM oauth1.call WHERE id = $id"), '', 'retry_call beside an on_done: without its error');

	# Two at once: both have it sent again, once.
	$id = call_in('failed');
	$alice->rows("BEGIN; SELECT oauth1.retry_call($id)");
	$two->start("SELECT oauth1.retry_call($id)");
	ok(waits_for_lock(), 'retry_call twice at once: the second waits');
	$alice->rows('COMMIT');
	is($two->finish, "t\n", 'retry_call twice at once: both');
	is(queued($id), 't|t', 'retry_call twice at once: one row');
}

# ---------------------------------------------------------------- cancel_call

{
	my $id = call_in('pending');
	$alice->rows("BEGIN; SELECT oauth1.cancel_call($id); ROLLBACK");
	is(state_of($id), 'pending', 'cancel_call rolled back: pending');
	is(queued($id), 't|t', 'cancel_call rolled back: in the queue');

	my $waiting = call_in('waiting');
	$dba->rows("UPDATE oauth1.call SET status = 503, reply_body = 'busy', elapsed_ms = 1 WHERE id = $waiting");
	$alice->rows("SELECT oauth1.cancel_call($waiting)");
	is($dba->rows("SELECT status, reply_body, elapsed_ms, cardinality(attempts) FROM oauth1.call WHERE id = $waiting"), '|||1', 'cancel_call: an earlier attempt is no result');

	# NOTIFY, at COMMIT, unless it is off.
	my $listener = OAuth1::Session->new($node);
	$listener->rows('LISTEN oauth1_call');
	my $notified = sub { return join ' ', $listener->query('SELECT 1') =~ /Asynchronous notification "oauth1_call" with payload "(.*?)" received/g; };
	$alice->rows("BEGIN; SELECT oauth1.cancel_call($id)");
	is($notified->(), '', 'cancel_call: no notification yet');
	$alice->rows('COMMIT');
	is($notified->(), qq({"id": $id, "state": "cancelled"}), 'cancel_call: a notification at COMMIT');
	$alice->rows("SELECT oauth1.cancel_call($id)");
	is($notified->(), '', 'cancel_call that changed nothing: none');
	$dba->rows('ALTER SYSTEM SET oauth1.notify = off');
	$node->reload;
	ok($node->poll_query_until('postgres', q{SELECT current_setting('oauth1.notify') = 'off'}), 'oauth1.notify = off');
	$alice->rows('SELECT oauth1.cancel_call(' . call_in('pending') . ')');
	is($notified->(), '', 'cancel_call with oauth1.notify = off: none');
	$dba->rows('ALTER SYSTEM RESET oauth1.notify');
	$node->reload;
}

# ---------------------------------------------------------------- retry_call

{
	# As if it had not ended, but for its attempts.
	my $id = call_in('failed', with => q{max_attempts => 1, order_key => 'o', dedupe_key => 'd', on_done => 'on_done(bigint, oauth1.http_response)'});
	my $key = $dba->rows("SELECT idempotency_key FROM oauth1.call WHERE id = $id");
	$dba->rows("INSERT INTO oauth1.follow_up SELECT $id, system_identifier, 1, now() FROM pg_control_system()");
	is($alice->rows("SELECT oauth1.retry_call($id)"), 't', 'retry_call');
	is($dba->rows("SELECT state, finished_at, status, reply_content_type, reply_headers, reply_body, reply_body_bytes, elapsed_ms, sqlstate, error, cardinality(attempts), max_attempts, idempotency_key = '$key' FROM oauth1.call WHERE id = $id"),
		'||||||||||1|2|t', 'retry_call: no end, one more attempt, the same key');
	my $fresh = $alice->rows(enqueue(q{order_key => 'o'}));
	is($dba->rows(qq{SELECT o.system_identifier = n.system_identifier, o.database = n.database, o.consumer, o.order_key, o.dedupe_key, o.size = n.size, o.claim, o.claimed_at, o.keyed
			FROM oauth1.queue o, oauth1.queue n WHERE o.id = $id AND n.id = $fresh}), 't|t|shop|o|d|t|||', 'retry_call: in the queue as one that was enqueued');
	is($dba->rows("SELECT count(*) FROM oauth1.follow_up WHERE id = $id"), 0, 'retry_call: nothing follows on the end that was undone');
	is($alice->rows(enqueue(q{dedupe_key => 'd'})), $id, 'retry_call: its dedupe_key counts again');

	# Its attempts left stay.
	$id = call_in('failed', with => 'max_attempts => 5');
	$alice->rows("SELECT oauth1.retry_call($id)");
	is($dba->rows("SELECT max_attempts FROM oauth1.call WHERE id = $id"), 5, 'retry_call: attempts that were left');

	# One that waits keeps its place where it is due already.
	$id = call_in('pending');
	$dba->rows("UPDATE oauth1.queue SET due = '2026-01-01' WHERE id = $id");
	$alice->rows("SELECT oauth1.retry_call($id)");
	is($dba->rows("SELECT due FROM oauth1.queue WHERE id = $id"), '2026-01-01 00:00:00+00', 'retry_call: one that is due keeps its place');

	# A dedupe_key that has a new call.
	$id = call_in('failed', with => q{dedupe_key => 'taken'});
	my $other = $alice->rows(enqueue(q{dedupe_key => 'taken'}));
	is_error($alice->error("SELECT oauth1.retry_call($id)"), '23505', qr/^call $id cannot be sent again now$/, 'retry_call: its dedupe_key is taken');
	is(state_of($id), 'failed', 'retry_call: its dedupe_key is taken: as it was');
	$alice->rows("SELECT oauth1.cancel_call($other)");
	is($alice->rows("SELECT oauth1.retry_call($id)"), 't', 'retry_call: its dedupe_key is free again');
}

# ---------------------------------------------------------------- what they read

# A session keeps its plans. Those that it made while the tables were all but empty go by the id as
# well, not through all that waits.
{
	$dba->rows('TRUNCATE oauth1.call, oauth1.queue, oauth1.follow_up');
	my $id = call_in('pending', with => q{dedupe_key => 'd'});
	$dba->rows("VACUUM ANALYZE oauth1.$_") foreach qw(call queue);
	my $reader = OAuth1::Session->new($node);
	my $so_far = sub { return $reader->rows(q{SELECT sum(pg_stat_get_xact_blocks_fetched(indexrelid)) FROM pg_index WHERE indrelid IN ('oauth1.queue'::regclass, 'oauth1.call'::regclass)}); };
	my $blocks = sub {
		my ($sql) = @_;
		$reader->rows('BEGIN');
		my $before = $so_far->();
		$reader->rows($sql);
		my $read = $so_far->() - $before;
		$reader->rows('ROLLBACK');
		return $read;
	};
	my %statements = (
		cancel_call => "SELECT oauth1.cancel_call($id)", retry_call => "SELECT oauth1.retry_call($id)",
		'cancel_call and retry_call' => "SELECT oauth1.cancel_call($id), oauth1.retry_call($id)",
		call_result => "SELECT oauth1.call_result($id)",
		'a dedupe_key' => enqueue(q{dedupe_key => 'd'}));
	$blocks->($statements{$_}) foreach sort keys %statements;
	$dba->rows("INSERT INTO oauth1.queue SELECT i + 1000000, system_identifier, database, consumer, due, NULL, 'more ' || i, 1 FROM oauth1.queue, generate_series(1, 20000) i WHERE id = $id");
	my $all = $dba->rows(q{SELECT pg_relation_size('oauth1.queue_due') / 8192});
	cmp_ok($all, '>', 100, "many wait ($all pages)");
	cmp_ok($blocks->($statements{$_}), '<', 50, "$_: what it reads of them") foreach sort keys %statements;
}

# ---------------------------------------------------------------- adopt_calls

{
	$dba->rows('TRUNCATE oauth1.call, oauth1.queue, oauth1.follow_up');
	my $ours = q{(system_identifier = (SELECT s.system_identifier FROM pg_control_system() s) AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))};
	my %copied = (
		pending => call_in('pending'), running => call_in('running'), failed => call_in('failed'),
		taken => call_in('pending', with => q{dedupe_key => 'taken'}), running_taken => call_in('running', with => q{dedupe_key => 'running taken'}),
		twice => call_in('pending', with => q{dedupe_key => 'twice'}), free => call_in('waiting', with => q{dedupe_key => 'free'}));
	$dba->rows("INSERT INTO oauth1.follow_up VALUES ($copied{failed}, 0, 0, now())");
	$dba->rows('UPDATE oauth1.queue SET database = 1');
	$copied{twice_again} = $alice->rows(enqueue(q{dedupe_key => 'twice'}));
	$dba->rows("UPDATE oauth1.queue SET system_identifier = 1 WHERE id = $copied{twice_again}");
	my @own = map { $alice->rows(enqueue("dedupe_key => '$_'")) } 'taken', 'running taken', 'own';
	is(join(' ', sort { $a <=> $b } map { $_ } @own), join(' ', @own), 'calls of a copy stand in nobody\'s way');

	is_error($alice->error("SELECT oauth1.retry_call($copied{pending})"), '55000', qr/database that this one is a copy of/, 'retry_call of a copy\'s call');
	is($alice->rows("SELECT oauth1.cancel_call($copied{free})"), 't', 'cancel_call of a copy\'s call');
	$alice->rows("SELECT oauth1.retry_call($copied{free})");
	is($dba->rows("SELECT $ours FROM oauth1.queue WHERE id = $copied{free}"), 't', 'and sent again it is this database\'s own');
	$dba->rows("UPDATE oauth1.queue SET database = 1 WHERE id = $copied{free}");

	is_error($alice->error('SELECT oauth1.adopt_calls()'), '42501', qr/permission denied for function adopt_calls/, 'adopt_calls');
	is_error($dba->error('BEGIN READ ONLY; SELECT oauth1.adopt_calls()'), '25006', qr/adopt_calls/, 'adopt_calls in a read-only transaction');
	$dba->query('ROLLBACK');
	$dba->rows('GRANT EXECUTE ON FUNCTION oauth1.adopt_calls TO keeper');
	is($session{keeper}->rows('SELECT oauth1.adopt_calls()'), 6, 'adopt_calls: how many');
	is($dba->rows("SELECT count(*) FROM oauth1.queue WHERE NOT $ours"), 0, 'adopt_calls: all of the queue');
	is($dba->rows("SELECT count(*) FROM oauth1.follow_up WHERE $ours"), 1, 'adopt_calls: what is to follow');
	is(join(' ', map { state_of($copied{$_}) } qw(pending running failed taken running_taken twice twice_again free)),
		'pending running failed cancelled running pending cancelled pending', 'adopt_calls: of two with one dedupe_key one');
	is($dba->rows("SELECT error FROM oauth1.call WHERE id = $copied{taken}"), 'another call of its dedupe_key has not ended', 'adopt_calls: says why');
	is($dba->rows("SELECT claim, dedupe_key FROM oauth1.queue WHERE id = $copied{running_taken}"), '7|', 'adopt_calls: what was being sent is left to recovery');
	is($dba->rows("SELECT string_agg(dedupe_key, ' ' ORDER BY id) FROM oauth1.queue"), 'twice free taken running taken own', 'adopt_calls: the keys');
	is($dba->rows('SELECT oauth1.adopt_calls()'), 0, 'adopt_calls again: none');
}

# ---------------------------------------------------------------- purge_calls

{
	$dba->rows('TRUNCATE oauth1.call, oauth1.queue, oauth1.follow_up');
	my @ids = map { call_in($_) } qw(pending waiting running done failed uncertain cancelled);
	my $of_bob = call_in('done', as => $session{bob});
	my $followed = call_in('done');
	my $young = call_in('done');
	$dba->rows("INSERT INTO oauth1.follow_up VALUES ($followed, 0, 0, now())");
	$dba->rows("UPDATE oauth1.call SET created_at = now() - interval '3 days'");
	$dba->rows("UPDATE oauth1.call SET finished_at = now() - interval '2 days' WHERE state IS NOT NULL AND id <> $young");
	is_error($alice->error(q{SELECT oauth1.purge_calls('1 day')}), '42501', qr/permission denied for function purge_calls/, 'purge_calls');
	$dba->rows('GRANT EXECUTE ON FUNCTION oauth1.purge_calls TO alice, member, keeper');
	is_error($alice->error(q{SELECT oauth1.purge_calls('-1 second')}), '22023', qr/older_than must not be negative/, 'purge_calls');
	is_error($alice->error('SELECT oauth1.purge_calls(NULL)'), '22004', qr/older_than must not be null/, 'purge_calls');
	is_error($alice->error(q{BEGIN READ ONLY; SELECT oauth1.purge_calls('1 day')}), '25006', qr/purge_calls/, 'purge_calls in a read-only transaction');
	$alice->query('ROLLBACK');
	is($alice->rows(q{SELECT oauth1.purge_calls('3 days')}), 0, 'purge_calls: none is that old');
	is($alice->rows(q{BEGIN; SELECT oauth1.purge_calls('1 day')}), 4, 'purge_calls: what has ended');
	is($dba->rows('SELECT count(*) FROM oauth1.call'), 10, 'purge_calls: part of the transaction');
	$alice->rows('ROLLBACK');
	is($session{member}->rows(q{SELECT oauth1.purge_calls('1 day')}), 4, 'purge_calls: as a member');
	is($dba->rows('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM oauth1.call'), join(' ', @ids[0 .. 2], $of_bob, $followed, $young), 'purge_calls: what has not ended, is another\'s, is followed, or is young stays');
	$dba->rows('TRUNCATE oauth1.follow_up');
	is($session{keeper}->rows(q{SELECT oauth1.purge_calls('0')}), 3, 'purge_calls: as a member of the owner, everybody\'s');
	is($dba->rows('SELECT count(*) FROM oauth1.queue'), 3, 'purge_calls: the queue is as it was');

	# In slices, and all of them; a role that was made again has none of the old one's.
	$dba->rows(q{INSERT INTO oauth1.call SELECT (c).* FROM (SELECT jsonb_populate_record(c, jsonb_build_object('id', 1000000 + i)) AS c FROM oauth1.call c, generate_series(1, 2500) i WHERE c.id = } . "$ids[0]) s");
	$dba->rows(q{UPDATE oauth1.call SET state = 'done', finished_at = now() WHERE id > 1000000});
	$dba->rows(q{UPDATE oauth1.call SET enqueued_by = 'bob'::regrole WHERE id = 1000001});
	is($alice->rows(q{SELECT oauth1.purge_calls('0')}), 2499, 'purge_calls: in slices');
	is($session{bob}->rows('SELECT count(*) FROM oauth1.calls'), 0, 'and not where oid and name disagree');
}

# ---------------------------------------------------------------- with a worker that sends them

$dba->rows('TRUNCATE oauth1.call, oauth1.queue, oauth1.follow_up');
OAuth1::Registered->new($dba, $service)->both('api', allow_http => \'true',
	api_urls => \("ARRAY['" . $service->url('/', 'http') . "', '" . $service->url('/', 'refused') . "']"));
$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice')});
$dba->rows(q{ALTER SYSTEM SET oauth1.worker = on});
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('oauth1.worker') = 'on'});
my $paths = 0;
sub send_sql { my ($method, $modes, $more) = @_; $paths++; return "SELECT oauth1.enqueue('api', '$method', '" . ($modes ? "/flaky/$modes" : '') . "/api/echo/$paths', token => ''" . ($more ? ", $more" : '') . ')'; }
sub sent { my (@arguments) = @_; my $id = $alice->rows(send_sql(@arguments)); return ($id, $paths); }
sub arrivals { my ($path) = @_; return scalar grep { $_->{target} =~ m{/api/echo/$path$} } $service->ledger; }
sub is_running { return $node->poll_query_until('postgres', "SELECT state = 'running' AND oauth1.call_result(id) IS NULL FROM oauth1.calls WHERE id = $_[0]"); }
sub shown { return $alice->rows("SELECT state, status, sqlstate, attempts FROM oauth1.calls WHERE id = $_[0]"); }

{
	my ($id) = sent('POST');
	is($alice->rows("SELECT status, body::jsonb ->> 'method' FROM oauth1.await_call($id)"), '200|POST', 'sent: await_call');
	is($alice->rows("SELECT status, body::jsonb ->> 'method' FROM oauth1.call_result($id)"), '200|POST', 'sent: call_result');
	is(shown($id), 'done|200||1', 'sent: done');
	is($alice->rows("SELECT n, status, sqlstate, sent, elapsed_ms > 0, started_at > now() - interval '1 minute' FROM oauth1.attempts WHERE call_id = $id"), '1|200||t|t|t', 'sent: its attempt');
}

# What arrives is what the function for the same call sends at once.
{
	my $what = q{r.status, r.body::jsonb ->> 'method', r.body::jsonb ->> 'target', r.body::jsonb ->> 'body_base64', CASE WHEN r.body NOT LIKE '%"target"%' THEN r.body END,
		(SELECT string_agg(h.value::text, ' ') FROM jsonb_path_query(r.body::jsonb, '$.headers[*]') h(value) WHERE h.value ->> 0 IN ('Content-Type', 'X-A', 'Accept', 'User-Agent'))};
	foreach my $case (
		[ get => q{params => '{"q": ["50 %", "ö"]}', headers => '{"X-A": ["1", "2"], "Accept": "text/plain"}'} ],
		[ post => q{body_json => '{"a": ["ö", 1.50]}', params => '{"p": 1}'} ],
		[ post => q{form => '{"a": "50 %", "b": ["1", "2"]}'} ],
		[ post => q{body => 'ö', content_type => 'text/plain; charset=utf-8'} ],
		[ post => q{body => ''} ],
		[ put => q{body_bytes => '\x00ff0d0a'} ],
		[ patch => q{body_bytes => '\x7b7d', content_type => 'application/merge-patch+json'} ],
		[ delete => q{body_json => 'null'} ],
		[ delete => 'headers => NULL' ],
		[ post => q{files => '{"media": {"base64": "YW4gYW52aWw=", "filename": "ö.txt"}}', form => '{"a": "b"}'}, '/api/upload' ])
	{
		my ($function, $arguments, $url) = @$case;
		$url //= '/api/echo/same?x=%2F';
		my $at_once = $alice->rows("SELECT $what FROM oauth1.http_$function('api', '$url', $arguments, token => '') r");
		my $id = $alice->rows("SELECT oauth1.enqueue('api', '$function', '$url', $arguments, token => '')");
		is($alice->rows("SELECT $what FROM oauth1.await_call($id) r"), $at_once, "the same as http_$function($arguments)");
		like($at_once, qr/^200/, "http_$function($arguments)");
	}
}
{
	my ($id, $path) = sent('GET', 'status=404');
	is($alice->rows("SELECT status FROM oauth1.await_call($id)"), 404, 'no 2xx: the answer');
	is($alice->rows("SELECT oauth1.retry_call($id)"), 't', 'no 2xx: retry_call');
	is($alice->rows("SELECT status FROM oauth1.await_call($id)"), 404, 'no 2xx: the answer again, by a worker that was woken');
	is(shown($id), 'failed|404||2', 'no 2xx: failed');
	is(arrivals($path), 2, 'no 2xx: sent twice');
}
{
	my ($id, $path) = sent('POST', 'times=1,hangup');
	is($alice->rows("SELECT oauth1.await_call($id) IS NULL"), 't', 'no answer: NULL');
	is(shown($id), 'uncertain||OA009|1', 'no answer: uncertain');
	$alice->rows("SELECT oauth1.retry_call($id)");
	is($alice->rows("SELECT status FROM oauth1.await_call($id)"), 200, 'no answer, sent again by the user: the answer');
	is(arrivals($path), 2, 'no answer: sent again when it was asked for, not before');
}
{
	my $id = $alice->rows(q{SELECT oauth1.enqueue('api', 'GET', } . quote($service->url('/', 'refused')) . q{, token => '')});
	ok($node->poll_query_until('postgres', "SELECT state = 'pending' AND attempts > 0 FROM oauth1.calls WHERE id = $id"), 'no connection: waits for its next attempt');
	is($alice->rows("SELECT c.run_at > c.started_at, c.sqlstate, a.sent FROM oauth1.calls c JOIN oauth1.attempts a ON a.call_id = c.id WHERE c.id = $id LIMIT 1"), 't|OA008|f', 'no connection: when, and why');
	is($alice->rows("SELECT oauth1.cancel_call($id)"), 't', 'no connection: cancelled while it waits');
	is($alice->rows("SELECT oauth1.await_call($id) IS NULL"), 't', 'no connection: cancelled: no answer');
}
{
	my ($id, $path) = sent('POST', 'first_byte=700');
	ok(is_running($id), 'under way: running');
	my $started = time;
	is($alice->rows("SELECT oauth1.cancel_call($id), oauth1.retry_call($id)"), 'f|f', 'under way: left alone');
	cmp_ok(time - $started, '<', 0.5, 'under way: at once');
	is($alice->rows("SELECT status FROM oauth1.await_call($id)"), 200, 'under way: its answer');
	is(arrivals($path), 1, 'under way: sent once');
}

# What is cancelled, or hurried, lets the next of its order_key go, and wakes the worker for that:
# one that looks by itself would find it half a second later, on the average.
foreach my $function (qw(cancel_call retry_call))
{
	my @times;
	foreach my $round (1 .. 5)
	{
		my ($first) = sent('POST', undef, q{order_key => 'line', run_at => now() + interval '1 hour'});
		my ($second) = sent('POST', undef, q{order_key => 'line'});
		sleep 0.1 + rand 0.5;
		is(shown($second), 'pending|||0', "order_key, $function: the second waits for the first") if $round == 1;
		my $started = time;
		$alice->rows("SELECT oauth1.$function($first)");
		is($alice->rows("SELECT status FROM oauth1.await_call($second, 5000)"), 200, "order_key, $function: the second goes") if $round == 1;
		$alice->rows("SELECT oauth1.await_call($second, 5000)");
		push @times, time - $started;
	}
	cmp_ok((sort { $a <=> $b } @times)[2], '<', 0.3, "order_key, $function: at once");
}

# call_trigger, to the end.
{
	$alice->rows('CREATE TEMP TABLE orders (id int, item text)');
	$alice->rows(q{CREATE TRIGGER send AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION oauth1.call_trigger('api', 'PUT', '/api/echo/orders/{id}?item={item}', '')});
	$alice->rows(q{BEGIN; INSERT INTO orders VALUES (1, 'an anvil'), (2, 'ö'); COMMIT});
	$alice->rows(q{SELECT count(oauth1.await_call(id)) FROM oauth1.calls WHERE url LIKE '%/orders/%'});
	is(join('; ', sort map { join ' ', @$_{qw(method target verdict)} } grep { $_->{target} =~ m{/orders/} } $service->ledger),
		'PUT /api/echo/orders/1?item=an%20anvil ok; PUT /api/echo/orders/2?item=%C3%B6 ok', 'call_trigger: arrived, verified');
}

# An on_done has the same functions: it sends its own call again, enqueues, cancels.
{
	$dba->rows('GRANT CREATE ON SCHEMA public TO alice');
	my ($other) = sent('POST', undef, q{run_at => now() + interval '1 hour'});
	$alice->rows(q{CREATE FUNCTION again(id bigint, response oauth1.http_response) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			IF response.status = 404 AND (SELECT attempts FROM oauth1.calls c WHERE c.id = again.id) = 1 THEN
				PERFORM oauth1.retry_call(id);
			ELSE
				PERFORM oauth1.cancel_call(} . $other . q{);
				PERFORM oauth1.enqueue('api', 'GET', '/api/echo/from-on-done', token => '', dedupe_key => 'from on_done');
			END IF;
		END $$});
	my ($id, $path) = sent('GET', 'times=1,status=404', q{on_done => 'again(bigint, oauth1.http_response)'});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM oauth1.calls WHERE url = '/api/echo/from-on-done' AND state = 'done'}), 'on_done: enqueues, and that is sent');
	is(shown($id), 'done|200||2', 'on_done: sent its own call again');
	is(arrivals($path), 2, 'on_done: which arrived twice');
	is(shown($other), 'cancelled||57014|0', 'on_done: cancelled another');
	is($dba->rows('SELECT count(*) FROM oauth1.follow_up'), 0, 'on_done: nothing more follows');
}

# What a copy has taken over is sent; what was being sent when it was copied is not, or sent again.
{
	my @ids = map { (sent($_->[0], undef, q{run_at => now() + interval '1 hour'}))[0] } [ 'POST' ], [ 'POST' ], [ 'GET' ];
	my ($pending, $cut, $repeated) = @ids;
	my $claim = $dba->rows(q{SELECT nextval('oauth1.claim_number')});
	$dba->rows('UPDATE oauth1.queue SET database = 1, due = now()');
	$dba->rows("UPDATE oauth1.queue SET claim = $claim, claimed_at = now() WHERE id IN ($cut, $repeated)");
	is($dba->rows('SELECT oauth1.adopt_calls()'), 3, 'adopt_calls');
	is($alice->rows("SELECT status FROM oauth1.await_call($pending, 5000)"), 200, 'adopt_calls: what was pending is sent');
	is($alice->rows("SELECT oauth1.await_call($cut, 5000) IS NULL"), 't', 'adopt_calls: a POST that was being sent');
	is(shown($cut) =~ s/\|\w*\|1$//r, 'uncertain|', 'adopt_calls: a POST that was being sent is uncertain');
	is($alice->rows("SELECT status FROM oauth1.await_call($repeated, 5000)"), 200, 'adopt_calls: a GET that was being sent is sent again');
}

done_testing();
