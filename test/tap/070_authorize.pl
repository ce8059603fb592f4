# authorize(): the flow in one call, with a loopback redirect. What comes to the listener is written
# here octet by octet; at the end a real browser comes.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Encode qw(decode_utf8);
use HTTP::Tiny;
use IO::Select;
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Browser;
use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
$service->add_consumer(key => 'denied', secret => 's', denial => 'denied');
$service->add_consumer(key => 'empty', secret => 's', denial => 'empty_verifier');

my $node = OAuth1::Node->start('main', service => $service, settings => ['log_statement = none']);
my $dba = OAuth1::Session->new($node);
$dba->rows('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN');
my $registered = OAuth1::Registered->new($dba, $service);
my $alice = OAuth1::Session->new($node, user => 'alice');

shop('shop');
my @secrets = ('demo-secret');

# ---------------------------------------------------------------- helpers

# A provider and consumer of that name, which alice may use.
sub shop
{
	my ($name, %given) = @_;
	$registered->both($name, %given);
	$dba->rows("SELECT oauth1.grant_consumer('$name', 'alice')");
	return;
}

# Starts authorize() and waits until it listens: { url (to allow), token, port, path }.
sub begin
{
	my ($session, $consumer, %given) = @_;
	my $mark = $service->mark;
	$session->start("SELECT consumer, name, params FROM oauth1.authorize('$consumer'"
		  . OAuth1::Registered::arguments(timeout_ms => \30000, %given) . ')');
	# The last line of what is shown.
	my ($url) = $session->await(qr/NOTICE: .*open this URL in a browser: (\S+)\n(?s:.*)^HINT: .*\n/m);
	my ($token) = $url =~ /oauth_token=(\w+)/;
	my ($asked) = grep { $_->{target} =~ m{/request_token} } $service->ledger($mark);
	my $callback = $asked->{oauth}{oauth_callback};
	my ($port, $path) = $callback =~ m{^http://127\.0\.0\.1:(\d+)(/\w+)$} or die "callback: $callback";
	return { url => $url, token => $token, port => $port, path => $path, callback => $callback };
}

sub connection
{
	my ($flow, $address) = @_;
	return IO::Socket::INET->new(
		PeerAddr => $address // '127.0.0.1', PeerPort => $flow->{port}, Timeout => 5);
}

# All that comes until the other side closes; "reset" where it is cut off. Dies after 10 s.
sub answer
{
	my ($socket) = @_;
	my $text = '';
	local $SIG{ALRM} = sub { die "no end of an answer; so far: $text\n" };
	alarm 10;
	while (1)
	{
		my $count = sysread $socket, $text, 65536, length $text;
		last if defined $count && $count == 0;
		if (!defined $count)
		{
			$text = 'reset' if $text eq '';
			last;
		}
	}
	alarm 0;
	return $text;
}

# Sends octets on a connection of their own; what is answered.
sub send_octets
{
	my ($flow, $octets) = @_;
	my $socket = connection($flow) or return 'refused';
	local $SIG{PIPE} = 'IGNORE';
	syswrite $socket, $octets;
	return answer($socket);
}

sub request
{
	my ($flow, $target, %given) = @_;
	my $method = $given{method} // 'GET';
	my $host = exists $given{host} ? $given{host} : "127.0.0.1:$flow->{port}";
	return "$method $target HTTP/1.1\r\n" . (defined $host ? "Host: $host\r\n" : '')
	  . ($given{fields} // '') . "User-Agent: test\r\nCookie: a=b\r\n\r\n";
}

# Follows a redirect to the callback; the page.
sub redirect
{
	my ($flow, $url) = @_;
	my ($target) = $url =~ m{^http://127\.0\.0\.1:$flow->{port}(/.*)} or die "redirected to $url";
	return send_octets($flow, request($flow, $target));
}

# Where the browser is sent when the user has decided: the decision without the service's page and
# a browser's start, for where only its outcome counts.
sub decide
{
	my ($flow, $decision) = @_;
	my $answer = HTTP::Tiny->new(max_redirect => 0)->post_form(
		'http://127.0.0.1:' . $service->port('http') . '/oauth/authorize',
		{ oauth_token => $flow->{token}, user => 'alice', decision => $decision });
	return $answer->{headers}{location} // die "not decided: $answer->{status} $answer->{content}";
}

# Allowed by the user, who comes back; the page.
sub allow
{
	my ($flow) = @_;
	return redirect($flow, decide($flow, 'allow'));
}

# What an error of a session that waits is, and the seconds it took to come.
sub error_of
{
	my ($session) = @_;
	my $start = time;
	my $error = OAuth1::Session::parse($session->finish) // { sqlstate => 'no error', text => '' };
	return ($error, time - $start);
}

# The sockets that listen on a port, from /proc/net: "127.0.0.1" and the like, in hex.
sub listeners
{
	my ($port) = @_;
	my $wanted = sprintf ':%04X', $port;
	return map { /^\s*\d+: (\w+)$wanted \w+:\w+ 0A / ? $1 : () }
	  map { -e $_ ? split /\n/, slurp_file($_) : () } '/proc/net/tcp', '/proc/net/tcp6';
}

# The flags of the descriptor that a process listens with on a port, as open(2) knows them.
sub listener_flags
{
	my ($pid, $port) = @_;
	my $local = sprintf '0100007F:%04X', $port;
	my ($inode) = slurp_file('/proc/net/tcp') =~ /^\s*\d+: $local \w+:\w+ 0A(?:\s+\S+){5}\s+(\d+)/m;
	foreach my $fd (glob "/proc/$pid/fd/*")
	{
		next unless (readlink($fd) // '') eq "socket:[$inode]";
		return oct $1 if slurp_file($fd =~ s{/fd/}{/fdinfo/}r) =~ /^flags:\s+(\d+)/m;
	}
	die "$pid does not listen on $port";
}

sub is_closed
{
	my ($flow, $name) = @_;
	is_deeply([ listeners($flow->{port}) ], [], "$name: nothing is listening afterwards");
	return;
}

sub status { my ($text) = @_; return $text =~ m{^HTTP/1\.1 (\d+)} ? $1 : $text; }

# Nothing of the flow stands on a page, and it cannot load, send or be kept.
sub is_proper_page
{
	my ($flow, $page, $name) = @_;
	my ($header, $body) = split /\r\n\r\n/, $page, 2;
	my %fields = map { /^([\w-]+): (.*)/ ? (lc $1, $2) : () } split /\r\n/, $header;
	is($fields{'content-length'}, length $body, "$name: whole");
	like($fields{'content-security-policy'}, qr/default-src 'none'.*frame-ancestors 'none'/,
		"$name: a policy that lets it do nothing");
	is("$fields{connection}|$fields{'cache-control'}|$fields{'content-type'}",
		'close|no-store|text/html; charset=utf-8', "$name: its other fields");
	unlike($page, qr/\Q$flow->{token}\E|\Q$flow->{path}\E|verifier|secret/, "$name: no token, no secret");
	return;
}

# "request tokens|access tokens" that are stored of a consumer.
sub kept
{
	my ($consumer) = @_;
	return $dba->rows("SELECT (SELECT count(*) FROM oauth1.request_token WHERE consumer = '$consumer'),
		(SELECT count(*) FROM oauth1.token WHERE consumer = '$consumer')");
}

sub is_error
{
	my ($error, $sqlstate, $like, $name) = @_;
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	return;
}

# ---------------------------------------------------------------- it works

my $pid = $alice->pid;
my $flow = begin($alice, 'shop', params => '{"oauth_scope": "all"}');
is_deeply([ listeners($flow->{port}) ], ['0100007F'], 'it listens on 127.0.0.1, and nowhere else');
ok(!connection($flow, '127.0.0.2'), 'another address of the machine is not served');
ok(listener_flags($pid, $flow->{port}) & 02000000, 'a program that the server starts does not inherit it');
cmp_ok(length $flow->{path}, '>=', 23, 'the path cannot be guessed');
is(kept('shop'), '0|0', 'while it waits nothing is stored');

# What is none of its business is told so, and the wait goes on.
my @refused = (
	[ 404, 'the root',          request($flow, '/') ],
	[ 404, 'a favicon',         request($flow, '/favicon.ico') ],
	[ 404, 'a shorter path',    request($flow, substr($flow->{path}, 0, -1) . '?oauth_token=x') ],
	[ 404, 'a longer path',     request($flow, "$flow->{path}/?oauth_token=x") ],
	[ 404, 'another case',      request($flow, $flow->{path} =~ tr/a-zA-Z/A-Za-z/r) ],
	[ 404, 'a whole URL',       request($flow, $flow->{callback}) ],
	[ 405, 'POST',              request($flow, $flow->{path}, method => 'POST') ],
	[ 405, 'HEAD',              request($flow, $flow->{path}, method => 'HEAD') ],
	[ 405, 'get',               request($flow, $flow->{path}, method => 'get') ],
	[ 421, 'another host',      request($flow, "$flow->{path}?oauth_token=x", host => "evil.example:$flow->{port}") ],
	[ 421, 'a host that begins so', request($flow, $flow->{path}, host => "127.0.0.1:$flow->{port}.evil.example") ],
	[ 421, 'another port',      request($flow, $flow->{path}, host => '127.0.0.1') ],
	[ 400, 'no host',           request($flow, $flow->{path}, host => undef) ],
	[ 400, 'two hosts',         request($flow, $flow->{path}, fields => "Host: 127.0.0.1:$flow->{port}\r\n") ],
	[ 400, 'HTTP/2',            request($flow, $flow->{path}) =~ s{HTTP/1\.1}{HTTP/2.0}r ],
	[ 400, 'no HTTP',           "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n" ],
	[ 400, 'a field without a colon', request($flow, $flow->{path}, fields => "evil\r\n") ],
	[ 431, 'a request of 20 kB', request($flow, $flow->{path}, fields => 'X: ' . 'x' x 20000 . "\r\n") ],
	[ 431, 'a request of 1 MB', 'GET ' . 'x' x 1000000 ]);
foreach my $case (@refused)
{
	my ($status, $name, $octets) = @$case;
	my $page = send_octets($flow, $octets);
	is(status($page), $status, "$name: $status");
	like($page, qr/^Allow: GET\r$/m, "$name: what is allowed") if $status == 405;
	is_proper_page($flow, $page, $name) if $name =~ /favicon|POST|another host|no HTTP|20 kB/;
}

# Who says nothing, or drips, holds nobody up for long.
my $callback = $service->approve($flow->{url});
my $silent = connection($flow);
my $drips = connection($flow);
syswrite $drips, 'GET ';
my $start = time;
my $socket = connection($flow);
syswrite $socket, request($flow, $callback =~ s{^http://[^/]*}{}r);
my $dripped = 0;
while (time - $start < 8 && !IO::Select->new($socket)->can_read(0.2))
{
	local $SIG{PIPE} = 'IGNORE';
	$dripped++ if syswrite $drips, 'x';
}
my $page = answer($socket);
my $took = time - $start;
is(status($page), 200, 'behind two that do not end their requests');
cmp_ok($took, '>', 1, 'one connection is served at a time');
cmp_ok($took, '<', 6, 'and each has two seconds') or diag $took;
cmp_ok($dripped, '>', 5, 'though octets kept coming');
like($page, qr{<h1>Access allowed</h1>\n<p>It worked\. You can close this window\.</p>}, 'the page says so');
is_proper_page($flow, $page, 'the page');
my $text = $alice->finish;
my ($row) = $text =~ /^(shop\|.*)/m;
unlike($text, qr/\Q$flow->{path}\E|demo-secret|verifier/, 'what is said on the way has no secret');
my ($consumer, $name, $params) = split /\|/, $row, 3;
is("$consumer $name", 'shop default', 'consumer and name are returned');
is_deeply(decode_json($params), { user_id => '42', screen_name => 'alice' }, 'and what else the service said')
  or diag $params;
is_closed($flow, 'success');
is(send_octets($flow, request($flow, '/')), 'refused', 'nor can one connect');
is(kept('shop'), '0|1', 'the access token is stored, and nothing else');
is($dba->rows(q{SELECT state, requested_by FROM oauth1.tokens WHERE consumer = 'shop'}), 'access|alice', 'as of who asked');
is($alice->rows(q{SELECT status FROM oauth1.http_get('shop', '/items')}), 200, 'and signs calls');
my ($sent) = grep { $_->{target} =~ m{/request_token} } $service->ledger;
is($sent->{oauth}{oauth_scope}, 'all', 'params go with the request for the token');
push @secrets, $callback =~ /oauth_verifier=(\w+)/;

# A port of one's own, again and again; a name; two at once.
my $port = PostgreSQL::Test::Cluster::get_free_port();
foreach my $time ('first', 'second')
{
	$flow = begin($alice, 'shop', port => \$port, name => $time);
	is($flow->{port}, $port, "$time: the port that was asked for");
	if ($time eq 'first')
	{
		is_error($dba->error("SELECT oauth1.authorize('shop', port => $port)"), '55006',
			qr/could not listen on 127\.0\.0\.1, port $port.*\n.*HINT: .*another one/i, 'a port that is taken');
		# More often than the server would grant descriptors that were not given back.
		$dba->rows("DO \$\$ BEGIN FOR i IN 1..500 LOOP BEGIN PERFORM oauth1.authorize('shop', port => $port);"
			  . ' EXCEPTION WHEN object_in_use THEN NULL; END; END LOOP; END $$');
	}
	else
	{
		my $other = begin($dba, 'shop', name => 'dba');
		isnt($other->{port}, $flow->{port}, 'another session has another port');
		isnt($other->{path}, $flow->{path}, 'and another path');
		like(decide($other, 'allow'), qr/^\Q$other->{callback}\E\?/, 'each is sent to its own');
		is(status(send_octets($other, request($other, $flow->{path}))), 404, 'and no other');
		is(status(redirect($other, "$other->{callback}?oauth_problem=user_refused")), 403, 'one ends');
		is((error_of($dba))[0]{sqlstate}, 'OA002', 'by itself');
	}
	is(status(allow($flow)), 200, "$time: allowed");
	like($alice->finish, qr/^shop\|$time\|/m, "$time: under its name");
}

# Keys are rotated and secrets stored while it waits: it holds no lock, and goes on.
$flow = begin($alice, 'shop');
$dba->rows(q{SET statement_timeout = '5s'; SELECT oauth1.rotate_key(); SELECT oauth1.set_token('shop', 't', 's', 'meanwhile'); RESET statement_timeout});
is(status(allow($flow)), 200, 'keys were rotated meanwhile');
like($alice->finish, qr/^shop\|default\|/m, 'and it works');

# ---------------------------------------------------------------- it does not

foreach my $denial (
	[ 'shop', qr/the user did not allow the access/, {} ],
	[ 'denied', qr/the user did not allow the access/, { key => 'denied' } ],
	[ 'empty', qr/the user did not allow the access/, { key => 'empty' } ])
{
	my ($consumer, $words, $given) = @$denial;
	if ($given->{key})
	{
		$registered->provider($consumer);
		$registered->consumer($consumer, $consumer, $given->{key}, 's');
		$dba->rows("SELECT oauth1.grant_consumer('$consumer', 'alice')");
	}
	my $before = kept($consumer);
	$flow = begin($alice, $consumer, name => 'deny');
	$page = redirect($flow, decide($flow, 'deny'));
	is_error((error_of($alice))[0], 'OA002', $words, "denied ($consumer)");
	is(status($page), 403, "denied ($consumer): the status");
	like($page, qr/<h1>No access<\/h1>/, "denied ($consumer): the page says no");
	like($page, $words, "denied ($consumer): and why");
	unlike($page, qr/allowed|It worked/, "denied ($consumer): and nothing else");
	is_proper_page($flow, $page, "denied ($consumer)");
	is(kept($consumer), $before, "denied ($consumer): nothing is stored");
	is_closed($flow, "denied ($consumer)");
}

# Redirects that are none; what they say comes into no page.
shop('fails', access_token_url => $service->url('/flaky/status=503/oauth/access_token'));
foreach my $case (
	[ 'no token', '?a=b', '22023', qr/has no oauth_token/ ],
	[ 'nothing', '', '22023', qr/has no oauth_token/ ],
	[ 'no verifier', '?oauth_token=TOKEN', '22023', qr/has no oauth_verifier/ ],
	[ 'another token', '?oauth_token=other&oauth_verifier=v', '22023', qr/not the one that was asked for/ ],
	[ 'a problem in HTML', '?oauth_problem=%3Cscript%3Ealert(1)%3C/script%3E', 'OA002', qr/<script>/ ],
	[ 'a broken escape', '?oauth_token=%zz', '22P02', qr/callback URL/ ],
	[ 'an exchange that fails', '?oauth_token=TOKEN&oauth_verifier=v', 'OA002', qr/503/ ])
{
	my ($what, $query, $sqlstate, $words) = @$case;
	$flow = begin($alice, 'fails');
	$page = redirect($flow, $flow->{callback} . $query =~ s/TOKEN/$flow->{token}/r);
	is_error((error_of($alice))[0], $sqlstate, $words, $what);
	is(status($page), 403, "$what: the page says no");
	like($page, qr/<p>It did not work: /, "$what: in words");
	unlike($page, qr/script/, "$what: of its own");
	is_closed($flow, $what);
}
is(kept('fails'), '0|0', 'nothing is stored');

# An error that somebody catches: what it held is closed all the same.
my $count = sub { my @open = glob "/proc/$pid/fd/*"; return scalar @open; };
my $before;
foreach my $time (1 .. 3)
{
	$alice->start(<<~'SQL');
		DO $$ BEGIN PERFORM oauth1.authorize('shop', timeout_ms => 300);
		EXCEPTION WHEN SQLSTATE 'OA006' THEN RAISE NOTICE 'caught'; PERFORM pg_sleep(0.5); END $$
		SQL
	my ($url) = $alice->await(qr/open this URL in a browser: (\S+)/);
	my ($asked) = grep { $_->{target} =~ m{/request_token} } reverse $service->ledger;
	my ($port) = $asked->{oauth}{oauth_callback} =~ /:(\d+)/;
	$alice->await(qr/caught/);
	is_closed({ port => $port }, "caught, $time");
	$alice->finish;
	# The first has opened what the session keeps.
	$before //= $count->();
}
is($count->(), $before, 'no descriptor is left open');

# The time is up: also where somebody is just being served.
foreach my $who ('nobody', 'somebody')
{
	my $start = time;
	$flow = begin($alice, 'shop', timeout_ms => \1000);
	my $silent = $who eq 'somebody' ? connection($flow) : undef;
	my ($error) = error_of($alice);
	my $took = time - $start;
	is_error($error, 'OA006', qr/did not come back within 1000 ms/, "timeout, $who");
	cmp_ok($took, '>=', 0.99, "timeout, $who: not before");
	cmp_ok($took, '<', 2, "timeout, $who: at once") or diag $took;
	is_closed($flow, "timeout, $who");
}

# Cancelled, by whatever, while it waits; while somebody drips.
foreach my $case (
	[ 'pg_cancel_backend', '57014', sub { $dba->rows("SELECT pg_cancel_backend($_[0])") } ],
	[ 'statement_timeout', '57014', sub { sleep 1 } ],
	[ 'pg_terminate_backend', '57P01', sub { $dba->rows("SELECT pg_terminate_backend($_[0])") } ])
{
	my ($what, $sqlstate, $do) = @$case;
	my $victim = OAuth1::Session->new($node, user => 'alice');
	my $pid = $victim->pid;
	$victim->rows(q{SET statement_timeout = '1s'}) if $what eq 'statement_timeout';
	$flow = begin($victim, 'shop');
	my $client = connection($flow);
	syswrite $client, 'GET /';
	$do->($pid);
	my ($error, $took) = error_of($victim);
	is($error->{sqlstate}, $sqlstate, "$what: $sqlstate");
	cmp_ok($took, '<', 1, "$what: at once");
	is_closed($flow, $what);
}

# While the service takes its time over the exchange: the browser is told.
shop('hangs', access_token_url => $service->url('/flaky/hang/oauth/access_token'));
$flow = begin($alice, 'hangs');
$callback = decide($flow, 'allow');
my $mark = $service->mark;
$socket = connection($flow);
syswrite $socket, request($flow, $callback =~ s{^http://[^/]*}{}r);
my $tries = 200;
sleep 0.02 while $service->mark == $mark && $tries--;
is_deeply([ listeners($flow->{port}) ], [], 'the listener is closed when the redirect is here');
ok(!IO::Select->new($socket)->can_read(0.3), 'no page before the exchange is over');
$dba->rows("SELECT pg_cancel_backend($pid)");
$page = answer($socket);
is((error_of($alice))[0]{sqlstate}, '57014', 'cancelled during the exchange');
like($page, qr/No access.*It did not work: an error occurred/s, 'and the browser is told');
is(kept('hangs'), '0|0', 'nothing is stored');

# The provider points elsewhere now: its new place does not get what the request token's secret signs.
# (Its name is in the message, so it shows what becomes of such on the page.)
shop('<b>Möbel & "Co"</b>');
$flow = begin($alice, '<b>Möbel & "Co"</b>');
$dba->rows(q{SELECT oauth1.alter_provider('<b>Möbel & "Co"</b>', api_urls => ARRAY['https://elsewhere.example/']);
	SELECT oauth1.rebind_consumer('<b>Möbel & "Co"</b>')});
$mark = $service->mark;
$page = allow($flow);
is_error((error_of($alice))[0], 'OA005', qr/would now go to/, 'a provider that was altered meanwhile');
like(decode_utf8($page), qr{of consumer &quot;&lt;b&gt;Möbel &amp; &quot;Co&quot;&lt;/b&gt;&quot;}, 'a provider that was altered meanwhile: the page');
is(scalar(grep { $_->{target} =~ /access_token/ } $service->ledger($mark)), 0,
	'a provider that was altered meanwhile: nothing is sent');

# Refused before anything is sent.
$registered->both('no_page', authorize_url => undef);
$registered->both('registered', callback_mode => 'none');
$mark = $service->mark;
foreach my $case (
	[ "authorize('no_page')",   '55000', qr/no authorize_url/ ],
	[ "authorize('registered')", '55000', qr/callback_mode is none/ ],
	[ "authorize('nobody')",    'OA007', qr/nobody/ ],
	[ 'authorize(NULL)',        '22004', qr/consumer/ ],
	[ "authorize('shop', NULL)", '22004', qr/name/ ],
	[ "authorize('shop', '')",  '22023', qr/name/ ],
	[ "authorize('shop', port => NULL)", '22004', qr/port/ ],
	[ "authorize('shop', port => -1)", '22023', qr/between 0 and 65535/ ],
	[ "authorize('shop', port => 65536)", '22023', qr/between 0 and 65535/ ],
	[ "authorize('shop', timeout_ms => NULL)", '22004', qr/timeout_ms/ ],
	[ "authorize('shop', timeout_ms => 0)", '22023', qr/timeout_ms/ ])
{
	my ($call, $sqlstate, $words) = @$case;
	is_error($dba->error("SELECT * FROM oauth1.$call"), $sqlstate, $words, $call);
}
is_error(OAuth1::Session->new($node, user => 'bob')->error(q{SELECT oauth1.authorize('shop')}),
	'OA007', qr/shop/, 'without a grant');
is_error($dba->error(q{BEGIN READ ONLY; SELECT oauth1.authorize('shop')}), '25006', qr/read-only/, 'read only');
$dba->rows('ROLLBACK');
is_error($dba->error(q{SET client_min_messages = warning; SELECT oauth1.authorize('shop')}),
	'55000', qr/could not be shown/, 'where nobody would see the URL');
$dba->rows('RESET client_min_messages');
is($service->mark, $mark, 'nothing was sent');

# ---------------------------------------------------------------- a real browser

my $browser = OAuth1::Browser->new;
foreach my $decision ('allow', 'deny')
{
	my $session = OAuth1::Session->new($node, user => 'alice');
	my $picture = "$PostgreSQL::Test::Utils::tmp_check/authorize_$decision.png";
	$flow = begin($session, 'shop', name => "browser_$decision");
	my $end = $browser->visit($flow->{url}, user => 'alice', press => $decision, picture => $picture);
	is($end->{asked}, 'Allow access?', "browser, $decision: asked by the service");
	like($end->{url}, qr/^\Q$flow->{callback}\E\?/, "browser, $decision: sent back");
	is($end->{title}, { allow => 'Access allowed', deny => 'No access' }->{$decision}, "browser, $decision: the title");
	like($end->{text}, { allow => qr/^Access allowed\s+It worked\. You can close this window\.$/,
			deny => qr/^No access\s+It did not work: the user did not allow the access\. .* close this window\.$/ }->{$decision},
		"browser, $decision: what is read");
	cmp_ok($end->{colours}, '>', 2, "browser, $decision: a picture with letters");
	cmp_ok($end->{ink}, '>', 0.002, "browser, $decision: of some size");
	cmp_ok($end->{ink}, '<', 0.3, "browser, $decision: on an empty page");
	my $text = $session->finish;
	like($text, { allow => qr/^shop\|browser_allow\|/m, deny => qr/OA002: the user did not allow/ }->{$decision},
		"browser, $decision: in the session");
	is_closed($flow, "browser, $decision");
}

# ---------------------------------------------------------------- nothing slips out

my $log = slurp_file($node->logfile);
like($log, qr/did not come back/, 'the log has the errors');
unlike($log, qr/\Q$_\E/, "and not $_") foreach @secrets;
unlike($log, qr/open this URL/, 'nor the URLs');

done_testing();
