# What one sees of the queue: consumers that are paused, the views queue_status and stats, health().
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

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
my $node = OAuth1::Node->start('main', service => $service, settings => [ 'oauth1.worker = off', 'oauth1.allow_http = on' ]);
my $dba = OAuth1::Session->new($node);
my $queue = OAuth1::Queue->new($node, $dba, $service);
my $registered = OAuth1::Registered->new($dba, $service);
$dba->rows($_) foreach (map { "CREATE ROLE $_ LOGIN" } qw(alice bob monitor)), 'GRANT pg_monitor TO monitor';
my $alice = OAuth1::Session->new($node, user => 'alice');
my $bob = OAuth1::Session->new($node, user => 'bob');
my $monitor = OAuth1::Session->new($node, user => 'monitor');

my $urls = \("ARRAY['" . $service->url('/', 'http') . "']");
$registered->provider('here', api_urls => $urls, allow_http => \'true');
$registered->provider('ahead', api_urls => \("ARRAY['" . $service->url('/refuse/clock=600/api/', 'http') . "']"), allow_http => \'true');
$registered->provider('nowhere', api_urls => \q{ARRAY['https://localhost:1']});
$registered->consumer('shop', 'here', 'demo-key', 'demo-secret');
$registered->consumer('other', 'here', 'demo-key', 'demo-secret');
$registered->consumer($_, 'here', 'demo-key', 'a wrong secret') foreach qw(refused burst);
$registered->consumer('late', 'ahead', 'demo-key', 'demo-secret');
$registered->consumer('silent', 'nowhere', 'demo-key', 'demo-secret');
$dba->rows("SELECT oauth1.grant_consumer('$_', 'alice')") foreach qw(shop refused burst silent);
$dba->rows("SELECT oauth1.grant_consumer('shop', 'bob')");

