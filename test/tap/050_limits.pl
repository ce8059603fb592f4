# max_concurrency, rate_limit, limit_group and what services announce: held by all sessions
# together, as the service sees it.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use List::Util qw(max sum0);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Registered;
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('limits', service => $service,
	settings => [ 'oauth1.allow_http = on', 'max_connections = 60' ],
	init => [ allows_streaming => 1 ]);
my $admin = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($admin, $service);
my $provider = 0;

# A consumer with such limits; the calls go to the service over http.
sub consumer
{
	my ($name, %limits) = @_;
	$registered->provider('service', allow_http => \'true',
		api_urls => \("ARRAY['" . $service->url('/', 'http') . "']")) unless $provider++;
	$registered->consumer($name, 'service', 'demo-key', 'demo-secret', %limits);
	return;
}

# The statuses of so many calls, one after the other, as "COUNTxSTATUS".
sub calls_sql
{
	my ($consumer, $path, $count, $timeout) = @_;
	$timeout //= 30000;
	return "SELECT string_agg(count || 'x' || status, ' ') FROM (SELECT r.status, count(*)"
	  . " FROM generate_series(1, $count) AS i,"
	  . " oauth1.http_get('$consumer', '$path?i=' || i, token => '', timeout_ms => $timeout) AS r"
	  . " GROUP BY r.status) AS s";
}

sub waits_for_ms { my ($ms) = @_; return "/flaky/first_byte=$ms/api/items"; }

# The most requests that were in the service's hands at once.
sub most_at_once
{
	my @edges = map { [ $_->{start}, 1 ], [ $_->{end}, -1 ] } @_;
	my ($now, $most) = (0, 0);
	# At the same microsecond an end goes first.
	$most = max($most, $now += $_->[1]) foreach sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @edges;
	return $most;
}

