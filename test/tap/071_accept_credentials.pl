# What Magento's activation and WooCommerce's wc-auth push, to a consumer that works: the whole of
# it, twice, wrongly, by whom, and where its secrets must not come out.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP qw(decode_json encode_json);
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $form = 'application/x-www-form-urlencoded';
my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('main', service => $service, settings => [
	"shared_preload_libraries = 'pg_stat_statements'", 'pg_stat_statements.track = all',
	'log_min_messages = debug5', 'log_statement = none', 'log_error_verbosity = verbose',
	'log_min_error_statement = error' ]);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE EXTENSION pg_stat_statements; CREATE ROLE alice LOGIN; CREATE ROLE admin LOGIN;'
	  . 'CREATE ROLE anon LOGIN; CREATE TABLE pushed (id serial, body text, content_type text);'
	  . 'GRANT SELECT ON pushed TO PUBLIC;'
	  . 'GRANT EXECUTE ON FUNCTION oauth1.accept_credentials TO admin');

# ---------------------------------------------------------------- helpers

# Everything that was pushed and is a secret, and everything that was said.
my @secrets;
my $said = '';
my $base = $service->url('/magento/');

# What Magento pushes; its secrets are noted.
sub magento
{
	my (%given) = @_;
	my $push = $service->push_from('magento', base => $base, %given);
	push @secrets, $push->{body} =~ /oauth_consumer_secret=(\w+)/, $push->{body} =~ /oauth_verifier=(\w+)/;
	return $push;
}

sub woocommerce
{
	my $push = $service->push_from('woocommerce', @_);
	push @secrets, decode_json($push->{body})->{consumer_secret};
	return $push;
}

# The call of a push. The body comes from a table, and so stands in no statement, as with a
# parameter.
sub accept_sql
{
	my ($provider, $name, $push) = @_;
	my $body = ref $push->{body} ? ${ $push->{body} } : quote($push->{body});
	my $id = $dba->rows("INSERT INTO pushed (body, content_type) VALUES ($body, "
		  . quote($push->{content_type}) . ') RETURNING id');
	return "SELECT oauth1.accept_credentials('$provider', body, content_type, '$name') FROM pushed WHERE id = $id";
}

