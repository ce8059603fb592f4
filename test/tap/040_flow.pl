# The three-legged flow against the loopback service: what was sent, what is kept, and how each
# failure is told.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Encode qw(encode_utf8);
use JSON::PP ();
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $callback = 'http://127.0.0.1/callback?for=us';

my $service = OAuth1::Service->start;
$service->add_consumer(key => 'old', secret => 'old-secret', callback => $callback);
$service->add_consumer(key => 'denied', secret => 's', denial => 'denied');
$service->add_consumer(key => 'empty', secret => 's', denial => 'empty_verifier');
$service->add_consumer(
	key => 'handle',
	secret => 's',
	token_extra => { oauth_session_handle => 'the-first-handle', oauth_expires_in => '3600' });

# What a statement holds would be in the log anyhow; what else gets there is looked at below.
my $node = OAuth1::Node->start('main', service => $service, settings => ['log_statement = none']);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE team;'
	  . 'CREATE ROLE carol LOGIN IN ROLE team;');
my $registered = OAuth1::Registered->new($dba, $service);
my %sessions = map { $_ => OAuth1::Session->new($node, user => $_) } qw(alice bob carol);
my $alice = $sessions{alice};

# ---------------------------------------------------------------- helpers

sub base { return $service->url(@_); }

# A provider and consumer of that name, which alice may use.
sub shop
{
	my ($name, %given) = @_;
	$registered->both($name, %given);
	$dba->rows("SELECT oauth1.grant_consumer('$name', 'alice')");
	return $name;
}

# request_token for a session; returns (token, authorize_url).
sub request_token
{
	my ($session, $consumer, %given) = @_;
	my $row = $session->rows("SELECT * FROM oauth1.request_token('$consumer'"
		  . OAuth1::Registered::arguments(%given) . ')');
	return split /\|/, $row, 2;
}

# All of it, for alice; returns the row of handle_callback.
sub flow
{
	my ($consumer, %given) = @_;
	my (undef, $url) = request_token($alice, $consumer, callback => $callback, %given);
	return handle($alice, allow($url));
}

# The user's decision without the page and a browser's start, for where only its outcome counts.
sub allow
{
	my ($url) = @_;
	my ($token) = $url =~ /oauth_token=(\w+)/;
	my $answer = HTTP::Tiny->new(max_redirect => 0)->post_form(
		'http://127.0.0.1:' . $service->port('http') . '/oauth/authorize',
		{ oauth_token => $token, user => 'alice', decision => 'allow' });
	return $answer->{headers}{location} // die "not allowed: $answer->{status} $answer->{content}";
}

sub handle
{
	my ($session, $url) = @_;
	return $session->rows('SELECT * FROM oauth1.handle_callback(' . quote($url) . ')');
}

sub handle_error
{
	my ($session, $url) = @_;
	return $session->error('SELECT * FROM oauth1.handle_callback(' . quote($url) . ')');
}

# An approved request token of alice's: (token, verifier).
sub approved
{
	my ($consumer) = @_;
	my ($token, $url) = request_token($alice, $consumer, callback => $callback);
	my ($verifier) = allow($url) =~ /oauth_verifier=(\w+)/;
	return ($token, $verifier);
}

sub exchange_error
{
	my ($session, $token, $verifier) = @_;
	return $session->error(
		'SELECT * FROM oauth1.access_token(' . quote($token) . ', ' . quote($verifier) . ')');
}

# What a consumer has in the tables: "request tokens|access tokens|secrets but the consumer's".
sub kept
{
	my ($consumer) = @_;
	return $dba->rows(<<~SQL);
		SELECT (SELECT count(*) FROM oauth1.request_token WHERE consumer = '$consumer'),
		    (SELECT count(*) FROM oauth1.token WHERE consumer = '$consumer'),
		    (SELECT string_agg(kind, ',' ORDER BY kind) FROM oauth1.secret
		     WHERE consumer = '$consumer' AND kind <> 'consumer_secret')
		SQL
}

