# Signed calls against the loopback service: what was meant is signed, what was signed is sent,
# what came back is told.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Encode qw(decode_utf8 encode_utf8);
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
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
$service->add_consumer(
	key => 'with-tokens',
	secret => 'demo-secret',
	tokens => [ { token => 'token-1', secret => 'secret-1' }, { token => 'tökén 2/+', secret => 'sécret & 2' } ]);
$service->add_consumer(key => 'always', secret => 's', body_hash_always => JSON::PP::true);
$service->add_consumer(key => 'sha1', secret => 's', body_hash_always => JSON::PP::true, body_hash_sha1 => JSON::PP::true);

my $node = OAuth1::Node->start('main', service => $service);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE ROLE alice LOGIN; GRANT CREATE ON SCHEMA public TO alice');
my $registered = OAuth1::Registered->new($dba, $service);
$registered->provider('api');
$registered->consumer('api', 'api', 'with-tokens', 'demo-secret');
$dba->rows(q{SELECT oauth1.set_token('api', 'token-1', 'secret-1')});
$dba->rows(q{SELECT oauth1.set_token('api', 'tökén 2/+', 'sécret & 2', 'second')});
$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice')});
my $alice = OAuth1::Session->new($node, user => 'alice');

# ---------------------------------------------------------------- helpers

