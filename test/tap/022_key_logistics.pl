# Keys on more than one server: dump and restore, a standby, a crash.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use File::Copy qw(copy);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $primary = OAuth1::Node->start('primary', service => $service, init => [ allows_streaming => 1 ]);
OAuth1::Shop::register($primary, $service);

sub key_file { return $_[0]->data_dir . '/oauth1.key'; }

sub copy_key
{
	my ($from, $to) = @_;
	unlink key_file($to);
	copy(key_file($from), key_file($to)) or die "copy: $!";
	chmod 0600, key_file($to) or die "chmod: $!";
	return;
}

sub present
{
	my ($node, %options) = @_;
	return OAuth1::Session->new($node, %options)
	  ->rows('SELECT kind, present FROM oauth1.key_status() ORDER BY kind, present') =~ s/\n/ /gr;
}

# ------------------------------------------------------------------ dump and restore

my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';
$primary->command_ok([ 'pg_dump', '-f', $dump, $primary->connstr('postgres') ], 'pg_dump');
my $text = slurp_file($dump);
like($text, qr/^COPY oauth1\.secret /m, 'the dump has the secrets');
unlike($text, qr/shop-(?:consumer|token)-secret/, 'sealed');

my $other = OAuth1::Node->start('other', service => $service);
my ($master_id) = slurp_file(key_file($primary)) =~ /^key (\S+)/m;

# A server that has keys of its own, for another database.
$other->safe_psql('postgres',
	"SELECT oauth1.create_provider('own', ARRAY['https://own.example/'])");
$other->safe_psql('postgres', "SELECT oauth1.create_consumer('own', 'own', 'k', 's')");

sub restore
{
	my ($database) = @_;
	$other->safe_psql('postgres', "CREATE DATABASE $database");
	$other->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $other->connstr($database) ],
		"restore into $database");
	return;
}

restore('restored');
my $error = OAuth1::Shop::refusal($other, dbname => 'restored');
is($error->{sqlstate}, 'OA005', 'with another key: OA005');
like($error->{detail}, qr/needs master key "\Q$master_id\E".*does not hold it/, '... names the key that is needed');
is(present($other, dbname => 'restored'), 'data|f master|f master|t', '... and key_status shows which is which');
my $stored = OAuth1::Session->new($other, dbname => 'restored')->error(OAuth1::Shop::token_sql('new'));
is($stored->{sqlstate}, 'OA005', 'nothing is stored under a key that is not here');

my $own = slurp_file(key_file($other));
unlink key_file($other);
$error = OAuth1::Shop::refusal($other, dbname => 'restored');
is($error->{sqlstate}, 'OA005', 'with no key: OA005');
like($error->{detail}, qr/"\Q$master_id\E".*does not exist/, '... names the key and the file');
ok(!-e key_file($other), '... and makes none');

# Both servers' keys in one file: lines are all there is to it.
my ($line) = slurp_file(key_file($primary)) =~ /^(key .*\n)/m;
append_to_file(key_file($other), $own =~ s/^end\n/${line}end\n/mr);
chmod 0600, key_file($other);
is(OAuth1::Shop::call($other, dbname => 'restored'), 200, 'with the same key: the secrets sign');
is(present($other, dbname => 'restored'), 'data|t master|t master|t', '... and all keys are here');
is(present($other), 'data|t master|t master|t', 'the server\'s own keys are where they were');
like($other->safe_psql('restored', 'SELECT oauth1.rotate_key()'), qr/^d/, 'a restored database rotates');
is(OAuth1::Shop::call($other, dbname => 'restored'), 200, '... and signs');
is(OAuth1::Shop::call($primary), 200, 'the first server is not touched');

# Another encoding, where names take other octets: what is bound to them is the text.
my $accented = "caf\x{e9}";
my $primary_session = OAuth1::Session->new($primary);
$primary_session->rows("SELECT oauth1.create_consumer('$accented', 'shop', 'shop-key', 'shop-consumer-secret')");
$primary_session->rows("SELECT oauth1.set_token('$accented', 'shop-token', 'shop-token-secret', '$accented')");
$primary->command_ok([ 'pg_dump', '-f', $dump, $primary->connstr('postgres') ], 'pg_dump');
$other->safe_psql('postgres', "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
$other->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $other->connstr('latin') ],
	'restore into another encoding');
my $latin = OAuth1::Session->new($other, dbname => 'latin');
$latin->rows("SET client_encoding = 'UTF8'");
is($latin->rows("SELECT status FROM oauth1.http_get('$accented', '/api/items', token => '$accented')"), 200,
	'the secrets of an accented name sign there');
$latin->quit;
$primary_session->quit;
$other->stop;

# ------------------------------------------------------------------ a standby

$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
ok(-e key_file($standby), 'a base backup takes the key file along');
copy_key($primary, $standby);    # the test's own copy of the backup widened its permissions
$standby->start;
my $watching = OAuth1::Session->new($standby);
is(OAuth1::Shop::call($watching), 200, 'a call on the standby');

