# Death at every letter of docs/queue.md, by some process and action each, and some random deaths
# under load. `make torture` has all of them; this is its short form, on a build of its own.
use strict;
use warnings FATAL => 'all';

use Test::More;

# Each line is a check of its own; what was wrong stands before it.
open my $torture, '-|', 'test/torture/run', '--short' or die "test/torture/run: $!";
while (my $line = <$torture>)
{
	chomp $line;
	if ($line =~ /^(not )?ok - (.*)/)
	{
		ok(!$1, $2);
	}
	else
	{
		$line =~ /^# / ? note($line) : diag($line);
	}
}
close $torture;
is($?, 0, 'the torture came to its end, and nothing was wrong');

done_testing();
