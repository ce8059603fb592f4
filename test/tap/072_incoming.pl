# Requests that others sign and send us: who is let in, and what is kept of them.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use IPC::Run ();
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use OAuth1::Node;
use OAuth1::Session;

my $root = "$FindBin::RealBin/../..";
my $json = JSON::PP->new->canonical->utf8;
my $url = 'https://api.example.com/orders';
my $form_type = 'application/x-www-form-urlencoded';

# 32 octets each, of letters and digits, so that no encoding of text changes them.
sub random_word { return join '', map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[rand 62] } 1 .. 32; }
my %secrets = (till => random_word(), rsa => random_word());

my $node = OAuth1::Node->start('incoming', settings => [
	'log_min_messages = debug5', 'log_statement = none', 'log_min_error_statement = panic' ]);
my $session = OAuth1::Session->new($node);

sub literal { return defined $_[0] ? "'" . $_[0] =~ s/'/''/gr . "'" : 'NULL'; }

# ------------------------------------------------------------------ asking

# A request as it arrived: http_method, url, headers, body; and what of it is a form.
sub verify_sql
{
	my (%request) = @_;
	my $type = $request{headers}{'Content-Type'} // '';
	my $params = $type eq $form_type ? 'oauth1.form_decode(' . literal($request{body}) . ')' : "'{}'";
	my $body = $type eq $form_type || !defined $request{body} ? 'NULL'
	  : 'convert_to(' . literal($request{body}) . q{, 'UTF8')};
	return sprintf 'SELECT client, token FROM oauth1.verify_request(%s, %s, %s, %s, %s)',
	  literal($request{http_method}), literal($request{url}), $request{params} // $params,
	  literal($request{headers}{Authorization}), $body;
}

# 'client|token', or 'refused: ' and why.
sub verdict_of
{
	my ($said) = @_;
	return $said if $said =~ /^ERROR:/m;
	return "refused: $1" if $said =~ /^DEBUG:  \w+: incoming request refused: ([^\n]*)\n(?:LOCATION[^\n]*\n)?\|\n\z/;
	return $said =~ s/\n\z//r;
}

