# One exchange on the wire: every wait can be cancelled, nothing is sent twice or to where it may
# not go, and what a server can do wrong has its own error.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Liar;
use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

# A wait ends within this of the reason to end it, in seconds.
my $at_once = 0.25;

my $service = OAuth1::Service->start;
my $liar = OAuth1::Liar->start($service);
my $resolver = PostgreSQL::Test::Utils::tempdir . '/resolver.so';
system_or_bail('gcc', '-shared', '-fPIC', '-o', $resolver, "$FindBin::RealBin/lib/resolver.c", '-ldl');

my $node;
{
	# What a postmaster can have in its environment, and no call may heed.
	local @ENV{qw(http_proxy https_proxy HTTPS_PROXY ALL_PROXY)} = ('http://127.0.0.1:1') x 4;
	local $ENV{LD_PRELOAD} = $resolver;
	$node = OAuth1::Node->start('main', service => $service, settings => ['oauth1.allow_http = on']);
}
my $dba = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($dba, $service);
my @origins = (
	map({ $service->url('/', $_) } sort keys %{ $service->{ports} }),
	map({ "https://127.0.0.1:" . $service->port($_) . '/' } qw(silent full)),
	map({ $liar->url('/', @$_) } ['http'], ['http', 'localhost'], [ 'https', 'localhost' ],
		[ 'two', 'two.test' ], map { [ 'http', $_ ] }
		  qw(slow.test loopback.test metadata.test 0x7f.1 2130706433 0.0.0.0 [::1] [::ffff:127.0.0.1])));
$registered->provider('p',
	api_urls => \('ARRAY[' . join(', ', map { quote($_) } @origins) . ']'),
	allow_http => \'true');
$registered->consumer('c', 'p', 'demo-key', 'demo-secret');

# ---------------------------------------------------------------- helpers

