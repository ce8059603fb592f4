# The clock that requests are signed with: a service's own where it refuses for it, known to all
# sessions; timestamps that do not go back.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Registered;
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('clock', service => $service, settings => ['oauth1.allow_http = on']);
my $admin = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($admin, $service);

# A provider of that name, whose clock is off by so much to its consumer, of that name as well.
sub provider
{
	my ($name, %clock) = @_;
	$service->add_consumer(key => $name, secret => 's', %clock);
	$registered->provider($name, allow_http => \'true',
		api_urls => \("ARRAY['" . $service->url('/', 'http') . "']"));
	$registered->consumer($name, $name, $name, 's');
	return;
}

# A call in the session, or in a new one: its status, or the SQLSTATE.
sub call
{
	my ($consumer, $session, $path) = @_;
	$path //= '/api/items';
	my $text = ($session // OAuth1::Session->new($node))->query(
		"SELECT status FROM oauth1.http_get('$consumer', '$path', token => '')");
	my $error = OAuth1::Session::parse($text);
	return $error ? $error->{sqlstate} : $text =~ s/\s+\z//r;
}

# What became of the requests since the mark: "verdict verdict", and how far the last timestamp was off.
sub verdicts { my ($mark) = @_; return join ' ', map { $_->{verdict} } $service->ledger($mark); }

# The calls of a block: their statuses, what the service said of each request, the last timestamp's offset.
sub seen
{
	my (@calls) = @_;
	my $mark = $service->mark;
	my $statuses = join ' ', map { $_->() } @calls;
	my @ledger = $service->ledger($mark);
	my $off = $ledger[-1]{oauth}{oauth_timestamp} - $ledger[-1]{time};
	return ($statuses, verdicts($mark), $off);
}

# ---- a clock that is off, by how it is told

my %ways = (
	problem => {},
	'400' => { clock_status => 400 },
	'403' => { clock_status => 403 },
	nothing => { clock_tells => 'nothing' },
	range => { clock_tells => 'range' },
);
foreach my $way (sort keys %ways)
{
	foreach my $off (600, -600)
	{
		my $name = "$way$off" =~ s/-/_/r;
		provider($name, clock => $off, %{ $ways{$way} });
		my ($statuses, $verdicts, $is) = seen(sub { call($name) }, sub { call($name) });
		is($statuses, '200 200', "$way, $off s: two calls, each in a session of its own");
		is($verdicts, 'timestamp_refused ok ok', 'of which the first was tried again, once');
		cmp_ok(abs($is - $off), '<=', 3, "on the service's clock");
	}
}

# ---- what is not learned

provider('far', clock => 1000);
my ($statuses, $verdicts, $is) = seen(sub { call('far') }, sub { call('far') });
is("$statuses, $verdicts", '401 401, timestamp_refused timestamp_refused', 'clocks more than 15 minutes apart');
cmp_ok(abs($is), '<=', 3, 'are left apart');

provider('silent', clock => 600, clock_tells => 'silence');
($statuses, $verdicts, $is) = seen(sub { call('silent') });
is("$statuses, $verdicts", '401, timestamp_refused', 'where the service does not tell its time there is nothing to learn');

provider('near', clock => 40);
($statuses, $verdicts, $is) = seen(sub { call('near', undef, '/flaky/problem=token_rejected/api/items') }, sub { call('near') });
is("$statuses, $verdicts", '401 200, ok ok', 'a 401 for another reason, of a clock that is a little off');
cmp_ok(abs($is), '<=', 3, 'teaches nothing');

provider('other');
$service->add_consumer(key => 'other', secret => 'not s', clock => 100);
($statuses, $verdicts, $is) = seen(sub { call('other') }, sub { call('other') });
is("$statuses, $verdicts", '401 401, signature_invalid signature_invalid signature_invalid',
	'a 401 for another reason, of a clock that is far off, is tried again once, for all sessions');
cmp_ok(abs($is - 100), '<=', 3, 'on its clock');

# ---- contradicted

