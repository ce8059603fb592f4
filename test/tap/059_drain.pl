# CALL oauth1.drain(): what becomes of a queued call, by what its service does; counted in the ledger.
use strict;
use warnings FATAL => 'all';

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
my $node = OAuth1::Node->start('main', service => $service,
	settings => [ 'oauth1.allow_http = on', 'oauth1.worker = off', 'autovacuum = off' ]);
my $dba = OAuth1::Session->new($node);
my $other = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($dba, $service);
my $urls = \("ARRAY['" . $service->url('/', 'http') . "', '" . $service->url('/', 'refused') . "']");

sub register
{
	my ($name, $provider, %consumer) = @_;
	$registered->provider($name, api_urls => $urls, allow_http => \'true', %$provider);
	$registered->consumer($name, $name, 'demo-key', 'demo-secret', %consumer);
	return;
}
register('q', {});
register('keyed', { options => '{"idempotency_header": "X-Request-Key"}' });
register('slow', {});
register('two', {}, max_concurrency => \'2');

my $calls = 0;

# The path of a call, which its service spoils, and no other call has.
sub path { my ($modes) = @_; $calls++; return $modes ? "/flaky/$modes/api/echo/$calls" : "/api/echo/$calls"; }

sub enqueue_sql
{
	my ($consumer, $method, $url, $more) = @_;
	return "oauth1.enqueue('$consumer', '$method', " . quote($url) . ", token => ''" . ($more ? ", $more" : '') . ')';
}
sub enqueue { my (@arguments) = @_; return $dba->rows('SELECT ' . enqueue_sql(@arguments)); }