# The signed requests since a mark.
sub arrived
{
	my ($mark) = @_;
	return grep { $_->{target} !~ m{^/(control|oauth/authorize)} } $service->ledger($mark);
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

# ---------------------------------------------------------------- approval

shop('shop');
my $mark = $service->mark;
my ($token, $url) = request_token($alice, 'shop', callback => $callback);
my ($sent) = arrived($mark);
is($sent->{verdict}, 'ok', 'request token: the service verified the request');
is("$sent->{method} $sent->{target}", 'POST /oauth/request_token', 'request token: POST to its URL');
is($sent->{oauth}{oauth_callback}, $callback, 'request token: the callback is signed and sent');
is($sent->{transmission}, 'header', 'request token: in the header');
ok(!exists $sent->{oauth}{oauth_token}, 'request token: no oauth_token yet');
is($sent->{body}, '', 'request token: no body');
is($url, base("/oauth/authorize?oauth_token=$token"), 'the URL for the user');
is(kept('shop'), '1|0|request_token_secret', 'the request token is kept with its secret');
is($dba->rows("SELECT state, requested_by, expires_at FROM oauth1.tokens WHERE consumer = 'shop'"),
	'requested|alice|', 'it is seen in the view');

my $redirect = $service->approve($url, user => encode_utf8('zoë'));
$mark = $service->mark;
my $row = handle($alice, $redirect);
my ($consumer, $name, $params) = split /\|/, $row, 3;
is("$consumer $name", 'shop default', 'handle_callback: consumer and name');
is_deeply(JSON::PP->new->decode($params), { user_id => '42', screen_name => 'zoë' },
	'handle_callback: the other fields of the reply, and no secret')
  or diag $params;
($sent) = arrived($mark);
is($sent->{verdict}, 'ok', 'access token: verified');
is($sent->{oauth}{oauth_token}, $token, 'access token: for the request token');
like($redirect, qr/oauth_verifier=$sent->{oauth}{oauth_verifier}$/, 'access token: the verifier is signed and sent');
is(kept('shop'), '0|1|token_secret', 'the access token took its place');
is($dba->rows("SELECT state, requested_by FROM oauth1.tokens WHERE consumer = 'shop'"),
	'access|alice', 'it is seen in the view');
$mark = $service->mark;
is($alice->rows(q{SELECT status FROM oauth1.http_get('shop', '/items')}), 200, 'and signs calls');
($sent) = arrived($mark);
is($sent->{verdict}, 'ok', 'which the service verifies');

# With a PIN, under another name, by access_token().
$mark = $service->mark;
($token, $url) = request_token($alice, 'shop', name => 'second');
($sent) = arrived($mark);
is($sent->{oauth}{oauth_callback}, 'oob', 'out of band where no callback is given');
my $pin = $service->approve($url);
like($pin, qr/^\d{7}$/, 'the user reads a PIN');
$row = $alice->rows("SELECT consumer, name FROM oauth1.access_token('$token', '$pin')");
is($row, 'shop|second', 'access_token: consumer and name');
is($alice->rows(q{SELECT status FROM oauth1.http_get('shop', '/items', token => 'second')}),
	200, 'two tokens side by side');

# A consumer's own callback.
$registered->consumer('own_callback', 'shop', 'demo-key', 'demo-secret', callback => $callback);
$mark = $service->mark;
request_token($dba, 'own_callback');
($sent) = arrived($mark);
is($sent->{oauth}{oauth_callback}, $callback, 'the callback of the consumer');

# The next access token of the same name replaces the first.
my $before = $dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'shop' AND name = 'default'});
flow('shop');
my $after = $dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'shop' AND name = 'default'});
isnt($after, $before, 'a new access token replaces the old one');
is($alice->rows(q{SELECT status FROM oauth1.http_get('shop', '/items')}), 200, 'and is used at once');

# ---------------------------------------------------------------- refusal by the user

foreach my $case (
	[ 'demo-key', 'demo-secret', qr/oauth_problem=user_refused/ ],
	[ 'denied', 's', qr/denied/ ],
	[ 'empty', 's', qr/oauth_verifier is empty/ ])
{
	my ($key, $secret, $like) = @$case;
	$registered->consumer("refused_$key", 'shop', $key, $secret);
	(undef, $url) = request_token($dba, "refused_$key", callback => $callback);
	$redirect = $service->approve($url, deny => 1);
	$mark = $service->mark;
	my $error = handle_error($dba, $redirect);
	is_error($error, 'OA002', $like, "refusal told as $key");
	is($error->{message}, 'the user did not allow the access', "refusal told as $key: clear");
	is(scalar arrived($mark), 0, "refusal told as $key: nothing was sent");
	like(kept("refused_$key"), qr/^\d\|0\|/, "refusal told as $key: no access token");
}

# The user denied, and somebody tries the token all the same.
($token, $url) = request_token($alice, 'shop', callback => $callback);
$service->approve($url, deny => 1);
is_error(exchange_error($alice, $token, 'guess'),
	'OA002', qr/oauth_problem=permission_denied/, 'a denied token');

# What is no decision of the user's is not told as one.
my $refused = handle_error($alice, "$callback&oauth_token=$token&oauth_problem=token_expired");
is_error($refused, 'OA002', qr/oauth_problem=token_expired/, 'a problem that is not the user');
like($refused->{message}, qr/^the provider/, 'a problem that is not the user: who refused');

# Callback URLs that are none.
$mark = $service->mark;
foreach my $case (
	[ 'http://127.0.0.1/callback', '22023', 'without a query' ],
	[ 'http://127.0.0.1/callback?oauth_verifier=x', '22023', 'without a token' ],
	[ '', '22023', 'empty' ],
	[ "$callback&oauth_token=a&oauth_token=b&oauth_verifier=c", '22023', 'with two tokens' ],
	[ "$callback&oauth_token=a&oauth_verifier=b&oauth_verifier=c", '22023', 'with two verifiers' ],
	[ "$callback&oauth_token=a%00b&oauth_verifier=b", '22P05', 'with a NUL' ],
	[ "$callback&oauth_token=a%zzb&oauth_verifier=b", '22P02', 'with a bad escape' ],
	[ "$callback&oauth_token=a%FFb&oauth_verifier=b", '22021', 'with octets that are no text' ],
	[ "$callback#oauth_token=a&oauth_verifier=b", '22023', 'with a token in the fragment' ],
	[ "$callback&oauth_token=unknown&oauth_verifier=b", 'OA007', 'with an unknown token' ])
{
	my ($given, $sqlstate, $what) = @$case;
	is_error(handle_error($alice, $given), $sqlstate, qr/ERROR/, "a callback URL $what");
}
is_error(exchange_error($alice, undef, 'v'), '22004', qr/oauth_token/, 'access_token(NULL)');
is_error(exchange_error($alice, '', 'v'), 'OA007', qr/request token/, q{access_token('')});
is(scalar arrived($mark), 0, 'nothing was sent for any of them');

