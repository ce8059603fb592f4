# Where a credential may go, who may use it, and what an attacker in the database can do about
# either: nothing arrives at the service that should not.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $other = OAuth1::Service->start;
$service->add_consumer(
	key => 'with-tokens',
	secret => 'demo-secret',
	tokens => [ map { { token => "token-$_", secret => "secret-$_" } } 1 .. 3 ]);

my $node = OAuth1::Node->start('main', service => $service);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; CREATE ROLE team; CREATE ROLE carol LOGIN;'
	  . 'GRANT CREATE ON SCHEMA public TO PUBLIC; GRANT CREATE, TEMPORARY ON DATABASE postgres TO alice');
my $registered = OAuth1::Registered->new($dba, $service);
my $origin = $service->url('');
$registered->provider('api');
$registered->consumer('api', 'api', 'with-tokens', 'demo-secret');
$dba->rows("SELECT oauth1.set_token('api', 'token-$_', 'secret-$_', 'name$_')") foreach 1 .. 3;
$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice')});

# One api_url with a path.
$registered->provider('v1', api_urls => \"ARRAY['$origin/api/echo/v1']");
$registered->consumer('v1', 'v1', 'demo-key', 'demo-secret');
$dba->rows(q{SELECT oauth1.grant_consumer('v1', 'alice')});

my $alice = OAuth1::Session->new($node, user => 'alice');
my $bob = OAuth1::Session->new($node, user => 'bob');
my $carol = OAuth1::Session->new($node, user => 'carol');

# ---------------------------------------------------------------- helpers

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