sub enqueue
{
	my ($session, $consumer, %options) = @_;
	return $session->rows("SELECT oauth1.enqueue('$consumer', '" . ($options{method} // 'GET') . "', '"
		  . ($options{path} // '/api/echo') . q{', token => ''} . ($options{more} ? ", $options{more}" : '')
		  . ') FROM generate_series(1, ' . ($options{count} // 1) . ')');
}

sub drain { my ($more) = @_; return $dba->rows('CALL oauth1.drain(' . ($more // '') . ')'); }
sub states { my ($consumer) = @_; return $dba->rows("SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM oauth1.calls WHERE consumer = '$consumer' GROUP BY 1) s"); }
sub status { my ($columns, $consumer, $session) = @_; return ($session // $dba)->rows("SELECT $columns FROM oauth1.queue_status WHERE consumer = '$consumer'"); }
sub paused_for { my ($consumer) = @_; return status('round(extract(epoch FROM paused_until - clock_timestamp()))', $consumer); }

# The pause of a consumer is over.
sub let_pass { my ($consumer) = @_; $dba->rows("UPDATE oauth1.consumer_pause SET until = now() WHERE consumer = '$consumer'"); return; }

# ---------------------------------------------------------------- pauses

enqueue($alice, 'refused', count => 12);
enqueue($alice, 'shop', count => 2);
drain('concurrency => 1');
like(states('refused'), qr/^failed [56], pending [67]$/, 'after five refusals the rest waits');
is(states('shop'), 'done 2', "other consumers' calls do not");
my $pause = paused_for('refused');
ok($pause > 50 && $pause <= 60, "paused for a minute ($pause s)");
like(status('pause_reason', 'refused'), qr/refuses the credential.*401.*Set the secret or the token again/, 'the status says why, and what to do');
my @log = $queue->log_lines(qr/LOG:  queued calls of consumer "refused" are paused/);
is(scalar @log, 1, 'so does the log, once');
drain();
like(states('refused'), qr/^failed [56], pending [67]$/, 'meanwhile nothing is sent');

enqueue($alice, 'burst', count => 16, path => '/flaky/first_byte=100/api/echo');
drain('concurrency => 32');
$pause = paused_for('burst');
ok($pause > 50 && $pause <= 60, "many that were refused at once do not lengthen it ($pause s)");

foreach my $minutes (2, 4)
{
	let_pass('refused');
	drain('concurrency => 1');
	$pause = paused_for('refused');
	ok($pause > 60 * $minutes - 10 && $pause <= 60 * $minutes, "refused again: $minutes minutes ($pause s)");
}
$dba->rows(q{UPDATE oauth1.consumer_pause SET refusals = 40, until = now() WHERE consumer = 'refused'});
drain('concurrency => 1');
$pause = paused_for('refused');
ok($pause > 3590 && $pause <= 3600, "an hour at most ($pause s)");

# What ends it. Each of these takes the row away.
sub pause { my ($consumer) = @_; $dba->rows("INSERT INTO oauth1.consumer_pause VALUES ('$consumer', 5, now() + interval '1 hour', 'x') ON CONFLICT DO NOTHING"); return; }
foreach my $case (
	[ 'a token is set', q{SELECT oauth1.set_token('refused', 'token', 'secret')} ],
	[ 'the consumer is altered', q{SELECT oauth1.alter_consumer('refused', callback => 'oob')} ],
	[ 'its provider is altered', q{SELECT oauth1.alter_provider('here', realm => 'x')} ],
	[ 'a secret is set by COPY', "COPY oauth1.secrets_in (consumer, consumer_secret) FROM STDIN;\nrefused\tanother wrong one\n\\.\nSELECT 1" ])
{
	my ($name, $sql) = @$case;
	pause($_) foreach qw(refused late);
	$dba->rows($sql);
	is(status('paused_until', 'refused'), '', "$name: the pause has ended");
	like(status('paused_until', 'late'), qr/^2/, "$name: not that of others");
}
$dba->rows(q{DELETE FROM oauth1.consumer_pause});

pause('shop');
let_pass('shop');
enqueue($alice, 'shop');
drain();
is($dba->rows('SELECT count(*) FROM oauth1.consumer_pause'), '0', 'a success ends it for good');

# The calls go on when the secret is right, long before the pause would end; where no worker runs,
# one is started.
pause('refused');
my $last = enqueue($alice, 'refused');
$node->append_conf('postgresql.conf', 'oauth1.worker = on');
$node->reload;
$node->poll_query_until('postgres', q{SELECT current_setting('oauth1.worker') = 'on'});
is(status('worker_pid', 'refused'), '', 'no worker runs');
$dba->rows(q{SELECT oauth1.alter_consumer('refused', consumer_secret => 'demo-secret')});
my $took = $queue->time_until_state($last, 'done');
ok($took < 2, "the secret is set right, and all is sent at once ($took s)");
unlike(states('refused'), qr/pending/, 'nothing waits any more');
enqueue($alice, 'shop', more => q{run_at => now() + interval '1 hour'});
ok($queue->time_until(q{SELECT worker_pid IS NOT NULL FROM oauth1.queue_status WHERE consumer = 'shop'}) < 10, 'a worker waits');
is(status('worker_pid', 'shop'), ($queue->workers)[0], 'the status has its process');
like($dba->rows(q{SELECT ok || ' ' || detail FROM oauth1.health() WHERE item = 'worker'}), qr/^true Process \d+ serves this database since /, 'health() too');
$node->append_conf('postgresql.conf', 'oauth1.worker = off');
$node->reload;
$queue->time_until_alone;

# ---------------------------------------------------------------- queue_status

$dba->rows('DELETE FROM oauth1.queue; DELETE FROM oauth1.call');
enqueue($alice, 'shop', count => 3);
enqueue($bob, 'shop', more => q{run_at => now() + interval '1 hour'});
my $claimed = enqueue($alice, 'shop');
$dba->rows("UPDATE oauth1.queue SET claim = -1, claimed_at = '2026-01-01' WHERE id = $claimed");
my $copied = enqueue($alice, 'shop');
$dba->rows("UPDATE oauth1.queue SET database = 1 WHERE id = $copied");
is(status(q{pending, due, next_due <= now(), running, running_since = '2026-01-01', on_done_pending, worker_pid}, 'shop'), '4|3|t|1|t|0|', 'what is to be sent, and what is being sent; not what a copy has');
is(status('pending, due, running', 'shop', $bob), '4|3|1', "all roles' calls count, for they wait for each other");
is(status('pending, due, next_due, running', 'other'), '0|0||0', 'a consumer without calls');
is($alice->rows(q{SELECT string_agg(consumer, ' ' ORDER BY consumer) FROM oauth1.queue_status}), 'burst refused shop silent', 'the consumers that one may use');
is($dba->rows(q{SELECT string_agg(consumer, ' ' ORDER BY consumer) FROM oauth1.queue_status}), 'burst late other refused shop silent', "the owner's: all");
my $plan = $dba->rows('EXPLAIN (COSTS OFF) SELECT consumer, pending, due, running, paused_until, worker_pid FROM oauth1.queue_status');
unlike($plan, qr/ on call/, 'what is not asked for is not read');
like($plan, qr/ on queue/, 'what is, is');

$dba->rows('DELETE FROM oauth1.queue; DELETE FROM oauth1.call');

# ---------------------------------------------------------------- stats

$dba->rows(q{CREATE FUNCTION fails(bigint, oauth1.http_response) RETURNS void LANGUAGE sql AS 'SELECT 1 / 0'});
enqueue($alice, 'shop', count => 3, method => 'POST', more => q{body => '0123456789'});
enqueue($alice, 'shop', path => '/flaky/as=404/api/echo');
enqueue($alice, 'shop', path => '/flaky/times=1,as=503/api/echo', more => 'max_attempts => 2');
my $uncertain = enqueue($alice, 'shop', method => 'POST', path => '/flaky/hangup/api/echo', more => q{body => '01234'});
enqueue($alice, 'silent', method => 'POST', more => q{max_attempts => 1, body => '0123456789'}, count => 2);
enqueue($bob, 'shop', more => q{on_done => 'fails(bigint, oauth1.http_response)'});
drain();
$dba->rows(q{UPDATE oauth1.queue SET due = now()});
drain();
is($alice->rows(q{SELECT calls, pending, done, failed, uncertain, cancelled, retries, errors, bytes_sent FROM oauth1.stats WHERE consumer = 'shop'}), '6|0|4|1|1|0|1|{"OA009": 1}|35', "one's own calls: how they ended, retries, errors, bytes");
is($alice->rows(q{SELECT failed, retries, errors, bytes_sent, bytes_received, p50_ms FROM oauth1.stats WHERE consumer = 'silent'}), '2|0|{"OA008": 2}|0|0|', 'where nothing is answered there is no latency');
is($alice->rows(q{SELECT bytes_received = (SELECT sum(octet_length((r).body)) FROM (SELECT oauth1.call_result(id) AS r FROM oauth1.calls WHERE consumer = 'shop') x),
	0 < p50_ms AND p50_ms <= p95_ms AND p95_ms <= p99_ms, since <= now() FROM oauth1.stats WHERE consumer = 'shop'}), 't|t|t', 'bytes received, percentiles, since when');
is($bob->rows('SELECT consumer, calls FROM oauth1.stats'), 'shop|1', "not others'");
is($dba->rows(q{SELECT string_agg(consumer || ' ' || calls, ', ' ORDER BY consumer) FROM oauth1.stats}), 'shop 7, silent 2', "the owner's: all");

is(status('uncertain, on_done_pending', 'shop', $alice), '1|1', 'queue_status: what is uncertain of what one sees, on_done of all');
like(status('last_error', 'shop', $alice), qr/no answer|closed|404|empty/i, 'and the last error');
is(status('uncertain, last_error', 'shop', $bob), '0|on_done failed: division by zero', "of one's own calls");

# ---------------------------------------------------------------- health

sub health
{
	my ($item) = @_;
	return $monitor->rows("SELECT ok || ' ' || detail FROM oauth1.health() WHERE item = '$item'");
}

is($bob->error('SELECT * FROM oauth1.health()')->{sqlstate}, '42501', 'health() is not for everybody');
is($monitor->rows(q{SELECT string_agg(item, ', ') FROM oauth1.health()}),
	'worker, worker start, restart, shared memory, pending calls, running calls, copied calls, paused consumers, uncertain calls, on_done, keys, clocks, tables', 'what is asked');

like(health('uncertain calls'), qr/^false 1 in the last 24 hours/, 'an uncertain call');
like(health('on_done'), qr/^false 1 failed and are run again, 0 were given up/, 'an on_done that fails');
$dba->rows('UPDATE oauth1.follow_up SET attempts = 4, due = now()');
drain();
like(health('on_done'), qr/^false 0 failed and are run again, 1 were given up/, 'and is given up');
$dba->rows('DELETE FROM oauth1.queue; DELETE FROM oauth1.call');
is($monitor->rows(q{SELECT string_agg(item, ', ') FROM oauth1.health() WHERE ok IS DISTINCT FROM true}), '', 'all is well');
like(health('worker'), qr/^true The setting oauth1\.worker is off/, 'no worker is needed');

my $waits = enqueue($alice, 'shop');
like(health('worker'), qr/^false The setting oauth1\.worker is off/, 'where a call is due, one is missed');
like(health('pending calls'), qr/^true A call of consumer "shop" has been due for 0 s/, 'it has not waited long');
$dba->rows("UPDATE oauth1.queue SET due = now() - interval '2 minutes' WHERE id = $waits");
like(health('pending calls'), qr/^false A call of consumer "shop" has been due for 12\d s/, 'it has');
pause('shop');
like(health('pending calls'), qr/^true No call is pending/, 'not that of a paused consumer');
like(health('paused consumers'), qr/^false Their credentials are refused: shop until 2/, 'which is told');
$dba->rows('DELETE FROM oauth1.consumer_pause');
$dba->rows("UPDATE oauth1.queue SET claim = -1, claimed_at = now() WHERE id = $waits");
like(health('running calls'), qr/^false 1 of 1 were being sent by processes that are gone/, 'the dead');
$dba->rows("UPDATE oauth1.queue SET claim = NULL, claimed_at = NULL, database = $_ WHERE id = $waits"), like(health('copied calls'), qr/^false 1 were enqueued on another server/, "a copy's call, database $_") foreach 1, 4294967295;
$dba->rows("UPDATE oauth1.queue SET claim = 3, claimed_at = now() WHERE id = $waits");
like(health('copied calls'), qr/^false 1 were enqueued/, 'one that was being sent when it was copied');
$dba->rows('DELETE FROM oauth1.queue; DELETE FROM oauth1.call');

my $hangs = $bob->rows(q{SELECT oauth1.enqueue('shop', 'GET', '/flaky/first_byte=1500/api/echo', token => '')});
my $drains = OAuth1::Session->new($node);
$drains->start('CALL oauth1.drain()');
$queue->time_until_state($hangs, 'running');
like(health('running calls'), qr/^true 1, the longest for [01] s/, 'the living');
$drains->finish;

my $key = $node->data_dir . '/oauth1.key';
rename $key, "$key.away" or die $!;
like(health('keys'), qr/^false Data key ".*" does not open\. /, 'no key');
rename "$key.away", $key or die $!;
like(health('keys'), qr/^true All data keys open \(1\)/, 'a key');

enqueue($dba, 'late', path => '/echo');
drain();
like(health('clocks'), qr/^false What services' clocks are ahead of this server's: "ahead" (?:599|60[01]) s/, 'a clock that a service contradicts');

$dba->rows(q{CREATE FUNCTION spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER spy BEFORE UPDATE ON oauth1.call FOR EACH ROW EXECUTE FUNCTION spy()});
like(health('tables'), qr/^false 55000: table "oauth1.call" has a trigger "spy" that is not the extension's/, 'a foreign trigger');
$dba->rows('DROP TRIGGER spy ON oauth1.call');

# The server has no place for a worker.
like(health('worker start'), qr/^true No failure/, 'no start has failed');
like(health('restart'), qr/^true .*shared_preload_libraries has no oauth1/, 'without preload');
$node->append_conf('postgresql.conf', "oauth1.worker = on\nmax_worker_processes = 0\nmax_parallel_workers = 0\nmax_logical_replication_workers = 0");
$node->restart;
($dba, $monitor) = (OAuth1::Session->new($node), OAuth1::Session->new($node, user => 'monitor'));
$alice = OAuth1::Session->new($node, user => 'alice');
$waits = enqueue($alice, 'shop');
like(health('worker start'), qr/^false The last failure was at .*max_worker_processes/, 'a start failed, and why');
like(health('worker'), qr/^false None runs, and calls are due\. The next call that is enqueued starts one/, 'a worker is missed');

done_testing();