# state, status, sqlstate, attempts
sub shown { my ($id) = @_; return $dba->rows("SELECT state, status, sqlstate, attempts FROM oauth1.calls WHERE id = $id"); }
sub of_path { my ($path) = @_; return grep { $_->{target} eq $path } $service->ledger; }
sub arrivals { return scalar of_path(@_); }
sub request_keys { return map { map { lc $_->[0] eq 'x-request-key' ? $_->[1] : () } @{ $_->{headers} } } of_path(@_); }
sub drain { my ($arguments) = @_; return $dba->rows('CALL oauth1.drain(' . ($arguments // '') . ')'); }

# Nobody waits for a back-off here.
sub drain_all
{
	foreach (1 .. 10)
	{
		drain();
		last if $dba->rows('WITH due AS (UPDATE oauth1.queue SET due = now() RETURNING 1) SELECT count(*) FROM due') == 0;
	}
	return;
}

# ------------------------------------------------------------------ one attempt

my @ends = (
	# method, how the service spoils it, more, state|status|sqlstate|attempts, arrivals
	[ 'POST', '',             '', 'done|200||1', 1 ],
	[ 'GET',  'status=204',   '', 'done|204||1', 1 ],
	[ 'POST', 'status=404',   '', 'failed|404||1', 1 ],
	[ 'GET',  'status=400',   '', 'failed|400||1', 1 ],
	[ 'POST', 'status=302',   '', 'failed|302||1', 1 ],
	[ 'POST', 'status=503',   '', 'failed|503||1', 1 ],
	[ 'GET',  'status=503',   '', 'pending|503||1', 1 ],
	[ 'POST', 'status=503',   'idempotent => true', 'pending|503||1', 1 ],
	[ 'PUT',  'status=503',   'idempotent => false', 'failed|503||1', 1 ],
	[ 'POST', 'status=429',   '', 'pending|429||1', 1 ],
	[ 'POST', 'status=429',   'max_attempts => 1', 'failed|429||1', 1 ],
	[ 'POST', 'hangup',       '', 'uncertain||OA009|1', 1 ],
	[ 'GET',  'hangup',       '', 'pending||OA009|1', 1 ],
	[ 'GET',  'hangup',       'max_attempts => 1', 'failed||OA009|1', 1 ],
	[ 'POST', 'hangup',       'idempotent => true', 'pending||OA009|1', 1 ],
	[ 'POST', 'half_header',  '', 'failed|200|OA008|1', 1 ],
	[ 'POST', 'truncate',     '', 'failed|200|OA008|1', 1 ],
	[ 'GET',  'truncate',     '', 'pending|200|OA008|1', 1 ],
	[ 'POST', 'hang',         'timeout_ms => 150', 'uncertain||OA006|1', 1 ],
	[ 'DELETE', 'hang',       'timeout_ms => 150', 'pending||OA006|1', 1 ],
	[ 'POST', 'slow_body=5000', 'timeout_ms => 1000', 'failed|200|OA006|1', 1 ]);
my @table = map { my $path = path($_->[1]); [ enqueue('q', $_->[0], $path, $_->[2]), $path, @$_ ] } @ends;
my $unreachable = enqueue('q', 'POST', $service->url('/nobody', 'refused'));
drain(@table + 1);    # one attempt each: a back-off can be next to nothing
foreach my $row (@table)
{
	my ($id, $path, $method, $modes, $more, $end, $arrivals) = @$row;
	my $name = join ' ', $method, $modes || 'plain', $more || ();
	is(shown($id), $end, "$name: $end");
	is(arrivals($path), $arrivals, "$name: arrived $arrivals times");
}
is(shown($unreachable), 'pending||OA008|1', 'no connection: nothing was sent, a POST is tried again');
is($dba->rows("SELECT sent FROM oauth1.attempts WHERE call_id = $unreachable"), 'f', '... and the attempt says so');
is($dba->rows("SELECT body::jsonb ->> 'method' FROM oauth1.call_result($table[0][0])"), 'POST', 'the response can be read');
like($dba->rows("SELECT error FROM oauth1.calls WHERE id = $table[11][0]"), qr/no answer.*not known/, 'uncertain says what is known');

# Time goes by: attempts are used up, each is kept.
drain_all();
is(shown($unreachable), 'failed||OA008|5', 'attempts used up: failed');
is($dba->rows("SELECT string_agg(n::text || sent::text, ',' ORDER BY n) FROM oauth1.attempts WHERE call_id = $unreachable"),
	'1false,2false,3false,4false,5false', '... and every attempt is kept');
is($dba->rows("SELECT count(*) FROM oauth1.calls WHERE state IN ('pending', 'running')"), 0, 'nothing is left');
is(arrivals($table[14][1]), 5, 'what is idempotent and got no answer was sent five times');
is(arrivals($table[11][1]), 1, 'a POST without an answer was sent once');
is($dba->rows('SELECT count(*) FROM oauth1.queue'), 0, 'the queue is empty');

# ------------------------------------------------------------------ retried, and then good

my $path = path('times=2,status=503');
my $id = enqueue('q', 'GET', $path);
drain(1);
like($dba->rows("SELECT run_at - now() FROM oauth1.calls WHERE id = $id"), qr/^-?00:00:0[01]/, 'the first back-off is a second at most');
drain_all();
is(shown($id), 'done|200||3', 'retried until it was good');

# ------------------------------------------------------------------ one key for all attempts

$path = path('times=1,hangup');
$id = enqueue('keyed', 'POST', $path);
drain_all();
is(shown($id), 'done|200||2', 'with an idempotency_header a POST is sent again');
my @keys = request_keys($path);
is(scalar @keys, 2, '... twice');
is($keys[0], $keys[1], '... with the same key');
like($keys[0], qr/^[0-9a-f]{8}-[0-9a-f]{4}-4/, '... a UUID');
$path = path();
enqueue('keyed', 'POST', $path, q{headers => '{"X-Request-Key": "mine"}'});
drain();
is_deeply([ request_keys($path) ], ['mine'],
	'a key of the caller\'s own stays');

# ------------------------------------------------------------------ who may no more

$dba->rows($_) foreach 'CREATE ROLE alice LOGIN', 'CREATE ROLE bob LOGIN', q{SELECT oauth1.grant_consumer('q', 'alice')},
  q{SELECT oauth1.grant_consumer('q', 'bob')};
my %of;
foreach my $role (qw(alice bob))
{
	my $session = OAuth1::Session->new($node, user => $role);
	$of{$role} = $session->rows('SELECT ' . enqueue_sql('q', 'POST', path()));
	$session->quit;
}
register('gone', {});
$of{gone} = enqueue('gone', 'GET', path());
$of{moved} = enqueue('keyed', 'GET', my $moved = path());
$dba->rows(q{SELECT oauth1.revoke_consumer('q', 'alice')});
$dba->rows(q{SELECT oauth1.revoke_consumer('q', 'bob')});
$dba->rows('DROP ROLE bob');
$dba->rows('CREATE ROLE bob LOGIN');
$dba->rows(q{SELECT oauth1.grant_consumer('q', 'bob')});
$dba->rows(q{SELECT oauth1.drop_consumer('gone')});
$dba->rows("SELECT oauth1.alter_provider('keyed', api_urls => ARRAY['" . $service->url('/elsewhere/', 'http') . "'])");
my $mark = $service->mark;
drain(4);
is(shown($of{alice}), 'cancelled||OA007|1', 'the grant was revoked: cancelled');
is(shown($of{bob}), 'cancelled||OA007|1', 'the role was dropped, and another has its name: cancelled');
like($dba->rows("SELECT error FROM oauth1.calls WHERE id = $of{bob}"), qr/role "bob", which enqueued/, '... and it says why');
is(shown($of{gone}), 'cancelled||OA007|1', 'the consumer is gone: cancelled');
is($service->mark, $mark, 'nothing of it was sent');
is(shown($of{moved}), 'pending||OA005|1', 'a secret does not follow a provider that was moved, until it is set again');

# ------------------------------------------------------------------ one after the other

$path = path('times=1,status=503');
my @chain = (enqueue('q', 'GET', $path, q{order_key => 'k'}));
push @chain, enqueue('q', 'GET', "/api/echo/chain$_", q{order_key => 'k'}) foreach 1 .. 3;
my $loose = enqueue('q', 'GET', '/api/echo/loose');
$mark = $service->mark;
drain(2);
is($dba->rows('SELECT string_agg(state, \',\' ORDER BY id) FROM oauth1.calls WHERE id IN (' . join(',', @chain) . ')'),
	'pending,pending,pending,pending', 'while the first backs off the others wait');
is(shown($loose), 'done|200||1', '... but for those without the key');
drain_all();
my @order = map { $_->{target} =~ m{/(chain\d|\d+)$} ? $1 : () } $service->ledger($mark);
is_deeply([ @order[1 .. 4] ], [ $order[0], 'chain1', 'chain2', 'chain3' ], 'then they go in their order');

# ------------------------------------------------------------------ a cancel

$mark = $service->mark;
my $post = enqueue('q', 'POST', my $post_path = path('first_byte=20000'));
my $get = enqueue('q', 'GET', path('first_byte=20000'));
my @waiting = map { enqueue('two', 'POST', path('first_byte=20000')) } 1 .. 4;
my $pid = $dba->pid;
$dba->start('CALL oauth1.drain()');
ok(arrived(4, $mark), 'four calls are on their way');
is($other->rows("SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = $pid"), 't',
	'while it waits it has no snapshot and no transaction id');
is($other->rows("SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype NOT IN ('advisory', 'virtualxid')"), 0,
	'... and no lock on anything');
is($other->rows("SELECT string_agg(state || ' ' || attempts, ',' ORDER BY id) FROM oauth1.calls WHERE id IN ($post, $get)"),
	'running 1,running 1', 'they are running');
my $cancelled = time;
$other->rows("SELECT pg_cancel_backend($pid)");
like($dba->finish, qr/57014/, 'a cancel ends it');
cmp_ok(time - $cancelled, '<', 0.5, '... at once');
is(shown($post), 'uncertain||OA009|1', 'the POST that was sent is uncertain');
is(shown($get), 'pending||OA009|1', 'the GET that was sent comes again');
is($dba->rows('SELECT string_agg(state || attempts, \',\' ORDER BY state, attempts) FROM oauth1.calls WHERE id IN (' . join(',', @waiting) . ')'),
	'pending0,pending0,uncertain1,uncertain1', 'of those with two places, two were sent, two are as they were');
is($dba->rows('SELECT count(*) FROM oauth1.queue WHERE claim IS NOT NULL'), 0, 'nothing is claimed any more');
$dba->rows('DELETE FROM oauth1.queue');

sub arrived
{
	my ($count, $from) = @_;
	for (1 .. 500)
	{
		return 1 if $service->mark >= $from + $count;
		sleep 0.01;
	}
	return 0;
}

# ------------------------------------------------------------------ a session that ends

$mark = $service->mark;
my $dying = OAuth1::Session->new($node);
$post = enqueue('q', 'POST', path('first_byte=20000'));
$get = enqueue('q', 'GET', path('times=1,first_byte=20000'));
$pid = $dying->pid;
$dying->start('CALL oauth1.drain()');
ok(arrived(2, $mark), 'two calls are on their way');
$other->rows("SELECT pg_terminate_backend($pid, 5000)");
is(shown($post), 'running|||1', 'a session that ended leaves its call running');
drain();
like($dba->rows("SELECT c.state, a.sent, a.sqlstate IS NOT NULL FROM oauth1.calls c JOIN oauth1.attempts a ON a.call_id = c.id WHERE c.id = $post"),
	qr/^uncertain\|t\|t$/, 'the next to come finds the POST uncertain');
drain_all();
is(shown($get), 'done|200||2', '... and sends the GET again');

# ------------------------------------------------------------------ fair

$mark = $service->mark;
$dba->rows('SELECT count(' . enqueue_sql('slow', 'GET', '/flaky/first_byte=3000/api/echo/stall', 'max_attempts => 1') . ') FROM generate_series(1, 100)');
my @quick = map { enqueue('q', 'POST', path()) } 1 .. 20;
my $drainer = $dba->pid;
$dba->start('CALL oauth1.drain(concurrency => 8)');
my $began = time;
my $quick_done = 0;
until ($quick_done || time - $began > 2.5)
{
	$quick_done = $other->rows('SELECT bool_and(state = \'done\') FROM oauth1.calls WHERE id IN (' . join(',', @quick) . ')') eq 't';
	sleep 0.02;
}
ok($quick_done, 'one consumer\'s service hangs, another\'s calls are through');
my $spent = processor_time($drainer);
sleep 0.5;
cmp_ok(processor_time($drainer) - $spent, '<', 0.1, '... and who waits for it sleeps, though there is more to claim');
is($other->rows("SELECT count(*) FROM oauth1.calls WHERE consumer = 'slow' AND state = 'running'"), 8,
	'of the one that hangs concurrency calls are under way');
cmp_ok($other->rows('SELECT count(*) FROM oauth1.queue WHERE claim IS NOT NULL'), '<=', 16, 'no more than twice that many are claimed');
$other->rows('DELETE FROM oauth1.queue WHERE claim IS NULL');
$dba->finish;

# Of a process, in seconds (proc(5): the first field of schedstat).
sub processor_time { my ($process) = @_; return (split ' ', slurp_file("/proc/$process/schedstat"))[0] / 1e9; }

# ------------------------------------------------------------------ limits

$mark = $service->mark;
my @limited = map { enqueue('two', 'POST', path('first_byte=40')) } 1 .. 12;
$dba->start('CALL oauth1.drain()');
my $most_claimed = 0;
my $all_done = 0;
until ($all_done)
{
	arrived(4, $mark);
	my $claimed = $other->rows('SELECT count(*) FROM oauth1.queue WHERE claim IS NOT NULL');
	$most_claimed = $claimed if $claimed > $most_claimed;
	$all_done = $other->rows('SELECT bool_and(state <> \'running\' AND state <> \'pending\') FROM oauth1.calls WHERE id IN (' . join(',', @limited) . ')') eq 't';
}
$dba->finish;
is($dba->rows('SELECT count(*) FROM oauth1.calls WHERE state = \'done\' AND attempts = 1 AND id IN (' . join(',', @limited) . ')'), 12,
	'calls that wait for their limits are not attempts');
cmp_ok(most_at_once($service->spans($mark)), '<=', 2, 'max_concurrency holds');
cmp_ok($most_claimed, '<=', 4, 'what must wait is not claimed, but for one');

sub most_at_once
{
	my (@spans) = @_;
	my @events = sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } map { ([ $_->{start}, 1 ], [ $_->{end}, -1 ]) } @spans;
	my ($now, $most) = (0, 0);
	foreach my $event (@events)
	{
		$now += $event->[1];
		$most = $now if $now > $most;
	}
	return $most;
}

# ------------------------------------------------------------------ a credential that is refused

$registered->consumer('wrong', 'q', 'demo-key', 'not the secret');
$dba->rows('SELECT count(' . enqueue_sql('wrong', 'POST', '/api/echo/wrong') . ') FROM generate_series(1, 50)');
drain('NULL, 4');
my $failed = $dba->rows("SELECT count(*) FROM oauth1.calls WHERE consumer = 'wrong' AND state = 'failed' AND status = 401");
cmp_ok($failed, '>=', 5, 'a credential that is refused fails a few calls');
cmp_ok($failed, '<=', 12, '... and then the consumer is paused');
is($dba->rows("SELECT until > now() FROM oauth1.consumer_pause WHERE consumer = 'wrong'"), 't', '... for some time');
$dba->rows(q{SELECT oauth1.alter_consumer('wrong', consumer_secret => 'demo-secret')});
drain();
is($dba->rows("SELECT count(*) FROM oauth1.calls WHERE consumer = 'wrong' AND state = 'done'"), 50 - $failed,
	'with the right secret it goes on');

# ------------------------------------------------------------------ its story

my $log = $node->logfile;
my $log_begins = -s $log;
$dba->rows('SET log_min_messages = debug1');
$id = enqueue('q', 'POST', '/api/echo/planted-in-the-path', q{body => 'planted-in-the-body', headers => '{"X-Own": "planted-in-a-header"}'});
drain();
$dba->rows('RESET log_min_messages');
my @story = grep { !/STATEMENT|enqueue/ } split /\n/, substr(slurp_file($log), $log_begins);
ok((grep { /claimed 1 queued calls/ } @story), 'the log tells at debug1 what was claimed');
ok((grep { /call $id is done after attempt 1, .* status 200, .* sent/ } @story), '... and what became of it');
ok(!(grep { /planted|demo-secret|oauth_signature/ } @story), '... without a secret, a body or a URL');

# ------------------------------------------------------------------ one bad row

$registered->consumer('bare', 'q', 'demo-key', undef);
my $bad = enqueue('bare', 'POST', path());
my @good = map { enqueue('q', 'POST', path()) } 1 .. 3;
drain();
is(shown($bad), 'failed||OA001|1', 'a consumer without a secret: failed');
is($dba->rows('SELECT count(*) FROM oauth1.calls WHERE state = \'done\' AND id IN (' . join(',', @good) . ')'), 3, '... and the others are through');

# ------------------------------------------------------------------ no claim is possible

$id = enqueue('q', 'POST', path());
$dba->rows('ALTER TABLE oauth1.queue ADD CONSTRAINT planted CHECK (claim IS NULL) NOT VALID');
my $stuck_since = time;
my $stuck = $dba->error('CALL oauth1.drain()');
is($stuck->{sqlstate}, '23514', 'who cannot claim for some time says why');
cmp_ok(time - $stuck_since, '>', 1.4, '... after several tries');
$dba->rows('ALTER TABLE oauth1.queue DROP CONSTRAINT planted');
is(shown($id), 'pending|||0', '... and nothing happened to the call');
drain();
is(shown($id), 'done|200||1', '... which is sent when it can be claimed');

# ------------------------------------------------------------------ how it is called

$dba->rows('DELETE FROM oauth1.queue');
enqueue('q', 'POST', path()) foreach 1 .. 5;
drain(3);
is($dba->rows('SELECT count(*) FROM oauth1.queue'), 2, 'max_calls');
drain();
$dba->rows('SET default_transaction_isolation = serializable');
$dba->rows('SET synchronous_commit = off');
$id = enqueue('q', 'POST', path());
drain();
is(shown($id), 'done|200||1', 'whatever the session\'s isolation level');
is($dba->rows('SHOW transaction_isolation') . $dba->rows('SHOW synchronous_commit'), 'serializableoff', '... which stays, as does synchronous_commit');
$dba->rows('RESET default_transaction_isolation');
$dba->rows('BEGIN');
is($dba->error('CALL oauth1.drain()')->{sqlstate}, '2D000', 'not in a transaction block');
$dba->rows('ROLLBACK');
is($dba->error('DO $$ BEGIN PERFORM 1; BEGIN CALL oauth1.drain(); EXCEPTION WHEN division_by_zero THEN END; END $$')->{sqlstate}, '2D000',
	'not in a block that catches errors');
is($dba->error('CALL oauth1.drain(0)')->{sqlstate}, '22023', 'max_calls is at least one');
is($dba->error('CALL oauth1.drain(concurrency => 501)')->{sqlstate}, '22023', 'concurrency has a bound');
$dba->rows('SET default_transaction_read_only = on');
is($dba->error('CALL oauth1.drain()')->{sqlstate}, '25006', 'not in a read-only transaction');
$dba->rows('RESET default_transaction_read_only');
my $alice = OAuth1::Session->new($node, user => 'alice');
is($alice->error('CALL oauth1.drain()')->{sqlstate}, '42501', 'not by anybody');

done_testing();
