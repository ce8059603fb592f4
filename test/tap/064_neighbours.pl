# A busy worker and those who want its database, its extension or its server: nobody waits for it
# for long, and every call it had is left in a true state.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Node;
use OAuth1::Queue;
use OAuth1::Registered;
use OAuth1::Service;
use OAuth1::Session;

# What a call waits for whose answer nobody lives to see, and one that comes in time.
my $long = 9000;
my $short = 1000;

my $service = OAuth1::Service->start;
my @settings = ('oauth1.allow_http = on', 'log_min_messages = debug1', 'log_statement = none',
	'oauth1.worker_idle_timeout = 500ms', 'restart_after_crash = on');
my $node = OAuth1::Node->start('main', service => $service, settings => \@settings, init => [ allows_streaming => 1 ]);
my $session = OAuth1::Session->new($node);
my $queue = OAuth1::Queue->new($node, $session, $service)->register;

# Databases with the extension and the consumer.
$session->rows("CREATE DATABASE $_ TEMPLATE postgres") foreach qw(dropped forced template renamed extension);

# The worker of a database is busy: calls that wait for so long are under way, as many as are given.
# Returns their ids.
sub busy
{
	my ($dbname, @calls) = @_;
	my $there = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => $dbname), $service);
	my @ids = split /\n/, $there->{session}->rows('SELECT ' . join ' UNION ALL SELECT ', map { $there->enqueue_sql(@$_) } @calls);
	my $count = @calls;
	$there->time_until("SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = '$dbname' AND query = 'sending $count queued calls'");
	sleep 0.1;
	$there->{session}->quit;
	return @ids;
}

# Seconds that a statement takes, or "SQLSTATE message".
sub time_of
{
	my ($sql) = @_;
	my $start = time;
	my $error = $session->error($sql);
	return $error ? "$error->{sqlstate} $error->{message}" : time - $start;
}

# An array of the states of calls there, in their order.
sub states
{
	my ($dbname, @ids) = @_;
	my $there = OAuth1::Session->new($node, dbname => $dbname);
	return $there->rows('SELECT string_agg(state, \' \' ORDER BY id) FROM oauth1.calls WHERE id IN (' . join(', ', @ids) . ')');
}

my @four = map { [ method => $_, wait => $long ] } qw(POST GET POST GET);

# ---------------------------------------------------------------- the database

busy('dropped', @four);
cmp_ok(time_of('DROP DATABASE dropped'), '<', 1.5, 'DROP DATABASE beside a busy worker');

busy('forced', @four);
cmp_ok(time_of('DROP DATABASE forced WITH (FORCE)'), '<', 1.5, 'DROP DATABASE WITH (FORCE) beside a busy worker');

my @renamed = busy('renamed', @four);
cmp_ok(time_of('ALTER DATABASE renamed RENAME TO other'), '<', 1.5, 'ALTER DATABASE RENAME beside a busy worker');

my @copied = busy('template', [ wait => $short ], [ method => 'POST', wait => $short ], @four);
my $mark = $service->mark;
cmp_ok(time_of('CREATE DATABASE copy TEMPLATE template'), '<', 4.5, 'CREATE DATABASE TEMPLATE beside a busy worker');
is($service->mark, $mark, 'and nothing is sent twice for it');
is(states('copy', @copied), 'done done uncertain pending uncertain pending',
	'before it left it recorded what was answered in time, and what is true of the others');
is(states('copy', @copied), states('template', @copied), 'in both databases');

# ---------------------------------------------------------------- the extension

my $there = OAuth1::Session->new($node, dbname => 'extension');
my ($quick) = busy('extension', [ wait => 400 ]);
my $start = time;
$there->rows(q{ALTER EXTENSION oauth1 UPDATE TO '1.0'});
cmp_ok(time - $start, '<', 0.3, 'ALTER EXTENSION UPDATE does not wait');
sleep 0.6;
is(states('extension', $quick), 'done', 'nor does the worker mind');
busy('extension', @four);
$start = time;
$there->rows('DROP EXTENSION oauth1');
cmp_ok(time - $start, '<', 1.5, 'DROP EXTENSION beside a busy worker');
cmp_ok($queue->time_until(q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'oauth1 worker' AND datname = 'extension'}), '<', 1.5,
	'it leaves');
