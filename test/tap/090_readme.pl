# README.md's and docs/reference.md's SQL, run as it stands, in order, in one session.
#
# A line "--> ..." after a statement is what psql prints (-A -t -F ' | '), or a NOTICE; three dots
# in it stand for anything. The services are those of test/readme/serve, under their real names.
# A block that begins with ```sql below shows what a later one repeats and runs.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use HTTP::Tiny;
use IPC::Run ();
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Service;

my $root = "$FindBin::RealBin/../..";
my $service = start_service();
my $node = start_node();

run_document('README.md');
check_previews();
check_queue();
run_jobs();
check_settings();
run_document('docs/reference.md');

my @refused = grep { ($_->{verdict} // 'ok') ne 'ok' } $service->ledger;
is_deeply([ map { "$_->{target}: $_->{verdict}" } @refused ],
	[], 'the services verified every request');

done_testing();

# The services of README.md, as an OAuth1::Service.
sub start_service
{
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my $pid = open my $output, '-|', "$root/test/readme/serve", '--dir', "$folder/service";
	die "could not start the services" unless $pid;
	my $ready = <$output>;
	die "the services did not get ready" unless defined $ready;
	return bless { %{ decode_json($ready) }, pid => $pid, output => $output }, 'OAuth1::Service';
}

# A server as a user has one: no library preloaded but pg_cron, the extension not created. Only
# the way to the services is set, and their CA.
sub start_node
{
	my $made = PostgreSQL::Test::Cluster->new('readme');

	$made->init;
	$made->append_conf('postgresql.conf', join "\n",
		"shared_preload_libraries = 'pg_cron'", "cron.database_name = 'postgres'",
		"oauth1.proxy = '$service->{proxy}'", "oauth1.ca_file = '" . $service->ca . "'", '');
	$made->start;
	return $made;
}

# The sql blocks of a document, cut behind each run of "-->" lines: { line, text, expected }.
sub pieces
{
	my ($path) = @_;
	my (@pieces, $inside, $current);
	my $number = 0;

	foreach my $line (split /\n/, slurp_file("$root/$path"))
	{
		$number++;
		if ($line =~ /^```/)
		{
			$inside = $line eq '```sql';
			undef $current;
			next;
		}
		next unless $inside;
		undef $current if $current && @{ $current->{expected} } && $line !~ /^-->/;
		if (!$current)
		{
			$current = { line => $number, text => '', expected => [] };
			push @pieces, $current;
		}
		$current->{text} .= "$line\n";
		push @{ $current->{expected} }, $1 if $line =~ /^--> (.*)/;
	}
	return @pieces;
}

# psql on all pieces in one session, each behind a marker: its stdout and stderr. Where it asks
# for the URL that the browser was sent to, or shows one that is to be opened, there is a user with
# a browser.
sub psql
{
	my (@pieces) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir . '/script.sql';
	my ($in, $out, $err) = ('', '', '');
	my ($prompt) = map { $_->{text} =~ /^\\prompt '([^']*)'/m ? $1 : () } @pieces;

	append_to_file($script, join '', map { "\\echo \@\@$_\n$pieces[$_]{text}" } 0 .. $#pieces);
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	my $psql = IPC::Run::start(
		[
			'psql', '-X', '-q', '-A', '-t', '-F', ' | ', '-v', 'ON_ERROR_STOP=1',
			'-d', $node->connstr('postgres'), '-f', $script
		],
		'<', \$in, '>', \$out, '2>', \$err,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	while ($psql->pumpable)
	{
		$psql->pump;
		come_back($1) while $err =~ /open this URL in a browser: (\S+)\n/gc;
		next unless defined $prompt && $out =~ s/\Q$prompt\E\z//;
		$in .= callback($out) . "\n";
		undef $prompt;
	}
	$psql->finish;
	return ($psql->result(0), $out, $err);
}

# The user opens the last authorize URL that was shown, and presses Allow. The name in it leads
# nowhere without the proxy, so the browser is given the service's port.
sub callback
{
	my ($out) = @_;
	my ($query) = $out =~ m{.*https://\S+?/oauth/authorize(\?\S+)}s
	  or die "no authorize URL in: $out";
	return $service->approve("$service->{https}/oauth/authorize$query", user => 'alice');
}

# The same, and the browser goes where it is sent.
sub come_back
{
	my ($url) = @_;
	my $page = HTTP::Tiny->new->get(callback($url));
	like($page->{content}, qr/It worked/, 'the browser that came back is told so');
	return;
}

sub run_document
{
	my ($path) = @_;
	my @pieces = pieces($path);
	my ($status, $out, $err) = psql(@pieces);
	my @said = split /^\@\@\d+\n/m, $out;
	shift @said;

	is($status, 0, "$path: its SQL runs as it stands") or diag($err);
	cmp_ok(scalar(grep { @{ $_->{expected} } } @pieces), '>', 5, "$path: it shows results");
	check_piece($path, $pieces[$_], $said[$_] // '', $err) foreach 0 .. $#pieces;
	return;
}

# A notice stands on stderr; everything else is all that the piece printed, blank lines (of
# functions that return void) left out.
sub check_piece
{
	my ($path, $piece, $said, $err) = @_;
	my @expected = grep { !/^NOTICE:/ } @{ $piece->{expected} };
	my @lines = grep { $_ ne '' } split /\n/, $said;
	my $where = "$path:$piece->{line}";

	like($err, qr/^.*?@{[ pattern($_) ]}$/m, "$where: the notice")
	  foreach grep { /^NOTICE:/ } @{ $piece->{expected} };
	return unless @expected;
	my $pattern = join '\n', map { pattern($_) } @expected;
	like(join("\n", @lines), qr/\A$pattern\z/, "$where: what it prints");
	return;
}

# A regexp for a line in which three dots stand for anything.
sub pattern
{
	my ($line) = @_;
	return join '.*', map { quotemeta } split /\.\.\./, $line, -1;
}

# What is shown before it can be run is run later.
sub check_previews
{
	my $text = slurp_file("$root/README.md");
	my @shown = $text =~ /^```sql below\n(.*?)^```$/msg;
	my @run = $text =~ /^```sql\n(.*?)^```$/msg;

	cmp_ok(scalar @shown, '>', 0, 'README.md: a preview is found');
	foreach my $preview (@shown)
	{
		ok((grep { index($_, $preview) >= 0 } @run), 'README.md: a preview is run below');
	}
	return;
}

# What README.md enqueued: both calls end, and its on_done fills the column.
sub check_queue
{
	ok($node->poll_query_until('postgres',
			q(SELECT count(*) = 2 AND bool_and(state = 'done') FROM oauth1.calls)),
		'the calls that were enqueued are sent');
	ok($node->poll_query_until('postgres', 'SELECT price = 95.5 FROM orders'),
		'on_done fills the column');
	return;
}

# What README.md scheduled, run as its role without the wait for pg_cron.
sub run_jobs
{
	my %job = map { split /\x01/ } split /\x02/,
	  $node->safe_psql('postgres', q(SELECT string_agg(concat_ws(E'\x01', jobname,
		concat(CASE WHEN username <> current_user THEN format('SET ROLE %I; ', username) END,
			command)), E'\x02') FROM cron.job));

	is(join(' ', sort keys %job), 'drain stock', 'there are two jobs');
	like($job{stock}, qr/^SET ROLE analyst;/, 'a job is the role\'s that scheduled it');
	$node->safe_psql('postgres', $job{$_}) foreach sort keys %job;
	is($node->safe_psql('postgres', 'SELECT count(*) FROM stock'), '8', 'the job stores rows');
	return;
}

# The table of settings is the server's own: names, defaults, who may set it.
sub check_settings
{
	my %context = ('anybody' => 'user', 'superuser' => 'superuser', 'configuration' => 'sighup');
	my @said = map { /^\| `(oauth1\.\w+)` \| (.*?) \| (\w+) \|/ ? [ $1, $2, $context{$3} ] : () }
	  split /\n/, slurp_file("$root/README.md");
	my @there = map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('postgres', q(
		LOAD 'oauth1';
		SELECT name, coalesce(boot_val, '') || coalesce(unit, ''), context FROM pg_settings
		WHERE name LIKE 'oauth1.%' ORDER BY name));

	$_->[1] = base_unit($_->[1]) foreach @said;
	is_deeply([ sort { $a->[0] cmp $b->[0] } @said ], \@there, 'README.md: the settings');
	return;
}

# "`10s`" as "10000ms", "`7d`" as "604800s", "`64MB`" as "65536kB"; other defaults as they stand,
# "empty" as "".
sub base_unit
{
	my ($default) = @_;
	return '' if $default eq 'empty';
	$default =~ s/^`(.*)`$/$1/;
	return $1 * 1000 . 'ms' if $default =~ /^(\d+)s$/;
	return $1 * 86400 . 's' if $default =~ /^(\d+)d$/;
	return $1 * 1024 . 'kB' if $default =~ /^(\d+)MB$/;
	return $default;
}
