# A hot standby and a read-only transaction make signed calls; what needs a write fails before
# anything is sent.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use List::Util qw(max uniq);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
$service->add_consumer(key => 'with-token', secret => 'demo-secret', tokens => [ { token => 'token-1', secret => 'secret-1' } ]);
my $node = OAuth1::Node->start('main', service => $service, settings => ['oauth1.allow_http = on'], init => [ allows_streaming => 1 ]);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE ROLE alice LOGIN; CREATE TABLE conflict AS SELECT 1');
my $registered = OAuth1::Registered->new($dba, $service);

my $anywhere = \("ARRAY['" . join("','", map { $service->url('/', $_) } qw(https http)) . "']");
$registered->provider('api', api_urls => $anywhere, allow_http => \'true', options => '{"test_url": "/api/echo"}');
$registered->consumer('api', 'api', 'with-token', 'demo-secret');
$dba->rows(q{SELECT oauth1.set_token('api', 'token-1', 'secret-1')});
$registered->consumer('few', 'api', 'demo-key', 'demo-secret', max_concurrency => \'2');
$registered->provider('ahead', api_urls => \("ARRAY['" . $service->url('/refuse/clock=600/api/') . "']"));
$registered->consumer('ahead', 'ahead', 'demo-key', 'demo-secret');
$dba->rows(q{SELECT oauth1.grant_consumer(c, 'alice') FROM unnest(ARRAY['api', 'few', 'ahead']) c});
$dba->rows('GRANT SELECT ON conflict TO alice');

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
chmod 0600, $standby->data_dir . '/oauth1.key';    # as pg_basebackup would have kept it
$standby->start;
sub catch_up { $node->wait_for_catchup($standby, 'replay', $node->lsn('insert')); return; }
catch_up();

my $read_only = OAuth1::Session->new($node, user => 'alice');
$read_only->rows('SET default_transaction_read_only = on');
my %readers = (standby => OAuth1::Session->new($standby, user => 'alice'), 'read-only' => $read_only);
is($readers{standby}->rows('SELECT pg_is_in_recovery()'), 't', 'a hot standby');

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

# A path that the service spoils, without TLS.
sub flaky { return $service->url("/flaky/$_[0]/api/echo", 'http'); }

# ---------------------------------------------------------------- what works

my $requests = q{ARRAY(SELECT oauth1.request('POST', '/api/echo', form => jsonb_build_object('n', n)) FROM generate_series(1, 6) n)};
my $post = q{oauth1.request('POST', '/api/echo', form => '{"a": 1}')};
my $list = quote($service->url('/api/items'));
my @works = (
	[ 'http_get', q{SELECT status FROM oauth1.http_get('api', '/api/echo')}, 200, 1 ],
	[ 'http_post', q{SELECT status FROM oauth1.http_post('api', '/api/echo', body_json => '{"é": 1}')}, 200, 1 ],
	[ 'http_call', "SELECT status FROM oauth1.http_call('api', $post)", 200, 1 ],
	[ 'http_batch', "SELECT count(*), sum(status) FROM oauth1.http_batch('api', $requests, concurrency => 3)", '6|1200', 6 ],
	[ 'http_pages', qq{SELECT count(*), sum(jsonb_array_length(body::jsonb)) FROM oauth1.http_pages('api', $list, '{"limit": 3}', next => 'offset:offset:3')}, '4|8', 4 ],
	[ 'http_pages, in part', qq{SELECT status FROM oauth1.http_pages('api', $list, '{"limit": 3}', next => 'offset:offset:3') LIMIT 2}, "200\n200", 2 ],
	[ 'retries', q{SET oauth1.retries = 1; SELECT status FROM oauth1.http_get('api', '%s')}, 200, 2, 'times=1,as=503,header=X-%s:1' ],
	[ 'a redirect', q{SELECT status FROM oauth1.http_get('api', '%s')}, 200, 2, 'redirect=302:%%2Fapi%%2Fecho,header=X-%s:1' ]);
foreach my $where (sort keys %readers)
{
	foreach my $case (@works)
	{
		my ($what, $sql, $result, $count, $modes) = @$case;
		my $mark = $service->mark;
		$sql = sprintf $sql, flaky(sprintf $modes, $where) if $modes;
		is($readers{$where}->rows($sql), $result, "$where: $what");
		my @arrived = $service->ledger($mark);
		is(scalar @arrived, $count, "$where: $what: sent");
		is(join(' ', uniq map { $_->{verdict} } @arrived), 'ok', "$where: $what: verified");
		is(join(' ', uniq map { $_->{oauth}{oauth_token} } @arrived), 'token-1', "$where: $what: with the token");
	}
	my $mark = $service->mark;
	like($readers{$where}->rows("SELECT string_agg(name || ' ' || coalesce(value, ''), E'\\n') FROM oauth1.explain_call('api', $post)"), qr/with-token/, "$where: explain_call");
	like($readers{$where}->rows("SELECT headers ->> 'Authorization' FROM oauth1.sign_request('api', $post)"), qr/^OAuth .*oauth_signature=/, "$where: sign_request");
	is($service->mark, $mark, "$where: neither sends");
	is($readers{$where}->rows(q{SELECT string_agg(item || ' ' || detail, E'\n') FROM oauth1.check_consumer('api') WHERE NOT ok}), '', "$where: check_consumer finds nothing wrong");
	cmp_ok($service->mark, '>', $mark, "$where: check_consumer asks the service");
}
$readers{$_}->rows('RESET oauth1.retries') foreach keys %readers;