is(join("\n", $queue->log_lines(qr/ERROR|exited with exit code [1-9]/)), '', 'without a word');
$there->quit;

# ---------------------------------------------------------------- successors

# Meanwhile they have come, where there is a database to come to.
$there = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => 'other'), $service);
cmp_ok($there->time_until("SELECT bool_and(attempts = 2) FROM oauth1.calls WHERE id IN ($renamed[1], $renamed[3])", 12), '<', 12,
	'under the new name the calls are sent that may be');
is(states('other', @renamed), 'uncertain running uncertain running', 'and no other ones');
$there->{session}->quit;
$there = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => 'template'), $service);
cmp_ok($there->time_until("SELECT bool_and(attempts = 2) FROM oauth1.calls WHERE id IN ($copied[3], $copied[5])", 12), '<', 12,
	'and those of the template');
$there->{session}->quit;
ok((grep { /unregistering background worker "oauth1 launcher"/ } $queue->log_lines(qr/launcher/)) >= 4, 'a successor for each');
is(join("\n", grep { !/064_neighbours/ } $queue->log_lines(qr/FATAL/)), '', 'and none asks for a database that is gone');

# Dropped and created again, so that the worker notices only afterwards.
$there = OAuth1::Session->new($node, dbname => 'extension');
$there->rows('CREATE EXTENSION oauth1');
my $again = OAuth1::Queue->new($node, $there, $service)->register;
busy('extension', [ wait => $long ]);
$there->rows('BEGIN; DROP EXTENSION oauth1; CREATE EXTENSION oauth1');
$again->register;
my $first = $again->enqueue(wait => 600);
$there->rows('COMMIT');
cmp_ok($again->time_until_state($first, 'done', 6), '<', 6, 'created again: its calls are sent');
$there->quit;

# A copy sends nothing of what it was copied with.
$mark = $service->mark;
my $copy = OAuth1::Queue->new($node, OAuth1::Session->new($node, dbname => 'copy'), $service);
my $own = $copy->enqueue;
cmp_ok($copy->time_until_state($own, 'done'), '<', 3, 'a copy sends its own calls');
sleep 0.3;
is((grep { $_->{target} !~ /first_byte/ } $service->ledger($mark)), 1, 'and no copied one');
is(states('copy', @copied), 'done done uncertain pending uncertain pending', 'which stay as they are');
$copy->{session}->quit;

# ---------------------------------------------------------------- the server

# Stops the server with busy workers and starts it again; returns the seconds that the stop took.
sub time_to_stop
{
	my ($mode) = @_;
	$session->quit;
	my $start = time;
	$node->stop($mode);
	my $time = time - $start;
	$node->start;
	$session = OAuth1::Session->new($node);
	$queue->{session} = $session;
	return $time;
}

$session->rows("DROP DATABASE $_ WITH (FORCE)") foreach qw(other template copy extension);
my @stopped = busy('postgres', [ wait => $short ], [ method => 'POST', wait => $short ], @four);
cmp_ok(time_to_stop('fast'), '<', 2.75, 'a fast shutdown beside a busy worker');
is(states('postgres', @stopped), 'done done uncertain pending uncertain pending', 'what was answered in its grace was recorded');

$session->rows('DELETE FROM oauth1.queue');
my @calls = busy('postgres', @four);
cmp_ok(time_to_stop('smart'), '<', 2.75, 'a smart shutdown');
is(states('postgres', @calls), 'uncertain pending uncertain pending', 'likewise');

