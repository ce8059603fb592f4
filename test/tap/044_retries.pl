# What is tried again and what is not, and when: counted and timed at the service.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP ();
use List::Util qw(max min uniq);
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
my $registered = OAuth1::Registered->new($dba, $service);

my $anywhere = \("ARRAY['" . join("','", map { $service->url('/', $_) } qw(https http)) . "']");
$registered->both('any', api_urls => $anywhere, allow_http => \'true');
$registered->both('suite', api_urls => $anywhere, allow_http => \'true',
	options => '{"retry_when": {"400": "$.** ? (@ == \"SSS_REQUEST_LIMIT_EXCEEDED\")", "418": "$.again ? (@ == true)"}}');

# A session without kept connections, whose calls have no token.
sub session
{
	my ($retries) = @_;
	my $session = OAuth1::Session->new($node);
	$session->rows("SET oauth1.token = ''; SET oauth1.retries = $retries");
	return $session;
}

# An argument of a mode of test/provider/flaky.py.
sub encoded { return $_[0] =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ger; }

# Where a case is answered: its name is the path's end, so that the ledger tells whose a request is.
sub where { my ($modes, $name, $port) = @_; return $service->url("/flaky/$modes/api/echo/$name", $port); }

sub requests_of
{
	my ($name, @ledger) = @_;
	return grep { $_->{target} =~ m{/api/echo/\Q$name\E(?:\?|$)} } @ledger;
}

