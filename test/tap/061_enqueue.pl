# enqueue: what is judged at once, what is stored, and for whom; nothing is sent here.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Session;

my $node = OAuth1::Node->start('main', settings => ['oauth1.worker = off']);
my $dba = OAuth1::Session->new($node);
$dba->rows($_) foreach (
	q{SELECT oauth1.create_provider('shop', '{https://shop.example/api}')},
	q{SELECT oauth1.create_consumer('shop', 'shop', 'shop-key', 'shop-secret')},
	q{SELECT oauth1.set_token('shop', 'shop-token', 'shop-token-secret')},
	map { "CREATE ROLE $_ LOGIN" } qw(alice bob));
$dba->rows(q{SELECT oauth1.grant_consumer('shop', 'alice')});
my $alice = OAuth1::Session->new($node, user => 'alice');
my $bob = OAuth1::Session->new($node, user => 'bob');

sub enqueue { my ($method, $url, $more) = @_; return "SELECT oauth1.enqueue('shop', " . quote($method) . ', ' . quote($url) . ($more ? ", $more" : '') . ')'; }

sub is_error
{
	my ($session, $sql, $sqlstate, $like, $name) = @_;
	my $error = $session->error($sql);
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{message} : '', $like, "$name: says so");
	return;
}

# ---------------------------------------------------------------- what is stored

# A column of the call that a statement enqueued.
sub stored
{
	my ($columns, $more, $method, $url) = @_;
	return $dba->rows("SELECT $columns FROM oauth1.call c JOIN oauth1.queue q USING (id) WHERE c.id = "
		  . $alice->rows(enqueue($method // 'POST', $url // '/orders', $more)));
}

is(stored(q{http_method, url, token, headers, content_type, convert_from(body, 'UTF8'), c.consumer, q.consumer},
		q{body_json => '{"a": "ö"}', headers => '{"X-A": ["1", "2"]}'}, 'pOsT', '/orders?q=1#fragment'),
	'POST|/orders?q=1|default|{"X-A": ["1", "2"]}|application/json|{"a": "ö"}|shop|shop', 'a message, as http_post takes it');

# ---------------------------------------------------------------- what is refused

is_error($alice, enqueue(@$_[1 .. 3]), @$_[4, 5], $_->[0]) foreach (
	[ 'a method that is none', 'GE T', '/orders', undef, '22023', qr/http_method/ ],
	[ 'a URL of elsewhere', 'GET', 'https://elsewhere.example/', undef, 'OA003', qr/not allowed/ ]);
is_error($bob, enqueue('GET', '/orders'), 'OA007', qr/may not be used/, 'no grant');
is_error($alice, 'BEGIN READ ONLY; ' . enqueue('GET', '/orders'), '25006', qr/read-only/, 'a read-only transaction');
$alice->rows('ROLLBACK');

# ---------------------------------------------------------------- part of the transaction

sub waiting { return $dba->rows('SELECT (SELECT count(*) FROM oauth1.queue), (SELECT count(*) FROM oauth1.call)'); }
my $before = waiting();
$alice->rows('BEGIN; ' . enqueue('GET', '/orders') . '; ROLLBACK');
is(waiting(), $before, 'rolled back with it');

done_testing();