# The worker's commit waits for a standby that is not there, the server's stop for the worker.
$session->rows('DELETE FROM oauth1.queue');
$session->rows($_) foreach q{ALTER SYSTEM SET synchronous_standby_names = 'nobody'}, 'SELECT pg_reload_conf()';
$queue->time_until(q{SELECT current_setting('synchronous_standby_names') = 'nobody'});
$session->rows('SET synchronous_commit = local');
$queue->enqueue(wait => $long);
cmp_ok($queue->time_until(q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'oauth1 worker' AND wait_event = 'SyncRep'}), '<', 5,
	'a worker waits for a standby');
$node->append_conf('postgresql.auto.conf', q{synchronous_standby_names = ''});
cmp_ok(time_to_stop('fast'), '<', 2.75, 'but a fast shutdown does not');

# Seconds until a process has ended, whether somebody waited for it or not.
sub time_until_gone
{
	my ($gone) = @_;
	my $start = time;
	sleep 0.01 while -e "/proc/$gone" && slurp_file("/proc/$gone/stat") !~ /\) Z/ && time - $start < 5;
	return time - $start;
}

# After a death nobody knows how far a call had come; what was claimed is found by whoever comes.
sub is_recovered
{
	my ($name, @ids) = @_;
	is($session->rows("SELECT count(*) FROM oauth1.queue WHERE claim IS NOT NULL AND id IN ($ids[0], $ids[1])"), 2, "$name: both calls were claimed");
	my $last = $queue->enqueue;
	cmp_ok($queue->time_until("SELECT state = 'uncertain' FROM oauth1.calls WHERE id = $ids[0]"), '<', 3, "$name: what may not be repeated is uncertain");
	cmp_ok($queue->time_until_state("$ids[1], $last", 'done'), '<', 5, "$name: the other one is sent again");
	return;
}

$session->rows('DELETE FROM oauth1.queue');
@calls = busy('postgres', [ method => 'POST', wait => $short ], [ wait => $short ]);
time_to_stop('immediate');
is_recovered('an immediate stop', @calls);

@calls = busy('postgres', [ method => 'POST', wait => $short ], [ wait => $short ]);
my ($pid) = $queue->workers;
my @all = split /\n/, $session->rows('SELECT pid FROM pg_stat_activity');
my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
$node->kill9;
cmp_ok(time_until_gone($pid), '<', 1, 'without its postmaster a worker ends');
$session->quit;
# The server does not start as long as one of the last is there, if only by its number.
time_until_gone($_) foreach @all;
for (1 .. 200) { sleep 0.1 if kill 0, $postmaster; }
$node->start;
$queue->{session} = $session = OAuth1::Session->new($node);
is_recovered('a postmaster that was killed', @calls);

@calls = busy('postgres', [ method => 'POST', wait => $short ], [ wait => $short ]);
($pid) = $queue->workers;
$session->quit;
kill 'KILL', $pid;
$node->poll_query_until('postgres', 'SELECT true', 't') or die 'no crash restart';
$queue->{session} = $session = OAuth1::Session->new($node);
is_recovered('a worker that was killed', @calls);

# ---------------------------------------------------------------- a standby

$queue->time_until_alone;
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
chmod 0600, $standby->data_dir . '/oauth1.key';
$standby->append_conf('postgresql.conf', q{shared_preload_libraries = 'oauth1'});
$standby->start;
$session->rows($_) foreach 'ALTER SYSTEM SET oauth1.worker = off', 'SELECT pg_reload_conf()';
sleep 0.2;
my $pending = $queue->enqueue;
$node->wait_for_catchup($standby, 'replay', $node->lsn('insert'));
my $reader = OAuth1::Session->new($standby);
is($reader->rows(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'oauth1%'}), 0, 'on a standby nothing of ours runs');
is($reader->rows("SELECT state FROM oauth1.calls WHERE id = $pending"), 'pending', 'where the call is seen');
$session->quit;
$node->stop('immediate');
$mark = $service->mark;
$standby->promote;
my $promoted = OAuth1::Queue->new($standby, $reader, $service);
cmp_ok($promoted->time_until_state($pending, 'done'), '<', 8, 'promoted, it goes on');
is(scalar $service->ledger($mark), 1, 'with what was left');
$reader->quit;
$standby->stop;

done_testing();
