# TLS with a client's certificate: its key is sealed like any secret, and shown to nobody.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('tls', service => $service, settings => ['log_statement = none']);
my $session = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($session, $service);
$session->rows(q{SET oauth1.token = ''});

my $json = JSON::PP->new->canonical;
sub options { return \('$o$' . $json->encode({@_}) . '$o$'); }

# Endpoints that are closed to who has no certificate; the user's browser has none.
my %closed = (
	api_urls => \("ARRAY['" . $service->url('/api/', 'https_client') . "']"),
	map { $_ => $service->url('/oauth/' . s/_url\z//r, 'https_client') } qw(request_token_url access_token_url renew_url revoke_url));
$registered->provider('tls', %closed, options => options(client_certificate => $service->client_certificate));
$registered->consumer('tls', 'tls', 'demo-key', 'demo-secret', options => options(client_key => $service->client_key));

# A pair of another authority, an EC key, an encrypted key.
my $folder = PostgreSQL::Test::Utils::tempdir;
system_or_bail('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', 2, '-subj', '/CN=stranger',
	'-keyout', "$folder/stranger.key", '-out', "$folder/stranger.pem");
system_or_bail('openssl', 'pkcs8', '-topk8', '-in', $service->{client_key}, '-passout', 'pass:open sesame', '-out', "$folder/encrypted.key");

# The status of a call, or its SQLSTATE with what it says.
sub tried
{
	my ($consumer, $where) = @_;
	my $said = ($where // $session)->query("SELECT status FROM oauth1.http_get('$consumer', '/echo', token => '')");
	chomp $said;
	my $error = OAuth1::Session::parse($said);
	return $error ? "$error->{sqlstate}: $error->{message} $error->{detail} $error->{hint}" : $said;
}

sub last_client { return (map { $_->{client} } $service->ledger)[-1]; }

# ---------------------------------------------------------------- calls and the flow

is(tried('tls'), 200, 'a call with certificate and key');
is(last_client(), 'tls_client', 'the service saw the certificate');
my @before = $service->ledger;
is(tried('tls'), 200, 'another');
is(($service->ledger)[-1]{connection}, $before[-1]{connection}, 'on the same connection');

my $requested = $json->decode($session->rows(q{SELECT to_json(r) FROM oauth1.request_token('tls', 'https://app.example/cb') r}));
my $callback = $service->approve($requested->{authorize_url});
is($session->rows('SELECT name FROM oauth1.handle_callback(' . quote($callback) . ')'), 'default', 'the flow');
is($session->rows(q{SELECT status FROM oauth1.http_post('tls', '/echo', form => '{"a": "b"}', token => 'default')}), 200, 'and a call with its token');
is_deeply([ map { $_->{client} // 'none' } grep { $_->{scheme} eq 'https' && $_->{target} =~ m{^/(?:oauth/\w+_token$|api)} } $service->ledger ],
	[ ('tls_client') x 5 ], 'all of them showed the certificate');

is($session->rows(q{SELECT count(*) FILTER (WHERE item = 'client certificate' AND ok), string_agg(item, ' ') FILTER (WHERE NOT ok)
	FROM oauth1.check_consumer('tls')}), '1|', 'check_consumer shows it, too');

# ---------------------------------------------------------------- who has no key

my $mark = $service->mark;
$registered->consumer('keyless', 'tls', 'demo-key', 'demo-secret');
like(tried('keyless'), qr/^OA001: consumer "keyless" has no client key .*client_key/, 'a consumer without a key');
$registered->provider('bare', %closed);
$registered->consumer('bare', 'bare', 'demo-key', 'demo-secret', options => options(client_key => $service->client_key));
like(tried('bare'), qr/^OA00[89]: .* alert .*The service may want a client certificate/,
	'a provider without a certificate, though there is a connection with one');
$registered->provider('stranger', %closed, options => options(client_certificate => slurp_file("$folder/stranger.pem")));
$registered->consumer('stranger', 'stranger', 'demo-key', 'demo-secret', options => options(client_key => slurp_file("$folder/stranger.key")));
like(tried('stranger'), qr/^OA00[89]: (?!.*may want)/, 'a certificate of another authority');
is($service->mark, $mark, 'nothing arrived');
note tried('bare'), "\n", tried('stranger');

# ---------------------------------------------------------------- a key of another certificate

my $refusal = qr/OA001.*client key does not fit the client certificate/;
like($session->query(q{SELECT oauth1.alter_consumer('tls', options => } . ${ options(client_key => slurp_file("$folder/stranger.key")) } . ')'), $refusal, 'refused at entry');
is(tried('tls'), 200, 'and the one that was there stays');

# A certificate that changed under the key: nothing is sent, on the connection of the one before neither.
$registered->provider('changed', %closed, options => options(client_certificate => $service->client_certificate));
$registered->consumer('changed', 'changed', 'demo-key', 'demo-secret', options => options(client_key => $service->client_key));
is(tried('changed'), 200, 'a pair');
$session->rows(q{SELECT oauth1.alter_provider('changed', options => } . ${ options(client_certificate => slurp_file("$folder/stranger.pem")) } . ')');
$mark = $service->mark;
like(tried('changed'), qr/^OA008: .*certificate/, 'half of it changed');
$session->rows(q{SELECT oauth1.alter_provider('changed', reset => '{options}')});
$session->rows(q{SELECT oauth1.alter_consumer('changed', options => } . ${ options(client_key => slurp_file("$folder/stranger.key")) } . ')');
$session->rows(q{SELECT oauth1.alter_provider('changed', options => } . ${ options(client_certificate => $service->client_certificate) } . ')');
like(tried('changed'), qr/^OA008: .*certificate/, 'the other half');
is($service->mark, $mark, 'nothing arrived, on the kept connections neither');
$session->rows(q{SELECT oauth1.alter_consumer('changed', options => } . ${ options(client_key => $service->client_key) } . ')');
is(tried('changed'), 200, 'a pair again');

# ---------------------------------------------------------------- forms of a key, and ways in

$session->rows(q{SELECT oauth1.alter_consumer('changed', reset => '{client_key}')});
like(tried('changed'), qr/^OA001: .*no client key/, 'reset takes it away');
$session->rows(q{SELECT oauth1.alter_consumer('changed', options => }
	  . ${ options(client_key => slurp_file("$folder/encrypted.key"), passphrase => 'open sesame') } . ')');
is(tried('changed'), 200, 'encrypted, with its passphrase');
is($session->rows(q{SELECT options FROM oauth1.consumers WHERE name = 'changed'}), '{}', 'of which nothing is kept');
my $line = $service->client_key =~ s/\n/\\n/gr;
my ($status, $out, $error) = $node->psql('postgres', "COPY oauth1.secrets_in (consumer, client_key) FROM STDIN;\nkeyless\t$line\n\\.\n");
is($error, '', 'by COPY');
is(tried('keyless'), 200, 'and used');

# A curve as well, at a service that does not ask for it but for the key.
system_or_bail('openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', 2,
	'-subj', '/CN=curve', '-keyout', "$folder/ec.key", '-out', "$folder/ec.pem");
$registered->provider('curve', options => options(client_certificate => slurp_file("$folder/ec.pem")));
$registered->consumer('curve', 'curve', 'demo-key', 'demo-secret', options => options(client_key => slurp_file("$folder/ec.key")));
is(tried('curve'), 200, 'an EC key, where no certificate is asked for');
is(last_client(), undef, 'which is then not shown');

# ---------------------------------------------------------------- a secret like the others

$session->rows('SELECT oauth1.rotate_key()');
is(tried('tls'), 200, 'after a rotation');
is(tried('tls', OAuth1::Session->new($node)), 200, 'in a new session');
$session->query(q{SELECT oauth1.alter_provider('changed', reset => '{revoke_url}', api_urls => ARRAY['} . $service->url('/api/', 'https_client')
	  . q{', 'https://elsewhere.example/'])});
like(tried('changed'), qr/^OA005: /, 'pointed elsewhere it cannot be used');
is($session->rows(q{SELECT oauth1.rebind_consumer('changed')}), 2, 'rebound with the consumer secret');
is(tried('changed'), 200, 'and used again');
$session->rows(q{UPDATE oauth1.secret SET ciphertext = (SELECT ciphertext FROM oauth1.secret WHERE consumer = 'tls' AND kind = 'client_key')
	WHERE consumer = 'changed' AND kind = 'client_key'});
like(tried('changed'), qr/^OA005: cannot decrypt the client key of consumer "changed"/, 'another consumer\'s does not open');

my $dump = "$folder/dump.sql";
system_or_bail('pg_dump', '-f', $dump, $node->connstr('postgres'));
$node->safe_psql('postgres', 'CREATE DATABASE restored');
system_or_bail('psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', "$folder/restored", '-f', $dump, '-d', $node->connstr('restored'));
is(tried('tls', OAuth1::Session->new($node, dbname => 'restored')), 200, 'restored from a dump');

# ---------------------------------------------------------------- where it must not be

# 32 octets of the key that stand in one line of its PEM, as they are and in hexadecimal; and that line.
my @lines = split /\n/, $service->client_key;
my @forms = ($lines[ @lines / 2 ], substr($lines[ @lines / 2 ], 8, 40));
sub found { my ($text) = @_; return join ' ', grep { index($text, $_) >= 0 } @forms, map { unpack 'H*', $_ } @forms; }
isnt(found($service->client_key), '', 'it is found where it is');
is(found(slurp_file($dump)), '', 'not in a dump');
$session->rows('CHECKPOINT');
my @with = grep { -f $_ && found(slurp_file($_)) ne '' } glob $node->data_dir . '/base/*/*';
is("@with", '', 'nor in a table or an index');
is(found($session->rows('SELECT c::text FROM oauth1.consumers c') . $session->rows('SELECT p::text FROM oauth1.providers p')
		. $session->rows('SELECT s::text FROM oauth1.secret s')), '', 'nor in a view, or the table itself');

is(found(slurp_file($node->logfile)), '', 'nor in the log');

done_testing();
