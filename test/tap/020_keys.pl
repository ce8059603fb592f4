# Master keys, data keys and what is sealed under them, on one server.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use File::stat;
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $node = OAuth1::Node->start('keys', service => $service);
my $file = $node->data_dir . '/oauth1.key';

sub sql     { return $node->safe_psql('postgres', $_[0]); }
sub session { return OAuth1::Session->new($node, @_); }
sub error   { return session()->error($_[0]) // { sqlstate => 'none', map { $_ => '' } qw(message detail hint) }; }

# Waits until a session waits for a lock, so that what comes next comes while it does.
sub wait_for_lock
{
	my ($pid) = @_;
	return $node->poll_query_until('postgres',
		"SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid");
}

# Writes a file as it is to be, whatever was there.
sub put_file
{
	my ($text, $mode) = @_;
	unlink $file;
	open my $handle, '>', $file or die "$file: $!";
	print $handle $text;
	close $handle;
	chmod $mode // 0600, $file or die "$file: $!";
	return;
}

# ------------------------------------------------------------------ the first secret

ok(!-e $file, 'no key file before the first secret');
is(sql('SELECT count(*) FROM oauth1.key_status()'), 0, 'and no keys');
is(error('BEGIN READ ONLY; SELECT oauth1.create_master_key()')->{sqlstate}, '25006',
	'no master key in a read-only transaction');
ok(!-e $file, 'nor a file');

sql(OAuth1::Shop::provider_sql($service));
sql("SELECT oauth1.create_consumer('twin', 'shop', 'twin-key')");

# Two sessions at once; one of them is rolled back first, then both commit.
my ($one, $two) = (session(), session());
$one->rows('BEGIN');
my $said = $one->query("SELECT oauth1.alter_consumer('twin', consumer_secret => 'twin-secret')");
like($said, qr/^NOTICE: .*created master key "m[0-9a-f]{16}" in file ".*\/oauth1\.key"/m,
	'a NOTICE says where the key is');
like($said, qr/^DETAIL: .*No WAL and no dump.*base backup/m, 'what holds it and what does not');
like($said, qr/^HINT: .*standby/m, 'and who needs it');
my $first_file = slurp_file($file);
$one->rows('ROLLBACK');

$one->rows('BEGIN');
$one->rows("SELECT oauth1.alter_consumer('twin', consumer_secret => 'twin-secret')");
my $two_pid = $two->pid;
$two->start(OAuth1::Shop::consumer_sql());
ok(wait_for_lock($two_pid), 'whoever stores a first secret meanwhile waits');
$one->rows('COMMIT');
unlike($two->finish, qr/ERROR/, 'and then stores it');
$two->rows(OAuth1::Shop::token_sql());
is(slurp_file($file), $first_file, 'one file, made once, also after a rollback');
is(sql('SELECT count(*) FROM oauth1.data_key'), 1, 'one data key');
is(stat($file)->mode & 07777, 0600, 'the file is its owner\'s alone');
ok(!-e "$file.tmp", 'and no half of it is left');
like($first_file, qr/\Aoauth1 master keys 1\nkey m\w{16} \S+Z [0-9a-f]{64} [0-9a-f]{16}\nend\n\z/,
	'it has one key, a first and a last line');
is(OAuth1::Shop::call($node), 200, 'the secrets sign');

is(sql('SELECT kind, current, present, needed_by, fingerprint ~ \'^[0-9a-f]{16}$\', created_at <= now() '
	  . 'FROM oauth1.key_status() ORDER BY kind DESC'),
	"master|t|t|1|t|t\ndata|t|t|3|t|t", 'key_status shows both keys');
my ($master_id, $key_hex, $fingerprint) = $first_file =~ /^key (\S+) \S+ (\S+) (\S+)$/m;
is(sql("SELECT id, fingerprint FROM oauth1.key_status() WHERE kind = 'master'"),
	"$master_id|$fingerprint", 'as the file has it');

# ------------------------------------------------------------------ rotation of the data key

my $kept = session();
is(OAuth1::Shop::call($kept), 200, 'a session that has the old key');
my $before = sql('SELECT string_agg(ciphertext::text, \',\') FROM oauth1.secret');
my $old_key = sql('SELECT id FROM oauth1.data_key');
my $new_key = sql('SELECT oauth1.rotate_key()');
isnt($new_key, $old_key, 'rotate_key makes a new key');
is(sql('SELECT id, current FROM oauth1.data_key'), "$new_key|t", 'and drops the old one');
is(sql("SELECT count(*) FROM oauth1.secret WHERE data_key = '$new_key'"), 3, 'all secrets have it');
is(sql("SELECT count(*) FROM oauth1.secret WHERE '$before'::text LIKE '%' || ciphertext::text || '%'"), 0,
	'none has its old ciphertext');
is(OAuth1::Shop::call($kept), 200, 'the session with the old key goes on');
is(OAuth1::Shop::call($node), 200, 'and so does a new one');
is(slurp_file($file), $first_file, 'the master key is what it was');

# A secret stored meanwhile is not left under the old key, whoever comes first.
$one->rows('BEGIN');
$one->rows(OAuth1::Shop::token_sql('early'));
$two->start('SELECT oauth1.rotate_key()');
ok(wait_for_lock($two_pid), 'rotation waits for who stores a secret');
is(OAuth1::Shop::call($node), 200, 'calls go on meanwhile');
$one->rows('COMMIT');
unlike($two->finish, qr/ERROR/, 'then it rotates');
is(OAuth1::Shop::call($node, token => 'early'), 200, 'with that secret');

$two->rows('BEGIN');
$two->rows('SELECT oauth1.rotate_key()');
my $one_pid = $one->pid;
$one->start(OAuth1::Shop::token_sql('late'));
ok(wait_for_lock($one_pid), 'who stores a secret waits for a rotation');
is(OAuth1::Shop::call($node), 200, 'calls go on meanwhile');
is(OAuth1::Shop::call($two), 200, 'in the rotating transaction as well');
$two->rows('COMMIT');
unlike($one->finish, qr/ERROR/, 'then it is stored');
is(OAuth1::Shop::call($node, token => 'late'), 200, 'under a key that is there');
is(sql('SELECT count(*), count(*) FILTER (WHERE current) FROM oauth1.data_key'), '1|1',
	'one key remains of it all');

# Who has read a secret's row, and comes for its key when that has been rotated away.
my $slow = session();
my $slow_pid = $slow->pid;
$two->rows('BEGIN; LOCK TABLE oauth1.secret IN ACCESS EXCLUSIVE MODE');
$slow->start(OAuth1::Shop::call_sql());
ok(wait_for_lock($slow_pid), 'a call is held up at its first secret');
$two->rows('SELECT oauth1.rotate_key()');
$two->rows('COMMIT');
is($slow->finish, "200\n", 'and reads it again after the rotation');
$slow->quit;

$two->rows('BEGIN');
$two->rows('SELECT oauth1.rotate_key()');
$two->rows('ROLLBACK');
is(OAuth1::Shop::call($two), 200, 'a rotation rolled back leaves the old key in use');

# A snapshot from before a rotation: calls look at what is there now, a write says 40001.
$one->rows('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1');
sql('SELECT oauth1.rotate_key()');
is(OAuth1::Shop::call($one), 200, 'a call in a REPEATABLE READ transaction older than a rotation');
is(($one->error(OAuth1::Shop::token_sql('late')) // {})->{sqlstate}, '40001',
	'but a secret stored there cannot be serialized');
$one->rows('ROLLBACK');
$one->rows('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1');
sql(OAuth1::Shop::token_sql('late'));
is(($one->error('SELECT oauth1.rotate_key()') // {})->{sqlstate}, '40001', 'nor can a rotation');
$one->rows('ROLLBACK');
is(OAuth1::Shop::call($node, token => 'late'), 200, 'nothing came of them');

# ------------------------------------------------------------------ rotation of the master key

my $second = sql('SELECT oauth1.create_master_key()');
my $second_file = slurp_file($file);
like($second_file, qr/\A\Qoauth1 master keys 1\E\nkey \Q$master_id\E .*\nkey \Q$second\E .*\nend\n\z/,
	'a second master key, the first as it was');
is(sql("SELECT current, present, needed_by FROM oauth1.key_status() WHERE id = '$second'"),
	'f|t|0', 'not used yet');
my $refused = error("SELECT oauth1.rotate_master_key('m-nowhere')");
is($refused->{sqlstate}, 'OA005', 'a master key that is not here');
like($refused->{message}, qr/"m-nowhere"/, 'is named');
$before = sql('SELECT string_agg(ciphertext::text, \',\') FROM oauth1.secret');
sql("SELECT oauth1.rotate_master_key('$second')");
is(sql("SELECT current, present, needed_by FROM oauth1.key_status() WHERE kind = 'master' ORDER BY current"),
	"f|t|0\nt|t|1", 'the second wraps the data key now');
is(sql("SELECT string_agg(ciphertext::text, ',') FROM oauth1.secret"), $before,
	'the secrets stay as they are');
put_file($second_file =~ s/^key \Q$master_id\E .*\n//mr);
is(OAuth1::Shop::call($node), 200, 'the first can be taken out of the file');
like(sql('SELECT oauth1.rotate_key()'), qr/^d/, 'a new data key');
is(sql("SELECT needed_by FROM oauth1.key_status() WHERE id = '$second'"), 1,
	'is wrapped by the same master key');
my $good = slurp_file($file);

# ------------------------------------------------------------------ the file, and its faults

my ($good_hex) = $good =~ /^key \S+ \S+ (\S+)/m;
my $other = $first_file =~ s/\Q$master_id\E/$second/r;
my %faults = (
	'missing'             => [ sub { unlink $file }, qr/does not exist/ ],
	'empty'               => [ sub { put_file('') }, qr/does not begin with/ ],
	'cut before its end'  => [ sub { put_file($good =~ s/^end\n//mr) }, qr/truncated/ ],
	'cut in a key'        => [ sub { put_file(substr $good, 0, 90) }, qr/damaged.*line 2/ ],
	'cut in the last line' => [ sub { put_file($good =~ s/end\n\z/en/r) }, qr/damaged.*line 3/ ],
	'with more behind'    => [ sub { put_file("${good}key") }, qr/goes on after/ ],
	'without a key'       => [ sub { put_file("oauth1 master keys 1\nend\n") }, qr/holds no key/ ],
	'with a wrong digit'  => [ sub { put_file($good =~ s/(?<=Z )(.)/$1 eq '0' ? '1' : '0'/er) },
		qr/damaged.*line 2/ ],
	'with an id twice'    => [ sub { put_file($good =~ s/^(key .*\n)/$1$1/mr) }, qr/repeats an id.*line 3/ ],
	'of a later version'  => [ sub { put_file($good =~ s/keys 1/keys 2/r) }, qr/does not begin with/ ],
	'too large'           => [ sub { put_file($good . ' ' x 70000) }, qr/too large/ ],
	'with a NUL'          => [ sub { put_file($good =~ s/\nend/\0\nend/r) }, qr/truncated/ ],
	'group-readable'      => [ sub { put_file($good, 0640) }, qr/group or world access/ ],
	'world-readable'      => [ sub { put_file($good, 0604) }, qr/group or world access/ ],
	'not readable'        => [ sub { put_file($good, 0200) }, qr/Could not open/ ],
	'a folder'            => [ sub { unlink $file; mkdir $file, 0700 or die $! }, qr/not a regular file/ ],
	'a pipe'              => [ sub { unlink $file; system('mkfifo', '-m', '600', $file) }, qr/not a regular file/ ],
	'a symbolic link'     => [ sub { put_file($good); rename $file, "$file.away"; symlink "$file.away", $file },
		qr/symbolic link/ ],
	'of another key'      => [ sub { put_file($other) }, qr/another key has that id/ ],
	'without that key'    => [ sub { put_file($first_file) }, qr/does not hold it/ ],
);
foreach my $fault (sort keys %faults)
{
	my ($make, $reason) = @{ $faults{$fault} };
	$make->();
	my $error = OAuth1::Shop::refusal($node);
	is($error->{sqlstate}, 'OA005', "file $fault: OA005");
	like($error->{message}, qr/secret of .*consumer "shop"/, '... names the secret');
	like($error->{detail}, $reason, '... says why');
	like($error->{detail}, qr/"\Q$second\E"/, '... names the key that is needed');
	unlike($error->{text}, qr/\Q$good_hex\E/i, '... and never shows it');
	my $status = session()->query("SELECT present, fingerprint IS NULL FROM oauth1.key_status() "
		  . "WHERE id = '$second' OR kind = 'data'");
	like($status, $fault eq 'of another key' ? qr/^t\|f\nf\|t$/m : qr/^f\|t\nf\|t$/m,
		'... and key_status shows what is not here');
	like($status, qr/^WARNING: .*\n^DETAIL: .*$reason/m, '... and why')
	  unless $reason =~ /another key|not hold/;
	rmdir $file if -d $file && !-l $file;
}
unlink $file, "$file.away";

# What is stored already is under a key that is missing: a second file would hide that.
is(error(OAuth1::Shop::token_sql())->{sqlstate}, 'OA005', 'no secret is stored while the file is missing');
is(error('SELECT oauth1.rotate_key()')->{sqlstate}, 'OA005', 'no key rotated');
is(error("SELECT oauth1.rotate_master_key('$second')")->{sqlstate}, 'OA005', 'nor wrapped');
is(error('SELECT oauth1.create_master_key()')->{sqlstate}, 'OA005', 'no master key made');
ok(!-e $file, 'and no file');
put_file($good);
is(OAuth1::Shop::call($node), 200, 'with the file back all is well');

# What a crash left of an earlier try is in nobody's way.
append_to_file("$file.tmp", 'half');
sql('SELECT oauth1.create_master_key()');
like(slurp_file($file), qr/\A\Q@{[ $good =~ s{end\n\z}{}r ]}\Ekey .*\nend\n\z/, 'a key is added over a half file');
ok(!-e "$file.tmp", 'which is gone');
my $read_only = session();
$read_only->rows('BEGIN READ ONLY');
foreach my $call ('rotate_key()', 'create_master_key()', "rotate_master_key('$second')", "rebind_consumer('shop')")
{
	$read_only->rows('SAVEPOINT s');
	is(($read_only->error("SELECT oauth1.$call") // {})->{sqlstate}, '25006', "$call in a read-only transaction");
	$read_only->rows('ROLLBACK TO s');
}
is($read_only->rows("SELECT bool_and(present) FROM oauth1.key_status()"), 't', 'key_status runs there');
is(OAuth1::Shop::call($read_only), 200, 'and so does a call');
$read_only->quit;

# ------------------------------------------------------------------ the file elsewhere

my $elsewhere = PostgreSQL::Test::Utils::tempdir . '/keys';
put_file($good);
rename $file, $elsewhere or die "$elsewhere: $!";
$node->append_conf('postgresql.conf', "oauth1.key_file = '$elsewhere'");
$node->reload;
ok($node->poll_query_until('postgres', "SELECT current_setting('oauth1.key_file') = '$elsewhere'"),
	'oauth1.key_file takes effect with a reload');
is(OAuth1::Shop::call($node), 200, 'an absolute path');

# ------------------------------------------------------------------ the command

sub use_command
{
	my ($command) = @_;
	$node->append_conf('postgresql.conf', "oauth1.key_command = '$command'");
	$node->reload;
	$node->poll_query_until('postgres',
		"SELECT current_setting('oauth1.key_command') = \$x\$$command\$x\$") or die 'no reload';
	return;
}

# The file is not where the command takes the keys from, so none of this can come from there.
my $vault = PostgreSQL::Test::Utils::tempdir . '/vault';
rename $elsewhere, $vault or die "$vault: $!";
use_command("cat $vault");
is(OAuth1::Shop::call($node), 200, 'oauth1.key_command prints the keys');
is(error('SELECT oauth1.create_master_key()')->{sqlstate}, '55000', 'where no key can be made');
is(sql("SELECT present FROM oauth1.key_status() WHERE kind = 'data'"), 't', 'key_status asks it too');

my %commands = (
	"cat $vault; exit 3"          => qr/failed: child process exited with exit code 3/,
	"cat $vault; kill -9 \$\$"    => qr/failed: child process was terminated by signal 9/,
	"/nonexistent/program"        => qr/failed: command not found/,
	"grep -v end $vault"          => qr/The output of oauth1.key_command is truncated/,
	"sed s/^key/kex/ $vault"      => qr/The output of oauth1.key_command is damaged/,
	"true"                        => qr/does not begin with/,
	"cat $vault; yes"             => qr/too long/,
	"cat $vault $vault"           => qr/goes on after/,
);
foreach my $command (sort keys %commands)
{
	use_command($command);
	my $error = OAuth1::Shop::refusal($node);
	is($error->{sqlstate}, 'OA005', "\"$command\": OA005");
	like($error->{detail}, $commands{$command}, '... says why');
	like($error->{hint}, qr/program must print|Try the command/, '... and what to look at');
	unlike($error->{text}, qr/\Q$good_hex\E|kex/i, '... without a word of the output');
}

# A program that hangs ends with the statement, and with everything it started.
my $marks = PostgreSQL::Test::Utils::tempdir . '/pid';
use_command("echo \$\$ > $marks; sleep 300 & sleep 300");
my $started = time;
my $cancelled = session()->error("SET statement_timeout = '1s'; " . OAuth1::Shop::call_sql());
is($cancelled->{sqlstate}, '57014', 'a cancel ends the wait for a program');
ok(time - $started < 10, 'at once');
my ($group) = slurp_file($marks) =~ /(\d+)/;
my $tries = 100;
while (kill(0, -$group) && $tries--) { select undef, undef, undef, 0.05; }
ok(!kill(0, -$group), 'and the program with it');
use_command("cat $vault");

# ------------------------------------------------------------------ what a secret is bound to

my %attacks = (
	'another consumer\'s secret' =>
	  "UPDATE oauth1.secret SET ciphertext = (SELECT ciphertext FROM oauth1.secret WHERE consumer = 'twin') "
	  . "WHERE consumer = 'shop' AND kind = 'consumer_secret'",
	'another token\'s secret' =>
	  "UPDATE oauth1.secret SET ciphertext = (SELECT ciphertext FROM oauth1.secret WHERE slot = 'late') "
	  . "WHERE slot = 'default'",
	'a secret of another kind' =>
	  "UPDATE oauth1.secret SET ciphertext = (SELECT ciphertext FROM oauth1.secret WHERE consumer = 'shop' AND kind = 'consumer_secret') "
	  . "WHERE slot = 'default'",
	'an altered octet' =>
	  "UPDATE oauth1.secret SET ciphertext = set_byte(ciphertext, 20, get_byte(ciphertext, 20) # 1) WHERE slot = 'default'",
	'an altered format' =>
	  "UPDATE oauth1.secret SET ciphertext = set_byte(ciphertext, 0, 2) WHERE slot = 'default'",
	'a cut ciphertext' =>
	  "UPDATE oauth1.secret SET ciphertext = substr(ciphertext, 1, 20) WHERE slot = 'default'",
	'no ciphertext' =>
	  "UPDATE oauth1.secret SET ciphertext = '' WHERE slot = 'default'",
	'a destination written over' =>
	  "WITH p AS (UPDATE oauth1.provider SET signature_method = 'PLAINTEXT') "
	  . "UPDATE oauth1.secret SET destination = replace(destination, 'plaintext=no', 'plaintext=yes')",
);
foreach my $attack (sort keys %attacks)
{
	my $session = session();
	$session->rows('BEGIN');
	$session->rows($attacks{$attack});
	my $error = OAuth1::Shop::refusal($session);
	is($error->{sqlstate}, 'OA005', "$attack: OA005");
	like($error->{message}, qr/cannot decrypt the (consumer|token) secret of/, '... names the secret');
	like($error->{detail}, qr/data key "d\w+": it was altered, or moved/, '... and its key');
	unlike($error->{text}, qr/shop-(?:consumer|token)-secret|twin-secret/, '... and shows none');
}
my $unreadable = session();
$unreadable->rows('BEGIN');
$unreadable->rows($attacks{'an altered octet'});
$unreadable->rows('SAVEPOINT s');
foreach my $call ('rotate_key()', "rebind_consumer('shop')")
{
	my $error = $unreadable->error("SELECT oauth1.$call") // { sqlstate => 'none' };
	is($error->{sqlstate}, 'OA005', "$call where a secret does not open: OA005");
	like($error->{message}, qr/token secret of token "default" of consumer "shop"/, '... names it');
	$unreadable->rows('ROLLBACK TO s');
	is(OAuth1::Shop::call($unreadable, token => 'late'), 200, '... and changes nothing');
}
$unreadable->quit;
is(OAuth1::Shop::call($node), 200, 'rolled back, all is well');

my $wrong_key = session();
$wrong_key->rows('BEGIN');
$wrong_key->rows("UPDATE oauth1.data_key SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)");
my $broken = OAuth1::Shop::refusal($wrong_key);
is($broken->{sqlstate}, 'OA005', 'an altered data key: OA005');
like($broken->{detail}, qr/Data key "d\w+" does not open with the master key "\Q$second\E"/, '... both are named');
$wrong_key->quit;

# A provider that points elsewhere takes no secret along.
my $there = $service->url('/') =~ s/localhost/127.0.0.1/r;
like(session()->query("SELECT oauth1.alter_provider('shop', api_urls => ARRAY['$there'])"),
	qr/^NOTICE: .*\b\d secrets/m, 'alter_provider says how many secrets that concerns');
my $moved = OAuth1::Shop::refusal($node);
is($moved->{sqlstate}, 'OA005', 'a provider pointed elsewhere: OA005');
like($moved->{detail}, qr/stored for https:\/\/localhost:\d+ .*would now go to https:\/\/127\.0\.0\.1:/,
	'... says from where to where');
like($moved->{hint}, qr/rebind_consumer/, '... and the way out');
sql('SELECT oauth1.rotate_key()');
is(OAuth1::Shop::call($node), 'OA005', 'rotation binds nothing anew');
sql("SELECT oauth1.alter_provider('shop', api_urls => ARRAY['@{[ $service->url('/') ]}'])");
is(OAuth1::Shop::call($node), 200, 'pointed back, the rotated secrets sign');

sql('CREATE ROLE admin LOGIN; GRANT EXECUTE ON FUNCTION oauth1.rebind_consumer(text), oauth1.rotate_key() TO admin');
sql('CREATE ROLE stranger LOGIN');
sql("SELECT oauth1.alter_provider('shop', api_urls => ARRAY['$there'])");
my $admin = session(user => 'admin');
is(($admin->error("SELECT oauth1.rebind_consumer('shop')") // {})->{sqlstate}, '42501',
	'rebind_consumer needs a superuser, whoever may execute it');
like($admin->rows('SELECT oauth1.rotate_key()'), qr/^d/, 'rotate_key works for whom it is granted to');
is(sql("SELECT oauth1.rebind_consumer('shop')"),
	sql("SELECT count(*) FROM oauth1.secret WHERE consumer = 'shop'"), 'rebind_consumer, with the tokens');
is(OAuth1::Shop::call($node), 200, 'they sign for the new place');
is(sql("SELECT count(*) FROM oauth1.secret WHERE consumer = 'twin' AND destination LIKE '%localhost%'"), 1,
	'another consumer\'s stay where they were');
is(error("SELECT oauth1.rebind_consumer('nobody')")->{sqlstate}, 'OA007', 'of no consumer');

my $stranger = session(user => 'stranger');
foreach my $call ('rotate_key()', 'create_master_key()', "rotate_master_key('x')", 'key_status()',
	"rebind_consumer('shop')")
{
	is(($stranger->error("SELECT * FROM oauth1.$call") // {})->{sqlstate}, '42501', "$call is not everybody's");
}

$_->quit foreach $one, $two, $kept, $admin, $stranger;
$node->stop;
done_testing();
