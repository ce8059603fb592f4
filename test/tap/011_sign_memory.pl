# A session that signs for long keeps its size: neither signatures nor statements, which each make
# a key ready of their own, nor errors leave anything behind, in PostgreSQL's memory or OpenSSL's.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;

# What 20,000 leaked keys cannot be hidden in: each is more than 500 octets.
use constant ALLOWED => 6 * 1024 * 1024;

my $node = OAuth1::Node->start('memory');
my $pem = slurp_file("$FindBin::RealBin/../keys/rsa_pkcs1.pem");

# One session; a line of output is the resident octets after a step.
my $resident = "SELECT split_part(pg_read_file('/proc/self/statm'), ' ', 2)::bigint * 4096;\n";
my $signatures = sub {
	my ($count) = @_;
	return "SELECT count(oauth1.signature('GET', 'http://example.com/?a=' || i, '{\"b\": [1, 2]}', 's'))"
	  . " < 0 FROM generate_series(1, $count) i \\g /dev/null\n";
};
my $statements = sub {
	my ($count, $statement) = @_;
	return <<"EOS";
DO \$do\$
BEGIN
    FOR i IN 1..$count LOOP
        BEGIN
            EXECUTE \$statement\$ $statement \$statement\$;
        EXCEPTION WHEN OTHERS THEN
            NULL;
        END;
    END LOOP;
END \$do\$;
EOS
};
my $hmac = q(SELECT oauth1.signature('GET', 'http://example.com/', '{}', 's'),
	oauth1.authorization_header('GET', 'http://example.com/', 'k', 's', body => ''));
my $rsa = "SELECT oauth1.signature('GET', 'http://example.com/', '{}', '$pem', '', 'RSA-SHA1')";
my $wrong = q(SELECT oauth1.signature('GET', 'http://example.com/', '{}', 'no key', '', 'RSA-SHA1'));
my $bad_url = q(SELECT oauth1.signature('GET', 'http://example.com/%', '{}', 's'));

my $script = join $resident,
  $signatures->(10000) . $statements->(2000, $hmac) . $statements->(200, $rsa)
  . $statements->(2000, $wrong) . $statements->(2000, $bad_url),
  $signatures->(1000000),
  $statements->(20000, $hmac),
  $statements->(2000, $rsa),
  $statements->(20000, $wrong),
  $statements->(20000, $bad_url), '';
my @sizes = split /\n/, $node->safe_psql('postgres', $script);
my @steps = ('1,000,000 signatures', '20,000 statements with HMAC', '2,000 statements with RSA',
	'20,000 keys refused', '20,000 URLs refused');
is(scalar @sizes, @steps + 1, 'every step was measured');
foreach my $i (1 .. $#sizes)
{
	cmp_ok($sizes[$i] - $sizes[ $i - 1 ], '<', ALLOWED, $steps[ $i - 1 ] . ' leave the size as it was');
}
note join ' ', @sizes;

# Between statements nothing of ours is left in the session's contexts.
is($node->safe_psql('postgres', <<'EOS'), '0', 'no memory context outlives its statement');
SELECT oauth1.signature('GET', 'http://example.com/', '{}', 's') \g /dev/null
SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE '%oauth1 signing%';
EOS

$node->stop;
done_testing();