# ---------------------------------------------------------------- who may finish, and once

my $verifier;
($token, $verifier) = approved('shop');
$mark = $service->mark;
is_error(exchange_error($sessions{bob}, $token, $verifier),
	'OA007', qr/by the role that asked/, 'another role');
$dba->rows("SELECT oauth1.grant_consumer('shop', 'bob')");
is_error(exchange_error($sessions{bob}, $token, $verifier),
	'OA007', qr/by the role that asked/, 'another role that may use the consumer');
is(scalar arrived($mark), 0, 'nothing was sent for either');

is_error(exchange_error($alice, $token, "wrong$verifier"),
	'OA002', qr/oauth_problem=verifier_invalid/, 'a wrong verifier');
is_error(exchange_error($alice, $token, undef), '22004', qr/oauth_verifier/, 'no verifier');
is_error(exchange_error($alice, $token, ''), 'OA002', qr/empty/, 'an empty verifier');
is_error(handle_error($alice, "$callback&oauth_token=$token"), '22023', qr/no oauth_verifier/, 'a callback URL without a verifier');
is($alice->rows("SELECT name FROM oauth1.access_token('$token', '$verifier')"),
	'default', 'and the right one is not too late');
$mark = $service->mark;
is_error(exchange_error($alice, $token, $verifier), 'OA007', qr/once/, 'a request token used twice');
is(scalar arrived($mark), 0, 'nothing was sent the second time');

# By a member of the role that asked.
$dba->rows("SELECT oauth1.grant_consumer('shop', 'team')");
my $as_team = OAuth1::Session->new($node);
$as_team->rows('SET ROLE team');
($token, $url) = request_token($as_team, 'shop', callback => $callback, name => 'of_team');
is($sessions{carol}->rows('SELECT name FROM oauth1.handle_callback('
			  . quote($service->approve($url)) . ')'),
	'of_team', 'a member of the role that asked may finish');

# The grant is gone in the meantime; the role is another one of that name.
($token, $verifier) = approved('shop');
$dba->rows("SELECT oauth1.revoke_consumer('shop', 'alice')");
$mark = $service->mark;
is_error(exchange_error($alice, $token, $verifier), 'OA007', qr/./, 'a revoked grant');
$dba->rows("SELECT oauth1.grant_consumer('shop', 'alice')");
$dba->rows('ALTER ROLE alice RENAME TO alice_before; CREATE ROLE alice LOGIN;'
	  . q{SELECT oauth1.grant_consumer('shop', 'alice')});
{
	my $impostor = OAuth1::Session->new($node, user => 'alice');
	is_error(exchange_error($impostor, $token, $verifier),
		'OA007', qr/by the role that asked/, 'another role of the same name');
}
$dba->rows(q{SELECT oauth1.revoke_consumer('shop', 'alice'); DROP ROLE alice;}
	  . q{ALTER ROLE alice_before RENAME TO alice; SELECT oauth1.grant_consumer('shop', 'alice')});
is(scalar arrived($mark), 0, 'nothing was sent for either');

is_error($sessions{bob}->error("SELECT oauth1.request_token('own_callback')"),
	'OA007', qr/own_callback/, 'request_token without a grant');
is_error($alice->error("SELECT oauth1.request_token('nothing')"),
	'OA007', qr/nothing/, 'request_token of no consumer');
is_error($alice->error("SELECT oauth1.request_token(NULL)"), '22004', qr/consumer/, 'request_token(NULL)');
is_error($alice->error("SELECT oauth1.request_token('shop', name => '')"),
	'22023', qr/name/, 'a token without a name');
is_error($alice->error("SELECT oauth1.request_token('shop', name => NULL)"),
	'22004', qr/name/, 'a token with the name NULL');
is_error($alice->error(q{SELECT oauth1.request_token('shop', params => '{"a": {"b": 1}}')}),
	'22023', qr/object/, 'params with an object inside');
is_error($alice->error(q{SELECT oauth1.request_token('shop', params => '{"oauth_nonce": "n"}')}),
	'22023', qr/oauth_nonce/, 'params that contradict what is sent');

# ---------------------------------------------------------------- replies that are no reply

