# Many calls in one transaction: the signer that is kept for the next is never another's, nor one
# that a change left behind.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered;
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
$service->add_consumer(
	key => 'key-1',
	secret => 'secret-1',
	tokens => [ { token => 'token-1', secret => 'token-secret-1' }, { token => 'token-2', secret => 'token-secret-2' } ]);
$service->add_consumer(key => 'key-2', secret => 'secret-2', tokens => [ { token => 'token-3', secret => 'token-secret-3' } ]);

my $node = OAuth1::Node->start('main', service => $service);
my $session = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($session, $service);
$registered->provider('api');
$registered->consumer('first', 'api', 'key-1', 'secret-1');
$registered->consumer('second', 'api', 'key-2', 'secret-2');
$session->rows(q{SELECT oauth1.set_token('first', 'token-1', 'token-secret-1')});
$session->rows(q{SELECT oauth1.set_token('first', 'token-2', 'token-secret-2', 'other')});
$session->rows(q{SELECT oauth1.set_token('second', 'token-3', 'token-secret-3')});

# The verdicts of the service on the requests that a statement made.
sub verdicts
{
	my ($statement) = @_;
	my $mark = $service->mark;
	$session->rows($statement);
	return join ' ', map { $_->{verdict} } $service->ledger($mark);
}

sub call { my ($consumer, $token) = @_; return "SELECT (oauth1.http_get('$consumer', '/echo', token => '$token')).status"; }

is(verdicts(q{SELECT count(r.status) FROM generate_series(1, 5) i CROSS JOIN LATERAL
	oauth1.http_get('first', '/echo?i=' || i) r}), 'ok ok ok ok ok', 'one credential, again and again');
is(verdicts(q{SELECT count(r.status) FROM generate_series(1, 5) i CROSS JOIN LATERAL
	oauth1.http_get('first', '/echo', token => CASE i % 3 WHEN 0 THEN 'default' WHEN 1 THEN 'other' ELSE '' END) r}),
	'ok ok ok ok ok', 'its tokens take turns');
is(verdicts(q{SELECT count(r.status) FROM (VALUES ('first'), ('second'), ('second'), ('first')) v (consumer)
	CROSS JOIN LATERAL oauth1.http_get(consumer, '/echo') r}), 'ok ok ok ok', 'consumers take turns');

$session->rows('BEGIN');
is(verdicts(call('first', 'default')), 'ok', 'before a change');
$session->rows(q{SELECT oauth1.set_token('first', 'token-1', 'another secret')});
isnt(verdicts(call('first', 'default')), 'ok', 'a token changed in the same transaction signs with its new secret');
$session->rows('SAVEPOINT s');
$session->rows(q{SELECT oauth1.set_token('first', 'token-1', 'token-secret-1')});
is(verdicts(call('first', 'default')), 'ok', 'and with the old one when that is set again');
$session->rows('ROLLBACK TO s');
isnt(verdicts(call('first', 'default')), 'ok', 'until that is rolled back');
$session->rows('ROLLBACK');
is(verdicts(call('first', 'default')), 'ok', 'after a rollback');

$session->rows('BEGIN');
is(verdicts(call('first', 'default')), 'ok', 'before a rotation');
$session->rows('SELECT oauth1.rotate_key()');
is(verdicts(call('first', 'default')), 'ok', 'after it');
$session->rows('COMMIT');
is(verdicts(call('first', 'other')), 'ok', 'and in the next transaction');

$session->rows(q{SELECT oauth1.alter_provider('api', signature_method => 'HMAC-SHA1')});
$session->rows('BEGIN');
is(verdicts(call('first', 'default')), 'ok', 'one method');
$session->rows(q{SELECT oauth1.alter_provider('api', signature_method => 'HMAC-SHA512')});
is(verdicts(call('first', 'default')), 'ok', 'another in the same transaction');
$session->rows('COMMIT');

done_testing();
