# The loopback service of test/provider, for a TAP test:
#
#   my $service = OAuth1::Service->start;                       # demo-key, rsa-key
#   my $service = OAuth1::Service->start(consumers => [{ key => 'k', secret => 's' }]);
#   $service->url('/api/items');             # under https; url('/x', 'http'), or any port's name
#   my $mark = $service->mark;
#   ... requests ...
#   my @requests = $service->ledger($mark);  # what arrived since, see test/provider/ledger.py
#   my $callback = $service->approve($authorize_url);           # or deny => 1, user => 'bob'
#
#   my $push = $service->push_from('magento', base => $service->url('/magento/'));
#
# It ends with the object, and with the test at the latest.
package OAuth1::Service;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use HTTP::Tiny;
use IPC::Run ();
use JSON::PP qw(decode_json encode_json);
use PostgreSQL::Test::Utils ();

my $programs = abs_path(dirname(__FILE__) . '/../../../provider');

sub start
{
	my ($class, %options) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my @command = ("$programs/serve", '--dir', "$folder/service");

	if ($options{consumers})
	{
		open my $config, '>', "$folder/config.json" or die "config.json: $!";
		print $config encode_json({ consumers => $options{consumers} });
		close $config;
		push @command, '--config', "$folder/config.json";
	}

	my $pid = open my $output, '-|', @command;
	die "could not start $command[0]: $!" unless $pid;
	my $ready = <$output>;
	die "$command[0] did not get ready" unless defined $ready;
	return bless { %{ decode_json($ready) }, pid => $pid, output => $output }, $class;
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid};
	return unless $pid;
	kill 'TERM', $pid;
	local ($?, $!);
	close delete $self->{output};
	return;
}

sub DESTROY
{
	my ($self) = @_;
	$self->stop;
	return;
}

# Where things are. Names of ports: test/provider/listeners.py.
sub ca          { return $_[0]{ca}; }
sub private_key { return PostgreSQL::Test::Utils::slurp_file($_[0]{private_key}); }
sub client_key  { return PostgreSQL::Test::Utils::slurp_file($_[0]{client_key}); }
sub client_certificate { return PostgreSQL::Test::Utils::slurp_file($_[0]{client_certificate}); }
sub port        { my ($self, $name) = @_; return $self->{ports}{$name}; }

sub url
{
	my ($self, $path, $name) = @_;
	$name //= 'https';
	my $scheme = $name eq 'http' ? 'http' : 'https';
	return "$scheme://localhost:$self->{ports}{$name}" . ($path // '');
}

# What arrived after the mark (default: from the start), as hashes in the order of arrival.
sub ledger
{
	my ($self, $mark) = @_;
	my @lines = split /\n/, PostgreSQL::Test::Utils::slurp_file($self->{ledger});
	return map { decode_json($_) } @lines[ ($mark // 0) .. $#lines ];
}

# The requests whose turn in the ledger is after the mark, by when they were in the service's hands
# (n, start, end), in the order of their start.
sub spans
{
	my ($self, $mark) = @_;
	my @spans = map { decode_json($_) } split /\n/, PostgreSQL::Test::Utils::slurp_file($self->{spans});
	return sort { $a->{start} <=> $b->{start} } grep { $_->{n} > ($mark // 0) } @spans;
}

# How many requests have arrived.
sub mark
{
	my ($self) = @_;
	my $text = PostgreSQL::Test::Utils::slurp_file($self->{ledger});
	return $text =~ tr/\n//;
}

# Behave as a user with a browser; returns the callback URL, or the code for oob.
sub approve
{
	my ($self, $url, %options) = @_;
	my @command = ("$programs/approve", '--ca', $self->{ca});
	push @command, '--deny' if $options{deny};
	push @command, '--user', $options{user} if defined $options{user};
	my ($said, $error);
	IPC::Run::run([ @command, $url ], '<', \undef, '>', \$said, '2>', \$error)
	  or die "approve: $error";
	chomp $said;
	return $said;
}

# Register a consumer, or change one: the fields of test/provider/store.py.
sub add_consumer
{
	my ($self, %consumer) = @_;
	my $answer = HTTP::Tiny->new->post("http://127.0.0.1:$self->{ports}{http}/control/consumers",
		{ content => encode_json(\%consumer) });
	die "add_consumer: $answer->{status} $answer->{content}" unless $answer->{success};
	return;
}

# What a shop pushes, as a hash of body and content_type: kind is magento or woocommerce, the fields
# are those of test/provider/shops.py.
sub push_from
{
	my ($self, $kind, %given) = @_;
	my $answer = HTTP::Tiny->new->post("http://127.0.0.1:$self->{ports}{http}/control/$kind",
		{ content => encode_json(\%given) });
	die "push_from: $answer->{status} $answer->{content}" unless $answer->{success};
	return decode_json($answer->{content});
}

1;