# mode of the service, SQLSTATE, what the error says, settings
my @bad_replies = (
	[ 'html', 'OA002', qr/HTML/ ],
	[ 'html=500', 'OA002', qr/HTTP status 500/ ],
	[ 'status=500', 'OA002', qr/HTTP status 500/ ],
	[ 'status=404', 'OA002', qr/HTTP status 404/ ],
	[ 'redirect=302:https%3A%2F%2Fexample.com%2F', 'OA002', qr/HTTP status 302/ ],
	[ 'as=401', 'OA002', qr/HTTP status 401/ ],
	[ 'problem=consumer_key_unknown', 'OA002', qr/oauth_problem=consumer_key_unknown.*HINT/s ],
	[ 'problem_header=signature_invalid', 'OA002', qr/oauth_problem=signature_invalid.*HINT/s ],
	[ 'problem_header=made_up%20word', 'OA002', qr/oauth_problem=made_up word/ ],
	[ 'problem=token_rejected,as=200', 'OA002', qr/oauth_problem=token_rejected/ ],
	[ 'body=%7B%22oauth_problem%22%3A%22token_expired%22%7D', 'OA002', qr/oauth_problem=token_expired/ ],
	[ 'truncate', 'OA008', qr/status 200, then the transfer broke/ ],
	[ 'reset_body', 'OA008', qr/status 200, then the transfer broke/ ],
	[ 'body', 'OA002', qr/It is empty/ ],
	[ 'body=%20%0A', 'OA002', qr/It is empty/ ],
	[ 'doubled', 'OA002', qr/more than once/ ],
	[ 'body=%7B%22oauth_token%22%3A%22a%22,newline', 'OA002', qr/begins as a JSON object/ ],
	[ 'body=%7B%22oauth_token%22%3A%22a%22%2C%22oauth_token%22%3A%22b%22%7D', 'OA002', qr/more than once/ ],
	[ 'body=%5B%22oauth_token%22%5D', 'OA002', qr/neither a form nor JSON/ ],
	[ 'body=oauth_token', 'OA002', qr/neither a form nor JSON/ ],
	[ 'body=oauth_token%3D%25zz%26oauth_token_secret%3Db', 'OA002', qr/neither a form nor JSON/ ],
	[ 'hex=6f617574685f746f6b656e3d00266f617574685f746f6b656e5f7365637265743d61', 'OA002', qr/neither a form nor JSON/ ],
	[ 'lines', 'OA002', qr/neither a form nor JSON/ ],
	[ 'body=oauth_token%3D%25FF%26oauth_token_secret%3Db', 'OA002', qr/no text/ ],
	[ 'body=%7B%22oauth_token%22%3A%22a%5Cu0000%22%7D', 'OA002', qr/begins as a JSON object/ ],
	[ 'fill=40000', 'OA002', qr/longer than 32 kB/ ],
	[ 'no_token', 'OA002', qr/no oauth_token\./ ],
	[ 'no_secret', 'OA002', qr/no oauth_token_secret/ ],
	[ 'field=oauth_token%3D', 'OA002', qr/no oauth_token\./ ],
	[ 'field=oauth_token%3Da%20b', 'OA002', qr/space or a control character/ ],
	[ 'field=oauth_token%3D' . 'x' x 2001, 'OA002', qr/longer than 2000/ ],
	[ 'hangup', 'OA009', qr/whether it was received is not known/ ],
	[ 'reset', 'OA009', qr/whether it was received is not known/ ],
	[ 'hang', 'OA006', qr/within 400 ms.*whether it was received is not known/, q{oauth1.timeout = '400ms'} ],
	[ 'drip=300', 'OA006', qr/had begun to answer/, q{oauth1.timeout = '400ms'} ],
	[ 'endless', 'OA004', qr/oauth1.max_response_size/, q{oauth1.max_response_size = '64kB'} ]);

sub with_setting
{
	my ($session, $setting, $run) = @_;
	$session->rows("SET $setting") if $setting;
	my $result = $run->();
	$session->rows('SET ' . $setting =~ s/=.*/TO DEFAULT/r) if $setting;
	return $result;
}

my $n = 0;
foreach my $case (@bad_replies, [ 'unconfirmed', 'OA002', qr/did not confirm the callback/ ],
	[ 'field=oauth_callback_confirmed%3Dfalse', 'OA002', qr/did not confirm the callback/ ])
{
	my ($modes, $sqlstate, $like, $setting) = @$case;
	my $shop = shop('bad' . ++$n, request_token_url => base("/flaky/$modes/oauth/request_token"));
	$mark = $service->mark;
	my $error = with_setting($alice, $setting,
		sub { $alice->error("SELECT oauth1.request_token('$shop', '$callback')") });
	my $what = 'request token: ' . substr($modes, 0, 40);
	is_error($error, $sqlstate, $like, $what);
	is(scalar arrived($mark), 1, "$what: sent once");
	is(kept($shop), '0|0|', "$what: nothing is kept");
}

foreach my $case (@bad_replies)
{
	my ($modes, $sqlstate, $like, $setting) = @$case;
	my $shop = shop('bad' . ++$n, access_token_url => base("/flaky/$modes/oauth/access_token"));
	my ($token, $verifier) = approved($shop);
	$mark = $service->mark;
	my $error = with_setting($alice, $setting, sub { exchange_error($alice, $token, $verifier) });
	my $what = 'access token: ' . substr($modes, 0, 40);
	is_error($error, $sqlstate, $like, $what);
	is(scalar arrived($mark), 1, "$what: sent once");
	is(kept($shop), '1|0|request_token_secret', "$what: no access token, no part of one");
}

# No service at all.
foreach my $case (
	[ 'refused', 'OA008', qr/nothing was sent/i ],
	[ 'silent', 'OA006', qr/Nothing was sent/ ],
	[ 'https_wrong_name', 'OA008', qr/nothing was sent/i ],
	[ 'https_self_signed', 'OA008', qr/nothing was sent/i ],
	[ 'https_expired', 'OA008', qr/nothing was sent/i ])
{
	my ($port, $sqlstate, $like) = @$case;
	my $shop = shop($port, request_token_url => base('/oauth/request_token', $port));
	$mark = $service->mark;
	is_error(
		with_setting($alice, q{oauth1.timeout = '400ms'},
			sub { $alice->error("SELECT oauth1.request_token('$shop')") }),
		$sqlstate, $like, "port $port");
	is(scalar arrived($mark), 0, "port $port: nothing arrived");
	is(kept($shop), '0|0|', "port $port: nothing is kept");
}

