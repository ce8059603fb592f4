# The worker: who starts it and when, what wakes it, when it leaves, and what never fails a COMMIT.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use List::Util qw(max);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Queue;
use OAuth1::Registered;
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('main', service => $service,
	settings => [ 'oauth1.allow_http = on', 'log_min_messages = debug1', 'max_prepared_transactions = 2',
		'max_logical_replication_workers = 0', 'oauth1.worker_idle_timeout = 400ms', 'autovacuum = off', 'log_statement = none' ]);
my $session = OAuth1::Session->new($node);
my $queue = OAuth1::Queue->new($node, $session, $service)->register;

# How often the postmaster was asked for a worker since the log was forgotten.
sub orders { return scalar $queue->log_lines(qr/DEBUG:  registering background worker "oauth1 worker"/); }

sub unregistered { return scalar $queue->log_lines(qr/unregistering background worker "oauth1 worker"/); }

sub set
{
	my (@settings) = @_;
	my $before = $session->rows('SELECT pg_conf_load_time()');
	$session->rows("ALTER SYSTEM SET $_") foreach @settings;
	$session->rows('SELECT pg_reload_conf()');
	$queue->time_until("SELECT pg_conf_load_time() > '$before'");
	return;
}

# What comes a moment later than what the test has seen.
sub soon
{
	my ($is) = @_;
	my $start = time;
	sleep 0.01 until $is->() || time - $start > 3;
	return $is->();
}

# The most requests that were in the service's hands at once.
sub most_at_once
{
	my @edges = map { [ $_->{start}, 1 ], [ $_->{end}, -1 ] } @_;
	my ($now, $most) = (0, 0);
	$most = max($most, $now += $_->[1]) foreach sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @edges;
	return $most;
}

# ---------------------------------------------------------------- start and wake at COMMIT

