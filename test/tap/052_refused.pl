# Why a signature was refused: what raise_for_status, explain_call and check_consumer say of a
# service that refuses for each of many reasons, with and without naming it. They name the cause,
# or say what they cannot know; docs/refused.md is run at the end.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Encode qw(encode_utf8);
use IPC::Run ();
use JSON::PP ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $json = JSON::PP->new->canonical;
my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('main', service => $service, settings => ['oauth1.allow_http = on']);
my $dba = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($dba, $service);
$dba->rows('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');

# Secrets that are searched for in everything that is shown.
my ($secret, $token_secret) = ('s3cret-of-the-consumer', 's3cret-of-the-token');

# ---------------------------------------------------------------- helpers

# At the service: keys with tokens in each state.
sub at_service
{
	my (%more) = @_;
	$service->add_consumer(secret => $secret, %more);
	return;
}
my @tokens = map { { token => "token-$_", secret => $token_secret, state => $_ } } qw(good revoked expired);
at_service(key => 'good', tokens => \@tokens);
at_service(key => 'other', tokens => [ { token => 'token-other', secret => $token_secret } ]);
at_service(key => 'realm', realms => ['1234567_SB1']);
at_service(key => 'sha1', methods => ['HMAC-SHA1']);
at_service(key => 'hash', body_hash_always => JSON::PP::true);
at_service(key => 'hash_sha1', body_hash_sha1 => JSON::PP::true);
at_service(key => 'no_two_legs', two_legged => JSON::PP::false, tokens => [ { token => 'token-legs', secret => $token_secret } ]);

my $made = 0;