# Calls a function of oauth1; returns its response as a hash, and the requests that arrived.
sub call
{
	my ($call, $session) = @_;
	my $mark = $service->mark;
	my $row = ($session // $alice)->rows("SELECT to_json(r) FROM oauth1.$call r");
	return ($json->decode($row), $service->ledger($mark));
}

# What the service's echo said: { method, target, headers, body_base64, ... }
sub echoed
{
	my ($call, $session) = @_;
	my ($response, $sent) = call($call, $session);
	is($sent->{verdict}, 'ok', "verified: $call") or diag $sent->{detail}, $sent->{base_string};
	return ($json->decode($response->{body}), $sent);
}

sub header
{
	my ($request, $name) = @_;
	my @found = map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $request->{headers} };
	return @found == 0 ? undef : join ' AND ', @found;
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

# A path under /api/ that the service spoils.
sub flaky { return $service->url("/flaky/$_[0]/api/echo"); }

# 3.6
sub encoded { return encode_utf8($_[0]) =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ger; }

# Providers whose api_urls hold the spoiled paths too.
my $anywhere = \("ARRAY['" . $service->url('/') . "']");
$registered->provider('any', api_urls => $anywhere);
$registered->consumer('any', 'any', 'demo-key', 'demo-secret');
$dba->rows(q{SELECT oauth1.grant_consumer('any', 'alice')});
$_->rows(q{SET oauth1.token = ''}) foreach $alice, $dba;
my $get = sub { return call('http_get(' . quote('any') . ', ' . quote($_[0]) . ($_[1] // '') . ')'); };

# ---------------------------------------------------------------- six verbs

foreach my $verb (qw(get head post put patch delete))
{
	my ($response, $sent) = call("http_$verb('api', '/echo')");
	is($response->{status}, 200, "$verb: status");
	is($sent->{method}, uc $verb, "$verb: method");
	is($sent->{verdict}, 'ok', "$verb: verified");
	is($sent->{body}, '', "$verb: no body");
	is(header($sent, 'Content-Length'), $verb =~ /^p/ ? 0 : undef, "$verb: Content-Length where a body is meant");
	is(header($sent, 'Content-Type'), undef, "$verb: no Content-Type");
	is($response->{body_bytes}, undef, "$verb: no bytes");
	$verb eq 'head'
	  ? is($response->{body}, undef, 'head: no body')
	  : is($json->decode($response->{body})->{method}, uc $verb, "$verb: the answer's body");
	cmp_ok($response->{elapsed_ms}, '>', 0, "$verb: elapsed_ms");
	cmp_ok($response->{elapsed_ms}, '<', 10000, "$verb: elapsed_ms is of this call");
	is(header($sent, 'User-Agent'), 'oauth1/1.0 (PostgreSQL)', "$verb: User-Agent");
	is(header($sent, 'Accept'), '*/*', "$verb: Accept");
	is(header($sent, 'Accept-Encoding'), 'gzip, deflate', "$verb: Accept-Encoding");
	is(header($sent, 'Expect'), undef, "$verb: no Expect");
	is(header($sent, 'Host'), 'localhost:' . $service->port('https'), "$verb: Host");
}

# ---------------------------------------------------------------- bodies

my $all_bytes = join '', map { chr } 0 .. 255;
my @bodies = (
	[ json => q{body_json => '{"b": [1, 2.50, null], "a": "é \" 🔔", "": {}}'},
		encode_utf8('{"": {}, "a": "é \" 🔔", "b": [1, 2.50, null]}'), 'application/json' ],
	[ json_scalar => q{body_json => 'null'}, 'null', 'application/json' ],
	[ form => q{form => '{"tag": ["a", "b b"], "é&=": "+%/", "n": 1.50, "t": true, "none": null, "": ""}'},
		'=&n=1.50&t=true&tag=a&tag=b%20b&%C3%A9%26%3D=%2B%25%2F', 'application/x-www-form-urlencoded' ],
	[ form_empty => q{form => '{}'}, '', 'application/x-www-form-urlencoded' ],
	[ text => qq{body => E'line 1\\nligne 2 é 🔔\\r\\n'}, encode_utf8("line 1\nligne 2 é 🔔\r\n"), 'text/plain; charset=utf-8' ],
	[ text_empty => q{body => ''}, '', 'text/plain; charset=utf-8' ],
	[ text_form => q{body => 'a=1&b=%20+&a=%c3%a9&c', content_type => 'application/x-www-form-urlencoded'},
		'a=1&b=%20+&a=%c3%a9&c', 'application/x-www-form-urlencoded' ],
	[ text_form_charset => q{body => 'a=1', content_type => 'application/x-www-form-urlencoded ; charset=utf-8'},
		'a=1', 'application/x-www-form-urlencoded ; charset=utf-8' ],
	[ xml => q{body => '<é/>', content_type => 'application/xml'}, encode_utf8('<é/>'), 'application/xml' ],
	[ bytes => q{body_bytes => '\x} . unpack('H*', $all_bytes) . q{'}, $all_bytes, 'application/octet-stream' ],
	[ bytes_empty => q{body_bytes => ''}, '', 'application/octet-stream' ],
	[ bytes_type => q{body_bytes => '\x89504e47', content_type => 'image/png'}, "\x89PNG", 'image/png' ],
	[ large => q{body_bytes => convert_to(repeat('0123456789abcdef', 16384), 'UTF8')}, '0123456789abcdef' x 16384, 'application/octet-stream' ]);

foreach my $verb (qw(post put patch delete))
{
	foreach my $case (@bodies)
	{
		my ($name, $argument, $expected, $type) = @$case;
		my ($echo, $sent) = echoed("http_$verb('api', '/echo', $argument)");
		is($echo->{method}, uc $verb, "$verb, $name: method");
		ok(decode_base64($echo->{body_base64}) eq $expected, "$verb, $name: the octets arrived")
		  or diag substr $echo->{body} // $echo->{body_base64}, 0, 200;
		is(header($sent, 'Content-Type'), $type, "$verb, $name: Content-Type");
		is(header($sent, 'Content-Length'), length $expected, "$verb, $name: Content-Length");
		last if $verb ne 'post' && $name eq 'form';
	}
}

# The same by request() and http_call, and with a method of one's own.
foreach my $case (@bodies)
{
	my ($name, $argument, $expected, $type) = @$case;
	my ($echo, $sent) = echoed(
		qq{http_call('api', oauth1.request('report', '/echo', params => '{"q": "é"}', headers => '{"X-A": "b"}', $argument))});
	is("$echo->{method} $echo->{target}", 'REPORT /api/echo?q=%C3%A9', "http_call, $name: method and query");
	ok(decode_base64($echo->{body_base64}) eq $expected, "http_call, $name: the octets arrived");
	is(header($sent, 'Content-Type'), $type, "http_call, $name: Content-Type");
	is(header($sent, 'X-A'), 'b', "http_call, $name: headers");
}
my ($echo, $sent) = echoed(q{http_call('api', ROW('get', '/echo?a=1', NULL, NULL, NULL)::oauth1.http_request)});
is("$echo->{method} $echo->{target}", 'GET /api/echo?a=1', 'http_call: a request made by hand');
($echo, $sent) = echoed(q{http_call('api', ROW('GET', '/echo', NULL, 'text/x', convert_to('body', 'UTF8'))::oauth1.http_request)});
is("$echo->{method} $echo->{body}", 'GET body', 'http_call: a GET with a body');
my $mark = $service->mark;
foreach my $case (
	[ q{http_call('api', NULL)}, '22004', qr/request must not be null/ ],
	[ q{http_call('api', ROW(NULL, '/echo', NULL, NULL, NULL)::oauth1.http_request)}, '22004', qr/http_method/ ],
	[ q{http_call('api', ROW('GET', NULL, NULL, NULL, NULL)::oauth1.http_request)}, '22004', qr/url/ ],
	[ q{http_call('api', ROW('G ET', '/echo', NULL, NULL, NULL)::oauth1.http_request)}, '22023', qr/method|base string/ ],
	[ q{http_call('api', ROW('', '/echo', NULL, NULL, NULL)::oauth1.http_request)}, '22023', qr/method|base string/ ],
	[ q{http_call('api', ROW('HEAD', '/echo', NULL, NULL, '\x00')::oauth1.http_request)}, '22023', qr/HEAD.*body/ ],
	[ q{http_post('api', '/echo', form => '{}', body => '')}, '22023', qr/more than one body/ ],
	[ q{http_post('api', '/echo', body_json => '1', body_bytes => '')}, '22023', qr/more than one body/ ],
	[ q{http_post('api', '/echo', form => '{}', files => '{"f": {}}')}, '22023', qr/file "f"/ ],
	[ q{http_post('api', '/echo', form => '[]')}, '22023', qr/object/ ],
	[ q{http_post('api', '/echo', form => '{"a": {"b": 1}}')}, '22023', qr/"a"/ ],
	[ q{http_post('api', '/echo', form => '{}', content_type => 'text/plain')}, '22023', qr/form/ ],
	[ q{http_post('api', '/echo', body => 'a', content_type => 'a/b', headers => '{"Content-Type": "c/d"}')}, '22023', qr/twice/ ],
	[ q{http_post('api', '/echo', body => 'a=%zz', content_type => 'application/x-www-form-urlencoded')}, '22P02', qr/form/ ],
	[ q{http_get('api', '/echo', params => '[]')}, '22023', qr/object/ ],
	[ q{http_get('api', '/echo', headers => '"x"')}, '22023', qr/object/ ],
	[ q{http_get('api', '/echo', timeout_ms => 0)}, '22023', qr/timeout_ms/ ],
	[ q{http_get('api', '/echo', timeout_ms => -1)}, '22023', qr/timeout_ms/ ],
	[ q{http_get(NULL, '/echo')}, '22004', qr/consumer/ ],
	[ q{http_get('api', NULL)}, '22004', qr/url/ ],
	[ q{http_get('api', '')}, '22023', qr/URL/ ],
	[ q{http_get('api', 'echo')}, '22023', qr/URL/ ],
	[ q{http_get('api', '/echo?oauth_signature=x')}, '22023', qr/oauth_signature/ ],
	[ q{http_get('api', '/echo', params => '{"oauth_token": "x"}', token => 'default')}, '22023', qr/oauth_token/ ],
	[ q{http_get('api', '/echo?%6fauth_nonce=x')}, '22023', qr/oauth_nonce/ ],
	[ q{http_post('api', '/echo', form => '{"oauth_consumer_key": "x"}')}, '22023', qr/oauth_consumer_key/ ])
{
	my ($call, $sqlstate, $like) = @$case;
	is_error($alice->error("SELECT oauth1.$call"), $sqlstate, $like, $call);
}
is(scalar $service->ledger($mark), 0, 'nothing was sent for any of them');

# ---------------------------------------------------------------- body hash

foreach my $case (
	# provider's body_hash, consumer key, options, signature method
	[ 'off', 'demo-key', undef, 'HMAC-SHA256' ],
	[ 'auto', 'demo-key', undef, 'HMAC-SHA1' ],
	[ 'auto', 'demo-key', undef, 'HMAC-SHA512' ],
	[ 'always', 'always', undef, 'HMAC-SHA256' ],
	[ 'always', 'sha1', '{"body_hash_method": "SHA-1"}', 'HMAC-SHA256' ])
{
	my ($body_hash, $key, $options, $method) = @$case;
	my $name = lc "hash_${body_hash}_${key}_$method" =~ s/-/_/gr;
	$registered->provider($name, body_hash => $body_hash, signature_method => $method, options => $options);
	$registered->consumer($name, $name, $key, $key eq 'demo-key' ? 'demo-secret' : 's');
	foreach my $body (@bodies[ 0, 2, 4, 9, 10 ])
	{
		my ($what, $argument) = @$body;
		my (undef, $request) = call("http_post('$name', '/echo', $argument)", $dba);
		is($request->{verdict}, 'ok', "$name, $what: verified");
		ok(exists $request->{oauth}{oauth_body_hash} == ($body_hash ne 'off' && $what ne 'form'),
			"$name, $what: oauth_body_hash where it belongs");
	}
	my (undef, $request) = call("http_get('$name', '/echo')", $dba);
	is($request->{verdict}, 'ok', "$name, GET: verified");
	ok(exists $request->{oauth}{oauth_body_hash} == ($body_hash eq 'always'), "$name, GET: oauth_body_hash only with always");
}

# ---------------------------------------------------------------- transmission, realm, options

foreach my $transmission (qw(query body))
{
	$registered->both("in_$transmission", transmission => $transmission);
	my $in_query = $transmission eq 'query';
	foreach my $case (
		[ q{http_get('%s', '/echo')}, 'query' ],
		[ q{http_get('%s', '/echo?')}, 'query' ],
		[ q{http_get('%s', '/echo?a=b&', params => '{"c": "d e"}')}, 'query' ],
		[ q{http_post('%s', '/echo?a=b', form => '{"é": "x y"}')}, $transmission ],
		[ q{http_post('%s', '/echo', form => '{}')}, $transmission ],
		[ q{http_post('%s', '/echo', body => 'c=d&', content_type => 'application/x-www-form-urlencoded')}, $transmission ],
		[ q{http_post('%s', '/echo', body_json => '{"a": 1}')}, 'query' ])
	{
		my ($call, $where) = @$case;
		my (undef, $request) = call(sprintf($call, "in_$transmission"), $dba);
		is($request->{verdict}, 'ok', "in_$transmission: $call: verified") or diag $request->{target}, decode_base64($request->{body});
		is($request->{transmission}, $where, "in_$transmission: $call: in the $where");
		is(header($request, 'Authorization'), undef, "in_$transmission: $call: no Authorization");
		unlike($request->{target}, qr/\?&|&&|[?&]$/, "in_$transmission: $call: no empty piece")
		  unless $call =~ /&'/;
	}
}

$registered->both('fixed_realm', realm => 'https://example.com/ "a" é');
($echo, $sent) = call(q{http_get('fixed_realm', '/echo')}, $dba);
is($sent->{verdict}, 'ok', 'a realm: verified');
like(header($sent, 'Authorization'), qr/^OAuth realm="/, 'a realm: first in the header');
$registered->both('url_realm', realm => '{url}');
($echo, $sent) = call(q{http_get('url_realm', '/echo/x%20y?a=b')}, $dba);
is($sent->{oauth}{realm}, $service->url('/api/echo/x%20y'), 'the realm {url}: the URL without its query');
is($sent->{verdict}, 'ok', 'the realm {url}: verified');
$registered->both('no_realm');
($echo, $sent) = call(q{http_get('no_realm', '/echo', params => '{"realm": "x"}')}, $dba);
is($sent->{verdict}, 'ok', 'a parameter named realm is signed like any other');

$registered->provider('with_options',
	options => '{"empty_token": true, "user_agent": "ours/2", "headers": {"X-Key": "k={consumer_key}", "X-Shop": "{shop}", "accept": "application/json"}}');
$registered->consumer('with_options', 'with_options', 'demo-key', 'demo-secret', vars => '{"shop": "café 1"}');
($echo, $sent) = call(q{http_get('with_options', '/echo')}, $dba);
is($sent->{verdict}, 'ok', 'options: verified');
is($sent->{oauth}{oauth_token}, '', 'empty_token: oauth_token=""');
like(header($sent, 'Authorization'), qr/oauth_token=""/, 'empty_token: in the header');
is(header($sent, 'User-Agent'), 'ours/2', 'user_agent');
is(header($sent, 'X-Key'), 'k=demo-key', 'headers: {consumer_key}');
is(decode_utf8(encode_utf8(header($sent, 'X-Shop'))), encode_shop('café 1'), 'headers: a var, in UTF-8');
is(header($sent, 'Accept'), 'application/json', 'headers: in place of the usual');
($echo, $sent) = call(q{http_get('with_options', '/echo', headers => '{"x-key": "mine", "User-Agent": "me", "X-Two": ["a", "b"]}')}, $dba);
is(header($sent, 'X-Key'), 'mine', "the caller's header stands before the provider's");
is(header($sent, 'User-Agent'), 'me', "the caller's User-Agent too");
is(header($sent, 'X-Two'), 'a AND b', 'an array is a field twice');
($echo, $sent) = call(q{http_get('with_options', '/echo', headers => '{"accept-encoding": "identity"}')}, $dba);
is(header($sent, 'Accept-Encoding'), 'identity', "the caller's Accept-Encoding stands in place of ours");

# http.server reads header fields as Latin-1.
sub encode_shop { return join '', map { chr } unpack 'C*', encode_utf8($_[0]); }

$alice->rows(q{SET oauth1.user_agent = ''});
($echo, $sent) = call(q{http_get('api', '/echo')});
is(header($sent, 'User-Agent'), undef, 'oauth1.user_agent empty: none is sent');
$alice->rows('RESET oauth1.user_agent');

# ---------------------------------------------------------------- the wire is what was signed

my %params = (
	'a' => [ '1', '', '2' ],
	'ü' => 'x y',
	'reserved' => q{!*'();:@&=+$,/?#[]},
	'plain' => 'A-Z.a_z~0',
	'tags[]' => [ 'a', 'b' ],
	'percent' => '100 %25',
	'sky' => '🔔 漏斗');
my $text = $json->encode(\%params) =~ s/'/''/gr;
# In the order of jsonb: by length of the name's octets, then by octets.
my @order = sort { length encode_utf8($a) <=> length encode_utf8($b) || encode_utf8($a) cmp encode_utf8($b) } keys %params;
my $query = join '&', map { my $name = $_; map { encoded($name) . '=' . encoded($_) } ref $params{$_} ? @{ $params{$_} } : $params{$_} } @order;
($echo, $sent) = echoed("http_get('api', '/echo', params => '$text')");
is($echo->{target}, "/api/echo?$query", 'params: Unicode, spaces, reserved characters, arrays');
($echo, $sent) = echoed("http_post('api', '/echo?z=1', params => '$text', form => '$text')");
is($echo->{target}, "/api/echo?z=1&$query", 'params and form: the query');
is($echo->{body}, $query, 'params and form: the body');

my $base = $service->url('/api');
foreach my $case (
	# given, sent
	[ "$base/echo?a=b%2fc+d&e", '/api/echo?a=b%2fc+d&e' ],
	[ "$base/echo?a=b c&ü=é", '/api/echo?a=b%20c&%C3%BC=%C3%A9' ],
	[ "$base/echo/é x/%e9%2F;v=1,2", '/api/echo/%C3%A9%20x/%e9%2F;v=1,2' ],
	[ "$base/echo//a///b", '/api/echo//a///b' ],
	[ "$base/echo/a.b/..c/...", '/api/echo/a.b/..c/...' ],
	[ "$base/echo?", '/api/echo?' ],
	[ "$base/echo?&&a=1&", '/api/echo?&&a=1&' ],
	[ "$base/echo?a=1#fragment?x=y", '/api/echo?a=1' ],
	[ "$base/echo?a=/../b/./c", '/api/echo?a=/../b/./c' ],
	[ "$base/echo?a=b=c==", '/api/echo?a=b=c==' ],
	[ "$base/echo?http://other/", '/api/echo?http://other/' ],
	[ 'HTTPS://LOCALHOST:' . $service->port('https') . '/api/echo', '/api/echo' ],
	[ '/echo/relative?a=1', '/api/echo/relative?a=1' ],
	[ '//echo', '/api//echo', 404 ],
	[ '/echo/' . 'x' x 6000, '/api/echo/' . 'x' x 6000 ])
{
	my ($given, $expected, $status) = @$case;
	my ($response, $request) = call('http_get(' . quote('api') . ', ' . quote($given) . ')');
	is($request->{target}, $expected, 'sent: ' . substr $expected, 0, 60);
	is($request->{verdict}, $status ? undef : 'ok', 'verified: ' . substr $expected, 0, 60);
	is($response->{status}, $status // 200, 'answered: ' . substr $expected, 0, 60);
}
foreach my $case (
	[ '/echo', '/api/echo?p=q' ], [ '/echo?', '/api/echo?p=q' ], [ '/echo?a', '/api/echo?a&p=q' ],
	[ '/echo?a&', '/api/echo?a&p=q' ], [ '/echo#f', '/api/echo?p=q' ], [ '/echo?a#f?', '/api/echo?a&p=q' ])
{
	my ($given, $expected) = @$case;
	($echo) = echoed("http_get('api', '$given', params => '{\"p\": \"q\"}')");
	is($echo->{target}, $expected, "params behind $given");
}

# Octets that oauthlib takes for unencoded, and others do not: signed and sent as given.
$mark = $service->mark;
$dba->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo?a[0]=1&b={x}|`^"<>')});
($sent) = $service->ledger($mark);
is($sent->{target}, q{/api/echo?a[0]=1&b={x}|`^"<>}, 'raw brackets and quotes are sent as given');
my %oauth = header($sent, 'Authorization') =~ /(\w+)="([^"]*)"/g;
s/%(..)/chr hex $1/ge foreach values %oauth;
my $signature = delete $oauth{oauth_signature};
is($dba->rows('SELECT oauth1.signature_matches(' . join(', ', map { quote($_) } 'GET', $service->url($sent->{target}),
			$json->encode(\%oauth), $signature, 'demo-secret') . ')'),
	't', 'and signed so');

# Relative to an api_url with and without a slash at its end, and to a bare origin.
foreach my $end ('/api/echo/', '/api/echo', '')
{
	my $name = 'under_' . ($end =~ s/\W/_/gr);
	$registered->both($name, api_urls => \("ARRAY['" . $service->url($end) . "', 'https://unused.example']"));
	my $rest = $end eq '' ? '/api/echo/x' : '/x';
	($echo) = echoed("http_get('$name', '$rest')", $dba);
	is($echo->{target}, '/api/echo/x', "a relative URL under '$end'");
}

# ---------------------------------------------------------------- which token

foreach my $case (
	[ q{}, undef, 'oauth1.token = empty: two-legged' ],
	[ q{, token => 'default'}, 'token-1', 'a token by name' ],
	[ q{, token => 'second'}, 'tökén 2/+', 'another token by name' ],
	[ q{, token => ''}, undef, 'an empty name: two-legged' ],
	[ q{, token => NULL}, undef, 'NULL: two-legged' ])
{
	my ($argument, $token, $name) = @$case;
	(undef, $sent) = echoed("http_get('api', '/echo'$argument)");
	is($sent->{oauth}{oauth_token}, $token, $name);
}
$alice->rows(q{SET oauth1.token = 'second'});
(undef, $sent) = echoed(q{http_get('api', '/echo')});
is($sent->{oauth}{oauth_token}, 'tökén 2/+', 'oauth1.token names the default');
$alice->rows(q{RESET oauth1.token});
(undef, $sent) = echoed(q{http_get('api', '/echo')});
is($sent->{oauth}{oauth_token}, 'token-1', 'without the setting it is default');
is_error($alice->error(q{SELECT oauth1.http_get('api', '/echo', token => 'none')}), 'OA007', qr/token "none"/, 'no such token');
is_error($alice->error(q{SELECT oauth1.http_get('none', '/echo')}), 'OA007', qr/consumer "none"/, 'no such consumer');
$_->rows(q{SET oauth1.token = ''}) foreach $alice, $dba;

# A secret that was never set.
$registered->consumer('no_secret', 'api', 'demo-key', undef);
is_error($dba->error(q{SELECT oauth1.http_get('no_secret', '/echo', token => '')}), 'OA001', qr/has no secret/, 'no secret');
$registered->provider('rsa', signature_method => 'RSA-SHA256');
$registered->consumer('no_key', 'rsa', 'rsa-key', 'only a secret');
is_error($dba->error(q{SELECT oauth1.http_get('no_key', '/echo', token => '')}), 'OA001', qr/has no private key/, 'no private key');
$registered->consumer('no_words', 'api', 'empty-secret', '');
$service->add_consumer(key => 'empty-secret', secret => '');
(undef, $sent) = echoed(q{http_get('no_words', '/echo', token => '')}, $dba);

# ---------------------------------------------------------------- the response

my ($response) = $get->(flaky('header=X-One:a,header=x-one: b ,header=X-Two:c%2Cd,header=Empty:'));
is($response->{headers}{'x-one'}, 'a, b', 'a repeated header is joined');
is($response->{headers}{'x-two'}, 'c,d', 'names in lower case');
is($response->{headers}{empty}, '', 'an empty header');
is_deeply([ grep { /[A-Z]/ } keys %{ $response->{headers} } ], [], 'no name has capitals');
($response) = $get->(flaky('cookies=3'));
is_deeply($response->{headers}{'set-cookie'}, [ map { "c$_=v$_; Path=/, with a comma" } 0 .. 2 ], 'set-cookie: an array');
($response) = $get->(flaky('cookies=1'));
is_deeply($response->{headers}{'set-cookie'}, ['c0=v0; Path=/, with a comma'], 'set-cookie: an array, even of one');
($response) = $get->(flaky('header=X-Latin:caf%E9'));
is($response->{headers}{'x-latin'}, 'café', 'a header in ISO 8859-1');
($response) = $get->(flaky('header=X-Utf:caf%C3%A9'));
is($response->{headers}{'x-utf'}, 'café', 'a header in UTF-8');
($response) = $get->(flaky('more_headers=50'));
is(length $response->{headers}{'x-more-49'}, 1000, 'many headers');

my %type = (html => 'text%2Fhtml', plain => 'text%2Fplain', json => 'application%2Fjson');
foreach my $case (
	# modes, body, body_bytes
	[ "type=$type{plain},hex=636166c3a9", 'café', undef ],
	[ "type=$type{plain};charset=UTF-8,hex=636166c3a9", 'café', undef ],
	[ "type=$type{plain};charset=\"utf-8\";x=y,hex=636166c3a9", 'café', undef ],
	[ "type=$type{plain}; Charset=ISO-8859-1,hex=636166e9", 'café', undef ],
	[ "type=$type{html};charset=windows-1252,hex=80", '€', undef ],
	[ "type=$type{plain};charset=Shift_JIS,hex=93fa967b", '日本', undef ],
	[ "type=$type{plain};charset=us-ascii,hex=61", 'a', undef ],
	[ "type=$type{plain};charset=klingon,hex=61", undef, '\x61' ],
	[ "type=$type{plain};charset=,hex=61", undef, '\x61' ],
	[ "type=$type{plain};charset=iso-8859-1,hex=6100", undef, '\x6100' ],
	[ "type=$type{plain},hex=636166e9", undef, '\x636166e9' ],
	[ "type=$type{plain},hex=610062", undef, '\x610062' ],
	[ "type=$type{json},hex=7b7d", '{}', undef ],
	[ 'type=application%2Fvnd.api%2Bjson,hex=7b7d', '{}', undef ],
	[ 'type=application%2Fatom%2Bxml; x=1,hex=3c612f3e', '<a/>', undef ],
	[ 'type=application%2Fx-www-form-urlencoded,hex=613d62', 'a=b', undef ],
	[ 'type=image%2Fpng,hex=89504e47', undef, '\x89504e47' ],
	[ 'type=application%2Foctet-stream,hex=6162', undef, '\x6162' ],
	[ 'type,hex=6162', 'ab', undef ],
	[ 'type,hex=ff', undef, '\xff' ],
	[ "type=$type{plain},body", undef, undef ],
	[ 'status=204', undef, undef ],
	[ 'status=304', undef, undef ],
	[ "chunked=3,type=$type{plain},body=abcdefgh", 'abcdefgh', undef ],
	[ "no_length,type=$type{plain},body=abcdefgh", 'abcdefgh', undef ],
	[ "interim=2,type=$type{plain},body=abcdefgh", 'abcdefgh', undef ],
	[ "type=$type{plain},body=abcdefgh,gzip", 'abcdefgh', undef ],
	[ 'type=image%2Fpng,hex=00ff,gzip,chunked=3', undef, '\x00ff' ],
	[ "type=$type{plain},header=Content-Encoding:deflate,hex=789ccb48cdc9c90700062c0215,chunked=1", 'hello', undef ],
	[ "type=$type{plain},header=Content-Encoding:deflate,hex=cb48cdc9c90700", 'hello', undef ],
	[ "type=$type{plain},header=Content-Encoding:X-GZIP,hex=" . '1f8b0800000000000203cb48cdc9c9070086a6103605000000' x 2, 'hellohello', undef ],
	[ "type=$type{plain},header=Content-Encoding:identity,body=abc", 'abc', undef ],
	[ 'status=204,header=Content-Encoding:br', undef, undef ])
{
	my ($modes, $body, $bytes) = @$case;
	($response) = $get->(flaky($modes));
	is($response->{body}, $body, "body of $modes");
	is($response->{body_bytes}, $bytes, "body_bytes of $modes");
}
($response) = $get->(flaky('type=text%2Fhtml; charset=utf-8,body=x'));
is($response->{content_type}, 'text/html; charset=utf-8', 'content_type as it came');
($response) = $get->(flaky('type,body=x'));
is($response->{content_type}, undef, 'no content_type');
foreach my $status (200, 201, 301, 400, 401, 404, 429, 500, 503, 599)
{
	($response) = $get->(flaky("status=$status"));
	is($response->{status}, $status, "status $status is data");
}
($response) = $get->(flaky('as=202,slow_body=150'));
cmp_ok($response->{elapsed_ms}, '>=', 140, 'elapsed_ms counts the whole answer');

# ---------------------------------------------------------------- raise_for_status

foreach my $case (
	[ 'status=404', qr/HTTP status 404/ ],
	[ 'status=500', qr/HTTP status 500/ ],
	[ 'problem=token_expired', qr/HTTP status 401.*oauth_problem=token_expired.*HINT/s ],
	[ 'problem_header=signature_invalid', qr/HTTP status 401.*oauth_problem=signature_invalid/s ],
	[ 'status=429,header=Retry-After:7', qr/HTTP status 429.*Retry-After is "7"/s ],
	[ 'type=application%2Fjson,body=%7B%22oauth_problem%22%3A%22nonce_used%22%7D,as=400', qr/oauth_problem=nonce_used/ ])
{
	my ($modes, $like) = @$case;
	is_error($alice->error('SELECT oauth1.raise_for_status(r) FROM oauth1.http_get(' . quote('any') . ', ' . quote(flaky($modes)) . ') r'),
		'OA010', $like, 'raise_for_status: ' . substr $modes, 0, 50);
}
foreach my $modes ('status=200', 'status=204', 'status=302', 'status=399')
{
	is($alice->rows('SELECT (x).status FROM oauth1.http_get(' . quote('any') . ', ' . quote(flaky($modes))
			  . ') r, LATERAL (SELECT oauth1.raise_for_status(r) AS x OFFSET 0) y'),
		$modes =~ s/\D+//r, "raise_for_status: $modes passes");
}

# ---------------------------------------------------------------- failures of the transfer

# url, arguments, SQLSTATE, what the error says, how many requests arrive
foreach my $case (
	[ $service->url('/api/echo', 'refused'), '', 'OA008', qr/could not connect.*nothing was sent/is, 0 ],
	[ $service->url('/api/echo', 'https_expired'), '', 'OA008', qr/nothing was sent/i, 0 ],
	[ $service->url('/api/echo', 'https_wrong_name'), '', 'OA008', qr/nothing was sent/i, 0 ],
	[ $service->url('/api/echo', 'https_self_signed'), '', 'OA008', qr/nothing was sent/i, 0 ],
	[ $service->url('/api/echo', 'full'), ', timeout_ms => 300', 'OA006', qr/within 300 ms\. Nothing was sent/, 0 ],
	[ $service->url('/api/echo', 'silent'), ', timeout_ms => 300', 'OA006', qr/Nothing was sent/, 0 ],
	[ flaky('hang'), ', timeout_ms => 300', 'OA006', qr/was sent; whether it was received is not known/, 1 ],
	[ flaky('first_byte=2000'), ', timeout_ms => 300', 'OA006', qr/whether it was received is not known/, 1 ],
	[ flaky('slow_body=2000'), ', timeout_ms => 300', 'OA006', qr/had begun to answer/, 1 ],
	[ flaky('hangup'), '', 'OA009', qr/whether it was received is not known/, 1 ],
	[ flaky('reset'), '', 'OA009', qr/whether it was received is not known/, 1 ],
	[ flaky('truncate'), '', 'OA008', qr/status 200, then the transfer broke/, 1 ],
	[ flaky('reset_body'), '', 'OA008', qr/status 200, then the transfer broke/, 1 ],
	[ flaky('bad_chunk'), '', 'OA008', qr/status 200, then the transfer broke/, 1 ],
	[ flaky('garbage'), '', 'OA009', qr/./, 1 ],
	[ flaky('half_header'), '', 'OA008', qr/in the middle of the headers.*status 200/, 1 ],
	[ flaky('header=Content-Encoding:gzip,body=no'), '', 'OA008', qr/content coding it should.*status 200, then the transfer broke/, 1 ],
	[ flaky('header=Content-Encoding:gzip,hex=1f8b0800000000000203cb48cdc9c9070086a61036050000'), '', 'OA008', qr/ends before its content coding does.*status 200/, 1 ],
	[ flaky('header=Content-Encoding:br,body=no'), '', 'OA008', qr/not asked for.*status 200/, 1 ],
	[ flaky('gzip,truncate'), '', 'OA008', qr/status 200, then the transfer broke/, 1 ],
	[ flaky('bomb=1000000'), '', 'OA004', qr/too large/, 1 ],
	[ flaky('endless'), '', 'OA004', qr/oauth1\.max_response_size/, 1 ],
	[ flaky('fill=70000'), '', 'OA004', qr/too large/, 1 ],
	[ flaky('more_headers=400'), '', 'OA004', qr/too large/, 1 ])
{
	my ($url, $arguments, $sqlstate, $like, $count) = @$case;
	my $name = $url =~ s{^https?://localhost:\d+}{}r;
	my ($port) = $url =~ /:(\d+)/;
	($name) = grep { $service->port($_) == $port } keys %{ $service->{ports} } if $name eq '/api/echo';
	$registered->both("at_$port", api_urls => \("ARRAY['https://localhost:$port/']"))
	  if $dba->rows("SELECT count(*) FROM oauth1.consumer WHERE name = 'at_$port'") eq '0';
	foreach my $call ("http_get('at_$port', '$url'", "http_post('at_$port', '$url', body => 'x'")
	{
		$mark = $service->mark;
		my $started = time;
		my $error = $dba->error("SET oauth1.max_response_size = '64kB'; SELECT oauth1.$call, token => ''$arguments)");
		my $what = ($call =~ /^http_get/ ? 'GET ' : 'POST ') . $name;
		like($error->{sqlstate}, qr/^$sqlstate$/, "$what: $sqlstate");
		like($error->{text}, $like, "$what: says so");
		like($error->{message}, qr/"localhost"/, "$what: names the host");
		cmp_ok(time - $started, '<', 1.5, "$what: in time") if $arguments;
		is(scalar $service->ledger($mark), $count, "$what: $count arrived");
	}
}
$dba->rows('RESET oauth1.max_response_size');

# A body of exactly the limit is none too many.
$alice->rows(q{SET oauth1.max_response_size = '64kB'});
($response) = $get->(flaky('fill=65536'));
is(length $response->{body}, 65536, 'a body as long as the limit');
($response) = $get->(flaky('fill=65536,gzip'));
is(length $response->{body}, 65536, 'a compressed body as long as the limit');
is($response->{headers}{'content-encoding'}, 'gzip', 'its headers are as they came');
is_error($alice->error('SELECT oauth1.http_get(' . quote('any') . ', ' . quote(flaky('fill=65537')) . ')'), 'OA004', qr/large/, 'an octet more');
$alice->rows(q{RESET oauth1.max_response_size});

# The settings' times.
$alice->rows(q{SET oauth1.timeout = '250ms'});
is_error($alice->error('SELECT oauth1.http_get(' . quote('any') . ', ' . quote(flaky('hang')) . ')'), 'OA006', qr/within 250 ms/, 'oauth1.timeout');
($response) = $get->(flaky('first_byte=400'), ', timeout_ms => 5000');
is($response->{status}, 200, 'timeout_ms stands before it');
$alice->rows('RESET oauth1.timeout');
$dba->rows(q{SET oauth1.connect_timeout = '250ms'});
my $error = $dba->error(sprintf q{SELECT oauth1.http_get('at_%d', '/', token => '')}, $service->port('silent'));
is($error->{sqlstate}, 'OA006', 'oauth1.connect_timeout: OA006');
like($error->{text}, qr/Nothing was sent/, 'oauth1.connect_timeout: nothing was sent');
$dba->rows(q{RESET oauth1.connect_timeout});

# Cancel and statement_timeout end a wait at once, and the session goes on.
foreach my $url (flaky('hang'), flaky('slow_body=5000'))
{
	my $what = $url =~ s{.*/flaky/([^/]*)/.*}{$1}r;
	$alice->rows(q{SET statement_timeout = '400ms'});
	my $started = time;
	is_error($alice->error('SELECT oauth1.http_get(' . quote('any') . ', ' . quote($url) . ', timeout_ms => 20000)'),
		'57014', qr/statement timeout/, "statement_timeout: $what");
	cmp_ok(time - $started, '<', 1.0, "statement_timeout: $what: at once");
	$alice->rows('RESET statement_timeout');

	my $pid = $alice->pid;
	$mark = $service->mark;
	$alice->start('SELECT oauth1.http_get(' . quote('any') . ', ' . quote($url) . ', timeout_ms => 20000)');
	my $tries = 200;
	sleep 0.02 while !$service->ledger($mark) && $tries--;
	sleep 0.1;
	$started = time;
	$dba->rows("SELECT pg_cancel_backend($pid)");
	is_error(OAuth1::Session::parse($alice->finish), '57014', qr/user request/, "cancel: $what");
	cmp_ok(time - $started, '<', 0.5, "cancel: $what: at once");
	($response) = $get->('/api/echo');
	is($response->{status}, 200, "cancel: $what: the session goes on");
}

# ---------------------------------------------------------------- connections

my $fresh = OAuth1::Session->new($node, user => 'alice');
$fresh->rows(q{SET oauth1.token = ''});
$mark = $service->mark;
$fresh->rows(q{SELECT status FROM oauth1.http_get('api', '/echo')}) foreach 1 .. 3;
$fresh->rows(q{BEGIN; SELECT status FROM oauth1.http_get('api', '/echo'); COMMIT});
$fresh->rows(q{BEGIN; SELECT status FROM oauth1.http_get('api', '/echo'); ROLLBACK});
$fresh->error(q{SELECT 1 / (status - 200) FROM oauth1.http_get('api', '/echo')});
$fresh->error(q{SELECT oauth1.http_get('api', 'https://elsewhere.example/')});
$fresh->rows(q{SELECT count(r.status) FROM generate_series(1, 5) n, LATERAL oauth1.http_post('api', '/echo', form => jsonb_build_object('n', n)) r});
my %connections = map { $_->{connection} => 1 } $service->ledger($mark);
is(scalar(my @requests = $service->ledger($mark)), 11, 'eleven calls');
is(scalar keys %connections, 1, 'on one connection, over statements, transactions and errors');

# A kept connection that dies without an answer: what may change something is not sent again.
foreach my $verb ('post', 'put', 'patch', 'delete')
{
	$mark = $service->mark;
	$fresh->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo')});
	is_error($fresh->error("SELECT oauth1.http_$verb('any', " . quote(flaky('hangup_reused')) . ')'), 'OA009', qr/not known/, "$verb on a dying connection");
	my @now = $service->ledger($mark);
	is(scalar @now, 2, "$verb on a dying connection: sent once");
	is($now[0]{connection}, $now[1]{connection}, "$verb on a dying connection: it was the kept one");
}
foreach my $verb ('get', 'head')
{
	$mark = $service->mark;
	$fresh->rows(q{SELECT status FROM oauth1.http_get('any', '/api/echo')});
	is($fresh->rows("SELECT r.status FROM oauth1.http_$verb('any', " . quote(flaky('hangup_reused')) . ') r'), 200, "$verb on a dying connection");
	my @now = $service->ledger($mark);
	is(scalar @now, 3, "$verb on a dying connection: sent again, once");
	is($now[0]{connection}, $now[1]{connection}, "$verb on a dying connection: it was the kept one");
	isnt($now[1]{oauth}{oauth_nonce}, $now[2]{oauth}{oauth_nonce}, "$verb on a dying connection: signed anew");
	is($now[2]{verdict}, 'ok', "$verb on a dying connection: verified");
}

# ---------------------------------------------------------------- where calls can stand

$mark = $service->mark;
$alice->rows(q{EXPLAIN (VERBOSE) SELECT * FROM oauth1.http_get('api', '/echo')});
is(scalar $service->ledger($mark), 0, 'EXPLAIN makes no call');

$mark = $service->mark;
is($alice->rows(q{SELECT string_agg(r.body::jsonb ->> 'target', ' ' ORDER BY n)
    FROM generate_series(1, 3) n, LATERAL oauth1.http_get('api', '/echo/' || n) r}),
	'/api/echo/1 /api/echo/2 /api/echo/3', 'LATERAL: a call a row');
is(scalar $service->ledger($mark), 3, 'LATERAL: three calls');

$mark = $service->mark;
$alice->rows(q{SELECT (oauth1.http_get('api', '/echo')).*});
is(scalar $service->ledger($mark), 6, 'the trap: (f()).* is one call a column');
$mark = $service->mark;
$alice->rows(q{SELECT r.* FROM oauth1.http_get('api', '/echo') r});
is(scalar $service->ledger($mark), 1, 'in FROM it is one');

$mark = $service->mark;
$alice->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT (SELECT status FROM oauth1.http_get('api', '/echo/' || n)) FROM generate_series(1, 100) n});
is(scalar $service->ledger($mark), 0, 'a cursor: no call before the first FETCH');
is($alice->rows('FETCH 2 FROM c'), "200\n200", 'a cursor: FETCH 2');
is(scalar $service->ledger($mark), 2, 'a cursor: as many calls as rows');
$alice->rows('CLOSE c; COMMIT');

$alice->rows(<<~'SQL');
	CREATE TABLE orders (id int, status int);
	CREATE FUNCTION send_order() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
	    SELECT r.status INTO NEW.status FROM oauth1.http_post('api', '/echo', body_json => to_jsonb(NEW)) r;
	    RETURN NEW;
	END $$;
	CREATE TRIGGER send BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION send_order()
	SQL
$mark = $service->mark;
is($alice->rows('INSERT INTO orders VALUES (1), (2) RETURNING id, status'), "1|200\n2|200", 'in a trigger');
is_deeply([ map { decode_base64($_->{body}) . ' ' . $_->{verdict} } $service->ledger($mark) ],
	[ '{"id": 1, "status": null} ok', '{"id": 2, "status": null} ok' ], 'in a trigger: both rows were sent');

my $hang = quote(flaky('hang'));
is($alice->rows(<<~SQL), "OA006 200\n", 'in a block that catches');
	DO \$\$
	DECLARE
	    state text; status int;
	BEGIN
	    BEGIN
	        PERFORM oauth1.http_get('any', $hang, timeout_ms => 200);
	    EXCEPTION WHEN SQLSTATE 'OA006' THEN
	        state := SQLSTATE;
	    END;
	    SELECT r.status INTO status FROM oauth1.http_get('api', '/echo') r;
	    PERFORM set_config('test.said', state || ' ' || status, false);
	END \$\$;
	SELECT current_setting('test.said') || E'\\n'
	SQL

$mark = $service->mark;
is($alice->rows(q{SET force_parallel_mode = on; SELECT sum(r.status) FROM generate_series(1, 4) n, LATERAL oauth1.http_get('api', '/echo/' || n) r}),
	800, 'in a query that may run in parallel');
is(scalar $service->ledger($mark), 4, 'in a query that may run in parallel: four calls');
$alice->rows('RESET force_parallel_mode');

is($alice->rows(q{BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE; SELECT status FROM oauth1.http_get('api', '/echo', token => 'default'); COMMIT}),
	200, 'in a read-only transaction');
is($alice->rows(q{PREPARE p(text) AS SELECT r.body::jsonb ->> 'target' FROM oauth1.http_get('api', $1) r;
    SET plan_cache_mode = force_generic_plan; EXECUTE p('/echo/a'); EXECUTE p('/echo/b')}),
	"/api/echo/a\n/api/echo/b", 'as a prepared statement');
$alice->rows('RESET plan_cache_mode');

# ---------------------------------------------------------------- other server encodings

foreach my $encoding (qw(LATIN1 SQL_ASCII))
{
	my $db = lc $encoding;
	$dba->rows("CREATE DATABASE $db ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
	my $session = OAuth1::Session->new($node, dbname => $db);
	$session->rows('CREATE EXTENSION oauth1');
	my $there = OAuth1::Registered->new($session, $service);
	$there->provider('any', api_urls => $anywhere, realm => 'é', options => '{"headers": {"X-Shop": "é {shop}"}}');
	$there->consumer('any', 'any', 'with-tokens', 'demo-secret', vars => '{"shop": "ü"}');
	$session->rows(q{SELECT oauth1.set_token('any', 'tökén 2/+', 'sécret & 2')});

	my (undef, $request) = call(q{http_post('any', '/api/echo/é', form => '{"é": "ü"}', params => '{"ö": "ä"}', headers => '{"X-Mine": "ß"}')}, $session);
	is($request->{verdict}, 'ok', "$encoding: verified");
	is($request->{target}, '/api/echo/%C3%A9?%C3%B6=%C3%A4', "$encoding: the URL is sent as UTF-8");
	is(decode_base64($request->{body}), '%C3%A9=%C3%BC', "$encoding: so is a form");
	is($request->{oauth}{oauth_token}, 'tökén 2/+', "$encoding: so is a token");
	is(header($request, 'X-Shop'), encode_shop('é ü'), "$encoding: so are a provider's headers");
	is(header($request, 'X-Mine'), encode_shop('ß'), "$encoding: and the caller's");
	like(header($request, 'Authorization'), qr/realm="\Q${\encode_shop('é')}\E"/, "$encoding: and the realm");
	(undef, $request) = call(q{http_post('any', '/api/echo', body => 'é', token => '')}, $session);
	is(decode_base64($request->{body}), encode_utf8('é'), "$encoding: so is a text");
	(undef, $request) = call(q{http_post('any', '/api/echo', body_json => '{"a": "é"}', token => '')}, $session);
	is(decode_base64($request->{body}), encode_utf8('{"a": "é"}'), "$encoding: so is JSON");

	my $is_latin1 = $encoding eq 'LATIN1';
	my $read = sub {
		my ($modes, $column) = @_;
		return $session->rows("SELECT $column FROM oauth1.http_get('any', " . quote(flaky($modes)) . q{, token => '')});
	};
	is($read->("type=$type{plain},hex=c3a9", 'body'), 'é', "$encoding: UTF-8 comes");
	is($read->("type=$type{plain};charset=utf-8,hex=e282ac", 'body IS NULL, body_bytes'),
		$is_latin1 ? 't|\xe282ac' : 'f|', "$encoding: a character it has not");
	is($read->("type=$type{plain};charset=latin1,hex=e9", 'length(body)'), 1, "$encoding: latin1 comes");
	is($read->('header=X-A:%C3%A9', q{headers ->> 'x-a'}), 'é', "$encoding: a header in UTF-8");
	is_error($session->error('SELECT oauth1.raise_for_status(r) FROM oauth1.http_get(' . quote('any') . ', '
			  . quote(flaky('type=application%2Fjson,body=%7B%22oauth_problem%22%3A%22%5Cu20ac%22%7D,as=400')) . q{, token => '') r}),
		'OA010', qr/HTTP status 400/, "$encoding: a problem with a character it has not");
	is_error($session->error('SELECT oauth1.raise_for_status(r) FROM oauth1.http_get(' . quote('any') . ', '
			  . quote(flaky('type=application%2Fjson,body=%7B%22oauth_problem%22%3A%22token_expired%22%2C%22name%22%3A%22Jos%5Cu00e9%22%7D,as=400')) . q{, token => '') r}),
		'OA010', qr/oauth_problem=token_expired/, "$encoding: a problem beside an escaped character");

	# Token replies, from a path that asks for no approval.
	my $reply = sub { return $service->url('/flaky/body=' . encoded($_[0]) . '/open/echo'); };
	my $requested = $reply->('oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true');
	my %replies = (
		form => [ 'oauth_token=a&oauth_token_secret=b&n=%C3%A9%E6%BC%8F', $is_latin1 ? '{"n": "?????"}' : '{"n": "é漏"}' ],
		json => [ '{"oauth_token": "a", "oauth_token_secret": "b", "n": "\u00e9\\\\"}', '{"n": "é\\\\"}' ]);
	foreach my $kind (sort keys %replies)
	{
		my ($body, $params) = @{ $replies{$kind} };
		$there->provider("flow_$kind", request_token_url => $requested, access_token_url => $reply->($body));
		$there->consumer("flow_$kind", "flow_$kind", 'k', 's');
		$session->rows("SELECT oauth1.request_token('flow_$kind')");
		is($session->rows(q{SELECT params FROM oauth1.access_token('t', 'v')}), $params, "$encoding: a token reply as $kind");
	}
}

done_testing();
