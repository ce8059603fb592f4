# Where calls may go: not one packet leaves for an address that is not allowed, and what arrives
# is the URL that was signed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use OAuth1::Nowhere;

use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Session;

# ---------------------------------------------------------------- the corpus

my (@urls, %names);

sub octets
{
	my ($escaped) = @_;
	my %named = (r => "\r", n => "\n", t => "\t", '\\' => '\\');
	$escaped =~ s/\\(?:x(..)|(.))/defined $1 ? chr hex $1 : $named{$2}/ge;
	utf8::decode($escaped);
	return $escaped;
}

# [{ url, as it is; shown; outcome; where: ADDRESS PORT; target }]
sub read_corpus
{
	my ($outcome, $where);
	foreach my $line (split /\n/, slurp_file("$FindBin::RealBin/../corpus/urls.txt"))
	{
		my ($sign, $rest) = $line =~ /^([@=>]) (.*)/ or next;
		if ($sign eq '@')
		{
			my ($name, @addresses) = split / /, $rest;
			$names{$name} = \@addresses;
		}
		elsif ($sign eq '=')
		{
			($outcome, $where) = $rest =~ /^(\S+)(?: (.*))?/;
			$where =~ s/^(.*):(\d+)$/tcp $1 $2/ if defined $where;
		}
		else
		{
			my ($shown, $target) = split / -> /, $rest;
			($target) = $shown =~ m{^\w+://[^/]+(/.*)$} unless defined $target;
			push @urls, { url => octets($shown), shown => $shown, outcome => $outcome, where => $where, target => $target };
		}
	}
	return;
}

read_corpus();
cmp_ok(scalar @urls, '>=', 250, 'the corpus has ' . @urls . ' URLs');

# ---------------------------------------------------------------- the server

my $nowhere = OAuth1::Nowhere->start(
	names => {
		%names,
		'rebind.test' => [ ['93.184.216.34'], ['10.0.0.1'] ],
		'rebind-metadata.test' => [ ['10.0.0.1'], ['169.254.169.254'] ],
	});
my $node;
{
	# What a postmaster can have in its environment, and no call may heed.
	local %ENV = (
		%ENV, $nowhere->environment, NO_PROXY => '', no_proxy => '',
		map { $_ => 'http://198.51.100.7:3128' } qw(http_proxy https_proxy HTTPS_PROXY all_proxy ALL_PROXY));
	$node = OAuth1::Node->start('main',
		settings => [ "oauth1.ca_file = '" . $nowhere->ca . "'", 'oauth1.allow_http = on' ]);
}
my $session = OAuth1::Session->new($node);

# All that is not refused for its place or its form lies under an api_url.
my %origins = map { $_->{url} =~ m{^(\w+://[^/?#]+)} ? (lc "$1/" => 1) : () }
  grep { $_->{outcome} !~ /^(?:22...|api)$/ } @urls;
my @more = map { "http://$_/" } qw(rebind.test rebind-metadata.test);
$session->rows("SELECT oauth1.create_provider('p', ARRAY["
	  . join(', ', map { quote($_) } sort(keys %origins), @more) . '], allow_http => true)');
$session->rows(q{SELECT oauth1.create_consumer('c', 'p', 'demo-key', 'demo-secret')});

# ---------------------------------------------------------------- helpers

# What became of a call: a status; an SQLSTATE, with what OA003 was for.
sub outcome
{
	my ($url, $by) = @_;
	my $text = ($by // $session)->query('SELECT status FROM oauth1.http_get(\'c\', ' . quote($url) . ", token => '')");
	my $error = OAuth1::Session::parse($text);
	return $text =~ s/\s+\z//r unless $error;
	return $error->{sqlstate} unless $error->{sqlstate} eq 'OA003';
	return $error->{message} =~ /^address of/ ? 'OA003 address' : 'OA003 URL';
}

# What arrived, and what was tried, in one line each.
sub arrived
{
	return join ', ', map {
		my %headers = map { @$_ } @{ $_->{headers} };
		"$headers{Host} $_->{target}" . ($_->{verdict} eq 'ok' ? '' : ' unverified')
	} $nowhere->requests;
}

sub tried { return join ', ', $nowhere->attempts; }

# The host and the port that belong into a request (RFC 5849, 3.4.1.2).
sub host_of
{
	my ($url) = @_;
	my ($scheme, $authority) = lc($url) =~ m{^(\w+)://([^/?#]+)};
	my ($host, $port) = $authority =~ /^(.*?)(?::(\d*))?$/;
	$port = $port ? $port + 0 : 0;
	return $host . ($port && $port != ($scheme eq 'https' ? 443 : 80) ? ":$port" : '');
}

my %sqlstate = (
	private => 'OA003 address', unreachable => 'OA003 address', never => 'OA003 address',
	api => 'OA003 URL', unresolved => 'OA008', closed => 'OA008', sent => '200');

# What is to arrive of a case.
sub arrives
{
	my ($case) = @_;
	return '' unless $case->{outcome} =~ /^(?:sent|unread)$/;
	return host_of($case->{url}) . " $case->{target}" . ($case->{outcome} eq 'sent' ? '' : ' unverified');
}

sub nothing_left
{
	my ($what) = @_;
	is(tried(), '', "$what: no packet");
	is(arrived(), '', "$what: no request");
	return;
}

$nowhere->attempts;

# ---------------------------------------------------------------- every URL

foreach my $case (@urls)
{
	my $what = $case->{shown};
	is(outcome($case->{url}), $sqlstate{ $case->{outcome} } // $case->{outcome}, "$what: $case->{outcome}")
	  if $case->{outcome} ne 'unread';
	like(outcome($case->{url}), qr/^40[01]$/, "$what: unread") if $case->{outcome} eq 'unread';
	is(tried(), $case->{where} // '', "$what: " . ($case->{where} // 'no packet'));
	is(arrived(), arrives($case), "$what: what arrives");
}

# ---------------------------------------------------------------- the same where private addresses are allowed

$session->rows('SET oauth1.allow_private_addresses = on');
foreach my $case (grep { $_->{outcome} =~ /^(?:private|unreachable|never)$/ } @urls)
{
	my $what = "$case->{shown}, private allowed";
	my $got = outcome($case->{url});
	if ($case->{outcome} eq 'private')
	{
		like($got, qr/^(?:200|401)$/, "$what: is sent");
		isnt(tried(), '', "$what: goes out");
		isnt(arrived(), '', "$what: arrives");
		next;
	}
	is($got, $case->{outcome} eq 'never' ? 'OA003 address' : 'OA008', "$what: $case->{outcome}");
	nothing_left($what) if $case->{outcome} eq 'never';
	$nowhere->attempts if $case->{outcome} eq 'unreachable';
}
$session->rows('RESET oauth1.allow_private_addresses');

# A kept connection is older than the rule, a name's address may be: neither is trusted.
is(outcome('http://ten.test/'), 'OA003 address', 'a name that was allowed a moment ago');
nothing_left('the same');

# ---------------------------------------------------------------- names that change their minds

foreach my $round (1 .. 2)
{
	my $by = OAuth1::Session->new($node);
	is(outcome('http://rebind.test/', $by), '200', 'the first lookup is good');
	is(tried(), 'tcp 93.184.216.34 80', 'and is what is spoken to');
	arrived();
	$by->rows('DISCARD ALL') if $round == 2;
	$by = OAuth1::Session->new($node) if $round == 1;
	is(outcome('http://rebind.test/', $by), 'OA003 address', 'the next is bad, ' . ($round == 1 ? 'a new session' : 'DISCARD ALL'));
	nothing_left('the bad one');

	# A provider's first answer cannot open a way to the second.
	$by->rows('SET oauth1.allow_private_addresses = on');
	is(outcome('http://rebind-metadata.test/', $by), '200', 'private, where that is allowed');
	is(tried(), 'tcp 10.0.0.1 80', 'and is what is spoken to');
	arrived();
	$by = OAuth1::Session->new($node);
	$by->rows('SET oauth1.allow_private_addresses = on');
	is(outcome('http://rebind-metadata.test/', $by), 'OA003 address', 'metadata never');
	nothing_left('metadata');
}

# ---------------------------------------------------------------- redirects

sub redirected { my ($to) = @_; return 'http://one.test/?to=' . ($to =~ s/([^\w.-])/sprintf '%%%02X', ord $1/ger); }

my $first = 'tcp 93.184.216.34 80';
my %hops = (
	'http://one.test/x' => [ '200', "$first, $first" ],
	'https://one.test/x' => [ '200', "$first, tcp 93.184.216.34 443" ],
	'http://six.test/x' => [ '200', "$first, tcp 2606:2800:220:1::1 80" ],
	'//six.test/x' => [ '200', "$first, tcp 2606:2800:220:1::1 80" ],
	'/x/../y' => [ '200', "$first, $first" ],
	'http://bad-then-good.test/' => [ '200', "$first, $first" ],
	# An address that is not allowed, under an api_url
	map({ $_ => [ 'OA003 address', $first ] } qw(
		http://ten.test/ http://127.0.0.1/ http://2130706433/ http://[::1]/ http://[::ffff:127.0.0.1]/ http://local.test/
		http://metadata.test/latest/ http://169.254.169.254/latest/ http://[fd00:ec2::254]/ http://all-bad.test/)),
	# No URL of a call, or under no api_url: the redirect is the answer
	map({ $_ => [ '302', $first ] }
		qw(http://elsewhere.test/ http://127.0.0.1:5432/ http://user@one.test/ http://one.test@127.0.0.1/ file:///etc/passwd
		gopher://127.0.0.1/ //elsewhere.test/ http:// http://one.test:0/ http://one.test/%zz http://169.254.169.254:8080/),
		'http://one.test\\@127.0.0.1/', 'http://one.test/%2e%2e/x', "http://b\xc3\xbccher.test/"));
foreach my $to (sort keys %hops)
{
	my ($status, $attempts) = @{ $hops{$to} };
	is(outcome(redirected($to)), $status, "a redirect to $to: $status");
	is(tried(), $attempts, 'packets: ' . $attempts);
	my @requests = split / , /, arrived();
	unlike("@requests", qr/unverified/, 'each hop is signed for itself');
}

# Each hop is looked up for itself.
{
	my $by = OAuth1::Session->new($node);
	is(outcome('http://rebind.test/', $by), '200', 'a name, the first lookup');
	$by = OAuth1::Session->new($node);
	$nowhere->attempts;
	is(outcome(redirected('http://rebind.test/'), $by), 'OA003 address', 'a redirect to it, the second');
	is(tried(), $first, 'goes nowhere');
}

is($session->rows('SELECT count(*) FROM pg_stat_activity WHERE pid = pg_backend_pid()'), '1', 'the session is there');

done_testing();
