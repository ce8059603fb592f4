# The server of test/provider/liar, for a TAP test:
#
#   my $liar = OAuth1::Liar->start;         # with a CA of its own, $liar->ca, and TLS of wrong kinds
#   my $liar = OAuth1::Liar->start($service);       # with a certificate of the loopback service
#   $liar->url('/stray', 'https');          # or http (the default), or another port with a host's name
#   my $mark = $liar->mark; ... my @requests = $liar->ledger($mark);
#   my @requests = $liar->news;             # what came since it was asked the last time
package OAuth1::Liar;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils ();

my $programs = abs_path(dirname(__FILE__) . '/../../../provider');

sub program { return "$programs/liar"; }

sub start
{
	my ($class, $service) = @_;
	my $program = $class->program;
	my $folder = PostgreSQL::Test::Utils::tempdir . '/liar';
	my @command = ($program, '--dir', $folder);
	push @command, '--certificate', dirname($service->ca) . '/server.pem' if $service;
	my $pid = open my $output, '-|', @command;
	die "could not start $program: $!" unless $pid;
	my $ready = <$output>;
	die "$program did not get ready" unless defined $ready;
	return bless {
		ports => decode_json($ready),
		ca => "$folder/ca.pem",
		ledger => "$folder/ledger.jsonl",
		pid => $pid,
		output => $output,
	}, $class;
}

sub ca { return $_[0]{ca}; }

sub port { return $_[0]{ports}{ $_[1] }; }

sub url
{
	my ($self, $path, $name, $host) = @_;
	$name //= 'http';
	$host //= '127.0.0.1';
	return ($name eq 'https' ? 'https' : 'http') . "://$host:$self->{ports}{$name}$path";
}

sub ledger
{
	my ($self, $mark) = @_;
	my @lines = split /\n/, PostgreSQL::Test::Utils::slurp_file($self->{ledger});
	return map { decode_json($_) } @lines[ ($mark // 0) .. $#lines ];
}

sub mark
{
	my ($self) = @_;
	return scalar(my @all = $self->ledger);
}

sub news
{
	my ($self) = @_;
	open $self->{reader}, '<', $self->{ledger} or die "$self->{ledger}: $!" unless $self->{reader};
	seek $self->{reader}, 0, 1;    # past an end that was met before
	my $reader = $self->{reader};
	return map { decode_json($_) } <$reader>;
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