sub verdict
{
	my ($request, $where) = @_;
	return verdict_of(($where // $session)->query(verify_sql(%$request)));
}

# Requests of python3-oauthlib: the arguments of test/provider/sign, which is asked once for all.
sub sign
{
	my (@given) = @_;
	my $asked = join '', map { $json->encode({ http_method => 'GET', url => $url, body => undef, headers => {},
		client_key => 'till-key', client_secret => $secrets{till}, signature_method => 'HMAC-SHA256', %$_ }) . "\n" } @given;
	my ($said, $error);
	IPC::Run::run([ "$root/test/provider/sign" ], '<', \$asked, '>', \$said, '2>', \$error) or die "sign: $error";
	my @signed = map { decode_json($_) } split /\n/, $said;
	$signed[$_]{http_method} = $given[$_]{http_method} // 'GET' foreach 0 .. $#signed;
	return @signed;
}

# One of our own authorization_header, without a body.
sub own
{
	my (%given) = @_;
	my $method = $given{http_method} // 'GET';
	my $header = $session->rows(sprintf 'SELECT oauth1.authorization_header(%s, %s, %s, %s%s)', literal($method),
		literal($given{url} // $url), literal($given{key} // 'till-key'), literal($given{secret} // $secrets{till}),
		join q(), map { qq(, "$_" => $given{arguments}{$_}) } sort keys %{ $given{arguments} // {} });
	return { http_method => $method, url => $given{url} // $url, headers => { Authorization => $header } };
}

sub noted { return $session->rows('SELECT count(*) FROM oauth1.client_nonce'); }

# The outcome of each, each on its own; and that a refused one left no nonce behind.
sub is_refused
{
	my ($request, $why, $name) = @_;
	my $before = noted();
	is(verdict($request), "refused: $why", $name);
	is(noted(), $before, '... and no nonce is written');
	return;
}

# ------------------------------------------------------------------ clients

sub read_key { return slurp_file("$root/test/keys/$_[0]"); }

like($session->query(sprintf q(SELECT * FROM oauth1.create_client('till', 'till-key', %s)), literal($secrets{till})),
	qr/^NOTICE: .*created master key.*^till-key\|\Q$secrets{till}\E$/ms, 'a client; its secret is the first that is stored');
my ($made_key, $made_secret) = split /\|/, $session->rows(q(SELECT * FROM oauth1.create_client('made')));
like($made_key, qr/^[A-Z2-7]{26}$/, 'a key is made where none is given');
like($made_secret, qr/^[A-Z2-7]{52}$/, 'and a secret of 256 bits');
$session->rows(sprintf q(SELECT oauth1.create_client('rsa', 'rsa-key', %s, %s)), literal($secrets{rsa}),
	literal(read_key('rsa_public_spki.pem')));
is($session->rows('SELECT string_agg(name, \' \' ORDER BY name) FROM oauth1.client'), 'made rsa till', 'three clients');
is($session->rows("SELECT needed_by FROM oauth1.key_status() WHERE kind = 'data'"), 3, 'key_status counts their secrets');

foreach my $wrong (
	[ "'till', 'another-key'", '42710', 'client "till" already exists' ],
	[ "'another', 'till-key'", '42710', 'another client has this consumer key' ],
	[ "''", '22023', 'name must not be empty' ],
	[ 'NULL', '22004', 'name must not be null' ],
	[ "'another', ''", '22023', 'consumer_key must not be empty' ],
	[ "'another', 'k', ''", '22023', 'consumer_secret must not be empty' ],
	[ "'another', public_key => 'none'", 'OA001', 'invalid public key' ],
	[ "'another', public_key => " . literal(read_key('ec_public_spki.pem')), 'OA001', 'invalid public key' ],
	[ "'another', public_key => " . literal(read_key('rsa_certificate.pem') . read_key('rsa_pkcs8.pem')), '22023', 'public_key holds a private key' ])
{
	my $error = $session->error("SELECT oauth1.create_client($wrong->[0])");
	is("$error->{sqlstate} $error->{message}", "$wrong->[1] $wrong->[2]", "create_client: $wrong->[2]");
}
is($session->error(q(SELECT oauth1.drop_client('nobody')))->{sqlstate}, '42704', 'drop_client of nobody');
is($session->rows('SELECT count(*) FROM oauth1.client'), 3, 'and nothing came of these');

# ------------------------------------------------------------------ what is accepted

$session->rows('SET client_min_messages = debug1');

my @accepted = (
	[ 'HMAC-SHA1 in a header',   { signature_method => 'HMAC-SHA1' }, 'till|' ],
	[ 'HMAC-SHA256 in a header', {}, 'till|' ],
	[ 'HMAC-SHA512 in a header', { signature_method => 'HMAC-SHA512' }, 'till|' ],
	[ 'a query of its own', { url => "$url?a=1&a=0&caf%C3%A9=%2F+x&b" }, 'till|' ],
	[ 'in a query', { signature_type => 'QUERY', url => "$url?a=1" }, 'till|' ],
	[ 'in a form', { signature_type => 'BODY', http_method => 'POST', body => 'b=2&a=1&a=%E2%98%83+x',
		headers => { 'Content-Type' => $form_type } }, 'till|' ],
	[ 'a form, signed in a header', { http_method => 'PUT', body => 'b=2&a=1',
		headers => { 'Content-Type' => $form_type } }, 'till|' ],
	[ 'JSON, with its SHA-1', { http_method => 'POST', body => '{"item": "anvil"}',
		headers => { 'Content-Type' => 'application/json' } }, 'till|' ],
	[ 'a realm', { realm => 'x, y' }, 'till|' ],
	[ 'a token', { resource_owner_key => 'alice' }, 'till|alice' ],
	[ 'without TLS', { url => 'http://api.example.com/orders' }, 'till|' ],
	[ 'at the edge of the past',   { timestamp => time - 270 . '' }, 'till|' ],
	[ 'at the edge of the future', { timestamp => time + 295 . '' }, 'till|' ],
	[ 'a key and a secret that were made', { client_key => $made_key, client_secret => $made_secret }, 'made|' ],
	[ 'HMAC by a client that has a public key', { client_key => 'rsa-key', client_secret => $secrets{rsa} }, 'rsa|' ],
	map { [ "$_", { client_key => 'rsa-key', client_secret => undef, rsa_key => read_key('rsa_pkcs1.pem'),
		signature_method => $_ }, 'rsa|' ] } qw(RSA-SHA1 RSA-SHA256 RSA-SHA512));
my @signed = sign(map { $_->[1] } @accepted);
is(verdict($signed[$_]), $accepted[$_][2], "oauthlib: $accepted[$_][0]") foreach 0 .. $#accepted;
is(noted(), scalar @accepted, 'each left one row behind');
is_refused($signed[$_], 'a request of client "' . $accepted[$_][2] =~ s/\|.*//r . '" that was accepted before',
	"a second time: $accepted[$_][0]") foreach 0 .. $#accepted;

is(verdict(own()), 'till|', 'our own authorization_header');
is(verdict(own(arguments => { token => "''" })), 'till|', 'an empty token');
is($session->rows(verify_sql(%{ own(arguments => { token => "''" }) }) =~ s/^SELECT client, token/SELECT token = ''/r), 't',
	'... is not a missing one');
is(verdict(own(arguments => { realm => "'r'", params => q('{"oauth_callback": "oob"}') })), 'till|', 'another oauth_ parameter');
my $hashed = own(http_method => 'POST', arguments => { body => q('{}') });
is(verdict({ %$hashed, body => '{}' }), 'till|', 'JSON, with its SHA-256');
my $empty = own(arguments => { body => q('') });
is(verdict($empty), 'till|', 'the hash of an empty body, and no body');
is(verdict({ %{ own() }, body => '{"not": "covered"}' }), 'till|', 'a body without a hash is not covered');
is(verdict({ %{ own() }, params => 'NULL' }), 'till|', 'params NULL are none');

my $parameters = $session->rows(sprintf q(SELECT oauth1.oauth_parameters('POST', %s, 'till-key', %s, params => '{"x": ["1", "2"]}')
	|| '{"x": ["2", "1"]}'), literal($url), literal($secrets{till}));
is(verdict({ http_method => 'POST', url => $url, headers => {}, params => literal($parameters) }), 'till|', 'our own form');
is(verdict({ http_method => 'POST', url => $url, headers => { Authorization => 'Bearer x' },
	params => literal($session->rows(sprintf q(SELECT oauth1.oauth_parameters('POST', %s, 'till-key', %s)), literal($url), literal($secrets{till}))) }),
	'till|', 'beside an Authorization header of another scheme');

# ------------------------------------------------------------------ what is refused

# A signed request with its header's parameters changed: what the signature is over, or is not.
sub changed
{
	my ($from, $to) = @_;
	my $request = own();
	die "nothing to change: $from" unless $request->{headers}{Authorization} =~ s/$from/$to/;
	return $request;
}

# Signed by SQL with any oauth_ parameters, also such as no client of ours sends.
sub odd
{
	my (%given) = @_;
	my %all = (oauth_consumer_key => 'till-key', oauth_signature_method => 'HMAC-SHA256', oauth_timestamp => time . '',
		oauth_nonce => random_word(), %given);
	delete $all{$_} foreach grep { !defined $all{$_} } keys %all;
	# Our own signature() does not sign what says it was signed otherwise.
	my $signature = ($all{oauth_signature_method} // 'HMAC-SHA256') ne 'HMAC-SHA256' ? 'x' : $session->rows(
		sprintf 'SELECT oauth1.signature(%s, %s, %s, %s)', literal('POST'), literal($url), literal($json->encode(\%all)), literal($secrets{till}));
	return { http_method => 'POST', url => $url, headers => {},
		params => literal($json->encode({ %all, oauth_signature => $signature })) };
}
is(verdict(odd()), 'till|', 'what is changed below is right before');
is(verdict(odd(oauth_version => '1.0')), 'till|', 'with a version, too');

my $not_signed = 'not the signature of client "till"';
my $not_known = 'no client that could sign so has this oauth_consumer_key';
my ($query_signed) = sign({ signature_type => 'QUERY', url => "$url?a=1" });
my ($form_signed) = sign({ http_method => 'POST', body => 'b=2&a=1', headers => { 'Content-Type' => $form_type } });
my ($bad_rsa, $other_rsa, $rsa_of_till) = sign(
	{ client_key => 'rsa-key', client_secret => undef, rsa_key => read_key('other_pkcs8.pem'), signature_method => 'RSA-SHA256' },
	{ client_key => 'nobody', client_secret => undef, rsa_key => read_key('rsa_pkcs1.pem'), signature_method => 'RSA-SHA256' },
	{ client_secret => undef, rsa_key => read_key('rsa_pkcs1.pem'), signature_method => 'RSA-SHA256' });
my ($plain) = sign({ signature_method => 'PLAINTEXT' });

foreach my $case (
	[ 'another secret', own(secret => 'wrong'), $not_signed ],
	[ 'a secret that differs in its last letter', own(secret => $secrets{till} =~ s/.\z/-/r), $not_signed ],
	[ 'a token secret', own(arguments => { token => "'alice'", token_secret => "'s'" }), $not_signed ],
	[ 'nobody\'s key', own(key => 'nobody'), $not_known ],
	(map { [ 'nobody\'s key, with a secret that may be opened in its place', own(key => 'nobody', secret => $_), $not_known ] }
		$made_secret, $secrets{rsa}, $secrets{till}),
	[ 'a key of another case', own(key => 'Till-key'), $not_known ],
	[ 'a key that is no text', changed('till-key', '%FF%FE'), 'an oauth_consumer_key or oauth_token that is no text here' ],
	[ 'another method', { %{ own() }, http_method => 'POST' }, $not_signed ],
	[ 'no method', { %{ own() }, http_method => 'G T' }, 'no HTTP method' ],
	[ 'another path', { %{ own() }, url => "$url/1" }, $not_signed ],
	[ 'a path of another case', { %{ own() }, url => 'https://api.example.com/Orders' }, $not_signed ],
	[ 'another host', { %{ own() }, url => 'https://api2.example.com/orders' }, $not_signed ],
	[ 'another port', { %{ own() }, url => 'https://api.example.com:8443/orders' }, $not_signed ],
	[ 'another scheme', { %{ own() }, url => 'http://api.example.com/orders' }, $not_signed ],
	[ 'a query that was added', { %{ own() }, url => "$url?admin=1" }, $not_signed ],
	[ 'a query that was changed', { %$query_signed, url => $query_signed->{url} =~ s/a=1/a=2/r }, $not_signed ],
	[ 'a form that was changed', { %$form_signed, body => 'b=2&a=2' }, $not_signed ],
	[ 'a form that is missing', { %$form_signed, body => '' }, $not_signed ],
	[ 'a body that was changed', { %{ own(arguments => { body => q('{}') }) }, body => '[]' }, 'not the body that client "till" signed' ],
	[ 'a body that is missing', own(arguments => { body => q('{}') }), 'not the body that client "till" signed' ],
	[ 'a hash that was taken away', { %{ changed(', oauth_version="1.0"', ', oauth_version="1.0", oauth_body_hash="x"') }, body => 'x' }, $not_signed ],
	[ 'an old timestamp', own(arguments => { timestamp => time - 310 }), 'an oauth_timestamp that is too old' ],
	[ 'a timestamp of the future', own(arguments => { timestamp => time + 330 }), 'an oauth_timestamp in the future' ],
	[ 'a timestamp that was made younger', changed('oauth_timestamp="(\d+)"', sprintf('oauth_timestamp="%d"', time + 5)), $not_signed ],
	[ 'a timestamp that is no number', odd(oauth_timestamp => '1e9'), 'an oauth_timestamp that is no number' ],
	[ 'a timestamp with a sign', odd(oauth_timestamp => '+' . time), 'an oauth_timestamp that is no number' ],
	[ 'a timestamp beyond all numbers', odd(oauth_timestamp => '9' x 30), 'no oauth_timestamp' ],
	[ 'no timestamp', odd(oauth_timestamp => undef), 'no oauth_timestamp' ],
	[ 'another nonce', changed('oauth_nonce="', 'oauth_nonce="x'), $not_signed ],
	[ 'an empty nonce', odd(oauth_nonce => ''), 'no oauth_nonce' ],
	[ 'no nonce', odd(oauth_nonce => undef), 'no oauth_nonce' ],
	[ 'no key', odd(oauth_consumer_key => undef), 'no oauth_consumer_key' ],
	[ 'no signature', changed(', oauth_signature="[^"]*"', ''), 'no oauth_signature' ],
	[ 'a signature cut short', changed('%3D"', '"'), $not_signed ],
	[ 'a signature that goes on', changed('%3D"', '%3D%3D"'), $not_signed ],
	[ 'no method of signing', odd(oauth_signature_method => undef), 'no oauth_signature_method that is known' ],
	[ 'an unknown method of signing', odd(oauth_signature_method => 'HMAC-MD5'), 'no oauth_signature_method that is known' ],
	[ 'a method of signing in lower case', odd(oauth_signature_method => 'hmac-sha256'), 'no oauth_signature_method that is known' ],
	[ 'another method of signing', changed('HMAC-SHA256', 'HMAC-SHA1'), $not_signed ],
	[ 'PLAINTEXT', $plain, 'the signature method PLAINTEXT' ],
	[ 'version 1.1', odd(oauth_version => '1.1'), 'an oauth_version other than 1.0' ],
	[ 'an empty version', odd(oauth_version => ''), 'an oauth_version other than 1.0' ],
	[ 'RSA with another key', $bad_rsa, 'not the signature of client "rsa"' ],
	[ 'RSA by nobody, with a right signature', $other_rsa, $not_known ],
	[ 'RSA by a client without a public key', $rsa_of_till, $not_known ],
	[ 'nothing signed', { http_method => 'GET', url => $url, headers => {} }, 'no oauth_ parameters' ],
	[ 'another scheme alone', { http_method => 'GET', url => $url, headers => { Authorization => 'Bearer x' } }, 'no oauth_ parameters' ],
	[ 'a malformed header', { http_method => 'GET', url => $url, headers => { Authorization => 'OAuth a=b' } }, 'a malformed Authorization header' ],
	[ 'a malformed escape in the header', changed('till-key', '%zz'), 'a percent sign without two hexadecimal digits' ],
	[ 'a malformed escape in the query', { %{ own() }, url => "$url?a=%" }, 'a percent sign without two hexadecimal digits' ],
	[ 'a backslash in the path', { %{ own() }, url => "$url\\x" }, 'a character that no URL can have' ],
	[ 'a parameter twice in the header', changed('oauth_version', 'oauth_nonce="x", oauth_version'), 'an oauth_ parameter twice' ],
	[ 'a signature twice in the header', changed('oauth_version', 'oauth_signature="x", oauth_version'), 'an oauth_ parameter twice' ],
	[ 'another parameter twice in the header', changed('oauth_version', 'a="1", a="2", oauth_version'),
		'a parameter twice in the Authorization header' ],
	[ 'a parameter twice in the query', { %$query_signed, url => "$query_signed->{url}&oauth_nonce=x" }, 'an oauth_ parameter twice' ],
	[ 'a parameter twice in a form', { %{ odd() }, params => literal('{"oauth_nonce": ["a", "b"]}') }, 'an oauth_ parameter twice' ],
	[ 'an unknown oauth_ parameter twice', odd(oauth_x => [ 'a', 'b' ]), 'an oauth_ parameter twice' ],
	[ 'in header and query', { %{ own() }, url => "$url?oauth_token=x" }, 'oauth_ parameters in more than one place' ],
	[ 'in header and form', { %{ own() }, params => q('{"oauth_token": "x"}') }, 'oauth_ parameters in more than one place' ],
	[ 'in query and form', { %$query_signed, params => q('{"oauth_token": "x"}') }, 'oauth_ parameters in more than one place' ],
	[ 'very many oauth_ parameters', odd(map { ("oauth_x$_" => 'x') } 1 .. 40), 'too many oauth_ parameters' ])
{
	is_refused($case->[1], $case->[2], $case->[0]);
}

# What is the caller's fault is an error.
foreach my $wrong (
	[ "NULL, 'https://x/'", '22004' ], [ "'GET', NULL", '22004' ], [ "'GET', '/orders'", '22023' ], [ "'GET', 'ftp://x/'", '22023' ],
	[ "'GET', 'https://x/', '[]'", '22023' ], [ q('GET', 'https://x/', '{"a": {"b": 1}}'), '22023' ])
{
	is($session->error("SELECT oauth1.verify_request($wrong->[0])")->{sqlstate}, $wrong->[1], "verify_request($wrong->[0])");
}
my $reader = OAuth1::Session->new($node);
is($reader->error("BEGIN READ ONLY; $_")->{sqlstate}, '25006', "read-only: $_") && $reader->query('ROLLBACK')
  foreach 'SELECT oauth1.create_client(\'x\')', 'SELECT oauth1.drop_client(\'till\')', verify_sql(%{ own() });

# ------------------------------------------------------------------ who may

$session->rows('CREATE ROLE plain LOGIN; CREATE ROLE gate LOGIN');
my $plain_session = OAuth1::Session->new($node, user => 'plain');
is($plain_session->error($_)->{sqlstate}, '42501', "not for PUBLIC: $_")
  foreach 'SELECT oauth1.create_client(\'x\')', 'SELECT oauth1.drop_client(\'till\')', verify_sql(%{ own() }),
  'SELECT * FROM oauth1.client', 'SELECT * FROM oauth1.client_nonce';
$session->rows('GRANT EXECUTE ON FUNCTION oauth1.verify_request TO gate');
is(OAuth1::Session->new($node, user => 'gate')->rows(verify_sql(%{ own() })), 'till|', 'who is granted it needs nothing else');

# ------------------------------------------------------------------ replay

my @crowd = map { OAuth1::Session->new($node) } 1 .. 20;
sub wait_for_locks
{
	my ($count) = @_;
	return $node->poll_query_until('postgres', "SELECT count(*) = $count FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
}

foreach my $round (1 .. 3)
{
	my $request = own();
	$session->rows('SELECT pg_advisory_lock(72)');
	$_->start('SELECT FROM pg_advisory_lock_shared(72); SELECT pg_advisory_unlock_shared(72); ' . verify_sql(%$request)) foreach @crowd;
	ok(wait_for_locks(20), 'twenty sessions stand ready with one request');
	$session->rows('SELECT pg_advisory_unlock(72)');
	my @verdicts = map { ($_->finish =~ /^(till\||\|)$/m)[0] } @crowd;
	is(join(' ', sort @verdicts), join(' ', sort 'till|', ('|') x 19), "round $round: exactly one is let in");
}

my ($first, $second) = @crowd;
foreach my $end ([ 'ROLLBACK', 'till|' ], [ 'COMMIT', '|' ])
{
	my $request = own();
	$first->rows('BEGIN');
	is($first->rows(verify_sql(%$request)), 'till|', 'one is let in, and has not ended');
	is($first->rows(verify_sql(%$request)), '|', 'for itself it is used up');
	$second->start(verify_sql(%$request));
	ok(wait_for_locks(1), 'the other waits for it');
	$first->rows($end->[0]);
	is($second->finish, "$end->[1]\n", "after $end->[0]: $end->[1]");
}

# REPEATABLE READ: a replay of what was accepted since the snapshot is refused as any other; only of
# two at once the second cannot be told.
foreach my $isolation ('REPEATABLE READ', 'SERIALIZABLE')
{
	my $request = own();
	$second->rows("BEGIN ISOLATION LEVEL $isolation; SELECT count(*) FROM oauth1.client");
	is($first->rows(verify_sql(%$request)), 'till|', "$isolation: one is let in");
	is($second->rows(verify_sql(%$request)), '|', '... and not again, by an older snapshot');
	$second->rows('COMMIT');

	$request = own();
	$first->rows('BEGIN');
	is($first->rows(verify_sql(%$request)), 'till|', 'one is let in, and has not ended');
	$second->rows("BEGIN ISOLATION LEVEL $isolation");
	$second->start(verify_sql(%$request));
	ok(wait_for_locks(1), 'the other waits for it');
	$first->rows('COMMIT');
	is(OAuth1::Session::parse($second->finish)->{sqlstate}, '40001', '... and is to try again');
	$second->rows('ROLLBACK');
	is($second->rows(verify_sql(%$request)), '|', '... and is refused then');
}

# The same nonce is another one with another timestamp, token or key.
my %same = (nonce => "'same'", timestamp => time);
is(verdict(own(arguments => \%same)), 'till|', 'a nonce');
is(verdict(own(arguments => { %same, timestamp => $same{timestamp} - 1 })), 'till|', '... with another timestamp');
is(verdict(own(arguments => { %same, token => "'alice'" })), 'till|alice', '... with a token');
is(verdict(own(key => $made_key, secret => $made_secret, arguments => \%same)), 'made|', '... of another client');
is_refused(own(arguments => \%same, http_method => 'PUT'), 'a request of client "till" that was accepted before', '... for another request');
is(verdict(own(arguments => { %same, nonce => 'repeat(\'long\', 100000)' })), 'till|', 'a long nonce');

# ------------------------------------------------------------------ what is kept

$session->rows(q(DELETE FROM oauth1.client_nonce; INSERT INTO oauth1.client_nonce
	SELECT now() - (CASE WHEN n <= 450 THEN 660 ELSE 480 END) * interval '1 s', sha256(n::text::bytea) FROM generate_series(1, 500) n));
my $requests = 0;
foreach my $left ([ 300, 250 ], [ 100, 50 ], [ 50, 0 ], [ 50, 0 ])
{
	is(OAuth1::Session->new($node)->rows(verify_sql(%{ own() })), 'till|', 'a request of a new session');
	$requests++;
	is(noted(), $left->[0] + $requests, '... deletes a slice of what is too old, and nothing else');
}

my $holder = OAuth1::Session->new($node);
$session->rows(q(INSERT INTO oauth1.client_nonce SELECT now() - interval '1 hour', sha256(n::text::bytea) FROM generate_series(1, 300) n));
$holder->rows('BEGIN');
is($holder->rows(verify_sql(%{ own() })), 'till|', 'a session deletes a slice, and has not ended');
is(OAuth1::Session->new($node)->rows(verify_sql(%{ own() })), 'till|', 'another one does not wait for it');
$holder->rows('ROLLBACK');
is($session->rows(q(SELECT count(*) FROM oauth1.client_nonce WHERE signed_at < now() - interval '10 min')), 300, '... and deleted nothing itself');
$requests++;
my $many = join '; ', map { verify_sql(%{ own() }) } 1 .. 51;
my $before = noted();
OAuth1::Session->new($node)->rows($many);
is(noted(), $before + 51 - 300, 'of 51 requests of a session, two delete');

# ------------------------------------------------------------------ time

# Who asks with a key that nobody has must not learn it by the time it takes: the same is done. So
# where no secret can be opened, it fails likewise.
my $key_file = $node->data_dir . '/oauth1.key';
rename $key_file, "$key_file.away" or die "$key_file: $!";
foreach my $key ('till-key', 'nobody')
{
	is(OAuth1::Session->new($node)->error(verify_sql(%{ own(key => $key, secret => 'wrong') }))->{sqlstate}, 'OA005', "no master key: $key");
}
rename "$key_file.away", $key_file or die "$key_file: $!";

# In turns, so that what disturbs one disturbs the other; the median, so that a few do not matter.
$session->rows(q(SET client_min_messages = warning; CREATE FUNCTION ratio(one text, other text) RETURNS double precision LANGUAGE plpgsql AS $$
DECLARE
    took double precision[][] := '{}';
    begun timestamptz;
    url text := 'https://api.example.com/orders';
    median double precision[] := '{}';
BEGIN
    CREATE TEMP TABLE took (which int, us double precision);
    FOR i IN 1 .. 400 LOOP
        begun := clock_timestamp();
        PERFORM oauth1.verify_request('GET', url, '{}', CASE i % 2 WHEN 0 THEN one ELSE other END);
        INSERT INTO took VALUES (i % 2, extract(epoch FROM clock_timestamp() - begun) * 1e6);
    END LOOP;
    SELECT array_agg(m ORDER BY which) INTO median
    FROM (SELECT which, percentile_cont(0.5) WITHIN GROUP (ORDER BY us) AS m FROM took GROUP BY which) s;
    DROP TABLE took;
    RETURN median[1] / median[2];
END $$));

sub ratio
{
	my ($one, $other) = map { literal($_->{headers}{Authorization}) } @_;
	return $session->rows("SELECT round(ratio($one, $other)::numeric, 3)");
}
my %hmac = map { $_ => own(key => "$_-key", secret => 'wrong') } qw(till none);
my ($rsa_known, $rsa_unknown) = sign(map { { client_key => $_, client_secret => undef, rsa_key => read_key('other_pkcs8.pem'),
	signature_method => 'RSA-SHA256' } } qw(rsa-key none-key));
foreach my $pair ([ 'HMAC', $hmac{till}, $hmac{none} ], [ 'RSA', $rsa_known, $rsa_unknown ])
{
	my $ratio = ratio(@$pair[1, 2]);
	cmp_ok($ratio, '>', 0.67, "$pair->[0]: a known key takes about as long as one that nobody has ($ratio)");
	cmp_ok($ratio, '<', 1.5, '... and the other way round');
}
$session->rows('SET client_min_messages = debug1');

# ------------------------------------------------------------------ keys

my $kept = OAuth1::Session->new($node);
my $old = $session->rows(q(SELECT string_agg(ciphertext::text, ' ') FROM oauth1.client));
is($kept->rows(verify_sql(%{ own() })), 'till|', 'a session that has the old data key');
my $data_key = $session->rows('SELECT oauth1.rotate_key()');
is($session->rows('SELECT DISTINCT data_key FROM oauth1.client'), $data_key, 'rotate_key seals the secrets of clients anew');
is($session->rows('SELECT id FROM oauth1.data_key'), $data_key, '... and the old key is gone');
is($session->rows("SELECT count(*) FROM oauth1.client WHERE position(ciphertext::text IN '$old') > 0"), 0, '... with all ciphertexts of it');
is($kept->rows(verify_sql(%{ own() })), 'till|', 'the kept session goes on');
is($session->rows("SELECT needed_by FROM oauth1.key_status() WHERE id = '$data_key'"), 3, 'key_status counts them under the new one');

# Who creates a client waits for a rotation, and the other way round.
foreach my $order ([ 'SELECT oauth1.rotate_key()', q(SELECT oauth1.create_client('late', 'late-key', 'late-secret')) ],
	[ q(SELECT oauth1.create_client('early', 'early-key', 'early-secret')), 'SELECT oauth1.rotate_key()' ])
{
	$first->rows("BEGIN; $order->[0]");
	$second->start($order->[1]);
	ok(wait_for_locks(1), "$order->[1] waits");
	is($kept->rows(verify_sql(%{ own() })), 'till|', 'requests are let in meanwhile');
	$first->rows('COMMIT');
	unlike($second->finish, qr/ERROR/, '... and goes on');
}
is($session->rows('SELECT bool_and(k.current) FROM oauth1.client c JOIN oauth1.data_key k ON k.id = c.data_key'), 't', 'none is left under an old key');
is(verdict(own(key => "$_-key", secret => "$_-secret")), "$_|", "the client \"$_\"") foreach qw(late early);

my $master = $session->rows('SELECT oauth1.create_master_key()');
$session->rows("SELECT oauth1.rotate_master_key('$master')");
is(OAuth1::Session->new($node)->rows(verify_sql(%{ own() })), 'till|', 'with a new master key');

$session->rows(q(BEGIN; UPDATE oauth1.client SET ciphertext = (SELECT ciphertext FROM oauth1.client WHERE name = 'made') WHERE name = 'till'));
my $moved = $session->error(verify_sql(%{ own(secret => $made_secret) }));
is("$moved->{sqlstate} $moved->{message}", 'OA005 cannot decrypt the secret of client "till"', 'a ciphertext does not open in another row');
$session->rows('ROLLBACK');

# ------------------------------------------------------------------ dropped, and created again

my $last = own();
is(verdict($last), 'till|', 'a last request');
my $undecided = own();
$session->rows(q(SELECT oauth1.drop_client('till')));
is_refused($undecided, $not_known, 'a client that was dropped');
$session->rows(sprintf q(SELECT oauth1.create_client('till', 'till-key', %s)), literal($secrets{till}));
is_refused($last, 'a request of client "till" that was accepted before', 'created again, it does not have its last request accepted anew');
is(verdict($undecided), 'till|', '... but what was refused meanwhile');

# ------------------------------------------------------------------ dump and restore

my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'dumped');
my $text = slurp_file($dump);
like($text, qr/^COPY oauth1\.client /m, 'clients are in the dump');
unlike($text, qr/^COPY oauth1\.client_nonce /m, 'nonces are not');
unlike($text, qr/\Q$_\E/, 'nor a secret') foreach $secrets{till}, $secrets{rsa}, $made_secret;
$session->rows('CREATE DATABASE restored TEMPLATE template0');
$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'restored');
my $restored = OAuth1::Session->new($node, dbname => 'restored');
is($restored->rows(verify_sql(%{ own() })), 'till|', 'the client is let in where it was restored');
is($restored->rows('SELECT count(*) FROM oauth1.client_nonce'), 1, 'which has noted that request alone');

# ------------------------------------------------------------------ behind PostgREST

$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
	'-f', "$root/docs/examples/postgrest_incoming.sql" ], 'docs/examples/postgrest_incoming.sql');

# A request as PostgREST runs it: its settings, then its query, in one transaction.
my $postgrest = OAuth1::Session->new($node, user => 'authenticator');
sub as_postgrest
{
	my ($request, $path, $call, %options) = @_;
	my ($query) = $request->{url} =~ /\?(.*)/;
	my %headers = ('content-type' => 'application/json', 'host' => 'localhost:3000', map { lc $_ => $request->{headers}{$_} } keys %{ $request->{headers} });
	$headers{'x-query'} = $query if defined $query;
	my %set = ('search_path' => '"api", "public"', 'role' => 'web_anon', 'request.jwt.claims' => '{"role":"web_anon"}',
		'request.method' => $request->{http_method}, 'request.path' => $path, 'request.headers' => $json->encode(\%headers), 'request.cookies' => '{}');
	$postgrest->query('BEGIN ISOLATION LEVEL READ COMMITTED READ ' . ($options{access} // 'WRITE'));
	$postgrest->rows('SELECT ' . join ', ', map { "set_config('$_', " . literal($set{$_}) . ', true)' } sort keys %set);
	my $said = $postgrest->query($call);
	$postgrest->query('COMMIT');
	my $error = OAuth1::Session::parse($said);
	return $error ? "$error->{sqlstate} $error->{message}" : $said =~ s/\n\z//r;
}

my $order = '{"item": "café table"}';
my $call = "SELECT api.receive('$order')";
my @from_outside = sign(map { { http_method => 'POST', %$_ } }
	{ url => 'https://api.example.com/rpc/receive', body => $order, headers => { 'Content-Type' => 'application/json' } },
	{ url => 'https://api.example.com/rpc/receive?columns=x', body => $order, headers => { 'Content-Type' => 'application/json' } },
	{ url => 'https://api.example.com/rpc/receive', body => '{}', headers => { 'Content-Type' => 'application/json' } },
	{ url => 'https://api.example.com/rpc/receive' },
	{ url => 'https://api.example.com/rpc/place_order', body => 'item=anvil&amount=2', headers => { 'Content-Type' => $form_type } },
	{ url => 'https://api.example.com/rpc/place_order', body => 'item=anvil&amount=2', headers => { 'Content-Type' => $form_type } },
	{ url => 'https://api.example.com/rpc/receive', body => $order, headers => { 'Content-Type' => 'application/json' } });
my $refused = 'PT401 the request is not signed, or its signature is refused';
$node->safe_psql('postgres', 'SELECT 1');
like(as_postgrest($from_outside[0], '/rpc/receive', $call), qr{^\d+\z}, 'PostgREST: a signed body is received');
is(as_postgrest($from_outside[0], '/rpc/receive', $call), $refused, '... once');
like(as_postgrest($from_outside[1], '/rpc/receive', $call), qr{^\d+\z}, '... with a query');
is(as_postgrest($from_outside[2], '/rpc/receive', $call), $refused, '... not with another body');
is(as_postgrest($from_outside[3], '/rpc/receive', $call), $refused, '... nor one that is not covered');
is(as_postgrest({ http_method => 'POST', url => '', headers => {} }, '/rpc/receive', $call), $refused, '... nor without a signature');
like(as_postgrest($from_outside[4], '/rpc/place_order', q(SELECT api.place_order('anvil', '2'))), qr{^\d+\z}, '... a form');
is(as_postgrest($from_outside[5], '/rpc/place_order', q(SELECT api.place_order('anvil', '3'))), $refused, '... not another one');
like(as_postgrest($from_outside[6], '/rpc/receive', $call, access => 'ONLY'), qr/^25006 /, '... not in a transaction that may not write');
like(as_postgrest($from_outside[6], '/rpc/receive', $call), qr{^\d+\z}, '... which has not used it up');
is($node->safe_psql('postgres', 'SELECT string_agg(client, \' \') FROM gate.received'), 'till till till till', '... and the client is known');
is($postgrest->error("SET ROLE web_anon; SELECT * FROM oauth1.verify_request('GET', 'https://x/')")->{sqlstate}, '42501', 'no role of the API may verify by itself');

# ------------------------------------------------------------------ the log

my $log = slurp_file($node->logfile);
like($log, qr/DEBUG:  incoming request refused: not the signature of client "till"/, 'the log says why');
unlike($log, qr/\Q$_\E/, '... and holds no secret') foreach $secrets{till}, $secrets{rsa}, $made_secret;

done_testing();