# No error quotes what came: half of a reply is a secret.
my $secret_reply = shop('secret_reply',
	request_token_url => base('/flaky/body=oauth_token%3Da%26oauth_token_secret%3Dplanted%26oauth_token%3Db/oauth/request_token'));
unlike($alice->error("SELECT oauth1.request_token('$secret_reply')")->{text},
	qr/planted/, 'no error quotes the reply');

# ---------------------------------------------------------------- replies that are good

foreach my $modes ('json', 'newline', 'newline=%0D%0A%0D%0A', 'json,newline', 'type', 'type=text%2Fhtml',
	'chunked', 'interim', 'no_length', 'as=201')
{
	my $shop = shop('good' . ++$n, map { $_ . '_url' => base("/flaky/$modes/oauth/$_") } qw(request_token access_token));
	like(flow($shop), qr/^$shop\|default\|\{.*"user_id": "42"/, "a reply of the kind $modes");
	is($alice->rows("SELECT status FROM oauth1.http_get('$shop', '/items')"), 200, "$modes: the token signs");
}

shop('odd_fields', access_token_url =>
	  base('/flaky/body=oauth_token%3Da%26oauth_token_secret%3Db%26n%25FF%3Dv%2500w%26m%3D%25C3%25A9/oauth/access_token'));
is(flow('odd_fields'), 'odd_fields|default|{"m": "é", "n?": "v?w"}', 'fields that are no text do not cost the token');

# ---------------------------------------------------------------- callback modes

shop('unconfirmed', request_token_url => base('/flaky/unconfirmed/oauth/request_token'),
	callback_confirmed => \'false');
like(flow('unconfirmed'), qr/^unconfirmed\|default/, 'callback_confirmed => false: a reply without it will do');

foreach my $mode (qw(authorize_url none))
{
	$registered->provider("callback_$mode", callback_mode => $mode,
		request_token_url => base('/flaky/unconfirmed/oauth/request_token'));
	$registered->consumer("callback_$mode", "callback_$mode", 'old', 'old-secret');
	$mark = $service->mark;
	($token, $url) = request_token($dba, "callback_$mode", callback => $callback);
	($sent) = arrived($mark);
	ok(!exists $sent->{oauth}{oauth_callback}, "callback_mode $mode: no oauth_callback in the request");
	is($sent->{verdict}, 'ok', "callback_mode $mode: verified");
	is($url,
		base("/oauth/authorize?oauth_token=$token")
		  . ($mode eq 'none' ? '' : '&oauth_callback=http%3A%2F%2F127.0.0.1%2Fcallback%3Ffor%3Dus'),
		"callback_mode $mode: the authorize URL");
	like(handle($dba, $service->approve($url)), qr/^callback_$mode\|/, "callback_mode $mode: the whole flow");

	# OAuth 1.0 without "a" knows no verifier: it is not asked for.
	($token) = request_token($dba, "callback_$mode", callback => $callback);
	$mark = $service->mark;
	exchange_error($dba, $token, undef);
	($sent) = arrived($mark);
	ok($sent && !exists $sent->{oauth}{oauth_verifier}, "callback_mode $mode: sent without a verifier");
}

# ---------------------------------------------------------------- where the parameters go

my $extra = '{"scope": "read & write", "x_auth_access_type": "écrire", "tag": ["a", "b+c"]}';
foreach my $method (qw(POST GET))
{
	foreach my $transmission (qw(header query body))
	{
		next if "$method $transmission" eq 'GET body';
		my $shop = shop(lc "sent_${method}_$transmission", token_method => $method,
			token_transmission => $transmission);
		$mark = $service->mark;
		like(flow($shop, params => $extra), qr/^$shop\|/, "$method, $transmission: the flow");
		my @requests = arrived($mark);
		is(scalar @requests, 2, "$method, $transmission: two requests");
		foreach my $request (@requests)
		{
			my $what = "$method, $transmission, " . $request->{target} =~ s/\?.*//r;
			is($request->{verdict}, 'ok', "$what: verified");
			is($request->{method}, $method, "$what: the method");
			is($request->{transmission}, $transmission, "$what: sent there");
		}
		my $fields = $method eq 'GET' ? $requests[0]{target} : decode_base64($requests[0]{body});
		foreach my $pair ('scope=read%20%26%20write', 'x_auth_access_type=%C3%A9crire', 'tag=a&tag=b%2Bc')
		{
			like($fields, qr/(^|[?&])\Q$pair\E(&|$)/, "$method, $transmission: $pair was sent");
		}
		my $kind = (grep { $_->[0] eq 'Content-Type' } @{ $requests[0]{headers} })[0];
		is($kind ? $kind->[1] : undef, $method eq 'GET' ? undef : 'application/x-www-form-urlencoded',
			"$method, $transmission: as a form where there is a body");
	}
}

eval { shop('get_body', token_method => 'GET', token_transmission => 'body') };
is_error(OAuth1::Session::parse($@ =~ s/^error in .*?(?=ERROR)//sr), '22023', qr/GET has no body/, 'GET, body');

# An oauth_ parameter of the caller's is a protocol parameter.
shop('protocol');
$mark = $service->mark;
request_token($alice, 'protocol', callback => $callback, params => '{"oauth_extra": "x y"}');
($sent) = arrived($mark);
is($sent->{oauth}{oauth_extra}, 'x y', 'an oauth_ parameter goes where the others go');
is($sent->{verdict}, 'ok', 'and is signed');

# ---------------------------------------------------------------- signature methods

foreach my $method (qw(HMAC-SHA1 HMAC-SHA256 HMAC-SHA512 PLAINTEXT RSA-SHA1 RSA-SHA256 RSA-SHA512))
{
	my $shop = lc $method =~ s/-/_/r;
	my $is_rsa = $method =~ /^RSA/;
	$registered->provider($shop, signature_method => $method);
	$registered->consumer($shop, $shop, $is_rsa ? 'rsa-key' : 'demo-key', $is_rsa ? undef : 'demo-secret',
		$is_rsa ? (private_key => $service->private_key) : ());
	$dba->rows("SELECT oauth1.grant_consumer('$shop', 'alice')");
	$mark = $service->mark;
	like(flow($shop), qr/^$shop\|/, "$method: the flow");
	is($alice->rows("SELECT status FROM oauth1.http_get('$shop', '/items')"), 200, "$method: a call");
	is_deeply(
		[ map { "$_->{oauth}{oauth_signature_method} $_->{verdict}" } arrived($mark) ],
		[ ("$method ok") x 3 ],
		"$method: all verified");
}

# ---------------------------------------------------------------- the authorize URL

shop('placeholder',
	authorize_url => base('/oauth/authorize?token={oauth_token}&lang=en'),
	options => '{"authorize_params": {"perms": "read write", "again": "true"}}');
($token, $url) = request_token($alice, 'placeholder', callback => $callback);
is($url, base("/oauth/authorize?token=$token&lang=en&again=true&perms=read%20write"),
	'{oauth_token} in the authorize URL, and authorize_params');
like(handle($alice, $service->approve($url)), qr/^placeholder\|/, 'and the user gets there');

shop('no_page', authorize_url => undef);
($token, $url) = request_token($alice, 'no_page', callback => $callback);
is($url, '', 'no authorize URL where the provider has none');

foreach my $case (
	[ request_token_url => q{SELECT oauth1.request_token('%s')} ],
	[ renew_url => q{SELECT oauth1.renew_token('%s')} ],
	[ revoke_url => q{SELECT oauth1.revoke_token('%s')} ])
{
	my ($missing, $sql) = @$case;
	my $shop = shop("without_$missing", $missing => undef);
	$dba->rows("SELECT oauth1.set_token('$shop', 't', 's')");
	$mark = $service->mark;
	is_error($alice->error(sprintf $sql, $shop), '55000', qr/has no $missing/, "a provider without $missing");
	is(scalar arrived($mark), 0, "a provider without $missing: nothing was sent");
}

# ---------------------------------------------------------------- what becomes of a token

$registered->consumer('handle', 'shop', 'handle', 's');
$dba->rows(q{SELECT oauth1.grant_consumer('handle', 'alice')});
$row = flow('handle');
unlike($row, qr/handle-|first-handle|oauth_/, 'the session handle is not among the params');
is(kept('handle'), '0|1|session_handle,token_secret', 'it is kept as a secret');
is( $alice->rows(q{SELECT abs(extract(epoch FROM expires_at - now()) - 3600) < 60 FROM oauth1.tokens WHERE consumer = 'handle'}),
	't', 'the token expires when the provider says');

$before = $dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'handle'});
foreach my $round (1, 2)
{
	$mark = $service->mark;
	is($alice->rows(q{SELECT oauth1.renew_token('handle')}), '', "renewal $round");
	($sent) = arrived($mark);
	is($sent->{verdict}, 'ok', "renewal $round: verified");
	ok($sent->{oauth}{oauth_session_handle}, "renewal $round: with the session handle");
	is($sent->{oauth}{oauth_token}, $before, "renewal $round: for the token there was");
	$after = $dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'handle'});
	isnt($after, $before, "renewal $round: a new token");
	is($alice->rows(q{SELECT status FROM oauth1.http_get('handle', '/items')}), 200, "renewal $round: it signs");
	is(kept('handle'), '0|1|session_handle,token_secret', "renewal $round: with the next handle");
	$before = $after;
}