is(OAuth1::Session->new($standby)->rows(q{SELECT count(*) FILTER (WHERE ok) || ' ' || string_agg(detail, '') FILTER (WHERE item = 'worker') FROM oauth1.health()}),
	'13 This server is a standby, which sends nothing until it is promoted.', 'a standby: health() tells that it is one');

# The service's clock is learned, and known to the other sessions of that server.
{
	my $mark = $service->mark;
	my $call = q{SELECT status FROM oauth1.http_get('ahead', '/echo', token => '')};
	is($readers{standby}->rows($call), 200, 'standby: a clock that is ahead');
	is(join(' ', map { $_->{verdict} } $service->ledger($mark)), 'timestamp_refused ok', 'standby: a clock that is ahead: learned');
	$mark = $service->mark;
	is(OAuth1::Session->new($standby, user => 'alice')->rows($call), 200, 'standby: and in another session');
	is(join(' ', map { $_->{verdict} } $service->ledger($mark)), 'ok', 'standby: and in another session: known');
}

# Limits hold, over the sessions of one server: a standby counts by itself.
{
	my @sessions = map { OAuth1::Session->new($_, user => 'alice') } $standby, $standby, $node, $node;
	my $mark = $service->mark;
	my $url = quote(flaky('first_byte=250'));
	$_->start("SELECT count(*) FROM oauth1.http_batch('few', array_fill(oauth1.request('GET', $url), ARRAY[4]), token => '') WHERE status = 200") foreach @sessions;
	is(join(' ', map { $_->finish =~ s/\s//gr } @sessions), '4 4 4 4', 'limits: all answered');
	my @times = map { $_->{time} } $service->ledger($mark);
	my $most = max(map { my $at = $_; scalar grep { $_ <= $at && $at < $_ + 0.25 } @times } @times);
	is($most, 4, 'limits: two at a time on each server');
}

# ---------------------------------------------------------------- what needs a write

foreach my $where (sort keys %readers)
{
	my $owner = OAuth1::Session->new($where eq 'standby' ? $standby : $node);
	$owner->rows('SET default_transaction_read_only = on');
	my $mark = $service->mark;
	foreach my $function (
		q{request_token('api')}, q{access_token('t', 'v')}, q{handle_callback('x?oauth_token=a&oauth_verifier=b')}, q{renew_token('api')}, q{revoke_token('api')},
		q{enqueue('api', 'GET', '/api/echo')}, 'cancel_call(1)', 'retry_call(1)')
	{
		is_error($readers{$where}->error("SELECT oauth1.$function"), '25006', qr/recovery|read-only/, "$where: $function");
	}
	foreach my $statement (
		q{SELECT oauth1.set_token('api', 't', 's')}, q{SELECT oauth1.drop_token('api')}, q{SELECT oauth1.rotate_key()}, q{SELECT oauth1.drop_consumer('api')},
		q{SELECT oauth1.alter_consumer('api', consumer_key => 'x')}, q{SELECT oauth1.create_provider('x', ARRAY['https://x.example/'])}, q{SELECT oauth1.grant_consumer('api', 'alice')},
		q{SELECT oauth1.purge_calls('1 day')}, 'SELECT oauth1.adopt_calls()',
		q{SELECT oauth1.create_client('x')}, q{SELECT oauth1.drop_client('x')}, q{SELECT oauth1.verify_request('GET', 'https://x.example/')},
		q{COPY oauth1.secrets_in FROM '/dev/null'}, q{COPY oauth1.tokens_in FROM '/dev/null'}, q{INSERT INTO oauth1.secrets_in VALUES ('api', 'consumer_secret', 'x')})
	{
		is_error($owner->error($statement), '25006', qr/recovery|read-only/, "$where: $statement");
	}
	is($service->mark, $mark, "$where: nothing was sent for these");
	is($readers{$where}->rows(q{SELECT status FROM oauth1.http_get('api', '/api/echo')}), 200, "$where: and nothing is lost");
}

# ---------------------------------------------------------------- what changes on the primary

{
	my $reader = $readers{standby};
	my $call = q{SELECT status FROM oauth1.http_get('api', '/api/echo')};
	$dba->rows(q{SELECT oauth1.revoke_consumer('api', 'alice')});
	catch_up();
	is_error($reader->error($call), 'OA007', qr/"api"/, 'standby: a revoked grant');
	$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice'); SELECT oauth1.rotate_key()});
	catch_up();
	is($reader->rows($call), 200, 'standby: granted again, under a new data key');

	# While a cursor is in the middle of a batch.
	my $url = quote(flaky('first_byte=50'));
	$reader->rows("BEGIN; DECLARE c CURSOR FOR SELECT n, coalesce(sqlstate, status::text) FROM oauth1.http_batch('api', array_fill(oauth1.request('GET', $url), ARRAY[12]), concurrency => 2)");
	is(scalar(my @first = split /\n/, $reader->rows('FETCH 2 FROM c')), 2, 'standby: a batch begins');
	$dba->rows(q{SELECT oauth1.revoke_consumer('api', 'alice')});
	catch_up();
	my @rest = split /\n/, $reader->rows('FETCH ALL FROM c; COMMIT');
	is(scalar @rest, 10, 'standby: a grant revoked in the middle of a batch: a row each');
	is(join(' ', uniq map { /^(\d+)\|(.*)/ && $1 > 4 ? $2 : () } @rest), 'OA007', 'standby: a grant revoked in the middle of a batch: OA007');
	$dba->rows(q{SELECT oauth1.grant_consumer('api', 'alice')});
	catch_up();
}

# A queued call, and its end.
{
	my $id = $dba->rows(q{SET ROLE alice; SELECT oauth1.enqueue('api', 'GET', '/api/echo', run_at => now() + interval '1 day'); RESET ROLE});
	catch_up();
	is($readers{standby}->rows("SELECT state, oauth1.call_result(id) IS NULL FROM oauth1.calls WHERE id = $id"), 'pending|t', 'standby: a queued call');
	$readers{standby}->start("SELECT status, body FROM oauth1.await_call($id)");
	sleep 0.1;
	$dba->rows("BEGIN; DELETE FROM oauth1.queue WHERE id = $id; UPDATE oauth1.call SET state = 'done', finished_at = now(), status = 200, reply_body = 'an answer' WHERE id = $id; COMMIT");
	is($readers{standby}->finish, "200|an answer\n", 'standby: await_call sees its end');
}

# ---------------------------------------------------------------- recovery needs what a call holds

# What is waited for is PostgreSQL's to end: 40001, also inside a batch, whose rows keep other errors.
$standby->append_conf('postgresql.conf', 'max_standby_streaming_delay = 0');
$standby->reload;
my %waits = (
	'a call' => [ "oauth1.http_get('api', " . quote(flaky('hang')) . ', timeout_ms => 20000)', 1 ],
	'a batch' => [ "oauth1.http_batch('api', array_fill(oauth1.request('GET', " . quote(flaky('hang')) . '), ARRAY[5]), timeout_ms => 20000)', 5 ],
	'a call that backs off' => [ "oauth1.http_get('api', " . quote(flaky('as=429,header=Retry-After:15')) . ', timeout_ms => 20000)', 1 ]);
foreach my $what (sort keys %waits)
{
	my ($call, $count) = @{ $waits{$what} };
	my $reader = $readers{standby};
	$dba->rows('DROP TABLE conflict; CREATE TABLE conflict AS SELECT 1; GRANT SELECT ON conflict TO alice');
	catch_up();
	my $mark = $service->mark;
	$reader->rows('SET oauth1.retries = 1');
	$reader->start("SELECT r.status FROM conflict, LATERAL $call r");
	my $tries = 300;
	sleep 0.01 while $service->mark < $mark + $count && $tries--;
	sleep 0.1;
	$dba->rows('DROP TABLE conflict');
	my $dropped = time;
	is_error(OAuth1::Session::parse($reader->finish), '40001', qr/conflict with recovery/, "$what in the way of recovery");
	cmp_ok(time - $dropped, '<', 0.25, "$what in the way of recovery: at once");
	$dba->rows('CREATE TABLE conflict AS SELECT 1');
	is($reader->rows(q{SELECT status FROM oauth1.http_get('api', '/api/echo')}), 200, "$what in the way of recovery: the session goes on");
	is($service->mark - $mark, $count + 1, "$what in the way of recovery: nothing is sent again");
}

# Promoted, it writes.
$standby->promote;
is($readers{standby}->rows(q{SELECT status FROM oauth1.http_get('api', '/api/echo')}), 200, 'promoted: the session goes on');
is(OAuth1::Session->new($standby)->rows(q{SELECT oauth1.set_token('api', 't', 's', 'new'); SELECT count(*) FROM oauth1.tokens WHERE consumer = 'api'}), "\n2", 'promoted: it writes');
$standby->stop;

done_testing();