# The most requests that began in any time of that length.
sub most_in
{
	my ($seconds, @spans) = @_;
	my ($first, $most) = (0, 0);
	foreach my $last (0 .. $#spans)
	{
		$first++ while $spans[$last]{start} - $spans[$first]{start} >= $seconds;
		$most = max($most, $last - $first + 1);
	}
	return $most;
}

# Starts the statement of each in a session of its own, and returns what they gave and how long it took.
sub all_at_once
{
	my (@statements) = @_;
	my @sessions = map { OAuth1::Session->new($node) } @statements;
	my $start = time;
	$sessions[$_]->start($statements[$_]) foreach 0 .. $#sessions;
	my @texts = map { $_->finish =~ s/\s+\z//r } @sessions;
	my $took = time - $start;
	$_->quit foreach @sessions;
	return ($took, @texts);
}

# Waits until what the statement gives is so.
sub wait_for
{
	my ($sql, $expected) = @_;
	my $end = time + 20;
	while ($admin->rows($sql) ne $expected)
	{
		die "never: $sql\n" if time > $end;
		sleep 0.01;
	}
	return;
}

# Places are advisory locks with the method of tables: seen, and out of reach of users.
my $places_held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'";

# ---- max_concurrency

consumer('narrow', max_concurrency => \3);
my $mark = $service->mark;
my ($took, @texts) = all_at_once((calls_sql('narrow', waits_for_ms(50), 3)) x 20);
my @spans = $service->spans($mark);
is("@texts", join(' ', ('3x200') x 20), '20 sessions make 3 calls each');
is(scalar @spans, 60, 'which arrive');
is(most_at_once(@spans), 3, 'of which 3 are under way at once, and no more');
# 60 calls of 50 ms, 3 at a time, take a second.
cmp_ok($took, '<', 4, sprintf 'in the time that this takes, %.1f s', $took);
is($admin->rows($places_held), '0', 'and no place is held afterwards');

# Who calls again and again does not take the place from who waits: two sessions take turns, from
# when both are there until one has made its calls.
consumer('fair', max_concurrency => \1);
$mark = $service->mark;
all_at_once((calls_sql('fair', waits_for_ms(10), 20)) x 2);
my (%calls_of, $last, $run, $longest);
foreach my $connection (map { $_->{connection} } $service->ledger($mark))
{
	$run = keys %calls_of == 2 && $connection == ($last // 0) ? $run + 1 : 1;
	$last = $connection;
	last if ++$calls_of{$connection} == 20;
	$longest = max($longest // 0, $run) if keys %calls_of == 2;
}
cmp_ok($longest, '<=', 2, 'sessions that want the same place take turns');

# One session with many calls counts each of them.
$mark = $service->mark;
is($admin->rows("SELECT count(*) FROM oauth1.http_batch('narrow', array_fill(oauth1.request('GET', '"
		  . waits_for_ms(30) . "'), ARRAY[12]), token => '') AS b WHERE status = 200"),
	'12', 'a batch of 12');
is(most_at_once($service->spans($mark)), 3, 'has 3 under way at once');

# ---- a group of consumers

consumer("group_$_", max_concurrency => \2, limit_group => 'both') foreach 'a', 'b';
$mark = $service->mark;
($took, @texts) = all_at_once(map { calls_sql("group_$_", waits_for_ms(50), 2) } ('a', 'b') x 4);
is("@texts", join(' ', ('2x200') x 8), 'calls of two consumers of a group');
is(most_at_once($service->spans($mark)), 2, 'share its places');

# ---- a rate

consumer('tens', rate_limit => '10/s');
$mark = $service->mark;
($took, @texts) = all_at_once((calls_sql('tens', '/api/items', 2)) x 20);
@spans = $service->spans($mark);
is("@texts", join(' ', ('2x200') x 20), '20 sessions make 2 calls each');
is(scalar @spans, 40, 'which arrive');
is(most_in(1, @spans), 10, 'of which 10 in any second, and no more');
cmp_ok($took, '<', 8, sprintf 'in the time that this takes, %.1f s', $took);
my $burst = grep { $_->{start} - $spans[0]{start} < 0.9 } @spans;
is($burst, 10, 'the first 10 in a burst');

# A rate above the number of slots that are kept: each serves 2 calls.
consumer('hundreds', rate_limit => '150/min');
$mark = $service->mark;
my $most = "SELECT count(*) FROM oauth1.http_batch('hundreds', array_fill(oauth1.request('GET', '/api/items'),"
  . " ARRAY[20]), token => '', timeout_ms => 4000) AS b WHERE status = 200";
($took, @texts) = all_at_once(($most) x 10);
is(scalar(@spans = $service->spans($mark)), 150, 'of 200 calls in a minute 150 are sent');
cmp_ok(sum0(@texts), '<=', 150, 'and no more have an answer');

# A call counts from when it was sent, however long its answer takes.
consumer('slow', rate_limit => '5/s');
$mark = $service->mark;
($took, @texts) = all_at_once((calls_sql('slow', waits_for_ms(2500), 1)) x 10);
@spans = $service->spans($mark);
is("@texts", join(' ', ('1x200') x 10), '10 slow calls');
is(most_in(1, @spans), 5, 'are 5 in any second');
cmp_ok($spans[5]{start} - $spans[0]{start}, '<', 2.5, 'though each is under way for longer');

# One that is dropped on its way counts as sent, and no longer.
consumer('dropped', rate_limit => '1/s');
is($admin->error("SET statement_timeout = 200; SELECT oauth1.http_get('dropped', '" . waits_for_ms(5000)
		  . "', token => '')")->{sqlstate}, '57014', 'a call that is cancelled under way');
$admin->rows('RESET statement_timeout');
is($admin->rows(calls_sql('dropped', '/api/items', 1, 5000)), '1x200', 'does not stand in the way of the next');

# What was not sent counts for nothing.
consumer('once', rate_limit => '1/h');
$admin->rows('SET oauth1.allow_private_addresses = off');
is($admin->error("SELECT oauth1.http_get('once', '/api/items', token => '')")->{sqlstate},
	'OA003', 'a call that does not leave this server') foreach 1 .. 2;
$admin->rows('RESET oauth1.allow_private_addresses');
is($admin->rows(calls_sql('once', '/api/items', 1)), '1x200', 'leaves the rate as it was');

# ---- giving up

# The error of a call that waits in vain.
sub in_vain
{
	my ($consumer, $path) = @_;
	my $start = time;
	my $error = $admin->error("SELECT oauth1.http_get('$consumer', '$path', token => '', timeout_ms => 300)");
	my $took = time - $start;
	cmp_ok($took, '<', 0.8, sprintf '%s: it ends at its deadline, %.2f s', $consumer, $took);
	return "$error->{sqlstate} $error->{detail}";
}

like(in_vain('once', '/api/items'), qr{^OA006 .*It waited for rate_limit, which is 1 in 3600 s\.},
	'and says that it waited for the rate');

consumer('single', max_concurrency => \1, limit_group => 'one at a time');
my $holder = OAuth1::Session->new($node);
my $holder_pid = $holder->pid;
$holder->start(calls_sql('single', waits_for_ms(20000), 1));
wait_for($places_held, '1');
like(in_vain('single', '/api/items'),
	qr{^OA006 .*It waited for one of the places of max_concurrency, which is 1 in the limit group "one at a time"\.},
	'and says that it waited for a place');

# ---- memory

# A call that waits is looked at again and again, its URL as well, and does not grow by it.
consumer('patient', max_concurrency => \1);
my $long = '/api/items?long=' . 'x' x 60000;
$admin->rows("BEGIN; DECLARE c CURSOR FOR SELECT n, status FROM oauth1.http_batch('patient', ARRAY[oauth1.request('GET', '"
	  . waits_for_ms(1500) . "'), oauth1.request('GET', '$long')], token => '')");
is($admin->rows('FETCH 1 FROM c'), '1|200', 'of two calls the one that has the place');
my $memory = $admin->rows("SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts WHERE name = 'oauth1 batch call'");
cmp_ok($memory, '<', 1000, 'while the memory of the other does not grow');
$admin->rows('ROLLBACK');

# ---- a cancel while it waits

my $waiter = OAuth1::Session->new($node);
my $waiter_pid = $waiter->pid;
$waiter->start("SELECT oauth1.http_get('single', '/api/items', token => '')");
sleep 0.3;
my $cancelled = time;
$admin->rows("SELECT pg_cancel_backend($waiter_pid)");
like($waiter->finish, qr/57014/, 'a cancel of a call that waits for a place');
cmp_ok(time - $cancelled, '<', 0.25, sprintf 'takes %.0f ms', 1000 * (time - $cancelled));
is($admin->rows($places_held), '1', 'while the holder goes on');
$admin->rows("SELECT pg_cancel_backend($holder_pid)");
$holder->finish;
is($waiter->rows(calls_sql('single', '/api/items', 1)), '1x200', 'and the place is free afterwards');

# ---- places of sessions that end

# How long a session waits for the place of one that is ended in the middle of its call.
sub freed_by
{
	my ($sql, $what) = @_;
	my $holder = OAuth1::Session->new($node);
	my $pid = $holder->pid;
	$holder->start(calls_sql('single', waits_for_ms(20000), 1));
	wait_for($places_held, '1');
	$waiter->start(calls_sql('single', '/api/items', 1));
	sleep 0.2;
	my $start = time;
	$admin->rows("SELECT $sql($pid)");
	is($waiter->finish, "1x200\n", "the place of a session that is $what");
	cmp_ok(time - $start, '<', 1, sprintf 'is free after %.0f ms', 1000 * (time - $start));
	$holder->finish;
	return;
}
freed_by('pg_cancel_backend', 'cancelled');
freed_by('pg_terminate_backend', 'terminated');
is($admin->rows($places_held), '0', 'nothing stays');

# An error that is caught gives the place back, and the transaction goes on.
$holder->rows('BEGIN');
$holder->rows("DO \$\$BEGIN PERFORM oauth1.http_get('single', '" . waits_for_ms(2000)
	  . "', token => '', timeout_ms => 200); EXCEPTION WHEN SQLSTATE 'OA006' THEN NULL; END\$\$");
is($admin->rows($places_held), '0', 'a call that fails in a transaction gives its place back');
is($waiter->rows(calls_sql('single', '/api/items', 1)), '1x200', 'to others');
$holder->rows('COMMIT');

# ---- what users can do about locks

consumer('double', max_concurrency => \2);
# A function, because a scan of pg_locks in a subquery is made once and kept.
$admin->rows("CREATE FUNCTION places_held() RETURNS bigint VOLATILE LANGUAGE plpgsql AS"
	  . " \$\$BEGIN RETURN ($places_held AND pid = pg_backend_pid()); END\$\$");
my $slow_and_fast = "SELECT n || pg_advisory_unlock_all()::text, places_held()"
  . " FROM oauth1.http_batch('double', ARRAY[oauth1.request('GET', '" . waits_for_ms(700)
  . "'), oauth1.request('GET', '" . waits_for_ms(20) . "')], token => '') AS b";
is($holder->rows($slow_and_fast), "2|1\n1|0", 'pg_advisory_unlock_all() frees no place');
$holder->rows('DISCARD ALL');
is($holder->rows(calls_sql('double', '/api/items', 1)), '1x200', 'after DISCARD ALL calls go on');

# ---- what the service announces

# How long the next call of another session waits, in seconds, after an answer with such fields.
sub pause_after
{
	my ($consumer, $modes, $path) = @_;
	my $answered = $admin->rows("SELECT status FROM oauth1.http_get('$consumer', '/flaky/$modes/api/items',"
		  . " token => '')");
	my $start = time;
	my $next = $waiter->rows(calls_sql($consumer, $path, 1));
	is($next, '1x200', "$answered and then a call of another session");
	return time - $start;
}

sub field { my ($name, $value) = @_; $value =~ s{([/,=%])}{sprintf '%%%02X', ord $1}ge; return "header=$name:$value"; }
sub in_seconds { my ($seconds) = @_; return int(time) + $seconds; }

sub http_date
{
	my @t = gmtime $_[0];
	return sprintf '%s, %02d %s %d %02d:%02d:%02d GMT', (qw(Sun Mon Tue Wed Thu Fri Sat))[ $t[6] ], $t[3],
	  (qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec))[ $t[4] ], $t[5] + 1900, @t[ 2, 1, 0 ];
}

consumer("polite_$_", max_concurrency => \4) foreach 1 .. 7;
consumer('free');
cmp_ok(pause_after('polite_1', 'as=429,' . field('Retry-After', 1), '/api/items'),
	'>', 0.9, 'Retry-After of a 429 is kept by all sessions');
cmp_ok(pause_after('polite_2', 'as=503,' . field('Retry-After', http_date(in_seconds(2))), '/api/orders'),
	'>', 0.9, 'and of a 503, as a date, for every path');
cmp_ok(pause_after('polite_3', 'as=429,' . field('Retry-After', 'soon'), '/api/items'), '<', 0.5, 'but no garbage');
cmp_ok(pause_after('polite_3', 'as=404,' . field('Retry-After', 1), '/api/items'), '<', 0.5, 'and not of a 404');
cmp_ok(pause_after('free', 'as=429,' . field('Retry-After', 1), '/api/items'),
	'<', 0.5, 'a consumer without limits is not held');

my $used_up = field('x-rate-limit-remaining', 0) . ',' . field('x-rate-limit-reset', in_seconds(3));
cmp_ok(pause_after('polite_4', $used_up, '/api/items'), '<', 0.5, 'a rate that is used up leaves other paths alone');
$used_up = field('x-rate-limit-remaining', 0) . ',' . field('x-rate-limit-reset', in_seconds(3));
cmp_ok(pause_after('polite_7', $used_up, "/flaky/$used_up/api/items"), '>', 0.9, 'and its own waits');
my $draft = field('RateLimit-Remaining', 0) . ',' . field('RateLimit-Reset', 1);
cmp_ok(pause_after('polite_5', $draft, "/flaky/$draft/api/items"), '>', 0.9, 'as with the draft\'s fields');

$admin->rows("SELECT oauth1.http_get('polite_6', '/flaky/" . field('X-Discogs-Ratelimit-Remaining', 0)
	  . "/api/items', token => '')");
like(in_vain('polite_6', '/flaky/' . field('X-Discogs-Ratelimit-Remaining', 0) . '/api/items'),
	qr{^OA006 .*It waited because the service asked for no calls until \d{4}-\d\d-\d\d },
	'or says at its deadline until when the service asked to wait');

# ---- a standby, by itself

$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
chmod 0600, $standby->data_dir . '/oauth1.key';    # as pg_basebackup would have kept it
$standby->start;
$holder->start(calls_sql('single', waits_for_ms(20000), 1));
wait_for($places_held, '1');
sleep 0.2;
$mark = $service->mark;
my @readers = map { OAuth1::Session->new($standby) } 1 .. 4;
$_->start(calls_sql('single', waits_for_ms(50), 2)) foreach @readers;
is(join(' ', map { $_->finish =~ s/\s+\z//r } @readers), join(' ', ('2x200') x 4), 'calls on a standby');
is(most_at_once($service->spans($mark)), 1, 'are held to its limits');
is($admin->rows($places_held), '1', 'which do not count those of the primary');
$admin->rows("SELECT pg_cancel_backend(pid) FROM pg_locks WHERE locktype = 'advisory'");
$holder->finish;
$_->quit foreach @readers;
$standby->stop;

# ---- without shared memory

# Places are locks, and hold all the same; what a rate allows is each session's.
$_->quit foreach $holder, $waiter, $admin;
$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = mmap');
$node->restart;
my $dynshmem = $node->data_dir . '/pg_dynshmem';
chmod 0500, $dynshmem or die "$dynshmem: $!";
$mark = $service->mark;
($took, @texts) = all_at_once((calls_sql('narrow', waits_for_ms(50), 2)) x 8);
is("@texts", join(' ', ('2x200') x 8), 'without shared memory calls go on');
is(most_at_once($service->spans($mark)), 3, 'places are places');
$mark = $service->mark;
my $alone = OAuth1::Session->new($node);
is($alone->rows(calls_sql('tens', '/api/items', 15)), '15x200', 'and one session');
is(most_in(1, $service->spans($mark)), 10, 'keeps its own rate');
chmod 0700, $dynshmem or die "$dynshmem: $!";
$alone->quit;

$node->stop;
done_testing();
