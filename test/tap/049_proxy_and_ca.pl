# Each provider goes its own way: its proxy, its certificate authority. No kept connection leads
# one provider's calls along another's.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP ();
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $other = OAuth1::Service->start;
my $node = OAuth1::Node->start('ways', service => $service, settings => ['oauth1.allow_http = on']);
my $session = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($session, $service);
$session->rows(q{SET oauth1.token = ''});

my $json = JSON::PP->new->canonical;
sub options { return \('$o$' . $json->encode({@_}) . '$o$'); }

sub tried
{
	my ($consumer) = @_;
	my $said = $session->query("SELECT status FROM oauth1.http_post('$consumer', '/echo', form => '{\"a\": \"b\"}')");
	chomp $said;
	my $error = OAuth1::Session::parse($said);
	return $error ? "$error->{sqlstate}: $error->{message} $error->{detail}" : $said;
}

# The requests that a call makes, as "METHOD target".
sub traces
{
	my ($consumer, $expected, $name, @at) = @_;
	my @services = @at ? @at : ($service);
	my @marks = map { $_->mark } @services;
	is(tried($consumer), 200, "$name: 200");
	my @seen = map { $services[$_]->ledger($marks[$_]) } 0 .. $#services;
	is_deeply([ map { "$_->{method} $_->{target}" } @seen ], $expected, "$name: what arrived");
	is($seen[-1]{verdict}, 'ok', "$name: verified");
	return @seen;
}

my $https = 'localhost:' . $service->port('https');
my $http = 'localhost:' . $service->port('http');
my $proxy = $service->url('', 'http') =~ s/localhost/127.0.0.1/r;

# ---------------------------------------------------------------- proxies

$registered->both('direct');
$registered->both('proxied', options => options(proxy => $proxy));
traces('direct', ['POST /api/echo'], 'without a proxy');
my ($connect, $inside) = traces('proxied', [ "CONNECT $https", 'POST /api/echo' ], 'https through a proxy');
is_deeply([ grep { !/^(?:Host|User-Agent|Proxy-Connection)$/ } map { $_->[0] } @{ $connect->{headers} } ], [],
	'which is told where to, and nothing of the request');
is_deeply([ map { $_->[0] } grep { $_->[0] =~ /^Proxy/ } @{ $inside->{headers} } ], [], 'nor is the service told of the proxy');
my ($again) = traces('proxied', ['POST /api/echo'], 'again: in the same tunnel');
is($again->{connection}, $inside->{connection}, 'on the same connection');
my ($straight) = traces('direct', ['POST /api/echo'], 'and without the proxy');
isnt($straight->{connection}, $inside->{connection}, 'on another');

my $api = \("ARRAY['" . $service->url('/api/', 'http') . "']");
$registered->both('http_direct', api_urls => $api, allow_http => \'true');
$registered->both('http_proxied', api_urls => $api, allow_http => \'true', options => options(proxy => $proxy));
traces('http_direct', ['POST /api/echo'], 'http without a proxy');
traces('http_proxied', ["POST http://$http/api/echo"], 'http through a proxy: the whole URL');
traces('http_direct', ['POST /api/echo'], 'http without it again');

# The setting is for providers without one of their own.
my $elsewhere = $other->url('', 'http') =~ s/localhost/127.0.0.1/r;
$session->rows("SET oauth1.proxy = '$elsewhere'");
traces('direct', [ "CONNECT $https", 'POST /api/echo' ], 'the setting\'s proxy', $other, $service);
traces('proxied', ['POST /api/echo'], 'the provider\'s own counts for more', $other, $service);
$session->rows('RESET oauth1.proxy');
traces('direct', ['POST /api/echo'], 'no setting, no proxy', $other, $service);

# A proxy that is not there, or may not be spoken to: nothing goes past it.
my $mark = $service->mark;
$registered->both('gone', options => options(proxy => 'http://127.0.0.1:' . $service->port('refused')));
like(tried('gone'), qr/^OA008: .*nothing was sent/, 'a proxy that is not there');
$session->rows('SET oauth1.allow_private_addresses = off');
like(tried('proxied'), qr/^OA003: /, 'a provider\'s proxy at an address that is not allowed');
like(tried('http_proxied'), qr/^OA003: /, 'the same for http');
$session->rows('RESET oauth1.allow_private_addresses');
is($service->mark, $mark, 'nothing arrived');

# ---------------------------------------------------------------- certificate authorities

$session->rows(q{SET oauth1.ca_file = ''});
my $at_other = \("ARRAY['" . $other->url('/api/') . "']");
my %ca = map { $_->[0] => PostgreSQL::Test::Utils::slurp_file($_->[1]->ca) } [ own => $service ], [ other => $other ];
$registered->both('own_ca', options => options(ca => $ca{own}));
$registered->both('wrong_ca', options => options(ca => $ca{other}));
$registered->both('no_ca');
$registered->both('other_ca', api_urls => $at_other, options => options(ca => $ca{other}));
$registered->both('both_cas', options => options(ca => $ca{other} . $ca{own}));

my $untrusted = qr/^OA008: .*certificate.*nothing was sent/;
$mark = $service->mark;
like(tried('no_ca'), $untrusted, 'the system does not know the authority');
like(tried('wrong_ca'), $untrusted, 'nor does a provider that trusts another');
is($service->mark, $mark, 'nothing arrived');
my ($trusted) = traces('own_ca', ['POST /api/echo'], 'the provider\'s own authority');
traces('other_ca', ['POST /api/echo'], 'another provider\'s', $other);
traces('both_cas', ['POST /api/echo'], 'two in one file');
my ($kept) = traces('own_ca', ['POST /api/echo'], 'the first again');
is($kept->{connection}, $trusted->{connection}, 'on its kept connection');
$mark = $service->mark;
like(tried('wrong_ca'), $untrusted, 'which is not used for one who does not trust it');
like(tried('no_ca'), $untrusted, 'nor for one without an authority of its own');
is($service->mark, $mark, 'nothing arrived');

# The setting's file does not count beside a provider's own.
$session->rows('SET oauth1.ca_file = ' . quote($service->ca));
like(tried('wrong_ca'), $untrusted, 'the setting\'s authority does not help');
traces('no_ca', ['POST /api/echo'], 'but where there is none of its own');

# Through a proxy the service's certificate is judged all the same.
$registered->both('proxied_ca', options => options(ca => $ca{own}, proxy => $proxy));
$registered->both('proxied_wrong', options => options(ca => $ca{other}, proxy => $proxy));
traces('proxied_ca', [ "CONNECT $https", 'POST /api/echo' ], 'an authority and a proxy');
like(tried('proxied_wrong'), $untrusted, 'another authority through the same proxy');

done_testing();