sub get { my ($url, $more) = @_; return "oauth1.http_get('c', " . quote($url) . ", token => ''" . ($more // '') . ')'; }

sub post { my ($url) = @_; return "oauth1.http_post('c', " . quote($url) . ", body => 'body', token => '')"; }

# The status and the body, or the SQLSTATE.
sub outcome
{
	my ($call, $session) = @_;
	my $text = ($session // $dba)->query("SELECT status, coalesce(body, '') FROM $call");
	my $error = OAuth1::Session::parse($text);
	return $error->{sqlstate} if $error;
	$text =~ s/\n\z//;
	return $text;
}

sub refused
{
	my ($call, $sqlstate, $detail, $what) = @_;
	my $error = $dba->error("SELECT * FROM $call");
	is($error->{sqlstate} // 'none', $sqlstate, "$what: $sqlstate");
	like($error->{detail}, $detail, "$what: the detail") if $detail;
	return;
}

# What a process has open that is no file: sockets, epoll sets.
sub descriptors
{
	my ($pid) = @_;
	return grep { /^(?:socket|anon_inode):/ } map { readlink($_) // '' } glob "/proc/$pid/fd/*";
}

# ---------------------------------------------------------------- every wait can be ended

my %waits = (
	resolving => $liar->url('/ok', 'http', 'slow.test'),
	connecting => 'https://127.0.0.1:' . $service->port('full') . '/',
	'the TLS handshake' => 'https://127.0.0.1:' . $service->port('silent') . '/',
	waiting => $service->url('/flaky/first_byte=20000/api/items', 'http'),
	'waiting in TLS' => $service->url('/flaky/first_byte=20000/api/items'),
	receiving => $service->url('/flaky/drip=300/api/items', 'http'),
	'receiving in TLS' => $service->url('/flaky/drip=300/api/items'));

# Until a session is in the state, as far as can be seen: it waits in our wait event.
sub until_it_waits
{
	my ($pid, $wait) = @_;
	my $deadline = time + 5;
	until ($dba->rows("SELECT wait_event_type = 'Extension' FROM pg_stat_activity WHERE pid = $pid") eq 't')
	{
		die "no wait of $wait was seen" if time > $deadline;
		sleep 0.02;
	}
	sleep 0.3;
	return;
}

# Signals that a server process handles must not reach a resolver's thread.
sub threads_block_signals
{
	my ($pid) = @_;
	my @threads = grep { $_ ne "/proc/$pid/task/$pid" } glob("/proc/$pid/task/*");
	# Of the 64, the first 31: realtime signals are not handled.
	my $mask = sub {
		my ($file, $name) = @_;
		return slurp_file($file) =~ /^$name:\s*[0-9a-f]{8}([0-9a-f]{8})/m ? hex($1) & 0x7fffffff : 0;
	};
	my $handled = $mask->("/proc/$pid/status", 'SigCgt');
	foreach my $thread (@threads)
	{
		is($mask->("$thread/status", 'SigBlk') & $handled, $handled,
			'a resolver thread has every handled signal blocked');
	}
	return scalar @threads;
}

foreach my $wait (sort keys %waits)
{
	my $session = OAuth1::Session->new($node);
	my $pid = $session->pid;
	my $call = 'SELECT status FROM ' . get($waits{$wait}, ', timeout_ms => 20000');
	$session->rows("SET oauth1.connect_timeout = '20s'");

	$session->rows('SET statement_timeout = 700');
	my $start = time;
	my $error = $session->error($call);
	is($error->{sqlstate} // 'none', '57014', "$wait: statement_timeout ends it");
	cmp_ok(time - $start, '<', 0.7 + $at_once, "$wait: in time");
	$session->rows('SET statement_timeout = 0');
	is(outcome(get($liar->url('/ok')), $session), '200|ok', "$wait: the next call works");

	foreach my $how (qw(pg_cancel_backend pg_terminate_backend))
	{
		$session->start($call);
		until_it_waits($pid);
		if ($wait eq 'resolving')
		{
			cmp_ok(threads_block_signals($pid), '>', 0, 'there is a resolver thread');
		}
		$start = time;
		$dba->rows("SELECT $how($pid)");
		$error = OAuth1::Session::parse($session->finish);
		is($error->{sqlstate} // 'none', $how eq 'pg_cancel_backend' ? '57014' : '57P01', "$wait: $how ends it");
		cmp_ok(time - $start, '<', $at_once, "$wait: at once");
	}
	sleep 0.01 while -e "/proc/$pid" && time - $start < 5;
	cmp_ok(time - $start, '<', 2 * $at_once, "$wait: the process is gone");
}

# ---------------------------------------------------------------- connections and descriptors

{
	my $session = OAuth1::Session->new($node);
	my $mark = $liar->mark;
	$session->rows("SET statement_timeout = '5s'");
	foreach my $sql ('BEGIN', 'SELECT 1', 'COMMIT', 'SELECT 1/0', "SELECT * FROM " . get($liar->url('/short')),
		"SELECT * FROM " . get('https://127.0.0.1:' . $service->port('refused') . '/'))
	{
		$session->query("SELECT status FROM " . get($liar->url('/ok', $_, 'localhost'))) foreach qw(http https);
		$session->query($sql);
	}
	my %connections;
	$connections{ $_->{connection} }++ foreach grep { $_->{target} eq '/ok' } $liar->ledger($mark);
	is_deeply([ sort values %connections ], [ 6, 6 ],
		'one connection to each server over statements, transactions and errors');
}

{
	my $session = OAuth1::Session->new($node);
	my $pid = $session->pid;
	my @failing = (
		get($liar->url('/short')),
		get($liar->url('/interim_only', 'https', 'localhost')),
		map { get($waits{$_}, ', timeout_ms => 150') } sort keys %waits);
	my $round = sub {
		outcome($_, $session) foreach @failing, get($liar->url('/ok')), get($liar->url('/ok'));
	};
	# A lookup that was given up goes on in its thread and keeps a socket until it ends.
	my $count = sub {
		sleep 0.1 while (my @threads = glob "/proc/$pid/task/*") > 1;
		return scalar(my @open = descriptors($pid));
	};
	# The wait set of a single connection is made at the first wait on one that was kept, and stays.
	my $waits_on_kept = get($service->url('/flaky/first_byte=200/api/items', 'http'));
	is(substr(outcome($waits_on_kept, $session), 0, 3), '200', 'a wait on a connection') foreach 1 .. 2;
	$round->();
	$round->();
	my $before = $count->();
	$round->() foreach 1 .. 5;
	is($count->(), $before, 'no descriptor stays of calls that failed');
}

{
	my $file = PostgreSQL::Test::Utils::tempdir . '/inherited';
	outcome(get($liar->url('/ok', 'https', 'localhost')));
	my %of_session = map { $_ => 1 } descriptors($dba->pid);
	# Those of TCP: inode and, in hexadecimal, the peer's port.
	my $peer = sprintf ':%04X', $liar->port('https');
	my @connections = grep { $of_session{$_} } map { /$peer 01(?: \S+){5} (\d+) / ? "socket:[$1]" : () }
	  split /\n/, slurp_file('/proc/net/tcp') =~ s/ +/ /gr;
	cmp_ok(scalar @connections, '>', 0, 'the session has a connection');
	$dba->rows("COPY (SELECT 1) TO PROGRAM 'ls -l /proc/self/fd > $file'");
	my $inherited = slurp_file($file);
	is_deeply([ grep { index($inherited, $_) >= 0 } @connections ], [], 'no program it starts inherits that');
}

# ---------------------------------------------------------------- never twice

foreach my $name (qw(http https))
{
	foreach my $mode (qw(hangup_reused reset))
	{
		my $path = "/flaky/$mode/api/items";
		is(substr(outcome(get($service->url('/api/items', $name))), 0, 3), '200', "$name: a connection is kept");
		my $mark = $service->mark;
		refused(post($service->url($path, $name)), 'OA009', qr/whether it was received is not known/,
			"$name, $mode");
		is(scalar(grep { $_->{target} eq $path } $service->ledger($mark)), 1, "$name, $mode: it was sent once");
	}
}

# A server may close a connection that nobody uses, and what it says there is no answer.
foreach my $name (qw(http https))
{
	foreach my $path (qw(/closes_idle /stray /stray_and_close))
	{
		is(outcome(get($liar->url($path, $name, 'localhost'))), '200|ok', "$name $path");
		sleep 0.2;
		is(outcome(post($liar->url('/ok', $name, 'localhost'))), '200|ok',
			"$name: the next call after $path gets its own answer");
	}
	is(outcome("oauth1.http_head('c', " . quote($liar->url('/head_with_body', $name, 'localhost')) . ", token => '')"),
		'200|', "$name: a HEAD that is answered with a body");
	sleep 0.2;
	is(outcome(get($liar->url('/ok', $name, 'localhost'))), '200|ok', "$name: which is no answer to the next");
}

# ---------------------------------------------------------------- caps

$dba->rows("SET oauth1.max_response_size = '100kB'");
is(length(outcome(get($service->url('/flaky/fill=102400/api/items')))), 102404, 'a body of the limit is read');
my %too_large = (
	'one octet more' => $service->url('/flaky/fill=102401/api/items'),
	'chunks without end' => $service->url('/flaky/endless/api/items'),
	map({ $_ => $liar->url($_) } qw(/endless /many_headers /big_headers /long_header /interim_flood)));
foreach my $what (sort keys %too_large)
{
	refused(get($too_large{$what}), 'OA004', qr/limit|exceed/, $what);
}
$dba->rows('RESET oauth1.max_response_size');

# ---------------------------------------------------------------- what a server can do wrong

my %wrong = (
	'/short' => [ 'OA008', qr/995 bytes remaining.*status 200/ ],
	'/chunk_cut' => [ 'OA008', qr/status 200/ ],
	'/chunk_overflow' => [ 'OA008', qr/status 200/ ],
	'/nul' => [ 'OA008', qr/Nul byte.*status 200/ ],
	'/old' => [ 'OA009', qr/HTTP\/0\.9/ ],
	'/interim_only' => [ 'OA009', qr/was sent/ ]);
foreach my $path (sort keys %wrong)
{
	refused(get($liar->url($path)), @{ $wrong{$path} }, $path);
}
refused(get($service->url('/flaky/hangup/api/items', 'http')), 'OA009', qr/was sent/, 'closed without an answer');
refused(get($service->url('/flaky/garbage/api/items', 'http')), 'OA009', undef, 'no HTTP');

my $headers = $dba->rows("SELECT headers FROM " . get($liar->url('/trailer')));
unlike($headers, qr/trailer|evil/, 'a trailer is no header');
unlike($dba->rows("SELECT headers FROM " . get($liar->url('/interim'))), qr/early/, 'nor is that of an interim response');
is($dba->rows("SELECT headers->>'x-fold', headers->>'x-empty' FROM " . get($liar->url('/fold'))) =~ s/ +/ /r,
	'one two|', 'a folded header is one line, an empty one is there');

is(outcome(get($liar->url('/cookie'))), '200|', 'a cookie comes');
unlike(outcome(get($liar->url('/echo'))), qr/cookie/i, 'and does not go back');
my $echo = outcome(get($liar->url('/a//b/%7e;?x=%20!$&&;=')));
like($echo, qr{^200\|GET /a//b/%7e;\?x=%20!\$&&;= HTTP/1\.1\r\n}, 'the path goes out as it is');
unlike($echo, qr/^(?:Expect|Cookie):/mi, 'and nothing of libcurl\'s own');

# ---------------------------------------------------------------- not sent

my %not_sent = (
	https_wrong_name => qr/wrong\.example|subject name/,
	https_expired => qr/expired/,
	https_self_signed => qr/self.signed/,
	refused => qr/connect/i);
foreach my $name (sort keys %not_sent)
{
	my $mark = $service->mark;
	refused(post($service->url('/api/items', $name)), 'OA008', qr/$not_sent{$name}.*nothing was sent/, $name);
	is($service->mark, $mark, "$name: nothing arrived");
}
$dba->rows("SET oauth1.ca_file = ''");
refused(post($service->url('/api/items')), 'OA008', qr/certificate.*nothing was sent/, 'an unknown CA');
$dba->rows('RESET oauth1.ca_file');

my $error = $dba->error('SELECT * FROM ' . get($waits{connecting}, ', timeout_ms => 300'));
is($error->{sqlstate}, 'OA006', 'no connection within the timeout');
like($error->{detail}, qr/Nothing was sent/, 'and it says that nothing was sent');
$error = $dba->error('SELECT * FROM ' . get($waits{waiting}, ', timeout_ms => 300'));
is($error->{sqlstate}, 'OA006', 'no answer within the timeout');
like($error->{detail}, qr/request was sent/, 'and it says that it was sent');

my $start = time;
is(outcome(get($liar->url('/ok', 'two', 'two.test'), ', timeout_ms => 3000')), '200|ok',
	'a second address is tried where the first hangs');
cmp_ok(time - $start, '<', 2, 'in half of the time');

# ---------------------------------------------------------------- where calls may go

is(outcome(get($liar->url('/ok', 'http', 'loopback.test'))), '200|ok', 'a private address, where allowed');
$error = $dba->error('SELECT * FROM ' . get($liar->url('/ok', 'http', 'metadata.test')));
is($error->{sqlstate}, 'OA003', 'a metadata address all the same');
like($error->{detail}, qr/never allowed\. Nothing was sent\./, 'and it says so');
is($error->{hint}, '', 'without a hint that would not help');

my $mark = $liar->mark;
$dba->rows('SET oauth1.allow_private_addresses = off');
foreach my $host (qw(127.0.0.1 localhost loopback.test metadata.test 0x7f.1 2130706433 0.0.0.0 [::1] [::ffff:127.0.0.1]))
{
	refused(get($liar->url('/ok', 'http', $host)), 'OA003', qr/(?:loopback|link-local).*\. Nothing was sent\./,
		"$host, where it is not allowed");
}
is($liar->mark, $mark, 'nothing arrived, on kept connections either');
$dba->rows('RESET oauth1.allow_private_addresses');
is(outcome(get($liar->url('/ok'))), '200|ok', 'allowed again');

# ---------------------------------------------------------------- proxies

$dba->rows("SET oauth1.proxy = '" . $liar->url('') . "'");
like(outcome(get($liar->url('/echo', 'http', 'localhost'))), qr{^200\|GET http://localhost:\d+/echo HTTP/1\.1\r\n},
	'the setting\'s proxy gets an absolute target');
$dba->rows("SET oauth1.proxy = 'nonsense://user:the-password\@127.0.0.1:1'");
$error = $dba->error('SELECT * FROM ' . get($liar->url('/echo')));
is($error->{sqlstate}, 'OA008', 'a proxy that is none');
unlike($error->{text}, qr/the-password/, 'its password is not told');

done_testing();
