# A server in a network that leads nowhere, in which every attempt to reach an address is seen,
# and a service is at every address. To be used before all other modules: the test begins again
# inside a namespace, where it can have one.
#
#   use OAuth1::Nowhere;
#   my $nowhere = OAuth1::Nowhere->start(names => { 'one.test' => ['192.0.2.1'] });
#   {
#       local %ENV = (%ENV, $nowhere->environment);
#       $node = ...
#   }
#   my @attempts = $nowhere->attempts;      # since the last time: 'tcp 192.0.2.1 80', ...
#   my @requests = $nowhere->requests;      # since the last time, see test/provider/ledger.py
#   $nowhere->ca;
#
# A name has several lists of addresses where each lookup is to be answered with the next one:
# [[...], [...]].
#
# Where users may not make a network namespace, attempts are seen and led to loopback by a connect
# that is preloaded into the server (watched.c); the test says so. OAUTH1_NO_NAMESPACE asks for that.
package OAuth1::Nowhere;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp ();
use IO::Socket::INET;
use JSON::PP qw(decode_json);
use Time::HiRes qw(sleep time);

my $lib = abs_path(dirname(__FILE__) . '/..');
my $provider = abs_path("$lib/../../provider");

# Where the end of what is to be read is marked: nobody is there.
my $mark_address = '192.0.2.254';

# What is preloaded into every process must not be there before the network is.
sub import
{
	return if $ENV{OAUTH1_WATCHED} || $ENV{OAUTH1_NO_NAMESPACE};
	my @namespace = qw(unshare --user --map-root-user --net);
	return if system("@namespace ip link set lo up 2>/dev/null") != 0;
	my (undef, $log) = File::Temp::tempfile('watchedXXXXXX', TMPDIR => 1);
	my ($gid) = $( =~ /^(\d+)/;
	exec @namespace, '--', "$provider/nowhere", $log, $<, $gid, $^X, (map { "-I$_" } @INC), $0
	  or die "unshare: $!";
}

sub start
{
	my ($class, %options) = @_;
	require PostgreSQL::Test::Utils;
	require Test::More;
	my $self = bless { folder => PostgreSQL::Test::Utils::tempdir(), marks => 0, seen => {} }, $class;
	$self->{namespace} = !!$ENV{OAUTH1_WATCHED};
	$self->{watched} = $ENV{OAUTH1_WATCHED} // "$self->{folder}/watched";
	Test::More::diag('No network namespace here: attempts are counted at connect(), not on the wire.')
	  unless $self->{namespace};
	$self->start_service;
	$self->write_names(%{ $options{names} });
	$self->build($_) foreach $self->{namespace} ? ('names') : ('names', 'watched');
	return $self;
}

sub start_service
{
	my ($self) = @_;
	my @command = ("$provider/everywhere", '--dir', "$self->{folder}/everywhere");
	push @command, '--loopback' unless $self->{namespace};
	$self->{pid} = open $self->{output}, '-|', @command or die "could not start $command[0]: $!";
	my $ready = readline $self->{output};
	die "$command[0] did not get ready" unless defined $ready;
	$self->{service} = decode_json($ready);
	return;
}

sub write_names
{
	my ($self, %names) = @_;
	open my $file, '>', "$self->{folder}/names" or die "names: $!";
	foreach my $name (sort keys %names)
	{
		my @lists = ref $names{$name}[0] ? @{ $names{$name} } : $names{$name};
		print $file "$name @$_\n" foreach @lists;
	}
	close $file or die "names: $!";
	return;
}

sub build
{
	my ($self, $name) = @_;
	my $library = "$self->{folder}/$name.so";
	PostgreSQL::Test::Utils::system_or_bail('gcc', '-shared', '-fPIC', '-o', $library, "$lib/$name.c", '-ldl');
	push @{ $self->{libraries} }, $library;
	return;
}

# For the server.
sub environment
{
	my ($self) = @_;
	return (
		LD_PRELOAD => join(' ', @{ $self->{libraries} }),
		OAUTH1_NAMES => "$self->{folder}/names",
		OAUTH1_LOOKUPS => "$self->{folder}/lookups",
		OAUTH1_WATCHED => $self->{watched},
		OAUTH1_PORT_80 => $self->{service}{http},
		OAUTH1_PORT_443 => $self->{service}{https});
}

sub ca { return $_[0]{service}{ca}; }

# The lines of a file that were not read yet.
sub new_lines
{
	my ($self, $path) = @_;
	return unless -e $path;
	open my $file, '<', $path or die "$path: $!";
	seek $file, $self->{seen}{$path} // 0, 0;
	my @lines = <$file>;
	$self->{seen}{$path} = tell $file;
	chomp @lines;
	return @lines;
}

sub requests
{
	my ($self) = @_;
	return map { decode_json($_) } $self->new_lines($self->{service}{ledger});
}

# Packets are seen in the order in which they are sent: what comes before the mark is all.
sub attempts
{
	my ($self) = @_;
	my $mark = "tcp $mark_address " . (1000 + $self->{marks}++ % 60000);
	my @lines;
	if ($self->{namespace})
	{
		IO::Socket::INET->new(PeerAddr => $mark_address, PeerPort => (split / /, $mark)[2]);
	}
	else
	{
		open my $file, '>>', $self->{watched} or die "$self->{watched}: $!";
		print $file "$mark\n";
		close $file or die "$self->{watched}: $!";
	}
	my $deadline = time + 10;
	until (@lines && $lines[-1] eq $mark)
	{
		die "the mark was not seen; so far: @lines" if time > $deadline;
		sleep 0.001;
		push @lines, $self->new_lines($self->{watched});
	}
	pop @lines;
	return @lines;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);
	kill 'TERM', $self->{pid};
	close $self->{output};
	return;
}

1;