# The status of a two-legged GET, or its SQLSTATE; nothing may arrive where it is an error.
sub tried
{
	my ($session, $consumer, $url, $token) = @_;
	my $mark = $service->mark;
	my $sql = 'SELECT status FROM oauth1.http_get('
	  . join(', ', quote($consumer), quote($url), 'token => ' . quote($token // '')) . ')';
	my $text = $session->query($sql);
	my $error = OAuth1::Session::parse($text);
	return $text =~ /^(\d+)$/m ? $1 : 'nothing' unless $error;
	fail("$error->{sqlstate}, and yet it was sent: $sql") if $service->ledger($mark);
	return $error->{sqlstate};
}

# What arrived since a mark, as "target verdict".
sub arrived
{
	my ($mark) = @_;
	return join ' ', map { "$_->{target} $_->{verdict}" } $service->ledger($mark);
}

# ---------------------------------------------------------------- where it may go

is(tried($alice, 'v1', '/x'), 200, 'under the api_url');
is(tried($alice, 'v1', "$origin/api/echo/v1"), 200, 'the api_url itself');
is(tried($alice, 'v1', "$origin/api/echo/v1/"), 200, 'with a slash');
is(tried($alice, 'v1', "$origin/api/echo/v1?a=/../.."), 200, 'with a query');

my $https = $service->port('https');
my $http = $service->port('http');
foreach my $url (
	"$origin/api/echo/v10", "$origin/api/echo/v1x/y", "$origin/api/echo/", "$origin/api/echo", "$origin/",
	"$origin/api/items", "$origin/api/echo/v1%2fx", "$origin/api/echo/%76%31/x", "$origin/api/echo//v1/x",
	"http://localhost:$http/api/echo/v1", "http://localhost:$https/api/echo/v1",
	"https://127.0.0.1:$https/api/echo/v1", "https://[::1]:$https/api/echo/v1", "https://localhost/api/echo/v1",
	"https://localhost.:$https/api/echo/v1", 'https://localhost:' . $other->port('https') . '/api/echo/v1',
	"https://localhost:" . ($https == 65535 ? $https - 1 : $https + 1) . '/api/echo/v1')
{
	is(tried($alice, 'v1', $url), 'OA003', "not allowed: $url");
}
foreach my $url (
	# Under it at first sight
	"$origin/api/echo/v1/../../items", "$origin/api/echo/v1/./x", "$origin/api/echo/v1/%2e%2e/%2E%2e/items",
	"$origin/api/echo/v1/.%2e/x", "$origin/api/echo/v1/..;/x", "$origin/api/echo/v1/a%2f..%2f..%2fx",
	'/../../items', '/%2e%2e/x', '/..',
	"https://user\@localhost:$https/api/echo/v1", "https://user:word\@localhost:$https/api/echo/v1",
	"https://localhost:$https\@127.0.0.1:" . $other->port('https') . '/api/echo/v1',
	"https://:\@localhost:$https/api/echo/v1",
	# No URL at all
	"https://localhost:$https\\\@127.0.0.1/api/echo/v1", "$origin/api/echo/v1/..\\..\\items", "$origin/api/echo/v1/\\x",
	"$origin/api/echo/v1\r\nX-Injected: 1", "$origin/api/echo/v1\n", "$origin/api/echo/v1/\x01", "$origin/api/echo/v1/\x7f",
	"https://localhost\t:$https/api/echo/v1", "https://localhost:$https:1/api/echo/v1", "https://localhost:+$https/api/echo/v1",
	"https://localhost:$https/api/echo/v1" =~ s/localhost/loc%61lhost/r, 'file:///etc/passwd', 'ftp://localhost/', '//[', 'x')
{
	my $name = $url =~ s/([\x00-\x1f\x7f])/sprintf '\\x%02x', ord $1/ger;
	$url eq '//['
	  ? is(tried($alice, 'v1', $url), 200, 'two slashes and a bracket are a path')
	  : is(tried($alice, 'v1', $url), '22023', "no URL of a call: $name");
}
is($other->mark, 0, 'nothing arrived at the other service');

# The same with what is passed on to URLs: params, request().
is_error($alice->error(q{SELECT oauth1.http_call('v1', oauth1.request('GET', '/../../items', params => '{"a": "b"}'), token => '')}),
	'22023', qr/segment/, 'http_call');
is( $alice->rows(q{SELECT (r.body::jsonb ->> 'target') FROM oauth1.http_get('v1', '/x', params => jsonb_build_object(E'a\r\nb', E'../\r\n\\\\@'), token => '') r}),
	'/api/echo/v1/x?a%0D%0Ab=..%2F%0D%0A%5C%40', 'params cannot leave their place');

# A redirect is the answer: it is not followed, wherever it points.
$registered->provider('any', api_urls => \"ARRAY['$origin/']");
$registered->consumer('any', 'any', 'demo-key', 'demo-secret');
$dba->rows(q{SELECT oauth1.grant_consumer('any', 'alice')});
foreach my $status (301, 302, 303, 307, 308)
{
	my $mark = $service->mark;
	my $to = 'https%3A%2F%2Flocalhost%3A' . $other->port('https') . '%2Fapi%2Fecho';
	foreach my $verb (qw(get post))
	{
		is($alice->rows("SELECT status, headers ? 'location' FROM oauth1.http_$verb('any', "
				  . quote("/flaky/redirect=$status:$to/api/echo") . q{, token => '')}),
			"$status|t", "$verb, $status: the redirect is the answer");
	}
	is(scalar $service->ledger($mark), 2, "$status: sent once each");
}
is($other->mark, 0, 'no redirect was followed');

# Vars that would move the host, or fit nowhere.
$dba->rows("SELECT oauth1.create_provider('var', ARRAY['https://{host}/api/echo/{part}'])");
foreach my $case (
	[ "localhost:$https/x", 'p', 'OA003' ],
	[ "user\@localhost:$https", 'p', 'OA003' ],
	[ "localhost:$https#", 'p', 'OA003' ],
	[ "localhost:$https?", 'p', 'OA003' ],
	[ "localhost:$https\\", 'p', 'OA003' ],
	[ '', 'p', 'OA003' ],
	[ "local host", 'p', '22023' ],
	[ "localhost\r\n", 'p', '22023' ],
	[ "localhost:$https", '..', '22023' ],
	[ "localhost:$https", '', '22023' ])
{
	my ($host, $part, $sqlstate) = @$case;
	is_error($dba->error('SELECT oauth1.create_consumer(' . quote('var') . ", 'var', 'demo-key', 'demo-secret', vars => jsonb_build_object('host', "
			  . quote($host) . q{::text, 'part', } . quote($part) . '::text))'),
		$sqlstate, qr/"(host|part)"/, "vars: $host, $part" =~ s/[\r\n]/./gr);
}
$dba->rows("SELECT oauth1.create_consumer('var', 'var', 'demo-key', 'demo-secret', vars => '{\"host\": \"LOCALHOST:$https\", \"part\": \"a/b?c#d ..\"}')");
is(tried($dba, 'var', '/x'), 200, 'a var is encoded in its place');
is(($service->ledger)[-1]{target}, '/api/echo/a%2Fb%3Fc%23d%20../x', 'and cannot leave it');
is(tried($dba, 'var', "$origin/api/echo/a/../b"), '22023', 'nor can a URL look like it');

# Plain http: the provider's and the superuser's word; PLAINTEXT never.
my $plain = $service->url('', 'http');
$registered->provider('http', api_urls => \"ARRAY['$plain/api/']",
	(map { $_ . '_url' => undef } qw(request_token access_token authorize renew revoke)), allow_http => \'true');
$registered->consumer('http', 'http', 'demo-key', 'demo-secret');
$dba->rows(q{SELECT oauth1.grant_consumer('http', 'alice')});
is(tried($alice, 'http', '/echo'), 'OA003', 'http without oauth1.allow_http');
is_error($alice->error('SET oauth1.allow_http = on'), '42501', qr/permission denied/, 'oauth1.allow_http is the superuser\'s');
$dba->rows('SET oauth1.allow_http = on');
is(tried($dba, 'http', '/echo'), 200, 'http with both');
is_error($dba->error(q{SELECT oauth1.alter_provider('http', signature_method => 'PLAINTEXT')}), '22023', qr/PLAINTEXT/, 'PLAINTEXT over http');
# By the back door, as a restored dump could.
$dba->rows(q{UPDATE oauth1.provider SET signature_method = 'PLAINTEXT' WHERE name = 'http'; SELECT oauth1.rebind_consumer('http')});
is(tried($dba, 'http', '/echo'), 'OA003', 'PLAINTEXT over http, written into the table');
$dba->rows(q{UPDATE oauth1.provider SET signature_method = 'HMAC-SHA256', allow_http = false WHERE name = 'http'; SELECT oauth1.rebind_consumer('http')});
is(tried($dba, 'http', '/echo'), 'OA003', 'http that the provider does not allow');
$dba->rows('RESET oauth1.allow_http');

# Private addresses.
$dba->rows('SET oauth1.allow_private_addresses = off');
is(tried($dba, 'any', '/api/echo'), 'OA003', 'private addresses are off');
$registered->provider('numbers', api_urls => \"ARRAY['https://127.0.0.1:$https/', 'https://[::1]:$https/', 'https://2130706433:$https/', 'https://0x7f.1:$https/', 'https://[::ffff:127.0.0.1]:$https/', 'https://0:$https/']");
$registered->consumer('numbers', 'numbers', 'demo-key', 'demo-secret');
foreach my $host (qw(127.0.0.1 [::1] 2130706433 0x7f.1 [::ffff:127.0.0.1] 0))
{
	is(tried($dba, 'numbers', "https://$host:$https/api/echo"), 'OA003', "private addresses are off: $host");
}
is_error($dba->error(q{SELECT oauth1.http_get('any', '/api/echo', token => '')}), 'OA003', qr/address.*Nothing was sent.*allow_private_addresses/s, 'private addresses: which setting');
$dba->rows('RESET oauth1.allow_private_addresses');
is(tried($dba, 'any', '/api/echo'), 200, 'private addresses are on again');
# A kept connection is older than the rule.
$dba->rows('SET oauth1.allow_private_addresses = off');
is(tried($dba, 'any', '/api/echo'), 'OA003', 'private addresses are off, on a kept connection');
$dba->rows('RESET oauth1.allow_private_addresses');
is_error($alice->error('SET oauth1.allow_private_addresses = on'), '42501', qr/permission denied/, 'oauth1.allow_private_addresses is the superuser\'s');
foreach my $setting (q{ca_file = ''}, q{proxy = 'http://127.0.0.1:9'})
{
	is_error($alice->error("SET oauth1.$setting"), '42501', qr/permission denied/, "oauth1.$setting is the superuser's");
}
# A setting made before the library was there does not count.
$dba->rows(q{UPDATE oauth1.provider SET allow_http = true WHERE name = 'http'; SELECT oauth1.grant_consumer('http', 'carol')});
$dba->rows(q{ALTER ROLE carol SET session_preload_libraries = 'plpgsql'});
{
	my $early = OAuth1::Session->new($node, user => 'carol');
	$early->rows('SET oauth1.allow_http = on; SET oauth1.allow_private_addresses = on');
	is($early->rows('SHOW oauth1.allow_http'), 'on', 'before the library is loaded anybody can SET anything');
	is(tried($early, 'http', '/echo'), 'OA003', 'but it does not count');
	is($early->rows('SHOW oauth1.allow_http'), 'off', 'and is gone');
}
$dba->rows('ALTER ROLE carol RESET session_preload_libraries');

# ---------------------------------------------------------------- who may use it

is(tried($alice, 'api', '/echo', 'name1'), 200, 'a grant');
is(tried($bob, 'api', '/echo', 'name1'), 'OA007', 'no grant');
is(tried($bob, 'nothing', '/echo', 'name1'), 'OA007', 'no consumer');
my ($not_granted, $not_there) = map { $bob->error("SELECT oauth1.http_get('$_', '/echo')") } 'api', 'nothing';
is($not_granted->{message} =~ s/api/nothing/r, $not_there->{message}, 'the two are not told apart');
is("$not_granted->{detail}$not_granted->{hint}", "$not_there->{detail}$not_there->{hint}", 'nor in detail and hint');

# At once, in another session that has used it already.
foreach my $begin ('', 'BEGIN', 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY')
{
	my $what = $begin || 'no transaction block';
	$alice->rows($begin) if $begin;
	is(tried($alice, 'api', '/echo', 'name1'), 200, "$what: granted");
	$dba->rows(q{BEGIN; SELECT oauth1.revoke_consumer('api', 'alice')});
	is(tried($alice, 'api', '/echo', 'name1'), 200, "$what: a revocation that is not committed");
	$dba->rows('COMMIT');
	is(tried($alice, 'api', '/echo', 'name1'), 'OA007', "$what: revoked");
	$alice->rows('ROLLBACK') if $begin;
	$alice->rows($begin) if $begin;
	is(tried($alice, 'api', '/echo', 'name1'), 'OA007', "$what: still revoked") if $begin;
	$alice->rows('ROLLBACK') if $begin;
	$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice')});
	is(tried($alice, 'api', '/echo', 'name1'), 200, "$what: granted again");
}
$dba->rows(q{BEGIN; SELECT oauth1.revoke_consumer('api', 'alice'); ROLLBACK});
is(tried($alice, 'api', '/echo', 'name1'), 200, 'a revocation that was rolled back');

# In the revoker's own transaction, to and fro.
$dba->rows(q{BEGIN; SELECT oauth1.grant_consumer('api', 'bob'); SET LOCAL ROLE bob});
is(tried($dba, 'api', '/echo', 'name1'), 200, 'a grant of this transaction');
$dba->rows('ROLLBACK; SET ROLE bob');
is(tried($dba, 'api', '/echo', 'name1'), 'OA007', 'and after its rollback');
$dba->rows('RESET ROLE');

# Through memberships, which change at once as well.
$dba->rows(q{SELECT oauth1.grant_consumer('api', 'team')});
is(tried($carol, 'api', '/echo', 'name1'), 'OA007', 'no member');
$dba->rows('GRANT team TO carol');
is(tried($carol, 'api', '/echo', 'name1'), 200, 'a member');
$dba->rows('ALTER ROLE carol NOINHERIT');
is(tried($carol, 'api', '/echo', 'name1'), 'OA007', 'a member that does not inherit');
$carol->rows('SET ROLE team');
is(tried($carol, 'api', '/echo', 'name1'), 200, 'but may SET ROLE');
$carol->rows('RESET ROLE');
$dba->rows('ALTER ROLE carol INHERIT; REVOKE team FROM carol');
is(tried($carol, 'api', '/echo', 'name1'), 'OA007', 'a member no more');
$dba->rows('ALTER ROLE carol SUPERUSER');
is(tried($carol, 'api', '/echo', 'name1'), 200, 'a superuser');
$dba->rows('ALTER ROLE carol NOSUPERUSER');
is(tried($carol, 'api', '/echo', 'name1'), 'OA007', 'a superuser no more');

# The role that counts is the one that calls.
$dba->rows(<<~'SQL');
	CREATE FUNCTION definer(t text) RETURNS int LANGUAGE sql SECURITY DEFINER
	AS $$ SELECT status FROM oauth1.http_get('api', '/echo', token => t) $$;
	ALTER FUNCTION definer OWNER TO alice
	SQL
is($bob->rows(q{SELECT definer('name1')}), 200, 'in a SECURITY DEFINER function its owner counts');
is(tried($bob, 'api', '/echo', 'name1'), 'OA007', 'and outside the caller again');
$alice->rows(q{CREATE VIEW public.of_alice AS SELECT status FROM oauth1.http_get('api', '/echo', token => 'name1'); GRANT SELECT ON public.of_alice TO bob});
is_error($bob->error('SELECT * FROM public.of_alice'), 'OA007', qr/"api"/, 'a view calls as who reads it');

# A granted token narrows.
$dba->rows(q{SELECT oauth1.grant_token('api', 'name1', 'bob')});
is(tried($bob, 'api', '/echo', 'name1'), 200, 'a granted token');
is(tried($bob, 'api', '/echo', 'name2'), 'OA007', 'not another one');
is(tried($bob, 'api', '/echo', ''), 'OA007', 'and not the consumer without a token');
is_error($bob->error(q{SELECT oauth1.http_get('api', '/echo', token => NULL)}), 'OA007', qr/without a token/, 'nor with NULL');
is_error($bob->error(q{SELECT oauth1.request_token('api', name => 'name2')}), 'OA007', qr/"name2"/, 'and no flow for another one');
is_error($bob->error(q{SELECT oauth1.renew_token('api', 'name2')}), 'OA007', qr/"name2"/, 'no renewal');
is_error($bob->error(q{SELECT oauth1.revoke_token('api', 'name2')}), 'OA007', qr/"name2"/, 'no revocation');
$dba->rows(q{SELECT oauth1.revoke_token_grant('api', 'name1', 'bob')});
is(tried($bob, 'api', '/echo', 'name1'), 'OA007', 'a granted token, revoked');
$dba->rows(q{SELECT oauth1.grant_token('api', 'name1', 'bob')});

# Roles that go, and come back under their name.
$dba->rows(q{CREATE ROLE gone LOGIN; SELECT oauth1.grant_consumer('api', 'gone')});
my $gone = OAuth1::Session->new($node, user => 'gone');
is(tried($gone, 'api', '/echo', 'name1'), 200, 'a role');
$dba->rows('DROP ROLE gone; CREATE ROLE gone LOGIN');
is(tried($gone, 'api', '/echo', 'name1'), 'OA007', 'a session of a role that was dropped');
my $gone_again = OAuth1::Session->new($node, user => 'gone');
is(tried($gone_again, 'api', '/echo', 'name1'), 'OA007', 'a role of its name');
$dba->rows('SELECT oauth1.adopt_grants()');
is(tried($gone_again, 'api', '/echo', 'name1'), 200, 'whose grant was adopted');
$dba->rows('ALTER ROLE gone RENAME TO renamed');
is(tried($gone_again, 'api', '/echo', 'name1'), 'OA007', 'a role that was renamed');

# What was dropped, and what was changed, in a session that keeps it.
is(tried($alice, 'api', '/echo', 'name3'), 200, 'a token');
$dba->rows(q{SELECT oauth1.set_token('api', 'token-2', 'secret-2', 'name3')});
my $mark = $service->mark;
is(tried($alice, 'api', '/echo', 'name3'), 200, 'another token of its name');
is(($service->ledger($mark))[0]{oauth}{oauth_token}, 'token-2', 'which is the one that is sent');
$dba->rows(q{SELECT oauth1.drop_token('api', 'name3')});
is(tried($alice, 'api', '/echo', 'name3'), 'OA007', 'a token that was dropped');
$registered->consumer('brief', 'api', 'demo-key', 'demo-secret');
is(tried($dba, 'brief', '/echo'), 200, 'a consumer');
$dba->rows(q{SELECT oauth1.alter_consumer('brief', consumer_secret => 'wrong')});
is(tried($dba, 'brief', '/echo'), 401, 'a consumer with another secret');
{
	my $rotator = OAuth1::Session->new($node);
	is(tried($alice, 'api', '/echo', 'name2'), 200, 'before a rotation');
	$rotator->rows('SELECT oauth1.rotate_key()');
	is(tried($alice, 'api', '/echo', 'name2'), 200, 'after a rotation by another session');
	$rotator->rows('BEGIN; SELECT oauth1.rotate_key()');
	is(tried($alice, 'api', '/echo', 'name2'), 200, 'while another session rotates');
	$rotator->rows('ROLLBACK');
	is(tried($alice, 'api', '/echo', 'name2'), 200, 'after a rotation that was rolled back');
	$alice->rows('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	$rotator->rows('SELECT oauth1.rotate_key()');
	is(tried($alice, 'api', '/echo', 'name2'), 200, 'in a snapshot that is older than a rotation');
	$alice->rows('COMMIT');
}
$dba->rows(q{SELECT oauth1.drop_consumer('brief')});
is(tried($dba, 'brief', '/echo'), 'OA007', 'a consumer that was dropped');

# However the tables are changed: by TRUNCATE, by a session that fires no ordinary triggers (as
# logical replication does), within savepoints.
foreach my $change ('TRUNCATE oauth1.consumer_grant', 'DELETE FROM oauth1.consumer_grant',
	'SET session_replication_role = replica; DELETE FROM oauth1.consumer_grant; RESET session_replication_role',
	'ALTER TABLE oauth1.consumer_grant RENAME TO g; TRUNCATE oauth1.g; ALTER TABLE oauth1.g RENAME TO consumer_grant',
	q{BEGIN; SAVEPOINT a; DELETE FROM oauth1.consumer_grant; RELEASE a; COMMIT},
	q{DO $$ BEGIN DELETE FROM oauth1.consumer_grant; PERFORM 1 / (SELECT count(*) FROM oauth1.consumer_grant); EXCEPTION WHEN division_by_zero THEN DELETE FROM oauth1.consumer_grant; END $$})
{
	$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice'), oauth1.grant_consumer('v1', 'alice'), oauth1.grant_consumer('any', 'alice')});
	is(tried($alice, 'api', '/echo', 'name1'), 200, 'granted');
	$dba->rows($change);
	is(tried($alice, 'api', '/echo', 'name1'), 'OA007', $change);
}
$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice'), oauth1.grant_consumer('v1', 'alice'), oauth1.grant_consumer('any', 'alice'), oauth1.grant_token('api', 'name1', 'bob')});
$dba->rows(q{BEGIN; SAVEPOINT a; SELECT oauth1.revoke_consumer('api', 'alice'); SET LOCAL ROLE alice});
is(tried($dba, 'api', '/echo', 'name1'), 'OA007', 'a savepoint: revoked');
$dba->rows('ROLLBACK TO a; SET LOCAL ROLE alice');
is(tried($dba, 'api', '/echo', 'name1'), 200, 'a savepoint: rolled back');
$dba->rows('ROLLBACK');

# More credentials than a session keeps.
$dba->rows(q{SET client_min_messages = warning; SELECT oauth1.create_consumer('many' || n, 'api', 'demo-key', 'demo-secret') FROM generate_series(1, 700) n; RESET client_min_messages});
foreach my $round (1, 2)
{
	is($dba->rows(q{SELECT sum(r.status) / 200 FROM generate_series(1, 700, 7) n, LATERAL oauth1.http_get('many' || n, '/echo', token => '') r}), 100, "many consumers, round $round");
	is($dba->rows(q{SELECT count(*) FROM generate_series(1, 700) n, LATERAL (SELECT pg_temp.refused('many' || n) AS said) s WHERE said = 'OA003'}), 700, "all of them, round $round")
	  if $dba->rows(q{CREATE OR REPLACE FUNCTION pg_temp.refused(consumer text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN (oauth1.http_get(consumer, 'https://elsewhere.example/', token => '')).status; EXCEPTION WHEN SQLSTATE 'OA003' THEN RETURN SQLSTATE; END $$}) eq '';
}

# ---------------------------------------------------------------- pointed elsewhere

$registered->provider('moved', api_urls => \"ARRAY['$origin/api/']");
$registered->consumer('moved', 'moved', 'demo-key', 'demo-secret');
$dba->rows(q{SELECT oauth1.set_token('moved', 't', 's')});
is(tried($dba, 'moved', '/echo'), 200, 'before it is pointed elsewhere');
my $elsewhere = $other->url('/api/');
$dba->query("SELECT oauth1.alter_provider('moved', api_urls => ARRAY['$elsewhere'])");
like($dba->said, qr/NOTICE:.*\b2\b/, 'a NOTICE says how many secrets that concerns') or diag $dba->said;
is(tried($dba, 'moved', '/echo'), 'OA005', 'pointed elsewhere: the secret cannot be used');
is_error($dba->error(q{SELECT oauth1.http_get('moved', '/echo', token => '')}), 'OA005', qr/rebind_consumer/, 'pointed elsewhere: the cure');
is($other->mark, 0, 'pointed elsewhere: nothing arrived there');
$dba->rows(q{SELECT oauth1.alter_consumer('moved', consumer_secret => 'demo-secret')});
my $there = $other->mark;
$dba->rows('SET oauth1.ca_file = ' . quote($other->ca));
is($dba->rows(q{SELECT status FROM oauth1.http_get('moved', '/echo', token => '')}), 200, 'set again: it goes to the other service');
$dba->rows('RESET oauth1.ca_file');
is($other->mark, $there + 1, 'where it arrives');
is_error($dba->error(q{SELECT oauth1.http_get('moved', '/echo')}), 'OA005', qr/token/, 'set again, but not the token');
$dba->query("SELECT oauth1.alter_provider('moved', api_urls => ARRAY['$origin/api/'])");
is(tried($dba, 'moved', '/echo'), 'OA005', 'and back: what was set in between is bound to the other');
is($dba->rows(q{SELECT oauth1.rebind_consumer('moved')}), 2, 'rebind_consumer');
is(tried($dba, 'moved', '/echo'), 200, 'rebound');

# Not only api_urls decide where a secret may go.
foreach my $case (
	[ q{access_token_url => '%s/x'}, q{reset => ARRAY['access_token_url']} ],
	[ q{revoke_url => '%s/x'}, q{reset => ARRAY['revoke_url']} ],
	[ q{options => '{"proxy": "%s"}'}, q{reset => ARRAY['options']} ],
	[ q{options => jsonb_build_object('ca', $$} . slurp_file($other->ca) . q{$$)}, q{reset => ARRAY['options']} ],
	[ q{signature_method => 'PLAINTEXT'}, q{signature_method => 'HMAC-SHA256'} ])
{
	my ($change, $back) = @$case;
	my $what = $change =~ s/%s.*//sr =~ s/ =>.*?(\w+).*/ $1/sr;
	$change =~ s/%s/$other->url('')/e;
	$dba->query("SELECT oauth1.alter_provider('moved', $change)");
	is(tried($dba, 'moved', '/echo'), 'OA005', "moved by $what");
	$dba->query("SELECT oauth1.alter_provider('moved', $back)");
	$dba->query("SELECT oauth1.alter_provider('moved', access_token_url => '$origin/oauth/access_token', revoke_url => '$origin/oauth/revoke_token')");
	is(tried($dba, 'moved', '/echo'), 200, "moved back by $what");
}
is($other->mark, $there + 1, 'nothing arrived elsewhere');

# A consumer that is given another provider.
$dba->rows("SELECT oauth1.create_provider('thief', ARRAY['$elsewhere'], signature_method => 'PLAINTEXT')");
$dba->query(q{SELECT oauth1.alter_consumer('moved', provider => 'thief')});
is(tried($dba, 'moved', '/echo'), 'OA005', 'a consumer moved to another provider');
is($other->mark, $there + 1, 'nothing arrived there');

# ---------------------------------------------------------------- from inside the database

# Operators and functions of the attacker's before pg_catalog, in a schema, in pg_temp.
$alice->rows(<<~'SQL');
	CREATE SCHEMA evil;
	CREATE FUNCTION evil.always(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.always);
	CREATE FUNCTION evil.now() RETURNS timestamptz LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'planted now() ran'; END $$;
	CREATE FUNCTION evil.coalesce_name(name, text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
	CREATE OPERATOR evil.= (LEFTARG = name, RIGHTARG = text, FUNCTION = evil.coalesce_name);
	CREATE FUNCTION evil.current_setting(text, boolean) RETURNS text LANGUAGE sql AS $$ SELECT 'planted' $$;
	GRANT USAGE ON SCHEMA evil TO PUBLIC
	SQL
$bob->rows('SET search_path = evil, pg_catalog, oauth1, public');
is(tried($bob, 'api', '/echo', 'name1'), 200, 'planted operators: what is granted');
is(tried($bob, 'api', '/echo', 'name2'), 'OA007', 'planted operators: what is not');
is(tried($bob, 'v1', '/x'), 'OA007', 'planted operators: another consumer');
is($bob->rows('SELECT string_agg(name, $$,$$) FROM oauth1.consumers'), 'api', 'planted operators: the view');
is_error($bob->error(q{SELECT oauth1.request_token('api', name => 'name2')}), 'OA007', qr/"name2"/, 'planted functions: the flow');
$mark = $service->mark;
is_error($bob->error(q{SELECT oauth1.access_token('x', 'y')}), 'OA007', qr/request token/, 'planted functions: the exchange');
$bob->rows('RESET search_path');
$bob->rows(<<~'SQL');
	CREATE TEMP TABLE consumer_grant (consumer text, token text, role_oid oid, role_name name);
	CREATE TEMP TABLE consumer (name text); CREATE TEMP TABLE token (name text); CREATE TEMP TABLE secret (consumer text);
	INSERT INTO consumer_grant VALUES ('v1', '', 'bob'::regrole, 'bob');
	CREATE TEMP TABLE pg_roles (oid oid, rolname name);
	SET search_path = pg_temp, oauth1, pg_catalog
	SQL
is(tried($bob, 'v1', '/x'), 'OA007', 'planted temporary tables');
is(tried($bob, 'api', '/echo', 'name1'), 200, 'planted temporary tables: what is granted');
$bob->rows('RESET search_path');

# Types and casts on the way in: a domain over http_request, a text that runs code.
$alice->rows(<<~'SQL');
	CREATE FUNCTION evil.steal(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
	AS $$ BEGIN RAISE WARNING 'seen %', $1; RETURN true; END $$
	SQL
$bob->query(q{SELECT * FROM oauth1.consumers WHERE evil.steal(name)});
unlike($bob->said, qr/seen (v1|any|moved)/, 'a leaky function sees no rows that the view hides');
$bob->query(q{SELECT * FROM oauth1.tokens WHERE evil.steal(token)});
unlike($bob->said, qr/seen token-2/, 'nor tokens');

# Row level security and row_security = off.
$dba->rows('ALTER TABLE oauth1.consumer_grant ENABLE ROW LEVEL SECURITY; ALTER TABLE oauth1.consumer ENABLE ROW LEVEL SECURITY');
is(tried($alice, 'v1', '/x'), 200, 'with row level security on the tables');
$alice->rows('SET row_security = on');
is(tried($alice, 'v1', '/x'), 200, 'and row_security on');
$dba->rows('ALTER TABLE oauth1.consumer_grant DISABLE ROW LEVEL SECURITY; ALTER TABLE oauth1.consumer DISABLE ROW LEVEL SECURITY');

# The tables themselves.
foreach my $table (qw(preset provider consumer token request_token secret data_key consumer_grant))
{
	is_error($alice->error("SELECT * FROM oauth1.$table"), '42501', qr/permission denied/, "table $table");
}
foreach my $function (
	q{create_provider('x', ARRAY['https://x.example'])}, q{alter_provider('api')}, q{drop_provider('api')},
	q{create_consumer('x', 'api', 'k')}, q{alter_consumer('api')}, q{drop_consumer('api')},
	q{set_token('api', 't', 's')}, q{drop_token('api')}, q{grant_consumer('api', 'bob')}, q{revoke_consumer('api', 'bob')},
	q{grant_token('api', 'name1', 'bob')}, q{revoke_token_grant('api', 'name1', 'bob')}, q{adopt_grants()},
	q{rotate_key()}, q{create_master_key()}, q{rotate_master_key('x')}, q{rebind_consumer('api')})
{
	is_error($alice->error("SELECT oauth1.$function"), '42501', qr/permission denied/, $function);
}
is_error($alice->error("INSERT INTO oauth1.${_}_in (consumer) VALUES ('api')"), '42501', qr/permission denied/, "${_}_in")
  foreach 'secrets', 'tokens';
is_error($alice->error("SELECT * FROM oauth1.${_}_in"), '42501', qr/permission denied/, "reading ${_}_in")
  foreach 'secrets', 'tokens';

# What runs in the caller's session while a call waits cannot be seen or changed by it: the
# secrets are in no plan, no error, no view of activity.
my @said = map { $alice->query($_) }
  q{SELECT * FROM oauth1.consumers; SELECT * FROM oauth1.tokens; SELECT * FROM oauth1.providers; SELECT * FROM oauth1.grants},
  q{SELECT * FROM oauth1.http_get('api', '/echo', token => 'name2')},
  q{SELECT * FROM oauth1.http_get('api', 'https://elsewhere.example/', token => 'name2')},
  q{SELECT * FROM oauth1.http_get('any', '/flaky/hangup/api/echo', token => '')},
  q{SELECT oauth1.raise_for_status(r) FROM oauth1.http_get('any', '/flaky/status=401/api/echo', token => '') r},
  q{SELECT * FROM pg_stat_activity};
unlike(join('', @said), qr/demo-secret|secret-[123]/, 'no secret comes out');

# Header fields that may not be set, and injection.
$mark = $service->mark;
foreach my $field ('Authorization', 'Host', 'host', 'Content-Length', 'Transfer-Encoding', 'Connection', 'Expect', 'TE',
	'Upgrade', 'Proxy-Authorization', "X-A\r\nX-B", 'X A', 'X:', '')
{
	is_error($alice->error('SELECT oauth1.http_get(' . quote('v1') . ", '/x', headers => jsonb_build_object(" . quote($field) . q{::text, 'x'), token => '')}),
		'22023', qr/header/, 'header ' . $field =~ s/[\r\n]/./gr);
}
foreach my $value ("a\r\nX-Injected: 1", "a\nX-Injected: 1", "a\rb", "a\x01")
{
	is_error($alice->error(q{SELECT oauth1.http_get('v1', '/x', headers => jsonb_build_object('X-A', } . quote($value) . q{::text), token => '')}),
		'22023', qr/header/, 'a header value ' . $value =~ s/[\x00-\x1f]/./gr);
	is_error($alice->error(q{SELECT oauth1.http_post('v1', '/x', body => '', content_type => } . quote($value) . q{, token => '')}),
		'22023', qr/content-type/, 'a content_type ' . $value =~ s/[\x00-\x1f]/./gr);
	is_error($alice->error(q{SELECT oauth1.http_post('v1', '/x', body => '', headers => jsonb_build_object('Content-Type', } . quote($value) . q{::text), token => '')}),
		'22023', qr/content-type/, 'a Content-Type ' . $value =~ s/[\x00-\x1f]/./gr);
	is_error($alice->error('SET oauth1.user_agent = ' . quote($value)),
		'22023', qr/oauth1\.user_agent/, 'a user agent ' . $value =~ s/[\x00-\x1f]/./gr);
}
is(scalar $service->ledger($mark), 0, 'nothing was sent for any of them');

# The extension dropped and created again, under sessions that keep what they read of it.
is(tried($alice, 'v1', '/x'), 200, 'before the extension goes');
$dba->rows('DROP EXTENSION oauth1 CASCADE');
is(tried($alice, 'v1', '/x'), '42883', 'without the extension');
$dba->rows('CREATE EXTENSION oauth1');
is(tried($alice, 'v1', '/x'), 'OA007', 'the extension is new, and has no such consumer');
$registered->provider('v1', api_urls => \"ARRAY['$origin/api/echo/v1']");
$registered->consumer('v1', 'v1', 'demo-key', 'demo-secret');
is(tried($alice, 'v1', '/x'), 'OA007', 'nor the grant');
$dba->rows(q{SELECT oauth1.grant_consumer('v1', 'alice')});
is(tried($alice, 'v1', '/x'), 200, 'until it is given again');
is(tried($dba, 'v1', '/x'), 200, 'also for the session that did it');

done_testing();
