# The queue's tables: which calls are claimed, in which order and by whom; what becomes of calls
# whose sender died; what it costs when there are many.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $node = OAuth1::Node->start('main', service => $service,
	settings => [ 'oauth1.worker = off', 'restart_after_crash = on', 'log_min_messages = debug1' ]);
OAuth1::Shop::register($node, $service);
my $dba = OAuth1::Session->new($node);

# ---------------------------------------------------------------- helpers

# Enqueues a call; returns its id. The service tells calls apart by what follows the question mark.
sub enqueue
{
	my ($name, %more) = @_;
	my $session = delete $more{session} // $dba;
	my $path = delete $more{path} // '/api/echo';
	my $method = delete $more{method} // 'GET';
	my $arguments = join '', map { ", $_ => $more{$_}" } sort keys %more;
	return $session->rows('SELECT oauth1.enqueue(' . join(', ', map { quote($_) } 'shop', $method, "$path?$name") . "$arguments)");
}

sub drain
{
	my ($more) = @_;
	return $dba->rows('CALL oauth1.drain(' . ($more // '') . ')');
}

# What arrived since the mark, by name, in the order of arrival.
sub arrived
{
	my ($mark) = @_;
	return join ' ', map { $_->{target} =~ s/.*\?//r } $service->ledger($mark);
}

sub states
{
	my (@ids) = @_;
	return join ' ', map { $dba->rows("SELECT state FROM oauth1.calls WHERE id = $_") } @ids;
}

sub make_due { return $dba->rows(q{UPDATE oauth1.queue SET due = now() WHERE claim IS NULL}); }

sub wait_for
{
	my ($sql, $name) = @_;
	ok($node->poll_query_until('postgres', "SELECT $sql"), $name);
	return;
}

# ---------------------------------------------------------------- order

my $mark = $service->mark;
my @ids = map { enqueue($_, order_key => q{'failing'}, path => $_ eq 'a' ? '/flaky/times=1,status=503/api/echo' : '/api/echo') } qw(a b c);
push @ids, enqueue('free');
drain();
is(arrived($mark) =~ s/a free|free a/a,free/r, 'a,free', 'order_key: what comes after a call that failed is not sent');
is(states(@ids), 'pending pending pending done', 'order_key: it waits for that call to be sent again');
make_due();
drain();
is(arrived($mark) =~ s/free ?//r, 'a a b c', 'order_key: then they go one after the other');
is(states(@ids), 'done done done done', 'order_key: all of them');

# Each of five keys in the order of its ids, one at a time, beside each other, by three drains.
$mark = $service->mark;
enqueue("$_." . ($_ % 5), order_key => "'key " . ($_ % 5) . q{'}) foreach 1 .. 60;
my @drains = map { OAuth1::Session->new($node) } 1 .. 3;
$_->start('CALL oauth1.drain(concurrency => 4)') foreach @drains;
$_->finish foreach @drains;
drain();
my %sent;
my %name = map { $_->{n} => $_->{target} =~ s/.*\?//r } $service->ledger($mark);
my @overlaps;
foreach my $span ($service->spans($mark))
{
	my ($id, $key) = split /\./, $name{ $span->{n} };
	my $last = $sent{$key}[-1];
	push @overlaps, $name{ $span->{n} } if $last && $last->{end} > $span->{start};
	push @{ $sent{$key} }, { id => $id, end => $span->{end} };
}
is(scalar keys %name, 60, 'three drains, five keys: each call once');
is("@overlaps", '', 'three drains, five keys: one at a time');
foreach my $key (0 .. 4)
{
	my @order = map { $_->{id} } @{ $sent{$key} };
	is("@order", join(' ', sort { $a <=> $b } @order), "three drains, key $key: in order");
}

# A call that was enqueued before and committed after one that is running.
my $late = OAuth1::Session->new($node);
$mark = $service->mark;
$late->rows('BEGIN');
my $first = enqueue('first', session => $late, order_key => q{'late'});
my $second = enqueue('second', order_key => q{'late'}, path => '/flaky/first_byte=1500/api/echo');
ok($first < $second, 'a call that is committed late');
$drains[0]->start('CALL oauth1.drain(1)');
wait_for("claim IS NOT NULL FROM oauth1.queue WHERE id = $second", 'late: the later one is running');
$late->rows('COMMIT');
drain();
is(states($first, $second), 'pending running', 'late: the earlier one waits for the one that is running');
$drains[0]->finish;
drain();
is(states($first, $second), 'done done', 'late: it is sent then');
is(arrived($mark), 'second first', 'late: after it');

# Of another consumer, the same order_key is another chain.
$dba->rows(q{SELECT oauth1.create_consumer('other', 'shop', 'shop-key', 'shop-consumer-secret')});
enqueue('x', order_key => q{'late'}, run_at => q{now() + interval '1 hour'});
my $other = $dba->rows(q{SELECT oauth1.enqueue('other', 'GET', '/status/404', order_key => 'late', token => '')});
drain();
is(states($other), 'failed', 'an order_key is its consumer\'s');
$dba->rows(q{TRUNCATE oauth1.queue, oauth1.call});

# ---------------------------------------------------------------- bounds

# More than 16 MB of requests are not claimed at once, however many calls there may be.
sub claims
{
	my ($offset) = @_;
	return join ' ', slurp_file($node->logfile, $offset) =~ /claimed (\d+) queued calls/g;
}

my @sizes = (7, 7, 7, 40, 1);
@ids = map { enqueue("size$_") } @sizes;
$dba->rows("UPDATE oauth1.queue SET size = $sizes[$_] * 1048576 WHERE id = $ids[$_]") foreach 0 .. $#ids;
my $offset = -s $node->logfile;
drain();
is(claims($offset), '2 1 1 1', 'claims are bounded in octets, and take one call in any case');
is(states(@ids), join(' ', ('done') x @ids), 'and all are sent');

enqueue("n$_") foreach 1 .. 20;
$offset = -s $node->logfile;
drain('concurrency => 4');
is((sort { $b <=> $a } split / /, claims($offset))[0], 4, 'claims are bounded in calls');
is($dba->rows(q{SELECT count(*) FROM oauth1.queue}), 0, 'and all are sent');

# ---------------------------------------------------------------- what others hold

my ($held, $free) = map { enqueue($_) } qw(held free);
my $holder = OAuth1::Session->new($node);
$holder->rows('BEGIN');
is($holder->rows("SELECT oauth1.cancel_call($held)"), 't', 'a call is being cancelled');
drain();
is(states($held, $free), 'pending done', 'others are sent past it');
$holder->rows('ROLLBACK');
drain();
is(states($held), 'done', 'it is sent where the cancel is rolled back');

# Nobody is waited for: what is under way wants to be looked after.
my $unclaimed = enqueue('unclaimed');
$holder->rows('BEGIN; LOCK TABLE oauth1.call IN ACCESS EXCLUSIVE MODE');
$offset = -s $node->logfile;
$drains[0]->start('CALL oauth1.drain()');
ok($node->wait_for_log(qr/could not claim queued calls: canceling statement due to lock timeout/, $offset), 'a table that is locked');
$holder->rows('ROLLBACK');
$drains[0]->finish;
is(states($unclaimed), 'done', 'its calls are sent when it is free');

# Several drains claim at once, a few at a time: no call goes to two of them.
$mark = $service->mark;
enqueue("shared$_") foreach 1 .. 300;
$_->start('CALL oauth1.drain(concurrency => 3)') foreach @drains;
$_->finish foreach @drains;
drain();
is(scalar $service->ledger($mark), 300, 'three drains: each call is sent once');
is($dba->rows(q{SELECT count(*) FROM oauth1.call WHERE cardinality(attempts) <> 1 AND url LIKE '%shared%'}), 0, 'three drains: and recorded once');

# A dedupe_key lives as long as its call has not ended.
my $deduped = enqueue('d', dedupe_key => q{'d'}, path => '/flaky/times=1,status=502/api/echo');
is(enqueue('d', dedupe_key => q{'d'}), $deduped, 'dedupe_key: pending');
drain();
is(enqueue('d', dedupe_key => q{'d'}), $deduped, 'dedupe_key: waiting to be sent again');
make_due();
drain();
isnt(enqueue('d', dedupe_key => q{'d'}), $deduped, 'dedupe_key: free when the call has ended');
drain();

# ---------------------------------------------------------------- foreign triggers and rules

$dba->rows($_) foreach (
	q{CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'},
	q{CREATE TABLE referring (id bigint)});
my %foreign = (
	(map { ("a trigger on oauth1.$_" => [ "CREATE TRIGGER spy AFTER UPDATE ON oauth1.$_ FOR EACH STATEMENT EXECUTE FUNCTION spy()", "DROP TRIGGER spy ON oauth1.$_" ]) }
		  qw(call queue follow_up consumer_pause)),
	'a rule on oauth1.queue' => [ 'CREATE RULE spy AS ON DELETE TO oauth1.queue DO ALSO SELECT 1', 'DROP RULE spy ON oauth1.queue' ],
	'a reference to oauth1.queue' => [ 'ALTER TABLE referring ADD CONSTRAINT spy FOREIGN KEY (id) REFERENCES oauth1.queue ON DELETE CASCADE', 'ALTER TABLE referring DROP CONSTRAINT spy' ]);
my $watched = enqueue('watched');
$mark = $service->mark;
foreach my $what (sort keys %foreign)
{
	$dba->rows($foreign{$what}[0]);
	my $error = $dba->error('CALL oauth1.drain()');
	is($error ? $error->{sqlstate} : 'no error', '55000', "$what: 55000");
	like($error ? $error->{hint} : '', qr/^Drop it/, "$what: says what to do");
	$dba->rows($foreign{$what}[1]);
}
is(arrived($mark), '', 'nothing was sent');
is(states($watched), 'pending', 'the call waits');
drain();
is(states($watched), 'done', 'and is sent when they are gone');

# ---------------------------------------------------------------- the dead

# As if it had been claimed by a process that lives no more: nobody has this number.
my $dead = $dba->rows(q{SELECT nextval('oauth1.claim_number')});
sub orphan
{
	my ($name, $keyed, %more) = @_;
	my $id = enqueue($name, %more);
	$dba->rows("UPDATE oauth1.queue SET claim = $dead, claimed_at = now(), keyed = $keyed WHERE id = $id");
	return $id;
}

$mark = $service->mark;
my %orphan = (
	get => orphan('get', 'false'),
	last => orphan('last', 'false', max_attempts => 1),
	post => orphan('post', 'false', method => 'POST'),
	idempotent => orphan('idempotent', 'false', method => 'POST', idempotent => 'true'),
	keyed => orphan('keyed', 'true', method => 'POST'),
	keyed_last => orphan('keyed_last', 'true', method => 'POST', max_attempts => 1),
	unkeyed => orphan('unkeyed', 'NULL', method => 'POST'));
drain();
my %becomes = (
	get => 'done|2', last => 'failed|1', post => 'uncertain|1', idempotent => 'done|2', keyed => 'done|2',
	keyed_last => 'failed|1', unkeyed => 'uncertain|1');
foreach my $what (sort keys %orphan)
{
	is($dba->rows("SELECT state, cardinality(attempts) FROM oauth1.call WHERE id = $orphan{$what}"), $becomes{$what}, "orphan, $what: its state and attempts");
}
is(join(' ', sort split / /, arrived($mark)), 'get idempotent keyed', 'orphans: those are sent again that may be');
is($dba->rows("SELECT a.n, a.elapsed_ms IS NULL, a.status IS NULL, a.sqlstate, a.error, a.sent FROM oauth1.attempts a WHERE call_id = $orphan{post}"),
	'1|t|t|OA009|the process that was sending it ended; whether it was received is not known|t', 'orphans: the attempt is kept');
is($dba->rows("SELECT sqlstate, finished_at IS NOT NULL FROM oauth1.calls WHERE id = $orphan{post}"), 'OA009|t', 'orphans: the call says so');

# What somebody is sending who lives is nobody else's.
$mark = $service->mark;
my $slow = enqueue('slow', method => 'POST', path => '/flaky/first_byte=1500/api/echo');
$drains[0]->start('CALL oauth1.drain()');
wait_for("claim IS NOT NULL FROM oauth1.queue WHERE id = $slow", 'a call is being sent');
drain();
is(states($slow), 'running', 'it stays so for another drain');
is($drains[0]->finish, '', 'its own drain');
is(states($slow), 'done', 'ends it');
is(arrived($mark), 'slow', 'once');

# What was taken from it meanwhile it does not write: somebody else speaks for that call.
my %lost = (
	answered => enqueue('lost', path => '/flaky/first_byte=1000/api/echo'),
	failed => enqueue('lost', path => '/flaky/first_byte=1000,status=503/api/echo'));
$drains[0]->start('CALL oauth1.drain()');
wait_for("count(claim) = 2 FROM oauth1.queue", 'two calls are being sent');
$dba->rows(qq{UPDATE oauth1.queue SET claim = NULL, due = now() + interval '1 hour'});
$drains[0]->finish;
foreach my $what (sort keys %lost)
{
	is($dba->rows("SELECT c.state, cardinality(c.attempts), q.claim, q.due <= now() FROM oauth1.queue q JOIN oauth1.call c USING (id) WHERE id = $lost{$what}"),
		"|0||f", "a claim that was lost, $what: nothing is written");
}
$dba->rows(q{DELETE FROM oauth1.queue});

# kill -9, which takes the whole server down and up.
my ($post, $get) = map { enqueue("killed-$_", method => $_, path => "/flaky/times=1,first_byte=5000/api/echo/$_") } qw(POST GET);
$mark = $service->mark;
my $pid = $drains[0]->rows('SELECT pg_backend_pid()');
$drains[0]->start('CALL oauth1.drain()');
for (1 .. 500) { last if arrived($mark) =~ tr/ // == 1; sleep 0.01; }
kill 'KILL', $pid;
$drains[0]->finish;
sleep 0.1;
ok($node->poll_query_until('postgres', 'SELECT true'), 'the sender was killed');
$dba = OAuth1::Session->new($node);
is(states($post, $get), 'running running', 'killed: only that they are running is on disk');
drain();
is(states($post, $get), 'uncertain done', 'killed: what may not be repeated is uncertain, the other is sent again');
is(join(' ', sort split / /, arrived($mark)), 'killed-GET killed-GET killed-POST', 'killed: nothing else is');

# ---------------------------------------------------------------- copies

my @copied = map { enqueue("copied$_") } 1 .. 2;
$dba->rows("UPDATE oauth1.queue SET claim = $dead, claimed_at = now() WHERE id = $copied[1]");
undef $_ foreach $late, $holder, @drains;
undef $dba;
$node->safe_psql('template1', 'CREATE DATABASE copy TEMPLATE postgres');
$mark = $service->mark;
my $copy = OAuth1::Session->new($node, dbname => 'copy');
$copy->rows('CALL oauth1.drain()');
is(arrived($mark), '', 'a copy sends nothing');
is($copy->rows(q{SELECT string_agg(coalesce(claim::text, '-'), ' ' ORDER BY id) FROM oauth1.queue}), "- $dead", 'and recovers nothing');
enqueue($_, session => $copy) foreach qw(own1 own2);
$copy->rows("UPDATE oauth1.queue SET claim = $dead, claimed_at = now() WHERE id = (SELECT max(id) FROM oauth1.queue)");
$copy->rows('CALL oauth1.drain()');
is(join(' ', sort split / /, arrived($mark)), 'own1 own2', 'it sends and recovers what is its own');
is($copy->rows(q{SELECT string_agg(coalesce(claim::text, '-'), ' ' ORDER BY id) FROM oauth1.queue}), "- $dead", 'and leaves alone what is not');
$mark = $service->mark;
undef $copy;
$dba = OAuth1::Session->new($node);
drain();
is(join(' ', sort split / /, arrived($mark)), 'copied1 copied2', 'its original does');
$node->safe_psql('postgres', 'DROP DATABASE copy');

# ---------------------------------------------------------------- many

# What has been read from the index of what is due, and whole tables.
sub work
{
	my ($session) = @_;
	$session->rows('SELECT pg_stat_force_next_flush()');
	return map { $session->rows($_) } (
		q{SELECT idx_tup_read FROM pg_stat_all_indexes WHERE indexrelid = 'oauth1.queue_due'::regclass},
		q{SELECT sum(seq_scan) FROM pg_stat_all_tables WHERE schemaname = 'oauth1' AND relname IN ('call', 'queue', 'follow_up')});
}

# The plans are made while the tables hold nothing, and whatever the session wants of its own.
$dba->rows(q{TRUNCATE oauth1.queue, oauth1.call});
$dba->rows(q{VACUUM ANALYZE oauth1.queue});
my $drain = OAuth1::Session->new($node);
$drain->rows("SET $_ = off") foreach qw(enable_indexscan enable_indexonlyscan enable_nestloop);
my $warm = enqueue('warm');
$drain->rows('CALL oauth1.drain()');
is(states($warm), 'done', 'a drain that has its plans');

sub fill
{
	my ($count, $due, $order_key) = @_;
	return $dba->rows(qq{WITH c AS (INSERT INTO oauth1.call (id, consumer, token, http_method, url, max_attempts, idempotent, idempotency_key, order_key, enqueued_by, enqueued_by_name, created_at, run_at)
		SELECT nextval('oauth1.call_id'), 'shop', 'default', 'GET', '/api/echo', 1, true, gen_random_uuid(), $order_key, r.oid, r.rolname, now(), $due
		FROM generate_series(1, $count), pg_roles r WHERE rolname = current_user RETURNING id, order_key, run_at)
		INSERT INTO oauth1.queue (id, system_identifier, database, consumer, due, order_key, size)
		SELECT c.id, s.system_identifier, d.oid, 'shop', c.run_at, c.order_key, 100 FROM c, pg_control_system() s, pg_database d WHERE d.datname = current_database()});
}

sub drain_costs
{
	my ($calls, $most, $name) = @_;
	my @before = work($dba);
	$drain->rows("CALL oauth1.drain($calls)");
	$drain->rows('SELECT pg_stat_force_next_flush()');
	my @after = work($dba);
	note("$name: ", $after[0] - $before[0], " entries");
	cmp_ok($after[0] - $before[0], '<', $most, "$name: looks at few entries of the index");
	# The two statements above are no drain, and read no table of the queue as a whole.
	is($after[1] - $before[1], 0, "$name: reads no table as a whole");
	return;
}

fill(20000, q{now() - interval '1 hour'}, 'NULL');
fill(20000, q{now() + interval '1 hour'}, 'NULL');
drain_costs(50, 200, '40,000 calls that wait');

my $old = OAuth1::Session->new($node);
$old->rows('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM oauth1.queue LIMIT 1');
$drain->rows('CALL oauth1.drain(500)');
# From the head some times; the cursor has to be walked for the rest.
drain_costs(500, 4000, 'an old snapshot');
$old->rows('COMMIT');
undef $old;

# Of many calls of one order_key the first is found, whatever stands behind it.
$dba->rows(q{DELETE FROM oauth1.queue});
$dba->rows(q{VACUUM oauth1.queue});
fill(10000, q{now() - interval '1 hour'}, q{'one'});
$mark = $service->mark;
drain_costs(20, 25000, '10,000 calls of one order_key');
is(() = $service->ledger($mark), 20, 'and they go');

done_testing();
