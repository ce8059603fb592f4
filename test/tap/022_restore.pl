# What a dump takes along, and what a restore makes of it: secrets, presets, and grants to roles
# that are missing or have other numbers where it is restored.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use File::Copy qw(copy);
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $origin = OAuth1::Node->start('origin', service => $service);
my $target = OAuth1::Node->start('target', service => $service);
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump.sql';

# Of a node and a database.
sub sql
{
	my ($node, $dbname, $sql) = @_;
	return $node->safe_psql($dbname, $sql);
}

sub restore
{
	my ($node, $dbname) = @_;
	sql($node, 'postgres', "CREATE DATABASE $dbname TEMPLATE template0");
	return $node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($dbname), '-f', $dump ],
		"restored into $dbname of " . $node->name);
}

sub grants
{
	my ($node, $dbname) = @_;
	return sql($node, $dbname,
		"SELECT role, coalesce(token, '*'), valid FROM oauth1.grants ORDER BY role, token");
}

# The status of a call, or the SQLSTATE of its error.
sub call_as
{
	my ($node, $dbname, $user, $token) = @_;
	return OAuth1::Shop::call($node, dbname => $dbname, user => $user, token => $token);
}

# ------------------------------------------------------------------ what there is to dump

OAuth1::Shop::register($origin, $service);
sql($origin, 'postgres', $_)
  foreach 'CREATE ROLE whole LOGIN', 'CREATE ROLE missing LOGIN', 'CREATE ROLE moved LOGIN',
  "SELECT oauth1.grant_consumer('shop', 'whole')",
  "SELECT oauth1.grant_consumer('shop', 'missing')",
  "SELECT oauth1.grant_token('shop', 'default', 'moved')",
  q{SELECT oauth1.alter_provider('netsuite', options => '{"user_agent": "ours/1"}')},
  "SELECT oauth1.create_provider('unused', ARRAY['https://unused.example'])";
is(grants($origin, 'postgres'), "missing|*|t\nmoved|default|t\nwhole|*|t", 'all grants count');

my %oid = map { split /\|/ } split /\n/, sql($origin, 'postgres',
	"SELECT rolname, oid FROM pg_roles WHERE rolname IN ('whole', 'missing', 'moved')");

$origin->command_ok([ 'pg_dump', '-d', $origin->connstr('postgres'), '-f', $dump ], 'dumped');
my $text = slurp_file($dump);
unlike($text, qr/\Q$OAuth1::Shop::secrets{$_}\E/, "no $_ secret in the dump")
  foreach sort keys %OAuth1::Shop::secrets;
unlike($text, qr/^COPY oauth1\.preset /m, 'no presets in the dump');
like($text, qr/^COPY oauth1\.$_ /m, "$_ in the dump")
  foreach qw(provider consumer token request_token data_key secret consumer_grant);

# ------------------------------------------------------------------ into the same cluster

restore($origin, 'copy');
is(grants($origin, 'copy'), grants($origin, 'postgres'), 'the roles are who they were: all grants count');
is(call_as($origin, 'copy', 'moved'), 200, 'and a granted role makes a call with the restored secrets');
is(sql($origin, 'copy', 'SELECT oauth1.adopt_grants()'), 0, 'nothing is left to adopt');

# ------------------------------------------------------------------ into another cluster

# There "missing" is missing and another role has its number; "moved" has a number of its own;
# "whole" was made first in both, as if it had been restored with the cluster's roles.
sql($target, 'postgres', $_)
  foreach 'CREATE ROLE whole LOGIN', 'CREATE ROLE stranger LOGIN', 'CREATE ROLE moved LOGIN',
  'SET allow_system_table_mods = on;'
  . "UPDATE pg_authid SET oid = oid::bigint + 100000 WHERE rolname IN ('whole', 'stranger', 'moved');"
  . "UPDATE pg_authid SET oid = $oid{whole} WHERE rolname = 'whole';"
  . "UPDATE pg_authid SET oid = $oid{missing} WHERE rolname = 'stranger'";
restore($target, 'restored');
copy($origin->data_dir . '/oauth1.key', $target->data_dir . '/oauth1.key') or die "copy: $!";
chmod 0600, $target->data_dir . '/oauth1.key' or die "chmod: $!";

is(grants($target, 'restored'), "missing|*|f\nmoved|default|f\nwhole|*|t",
	'a grant counts where oid and name are one role\'s, the others are listed');
is(call_as($target, 'restored'), 200, 'the secrets open with the key they were sealed under');
is(call_as($target, 'restored', 'whole'), 200, 'a role that is who it was makes a call');
is(call_as($target, 'restored', 'stranger'), 'OA007', 'whoever has a missing role\'s number may not');
is(call_as($target, 'restored', 'moved'), 'OA007', 'nor may who has the name alone');
is(OAuth1::Session->new($target, dbname => 'restored', user => $_)
	  ->rows('SELECT (SELECT count(*) FROM oauth1.consumers), (SELECT count(*) FROM oauth1.tokens), (SELECT count(*) FROM oauth1.grants)'),
	'0|0|0', "and $_ sees nothing of it")
  foreach qw(stranger moved);

my $session = OAuth1::Session->new($target, dbname => 'restored', user => 'moved');
is(OAuth1::Shop::call($session), 'OA007', 'a session that was refused ...');
is(sql($target, 'restored', 'SELECT oauth1.adopt_grants()'), 1, 'adopt_grants takes over what has a role of the name');
is(OAuth1::Shop::call($session), 200, '... makes the call after it');
is(call_as($target, 'restored', 'moved', ''), 'OA007', 'with its token only');
is(grants($target, 'restored'), "missing|*|f\nmoved|default|t\nwhole|*|t", 'what has no role waits');
is(call_as($target, 'restored', 'stranger'), 'OA007', 'and whoever has the number still may not');
sql($target, 'restored', 'CREATE ROLE missing LOGIN');
is(call_as($target, 'restored', 'missing'), 'OA007', 'nor may a new role of the name, by itself');
is(sql($target, 'restored', 'SELECT oauth1.adopt_grants()'), 1, 'until it is adopted');
is(call_as($target, 'restored', 'missing'), 200, 'then it may');

# ------------------------------------------------------------------ presets

is(sql($target, 'restored',
		"SELECT builtin, options ->> 'user_agent', realm FROM oauth1.providers WHERE name = 'netsuite'"),
	'f|ours/1|{account}', 'what stood before a preset still does');
is(sql($target, 'restored', 'SELECT count(*) FROM oauth1.preset'),
	sql($target, 'postgres', 'SELECT count(*) FROM oauth1.preset'), 'the presets are those of the installed version, once');
is(sql($target, 'restored', "SELECT string_agg(name, ' ' ORDER BY name) FROM oauth1.providers WHERE NOT builtin"),
	'netsuite shop unused', 'and what is one\'s own is there');
sql($target, 'restored', "SELECT oauth1.drop_provider('netsuite')");
is(sql($target, 'restored', "SELECT builtin FROM oauth1.providers WHERE name = 'netsuite'"), 't',
	'dropped, the preset shows again');

# What is changed after the restore reaches sessions that have called before.
$session = OAuth1::Session->new($target, dbname => 'restored');
is(OAuth1::Shop::call($session), 200, 'a session that has called ...');
sql($target, 'restored', "SELECT oauth1.alter_consumer('shop', consumer_secret => 'another')");
is(OAuth1::Shop::call($session), 401, '... uses the new secret at once');

done_testing();