my $mark = $service->mark;
$session->rows('BEGIN');
my $id = $queue->enqueue;
sleep 0.2;
is(orders(), 0, 'before COMMIT no worker is asked for');
is($service->mark, $mark, 'and nothing is sent');
$session->rows('COMMIT');
cmp_ok($queue->time_until_state($id, 'done'), '<', 3, 'after COMMIT the call is sent');
cmp_ok($queue->time_until(q{SELECT query = 'no queued calls' AND state = 'idle' FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'}), '<', 3,
	'by a worker, which then is idle');
is($session->rows(q{SELECT backend_type, application_name, datname FROM pg_stat_activity WHERE backend_type LIKE 'oauth1%'}),
	'oauth1 worker|oauth1 worker|postgres', 'and has its names');

# The time from COMMIT to the result, of an idle worker: without a wake it would be found when the
# worker looks by itself, up to a second later.
my @times = map { sleep 0.05; $queue->time_until_state($queue->enqueue, 'done') } 1 .. 9;
cmp_ok((sort { $a <=> $b } @times)[4], '<', 0.1, 'an idle worker is woken');
is(orders(), 1, 'and no other one is asked for');

my $pid = join ' ', $queue->workers;
$id = $queue->enqueue(wait => 400);
cmp_ok($queue->time_until("SELECT query = 'sending 1 queued calls' AND state = 'active' FROM pg_stat_activity WHERE pid = $pid"), '<', 2,
	'what it does is in pg_stat_activity');
$session->rows("SELECT pg_cancel_backend($pid)") foreach 1 .. 3;
cmp_ok($queue->time_until_state($id, 'done'), '<', 3, 'a cancel of the worker ends no call');
is(join(' ', $queue->workers), $pid, 'and not the worker');

cmp_ok($queue->time_until_alone, '<', 3, 'it leaves when nothing was pending for a while');
ok(soon(sub { $queue->log_lines(qr/oauth1 worker" \(PID $pid\) exited with exit code 0/) }), 'with exit code 0');

# ---------------------------------------------------------------- a burst

$queue->forget_log;
my @sessions = map { OAuth1::Session->new($node) } 1 .. 8;
$_->rows('BEGIN; SELECT ' . $queue->enqueue_sql) foreach @sessions;
$_->start('COMMIT') foreach @sessions;
$_->finish foreach @sessions;
cmp_ok($queue->time_until("SELECT bool_and(state = 'done') FROM oauth1.calls"), '<', 5, 'a burst of commits: all are sent');
is(orders(), 1, 'a burst of commits asks for one worker');
cmp_ok($queue->time_until_alone, '<', 3, 'which leaves');
$_->quit foreach @sessions;

# ---------------------------------------------------------------- what is rolled back

$queue->forget_log;
$mark = $service->mark;
$session->rows('BEGIN; SELECT ' . $queue->enqueue_sql . '; ROLLBACK');
$session->rows('SELECT 1');
is(orders(), 0, 'a rolled back enqueue asks for no worker');
$session->rows('BEGIN; SAVEPOINT s; SELECT ' . $queue->enqueue_sql . '; ROLLBACK TO s; COMMIT');
sleep 0.3;
cmp_ok($queue->time_until_alone, '<', 3, 'one rolled back to a savepoint: the worker leaves');
is($service->mark, $mark, 'and nothing is sent');

my $error = $session->error('BEGIN; SELECT ' . $queue->enqueue_sql . q{; PREPARE TRANSACTION 'p'});
is($error->{sqlstate}, '0A000', 'PREPARE TRANSACTION after an enqueue: 0A000');
is($error->{message}, 'cannot PREPARE a transaction that has enqueued calls', 'PREPARE TRANSACTION: says so');
is($session->error(q{BEGIN; SELECT 1; PREPARE TRANSACTION 'p'; ROLLBACK PREPARED 'p'}), undef, 'the next transaction can be prepared');
is($session->rows('SELECT count(*) FROM oauth1.queue'), 0, 'and nothing was enqueued');

# ---------------------------------------------------------------- idle end, and no lost wake

# A look at the queue that began before a commit does not see it, however late it ends: it waits here
# for a lock that does not stop an enqueue.
my $holder = OAuth1::Session->new($node);
my $waits = q{backend_type = 'oauth1 worker' AND wait_event_type = 'Lock'};

# An idle worker whose look is held up: its last one of all, when it has said that it is gone, or not.
sub held_up
{
	my ($is_gone) = @_;
	foreach (1 .. 6)
	{
		$queue->time_until_state($queue->enqueue, 'done');
		$queue->time_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'oauth1 worker' AND query = 'no queued calls'});
		sleep 0.2 if $is_gone;
		$holder->rows('BEGIN; LOCK TABLE oauth1.consumer_pause IN ACCESS EXCLUSIVE MODE');
		return 1 if $queue->time_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE $waits", 3) < 3
		  && !!$is_gone == ($session->rows('SELECT oauth1._worker_pid() IS NULL') eq 't');
		$holder->rows('COMMIT');
	}
	return;
}

# The look after which it would leave, were it not for another.
set(q{oauth1.worker_idle_timeout = '1500ms'});
ok(held_up(0), 'a worker that is about to leave looks at the queue');
$queue->forget_log;
$id = $queue->enqueue;
sleep 1.6;
$holder->rows('COMMIT');
cmp_ok($queue->time_until_state($id, 'done', 3), '<', 3, 'what was committed after that look is sent');
is(join(' ', orders(), scalar $queue->log_lines(qr/oauth1 worker stays/)), '0 1', 'by this very worker, which looked again');

# The last look of all.
set(q{oauth1.worker_idle_timeout = '700ms'});
ok(held_up(1), 'a worker that leaves looks for the last time');
$queue->forget_log;
$id = $queue->enqueue;
cmp_ok($queue->time_until("SELECT count(*) = 2 FROM pg_stat_activity WHERE $waits"), '<', 3, 'a commit after that look has another started');
$holder->rows('COMMIT');
cmp_ok($queue->time_until_state($id, 'done', 3), '<', 3, 'which sends the call');

# A latch that was set while the worker waited for a lock is not all that it goes by.
set(q{oauth1.worker_idle_timeout = '10s'});
@times = map {
	held_up(0) or die;
	$id = $queue->enqueue;
	sleep 0.02;
	$holder->rows('COMMIT');
	$queue->time_until_state($id, 'done')
} 1 .. 3;
cmp_ok((sort { $a <=> $b } @times)[1], '<', 0.5, 'what was committed while it waited for a lock is sent at once');
$holder->quit;

# And without such help, over and over.
set('oauth1.worker_idle_timeout = 0');
my ($slowest, $pause) = (0, 0.03);
$queue->forget_log;
foreach (1 .. 20)
{
	my $before = orders();
	$slowest = max($slowest, $queue->time_until_state($queue->enqueue, 'done', 3));
	last if $slowest > 3;
	$pause += orders() > $before ? -0.003 : 0.003;
	sleep max($pause, 0.001);
}
cmp_ok($slowest, '<', 3, 'around its end every call finds a worker');
cmp_ok(orders(), '>', 2, 'and it has come and gone meanwhile: ' . orders() . ' times');
$id = $queue->enqueue(more => q{run_at => now() + '600ms'});
cmp_ok($queue->time_until_state($id, 'done', 3), '<', 3, 'a worker stays for what is due later');
cmp_ok($session->rows("SELECT extract(epoch FROM started_at - created_at) FROM oauth1.calls WHERE id = $id"), '>=', 0.6, 'and sends it then');
set(q{oauth1.worker_idle_timeout = '400ms'});

# ---------------------------------------------------------------- oauth1.worker

$id = $queue->enqueue(wait => 700);
my $later = $queue->enqueue(more => q{run_at => now() + '700ms'});
$queue->time_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query = 'sending 1 queued calls' AND backend_type = 'oauth1 worker'});
set('oauth1.worker = off');
cmp_ok($queue->time_until_alone, '<', 3, 'oauth1.worker = off: it leaves');
is($queue->state_of($id), 'done', 'after it recorded what was under way');
is($queue->state_of($later), 'pending', 'and sends no more');
$queue->forget_log;
my $another = $queue->enqueue;
sleep 0.3;
is(orders(), 0, 'and none is asked for');
set('oauth1.worker = on');
$queue->enqueue;
cmp_ok($queue->time_until_state("$later, $another", 'done'), '<', 3, 'on again: the next enqueue goes on with all');

# A worker that runs goes by a concurrency that is changed.
set('oauth1.worker_concurrency = 1');
$queue->enqueue(wait => 50);
$mark = $service->mark;
my $ids = $session->rows("SELECT string_agg(q.id::text, ', ') FROM (SELECT " . $queue->enqueue_sql(wait => 100) . ' AS id FROM generate_series(1, 3)) AS q');
$queue->time_until_state($ids, 'done');
is(most_at_once($service->spans($mark)), 1, 'oauth1.worker_concurrency = 1: one call after the other');
set('oauth1.worker_concurrency = 8');
$mark = $service->mark;
$ids = $session->rows("SELECT string_agg(q.id::text, ', ') FROM (SELECT " . $queue->enqueue_sql(wait => 300) . ' AS id FROM generate_series(1, 8)) AS q');
$queue->time_until_state($ids, 'done');
cmp_ok(most_at_once($service->spans($mark)), '>', 2, 'raised: more at once, by the same worker');
set('oauth1.worker_concurrency = 32');

# A setting of the database that means sessions.
$session->rows("ALTER DATABASE postgres SET $_") foreach 'default_transaction_read_only = on', "lock_timeout = '1ms'",
  "default_transaction_isolation = 'serializable'", 'synchronous_commit = off';
$queue->time_until_alone;
cmp_ok($queue->time_until_state($queue->enqueue, 'done'), '<', 3, 'it does not work by the settings of sessions');
$session->rows("ALTER DATABASE postgres RESET ALL");

# ---------------------------------------------------------------- an error

# Somebody's trigger on a table of the queue would run with the rights of its owner.
$queue->time_until_alone;
$queue->forget_log;
$session->rows($_) foreach q{CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'},
  'CREATE TRIGGER mine BEFORE DELETE ON oauth1.queue FOR EACH ROW EXECUTE FUNCTION mine()';
$id = $queue->enqueue;
ok(soon(sub { $queue->log_lines(qr/oauth1 worker" \(PID \d+\) exited with exit code 1/) }), 'an error ends the worker');
is(scalar $queue->log_lines(qr/ERROR:  /), 1, 'and is in the log, once');
is($queue->state_of($id), 'pending', 'the call is left as it was');
cmp_ok($queue->time_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'oauth1 launcher' AND datname IS NULL}), '<', 3,
	'a successor waits, in no database');
$session->rows('DROP TRIGGER mine ON oauth1.queue');
sleep 1;
$queue->enqueue;
cmp_ok($queue->time_until_state($id, 'done'), '<', 3, 'and the next enqueue starts another worker');
$session->rows(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'oauth1 launcher'});

# ---------------------------------------------------------------- retention

set(q{oauth1.call_retention = '1s'});
$id = $queue->enqueue;
$queue->enqueue(more => q{run_at => now() + '1 day'});
cmp_ok($queue->time_until("SELECT count(*) = 0 FROM oauth1.call WHERE id = $id"), '<', 5, 'calls that ended are deleted after oauth1.call_retention');
is($session->rows('SELECT count(*) FROM oauth1.queue'), 1, 'those that have not ended are not');

# ---------------------------------------------------------------- no free slot

# The server with other settings; the session is a new one.
sub restart_with
{
	my (@settings) = @_;
	$session->quit;
	$node->append_conf('postgresql.conf', join "\n", @settings, '');
	$node->restart;
	$session = OAuth1::Session->new($node);
	$queue = OAuth1::Queue->new($node, $session, $service);
	return;
}

$session->rows($_) foreach 'DELETE FROM oauth1.queue', 'ALTER SYSTEM RESET ALL';
$queue->time_until_alone;
$session->rows('CREATE DATABASE other TEMPLATE postgres');
restart_with('max_worker_processes = 1', 'oauth1.worker_idle_timeout = 100ms');
my $other = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => 'other'), $service);

my $slow = $queue->enqueue(wait => 1500);
$queue->time_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'");
my @ids = map { $other->enqueue } 1 .. 3;
my $message = qr/LOG:  could not start a worker for the queued calls of database/;
is(scalar $other->log_lines($message), 1, 'no free slot: the commits succeed, and the log says it once');
is(scalar $other->log_lines(qr/HINT:  Consider increasing max_worker_processes, which is 1\./), 1, 'with a hint');
is($other->state_of($ids[0]), 'pending', 'the calls are pending');
$queue->time_until_state($slow, 'done');
ok(soon(\&unregistered), 'when a slot is free');
push @ids, $other->enqueue;
cmp_ok($other->time_until_state(join(', ', @ids), 'done'), '<', 3, 'the next enqueue goes on with all');
$other->{session}->quit;

# ---------------------------------------------------------------- preloaded: the launcher

$queue->time_until_alone;
restart_with('max_worker_processes = 8', q{shared_preload_libraries = 'oauth1'}, 'oauth1.worker = off',
	'oauth1.worker_idle_timeout = 400ms');
is($session->rows(q{SELECT datname IS NULL FROM pg_stat_activity WHERE backend_type = 'oauth1 launcher'}), 't',
	'the launcher is in no database');
my $echo = $queue->enqueue;
$session->rows("CREATE DATABASE $_ TEMPLATE postgres") foreach qw(open closed template);
$session->rows('CREATE DATABASE without');
my %queues = map { $_ => OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => $_), $service) } qw(open closed template);
my %ids = map { $_ => $queues{$_}->enqueue } keys %queues;
$queues{$_}{session}->quit foreach keys %queues;
$session->rows('ALTER DATABASE closed ALLOW_CONNECTIONS false');
$session->rows('ALTER DATABASE template IS_TEMPLATE true');
$mark = $service->mark;
restart_with('oauth1.worker = on');
cmp_ok($queue->time_until_state($echo, 'done'), '<', 8, 'after a start calls are sent that nobody wakes for');
my $open = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => 'open'), $service);
cmp_ok($open->time_until_state($ids{open}, 'done'), '<', 8, 'in every open database');
$open->{session}->quit;
$session->rows('ALTER DATABASE closed ALLOW_CONNECTIONS true');
foreach my $name (qw(closed template))
{
	my $those = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => $name), $service);
	is($those->state_of($ids{$name}), 'pending', "not in a $name database");
	$those->{session}->quit;
}
is(scalar $service->ledger($mark), 2, 'and no other is sent');
cmp_ok($queue->time_until_alone, '<', 3, 'the workers leave');
my $start = time;
$session->rows('CREATE DATABASE quickly');
cmp_ok(time - $start, '<', 2, 'and nobody is in the way of CREATE DATABASE');
is(join("\n", $queue->log_lines(qr/FATAL|PANIC|ERROR/)), '', 'nothing failed');

set('oauth1.worker = off');
sleep 0.1;
$id = $queue->enqueue;
sleep 0.2;
is($queue->state_of($id), 'pending', 'off: a call waits');
set('oauth1.worker = on');
cmp_ok($queue->time_until_state($id, 'done'), '<', 8, 'on: the launcher looks for it');
$session->quit;
$node->stop;

done_testing();
