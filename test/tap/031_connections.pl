# What a session keeps of the network, counted at the server, in the process and by what the server's
# own files are left: connections that are used again and do not pile up, until DISCARD ALL; one
# protocol, HTTP/1.1; and the memory of bodies, which comes back from every failure.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Keeper;
use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

# How many connections a session keeps, and libcurl's sockets beside them.
my $kept = 16;
my $wake_up = 2;

my $service = OAuth1::Service->start;
my $keeper = OAuth1::Keeper->start($service);
my $node = OAuth1::Node->start('main', service => $service,
	settings => ['oauth1.allow_http = on']);
my $dba = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($dba, $service);
# Hosts are told apart by their number, so that one statement can speak to all.
my $host = q{format('http://127.%s.%s.1:%s', 1 + i / 250, 1 + i % 250, } . $keeper->port('http') . ')';
my $hosts = "ARRAY(SELECT $host || '/' FROM generate_series(1, 1000) AS i)";
my $others = join ', ', map { quote($_) } map({ $keeper->url('/', @$_) } [ 'http', 'localhost' ], [ 'https', 'localhost' ]),
	map({ $service->url('/', $_) } qw(http https));
$registered->provider('p', api_urls => \"$hosts || ARRAY[$others]", allow_http => \'true');
$registered->consumer('c', 'p', 'demo-key', 'demo-secret');

# ---------------------------------------------------------------- helpers

# A call; the URL is SQL.
sub call { my ($url) = @_; return "oauth1.http_get('c', $url, token => '')"; }

sub get { my ($path, $name) = @_; return call(quote(url($path, $name))); }

sub url { my ($path, $name) = @_; return $keeper->url($path, $name // 'http', 'localhost'); }

sub post { my ($path, $name) = @_; return "oauth1.http_post('c', " . quote(url($path, $name)) . ", body => 'b', token => '')"; }

# The body of an answer, or the SQLSTATE.
sub outcome
{
	my ($session, $call) = @_;
	my $text = $session->query("SELECT body FROM $call");
	my $error = OAuth1::Session::parse($text);
	chomp $text;
	return $error ? $error->{sqlstate} : $text;
}

# How many connections the server has open; the one that is asked over is among them.
sub open_connections
{
	my ($session) = @_;
	return outcome($session, get('/open'));
}

sub descriptors { my ($pid) = @_; return grep { defined } map { readlink } glob "/proc/$pid/fd/*"; }

sub sockets { my ($pid) = @_; return grep { /^socket:/ } descriptors($pid); }

# The last request that the server saw.
sub last_seen { return ($keeper->ledger)[-1]; }

# ---------------------------------------------------------------- hosts do not pile up

{
	my $session = OAuth1::Session->new($node);
	my $pid = $session->pid;
	my $before = scalar(my @before = sockets($pid));
	my $mark = $keeper->mark;
	is($session->rows("SELECT count(*), count(DISTINCT r.status) FROM generate_series(1, 1000) AS i, LATERAL "
				. call("$host || '/ok'") . ' AS r'),
		'1000|1', 'a thousand hosts are called in one statement');
	my %hosts = map { $_->{host} => 1 } $keeper->ledger($mark);
	is(scalar keys %hosts, 1000, 'and each was reached');
	cmp_ok(scalar(my @now = sockets($pid)) - $before - $wake_up, '<=', $kept, 'the session has kept a few connections');
	cmp_ok(open_connections($dba), '<=', $kept + 1, 'and so has the server, with the one that asks');

	# The last ones are kept, and a service that closes them all costs no call.
	my $again = "SELECT count(*) FROM generate_series(991, 1000) AS i, LATERAL " . call("$host || '/ok'") . " AS r WHERE status = 200";
	$mark = $keeper->mark;
	is($session->rows($again), 10, 'the last ten are called again');
	is(scalar(grep { $_->{request} == 1 } $keeper->ledger($mark)), 0, 'without a new connection');
	outcome($dba, get('/close_all'));
	$mark = $keeper->mark;
	is($session->rows($again), 10, 'and once more, after every connection was closed');
	is(scalar(grep { $_->{request} == 1 } $keeper->ledger($mark)), 10, 'over new ones');
}

# Connections that a batch keeps can be closed while one of its calls is still under way: who waits for that sleeps on.
{
	my $session = OAuth1::Session->new($node);
	my $pid = $session->pid;
	my $slow = quote($service->url('/flaky/first_byte=1500/api/items', 'http'));
	my $spent = processor_time($pid);
	# Twice each, for they are watched from the second time on.
	$session->start("SELECT count(*), count(status) FROM oauth1.http_batch('c', (SELECT array_agg(oauth1.request('GET', $host || '/ok'))"
			. " || oauth1.request('GET', $slow) FROM generate_series(1, 5) AS i, generate_series(1, 2)), concurrency => 6, token => '')");
	sleep 0.5;
	cmp_ok(open_connections($dba), '>', 5, 'a batch keeps its connections');
	outcome($dba, get('/close_all'));
	is($session->finish, "11|11\n", '... and all are answered');
	cmp_ok(processor_time($pid) - $spent, '<', 0.3, '... and does not spin when a service closes them');
}

# Of a process, in seconds (proc(5): the first field of schedstat).
sub processor_time { my ($process) = @_; return (split ' ', slurp_file("/proc/$process/schedstat"))[0] / 1e9; }

# Where fd.c grants hardly any to us, calls go on, and so does what else needs one: dblink asks like we do.
{
	# The lowest that PostgreSQL takes.
	my $max_files = 64;
	my $tight = OAuth1::Node->start('tight', service => $service,
		settings => [ 'oauth1.allow_http = on', "max_files_per_process = $max_files" ]);
	my $session = OAuth1::Session->new($tight);
	my $here = OAuth1::Registered->new($session, $service);
	$here->provider('p', api_urls => \$hosts, allow_http => \'true');
	$here->consumer('c', 'p', 'demo-key', 'demo-secret');
	$session->rows('CREATE EXTENSION dblink');
	is($session->rows('SELECT count(*) FROM generate_series(1, 50) AS i, LATERAL ' . call("$host || '/ok'")
				. ' AS r WHERE status = 200'),
		50, 'fifty hosts are called with few descriptors');
	is($session->rows(q{SELECT * FROM dblink('dbname=postgres host=} . $tight->host . ' port=' . $tight->port
				. q{', 'SELECT 1') AS t (a int)}),
		1, 'and another extension can still connect');

	# What the server keeps open of its files leaves room for our connections.
	$session->rows(join ';', map { "CREATE TEMP TABLE t$_ AS SELECT 1" } 1 .. 80);
	$session->rows(join ';', map { "SELECT * FROM t$_" } 1 .. 80);
	my @all = descriptors($session->pid);
	cmp_ok(scalar(grep { /^socket:/ } @all), '>', 5, 'the connections are still there');
	cmp_ok(scalar @all, '<=', $max_files, 'all descriptors are within max_files_per_process');
	cmp_ok(scalar @all, '>', $max_files - 24, 'which is used');
	is($session->rows("SELECT count(*) FROM oauth1.http_batch('c', (SELECT array_agg(oauth1.request('GET', $host || '/ok'))"
				. " FROM generate_series(1, 100) AS i), token => '', concurrency => 100) WHERE status = 200"),
		100, 'a hundred calls in a batch come to their end');
}

# ---------------------------------------------------------------- batches

# A batch of GETs of one URL; more is what is selected of its rows.
sub batch
{
	my ($count, $concurrency, $path, $more) = @_;
	return "SELECT $more FROM oauth1.http_batch('c', (SELECT array_agg(oauth1.request('GET', "
	  . quote(url($path)) . ")) FROM generate_series(1, $count)), token => '', concurrency => $concurrency)";
}

{
	my $session = OAuth1::Session->new($node);
	my $pid = $session->pid;
	my $before = scalar(my @before = sockets($pid));
	my $new = sub {
		my ($concurrency) = @_;
		my $mark = $keeper->mark;
		is($session->rows(batch(200, $concurrency, '/ok', 'count(*) FILTER (WHERE status = 200)')), 200,
			"a batch of 200, $concurrency at once");
		return scalar grep { $_->{request} == 1 } $keeper->ledger($mark);
	};
	# Fewer where a call was answered before the last one had begun: the next batch may make those.
	my $made = $new->(20);
	cmp_ok($made, '<=', 20, 'makes no more connections than it has calls at once');
	$made += $new->(20);
	cmp_ok($made, '<=', 20, 'which the next batch uses again');
	$session->rows('BEGIN');
	$made += $new->(90) + $new->(90);
	cmp_ok($made, '<=', 90, 'two larger ones make more, and use them again in the transaction');
	cmp_ok(scalar(my @many = sockets($pid)), '>', $before + 64, 'and they stay');
	$session->rows('COMMIT');
	is(scalar(my @after = sockets($pid)), $before, 'but not beyond it');
}

# ---------------------------------------------------------------- DISCARD ALL

{
	my $session = OAuth1::Session->new($node);
	my $pid = $session->pid;
	my $contexts = q{SELECT count(*) FROM pg_backend_memory_contexts WHERE name = 'oauth1 credential'};
	my $keys = q{SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'oauth1 data keys'};
	my $before = scalar(my @before = sockets($pid));
	my $epoll_sets = sub { return scalar grep { /eventpoll/ } descriptors($pid) };
	my $epoll_before = $epoll_sets->();
	my $call_both = sub { outcome($session, get('/ok', $_)) foreach qw(http https) };

	$call_both->();
	my $used = $session->rows($keys);
	my $both = scalar(my @both = sockets($pid));
	is($both, $before + $wake_up + 2, 'two connections are kept');
	is($session->rows($contexts), 1, 'and a credential');

	$session->rows($_) foreach 'DISCARD PLANS', 'DISCARD TEMP', 'DISCARD SEQUENCES', 'RESET ALL';
	is($session->error('BEGIN; DISCARD ALL')->{sqlstate}, '25001', 'DISCARD ALL is refused in a transaction block');
	$session->rows('ROLLBACK');
	is(scalar(my @same = sockets($pid)), $both, 'nothing of that closes them');

	outcome($dba, get('/close_all'));
	$call_both->();
	is(last_seen()->{resumed}, JSON::PP::true, 'the TLS session of a closed connection is taken up again');

	$session->rows('DISCARD ALL');
	is(scalar(my @after = sockets($pid)), $before, 'DISCARD ALL closes them');
	is($epoll_sets->(), $epoll_before, 'and the epoll sets');
	is($session->rows($contexts), 0, 'it forgets the credential');
	cmp_ok($session->rows($keys), '<', $used, 'and the data key');
	is(open_connections($dba), 1, 'the server has no connection of the session any more');

	my $mark = $keeper->mark;
	$call_both->();
	is_deeply([ map { $_->{request} } $keeper->ledger($mark) ], [ 1, 1 ], 'the next calls make new ones');
	is(last_seen()->{resumed}, JSON::PP::false, 'with a TLS session of their own');
	$session->rows('DISCARD ALL') foreach 1 .. 2;
	is(outcome($session, get('/ok')), 'ok', 'and so on');
}

# ---------------------------------------------------------------- HTTP/1.1 and nothing else

{
	my $session = OAuth1::Session->new($node);
	# The server would rather have h2: what it would choose of a client that offers both.
	my ($out, $err) = run_command([ 'openssl', 's_client', '-alpn', 'h2,http/1.1', '-connect', '127.0.0.1:' . $keeper->port('https') ]);
	like($out, qr/ALPN protocol: h2/, 'the server chooses HTTP/2 where it is offered');
	is(outcome($session, get('/ok', 'https')), 'ok', 'a call over TLS');
	is(last_seen()->{protocol}, 'http/1.1', 'is not offered for it');
	my $mark = $keeper->mark;
	is(outcome($session, post('/dies', 'https')), 'OA009', 'a POST whose kept connection dies');
	is_deeply([ map { "$_->{method} $_->{target} $_->{protocol}" } $keeper->ledger($mark) ],
		['POST /dies http/1.1'], 'was sent once, over HTTP/1.1');
}

# ---------------------------------------------------------------- memory of bodies

{
	my $session = OAuth1::Session->new($node);
	# Long enough that a buffer grows several times, and both its halves count while it does.
	my $large = get('/fill?200000');
	my $size = sub { return length outcome($session, $large) };
	my $least = 0;
	for (my $step = 256; $step >= 1; $step /= 2)
	{
		$session->rows('SET oauth1.max_memory = ' . ($least + $step));
		$least += $step if $size->() != 200000;
	}
	$least++;
	$session->rows("SET oauth1.max_memory = $least");
	is($size->(), 200000, "a body is read where oauth1.max_memory is $least kB");
	cmp_ok($least * 1024, '>', 200000, 'which is more than the body');
	$session->rows('SET oauth1.max_memory = ' . ($least - 1));
	my $error = $session->error("SELECT status FROM $large");
	is($error->{sqlstate}, 'OA004', 'and with 1 kB less it is too large');
	like($error->{detail}, qr/all replies under way.*had begun to answer/, 'with the others of its session, says the detail');
	like($error->{hint}, qr/oauth1\.max_memory.*concurrency/, 'and the hint names what to change');

	# With room for two at once.
	$session->rows('SET oauth1.max_memory = ' . 2 * $least);
	my $states = 'string_agg(DISTINCT coalesce(sqlstate, length(body)::text), $$ $$), count(*)';
	is($session->rows(batch(12, 8, '/halves?200000', $states)), '200000 OA004|12', 'in a batch some are too large, and the others come');
	is($session->rows(batch(12, 2, '/fill?200000', $states)), '200000|12', 'and all, with a lower concurrency');

	$session->rows("SET oauth1.max_memory = $least");
	foreach my $round (1 .. 3)
	{
		$session->rows("SET oauth1.max_memory = " . ($least - 1));
		outcome($session, $large);
		$session->rows("SET oauth1.max_memory = $least");
		$session->query("SET oauth1.max_response_size = '10kB'; SELECT length(body) FROM $large; RESET oauth1.max_response_size");
		outcome($session, get('/dies'));
		$session->query("SELECT 1 / length(body) - 1 / 0 FROM $large");
		$session->query("BEGIN; SELECT length(body) FROM $large; ROLLBACK");
		my $cut = "oauth1.http_get('c', " . quote($service->url('/flaky/drip=5/api/items', 'http')) . ", token => '', timeout_ms => 60)";
		is(outcome($session, $cut), 'OA006', 'a body that takes too long');
		$session->query("SET statement_timeout = 60; SELECT status FROM " . ($cut =~ s/timeout_ms => 60/timeout_ms => 9000/r)
			  . '; SET statement_timeout = 0');
	}
	is($size->(), 200000, 'nothing of the limit is lost to failures');
}

done_testing();