my $old_key = $primary->safe_psql('postgres', 'SELECT oauth1.rotate_key()');
$primary->wait_for_catchup($standby);
is(OAuth1::Shop::call($watching), 200, 'after a rotation on the primary, in a session with the old key');
is(OAuth1::Shop::call($standby), 200, 'and in a new one');
is($watching->rows("SELECT present FROM oauth1.key_status() WHERE kind = 'data'"), 't', 'key_status runs on a standby');
is($watching->rows("SELECT string_agg(item, ' ') FROM oauth1.check_consumer('shop') WHERE ok"),
	'consumer provider key token name connection TLS answer clock', 'check_consumer runs on a standby');
is($watching->rows("SELECT value FROM oauth1.explain_call('shop', oauth1.request('GET', '/')) WHERE name = 'token'"),
	'default (shop-token)', 'and explain_call');

# A new master key has to be carried over; until then nothing changes for the standby.
my $new_master = $primary->safe_psql('postgres', 'SELECT oauth1.create_master_key()');
my $old_file = slurp_file(key_file($standby));
is(OAuth1::Shop::call($standby), 200, 'a master key that is not used yet is not missed');
$primary->safe_psql('postgres', "SELECT oauth1.rotate_master_key('$new_master')");
$primary->wait_for_catchup($standby);
$error = OAuth1::Shop::refusal($standby);
is($error->{sqlstate}, 'OA005', 'once used it is: OA005');
like($error->{detail}, qr/"\Q$new_master\E"/, '... names it');
is(present($standby), 'data|f master|f master|t', '... and key_status shows it');
foreach my $call ('rotate_key()', 'create_master_key()', "rotate_master_key('x')", "rebind_consumer('shop')")
{
	is(OAuth1::Session->new($standby)->error("SELECT oauth1.$call")->{sqlstate}, '25006', "$call on a standby");
}
is(slurp_file(key_file($standby)), $old_file, 'a standby makes no key');
copy_key($primary, $standby);
is(OAuth1::Shop::call($standby), 200, 'with the file copied the secrets sign');
unlink key_file($standby);
is(OAuth1::Shop::refusal($standby)->{sqlstate}, 'OA005', 'without the file: OA005');
ok(!-e key_file($standby), '... and none is made');
copy_key($primary, $standby);

# Times of use are shared on a standby too.
is($watching->rows("SELECT last_used IS NOT NULL FROM oauth1.tokens WHERE name = 'default'"), 't',
	'a token\'s last use on the standby is known there');
$watching->quit;

# ------------------------------------------------------------------ a crash in the middle

my $rotating = OAuth1::Session->new($primary);
my $keys = 'SELECT string_agg(id || master_key, \',\' ORDER BY id) FROM oauth1.data_key';
my $before = $primary->safe_psql('postgres', $keys);
$rotating->rows('BEGIN');
my $lost = $rotating->rows('SELECT oauth1.rotate_key()');
$rotating->rows("SELECT oauth1.rotate_master_key('$master_id')");
$primary->safe_psql('postgres', 'CHECKPOINT');    # half of it is on disk
$primary->kill9;
$rotating->quit;
my $tries = 60;    # until the last backend has seen it
while (!$primary->start(fail_ok => 1) && $tries--)
{
	select undef, undef, undef, 0.5;
	$primary->stop('fast', fail_ok => 1);    # a start that failed counts as running
}
is($primary->safe_psql('postgres', $keys), $before, 'a rotation that was killed has not been');
is(OAuth1::Shop::call($primary), 200, 'the old secrets sign');
isnt($primary->safe_psql('postgres', 'SELECT oauth1.rotate_key()'), $lost, 'the next one goes through');
is(OAuth1::Shop::call($primary), 200, 'and they still do');
$primary->wait_for_catchup($standby);
is(OAuth1::Shop::call($standby), 200, 'on the standby as well');

$standby->promote;
like($standby->safe_psql('postgres', 'SELECT oauth1.rotate_key()'), qr/^d/, 'a promoted standby rotates');
is(OAuth1::Shop::call($standby), 200, '... and signs');

# ------------------------------------------------------------------ pg_upgrade

$standby->stop;
$primary->stop;
my $upgraded = PostgreSQL::Test::Cluster->new('upgraded');
$upgraded->init;
my $bindir = $primary->config_data('--bindir');
my $folder = PostgreSQL::Test::Utils::tempdir;
chdir $folder or die "$folder: $!";    # where pg_upgrade of 14 and before leaves its scripts
command_ok(
	[
		'pg_upgrade', '--no-sync', '-d', $primary->data_dir, '-D', $upgraded->data_dir, '-b', $bindir,
		'-B', $bindir, '-s', $upgraded->host, '-p', $primary->port, '-P', $upgraded->port
	],
	'pg_upgrade');
$upgraded->append_conf('postgresql.conf', join "\n", OAuth1::Node::settings(service => $service), '');
$upgraded->start;
ok(!-e key_file($upgraded), 'does not carry the key file');
is(OAuth1::Shop::refusal($upgraded)->{sqlstate}, 'OA005', 'without it: OA005');
copy_key($primary, $upgraded);
is(OAuth1::Shop::call($upgraded), 200, 'with it copied the secrets sign');
$upgraded->stop;
done_testing();