# A provider and a consumer on the service, which judges in some way; the consumer's name.
# key, secret, token, token_secret, vars, way; the rest goes to create_provider.
sub make
{
	my (%given) = @_;
	my $name = 'c' . ++$made;
	my $base = $service->url(($given{way} ? "/refuse/$given{way}" : '') . '/api', $given{port});
	my %consumer = map { $_ => delete $given{$_} } grep { exists $given{$_} } qw(key secret token token_secret vars way port);

	$registered->provider($name, api_urls => \("ARRAY['$base']"), options => '{"test_url": "/echo"}', %given);
	$registered->consumer($name, $name, $consumer{key} // 'good', $consumer{secret} // $secret,
		vars => $consumer{vars});
	$dba->rows("SELECT oauth1.set_token('$name', " . quote($consumer{token}) . ', '
		  . quote($consumer{token_secret} // $token_secret) . ')')
	  if $consumer{token};
	return $name;
}

sub has_token { my ($name) = @_; return $dba->rows("SELECT count(*) FROM oauth1.tokens WHERE consumer = '$name'") > 0; }
sub token_of { my ($name) = @_; return has_token($name) ? "'default'" : "''"; }

# oauth1.request's arguments, and what the tools say of it.
sub raised
{
	my ($name, $request) = @_;
	my $error = $dba->error('SELECT oauth1.raise_for_status(r) FROM oauth1.http_call(' . quote($name)
		  . ", oauth1.request($request), " . token_of($name) . ') r');
	return $error ? "$error->{sqlstate} $error->{detail} $error->{hint}" : 'accepted';
}

sub explained
{
	my ($name, $request) = @_;
	my $mark = $service->mark;
	my $rows = $dba->rows('SELECT name, value FROM oauth1.explain_call(' . quote($name)
		  . ", oauth1.request($request), " . token_of($name) . ') ORDER BY step');
	is($service->mark, $mark, 'explain_call sends nothing');
	return $rows;
}

sub checked
{
	my ($name) = @_;
	return $dba->rows("SELECT item, coalesce(ok::text, 'open'), detail FROM oauth1.check_consumer(" . quote($name) . ')');
}

sub sqlstate
{
	my ($session, $sql) = @_;
	my $error = $session->error($sql);
	return $error ? $error->{sqlstate} : 'no error';
}

# Each of the three says what it must, and none a secret.
sub says
{
	my ($what, $name, $request, %wanted) = @_;
	my %said = (
		raise => raised($name, $request),
		explain => explained($name, $request),
		check => checked($name));
	foreach my $tool (qw(raise explain check))
	{
		my $like = $wanted{$tool} // next;
		like($said{$tool}, $_, "$what: $tool says so") foreach ref $like eq 'ARRAY' ? @$like : $like;
	}
	foreach my $tool (qw(raise explain check))
	{
		unlike($said{$tool}, qr/s3cret/, "$what: $tool shows no secret");
	}
	return %said;
}

my $get = q{'GET', '/echo'};
my $accepted = qr/^signed call\|true\|.*accepted/m;
my $cannot = qr/^cause\|open\|Not found.*wrong consumer secret.*another environment.*base string URI/m;

# ---------------------------------------------------------------- what is right

{
	my %said = says('all is right', make(token => 'token-good'), $get,
		raise => qr/^accepted$/,
		explain => [
			qr/^consumer\|c1 \(consumer key good\)$/m, qr/^token\|default \(token-good\)$/m,
			qr{^base string URI\|https://localhost:\d+/api/echo$}m,
			qr/^parameter of the protocol\|oauth_nonce = [A-Z2-7]{26}$/m,
			qr/^key\|22 octets & 19 octets$/m, qr/^signature method\|HMAC-SHA256$/m,
			qr/^header\|Authorization: OAuth .*oauth_signature="%2A%2A%2A"$/m,
			qr/^not known here\|whether the service has the same secrets/m ],
		check => [
			qr/^consumer\|true\|/m, qr/^provider\|true\|c1: HMAC-SHA256/m,
			qr/^key\|true\|Secrets of 22 octets & 19 octets/m, qr/^token\|true\|"default"/m,
			qr/^name\|true\|/m, qr/^connection\|true\|To (?:127\.0\.0\.1|::1), port \d+/m,
			qr/^TLS\|true\|/m, qr/^answer\|true\|To an unsigned HEAD: status \d+/m,
			qr/^clock\|true\|.* [+-]\d s from/m, $accepted ]);
	unlike($said{check}, qr/^[^|]+\|(?:false|open)\|/m, 'all is right: check finds nothing wrong');
	unlike($said{check}, qr/^cause/m, 'all is right: no cause is looked for');
}

# ---------------------------------------------------------------- the refusals

says('wrong consumer secret', make(secret => 's3cret-wrong'), $get,
	raise => qr/oauth_problem=signature_invalid\. It computed another signature\..*explain_call.*check_consumer/,
	explain => qr/^not known here\|whether the service has the same secrets/m,
	check => [ qr/^signed call\|false\|.*status 401.*signature_invalid/m, $cannot ]);

says('wrong consumer secret, and the service is silent', make(secret => 's3cret-wrong', way => 'quiet'), $get,
	raise => qr/^OA010 The response names no oauth_problem.*explain_call/,
	check => [ qr/^signed call\|false\|.*status 401\. It does not say why/m, $cannot ]);

says('wrong token secret', make(token => 'token-good', token_secret => 's3cret-wrong'), $get,
	raise => qr/signature_invalid/,
	check => qr/^cause\|false\|The same request is accepted without the token: consumer key, consumer secret.*the token or its secret is wrong/m);

says('wrong token secret, where a token must be', make(key => 'no_two_legs', token => 'token-legs', token_secret => 's3cret-wrong'), $get,
	raise => qr/signature_invalid/,
	check => $cannot);

says('wrong realm spelling', make(key => 'realm', way => 'quiet', realm => '{account}', vars => '{"account": "1234567-sb1"}'), $get,
	raise => qr/names no oauth_problem/,
	explain => [ qr/^warning\|The realm is sent as "1234567-sb1".*spelled "1234567_SB1"/m, qr/^not signed\|the realm/m ],
	check => qr/^cause\|false\|The same request is accepted with the realm spelled 1234567_SB1, in place of 1234567-sb1/m);

says('clock too far off', make(way => 'clock=2000'), $get,
	raise => qr/timestamp_refused.*accepts timestamps of \d+-\d+\. This server's clock says \d+\..*clock/,
	check => [ qr/^clock\|false\|The service's Date is (?:1999|2000|2001) s ahead of this server's clock/m,
		qr/^signed call\|false\|.*timestamp_refused/m ]);

says('clock off and bridged', make(way => 'clock=400'), $get,
	raise => qr/^accepted$/,
	explain => [ qr/^warning\|The service's clock was found to be (?:399|400|401) s ahead of/m, qr/^timestamp\|\d+ \(.*\+(?:399|400|401) s, learned/m ],
	check => [ qr/^clock\|false\|.*400|401|399.*learned from a refusal/m, $accepted ]);

says('nonce used', make(way => 'replay'), $get,
	raise => qr/nonce_used\. It has seen the nonce before/,
	check => qr/^signed call\|false\|.*nonce_used/m);

says('host differs', make(way => 'host=internal.example:8080,quiet'), $get,
	raise => qr/names no oauth_problem/,
	explain => [ qr{^not known here\|whether the service, behind its proxies, sees the base string URI https://localhost:\d+}m,
		qr/^warning\|The port \d+ is part of what is signed/m ],
	check => $cannot);

says('scheme differs', make(way => 'scheme,quiet'), $get,
	explain => qr{^not known here\|.*base string URI https://}m,
	check => $cannot);

says('scheme differs, http', make(way => 'scheme,quiet', port => 'http', allow_http => \'true', map { $_ => undef } map { "${_}_url" } qw(request_token authorize access_token renew revoke)), $get,
	explain => qr/^warning\|The URL is http\. .*other scheme/m,
	check => [ qr/^TLS\|open\|None: the URL is http/m, $cannot ]);

says('query missing from the service\'s signature', make(way => 'no_query,quiet'), q{'GET', '/echo', params => '{"a": 1}'},
	raise => qr/names no oauth_problem/,
	explain => [ qr/^parameter of the URL's query\|a = 1$/m,
		qr/^warning\|The query is signed together.*only requests with a query are refused/m ],
	check => $accepted);

says('form sent with the type of JSON', make(way => 'form,quiet'), q{'POST', '/echo', body => 'a=1&b=2', content_type => 'application/json'},
	raise => qr/names no oauth_problem/,
	explain => [ qr/^warning\|The body looks like a form, and its type is application\/json: its parameters are not signed/m,
		qr/^not signed\|the body: only a form's parameters are/m ],
	check => $accepted);

says('form not signed by the service', make(way => 'no_form,quiet'), q{'POST', '/echo', form => '{"a": 1}'},
	raise => qr/names no oauth_problem/,
	explain => [ qr/^parameter of the form\|a = 1$/m, qr/^not known here\|.*the same query and the same form/m ],
	check => $accepted);

says('JSON signed as a form', make(), q{'POST', '/echo', body => '{"a": 1}', content_type => 'application/x-www-form-urlencoded'},
	explain => qr/^warning\|The body looks like JSON, and its type says form/m);

says('token of another consumer', make(token => 'token-other'), $get,
	raise => qr/token_rejected\. It does not accept the token\. Check that the token belongs to this consumer/,
	check => qr/^signed call\|false\|.*token_rejected.*belongs to this consumer/m);

says('unknown consumer key', make(key => 'nobody'), $get,
	raise => qr/consumer_key_unknown\. It does not know the consumer key/,
	check => qr/^signed call\|false\|.*consumer_key_unknown.*environment/m);

says('revoked token', make(token => 'token-revoked'), $get,
	raise => qr/token_revoked/,
	check => [ qr/^signed call\|false\|.*token_revoked.*Ask for a new token/m,
		qr/^token\|true\|.*The service refused it at \d{4}-/m ]);

says('expired token', make(token => 'token-expired'), $get,
	raise => qr/token_expired/,
	check => qr/^signed call\|false\|.*token_expired/m);
{
	my $name = make(token => 'token-good');
	$dba->rows("UPDATE oauth1.token SET expires_at = '2020-01-01' WHERE consumer = '$name'");
	says('token past the time that the service said', $name, $get,
		explain => qr/^warning\|The token expired at 20(?:20|19)-/m,
		check => qr/^token\|false\|"default" expired at 20(?:20|19)-.*renew_token/m);
}

says('signature method not accepted', make(key => 'sha1'), $get,
	raise => qr/signature_method_rejected.*Set the provider's signature_method/,
	check => qr/^signed call\|false\|.*signature_method_rejected/m);

says('signature method not accepted, and the service is silent', make(key => 'sha1', way => 'quiet'), $get,
	explain => qr/^not known here\|whether the service accepts the signature method/m,
	check => qr/^cause\|false\|The same request is accepted signed with HMAC-SHA1: set the provider's signature_method to it/m);

my $post = q{'POST', '/echo', body_json => '{"a": 1}'};
says('body hash missing', make(key => 'hash'), $post,
	raise => qr/parameter_absent\. It misses: oauth_body_hash/,
	explain => qr/^warning\|The body is not signed, and there is no oauth_body_hash.*Mastercard/m,
	check => qr/^signed call\|false\|.*It misses: oauth_body_hash/m);

says('body hash of another hash', make(key => 'hash_sha1', body_hash => 'auto'), $post,
	raise => qr/body_hash_invalid/,
	explain => [ qr/^body\|8 octets of application\/json; signed by its hash, oauth_body_hash \S{44}$/m,
		qr/^not signed\|the body: .*; its hash is$/m ]);

says('version not accepted', make(way => 'version=1.1'), $get,
	raise => qr/version_rejected.*It accepts the versions 1\.1-1\.1/,
	explain => qr/^parameter of the protocol\|oauth_version = 1\.0$/m,
	check => qr/^signed call\|false\|.*1\.1-1\.1/m);

says('the header does not arrive', make(way => 'no_header,quiet'), $get,
	raise => qr/names no oauth_problem/,
	explain => [ qr/^oauth_ parameters\|in the Authorization header$/m, qr/^not known here\|.*parameters where they stand/m ],
	check => qr/^cause\|false\|The same request is accepted with the oauth_ parameters in the query: .*transmission to query/m);

says('the header does not arrive, and that is named', make(way => 'no_header'), $get,
	raise => qr/parameter_absent/,
	check => qr/^cause\|false\|.*transmission to query/m);

says('lists as PHP has them', make(way => 'php,quiet'), q{'GET', '/echo', params => '{"a[]": [1, 2], "b": [1, 2]}'},
	raise => qr/names no oauth_problem/,
	explain => [ qr/^warning\|The parameter "a\[\]" ends in \[\].*sign it as a\[0\]/m,
		qr/^warning\|The parameter "b" comes more than once.*b\[0\]=, b\[1\]=/m ],
	check => $accepted);
is(raised("c$made", q{'GET', '/echo', params => '{"a[0]": 1, "a[1]": 2}'}), 'accepted', 'lists as PHP has them: the cure that is named');

says('a secret with a line end', make(secret => "$secret\n"), $get,
	raise => qr/signature_invalid/,
	explain => qr/^warning\|The consumer secret begins or ends with white space/m,
	check => qr/^key\|false\|The consumer secret begins or ends with white space/m);

says('a token secret with a space', make(token => 'token-good', token_secret => " $token_secret"), $get,
	check => qr/^key\|false\|The token secret begins or ends with white space/m);

says('PLAINTEXT refused', make(signature_method => 'PLAINTEXT', secret => 's3cret-wrong'), $get,
	raise => qr/signature_invalid/,
	check => qr/^cause\|open\|Not looked for: with PLAINTEXT/m);

# ---------------------------------------------------------------- explain_call

{
	my $name = make(access_token_url => $service->url('/oauth/access_token'));
	my $url = $service->url('/api/a%20b?q=x+y&q=%2B');
	my $said = explained($name, "'get', '$url', headers => '{\"X-Own\": \"v\"}'");
	my @steps = split /\n/, $dba->rows("SELECT step FROM oauth1.explain_call('$name', oauth1.request('GET', '/echo'), '')");

	is_deeply(\@steps, [ 1 .. @steps ], 'steps are numbered from 1');
	like($said, qr/^warning\|A \+ in the query is signed as the space.*write %20 for a space/m, 'a plus in the query');
	like($said, qr/^parameter of the URL's query\|q = x y\nparameter of the URL's query\|q = \+$/m, 'parameters are shown decoded');
	like($said, qr/^normalized parameters\|.*&q=%2B&q=x%20y$/m, 'and normalized');
	like($said, qr{^base string\|GET&https%3A%2F%2Flocalhost}m, 'the base string');
	like($dba->rows("SELECT name, value FROM oauth1.explain_call('$name', ROW('GET', '/echo#part', NULL, NULL, NULL), '')"),
		qr/^not signed\|the fragment of the URL: it is not sent either$/m, 'the fragment');
	like($said, qr/^warning\|The path has a space/m, 'a space in the path');
	like($said, qr/^warning\|There is no token, though the provider gives tokens/m, 'a token that may be missing');
	like($said, qr/^header\|X-Own: v$/m, 'headers that are sent');
	like($said, qr/^header\|User-Agent: oauth1/m, 'also those that are ours');
	is(sqlstate($dba, "SELECT oauth1.explain_call('$name', NULL, '')"), '22004', 'no request');
	is(sqlstate($dba, "SELECT oauth1.explain_call('$name', oauth1.request('GET', 'https://elsewhere.example/'), '')"), 'OA003', 'a URL that is not allowed');

	$said = explained(make(api_urls => \q{ARRAY['https://shop.example/']}), q{'GET', 'https://shop.example:443/%7Bid%7D'});
	like($said, qr{^base string URI\|https://shop.example/}m, 'a default port is not signed');
	like($said, qr/^warning\|The URL was given with its default port/m, 'and said');
	like($said, qr/^warning\|The path has a brace/m, 'a placeholder in the path');

	$said = explained(make(transmission => 'body'), q{'POST', '/echo', form => '{"é": "ü"}'});
	like($said, qr/^oauth_ parameters\|in the form$/m, 'parameters in the form');
	like($said, qr/^form as sent\|%C3%A9=%C3%BC&.*&oauth_signature=%2A%2A%2A$/m, 'the form with its signature masked');
	like($said, qr/^parameter of the form\|é = ü$/m, 'its own parameters');
	like(explained("c$made", $get), qr/^warning\|The provider's transmission is body, and this request has no form/m, 'no form to carry them');
	like(explained("c$made", $get), qr/^URL as sent\|\S*oauth_signature=%2A%2A%2A$/m, 'the query with its signature masked');

	$said = explained(make(options => '{"empty_token": true}'), $get);
	like($said, qr/^parameter of the option empty_token\|oauth_token = $/m, 'an empty token, and whose it is');

	$said = explained(make(signature_method => 'PLAINTEXT', token => 'token-good'), $get);
	unlike($said, qr/s3cret/, 'PLAINTEXT shows no secret');
	like($said, qr/^not signed\|anything: with PLAINTEXT/m, 'PLAINTEXT signs nothing');
	like($said, qr/oauth_signature="%2A%2A%2A"/, 'and is masked too');

	$said = explained(make(), q{'POST', '/echo', body_bytes => '\xff00', content_type => 'multipart/form-data; boundary=x'});
	like($said, qr/^not signed\|the body: the parts of multipart are no form/m, 'multipart');
	$said = explained("c$made", q{'GET', '/echo?a=%FF'});
	like($said, qr/^parameter of the URL's query\|a = %FF \(percent-encoded here/m, 'what is no text');

	my $key = $service->private_key;
	$dba->rows('SELECT oauth1.create_provider(' . quote('rsa') . ', ARRAY[' . quote($service->url('/api')) . q{], signature_method => 'RSA-SHA256', options => '{"test_url": "/echo"}')});
	$dba->rows("SELECT oauth1.create_consumer('rsa', 'rsa', 'rsa-key', private_key => " . quote($key) . ')');
	like(explained('rsa', $get), qr/^key\|RSA private key of 2048 bits$/m, 'an RSA key by its bits');
	like(checked('rsa'), qr/^key\|true\|An RSA private key of 2048 bits.*public key is not known here/m, 'check_consumer: an RSA key');
	like(checked('rsa'), qr/^token\|true\|There is no token "default", and the provider gives none/m, 'check_consumer: no token is meant');
	like(checked('rsa'), $accepted, 'check_consumer: an RSA signature');
}

# ---------------------------------------------------------------- sign_request

# The requests signed, sent by another client, and what came of it: [ answer, signed request ], ...
sub sent_elsewhere
{
	my ($name, @requests) = @_;
	my @signed = map {
		encode_utf8($dba->rows('SELECT to_json(r) FROM oauth1.sign_request(' . quote($name)
			  . ", oauth1.request($_), " . token_of($name) . ') r'))
	} @requests;
	my ($said, $error) = ('', '');
	IPC::Run::run([ "$FindBin::RealBin/../provider/send", '--ca', $service->ca ],
		'<', \join("\n", @signed), '>', \$said, '2>', \$error) or die "send: $error";
	my @answers = split /\n/, $said;
	return map { [ $json->decode($answers[$_]), $json->decode($signed[$_]) ] } 0 .. $#requests;
}

foreach my $transmission (qw(header query body))
{
	my $name = make(transmission => $transmission, token => 'token-good', body_hash => 'auto');
	my @requests = ($get, q{'GET', '/echo?a=b+c', params => '{"é": "%&= ü"}', headers => '{"X-Own": "é"}'},
		q{'POST', '/echo?x=y', form => '{"a": ["1", "1"], "b b": "é+"}'}, q{'PUT', '/echo', body_json => '{"a": 1}'},
		q{'POST', '/echo', body_bytes => '\x00ff'}, q{'DELETE', '/echo'});
	my $mark = $service->mark;
	my @sent = sent_elsewhere($name, @requests);

	is($service->mark - $mark, scalar @requests, "sign_request in the $transmission: what was sent is what the other client sent");
	foreach my $n (0 .. $#requests)
	{
		my ($answer, $signed) = @{ $sent[$n] };
		is($answer->{status}, 200, "sign_request in the $transmission, " . encode_utf8($requests[$n]) . ': accepted') or diag $answer->{body};
		like($signed->{url}, qr{^https://localhost:\d+/api/}, 'the URL is whole');
		is(exists(($signed->{headers} // {})->{Authorization}) ? 1 : 0, $transmission eq 'header' ? 1 : 0, 'Authorization where it belongs');
	}
}
{
	my $name = make(transmission => 'body');
	my $form = $dba->rows(qq{SELECT convert_from(body, 'UTF8') FROM oauth1.sign_request('$name', oauth1.request('POST', '/echo', form => '{"oauth_callback": "about:blank", "lti_version": "LTI-1p0"}'), '')});
	like($form, qr/^lti_version=LTI-1p0&oauth_callback=about%3Ablank&oauth_consumer_key=good&.*&oauth_signature=/, 'a launch as a form');
	my $error = $dba->error("SELECT oauth1.sign_request('" . make(signature_method => 'PLAINTEXT') . "', oauth1.request('GET', '/echo'), '')");
	is($error->{sqlstate}, '0A000', 'sign_request refuses PLAINTEXT');
	like($error->{hint}, qr/http_call/, 'with a hint');
	unlike($error->{text}, qr/s3cret/, 'and without the secret');
}

# ---------------------------------------------------------------- who may ask

{
	my $name = make(token => 'token-good');
	$dba->rows("SELECT oauth1.set_token('$name', 'token-good', '$token_secret', 'mine'); SELECT oauth1.grant_token('$name', 'mine', 'alice')");
	my $alice = OAuth1::Session->new($node, user => 'alice');
	my $bob = OAuth1::Session->new($node, user => 'bob');
	my $request = q{oauth1.request('GET', '/echo')};
	foreach my $call ("explain_call('$name', $request)", "sign_request('$name', $request)", "check_consumer('$name')",
		"check_consumer('nobody')")
	{
		is(sqlstate($bob, "SELECT oauth1.$call"), 'OA007', "OA007 without a grant: $call");
	}
	is(sqlstate($alice, "SELECT oauth1.check_consumer('$name')"), 'OA007', 'a grant of another token is none of this one');
	$alice->rows(q{SET oauth1.token = 'mine'});
	like($alice->rows("SELECT item, ok FROM oauth1.check_consumer('$name')"), qr/^signed call\|t$/m, 'with the token that was granted');
	like($alice->rows("SELECT name, value FROM oauth1.explain_call('$name', $request)"), qr/^token\|mine \(token-good\)$/m, 'explain_call with it');
	# A role that was given one token may not act as the consumer itself, not even to look for a cause.
	$dba->rows("SELECT oauth1.set_token('$name', 'token-good', 's3cret-wrong', 'mine')");
	my $mark = $service->mark;
	like($alice->rows("SELECT item, ok, detail FROM oauth1.check_consumer('$name')"), qr/^cause\|\|Not found/m, 'its token is wrong');
	is((grep { ($_->{oauth}{oauth_consumer_key} // '') eq 'good' && !exists $_->{oauth}{oauth_token} } $service->ledger($mark)) + 0,
		0, 'and nothing was signed without it');
}

# ---------------------------------------------------------------- check_consumer, row by row

{
	my %nowhere = map { ("${_}_url" => undef) } qw(request_token authorize access_token renew revoke);
	my $at = sub { my ($url) = @_; return make(api_urls => \"ARRAY['$url']", %nowhere, @_[ 1 .. $#_ ]); };

	like(checked($at->('https://no-such-name.invalid/')), qr/^name\|false\|(?!.*true).*\nsigned call\|open\|Not tried/m, 'a name without an address');
	like(checked($at->($service->url('/', 'refused'))), qr/^name\|true\|.*\nconnection\|false\|\S.*\nsigned call\|open/m, 'no connection');
	like(checked($at->($service->url('/', 'https_self_signed'))), qr/^connection\|true\|.*\nTLS\|false\|.*certificate.*\nsigned call\|open/mi, 'a certificate that is not trusted');
	$dba->rows(q{SET oauth1.timeout = '400ms'});
	my $began = time;
	like(checked($at->($service->url('/', 'silent'))), qr/^TLS\|false\|.*\nsigned call\|open/m, 'a server that says nothing');
	cmp_ok(time - $began, '<', 3, 'bounded by oauth1.timeout');
	$dba->rows(q{RESET oauth1.timeout; SET statement_timeout = '300ms'});
	is(sqlstate($dba, "SELECT oauth1.check_consumer('c$made')"), '57014', 'statement_timeout ends it');
	$dba->rows('RESET statement_timeout');
	my $http = $at->('http://localhost:1/', allow_http => \'true');
	$dba->rows('SET oauth1.allow_http = off');
	like(checked($http), qr/^connection\|false\|OA003: calls of consumer .* need https/m, 'http that is not allowed');
	$dba->rows('RESET oauth1.allow_http');

	$dba->rows('SET oauth1.allow_private_addresses = off');
	like(checked('c1'), qr/^name\|true\|.*\nconnection\|false\|.*loopback/m, 'an address that may not be spoken to');
	$dba->rows('RESET oauth1.allow_private_addresses');
	like(checked(make(options => '{}')), qr/^signed call\|open\|Not tried: the provider has no test_url.*alter_provider/m, 'no test_url');
	like(checked(make(options => '{"test_url": "/nowhere"}')), qr/^signed call\|open\|GET of the test_url: status 404, which says nothing/m, 'a test_url that is not there');
	like(checked(make(options => '{"test_url": "https://elsewhere.example/"}', api_urls => \("ARRAY['" . $service->url('/api') . "', 'https://elsewhere.example/x']"))), qr/^signed call\|false\|OA003/m, 'a test_url that is not allowed');
	like(checked(make()), qr/^token\|false\|There is no token "default".*set_token/m, 'no token');

	my $name = make();
	$dba->rows("SELECT oauth1.create_consumer('bare', '$name', 'good')");
	like(checked('bare'), qr/^key\|false\|OA001: consumer "bare" has no secret.*alter_consumer.*\nsigned call\|open\|Not tried: see above/ms, 'no secret');
	$dba->rows("SELECT oauth1.alter_provider('$name', api_urls => ARRAY['" . $service->url('/api') . "', 'https://new.example/'])");
	like(checked($name), qr/^key\|false\|OA005: cannot use.*rebind_consumer/m, 'a secret that is bound elsewhere');
	unlike(checked($name), qr/s3cret/, 'and shows nothing of it');

	$dba->rows(q{SELECT oauth1.create_provider('vars', ARRAY['https://{account:host}.example/']); SELECT oauth1.create_consumer('vars', 'vars', 'k', vars => '{"account": "a"}')});
	$dba->rows(q{UPDATE oauth1.consumer SET vars = '{}' WHERE name = 'vars'});
	like(checked('vars'), qr/^consumer\|false\|22023: .*account/m, 'a var that is missing');
	is(sqlstate($dba, 'SELECT oauth1.check_consumer(NULL)'), '22004', 'no name');
	like($dba->rows("BEGIN READ ONLY; SELECT item, ok FROM oauth1.check_consumer('c1'); COMMIT"), qr/^signed call\|t$/m, 'in a read-only transaction');
}

# ---------------------------------------------------------------- docs/refused.md

{
	my ($number, @sql) = (0);
	foreach my $line (split /\n/, slurp_file("$FindBin::RealBin/../../docs/refused.md"))
	{
		if ($line =~ /^```/) { $number = $line eq '```sql' ? 1 : 0; push @sql, '' if $number; }
		elsif ($number) { $sql[-1] .= "$line\n"; }
	}
	cmp_ok(scalar @sql, '>', 4, 'docs/refused.md has statements');
	$registered->provider('shop', options => '{"test_url": "/echo"}');
	$registered->consumer('shop', 'shop', 'good', $secret);
	$dba->rows("SELECT oauth1.set_token('shop', 'token-good', '$token_secret')");
	foreach my $block (@sql)
	{
		my $text = $dba->query($block);
		unlike($text, qr/^(?:ERROR|FATAL):/m, 'docs/refused.md: ' . ($block =~ s/\n.*//sr)) or diag $text;
	}
}

done_testing();
