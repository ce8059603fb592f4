# http_batch: many calls at once, a row each as it ends; counted and timed at the service.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use IO::Socket::INET;
use JSON::PP ();
use List::Util qw(max uniq);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $json = JSON::PP->new->canonical;
my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('main', service => $service, settings => ['oauth1.allow_http = on']);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE ROLE alice LOGIN');
my $registered = OAuth1::Registered->new($dba, $service);
sub urls { return \("ARRAY['" . join("','", @_) . "']"); }
$registered->both('any', api_urls => urls(map { $service->url('/', $_) } qw(https http https_expired refused)), allow_http => \'true');
$dba->rows(q{SELECT oauth1.set_token('any', 'unknown', 'to the service')});

sub session
{
	my ($user) = @_;
	my $session = OAuth1::Session->new($node, $user ? (user => $user) : ());
	$session->rows(q{SET oauth1.token = ''});
	return $session;
}
my $alice = session('alice');
$dba->rows(q{SELECT oauth1.grant_consumer('any', 'alice')});

# A path that the service spoils; plain where nothing is said about TLS, which takes its time.
sub flaky { my ($modes, $name) = @_; return $service->url("/flaky/$modes/api/echo" . ($name ? "/$name" : ''), 'http'); }
sub request { my ($url, $method) = @_; return 'oauth1.request(' . quote($method // 'GET') . ', ' . quote($url) . ')'; }
sub array { return 'ARRAY[' . join(', ', map { request($_) } @_) . ']'; }

# An array of so many requests to one path, as a constant: that keeps the function inlined.
sub many
{
	my ($count, $url) = @_;
	return quote($dba->rows("SELECT array_fill(" . request($url) . ", ARRAY[$count])")) . '::oauth1.http_request[]';
}

sub timed
{
	my ($session, $sql) = @_;
	my $mark = $service->mark;
	my $started = time;
	my $text = $session->query($sql);
	return ($text =~ s/\n\z//r, time - $started, $mark);
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

sub wait_for_requests
{
	my ($mark, $count) = @_;
	my $tries = 300;
	sleep 0.01 while $service->mark < $mark + $count && $tries--;
	return;
}

# ---------------------------------------------------------------- rows

# As they end, n from 1.
my ($text, $seconds) = timed($alice, q{SELECT n, status FROM oauth1.http_batch('any', } . array(map { flaky("first_byte=$_") } 900, 500, 0) . ')');
is($text, "3|200\n2|200\n1|200", 'rows come as the calls end');
($text, $seconds) = timed($alice, q{BEGIN; DECLARE c CURSOR FOR SELECT n FROM oauth1.http_batch('any', } . array(map { flaky("first_byte=$_") } 3000, 0) . '); FETCH 1 FROM c; ROLLBACK');
is($text, 2, 'the first row');
cmp_ok($seconds, '<', 1, 'the first row: at once');
is($alice->rows(q{SELECT string_agg(n || ' ' || (body::jsonb ->> 'target'), ',' ORDER BY n) FROM oauth1.http_batch('any', } . array(map { $service->url("/api/echo/$_", 'http') } 'a' .. 'e') . ', concurrency => 2)'),
	'1 /api/echo/a,2 /api/echo/b,3 /api/echo/c,4 /api/echo/d,5 /api/echo/e', 'n is the place in the array');

# All columns are what http_call gives for the same request.
my @same = map { [ $_ ] } map { $service->url("/flaky/$_/api/echo") } 'body=plain', 'hex=00ff0d,type=application%2Foctet-stream', 'status=404', 'cookies=3,body=x',
  'body=y,gzip', 'body=', 'status=204', 'type=,body=untyped', 'header=X-A:b,header=X-A:c,body=';
push @same, [ $service->url('/flaky/body=head/api/echo'), 'HEAD' ], [ $service->url('/flaky/body=post/api/echo'), 'POST' ];
{
	my $requests = join ', ', map { request(@$_) } @same;
	my $columns = q{jsonb_build_object('status', status, 'content_type', content_type, 'headers', headers - 'date', 'body', body, 'body_bytes', body_bytes)};
	my $batch = $json->decode($alice->rows("SELECT json_agg($columns ORDER BY n) FROM oauth1.http_batch('any', ARRAY[$requests])"));
	my $calls = $json->decode($alice->rows("SELECT json_agg($columns ORDER BY n) FROM unnest(ARRAY[$requests]) WITH ORDINALITY AS q(http_method, url, headers_, type, body_, n), LATERAL oauth1.http_call('any', ROW(http_method, url, headers_, type, body_)::oauth1.http_request)"));
	is_deeply($batch->[$_], $calls->[$_], 'as http_call: ' . $same[$_][0] =~ s{.*/flaky/(.*)/api/echo}{$1}r) foreach 0 .. $#same;
	is($alice->rows("SELECT bool_and(elapsed_ms > 0 AND elapsed_ms < 60000) AND bool_and(sqlstate IS NULL AND error IS NULL) FROM oauth1.http_batch('any', ARRAY[$requests])"), 't', 'elapsed_ms, and no error');
}
is($alice->rows(q{SELECT count(*) FROM oauth1.http_batch('any', '{}')}), 0, 'no requests: no rows');
is($alice->rows(q{SELECT string_agg(n::text, ' ' ORDER BY n) FROM oauth1.http_batch('any', ARRAY[} . array(('https://elsewhere.example/') x 2) . ', ' . array(('https://elsewhere.example/') x 2) . '])'), '1 2 3 4', 'an array of arrays is one');

# Tokens.
{
	my $mark = $service->mark;
	$alice->rows(q{SELECT n FROM oauth1.http_batch('any', } . array($service->url('/api/echo')) . ", token => $_)") foreach 'NULL', q{''};
	$dba->rows(q{SELECT n FROM oauth1.http_batch('any', } . array($service->url('/api/echo')) . ')');
	is(join(' ', map { $_->{oauth}{oauth_token} // '-' } $service->ledger($mark)), '- - unknown', 'NULL and an empty token are none; the default is default');
}

# ---------------------------------------------------------------- one failing request fails its row only

my @failing = (
	[ ok => request($service->url('/api/echo')), undef, qr// ],
	[ 'no request' => 'NULL::oauth1.http_request', '22004', qr/^request must not be null$/ ],
	[ 'no method' => q{ROW(NULL, '/x', NULL, NULL, NULL)::oauth1.http_request}, '22004', qr/http_method/ ],
	[ 'a bad method' => q{ROW('GE T', '/x', NULL, NULL, NULL)::oauth1.http_request}, '22023', qr/method/ ],
	[ 'no URL' => q{ROW('GET', NULL, NULL, NULL, NULL)::oauth1.http_request}, '22004', qr/url/ ],
	[ 'a bad URL' => q{ROW('GET', '/a/../b', NULL, NULL, NULL)::oauth1.http_request}, '22023', qr/URL.*\(The path of a call .* Nothing was sent\.\)$/ ],
	[ 'a bad header' => q{ROW('GET', '/x', '{"Authorization": "x"}', NULL, NULL)::oauth1.http_request}, '22023', qr/header/i ],
	[ 'a URL outside' => request('https://elsewhere.example/'), 'OA003', qr/^URL is not allowed for consumer "any" \(/ ],
	[ 'too large' => request($service->url('/flaky/fill=70000/api/echo')), 'OA004', qr/too large/ ],
	[ 'no answer in time' => request($service->url('/flaky/hang/api/echo')), 'OA006', qr/within 1500 ms/ ],
	[ refused => request('https://localhost:' . $service->port('refused') . '/'), 'OA008', qr/could not connect to "localhost" \(.*nothing was sent\.\)$/ ],
	[ 'an expired certificate' => request('https://localhost:' . $service->port('https_expired') . '/'), 'OA008', qr/nothing was sent\.\)$/ ],
	[ truncated => request($service->url('/flaky/truncate/api/echo')), 'OA008', qr/status 200/ ],
	[ 'too many redirects' => request($service->url('/flaky/redirect=302:/api/echo')), 'OA008', qr/too many redirects.*status 302/ ],
	[ 'hung up' => request($service->url('/flaky/hangup/api/echo'), 'POST'), 'OA009', qr/no answer.*not known\.\)$/ ],
	[ ok => request($service->url('/api/echo'), 'PUT'), undef, qr// ]);
foreach my $concurrency (1, 16)
{
	my $session = session();
	$session->rows(q{SET oauth1.max_response_size = '64kB'});
	my $rows = $json->decode($session->rows(q{SELECT json_agg(b ORDER BY n) FROM oauth1.http_batch('any', ARRAY[} . join(', ', map { $_->[1] } @failing) . "], concurrency => $concurrency, timeout_ms => 1500) b"));
	is(scalar @$rows, scalar @failing, "failing, $concurrency at a time: a row each");
	foreach my $i (0 .. $#failing)
	{
		my ($what, undef, $sqlstate, $like) = @{ $failing[$i] };
		my $row = $rows->[$i];
		is($row->{sqlstate}, $sqlstate, "$what: " . ($sqlstate // 'no error'));
		like($row->{error} // '', $like, "$what: says so");
		is(join(' ', map { defined $row->{$_} ? $_ : () } qw(status content_type headers body body_bytes elapsed_ms)), $sqlstate ? '' : 'status content_type headers body elapsed_ms', "$what: the other columns");
	}
}

# What concerns the batch is the statement's.
foreach my $case (
	[ q{NULL, '{}'}, '22004', qr/consumer/ ], [ q{'any', NULL}, '22004', qr/requests/ ],
	[ q{'any', '{}', concurrency => NULL}, '22004', qr/concurrency/ ],
	[ q{'any', '{}', concurrency => 0}, '22023', qr/from 1 to 1000/ ], [ q{'any', '{}', concurrency => 1001}, '22023', qr/from 1 to 1000/ ],
	[ q{'any', '{}', timeout_ms => 0}, '22023', qr/timeout_ms/ ],
	[ q{'none', '{}'}, 'OA007', qr/"none"/ ], [ q{'any', '{}', token => 'none'}, 'OA007', qr/"none"/ ],
	[ q{'any', '{}', token => 'default'}, 'OA007', qr/./, session('alice') ])
{
	my ($arguments, $sqlstate, $like, $session) = @$case;
	$dba->rows(q{SELECT oauth1.revoke_consumer('any', 'alice')}) if $session;
	is_error(($session // $dba)->error("SELECT n FROM oauth1.http_batch($arguments)"), $sqlstate, $like, "http_batch($arguments)");
	$dba->rows(q{SELECT oauth1.grant_consumer('any', 'alice')}) if $session;
}

# ---------------------------------------------------------------- concurrency

# How many of these requests, each answered after so many seconds, were with the service at once.
# A call that follows another begins after that one's answer, so this can only be too small.
sub at_once
{
	my ($delay, @requests) = @_;
	my @events = sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } map { ([ $_->{time}, 1 ], [ $_->{time} + $delay, -1 ]) } @requests;
	my ($now, $most) = (0, 0);
	foreach my $event (@events)
	{
		$now += $event->[1];
		$most = max($most, $now);
	}
	return $most;
}
foreach my $case ([ 1, 4 ], [ 3, 12 ], [ 16, 48 ], [ 50, 100 ])
{
	my ($concurrency, $count) = @$case;
	my $argument = $concurrency == 16 ? '' : ", concurrency => $concurrency";
	my $mark;
	($text, $seconds, $mark) = timed($alice, q{SELECT count(*) FILTER (WHERE status = 200) FROM oauth1.http_batch('any', } . many($count, flaky('first_byte=250')) . "$argument)");
	is($text, $count, "concurrency $concurrency: all answered");
	my @requests = $service->ledger($mark);
	is(scalar @requests, $count, "concurrency $concurrency: each once");
	is(at_once(0.25, @requests), $concurrency, "concurrency $concurrency: reached, and never more");
	is(scalar(uniq map { $_->{oauth}{oauth_nonce} } @requests), $count, "concurrency $concurrency: a nonce each");
	cmp_ok(scalar(uniq map { $_->{connection} } @requests), '<=', $concurrency, "concurrency $concurrency: connections are used again");
}

# A row's time begins with its call, not with the batch.
($text, $seconds) = timed($alice, q{SELECT string_agg(DISTINCT sqlstate, ' '), count(*) FROM oauth1.http_batch('any', } . many(6, flaky('hang')) . ', concurrency => 2, timeout_ms => 300)');
is($text, 'OA006|6', 'timeout_ms: each row');
cmp_ok($seconds, '>=', 0.9, 'timeout_ms: three times that of one');
cmp_ok($seconds, '<', 1.4, 'timeout_ms: and not longer');

# The consumer's own limit holds too, for a row that is not fetched as well.
$registered->provider('few', api_urls => urls($service->url('/', 'http')), allow_http => \'true');
$registered->consumer('few', 'few', 'demo-key', 'demo-secret', max_concurrency => \'2');
$dba->rows(q{SET oauth1.token = ''});
{
	my $mark;
	($text, undef, $mark) = timed($dba, q{SELECT count(*) FILTER (WHERE status = 200) FROM oauth1.http_batch('few', } . many(8, flaky('first_byte=150')) . ', concurrency => 8)');
	is($text, 8, 'max_concurrency: all answered');
	is(at_once(0.15, $service->ledger($mark)), 2, 'max_concurrency: reached, and never more');
	($text) = timed($dba, q{SELECT count(*) FROM oauth1.http_batch('few', } . many(6, flaky('first_byte=50')) . q{, concurrency => 3) b, LATERAL oauth1.http_get('few', '/api/echo/' || b.n, timeout_ms => 5000) g WHERE g.status = 200});
	is($text, 6, 'max_concurrency: calls between the rows get their place');

	# The row of the bad URL comes while the others have both places.
	my $busy = sub { return "oauth1.http_batch('few', " . array(flaky("$_[0],header=X-Busy:1"), flaky($_[0]), 'https://elsewhere.example/') . ', concurrency => 3)'; };
	($text, my $seconds) = timed($dba, "SELECT count(g.status) FROM " . $busy->('first_byte=100') . q{ b, LATERAL oauth1.http_get('few', '/api/echo/' || b.n, timeout_ms => 3000) g});
	is($text, 3, 'max_concurrency: a call that got done has no place, read or not');
	cmp_ok($seconds, '<', 2, 'max_concurrency: nor does one wait for it');
	($text, $seconds) = timed($dba, 'BEGIN; SAVEPOINT a; DECLARE c CURSOR FOR SELECT n FROM ' . $busy->('hang') . q{; FETCH 1 FROM c; ROLLBACK TO a; SELECT status FROM oauth1.http_get('few', '/api/echo', timeout_ms => 3000); COMMIT});
	is($text, "3\n200", 'max_concurrency: nor does one that was dropped');
	cmp_ok($seconds, '<', 2, 'max_concurrency: nor does one wait for that');
}

# ---------------------------------------------------------------- no further than it is read

my $slow = many(300, flaky('first_byte=150'));
foreach my $case (
	[ 'LIMIT 1 in FROM', "SELECT n FROM oauth1.http_batch('any', $slow, concurrency => 5) LIMIT 1" ],
	[ 'LIMIT 1 after LATERAL', "SELECT b.n FROM (VALUES ('any'), ('any')) v(c), LATERAL oauth1.http_batch(v.c, $slow, concurrency => 5) b LIMIT 1" ],
	[ 'EXISTS', "SELECT 1 WHERE EXISTS (SELECT FROM oauth1.http_batch('any', $slow, concurrency => 5) WHERE status = 200)" ],
	[ 'FETCH 1 and CLOSE', "BEGIN; DECLARE c CURSOR FOR SELECT n FROM oauth1.http_batch('any', $slow, concurrency => 5); FETCH 1 FROM c; CLOSE c; COMMIT" ],
	[ 'an error at a row', "SELECT 1 / (status - 200) FROM oauth1.http_batch('any', $slow, concurrency => 5)" ])
{
	my ($what, $sql) = @$case;
	my $mark;
	($text, $seconds, $mark) = timed($alice, $sql);
	cmp_ok($seconds, '<', 0.7, "$what: ends with its row");
	like($text, qr/^(?:[1-5]$|ERROR:  22012)/, "$what: a row");
	sleep 0.3;
	cmp_ok($service->mark - $mark, '<=', 5, "$what: no more requests than concurrency");
}
{
	my $mark = $service->mark;
	$alice->rows("BEGIN; DECLARE c CURSOR FOR SELECT n FROM oauth1.http_batch('any', $slow, concurrency => 5)");
	is($service->mark, $mark, 'a cursor: nothing before the first FETCH');
	is(scalar(split /\n/, $alice->rows('FETCH 7 FROM c')), 7, 'a cursor: seven rows');
	sleep 0.3;
	cmp_ok($service->mark - $mark, '<=', 11, 'a cursor: seven calls, and what was under way');
	$alice->rows('ROLLBACK');
}

# By which the documentation says one can see it.
my $plan = sub { return $alice->rows("EXPLAIN SELECT n FROM oauth1.http_batch($_[0]) AS b" . ($_[1] // '')); };
like($plan->("'any', $slow"), qr/ProjectSet/, 'EXPLAIN: constants are inlined');
unlike($plan->("'any', $slow"), qr/Function Scan/, 'EXPLAIN: no function scan');
like($plan->(q{'any', } . array(flaky('body='))), qr/ProjectSet/, 'EXPLAIN: so is an array of oauth1.request');
my $two = array(map { $service->url("/api/echo/$_", 'http') } 1, 2);
foreach my $case (
	[ 'a sub-select', "'any', (SELECT $two)", '' ],
	[ 'a volatile argument', "'any', $two, concurrency => 1 + random()::int", '' ],
	[ 'WITH ORDINALITY', "'any', $two", ' WITH ORDINALITY' ],
	[ 'ROWS FROM', "'any', $two", '', q{ROWS FROM (oauth1.http_batch(%s), generate_series(1, 2))} ])
{
	my ($what, $arguments, $after, $from) = @$case;
	$from = sprintf $from // 'oauth1.http_batch(%s)', $arguments;
	like($alice->rows("EXPLAIN SELECT n FROM $from$after AS b"), qr/Function Scan/, "$what: not inlined");
	is($alice->rows("SELECT string_agg(n || ' ' || (body::jsonb ->> 'target'), ',' ORDER BY n) FROM $from$after AS b"), '1 /api/echo/1,2 /api/echo/2', "$what: the same rows");
}
is($alice->rows("SELECT count(*) FROM (SELECT (oauth1.http_batch('any', $two)).n) s"), 2, 'in the SELECT list');
is($alice->rows("PREPARE p(oauth1.http_request[]) AS SELECT n FROM oauth1.http_batch('any', \$1) ORDER BY n; EXECUTE p($two); SET plan_cache_mode = force_generic_plan; EXECUTE p($two)"), "1\n2\n1\n2", 'prepared');
$alice->rows('DEALLOCATE p; RESET plan_cache_mode');
is($alice->rows("SET force_parallel_mode = on; SELECT sum(status) FROM oauth1.http_batch('any', $two); RESET force_parallel_mode"), 400, 'in a query that may run in parallel');
is($alice->rows("BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT sum(status) FROM oauth1.http_batch('any', $two); COMMIT"), 400, 'in a read-only transaction');

# What the query does between two rows takes no time from the calls: what has come meanwhile is there.
foreach my $port (qw(http https))
{
	my $requests = array(map { $service->url("/flaky/first_byte=$_/api/echo", $port) } 0, 150, 200, 250);
	my ($first, $others) = split /\n\n/, $alice->rows("BEGIN; DECLARE c CURSOR FOR SELECT n, status FROM oauth1.http_batch('any', $requests, timeout_ms => 700); FETCH 1 FROM c; SET LOCAL search_path = pg_catalog; SELECT substr(pg_sleep(1)::text, 1, 0); FETCH ALL FROM c; COMMIT");
	# All have come by then, in whatever order they are read.
	is(join("\n", $first, sort split /\n/, $others), "1|200\n2|200\n3|200\n4|200", "$port: a late FETCH");
}
is($alice->rows("SELECT string_agg(b.n || ' ' || b.status, ',' ORDER BY n) FROM oauth1.http_batch('any', " . array(map { flaky("first_byte=$_") } 0, 150, 200) . ", timeout_ms => 700) b, LATERAL (SELECT pg_sleep(0.8) OFFSET 0) s, LATERAL oauth1.http_get('any', '/api/echo') g WHERE g.status = 200"),
	'1 200,2 200,3 200', 'slow rows, with other calls between them');
{
	$alice->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT n, coalesce(sqlstate, status::text) FROM oauth1.http_batch('any', } . array(flaky('body='), flaky('hang'), flaky('hang')) . ', timeout_ms => 700); FETCH 1 FROM c; SELECT pg_sleep(1)');
	my $started = time;
	is($alice->rows('FETCH ALL FROM c'), "2|OA006\n3|OA006", 'a late FETCH, and no answer');
	my $seconds = time - $started;
	ok($seconds > 0.3 && $seconds < 1.1, 'a late FETCH, and no answer: after the time that was left') or diag $seconds;
	$alice->rows('COMMIT');
}

# ---------------------------------------------------------------- among other calls

my $eight = many(8, flaky('first_byte=100'));
is($alice->rows("SELECT count(*), sum(g.status), count(DISTINCT g.body::jsonb ->> 'target') FROM oauth1.http_batch('any', $eight, concurrency => 3) b, LATERAL oauth1.http_get('any', '/api/echo/' || b.n) g WHERE b.status = 200"),
	'8|1600|8', 'a call for each row of a batch');
is($alice->rows("SELECT count(*), count(DISTINCT (a.n, b.n)) FROM oauth1.http_batch('any', $eight, concurrency => 3) a, oauth1.http_batch('any', $eight, concurrency => 2) b WHERE a.status = 200 AND b.status = 200"), '64|64', 'two batches in one query');
is($alice->rows("SELECT count(*), sum(b.status) FROM oauth1.http_batch('any', $eight, concurrency => 3) a, LATERAL oauth1.http_batch('any', $two) b WHERE a.status = 200"), '16|3200', 'a batch for each row of a batch');
is($alice->rows("SELECT string_agg(b.n || v.x, ' ' ORDER BY v.x, b.n) FROM (VALUES ('a'), ('b')) v(x), LATERAL oauth1.http_batch('any', ARRAY[oauth1.request('GET', '/api/echo/' || v.x), NULL]) b"), '1a 2a 1b 2b', 'requests of a row');

# In a loop that catches errors: subtransactions come and go between two rows.
is($alice->rows(<<~SQL), '8 4 4', 'in a loop that catches errors');
	CREATE FUNCTION pg_temp.loop() RETURNS text LANGUAGE plpgsql AS \$\$
	DECLARE
	    row record; rows int := 0; caught int := 0; called int := 0;
	BEGIN
	    FOR row IN SELECT * FROM oauth1.http_batch('any', $eight, concurrency => 3) LOOP
	        rows := rows + (row.status = 200)::int;
	        BEGIN
	            PERFORM oauth1.http_get('any', '/api/echo');
	            PERFORM 1 / (row.n % 2);
	            called := called + 1;
	        EXCEPTION WHEN division_by_zero THEN
	            caught := caught + 1;
	        END;
	    END LOOP;
	    RETURN format('%s %s %s', rows, caught, called);
	END \$\$;
	SELECT pg_temp.loop()
	SQL

# Savepoints around a cursor that is in the middle: rolled back, they take nothing with them.
sub cursor
{
	my ($consumer, $count, $concurrency) = @_;
	return "DECLARE c CURSOR FOR SELECT n, coalesce(sqlstate, status::text) FROM oauth1.http_batch('$consumer', " . many($count, flaky('first_byte=60', 'cursor')) . ", concurrency => $concurrency)";
}
foreach my $consumer (qw(any few))
{
	my $session = session();
	$session->rows('BEGIN; ' . cursor($consumer, 24, 4));
	my @rows = split /\n/, $session->rows('FETCH 3 FROM c');
	$session->rows('SAVEPOINT a');
	push @rows, split /\n/, $session->rows('FETCH 4 FROM c');
	$session->error('SELECT 1 / 0');
	$session->rows('ROLLBACK TO a');
	push @rows, split /\n/, $session->rows('FETCH 3 FROM c');
	$session->rows('SAVEPOINT b');
	push @rows, split /\n/, $session->rows('FETCH 3 FROM c');
	$session->rows('RELEASE b');
	push @rows, split /\n/, $session->rows('FETCH ALL FROM c; COMMIT');
	is(join(' ', sort { $a <=> $b } map { s/\|.*//r } @rows), join(' ', 1 .. 24), "savepoints, $consumer: every row once");
	is(join(' ', uniq map { s/.*\|//r } @rows), 200, "savepoints, $consumer: all answered");
	is($session->rows(q{SELECT status FROM oauth1.http_get('few', '/api/echo', timeout_ms => 3000)}), 200, "savepoints, $consumer: no place is left taken");

	# First fetched in one; declared in one.
	my $mark = $service->mark;
	$session->rows('BEGIN; ' . cursor($consumer, 9, 2) . '; SAVEPOINT a; FETCH 2 FROM c; ROLLBACK TO a');
	is(scalar(split /\n/, $session->rows('FETCH ALL FROM c; COMMIT')), 7, "savepoints, $consumer: first fetched in one");
	is($service->mark - $mark, 9, "savepoints, $consumer: no request twice");
	$mark = $service->mark;
	$session->rows('BEGIN; SAVEPOINT a; ' . cursor($consumer, 50, 2) . '; FETCH 2 FROM c; ROLLBACK TO a');
	is($session->rows(q{SELECT status FROM oauth1.http_get('few', '/api/echo', timeout_ms => 3000); COMMIT}), 200, "savepoints, $consumer: a cursor that went with its savepoint holds nothing");
	cmp_ok($service->mark - $mark, '<=', 5, "savepoints, $consumer: and sends nothing");
}

# ---------------------------------------------------------------- what others change meanwhile

$registered->both('moving', api_urls => urls($service->url('/', 'http')), allow_http => \'true');
$service->add_consumer(key => 'second-key', secret => 'second-secret');
foreach my $case (
	[ 'a key that was changed', q{SELECT oauth1.alter_consumer('moving', consumer_key => 'second-key', consumer_secret => 'second-secret')}, 200 ],
	[ 'a data key that was rotated', 'SELECT oauth1.rotate_key()', 200 ],
	[ 'api_urls that were changed', q{SELECT oauth1.alter_provider('moving', api_urls => } . ${ urls($service->url('/other/', 'http')) } . ')', 'OA003',
		q{SELECT oauth1.alter_provider('moving', api_urls => } . ${ urls($service->url('/', 'http')) } . ')' ],
	[ 'a grant that was revoked', q{SELECT oauth1.revoke_consumer('moving', 'alice')}, 'OA007' ],
	[ 'a consumer that was dropped', q{SELECT oauth1.drop_consumer('moving')}, 'OA007' ])
{
	my ($what, $sql, $end, $back) = @$case;
	$dba->rows(q{SELECT oauth1.grant_consumer('moving', 'alice')});
	my $session = session('alice');
	my $mark = $service->mark;
	$session->rows('BEGIN; ' . cursor('moving', 12, 2));
	my @rows = split /\n/, $session->rows('FETCH 2 FROM c');
	$dba->rows($sql);
	push @rows, split /\n/, $session->rows('FETCH ALL FROM c; COMMIT; DISCARD ALL');
	is(scalar @rows, 12, "$what: a row each");
	is(join(' ', uniq map { s/.*\|//r } @rows[ 0, 1 ]), 200, "$what: answered before");
	# Of the first four some were under way, two at a time.
	is(join(' ', uniq map { /^(\d+)\|(.*)/ && $1 > 4 ? $2 : () } @rows), $end, "$what: then $end");
	my @requests = $service->ledger($mark);
	is(join(' ', uniq map { $_->{verdict} } @requests), 'ok', "$what: whatever was sent is signed well");
	$end eq '200'
	  ? is($requests[-1]{oauth}{oauth_consumer_key}, 'second-key', "$what: with the key of now")
	  : cmp_ok(scalar @requests, '<=', 4, "$what: nothing is begun after it");
	is($session->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo', token => '')}), 200, "$what: the session goes on");
	$dba->rows($back) if $back;
}

# ---------------------------------------------------------------- it ends at once

{
	my $session = session();
	my $pid = $session->pid;
	my $call = "SELECT count(*) FROM oauth1.http_batch('any', " . many(60, flaky('hang')) . ', concurrency => 20, timeout_ms => 30000)';
	foreach my $case ([ '57014', qr/user request/, 'pg_cancel_backend' ], [ '57014', qr/statement timeout/ ], [ '57P01', qr/administrator/, 'pg_terminate_backend' ])
	{
		my ($sqlstate, $like, $function) = @$case;
		my $what = $function // 'statement_timeout';
		my $mark = $service->mark;
		$session->rows(q{SET statement_timeout = '700ms'}) unless $function;
		my $started = time + 0.7;
		$session->start($call);
		if ($function)
		{
			wait_for_requests($mark, 20);
			sleep 0.05;
			$started = time;
			$dba->rows("SELECT $function($pid)");
		}
		is_error(OAuth1::Session::parse($session->finish), $sqlstate, $like, $what);
		cmp_ok(time - $started, '<', 0.25, "$what: at once");
		is($service->mark - $mark, 20, "$what: as many requests as concurrency");
		next if $what eq 'pg_terminate_backend';
		$session->rows('RESET statement_timeout');
		is($session->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo')}), 200, "$what: the session goes on");
	}
}

# Also where it is not the network that is waited for: a cancel is no row.
{
	my $session = session();
	my $pid = $session->pid;
	# Whose credential is known reads no table, and has no lock on one, before it is altered.
	$session->rows(q{SET lock_timeout = '5s'; SELECT status FROM oauth1.http_get('any', '/api/echo')});
	$session->rows('BEGIN; ' . cursor('any', 12, 2) . '; FETCH 2 FROM c');
	$dba->rows(q{SELECT oauth1.alter_consumer('any', consumer_key => 'demo-key'); BEGIN; SET LOCAL lock_timeout = '5s'; LOCK TABLE oauth1.consumer});
	$session->start('FETCH ALL FROM c');
	my $tries = 300;
	sleep 0.01 while $dba->rows("SELECT count(*) FROM pg_locks WHERE pid = $pid AND NOT granted") eq '0' && $tries--;
	cmp_ok($tries, '>', 0, 'a lock is waited for');
	$dba->rows("SELECT pg_cancel_backend($pid)");
	is_error(OAuth1::Session::parse($session->finish), '57014', qr/user request/, 'a cancel while a lock is waited for');
	$dba->rows('ROLLBACK');
}

# ---------------------------------------------------------------- memory and descriptors

# Ended also where the test dies, and by KILL: as a copy of this process it has its END blocks.
my $server;
END
{
	kill 'KILL', $server if $server;
}

# A server that is quicker than the service: each connection has a process, which answers every
# request alike, 8 kB at a time.
sub quick_server
{
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 64) or die "listen: $!";
	my $pid = fork // die "fork: $!";
	return ($listener->sockport, $pid) if $pid;
	my $answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8192\r\n\r\n" . 'x' x 8192;
	# Who waits for an end of this process's output, or of psql's input, is not to wait for this one.
	POSIX::close($_) foreach grep { $_ != fileno $listener } 0 .. 255;
	local $SIG{CHLD} = 'IGNORE';
	while (my $client = $listener->accept)
	{
		next if fork // 1;
		my $received = '';
		while (sysread $client, $received, 65536, length $received)
		{
			syswrite $client, $answer while $received =~ s/\A.*?\r\n\r\n//s;
		}
		POSIX::_exit(0);
	}
	POSIX::_exit(0);
}
my $port;
($port, $server) = quick_server();
$registered->both('quick', api_urls => urls("http://127.0.0.1:$port/"), allow_http => \'true');
{
	my $session = session();
	my $pid = $session->pid;
	my $file = "/proc/$pid";
	my $descriptors = sub {
		my %count = (sockets => 0, others => 0);
		$count{ (readlink $_ // '') =~ /^socket:/ ? 'sockets' : 'others' }++ foreach glob "$file/fd/*";
		return \%count;
	};
	my $peak = sub { return PostgreSQL::Test::Utils::slurp_file("$file/status") =~ /^VmHWM:\s+(\d+) kB/m ? $1 / 1024 : die 'no VmHWM'; };
	my $batch = sub {
		my ($count) = @_;
		return $session->rows("SELECT count(*), sum(length(b.body)) FROM (SELECT array_agg(oauth1.request('GET', '/' || i)) AS a FROM generate_series(1, $count) i) s, LATERAL oauth1.http_batch('quick', s.a, concurrency => 20) b WHERE b.status = 200");
	};
	$session->rows('SELECT oauth1.nonce()');
	$session->rows("SELECT count(*) FROM (SELECT array_agg(oauth1.request('GET', '/' || i)) AS a FROM generate_series(1, 10000) i) s");
	my $none = $descriptors->();
	is($batch->(200), '200|1638400', '200 calls');
	my ($before, $kept) = ($peak->(), $descriptors->());
	my $started = time;
	is($batch->(10000), '10000|81920000', '10,000 calls in one statement');
	my $seconds = time - $started;
	my $grown = $peak->() - $before;
	note sprintf '10,000 calls in %.1f s; memory grew by %.1f MB for 82 MB of answers', $seconds, $grown;
	cmp_ok($grown, '<', 16, '10,000 calls: memory follows the concurrency') or diag "$grown MB";
	my $then = $descriptors->();
	is($then->{others}, $kept->{others}, '10,000 calls: no descriptor more than after 200');
	# libcurl has a pair of its own, to be woken up by.
	my $sockets = $then->{sockets} - $none->{sockets};
	ok($sockets > 2 && $sockets <= 22, '10,000 calls: at most a socket for each of the 20') or diag $sockets;
	is($session->rows(q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'oauth1 batch call'}), 0, '10,000 calls: no context is left');
	$session->rows('DISCARD ALL');
	is($descriptors->()->{sockets}, $none->{sockets}, 'DISCARD ALL: the connections are closed');
}
done_testing();
