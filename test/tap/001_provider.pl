# The loopback service, tested by itself: what the other tests trust.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP qw(encode_json);
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Service;

my $service = OAuth1::Service->start;

# oauthlib's client and raw sockets against it; each line is a check of its own.
my $ready = encode_json({ map { $_ => $service->{$_} } qw(https http ports ca ledger private_key) });
my @lines = split /\n/, `'$FindBin::RealBin/../provider/selftest' '$ready'`;
is($?, 0, 'the self-test ended well');
ok(@lines > 10, 'the self-test said what it did');
foreach my $line (@lines)
{
	like($line, qr/^ok - /, $line =~ s/^(not )?ok - //r);
}

# The module itself.
my $mark = $service->mark;
$service->add_consumer(key => 'k2', secret => 's2', methods => ['HMAC-SHA512']);
my @arrived = $service->ledger($mark);
is(scalar @arrived, 1, 'one request since the mark');
is($arrived[0]{target}, '/control/consumers', 'and it is ours');

my $pid = $service->{pid};
ok(kill(0, $pid), 'the service runs');
$service->stop;
ok(!kill(0, $pid), 'and ends when told');

# A parent that dies without a word takes the service with it.
my $orphan = fork // die "fork: $!";
if ($orphan == 0)
{
	my $child = OAuth1::Service->start;
	append_to_file("$PostgreSQL::Test::Utils::tmp_check/orphan", $child->{pid});
	kill 'KILL', $$;
}
waitpid $orphan, 0;
$pid = slurp_file("$PostgreSQL::Test::Utils::tmp_check/orphan");
my $tries = 100;
select undef, undef, undef, 0.05 while (command_line($pid) ne '' && $tries--);
is(command_line($pid), '', 'an orphaned service ends');

# Empty when the process is gone, or a zombie that nobody has collected.
sub command_line
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/cmdline" or return '';
	return <$file> // '';
}

done_testing();
