# What sessions share in memory: when a token was used and refused.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $node = OAuth1::Node->start('times', service => $service);
OAuth1::Shop::register($node, $service);
$node->safe_psql('postgres', OAuth1::Shop::token_sql('other'));
$node->safe_psql('postgres', "SELECT oauth1.set_token('shop', 'no-such-token', 'x', 'bad')");
$node->safe_psql('postgres', 'CREATE ROLE clerk LOGIN; CREATE ROLE stranger LOGIN');
$node->safe_psql('postgres', "SELECT oauth1.grant_token('shop', 'default', 'clerk')");

my ($caller, $reader) = (OAuth1::Session->new($node), OAuth1::Session->new($node));
my $known = 'SELECT name, last_used IS NOT NULL, last_refusal IS NOT NULL FROM oauth1.tokens ORDER BY name';
my $used = "SELECT extract(epoch FROM last_used) FROM oauth1.tokens WHERE name = 'default'";

is($reader->rows($known), "bad|f|f\ndefault|f|f\nother|f|f", 'nothing is known before a call');
my $from = $reader->rows('SELECT extract(epoch FROM clock_timestamp())');
is(OAuth1::Shop::call($caller), 200, 'a call');
is(OAuth1::Shop::call($caller, token => 'bad'), 401, 'a call that is refused');
my $to = $reader->rows('SELECT extract(epoch FROM clock_timestamp())');
is($reader->rows($known), "bad|t|t\ndefault|t|f\nother|f|f", 'another session knows of both');
is($caller->rows($known), "bad|t|t\ndefault|t|f\nother|f|f", 'and so does the caller');
my $at = $reader->rows($used);
ok($from <= $at && $at <= $to, 'to the time');

# Once a second at most by one session, but then at the next call.
select undef, undef, undef, 1.1;
is(OAuth1::Shop::call($caller), 200, 'a later call');
cmp_ok($reader->rows($used), '>', $at, 'is the last use');
$at = $reader->rows($used);
is(OAuth1::Shop::call($node), 200, 'a call of yet another session');
cmp_ok($reader->rows($used), '>', $at, 'is, too, however soon');

# Nothing is written.
my $read_only = OAuth1::Session->new($node);
$read_only->rows('BEGIN READ ONLY');
is(OAuth1::Shop::call($read_only, token => 'other'), 200, 'a call in a read-only transaction');
is($reader->rows($known), "bad|t|t\ndefault|t|f\nother|t|f", 'is known of as well');
is($read_only->rows('SELECT pg_current_xact_id_if_assigned() IS NULL'), 't', 'without a transaction id');
$read_only->rows('ROLLBACK');
is($reader->rows("SELECT last_used IS NOT NULL FROM oauth1.tokens WHERE name = 'other'"), 't',
	'also after its rollback');

# The times are those of the token that is there now, and of what was sent.
$reader->rows("SELECT oauth1.set_token('shop', 'another-token', 'x', 'bad')");
is($reader->rows("SELECT last_used IS NULL AND last_refusal IS NULL FROM oauth1.tokens WHERE name = 'bad'"),
	't', 'a token that takes the name of another was not used yet');
$caller->rows('SET oauth1.allow_private_addresses = off');
is(OAuth1::Shop::call($caller, token => 'bad'), 'OA003', 'a call that does not leave this server');
$caller->rows('RESET oauth1.allow_private_addresses');
is($reader->rows("SELECT last_used IS NULL FROM oauth1.tokens WHERE name = 'bad'"), 't', 'is no use');

# Who may not use a token is told nothing, by the view or by what is behind it.
my $clerk = OAuth1::Session->new($node, user => 'clerk');
is($clerk->rows($known), 'default|t|f', 'a grantee sees its token');
is($clerk->rows("SELECT last_used IS NULL FROM oauth1._token_times('shop', 'bad')"), 't', 'and of others nothing');
my $stranger = OAuth1::Session->new($node, user => 'stranger');
is($stranger->rows($known), '', 'a stranger sees none');
is($stranger->rows("SELECT last_used IS NULL FROM oauth1._token_times('shop', 'default')"), 't', 'and no time');

# Another database has tokens of its own.
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere');
$node->safe_psql('elsewhere', 'CREATE EXTENSION oauth1');
OAuth1::Shop::register($node, $service, dbname => 'elsewhere');
is(OAuth1::Session->new($node, dbname => 'elsewhere')->rows($known), 'default|f|f', 'in another database nothing is known');
is(OAuth1::Shop::call($node, dbname => 'elsewhere'), 200, 'a call there');
is(OAuth1::Session->new($node, dbname => 'elsewhere')->rows($known), 'default|t|f', 'is known there');

$_->quit foreach $caller, $reader, $read_only, $clerk, $stranger;
$node->restart;
is(OAuth1::Session->new($node)->rows($known), "bad|f|f\ndefault|f|f\nother|f|f", 'a restart forgets');
is(OAuth1::Shop::call($node), 200, 'and calls go on');


# Where no shared memory is to be had, nothing is known, and nothing fails.
my $dynshmem = $node->data_dir . '/pg_dynshmem';
$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = mmap');
$node->restart;
chmod 0500, $dynshmem or die "$dynshmem: $!";
my $without = OAuth1::Session->new($node);
is(OAuth1::Shop::call($without), 200, 'a call without shared memory');
is($without->rows($known), "bad|f|f\ndefault|f|f\nother|f|f", 'leaves nothing to be known');
is(OAuth1::Shop::call($without), 200, 'and the next one goes on');
is($without->rows('BEGIN; ' . OAuth1::Shop::call_sql('other') . '; COMMIT'), 200, 'in a transaction as well');
chmod 0700, $dynshmem or die "$dynshmem: $!";
is(OAuth1::Shop::call($node), 200, 'a session that can have it');
is(OAuth1::Session->new($node)->rows($known), "bad|f|f\ndefault|t|f\nother|f|f", 'makes it known');
$without->quit;

$node->stop;
done_testing();