is($dba->rows(q{SELECT oauth1.renew_token('handle')}), '', 'renewal by another role');
is($dba->rows(q{SELECT requested_by FROM oauth1.tokens WHERE consumer = 'handle'}), 'alice', 'who asked for the token stays');
$before = $dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'handle'});

# A failed renewal leaves the token that was.
$dba->rows('SELECT oauth1.alter_provider(' . quote('shop') . ', renew_url => ' . quote(base('/flaky/no_secret/oauth/renew_token')) . ')');
is_error($alice->error(q{SELECT oauth1.renew_token('handle')}), 'OA002', qr/oauth_token_secret/, 'half a renewal');
is($dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'handle'}), $before, 'half a renewal: the old token stays');
$dba->rows('SELECT oauth1.alter_provider(' . quote('shop') . ', renew_url => ' . quote(base('/oauth/renew_token')) . ')');

# A renewal that brings no new session handle leaves the one that was, unlike a new approval.
flow('handle');
$dba->rows('SELECT oauth1.alter_provider(' . quote('shop') . ', renew_url => '
	  . quote(base('/flaky/json,body=%7B%22oauth_token%22%3A%22t%22%2C%22oauth_token_secret%22%3A%22s%22%7D/oauth/renew_token')) . ')');
$alice->rows(q{SELECT oauth1.renew_token('handle')});
is($dba->rows(q{SELECT token, expires_at FROM oauth1.token WHERE consumer = 'handle'}), 't|', 'renewal without a handle: a new token');
is(kept('handle'), '0|1|session_handle,token_secret', 'renewal without a handle: the old one stays');
$dba->rows('SELECT oauth1.alter_provider(' . quote('shop') . ', renew_url => ' . quote(base('/oauth/renew_token'))
	  . ', access_token_url => ' . quote(base('/flaky/field=oauth_session_handle%3D/oauth/access_token')) . ')');