# The consumer, or what went wrong.
sub accepted
{
	my ($provider, $name, $push, $session) = @_;
	my $sql = accept_sql(@_[ 0 .. 2 ]);
	return eval { ($session // $dba)->rows($sql) } // $@;
}

sub refusal
{
	my ($provider, $name, $push, $session) = @_;
	my $error = ($session // $dba)->error(accept_sql(@_[ 0 .. 2 ]));
	$said .= $error->{text} if $error;
	return $error // { sqlstate => 'none', map { $_ => 'no error' } qw(message detail hint text) };
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error->{sqlstate}, $sqlstate, "$name: $sqlstate");
	like($error->{text}, $like, "$name: says why");
	return;
}

# The signed requests since a mark.
sub arrived
{
	my ($mark) = @_;
	return grep { $_->{target} !~ m{^/control/} } $service->ledger($mark);
}

sub status_of
{
	my ($session, $consumer, $path, $more) = @_;
	my $text = $session->query("SELECT status FROM oauth1.http_get('$consumer', '$path'" . ($more // '') . ')');
	my $error = OAuth1::Session::parse($text);
	return $error ? $error->{sqlstate} : $text =~ s/\s+\z//r;
}

# What is stored of a consumer: key, vars, ciphertexts, token.
sub state_of
{
	my ($consumer) = @_;
	return $dba->rows(<<~SQL);
		SELECT c.provider, c.consumer_key, c.vars, c.rate_limit,
		    (SELECT md5(string_agg(slot || kind || ciphertext::text, ',' ORDER BY slot, kind))
		     FROM oauth1.secret s WHERE s.consumer = c.name),
		    (SELECT string_agg(name || token, ',' ORDER BY name) FROM oauth1.token t WHERE t.consumer = c.name)
		FROM oauth1.consumer c WHERE c.name = '$consumer'
		SQL
}

sub field
{
	my ($push, $name) = @_;
	return $push->{body} =~ /\b$name=([^&]*)/ ? $1 : undef;
}

sub with_field
{
	my ($push, $name, $value) = @_;
	return { %$push, body => $push->{body} =~ s/\b$name=[^&]*/$name=$value/r };
}

# ---------------------------------------------------------------- Magento, whole

my $mark = $service->mark;
my $push = magento();
is(accepted('magento', 'm', $push), 'm', 'an activation: the consumer');
my @sent = arrived($mark);
is(join(' ', map { "$_->{method} $_->{target} $_->{verdict} $_->{transmission}" } @sent),
	'POST /magento/oauth/token/request ok header POST /magento/oauth/token/access ok header',
	'the store verified both requests for tokens');
ok(!exists $sent[0]{oauth}{oauth_callback}, 'no oauth_callback was sent');
is($sent[0]{oauth}{oauth_signature_method}, 'HMAC-SHA256', 'signed with HMAC-SHA256');
is($sent[0]{oauth}{oauth_consumer_key}, field($push, 'oauth_consumer_key'), 'with the key that was pushed');
is($sent[1]{oauth}{oauth_verifier}, field($push, 'oauth_verifier'), 'and exchanged with the verifier');
is($dba->rows(q{SELECT provider, vars, has_secret, has_private_key FROM oauth1.consumers WHERE name = 'm'}),
	'magento|' . sprintf('{"host": "localhost:%s", "base_path": "/magento"}', $service->port('https')) . '|t|f',
	'the consumer, with vars from store_base_url');
is($dba->rows(q{SELECT name, state, requested_by = current_user, expires_at FROM oauth1.tokens WHERE consumer = 'm'}),
	'default|access|t|', 'its access token, and no request token left');
is($dba->rows(q{SELECT string_agg(kind, ',' ORDER BY kind) FROM oauth1.secret WHERE consumer = 'm'}),
	'consumer_secret,token_secret', 'two secrets, and the verifier is not kept');
$mark = $service->mark;
is(status_of($dba, 'm', '/V1/orders'), 200, 'a call');
@sent = arrived($mark);
is("$sent[0]{target} $sent[0]{verdict}", '/magento/rest/V1/orders ok', 'which the store verified');

# A store whose web server rewrites nothing.
accepted('magento', 'index', magento(base => "${base}index.php/"));
is($dba->rows(q{SELECT vars ->> 'base_path' FROM oauth1.consumers WHERE name = 'index'}),
	'/magento/index.php', 'a folder within a folder');
is(status_of($dba, 'index', '/V1/orders'), 200, 'and its calls');

# Modules add fields, and what is not needed is passed over.
$push = magento();
$push->{body} .= '&first_name=Zo%C3%AB&email=';
$push->{content_type} = 'Application/X-WWW-Form-Urlencoded ; charset=UTF-8';
is(accepted('magento', 'more', $push), 'more', 'fields that nobody asked for');

# ---------------------------------------------------------------- activated again

$dba->rows(q{SELECT oauth1.grant_consumer('m', 'alice'); SELECT oauth1.alter_consumer('m', rate_limit => '600/min')});
my $alice = OAuth1::Session->new($node, user => 'alice');
is(status_of($alice, 'm', '/V1/orders'), 200, 'a role with a grant');
my $key = $dba->rows(q{SELECT consumer_key FROM oauth1.consumers WHERE name = 'm'});
my $token = $dba->rows(q{SELECT token FROM oauth1.tokens WHERE consumer = 'm'});
$push = magento(key => $key);
is(status_of($alice, 'm', '/V1/orders'), 401, 'the store has revoked the token');
is(accepted('magento', 'm', $push), 'm', 'authorized again');
isnt($dba->rows(q{SELECT token FROM oauth1.tokens WHERE consumer = 'm'}), $token, 'a new token');
is(status_of($alice, 'm', '/V1/orders'), 200, 'which the role uses');
$dba->rows(q{INSERT INTO oauth1.consumer_pause VALUES ('m', 5, now() + interval '1 hour', 'test')});
$push = magento();
is(accepted('magento', 'm', $push), 'm', 'a new integration of the same store');
is($dba->rows('SELECT count(*) FROM oauth1.consumer_pause'), 0, 'a pause of its queued calls is over');
is($dba->rows(q{SELECT consumer_key, rate_limit FROM oauth1.consumers WHERE name = 'm'}),
	field($push, 'oauth_consumer_key') . '|600/min', 'a new key, and all else as it was');
is(status_of($alice, 'm', '/V1/orders'), 200, 'the role uses that');

# Two at once.
my $other = OAuth1::Session->new($node);
my @twice = map { accept_sql('magento', 'twice', magento()) } 1 .. 2;
$dba->rows('BEGIN');
$dba->rows($twice[0]);
$other->start($twice[1]);
$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'");
$dba->rows('COMMIT');
is($other->finish, "twice\n", 'of two activations at once the second renews');
is(status_of($dba, 'twice', '/V1/orders'), 200, 'and its credentials are the ones');

# ---------------------------------------------------------------- refused by the store

my $before = state_of('m');
foreach my $case (
	[ 'oauth_verifier', 'x' x 32, qr/access token request.*oauth_problem=verifier_invalid/s, 2 ],
	[ 'oauth_consumer_key', 'unknown', qr/request token request.*oauth_problem=consumer_key_unknown/s, 1 ],
	[ 'oauth_consumer_secret', 'wrong' x 6, qr/request token request.*oauth_problem=signature_invalid/s, 1 ])
{
	my ($name, $value, $like, $requests) = @$case;
	$push = with_field(magento(), $name, $value);
	foreach my $consumer (qw(m fresh))
	{
		$mark = $service->mark;
		is_error(refusal('magento', $consumer, $push), 'OA002', $like, "a wrong $name, $consumer");
		is(scalar arrived($mark), $requests, "a wrong $name, $consumer: requests");
	}
}
is(state_of('m'), $before, 'the consumer is as it was');
is(state_of('fresh'), '', 'and the other one is not there');
is(status_of($alice, 'm', '/V1/orders'), 200, 'calls go on');
$push = magento();
accepted('magento', 'once', $push);
is_error(refusal('magento', 'once', $push), 'OA002', qr/permission_denied/, 'an activation that was answered already');
is(status_of($dba, 'once', '/V1/orders'), 200, 'and its first answer counts');

# A store that says something else, or nothing.
foreach my $case (
	[ 'html', 'OA002', qr/request token request.*HTML/s ],
	[ 'hang', 'OA006', qr/request was sent/ ],
	[ 'reset', 'OA009', qr/received/ ])
{
	my ($mode, $sqlstate, $like) = @$case;
	$dba->rows("SET oauth1.timeout = '300ms'");
	is_error(refusal('magento', 'fresh', magento(base => $service->url("/flaky/$mode/magento/"))),
		$sqlstate, $like, "the store's answer is $mode");
	$dba->rows('RESET oauth1.timeout');
}
is(state_of('fresh'), '', 'no consumer came of it');

# ---------------------------------------------------------------- where it may go

$mark = $service->mark;
$before = state_of('m');
$push = magento();
foreach my $elsewhere ('https://evil.example/', 'https://localhost:1/magento/',
	'http://localhost:' . $service->port('https') . '/magento/')
{
	my $error = refusal('magento', 'm', with_field($push, 'store_base_url', $elsewhere));
	is_error($error, 'OA003', qr/does not move a consumer/, "a consumer that is to be moved to $elsewhere");
}
is_error(refusal('jira', 'm', $push), '42710', qr/another provider/, 'a consumer of another provider');
is(state_of('m'), $before, 'it is where it was');

# The shop that a consumer is for, before it is activated.
$dba->rows(q{SELECT oauth1.create_consumer('pinned', 'magento', 'pending', vars => '}
	  . sprintf('{"host": "localhost:%s", "base_path": "/magento"}', $service->port('https')) . q{')});
is_error(refusal('magento', 'pinned', with_field($push, 'store_base_url', 'https://evil.example/')),
	'OA003', qr{DETAIL:  It is at https://evil\.example, and they go to https://localhost:\d+\. Nothing was sent}, 'a consumer made before');
is(scalar arrived($mark), 0, 'nothing was sent for any of them');
is(accepted('magento', 'pinned', $push), 'pinned', 'by its own shop it is activated');
is(status_of($dba, 'pinned', '/V1/orders'), 200, 'and makes calls');

# Plain http, private addresses.
$dba->rows("SELECT oauth1.create_provider('plain', ARRAY['http://{host}{base_path}/rest'],"
	  . "request_token_url => 'http://{host}{base_path}/oauth/token/request',"
	  . "access_token_url => 'http://{host}{base_path}/oauth/token/access',"
	  . "callback_mode => 'none', callback_confirmed => false, allow_http => true)");
$push = magento(base => $service->url('/magento/', 'http'));
$mark = $service->mark;
is_error(refusal('magento', 'plain', $push), 'OA003', qr/Plain http takes a provider/, 'http to the preset');
is_error(refusal('plain', 'plain', $push), 'OA003', qr/need https/, 'http, and the setting is off');
is_error(refusal('plain', 'plain', magento()), 'OA003', qr/not where requests/, 'https to a provider of http');
$dba->rows('SET oauth1.allow_private_addresses = off');
is_error(refusal('magento', 'private', magento()), 'OA003', qr/private/, 'a private address');
$dba->rows('RESET oauth1.allow_private_addresses');
is(scalar arrived($mark), 0, 'nothing was sent for any of them');
is($dba->rows(q{SELECT count(*) FROM oauth1.consumer WHERE name IN ('plain', 'private')}), 0, 'nor was a consumer made');
$dba->rows('SET oauth1.allow_http = on');
is(accepted('plain', 'plain', $push), 'plain', 'http where both allow it');
is(status_of($dba, 'plain', '/V1/orders'), 200, 'and calls');
$dba->rows('RESET oauth1.allow_http');

# A provider that is one shop's.
$dba->rows(sprintf "SELECT oauth1.create_provider('own', '{%smagento/rest}',"
	  . "request_token_url => '%1\$smagento/oauth/token/request',"
	  . "access_token_url => '%1\$smagento/oauth/token/access')", $service->url('/'));
is(accepted('own', 'own', magento()), 'own', 'a provider without placeholders, of another callback mode');
is($dba->rows(q{SELECT vars FROM oauth1.consumers WHERE name = 'own'}), '{}', 'takes no vars');
is_error(refusal('own', 'own2', magento(base => 'https://evil.example/')), 'OA003', qr/not where requests.*HINT:  The host of all/s, 'of another shop');

# ---------------------------------------------------------------- bodies that are none

my $hidden = 'hidden' . 'secret' x 4;
push @secrets, $hidden;
my %good = (
	store_base_url        => 'https%3A%2F%2Fshop.example%2F',
	oauth_consumer_key    => 'k',
	oauth_consumer_secret => $hidden,
	oauth_verifier        => $hidden);

# The good form with other values; undef: without.
sub form_of
{
	my %all = (%good, @_);
	return join '&', map { "$_=$all{$_}" } grep { defined $all{$_} } sort keys %all;
}

# A good JSON with other members.
sub json_of { return encode_json({ consumer_key => 'k', consumer_secret => $hidden, key_id => 1, @_ }); }

my $url = 'store_base_url';
my @bad = (
	[ $form, '', qr/It is empty/ ],
	[ $form, "\n", qr/It is empty/ ],
	[ $form, $hidden, qr/no form/ ],
	[ $form, json_of(), qr/no form/ ],
	[ $form, "<html>$hidden=1</html>", qr/no form/ ],
	[ $form, form_of() . '&x=%zz', qr/no form/ ],
	[ $form, form_of() . "&x=$hidden &y=1", qr/no form/ ],
	[ $form, form_of() . "&oauth_verifier=$hidden", qr/more than once/ ],
	[ $form, form_of() . "&x=1&x=1", qr/more than once/ ],
	[ $form, form_of() . "&oauth%5Fconsumer%5Fsecret=$hidden", qr/more than once/ ],
	(map { [ $form, form_of($_ => undef), qr/It has no $_\./ ] } sort keys %good),
	(map { [ $form, form_of($_ => ''), qr/Its $_ is empty/ ] } sort keys %good),
	(map { [ $form, form_of($_ => "a%00$hidden"), qr/Its $_ has a control character/ ] } sort keys %good),
	(map { [ $form, form_of($_ => "a%0D%0A$hidden"), qr/Its $_ has a control character/ ] } sort keys %good),
	(map { [ $form, form_of($_ => "a%FF$hidden"), qr/Its $_ is no text in UTF-8/ ] } sort keys %good),
	(map { [ $form, form_of($_ => $hidden x 70), qr/Its $_ is longer than 2000 octets/ ] } sort keys %good),
	[ $form, form_of() . '&x=' . 'x' x 16384, qr/longer than 16 kB/ ],
	[ $form, form_of($url => 'ftp%3A%2F%2Fshop.example%2F'), qr/must begin with http/ ],
	[ $form, form_of($url => 'shop.example'), qr/must begin with http/ ],
	[ $form, form_of($url => 'file%3A%2F%2F%2Fetc%2Fpasswd'), qr/must begin with http/ ],
	[ $form, form_of($url => 'https%3A%2F%2F%2F'), qr/names no host/ ],
	[ $form, form_of($url => 'https%3A%2F%2Fuser%3Apw%40shop.example%2F'), qr/user name/ ],
	[ $form, form_of($url => 'https%3A%2F%2Fshop.example%2F..%2Fx'), qr/user name, a query/ ],
	[ $form, form_of($url => 'https%3A%2F%2Fshop.example%2F%252e%252e%2Fx'), qr/user name, a query/ ],
	[ $form, form_of($url => 'https%3A%2F%2Fshop.example%2F%3Fx'), qr/user name, a query/ ],
	[ $form, form_of($url => 'https%3A%2F%2Fshop.example%2Fa%2F%2Fb'), qr/path segment cannot be empty/ ],
	[ $form, form_of($url => 'https%3A%2F%2Fshop.example%5C%40evil%2F'), qr/backslash/ ],
	[ 'text/plain', form_of(), qr/invalid content_type/ ],
	[ '', form_of(), qr/invalid content_type/ ],
	[ "${form}x", form_of(), qr/invalid content_type/ ],
	[ 'multipart/form-data; boundary=x', form_of(), qr/invalid content_type/ ],
	[ 'application/jsonp', json_of(), qr/invalid content_type/ ]);
my @bad_json = (
	[ '', qr/no JSON object/ ],
	[ 'null', qr/no JSON object/ ],
	[ qq{"$hidden"}, qr/no JSON object/ ],
	[ '[' . json_of() . ']', qr/no JSON object/ ],
	[ json_of() . json_of(), qr/no JSON object/ ],
	[ json_of() =~ s/}//r, qr/no JSON object/ ],
	[ form_of(), qr/no JSON object/ ],
	[ '{"a":' x 200 . json_of() . '}' x 200, qr/no JSON object/ ],
	[ '{}', qr/It has no consumer_key/ ],
	[ json_of(consumer_key => undef), qr/It has no consumer_key/ ],
	[ json_of(consumer_key => [$hidden]), qr/It has no consumer_key/ ],
	[ json_of(consumer_secret => { a => $hidden }), qr/It has no consumer_secret/ ],
	[ json_of(consumer_secret => ''), qr/Its consumer_secret is empty/ ],
	[ json_of(consumer_secret => "$hidden\n"), qr/Its consumer_secret has a control/ ],
	[ json_of(consumer_secret => $hidden x 70), qr/Its consumer_secret is longer/ ],
	[ json_of(more => 'x' x 16384), qr/longer than 16 kB/ ],
	[ qq({"consumer_key":"k","consumer_secret":"$hidden","consumer_secret":"$hidden"}), qr/more than once/ ],
	[ qq({"consumer_key":"k","consumer_secret":"$hidden","a":1,"\\u0061":1}), qr/more than once/ ],
	[ qq({"consumer_key":"k","consumer_secret":"$hidden\\ud800"}), qr/no JSON object/ ]);
push @bad, map { [ 'application/json', @$_ ] } @bad_json;

$mark = $service->mark;
my $consumers = $dba->rows('SELECT count(*) FROM oauth1.consumer');
foreach my $case (@bad)
{
	my ($content_type, $body, $like) = @$case;
	my $shown = $body =~ s/\Q$hidden\E/.../gr;
	$shown = substr($shown, 0, 90) . '...' if length $shown > 90;
	my $provider = $content_type =~ /json/ ? 'woo_own' : 'magento';
	is_error(refusal($provider, 'bad', { content_type => $content_type, body => $body }),
		'22023', $like, "$content_type: $shown" =~ s/\n/\\n/gr);
}
is($dba->rows('SELECT count(*) FROM oauth1.consumer'), $consumers, 'none of them made a consumer');
is(scalar arrived($mark), 0, 'and nothing was sent');

# ---------------------------------------------------------------- WooCommerce

$push = woocommerce(user_id => '42');
is_error(refusal('woocommerce', 'w', $push),
	'22023', qr/not known which shop.*HINT:  Create the consumer first/s, 'wc-auth does not say which shop it is');
$dba->rows(q{SELECT oauth1.create_consumer('w', 'woocommerce', 'pending', vars => '}
	  . sprintf('{"host": "localhost:%s", "base_path": "/woo"}', $service->port('https')) . q{')});
$mark = $service->mark;
is(accepted('woocommerce', 'w', $push), 'w', 'wc-auth: the consumer');
is(scalar arrived($mark), 0, 'nothing is to be exchanged');
is($dba->rows(q{SELECT consumer_key, has_secret FROM oauth1.consumers WHERE name = 'w'}),
	decode_json($push->{body})->{consumer_key} . '|t', 'with the key that was pushed');
is(status_of($dba, 'w', '/orders', q{, token => ''}), 200, 'a call');
is($dba->rows(q{SELECT status FROM oauth1.http_post('w', '/orders', body_json => '{"set_paid": true}', token => '')}),
	201, 'and a POST');
is(join(' ', map { "$_->{method} $_->{transmission} $_->{verdict} $_->{oauth}{oauth_signature_method}" } arrived($mark)),
	'GET query ok HMAC-SHA256 POST query ok HMAC-SHA256', 'signed in the query, and verified');
$push = woocommerce();
accepted('woocommerce', 'w', { %$push, content_type => 'application/json' });
is($dba->rows(q{SELECT consumer_key FROM oauth1.consumers WHERE name = 'w'}),
	decode_json($push->{body})->{consumer_key}, 'allowed again: a new key');
is(status_of($dba, 'w', '/orders', q{, token => ''}), 200, 'which signs calls');
$dba->rows(sprintf "SELECT oauth1.create_provider('woo_own', '{%swoo/wp-json/wc/v3}', transmission => 'query')", $service->url('/'));
accepted('woo_own', 'w2', woocommerce());
is(status_of($dba, 'w2', '/orders', q{, token => ''}), 200, 'a provider that is one shop takes a new consumer');

# Each kind has its provider.
is_error(refusal('magento', 'm', woocommerce()), '22023', qr/no verifier/, 'JSON for Magento');
is_error(refusal('woocommerce', 'w', magento()), '55000', qr/no request_token_url/, 'a form for WooCommerce');
is_error(refusal('nobody', 'm', magento()), '42704', qr/nobody/, 'no such provider');

# In a database of another encoding.
$dba->rows(q{CREATE DATABASE latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'});
my $latin1 = OAuth1::Session->new($node, dbname => 'latin1');
$latin1->rows('CREATE EXTENSION oauth1; '
	  . sprintf "SELECT oauth1.create_provider('woo_own', '{%s}')", $service->url('/'));
foreach my $case ([ 'k\\u00e9y', 'kéy' ], [ 'kéy', 'kéy' ], [ 'k\\u6f0fy', undef ], ['k\\ud83d\\udd27y', undef ])
{
	my ($written, $stored) = @$case;
	my $said = $latin1->query('SELECT oauth1.accept_credentials('
		  . quote(\qq('woo_own', '{"consumer_key": "$written", "consumer_secret": "s"}', 'application/json', 'l')) . ')');
	like($said, defined $stored ? qr/^l$/m : qr/^ERROR:  22023: invalid body/m, "LATIN1: a key written $written");
	is($latin1->rows('SELECT consumer_key FROM oauth1.consumers'), $stored, "LATIN1: a key written $written, stored") if defined $stored;
}
is_error($latin1->error("SELECT oauth1.accept_credentials('magento', 'store_base_url=https%3A%2F%2Fh%2F&oauth_consumer_key=%E6%BC%8F"
		  . "&oauth_consumer_secret=s&oauth_verifier=v', '$form', 'l2')"), '22P05', qr/encoding/, 'LATIN1: a key in a form that it lacks');

# ---------------------------------------------------------------- by whom

my %sessions = map { $_ => OAuth1::Session->new($node, user => $_) } qw(admin anon);
is_error(refusal('magento', 'a', magento(), $alice), '42501', qr/permission denied/, 'a role of no right');
is(accepted('magento', 'a', magento(), $sessions{admin}), 'a', 'a role with EXECUTE, and no grant of the consumer');
is($dba->rows(q{SELECT requested_by FROM oauth1.tokens WHERE consumer = 'a'}), 'admin', 'got the token');
is(status_of($sessions{admin}, 'a', '/V1/orders'), 'OA007', 'and may not use it');
is(accepted('magento', 'a', magento(), $sessions{admin}), 'a', 'but renew it');
is(status_of($dba, 'a', '/V1/orders'), 200, 'for others');
foreach my $n (0 .. 3)
{
	my @given = ("'magento'", "'x=1'", "'$form'", "'n'");
	$given[$n] = 'NULL';
	is_error($dba->error('SELECT oauth1.accept_credentials(' . join(', ', @given) . ')'),
		'22004', qr/must not be null/, 'NULL as argument ' . ($n + 1));
}
is_error($dba->error("SELECT oauth1.accept_credentials('magento', 'x=1', '$form', '')"), '22023', qr/name must not be empty/, 'no name');
is_error($dba->error("SELECT oauth1.accept_credentials('magento', 'x=1', '$form', repeat('n', 64))"), '22023', qr/too long/, 'a long name');
my $read_only = accept_sql('magento', 'ro', magento());
$other->rows('BEGIN READ ONLY');
is_error($other->error($read_only), '25006', qr/accept_credentials/, 'a read-only transaction');
$other->rows('ROLLBACK');

# ---------------------------------------------------------------- endpoints, as docs/providers.md has them

my ($document) = slurp_file("$FindBin::RealBin/../../docs/providers.md");
utf8::decode($document);
my @endpoints = $document =~ /^```sql\n(CREATE FUNCTION api\..*?)^```/msg;
is(scalar @endpoints, 2, 'two endpoints in the document');
$dba->rows('CREATE ROLE shop_keeper; CREATE SCHEMA api; GRANT USAGE ON SCHEMA api TO anon;'
	  . 'GRANT CREATE, USAGE ON SCHEMA api TO shop_keeper; GRANT USAGE ON SCHEMA oauth1 TO shop_keeper;'
	  . 'GRANT EXECUTE ON FUNCTION oauth1.accept_credentials TO shop_keeper; CREATE TABLE connecting (state text PRIMARY KEY, consumer text);'
	  . 'GRANT SELECT, DELETE ON connecting TO shop_keeper; GRANT shop_keeper TO CURRENT_USER');
$dba->rows('SET ROLE shop_keeper');
$dba->rows($_) foreach @endpoints;
$dba->rows('RESET ROLE');

# PostgREST makes arguments of a form's fields, and one of a JSON body.
sub by_form
{
	my ($push) = @_;
	my $id = (accept_sql('', '', $push) =~ /id = (\d+)/)[0];
	return "SELECT api.magento_activated(f ->> 'store_base_url', f ->> 'oauth_verifier', f ->> 'oauth_consumer_key',"
	  . " f ->> 'oauth_consumer_secret') FROM pushed, oauth1.form_decode(body) AS f WHERE id = $id";
}

sub by_json
{
	my ($push) = @_;
	my $id = (accept_sql('', '', $push) =~ /id = (\d+)/)[0];
	return "SELECT api.woocommerce_allowed(body::json) FROM pushed WHERE id = $id";
}

my $at = sprintf 'localhost:%s', $service->port('https');
$dba->rows(qq{SELECT oauth1.create_consumer('store', 'magento', 'pending', vars => '{"host": "$at", "base_path": "/magento"}');}
	  . qq{SELECT oauth1.create_consumer('shop', 'woocommerce', 'pending', vars => '{"host": "$at", "base_path": "/woo"}');}
	  . q{INSERT INTO connecting VALUES ('unguessable', 'shop')});
is($sessions{anon}->rows(by_form(magento())), 'ok', 'the endpoint of Magento, called by anybody');
is(status_of($dba, 'store', '/V1/orders'), 200, 'and a call');
$push = magento(base => 'https://evil.example/');
my $error = $sessions{anon}->error(by_form($push));
$said .= $error->{text};
is_error($error, 'OA003', qr/does not move/, 'another store');
is_error($sessions{anon}->error(by_json(woocommerce(user_id => 'guess'))), 'P0001', qr/./, 'the endpoint of WooCommerce: a user_id that is not ours');
is($sessions{anon}->rows(by_json(woocommerce(user_id => 'unguessable'))), 'ok', 'one that is');
is(status_of($dba, 'shop', '/orders', q{, token => ''}), 200, 'and a call');
is_error($sessions{anon}->error(by_json(woocommerce(user_id => 'unguessable'))), 'P0001', qr/./, 'once');

# ---------------------------------------------------------------- what was not said

cmp_ok(scalar @secrets, '>', 40, 'secrets to look for');
my $any = join '|', map { quotemeta } sort { length $b <=> length $a } @secrets;
my $planted = qr/(?:$any)/;
like($dba->rows('SELECT * FROM pushed'), $planted, 'looking finds them');
unlike($said, $planted, 'no message has one');
like(slurp_file($node->logfile), qr/DEBUG:  /, 'the log is at debug5');
# Where the statement that the test uses to bring a body there failed, it would be logged.
my $log = slurp_file($node->logfile);
like($log, qr/STATEMENT:  SELECT oauth1\.accept_credentials/, 'failing statements are in the log');
unlike($log, $planted, 'but not what was pushed');
$dba->rows('SELECT 1');
foreach my $relation (
	split(/ /, $dba->rows("SELECT string_agg(oid::regclass::text, ' ' ORDER BY relname) FROM pg_class "
			  . "WHERE relnamespace = 'oauth1'::regnamespace AND relkind IN ('r', 'v')")),
	'pg_stat_statements', 'pg_stat_activity')
{
	unlike($dba->rows("SELECT * FROM $relation"), $planted, "nor $relation");
}

done_testing();
