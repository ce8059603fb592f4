# Secrets by COPY: what the server's log says of them, whatever goes wrong.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $node = OAuth1::Node->start('entry',
	service  => $service,
	settings => [ "log_min_messages = debug5", "log_statement = all", "log_error_verbosity = verbose",
		"log_min_error_statement = debug5" ]);
my $count = 0;

sub sql { return $node->safe_psql('postgres', $_[0]); }

# A secret that stands nowhere else.
sub planted { return sprintf 'PLANTED%04d%s', ++$count, 'x' x 20; }

# psql with COPY's rows on its standard input; what it says on standard error.
sub copy_in
{
	my ($target, @rows) = @_;
	my ($out, $err) = ('', '');
	my $input = "COPY oauth1.$target FROM STDIN;\n" . join('', map { join("\t", @$_) . "\n" } @rows) . "\\.\n";

	IPC::Run::run([ 'psql', '-Xq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres') ],
		'<', \$input, '>', \$out, '2>', \$err);
	return $err;
}

# The same for a session that stays. psql only flushes what it says after a statement's result,
# so one follows.
sub copy_text
{
	my ($consumer) = @_;
	return sprintf "COPY oauth1.secrets_in (consumer, consumer_secret) FROM STDIN;\n%s\t%s\n\\.\nSELECT 'after'",
	  $consumer, planted();
}

sub log_has_no_secret
{
	my ($what) = @_;
	my $log = slurp_file($node->logfile);
	unlike($log, qr/PLANTED/, "no secret in the log: $what");
	return;
}

sub wait_for_lock
{
	my ($pid) = @_;
	return $node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid");
}

# ------------------------------------------------------------------ in, and used

sql(OAuth1::Shop::provider_sql($service));
sql("SELECT oauth1.create_consumer('shop', 'shop', 'shop-key')");
is(OAuth1::Shop::refusal($node, token => '')->{sqlstate}, 'OA001', 'no secret yet');
like(copy_in('secrets_in (consumer, consumer_secret)', [ 'shop', $OAuth1::Shop::secrets{consumer} ]),
	qr/\A(?:NOTICE|DETAIL|HINT|LOCATION)/, 'a secret by COPY; the first makes the key file');
is(copy_in('tokens_in (consumer, token, token_secret)', [ 'shop', 'shop-token', $OAuth1::Shop::secrets{token} ]),
	'', 'and a token');
is(OAuth1::Shop::call($node), 200, 'the service finds the signature right');
unlike(slurp_file($node->logfile), qr/\Q$OAuth1::Shop::secrets{$_}\E/, "the $_ secret is not in the log")
  foreach sort keys %OAuth1::Shop::secrets;

# ------------------------------------------------------------------ refused by us

like(copy_in('secrets_in', [ 'shop', planted(), '\N', '\N' ], [ planted(), planted(), '\N', '\N' ]),
	qr/OA007.*row 2 of oauth1\.secrets_in/s, 'a row that names no consumer');
like(copy_in('secrets_in', [ 'shop', planted(), planted(), '\N' ]), qr/OA001.*row 1/s, 'a private key that is none');
like(copy_in('secrets_in (consumer, consumer_secret, private_key)', [ 'shop', planted(), planted() ]),
	qr/OA001.*row 1/s, 'the same without the last column');
like(copy_in('secrets_in', [ 'shop', planted(), '\N', planted() ]), qr/OA001.*row 1/s, 'a client key that is none');
like(copy_in('secrets_in', [ '\N', planted(), '\N', '\N' ]), qr/22004.*row 1/s, 'no consumer');
like(copy_in('tokens_in', [ 'shop', planted() x 10, planted(), planted() ]), qr/22023.*row 1/s, 'a name that is too long');
like(copy_in('tokens_in', [ 'shop', planted(), '\N', planted() ]), qr/22004.*row 1/s, 'no token');
like(copy_in('tokens_in', [ 'shop', planted(), '', planted() ]), qr/22023.*row 1/s, 'an empty token');
log_has_no_secret('what was refused');

# ------------------------------------------------------------------ stopped while we work

# Another session holds the row that the statement trigger has to write.
my $holder = OAuth1::Session->new($node);
my $waiter = OAuth1::Session->new($node);
my $pid = $waiter->pid;
my $before = sql("SELECT md5(string_agg(ciphertext::text, '')) FROM oauth1.secret");

foreach my $how ('cancel', 'statement_timeout', 'terminate')
{
	$holder->rows('BEGIN');
	$holder->rows("SELECT FROM oauth1.secret WHERE consumer = 'shop' AND kind = 'consumer_secret' FOR UPDATE");
	$waiter->rows($how eq 'statement_timeout' ? "SET statement_timeout = '1s'" : 'RESET statement_timeout');
	$waiter->start(copy_text('shop'));
	wait_for_lock($pid) if $how ne 'statement_timeout';
	sql("SELECT pg_cancel_backend($pid)") if $how eq 'cancel';
	sql("SELECT pg_terminate_backend($pid)") if $how eq 'terminate';
	my $said = $waiter->finish;
	like($said, $how eq 'terminate' ? qr/57P01/ : qr/57014.*row 1 of oauth1\.secrets_in/s, "$how while a row is stored");
	unlike($said, qr/PLANTED/, 'the client is not told the row');
	$holder->rows('ROLLBACK');
	is($waiter->rows("SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'oauth1 entry%'"), 0, 'nothing of it is kept')
	  if $how ne 'terminate';
}
is(sql("SELECT md5(string_agg(ciphertext::text, '')) FROM oauth1.secret"), $before, 'nothing was stored');
log_has_no_secret('what was stopped');

# In a transaction that goes on after it nothing is kept either.
my $session = OAuth1::Session->new($node);
$session->rows('BEGIN');
$session->rows('SAVEPOINT s');
like($session->query(copy_text(planted())),
	qr/OA007/, 'a COPY fails in a subtransaction');
$session->rows('ROLLBACK TO s');
is($session->rows("SELECT count(*) FROM pg_backend_memory_contexts WHERE name LIKE 'oauth1 entry%'"), 0, 'its rows are gone');
is($session->query(copy_text('shop')), "after\n", 'and the next one works');
$session->rows('ROLLBACK');
log_has_no_secret('what was rolled back');

# ------------------------------------------------------------------ stopped while COPY reads

# What PostgreSQL says then is its own; that nothing is stored or kept is ours.
my $copy = IPC::Run::start(
	[ 'psql', '-Xq', '-d', $node->connstr('postgres') . ' application_name=slow', '-c', 'COPY oauth1.tokens_in FROM STDIN' ],
	'<pipe', \*ROWS, '>', \my $out, '2>', \my $err);
print ROWS "shop\tslow\tt\ts\n";
ROWS->flush;
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'slow' AND wait_event = 'ClientRead' AND query LIKE 'COPY%'");
sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'slow'");
close ROWS;
IPC::Run::finish($copy);
like($err, qr/canceling statement/, 'cancelled while COPY waits for a row');
is(sql("SELECT count(*) FROM oauth1.tokens WHERE name = 'slow'"), 0, 'nothing was stored');
is(OAuth1::Shop::call($node), 200, 'and what was there is still used');

done_testing();
