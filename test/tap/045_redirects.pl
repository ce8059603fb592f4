# Redirects: which are followed, signed anew, and which are the answer.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP ();
use List::Util qw(uniq);
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

my @secure = map { $service->url($_) } '/flaky/', '/api/';
my @plain = map { $service->url($_, 'http') } '/flaky/', '/api/';
$registered->both('both', api_urls => urls(@secure, @plain), allow_http => \'true');
$registered->both('secure', api_urls => urls(@secure));
$registered->both('query', api_urls => urls(@secure), transmission => 'query');
$registered->both('changed', api_urls => urls(@secure));
$dba->rows(q{SELECT oauth1.grant_consumer(c, 'alice') FROM unnest(ARRAY['secure', 'changed']) c});
$dba->rows(q{SET oauth1.token = ''});

# Modes of test/provider/flaky.py.
sub redirect { my ($status, $location) = @_; return "redirect_hex=$status:" . unpack 'H*', $location; }
sub encoded { return $_[0] =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ger; }

# Every case has a path of its own, since the service counts by path.
my $case = 0;
sub start_of { my ($modes, $port) = @_; $case++; return $service->url("/flaky/$modes/api/echo/$case", $port); }

# Calls; returns the response, or the error, and the requests that arrived: each signed anew.
sub call
{
	my ($what, $call, $session) = @_;
	my $mark = $service->mark;
	my $text = ($session // $dba)->query("SELECT to_json(r) FROM oauth1.$call r");
	my @requests = $service->ledger($mark);
	if (@requests)
	{
		is(join(' ', uniq map { $_->{verdict} } @requests), 'ok', "$what: each is signed");
		is(scalar(uniq map { $_->{oauth}{oauth_nonce} } @requests), scalar @requests, "$what: each with a nonce of its own");
	}
	return (OAuth1::Session::parse($text) // $json->decode($text), @requests);
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error->{sqlstate} // 'no error', $sqlstate, "$name: $sqlstate");
	like($error->{text} // '', $like, "$name: says so");
	return;
}

sub header
{
	my ($request, $name) = @_;
	return join ' AND ', map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $request->{headers} };
}

# ---------------------------------------------------------------- followed

my $up = '../../../../api/echo/target';
my %followed = (
	'/api/echo/target' => '/api/echo/target',
	$service->url('/api/echo/target') => '/api/echo/target',
	'//localhost:' . $service->port('https') . '/api/echo/target' => '/api/echo/target',
	uc($service->url('')) . '/api/echo/target' => '/api/echo/target',
	$up => '/api/echo/target',
	"./$up?a=b%20c&a=+" => '/api/echo/target?a=b%20c&a=+',
	'/api/echo/x/../target#fragment' => '/api/echo/target',
	'/api/echo/%7Etarget;p=1?' => '/api/echo/%7Etarget;p=1?',
	'/api/echo/target?url=https://elsewhere.example/../x' => '/api/echo/target?url=https://elsewhere.example/../x');
foreach my $location (sort keys %followed)
{
	my ($response, @requests) = call("to $location", "http_get('secure', " . quote(start_of(redirect(302, $location))) . ", params => '{\"q\": 1}')");
	is($response->{status}, 200, "to $location: answered");
	is(join(' ', map { $_->{target} } @requests[ 1 .. $#requests ]), $followed{$location}, "to $location: followed");
}
foreach my $status (301, 302, 303, 307, 308)
{
	foreach my $verb (qw(get head))
	{
		my ($response, @requests) = call("$verb $status", "http_$verb('secure', " . quote(start_of(redirect($status, '/api/echo/target'))) . q{, headers => '{"X-Mine": "é", "Accept": "a/b"}')});
		is($response->{status}, 200, "$verb $status: answered");
		is(join(' ', map { $_->{method} } @requests), uc "$verb $verb", "$verb $status: the method stays");
		is($requests[1]{target}, '/api/echo/target', "$verb $status: the target");
		is(header($requests[1], $_), header($requests[0], $_), "$verb $status: $_ again") foreach 'X-Mine', 'Accept', 'User-Agent', 'Host';
		isnt(header($requests[1], 'Authorization'), header($requests[0], 'Authorization'), "$verb $status: not the same signature");
	}
}

# Relative to the URL that answered: the same path with another query, the last segment replaced.
foreach my $location ('?page=2', '', '#top')
{
	my ($response, @requests) = call("to '$location'", "http_get('secure', " . quote(start_of('times=1,' . redirect(302, $location)) . '?page=1') . ')');
	is($response->{status}, 200, "to '$location': answered");
	is($requests[1]{target}, $requests[0]{target} =~ s/\?page=1$/$location eq '?page=2' ? $location : '?page=1'/er, "to '$location': the target");
}
{
	my ($response, @requests) = call('to a neighbour', "http_get('secure', " . quote(start_of('times=1,redirect=307:next%3Fa')) . ')');
	is($response->{status}, 200, 'to a neighbour: answered');
	is_deeply([ map { $_->{target} =~ s{.*/api}{}r } @requests ], [ "/echo/$case", '/echo/next?a', '/echo/next?a' ], 'to a neighbour: against the URL of each hop');
}

# Between schemes and ports, where all are among the api_urls.
{
	my ($response, @requests) = call('http to https', q{http_get('both', } . quote(start_of(redirect(302, $service->url('/api/echo')), 'http')) . ')');
	is(join(' ', map { $_->{scheme} } @requests), 'http https', 'http to https: followed');
	(undef, @requests) = call('https to http', q{http_get('both', } . quote(start_of(redirect(302, $service->url('/api/echo', 'http')))) . ')');
	is(join(' ', map { $_->{scheme} } @requests), 'https http', 'https to http: followed, with allow_http');
	(undef, @requests) = call('the same Location twice', q{http_get('both', } . quote(start_of('redirect=302:%2Fapi%2Fecho,header=Location:%2Fapi%2Fecho')) . ')');
	is(scalar @requests, 2, 'the same Location twice: followed');
}

# Parameters of ours that the service sends back are not sent twice.
{
	my ($response, @requests) = call('an echoed signature', q{http_get('query', } . quote(start_of('redirect_query=302:' . encoded('/api/echo/target'))) . q{, params => '{"q": ["ä b", "2"]}')});
	is($response->{status}, 200, 'an echoed signature: answered');
	is(scalar @requests, 2, 'an echoed signature: followed');
	my %count;
	$count{ s/=.*//r }++ foreach split /&/, $requests[1]{target} =~ s/.*\?//r;
	is_deeply(\%count, { q => 2, map { ("oauth_$_" => 1) } qw(consumer_key signature_method timestamp nonce version signature) }, 'an echoed signature: each parameter once');
	like($requests[1]{target}, qr{^/api/echo/target\?q=%C3%A4%20b&q=2&}, 'an echoed signature: the rest as it was');
	(undef, @requests) = call('an echoed signature, again', q{http_get('query', } . quote(start_of('redirect_query=307:' . encoded('/flaky/redirect_query=307:%2Fapi%2Fecho%2Fend/api/echo/second'))) . q{, params => '{"q": 1}')});
	is(scalar @requests, 3, 'an echoed signature, again: two hops');
	is(scalar(() = $requests[2]{target} =~ /oauth_signature=/g), 1, 'an echoed signature, again: one signature');
}

# ---------------------------------------------------------------- the answer

my $port = $service->port('https');
my %answers = (
	'another host' => [ "https://127.0.0.1:$port/api/echo" ],
	'another port' => [ 'https://localhost:' . $service->port('https_expired') . '/api/echo' ],
	'another host, no scheme' => [ '//elsewhere.example/api/echo' ],
	'another path' => [ '/open/echo' ],
	'a path that begins alike' => [ '/apis/echo' ],
	'a path above' => [ '/api/../open/echo' ],
	'http' => [ $service->url('/api/echo', 'http') ],
	'another scheme' => [ "ftp://localhost:$port/api/echo" ],
	'a file' => [ 'file:///etc/passwd' ],
	'a user' => [ "https://user\@localhost:$port/api/echo" ],
	'a user that looks like the host' => [ "https://localhost:$port\@elsewhere.example/api/echo" ],
	'a user and a password' => [ "https://user:secret\@localhost:$port/api/echo" ],
	'dot segments' => [ '/api/%2e%2e/open/echo' ],
	'a dot segment with a parameter' => [ '/api/..;a/open/echo' ],
	'an encoded slash' => [ '/api/..%2Fopen/echo' ],
	'a backslash' => [ '/api/echo\\x' ],
	'a host with a backslash' => [ "https:\\\\elsewhere.example/api/echo" ],
	'a tab' => [ "/api/ec\tho" ],
	'a control character' => [ "/api/echo/\x01" ],
	'DEL' => [ "/api/echo/\x7f" ],
	'no host' => [ 'https:///api/echo' ],
	'a bad port' => [ 'https://localhost:99999/api/echo' ],
	'two at once' => [ '/api/echo', ',header=Location:%2Fapi%2Fecho%2Ftwo' ]);
foreach my $what (sort keys %answers)
{
	my ($location, $modes) = (@{ $answers{$what} }, '');
	my ($response, @requests) = call($what, "http_get('secure', " . quote(start_of(redirect(302, $location) . $modes)) . ')');
	is($response->{status}, 302, "$what: the 302 is the answer");
	is(scalar @requests, 1, "$what: one request");
	like($response->{headers}{location}, qr/^\Q$location/, "$what: its Location can be read") unless $location =~ /[\x00-\x1f]/;
}
foreach my $status (200, 300, 304, 305, 306, 399, 401)
{
	my ($response, @requests) = call("status $status", q{http_get('secure', } . quote(start_of("redirect=$status:%2Fapi%2Fecho")) . ')');
	is($response->{status}, $status, "status $status: the answer");
	is(scalar @requests, 1, "status $status: one request");
}
{
	my ($response, @requests) = call('no Location', q{http_get('secure', } . quote(start_of('as=302')) . ')');
	is($response->{status}, 302, 'no Location: the answer');
	is(scalar @requests, 1, 'no Location: one request');
	is(length $json->decode($response->{body})->{target} > 0, 1, 'no Location: with its body');
}
foreach my $method (qw(POST PUT PATCH DELETE OPTIONS REPORT))
{
	foreach my $status (302, 303, 307)
	{
		my ($response, @requests) = call("$method $status", "http_call('secure', oauth1.request('$method', " . quote(start_of("redirect=$status:%2Fapi%2Fecho")) . '))');
		is($response->{status}, $status, "$method $status: the answer");
		is(scalar @requests, 1, "$method $status: one request");
	}
}

# What the settings forbid since.
{
	my $strict = OAuth1::Session->new($node);
	$strict->rows(q{SET oauth1.token = ''; SET oauth1.allow_http = off});
	my ($response, @requests) = call('allow_http off', q{http_get('both', } . quote(start_of(redirect(302, $service->url('/api/echo', 'http')))) . ')', $strict);
	is($response->{status}, 302, 'allow_http off: the answer');
	is(scalar @requests, 1, 'allow_http off: one request');
}

# ---------------------------------------------------------------- how many

foreach my $max (0 .. 3, 5)
{
	$dba->rows("SET oauth1.max_redirects = $max");
	my ($end, @requests) = call("$max at most", q{http_get('secure', } . quote(start_of('redirect=302:')) . ')');
	is(scalar @requests, $max + 1, "$max at most: so many and one");
	if ($max == 0)
	{
		is($end->{status}, 302, 'none: the 302 is the answer');
		next;
	}
	is_error($end, 'OA008', qr/too many redirects of "localhost"/, "$max at most: too many");
	my $hops = join ', ', ('status 302 after \d+ ms') x $max;
	like($end->{detail}, qr/status 302 and another URL once more than oauth1\.max_redirects allows\. Before that: $hops\.$/, "$max at most: what was tried");
	($end, @requests) = call("$max of $max", q{http_get('secure', } . quote(start_of("times=$max,redirect=302:")) . ')');
	is($end->{status}, 200, "$max of $max: answered");
	is(scalar @requests, $max + 1, "$max of $max: so many and one");
}
$dba->rows('RESET oauth1.max_redirects');

# A redirect is no retry, and what is tried again is the target.
{
	$dba->rows('SET oauth1.retries = 1');
	my ($response, @requests) = call('a target that fails once', q{http_get('secure', } . quote(start_of(redirect(302, '/flaky/times=1,as=503/api/echo/later'))) . ')');
	is($response->{status}, 200, 'a target that fails once: answered');
	is_deeply([ map { $_->{target} =~ s{.*/}{}r } @requests ], [ $case, 'later', 'later' ], 'a target that fails once: it is asked again');
	$dba->rows('RESET oauth1.retries');
	($response, @requests) = call('a target that hangs up', q{http_get('secure', } . quote(start_of(redirect(302, '/flaky/hangup/api/echo'))) . ')');
	is_error($response, 'OA009', qr/Before that: status 302 after/, 'a target that hangs up');
}

# One deadline for all hops.
{
	my $started = time;
	my ($error, @requests) = call('slow hops', q{http_get('secure', } . quote(start_of('first_byte=250,redirect=302:')) . ', timeout_ms => 900)');
	is_error($error, 'OA006', qr/within 900 ms.*Before that: status 302/, 'slow hops');
	cmp_ok(time - $started, '<', 1.3, 'slow hops: in time');
	is(scalar @requests, 4, 'slow hops: as many as there was time for');
}

# ---------------------------------------------------------------- what changed meanwhile

# oauth1.max_redirects, lowered between two rows of a cursor below what a call has had.
{
	my @urls = map { start_of($_) } 'first_byte=300,redirect=302:', 'first_byte=1100';
	$dba->rows(q{BEGIN; SET LOCAL oauth1.max_redirects = 20; DECLARE c CURSOR FOR SELECT n, coalesce(sqlstate, status::text) FROM oauth1.http_batch('secure', ARRAY[}
		  . join(', ', map { q{oauth1.request('GET', } . quote($_) . ')' } @urls) . '], timeout_ms => 3500)');
	is($dba->rows('FETCH 1 FROM c'), '2|200', 'fewer redirects: another call ends');
	$dba->rows('SET LOCAL oauth1.max_redirects = 1');
	is($dba->rows('FETCH ALL FROM c'), '1|OA008', 'fewer redirects: the one that had more has had the last');
	$dba->rows('COMMIT');
}

# Each hop looks again at grant and URL.
foreach my $change (
	[ 'a revoked grant', 'secure', q{SELECT oauth1.revoke_consumer('secure', 'alice')}, 'OA007', qr/"secure"/ ],
	[ 'changed api_urls', 'changed', 'SELECT oauth1.alter_provider(' . quote('changed') . ', api_urls => ' . ${ urls($secure[0]) } . ')', 'OA003', qr/api_urls/ ])
{
	my ($what, $consumer, $sql, $sqlstate, $like) = @$change;
	my $alice = OAuth1::Session->new($node, user => 'alice');
	my $mark = $service->mark;
	$alice->start("SELECT oauth1.http_get('$consumer', " . quote(start_of('first_byte=600,redirect=302:%2Fapi%2Fecho')) . q{, token => '')});
	my $tries = 200;
	sleep 0.02 while !$service->ledger($mark) && $tries--;
	$dba->rows($sql);
	is_error(OAuth1::Session::parse($alice->finish) // {}, $sqlstate, $like, $what);
	is(scalar $service->ledger($mark), 1, "$what: one request");
}

done_testing();