flow('handle');
is(kept('handle'), '0|1|token_secret', 'approval without a handle: none is kept');
$dba->rows('SELECT oauth1.alter_provider(' . quote('shop') . ', access_token_url => ' . quote(base('/oauth/access_token')) . ')');

# E*TRADE: a sentence in reply, the same token lives on.
shop('sentence');
flow('sentence');
$before = $dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'sentence'});
$mark = $service->mark;
is($alice->rows(q{SELECT oauth1.renew_token('sentence')}), '', 'renewal told in a sentence');
($sent) = arrived($mark);
is($sent->{verdict}, 'ok', 'renewal told in a sentence: verified');
is($dba->rows(q{SELECT token FROM oauth1.token WHERE consumer = 'sentence'}), $before, 'the token stays');
is($alice->rows(q{SELECT status FROM oauth1.http_get('sentence', '/items')}), 200, 'and signs');

# Revocation.
$mark = $service->mark;
is($alice->rows(q{SELECT oauth1.revoke_token('sentence')}), '', 'revocation');
($sent) = arrived($mark);
is($sent->{verdict}, 'ok', 'revocation: verified');
is(kept('sentence'), '0|0|', 'revocation: the token and its secret are gone');
is_error($alice->error(q{SELECT oauth1.http_get('sentence', '/items')}), 'OA007', qr/token "default"/, 'a revoked token');
is_error($alice->error(q{SELECT oauth1.revoke_token('sentence')}), 'OA007', qr/token "default"/, 'revoked twice');
is_error($alice->error(q{SELECT oauth1.renew_token('sentence')}), 'OA007', qr/token "default"/, 'renewal of no token');
flow('sentence');
$dba->rows('SELECT oauth1.alter_provider(' . quote('sentence') . ', revoke_url => ' . quote(base('/flaky/problem=token_rejected/oauth/revoke_token')) . ')');
is_error($alice->error(q{SELECT oauth1.revoke_token('sentence')}), 'OA002', qr/token_rejected/, 'a refused revocation');
is(kept('sentence'), '0|1|token_secret', 'a refused revocation: the token stays');

# A request token that expires.
shop('hasty', request_token_url => base('/flaky/field=oauth_expires_in%3D1/oauth/request_token'));
($token, $verifier) = approved('hasty');
sleep 1.2;
$mark = $service->mark;
is_error(exchange_error($alice, $token, $verifier), 'OA007', qr/in time/, 'an expired request token');
is(scalar arrived($mark), 0, 'an expired request token: nothing was sent');

# Request tokens that nobody exchanged are forgotten with their secrets after a day.
$dba->rows(q{UPDATE oauth1.request_token SET created_at = created_at - interval '25 hours' WHERE consumer = 'hasty'});
request_token($alice, 'shop', callback => $callback);
is(kept('hasty'), '0|0|', 'request tokens are forgotten after a day');

# A provider that gives the same request token to two roles would mix their flows up.
shop('same', request_token_url =>
	  base('/flaky/body=oauth_token%3Dsame%26oauth_token_secret%3Ds%26oauth_callback_confirmed%3Dtrue/oauth/request_token'));
$dba->rows(q{SELECT oauth1.grant_consumer('same', 'bob')});
request_token($alice, 'same');
is((request_token($alice, 'same', name => 'again'))[0], 'same', 'the same request token again: one and the same');
is_error($sessions{bob}->error(q{SELECT oauth1.request_token('same')}), '42710', qr/in use/, 'the same request token for another role');
is(kept('same'), '1|0|request_token_secret', 'the same request token: kept once');

# ---------------------------------------------------------------- transactions

shop('tx');
($token, $verifier) = approved('tx');
$alice->rows("BEGIN; SELECT name FROM oauth1.access_token('$token', '$verifier')");
is($alice->rows(q{SELECT status FROM oauth1.http_get('tx', '/items')}), 200, 'a token is usable before COMMIT');
$alice->rows('ROLLBACK');
is(kept('tx'), '1|0|request_token_secret', 'ROLLBACK: all is as it was');
is_error($alice->error(q{SELECT oauth1.http_get('tx', '/items')}), 'OA007', qr/token "default"/, 'ROLLBACK: no call with the token');
is_error(exchange_error($alice, $token, $verifier), 'OA002', qr/token_used/, 'ROLLBACK: but the provider has counted it');

