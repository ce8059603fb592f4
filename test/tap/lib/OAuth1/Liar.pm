# The server of test/provider/liar, for a TAP test, with a certificate of the loopback service:
#
#   my $liar = OAuth1::Liar->start($service);
#   $liar->url('/stray', 'https');          # or http (the default), or two with a host's name
#   my $mark = $liar->mark; ... my @requests = $liar->ledger($mark);
package OAuth1::Liar;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use JSON::PP qw(decode_json);
use PostgreSQL::Test::Utils ();

my $program = abs_path(dirname(__FILE__) . '/../../../provider/liar');

sub start
{
	my ($class, $service) = @_;
	my $ledger = PostgreSQL::Test::Utils::tempdir . '/ledger';
	my $pid = open my $output, '-|', $program, '--ledger', $ledger, '--certificate',
	  dirname($service->ca) . '/server.pem';
	die "could not start $program: $!" unless $pid;
	my $ready = <$output>;
	die "$program did not get ready" unless defined $ready;
	return bless { ports => decode_json($ready), ledger => $ledger, pid => $pid, output => $output },
	  $class;
}

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

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);
	kill 'TERM', $self->{pid};
	close $self->{output};
	return;
}

1;