# Every attempt is a request of its own: a fresh nonce, a signature that oauthlib finds good, and
# a timestamp that does not go back.
sub is_signed_anew
{
	my ($what, @requests) = @_;
	is(join(' ', uniq map { $_->{verdict} } @requests), 'ok', "$what: each is signed");
	is(scalar(uniq map { $_->{oauth}{oauth_nonce} } @requests), scalar @requests, "$what: each with a nonce of its own");
	my @stamps = map { $_->{oauth}{oauth_timestamp} } @requests;
	is("@stamps", join(' ', sort { $a <=> $b } @stamps), "$what: no timestamp goes back");
	return;
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

# ---------------------------------------------------------------- which answers and failures

# Cases: method and modes; then the status or SQLSTATE that it ends with, after how many requests.
# All at once, since each waits up to a second.
my $limited = encoded('{"error": {"code": "SSS_REQUEST_LIMIT_EXCEEDED"}}');
my %cases = (
	(map { ("get_$_" => [ GET => "times=1,as=$_", 200, 2 ]) } 502, 503, 504),
	(map { ("get_$_" => [ GET => "times=1,as=$_", $_, 1 ]) } 400, 404, 408, 500, 501, 505),
	(map { (lc . '_503' => [ $_ => 'times=1,as=503', 200, 2 ]) } qw(HEAD PUT DELETE OPTIONS)),
	(map { ("post_$_" => [ POST => "times=1,as=$_", $_, 1 ]) } 500, 502, 503, 504),
	patch_503 => [ PATCH => 'times=1,as=503', 503, 1 ],
	own_503 => [ REPORT => 'times=1,as=503', 503, 1 ],
	(map { (lc . '_429' => [ $_ => 'times=1,as=429', 200, 2 ]) } qw(GET HEAD POST PUT PATCH DELETE REPORT)),
	post_after => [ POST => 'times=1,as=503,header=Retry-After:1', 200, 2 ],
	post_date => [ POST => 'times=1,as=503,retry_date=2', 200, 2 ],
	patch_429_after => [ PATCH => 'times=1,as=429,header=Retry-After:1', 200, 2 ],
	get_after => [ GET => 'times=1,as=503,header=Retry-After:1', 200, 2 ],
	post_after_nonsense => [ POST => 'times=1,as=503,header=Retry-After:soon', 503, 1 ],
	post_502_after => [ POST => 'times=1,as=502,header=Retry-After:1', 502, 1 ],
	get_500_after => [ GET => 'times=1,as=500,header=Retry-After:1', 500, 1 ],
	get_after_deadline => [ GET => 'as=503,header=Retry-After:60', 503, 1 ],
	get_date_after_deadline => [ GET => 'as=429,retry_date=60', 429, 1 ],
	get_always => [ GET => 'as=503', 503, 3 ],
	get_twice => [ GET => 'times=2,as=504', 200, 3 ],
	(map { (lc . '_hangup' => [ $_ => 'times=1,hangup', 200, 2 ]) } qw(GET HEAD PUT DELETE)),
	(map { ("get_$_" => [ GET => "times=1,$_", 200, 2 ]) } qw(truncate reset reset_body garbage half_header bad_chunk)),
	(map { ("put_$_" => [ PUT => "times=1,$_", 200, 2 ]) } qw(truncate reset)),
	(map { ("post_$_" => [ POST => "times=1,$_", 'OA009', 1 ]) } qw(hangup reset garbage)),
	(map { ("patch_$_" => [ PATCH => "times=1,$_", 'OA009', 1 ]) } qw(hangup reset)),
	(map { ("post_$_" => [ POST => "times=1,$_", 'OA008', 1 ]) } qw(truncate reset_body half_header bad_chunk)),
	patch_truncate => [ PATCH => 'times=1,truncate', 'OA008', 1 ],
	get_too_large => [ GET => 'times=1,fill=70000', 'OA004', 1 ],
	get_endless => [ GET => 'times=1,endless', 'OA004', 1 ]);
my %suite = (
	limited_post => [ POST => "times=1,as=400,body=$limited", 200, 2 ],
	limited_get => [ GET => "times=1,as=400,body=$limited", 200, 2 ],
	other_400 => [ POST => 'times=1,as=400,body=' . encoded('{"error": "INVALID"}'), 400, 1 ],
	no_json => [ POST => 'times=1,as=400,body=SSS_REQUEST_LIMIT_EXCEEDED', 400, 1 ],
	empty_400 => [ POST => 'times=1,as=400,body=', 400, 1 ],
	limited_403 => [ POST => "times=1,as=403,body=$limited", 403, 1 ],
	true_418 => [ PATCH => 'times=1,as=418,body=' . encoded('{"again": true}'), 200, 2 ],
	false_418 => [ PATCH => 'times=1,as=418,body=' . encoded('{"again": false}'), 418, 1 ]);

# Makes the cases' calls; returns the requests that arrived.
sub make_calls
{
	my ($session, $consumer, $cases) = @_;
	my @names = sort keys %$cases;
	my $requests = join ', ', map { sprintf 'oauth1.request(%s, %s)', quote($cases->{$_}[0]), quote(where($cases->{$_}[1], $_)) } @names;
	my $mark = $service->mark;
	my $rows = $json->decode($session->rows('SELECT json_agg(b ORDER BY n) FROM oauth1.http_batch('
		  . quote($consumer) . ", ARRAY[$requests], concurrency => " . @names . ', timeout_ms => 12000) b'));
	my @ledger = $service->ledger($mark);
	foreach my $i (0 .. $#names)
	{
		my $what = $names[$i];
		my (undef, $modes, $end, $count) = @{ $cases->{$what} };
		my @requests = requests_of($what, @ledger);
		is($rows->[$i]{sqlstate} // $rows->[$i]{status}, $end, "$what: ends with $end") or diag $rows->[$i]{error};
		is(scalar @requests, $count, "$what: $count requests");
		is_signed_anew($what, @requests) if @requests > 1;
	}
	return @ledger;
}

my $session = session(2);
$session->rows(q{SET oauth1.max_response_size = '64kB'});
my @ledger = make_calls($session, 'any', \%cases);

# Seconds between the requests of a case.
sub gaps
{
	my @times = map { $_->{time} } requests_of(@_);
	return map { $times[ $_ ] - $times[ $_ - 1 ] } 1 .. $#times;
}
foreach my $name (qw(post_after patch_429_after get_after))
{
	my ($gap) = gaps($name, @ledger);
	cmp_ok($gap, '>=', 1, "$name: not before the second is over");
	cmp_ok($gap, '<', 3, "$name: and not long after");
}
my ($gap) = gaps('post_date', @ledger);
cmp_ok($gap, '>=', 1, 'post_date: not before the date');    # a date has whole seconds
cmp_ok($gap, '<', 4, 'post_date: and not long after');

make_calls($session, 'suite', \%suite);
$session->rows('RESET oauth1.max_response_size');

# Without retries the same are asked for once.
my %once = map { ("once_$_" => [ @{ $cases{$_} }[ 0, 1 ], $cases{$_}[1] =~ /as=(\d+)/, 1 ]) } grep { /_(?:429|50\d|after|date)$/ } keys %cases;
make_calls(session(0), 'any', \%once);
foreach my $case ([ get => 'hangup', 'OA009' ], [ get => 'truncate', 'OA008' ], [ put => 'reset', 'OA009' ])
{
	my ($verb, $modes, $sqlstate) = @$case;
	my $mark = $service->mark;
	is_error(session(0)->error("SELECT oauth1.http_$verb('any', " . quote(where($modes, 'once')) . ')'), $sqlstate, qr/localhost/, "no retries: $verb $modes");
	is(scalar $service->ledger($mark), 1, "no retries: $verb $modes: one request");
}

# ---------------------------------------------------------------- what was tried is told

my $error = session(2)->error(q{SELECT oauth1.http_get('any', } . quote(where('hangup', 'told')) . ')');
is_error($error, 'OA009', qr/not known/, 'hung up three times');
like($error->{detail}, qr/\. Before that: [^,]*\S after \d+ ms, [^,]*\S after \d+ ms\.$/, 'hung up three times: two attempts before that');

my @unreachable;
foreach my $case (
	[ refused => 'OA008', qr/could not connect.*nothing was sent\. Before that: .* after \d+ ms, .* after \d+ ms\.$/ms ],
	[ https_wrong_name => 'OA008', qr/nothing was sent\. Before that: .* after \d+ ms, .* after \d+ ms\.$/ms ])
{
	my ($port, $sqlstate, $like) = @$case;
	$registered->both($port, api_urls => \("ARRAY['https://localhost:" . $service->port($port) . "/']"));
	foreach my $verb (qw(get post))
	{
		my $call = "SELECT oauth1.http_$verb('$port', '/')";
		unlike(session(0)->error($call)->{text}, qr/Before that/, "$verb to $port: one attempt");
		push @unreachable, [ session(2), $sqlstate, $like, "$verb to $port: three attempts" ];
		$unreachable[-1][0]->start($call);
	}
}
is_error(OAuth1::Session::parse((shift @$_)->finish), @$_) foreach @unreachable;

# What would end the same way is not tried again.
my $mark = $service->mark;
my $careful = session(5);
$careful->rows('SET oauth1.allow_private_addresses = off');
$error = $careful->error(q{SELECT oauth1.http_get('any', '/api/echo')});
is_error($error, 'OA003', qr/address/, 'a refused address');
unlike($error->{text}, qr/Before that/, 'a refused address: once');
is(scalar $service->ledger($mark), 0, 'a refused address: nothing arrived');

# ---------------------------------------------------------------- never past the deadline

sub timed
{
	my ($session, $sql) = @_;
	my $mark = $service->mark;
	my $started = time;
	my $text = $session->query($sql);
	return ($text, time - $started, $service->ledger($mark));
}

my $many = session(100);
my ($text, $seconds, @arrived) = timed($many, q{SELECT status FROM oauth1.http_get('any', } . quote(where('as=503', 'deadline')) . ', timeout_ms => 1500)');
is($text, "503\n", 'the deadline comes: the last answer is the answer');
cmp_ok($seconds, '<', 1.9, 'the deadline comes: not after it');
cmp_ok(scalar @arrived, '>=', 2, 'the deadline comes: there was time for another attempt');
is_signed_anew('the deadline comes', @arrived);

($text, $seconds, @arrived) = timed($many, q{SELECT status FROM oauth1.http_post('any', } . quote(where('as=503,header=Retry-After:3', 'deadline')) . ', timeout_ms => 2500)');
is($text, "503\n", 'asked to come after the deadline: the answer');
cmp_ok($seconds, '<', 0.5, 'asked to come after the deadline: at once');
is(scalar @arrived, 1, 'asked to come after the deadline: one request');

($text, $seconds, @arrived) = timed($many, q{SELECT oauth1.http_get('any', } . quote(where('hang', 'deadline')) . ', timeout_ms => 400)');
is_error(OAuth1::Session::parse($text), 'OA006', qr/within 400 ms/, 'no answer until the deadline');
cmp_ok($seconds, '<', 0.8, 'no answer until the deadline: no attempt after it');
is(scalar @arrived, 1, 'no answer until the deadline: one request');

# A time for the connection alone leaves time for others.
$many->rows(q{SET oauth1.connect_timeout = '200ms'});
$registered->both('silent', api_urls => \("ARRAY['https://localhost:" . $service->port('silent') . "/']"));
($text, $seconds) = timed($many, q{SELECT oauth1.http_post('silent', '/', timeout_ms => 1500)});
is_error(OAuth1::Session::parse($text), 'OA006', qr/Nothing was sent\..* Before that: no connection in time after 2\d\d ms/, 'no connection in time');
cmp_ok($seconds, '<', 1.9, 'no connection in time: not after the deadline');
$many->rows('RESET oauth1.connect_timeout');

# ---------------------------------------------------------------- the wait between attempts

# Full jitter: the first wait is anything up to a second, the second anything up to two; after
# Retry-After the first comes on top, so that not all are there at the very moment.
{
	my $count = 50;
	my %modes = (jitter => 'times=2,as=503', apart => 'times=1,as=429,header=Retry-After:1');
	my $requests = join ' || ', map {
		'(SELECT array_agg(oauth1.request(' . quote('GET') . ', ' . quote(where($modes{$_}, "${_}_", 'http')) . " || i)) FROM generate_series(1, $count) i)"
	} sort keys %modes;
	$mark = $service->mark;
	is(session(2)->rows("SELECT count(*) FILTER (WHERE status = 200) FROM oauth1.http_batch('any', $requests, concurrency => 2 * $count) b"), 2 * $count, 'jitter: all get their answer');
	@ledger = $service->ledger($mark);
	my @jitter = map { [ gaps("jitter_$_", @ledger) ] } 1 .. $count;
	my @first = map { $_->[0] } @jitter;
	my @second = map { $_->[1] } @jitter;
	is(scalar(grep { @$_ == 2 } @jitter), $count, 'jitter: three requests each');
	cmp_ok(max(@first), '<=', 1.4, 'jitter: the first wait is at most a second');
	cmp_ok(max(@second), '<=', 2.4, 'jitter: the second is at most two');
	cmp_ok(max(@second), '>', 1.4, 'jitter: the second can be longer');
	cmp_ok(min(@first), '<', 0.3, 'jitter: it can be short');
	cmp_ok(scalar(grep { $_ > 0.6 } @first), '>', 5, 'jitter: it can be long');

	my @apart = map { gaps("apart_$_", @ledger) } 1 .. $count;
	is(scalar @apart, $count, 'Retry-After for many: all come again');
	cmp_ok(min(@apart), '>=', 1, 'Retry-After for many: none too early');
	cmp_ok(max(@apart), '<=', 2.4, 'Retry-After for many: none too late');
	cmp_ok(max(@apart) - min(@apart), '>', 0.4, 'Retry-After for many: they come apart');
}

# It ends at once when it is told to.
sub ends_at_once
{
	my ($sqlstate, $what, $session, $end) = @_;
	$mark = $service->mark;
	$session->start(q{SELECT oauth1.http_post('any', } . quote(where('as=429,header=Retry-After:20', 'end')) . ', timeout_ms => 40000)');
	my $tries = 200;
	sleep 0.02 while !$service->ledger($mark) && $tries--;
	sleep 0.1;
	my $started = time;
	$end->();
	is_error(OAuth1::Session::parse($session->finish), $sqlstate, qr/./, "$what while it waits");
	cmp_ok(time - $started, '<', 0.25, "$what while it waits: at once");
	is(scalar $service->ledger($mark), 1, "$what while it waits: one request");
	return;
}
my $waiting = session(1);
my $pid = $waiting->pid;
ends_at_once('57014', 'a cancel', $waiting, sub { $dba->rows("SELECT pg_cancel_backend($pid)") });
is($waiting->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo')}), 200, 'a cancel while it waits: the session goes on');
$waiting->rows(q{SET statement_timeout = '600ms'});
my $started = time;
is_error($waiting->error(q{SELECT oauth1.http_get('any', } . quote(where('as=429,header=Retry-After:20', 'end')) . ', timeout_ms => 40000)'),
	'57014', qr/statement timeout/, 'statement_timeout while it waits');
cmp_ok(time - $started, '<', 0.85, 'statement_timeout while it waits: at once');
$waiting->rows('RESET statement_timeout');
ends_at_once('57P01', 'a terminate', $waiting, sub { $dba->rows("SELECT pg_terminate_backend($pid)") });

# ---------------------------------------------------------------- a kept connection that dies

# What is meant to change nothing is repeated for that once, on another connection, even without
# retries; nothing else is.
foreach my $port (qw(https http))
{
	foreach my $verb (qw(get head put delete post patch))
	{
		my $what = "$port: $verb on a dying connection";
		my $kept = session(0);
		$mark = $service->mark;
		$kept->rows(q{SELECT status FROM oauth1.http_get('any', } . quote($service->url('/api/echo', $port)) . ')');
		my $text = $kept->query("SELECT status FROM oauth1.http_$verb('any', " . quote(where('hangup_reused', 'dying', $port)) . ')');
		my ($first, @then) = $service->ledger($mark);
		is($then[0]{connection}, $first->{connection}, "$what: it is the kept one");
		if ($verb !~ /^(?:get|head)$/)
		{
			is_error(OAuth1::Session::parse($text), 'OA009', qr/not known/, $what);
			is(scalar @then, 1, "$what: sent once");
		}
		else
		{
			is($text, "200\n", "$what: answered");
			is(scalar @then, 2, "$what: sent twice");
			is_signed_anew($what, @then);
		}
	}
}

# Once, and not for a connection that is new.
$mark = $service->mark;
my $kept = session(0);
$kept->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo')});
is_error($kept->error(q{SELECT oauth1.http_get('any', } . quote(where('hangup', 'again')) . ')'), 'OA009', qr/Before that: /, 'hung up on the kept connection and on the next');
is(scalar $service->ledger($mark), 3, 'hung up on the kept connection and on the next: repeated once');

# Several kept connections that died together cost no call.
$kept = session(0);
$kept->rows(q{SELECT count(*) FROM oauth1.http_batch('any', array_fill(oauth1.request('GET', } . quote(where('first_byte=200', 'kept')) . q{), ARRAY[4]), concurrency => 4) b});
$mark = $service->mark;
is($kept->query(q{SELECT status FROM oauth1.http_get('any', } . quote(where('hangup_reused', 'all')) . ')'), "200\n", 'four kept connections that died');
is(scalar $service->ledger($mark), 2, 'four kept connections that died: repeated once');
$kept = session(1);
$kept->rows(q{SELECT count(*) FROM oauth1.http_batch('any', array_fill(oauth1.request('GET', } . quote(where('first_byte=200', 'kept')) . q{), ARRAY[4]), concurrency => 4) b});
$mark = $service->mark;
is($kept->query(q{SELECT status FROM oauth1.http_put('any', } . quote(where('hangup_reused', 'all')) . ')'), "200\n", 'four kept connections that died: a retry');
is(scalar $service->ledger($mark), 2, 'four kept connections that died: one retry');

# ---------------------------------------------------------------- the whole request again

my %whole = (
	json => q{body_json => '{"é": [1, 2.50]}'},
	form => q{form => '{"tag": ["a", "b b"], "é": "+%"}'},
	text => q{body => 'ligne é'},
	large => q{body_bytes => convert_to(repeat('0123456789abcdef', 20000), 'UTF8')},
	headers => q{headers => '{"X-Mine": "a"}', params => '{"q": "x y"}'});
$mark = $service->mark;
is(session(2)->rows(q{SELECT count(*) FILTER (WHERE status = 200) FROM oauth1.http_batch('any', ARRAY[} . join(', ', map {
	q{oauth1.request('POST', } . quote(where('times=2,as=429,header=Retry-After:0', "whole_$_")) . ", $whole{$_})" } sort keys %whole) . ']) b'), 5, 'whole: all get their answer');
@arrived = $service->ledger($mark);
foreach my $name (sort keys %whole)
{
	my @requests = requests_of("whole_$name", @arrived);
	is(scalar @requests, 3, "whole: $name: three requests");
	is(scalar(uniq map { $_->{body} } @requests), 1, "whole: $name: the same body");
	cmp_ok(length $requests[0]{body}, '>', 0, "whole: $name: that is none") unless $name eq 'headers';
	my @shown = uniq map { join "\n", $_->{target}, map { $_->[0] eq 'Authorization' ? () : "@$_" } @{ $_->{headers} } } @requests;
	is(scalar @shown, 1, "whole: $name: the same headers");
	is_signed_anew("whole: $name", @requests);
}

# ---------------------------------------------------------------- a cursor that stands between two rows

# A call of many attempts holds the memory of one; and where oauth1.retries is lowered meanwhile
# below what it has had, it ends with the attempt that is due.
{
	my $session = session(9);
	my @requests = (
		q{oauth1.request('POST', } . quote(where('as=429,header=Retry-After:0', 'lowered')) . q{, form => jsonb_build_object('large', repeat('x', 400000)))},
		q{oauth1.request('GET', } . quote(where('first_byte=3200', 'meanwhile')) . ')');
	$mark = $service->mark;
	$session->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT n, status FROM oauth1.http_batch('any', ARRAY[} . join(', ', @requests) . '], timeout_ms => 8000)');
	is($session->rows('FETCH 1 FROM c'), '2|200', 'a cursor: the call that is not tried again');
	cmp_ok(scalar requests_of('lowered', $service->ledger($mark)), '>=', 3, 'a cursor: the other one was, meanwhile');
	my $memory = $session->rows(q{SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts WHERE name IN ('oauth1 batch call', 'oauth1 attempt')});
	cmp_ok($memory, '<', 1200, 'a cursor: the memory of a call does not grow with its attempts');
	$mark = $service->mark;
	$session->rows('SET LOCAL oauth1.retries = 1');
	is($session->rows('FETCH ALL FROM c'), '1|429', 'a cursor: oauth1.retries lowered');
	cmp_ok(scalar $service->ledger($mark), '<=', 1, 'a cursor: oauth1.retries lowered: one attempt more at most');
	$session->rows('COMMIT');
}

# What was tried is told whatever the call ends with.
{
	my $session = session(9);
	$session->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT n, coalesce(error, status::text) FROM oauth1.http_batch('any', ARRAY[}
		  . join(', ', map { q{oauth1.request('GET', } . quote($_) . ')' } where('as=429,header=Retry-After:0', 'private'), where('first_byte=1100', 'before')) . '], timeout_ms => 5000)');
	is($session->rows('FETCH 1 FROM c'), '2|200', 'a cursor: another call ends');
	$session->rows('SET LOCAL oauth1.allow_private_addresses = off');
	like($session->rows('FETCH ALL FROM c'), qr/^1\|address of .* Nothing was sent\. Before that: status 429 after/, 'an address that is refused, after other attempts');
	$session->rows('COMMIT');
}

# ---------------------------------------------------------------- the token flow

my $flow = sub {
	my ($name, $modes, %given) = @_;
	$registered->both($name, request_token_url => $service->url("/flaky/$modes/oauth/request_token"), %given);
	return quote($name);
};
$mark = $service->mark;
is(session(1)->rows('SELECT oauth1.request_token(' . $flow->('flow', 'times=1,as=429,header=Retry-After:0') . ') IS NOT NULL'), 't', 'request_token: tried again');
@arrived = $service->ledger($mark);
is(scalar @arrived, 2, 'request_token: two requests');
is_signed_anew('request_token', @arrived);
$mark = $service->mark;
is_error(session(3)->error('SELECT oauth1.request_token(' . $flow->('flow_post', 'times=1,hangup') . ')'), 'OA009', qr/not known/, 'request_token: POST without an answer');
is(scalar $service->ledger($mark), 1, 'request_token: POST without an answer: once');
$mark = $service->mark;
is(session(1)->rows('SELECT oauth1.request_token(' . $flow->('flow_get', 'times=1,hangup,header=X-Get:1', token_method => 'GET') . ') IS NOT NULL'), 't', 'request_token: GET without an answer is tried again');
is(scalar $service->ledger($mark), 2, 'request_token: GET without an answer: two requests');
$mark = $service->mark;
is_error(session(0)->error('SELECT oauth1.request_token(' . $flow->('flow_once', 'times=1,as=429,header=Retry-After:0,header=X-Once:1') . ')'), 'OA002', qr/429/, 'request_token without retries');
is(scalar $service->ledger($mark), 1, 'request_token without retries: one request');

# No redirect of a token request is followed.
$mark = $service->mark;
is_error(session(1)->error('SELECT oauth1.request_token(' . $flow->('flow_away', 'redirect=302:%2Foauth%2Frequest_token', token_method => 'GET') . ')'), 'OA002', qr/302/, 'request_token: a redirect');
is(scalar $service->ledger($mark), 1, 'request_token: a redirect is not followed');

done_testing();