($token, $verifier) = approved('tx');
$alice->rows("BEGIN; SAVEPOINT s; SELECT name FROM oauth1.access_token('$token', '$verifier'); ROLLBACK TO s");
is_error($alice->error(q{SELECT oauth1.http_get('tx', '/items')}), 'OA007', qr/token "default"/, 'ROLLBACK TO: no call with the token');
$alice->rows('ROLLBACK');

($token) = approved('tx');
is($alice->rows(<<~SQL), 'OA002', 'a failed exchange caught in a block');
	DO \$\$
	BEGIN
	    PERFORM oauth1.access_token('$token', 'wrong');
	EXCEPTION WHEN SQLSTATE 'OA002' THEN
	    PERFORM set_config('test.state', SQLSTATE, false);
	END \$\$;
	SELECT current_setting('test.state')
	SQL
like(kept('tx'), qr/^\d\|0\|request_token_secret/, 'a failed exchange caught in a block: no access token');

# Two sessions, one request token.
foreach my $end (qw(COMMIT ROLLBACK))
{
	$dba->rows(q{DELETE FROM oauth1.token WHERE consumer = 'tx'});
	($token, $verifier) = approved('tx');
	my $rival = OAuth1::Session->new($node, user => 'alice');
	my $rival_pid = $rival->pid;
	$mark = $service->mark;
	$alice->rows("BEGIN; SELECT name FROM oauth1.access_token('$token', '$verifier')");
	$rival->start("SELECT name FROM oauth1.access_token('$token', '$verifier')");
	ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = $rival_pid AND NOT granted)"),
		"$end: the second session waits");
	is(scalar arrived($mark), 1, "$end: and sends nothing meanwhile");
	$alice->rows($end);
	my $error = OAuth1::Session::parse($rival->finish);
	if ($end eq 'COMMIT')
	{
		is_error($error, 'OA007', qr/once/, 'COMMIT: the second session comes too late');
		is(scalar arrived($mark), 1, 'COMMIT: one exchange was sent');
	}
	else
	{
		is_error($error, 'OA002', qr/token_used/, 'ROLLBACK: the second session tries, and the provider refuses');
		is(scalar arrived($mark), 2, 'ROLLBACK: its own exchange was sent');
	}
}

# The session, or the whole server, ends in the middle of an exchange.
shop('cut_off', access_token_url => base('/flaky/hang/oauth/access_token'));
foreach my $end ('pg_terminate_backend', 'a crash of the server')
{
	($token, $verifier) = approved('cut_off');
	my $victim = OAuth1::Session->new($node, user => 'alice');
	my $pid = $victim->pid;
	$mark = $service->mark;
	$victim->start("SELECT oauth1.access_token('$token', '$verifier')");
	my $tries = 200;
	sleep 0.02 while !arrived($mark) && $tries--;
	if ($end eq 'pg_terminate_backend')
	{
		$dba->rows("SELECT pg_terminate_backend($pid, 5000)");
	}
	else
	{
		$node->stop('immediate');
		$node->start;
		$dba = OAuth1::Session->new($node);
		$registered = OAuth1::Registered->new($dba, $service);
		$alice = OAuth1::Session->new($node, user => 'alice');
	}
	like($victim->finish, qr/FATAL|WARNING|closed the connection/, "$end: the session is gone");
	is($dba->rows("SELECT count(*) FROM oauth1.request_token WHERE token = '$token'"), 1, "$end: the request token is still there");
	like(kept('cut_off'), qr/^\d\|0\|request_token_secret/, "$end: and no access token, nor part of one");
	is(scalar arrived($mark), 1, "$end: nothing is sent again");
}

# Read only: refused before anything is sent.
flow('tx');
($token, $verifier) = approved('tx');
$mark = $service->mark;
foreach my $call ("request_token('tx')", "access_token('$token', '$verifier')",
	"handle_callback('$callback&oauth_token=$token&oauth_verifier=$verifier')",
	"renew_token('tx')", "revoke_token('tx')")
{
	my $error = $alice->error("BEGIN READ ONLY; SELECT oauth1.$call");
	$alice->rows('ROLLBACK');
	is_error($error, '25006', qr/read-only/, 'read only: ' . $call =~ s/\(.*//r);
}
is(scalar arrived($mark), 0, 'read only: nothing was sent');
is($alice->rows("SELECT name FROM oauth1.access_token('$token', '$verifier')"), 'default', 'and later it works');

# ---------------------------------------------------------------- nothing slips out

shop('planted', access_token_url => base('/flaky/field=oauth_token_secret%3Dplanted-secret/oauth/access_token'));
flow('planted');
is_error($alice->error(q{SELECT oauth1.renew_token('planted')}), 'OA002', qr/signature_invalid/, 'a secret that is not right');
my $log = slurp_file($node->logfile);
like($log, qr/signature_invalid/, "the server's log has the errors");
foreach my $secret ('demo-secret', 'old-secret', 'the-first-handle', 'planted-secret')
{
	unlike($log, qr/\Q$secret\E/, "the server's log does not have $secret");
}
is($dba->rows(q{SELECT count(*) FROM oauth1.secret WHERE position('demo-secret' IN encode(ciphertext, 'escape')) > 0}),
	0, 'no secret is stored in the clear');

done_testing();