provider('turning', clock => 600);
is(join(' ', seen(sub { call('turning') }))  =~ s/ [-\d.]+\z//r, '200 timestamp_refused ok', 'an offset is learned');
foreach my $off (-600, 0, 850)
{
	$service->add_consumer(key => 'turning', secret => 's', clock => $off);
	($statuses, $verdicts, $is) = seen(sub { call('turning') }, sub { call('turning') });
	is("$statuses, $verdicts", '200 200, timestamp_refused ok ok', "and learned again where it is $off s by now");
	cmp_ok(abs($is - $off), '<=', 3, 'by which the timestamps are off');
}

# The offset is the provider's: another consumer of it needs no refusal.
$service->add_consumer(key => 'second', secret => 's', clock => 850);
$registered->consumer('second', 'turning', 'second', 's');
is(join(' ', (seen(sub { call('second') }))[ 0, 1 ]), '200 ok', 'a second consumer of the provider knows it');

# In a batch as well, and in one statement.
provider('batch', clock => 600);
my $mark = $service->mark;
is($admin->rows("SELECT string_agg(status::text, ' ') FROM oauth1.http_batch('batch',"
		  . " array_fill(oauth1.request('GET', '/api/items'), ARRAY[4]), token => '', concurrency => 2) AS b"),
	'200 200 200 200', 'a batch learns it too');
is(verdicts($mark) =~ tr/_//, 2, 'of whose calls those are refused that were on their way');

# ---- timestamps do not go back

# Of one consumer, over sessions that take turns, in the order of arrival.
provider('ordered', in_order => JSON::PP::true(), clock => -120, window => 60);
my @sessions = map { OAuth1::Session->new($node) } 1 .. 3;
($statuses, $verdicts) = seen(map { my $n = $_; sub { call('ordered', $sessions[ $n % 3 ]) } } 0 .. 30);
is($statuses, join(' ', (200) x 31), 'calls of three sessions in turn');
is($verdicts, join(' ', 'timestamp_refused', ('ok') x 31), 'to a service that wants timestamps in order');

# One that is overtaken on its way is signed anew.
$mark = $service->mark;
$_->start("SELECT count(*) FROM generate_series(1, 150) AS i, oauth1.http_get('ordered', '/api/items?n=' || i, token => '')"
	  . " AS r WHERE r.status = 200")
  foreach @sessions;
is(join(' ', map { $_->finish =~ s/\s+\z//r } @sessions), '150 150 150', 'calls of three sessions at once are all made');
my ($last, $back) = (0, 0);
foreach my $entry ($service->ledger($mark))
{
	next unless $entry->{verdict} eq 'ok';
	$back++ if $entry->{oauth}{oauth_timestamp} < $last;
	$last = $entry->{oauth}{oauth_timestamp};
}
is($back, 0, 'and none is accepted out of order');

# The pure functions have the time that they are given, or this server's.
my ($pure) = $admin->rows("SELECT oauth1.authorization_header('GET', 'https://x/', 'ordered', 's')") =~ /oauth_timestamp="(\d+)"/;
cmp_ok(abs($pure - time), '<=', 3, 'a pure function has this server\'s time');

# ---- forgotten, and without shared memory

$_->quit foreach @sessions, $admin;
$node->restart;
is(join(' ', (seen(sub { call('problem600') }))[ 0, 1 ]), '200 timestamp_refused ok', 'a restart forgets');
$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = mmap');
$node->restart;
my $dynshmem = $node->data_dir . '/pg_dynshmem';
chmod 0500, $dynshmem or die "$dynshmem: $!";
my $alone = OAuth1::Session->new($node);
is(join(' ', (seen(sub { call('problem600', $alone) }, sub { call('problem600', $alone) }))[ 0, 1 ]),
	'200 200 timestamp_refused ok ok', 'without shared memory a session learns for itself');
is(join(' ', (seen(sub { call('problem600') }))[ 0, 1 ]), '200 timestamp_refused ok', 'and another does, too');
chmod 0700, $dynshmem or die "$dynshmem: $!";
$alone->quit;

$node->stop;
done_testing();
