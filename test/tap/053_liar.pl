# A server that lies: each recorded answer has its outcome, in time, within its memory, and the
# next call gets its own answer.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use OAuth1::Answers;
use OAuth1::Liar;
use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Session;

# How much later than its timeout a call may end, in seconds.
my $at_once = 0.25;

# What a call may take beside the limit on its body, in kB.
my $slack = 8192;

# An answer with a shorter timeout, in ms, will use it up.
my $slow_from = 2000;

# Of a batch.
my $concurrency = 8;

# So much of an outcome is shown that was not wanted.
my $shown = 400;

my $calls = 0;
my @arrived;
my $liar = OAuth1::Liar->start;
my @answers = OAuth1::Answers::all();
my $node = OAuth1::Node->start('main',
	settings => [
		"oauth1.ca_file = '" . $liar->ca . "'", 'oauth1.allow_http = on', 'oauth1.allow_private_addresses = on'
	]);
my @sessions = map { OAuth1::Session->new($node) } 1 .. 6;
$_->{backend} = $_->pid foreach @sessions;

# ---------------------------------------------------------------- helpers

# Every place where an answer is, and nothing else, is where calls may go.
sub register
{
	my $session = $sessions[0];
	my %origins = map { OAuth1::Answers::url($_, $liar) =~ m{^(\w+://[^/]+/)} ? ($1 => 1) : () } @answers;
	my $urls = join ', ', map { quote($_) } sort keys %origins;
	$session->rows("SELECT oauth1.create_provider('liar', ARRAY[$urls], allow_http => true)");
	$session->rows(q{SELECT oauth1.create_consumer('liar', 'liar', 'key', 'secret')});
	return;
}

sub call_sql
{
	my ($url, $method, $timeout) = @_;
	my $body = $method eq 'POST' ? ", body => 'a=b'" : '';
	return 'oauth1.http_' . lc($method) . "('liar', " . quote($url) . "$body, token => '', timeout_ms => $timeout)";
}

# What a statement printed, in the words of the corpus: "SQLSTATE message: detail", "200 none" ...
sub outcome_of
{
	my ($text) = @_;
	my $error = OAuth1::Session::parse($text);
	return "$error->{sqlstate} $error->{message}: $error->{detail}" if $error;
	return "no row: $text" unless $text =~ /^\{/;
	# Session gives characters, decode_json takes octets.
	utf8::encode(my $octets = $text);
	my $row = decode_json($octets);
	return "$row->{sqlstate} $row->{error}" if defined $row->{sqlstate};
	return "$row->{status} bytes " . (length($row->{body_bytes}) - 2) / 2 if defined $row->{body_bytes};
	return "$row->{status} none" unless defined $row->{body};
	return "$row->{status} text " . escaped($row->{body});
}

sub escaped
{
	my ($text) = @_;
	my %named = ("\r" => '\r', "\n" => '\n', "\t" => '\t', '\\' => '\\\\');
	utf8::encode($text);
	$text =~ s/([\\\x00-\x1f\x7f-\xff])/$named{$1} \/\/ sprintf '\\x%02x', ord $1/ge;
	return $text;
}

# Of an error the corpus tells a part, of a body maybe its length or its beginning.
sub is_outcome
{
	my ($got, $wanted, $what) = @_;
	my ($head, $kind, $rest) = $wanted =~ /^(\S+) (\S+)(?: (.*))?/;
	my $good = $got eq $wanted;
	if ($head !~ /^\d{3}$/)
	{
		$good = index($got, "$head ") == 0 && index($got, substr $wanted, length "$head ") > 0;
	}
	elsif ($kind eq 'starts')
	{
		$good = index($got, "$head text $rest") == 0;
	}
	elsif ($kind eq 'length')
	{
		$good = $got =~ /^$head text (.*)/ && $rest == length $1;
	}
	ok($good, "$what: $wanted") or diag("$what is: " . substr $got, 0, $shown);
	return;
}

sub kilobytes
{
	my ($size) = @_;
	return $size =~ /^(\d+)kB$/ ? $1 : 1024 * ($size =~ /^(\d+)MB$/)[0];
}

# The most a process had in memory since the last time, and what it has now, in kB.
sub memory
{
	my ($pid) = @_;
	my $status = slurp_file("/proc/$pid/status");
	my %kilobytes = map { $_ => $status =~ /^$_:\s+(\d+) kB/m } qw(VmHWM VmRSS);
	open my $file, '>', "/proc/$pid/clear_refs" or die "clear_refs: $!";
	print $file 5;
	close $file or die "clear_refs: $!";
	return @kilobytes{qw(VmHWM VmRSS)};
}

# ---------------------------------------------------------------- one call after the other

# The fields of a response that the corpus wants.
sub check_headers
{
	my ($text, $answer, $what) = @_;
	utf8::encode(my $octets = $text);
	my $headers = decode_json($octets)->{headers};
	foreach my $field (@{ $answer->{headers} })
	{
		my ($name, $value) = @$field;
		is(escaped($headers->{$name} // '-'), $value, "$what: $name");
	}
	return;
}

# What arrived for a path the last time; also counts it.
sub arrived
{
	my ($path) = @_;
	push @arrived, $liar->news;
	my @requests = grep { $_->{target} eq $path } @arrived;
	return @requests ? { %{ $requests[-1] }, times => scalar @requests } : undef;
}

# The next call to the same server is answered with what it asked itself, over another connection
# where the old one cannot be trusted. What arrived nowhere has no next.
sub try_next
{
	my ($run) = @_;
	my ($answer, $what) = @$run{qw(answer what)};
	my $lie = arrived("/$answer->{name}") or return;
	sleep(($answer->{pause} // 0) / 1000);
	my $path = '/next' . ++$calls;
	my $url = OAuth1::Answers::url($answer, $liar) =~ s{/\w+$}{$path}r;
	is($run->{session}->query("SELECT split_part(body, ' ', 2) FROM " . call_sql($url, 'GET', 2000)),
		"$path\n", "$what: the next call gets its own answer");
	my $next = arrived($path);
	is($next->{times} // 0, 1, "$what: it is sent once");
	is($next && $next->{connection} == $lie->{connection} ? 'kept' : 'new',
		$answer->{keeps} ? 'kept' : 'new', "$what: the connection after it");
	return;
}

# Asks for an answer.
sub begin
{
	my ($session, $answer, $method) = @_;
	my %run = (session => $session, answer => $answer, method => $method, what => "$answer->{name}, $method");
	my $sql = call_sql(OAuth1::Answers::url($answer, $liar), $method, $answer->{timeout});
	$session->rows("SET oauth1.max_response_size = '$answer->{limit}'");
	(undef, $run{memory}) = memory($session->{backend});
	$run{start} = time;
	$session->start("SELECT row_to_json(r) FROM $sql r");
	return \%run;
}

# Looks at what came, and asks for something good at the same place.
sub conclude
{
	my ($run) = @_;
	my ($session, $answer, $what) = @$run{qw(session answer what)};
	my $text = $session->finish;
	my $took = time - $run->{start};
	my ($highest) = memory($session->{backend});

	is_outcome(outcome_of($text), OAuth1::Answers::outcome($answer, $run->{method}), $what);
	cmp_ok($took, '<', $answer->{timeout} / 1000 + $at_once, "$what: in time");
	cmp_ok($highest - $run->{memory}, '<', kilobytes($answer->{limit}) + $slack, "$what: within its memory");
	check_headers($text, $answer, $what) if @{ $answer->{headers} };
	return;
}

# Calls at the same time, one a session.
sub together
{
	my (@calls) = @_;
	my @runs = map { begin($sessions[$_], @{ $calls[$_] }) } 0 .. $#calls;
	conclude($_) foreach @runs;
	try_next($_) foreach @runs;
	return;
}

register();
my @calls = map { my $answer = $_; map { [ $answer, $_ ] } OAuth1::Answers::methods($answer) } @answers;
together($_) foreach grep { $_->[0]{timeout} >= $slow_from } @calls;
# Those that take the whole of a short timeout, several at once.
my @slow = sort { $a->[0]{timeout} <=> $b->[0]{timeout} } grep { $_->[0]{timeout} < $slow_from } @calls;
together(splice @slow, 0, scalar @sessions) while @slow;

# ---------------------------------------------------------------- in a batch

# A lie fails its own row; between two of them stands a call that does not. Their time is twice that
# of a call by itself: what floods the session takes some of it from the others.
sub batch
{
	my (@calls) = @_;
	my ($answer) = @{ $calls[0] };
	my $timeout = 2 * $answer->{timeout};
	my $session = $sessions[0];
	my $first = $calls + 1;
	my @requests = map {
		my $url = OAuth1::Answers::url($_->[0], $liar);
		my $good = $liar->url('/next' . ++$calls, 'http', 'localhost');
		("oauth1.request('$_->[1]', " . quote($url) . ')', "oauth1.request('GET', " . quote($good) . ')');
	} @calls;
	$session->rows("SET oauth1.max_response_size = '$answer->{limit}'");
	(undef, my $before) = memory($session->{backend});
	my $start = time;
	my @rows = split /\n/, $session->query('SELECT row_to_json(r) FROM oauth1.http_batch(\'liar\', ARRAY['
		  . join(', ', @requests) . "], token => '', concurrency => $concurrency, timeout_ms => $timeout) r");
	my $took = time - $start;
	my ($highest) = memory($session->{backend});
	my $what = "a batch of $timeout ms, $answer->{limit}";

	my %rows = map { /^\{"n":(\d+),/ ? ($1 => $_) : () } @rows;
	is(scalar keys %rows, scalar @requests, "$what: has all its rows");
	foreach my $i (0 .. $#calls)
	{
		my ($lie, $method) = @{ $calls[$i] };
		is_outcome(outcome_of($rows{ 2 * $i + 1 } // ''), OAuth1::Answers::outcome($lie, $method), "$lie->{name}, $method, in a batch");
		like(outcome_of($rows{ 2 * $i + 2 } // ''), qr{^200 text GET /next@{[ $first + $i ]} }, "the row after $lie->{name}, $method");
	}
	my $rounds = 1 + int(@requests / $concurrency);
	cmp_ok($took, '<', $rounds * ($timeout / 1000 + $at_once), "$what: in time");
	cmp_ok($highest - $before, '<', $concurrency * kilobytes($answer->{limit}) + $slack, "$what: within its memory");
	return;
}

# An answer that goes on behind its end is not tried: what comes before the next request can be told
# from an answer to that, what comes behind it cannot. Nor is POST, for which a connection that is
# closed behind an answer is one on which it was sent, and no answer came.
my %batches;
push @{ $batches{"$_->[0]{timeout} $_->[0]{limit}"} }, $_ foreach grep { !$_->[0]{pause} && $_->[1] ne 'POST' } @calls;
batch(@{ $batches{$_} }) foreach sort keys %batches;

# ---------------------------------------------------------------- as a page

# The first page is good, and leads to a lie.
sub second_page
{
	my ($session, $answer) = @_;
	my $what = "$answer->{name}, as the second page";
	my $url = $liar->url('/link?' . OAuth1::Answers::url($answer, $liar), 'http', 'localhost');
	$session->rows("SET oauth1.max_response_size = '$answer->{limit}'");
	my $pages = "SELECT row_to_json(r) FROM oauth1.http_pages('liar', " . quote($url) . ", token => '', timeout_ms => $answer->{timeout}) r";
	my $start = time;
	my $text = $session->query("BEGIN; DECLARE p NO SCROLL CURSOR FOR $pages; FETCH 1 FROM p; FETCH 1 FROM p; ROLLBACK");
	my $took = time - $start;
	my ($one, $two) = split /\n/, $text, 2;
	is(outcome_of($one), '200 text ok', "$what: the first is there");
	is_outcome(outcome_of($two), OAuth1::Answers::outcome($answer, 'GET'), $what);
	cmp_ok($took, '<', 2 * $answer->{timeout} / 1000 + $at_once, "$what: in time");
	sleep(($answer->{pause} // 0) / 1000);
	return;
}

second_page($sessions[1], $_) foreach grep { !$_->{method} } @answers;

is($_->pid, $_->{backend}, 'a session is the same to the end') foreach @sessions;

done_testing();
