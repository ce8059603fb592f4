# A psql that stays, for a TAP test: one session, statement after statement.
#
#   my $session = OAuth1::Session->new($node, user => 'alice', dbname => 'postgres');
#   my $rows = $session->rows("SELECT ...");       # unaligned; dies where there is an error
#   my $error = $session->error("SELECT ...");     # { sqlstate, message, detail, hint, text }, or undef
#   $session->start("SELECT ..."); ... my $text = $session->finish;   # meanwhile something else
#   my ($url) = $session->await(qr/NOTICE: .* (http\S+)/);   # what is started says on its way
#
# What the server says on the side (NOTICE, WARNING) is in $session->said afterwards.
package OAuth1::Session;

use strict;
use warnings FATAL => 'all';

use Encode qw(encode_utf8);
use IPC::Open2 qw(open2);
use Time::HiRes qw(time);

# Printed by psql when all before it is done.
my $mark = '=== done ===';

# Far above what any statement of a test takes.
my $patience = 60;

sub new
{
	my ($class, $node, %options) = @_;
	my $self = bless { said => '' }, $class;
	my @command = (
		'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-v', 'SHOW_CONTEXT=always',
		'-d', $node->connstr($options{dbname} // 'postgres') . ' user=' . ($options{user} // getpwuid $<));

	# Errors into the same pipe, so that they cannot overtake the mark.
	$self->{pid} = open2($self->{out}, $self->{in}, 'sh', '-c', 'exec "$@" 2>&1', 'sh', @command);
	binmode $self->{$_}, ':encoding(UTF-8)' foreach qw(in out);
	$self->{in}->autoflush(1);
	my $said = $self->query(q{SET client_encoding = 'UTF8'});
	die "no session: $said\n" if $self->{ended};
	return $self;
}

sub start
{
	my ($self, $sql) = @_;
	die encode_utf8("the session has ended; not sent: $sql\n") if $self->{ended};
	$self->{text} = '';
	print { $self->{in} } "$sql\n;\n\\echo '$mark'\n";
	return;
}

# Reads on until the mark, or until what a regexp matches in all that was printed of the statement;
# true where that came first. At the session's end there is neither.
sub read_on
{
	my ($self, $regexp) = @_;
	local $SIG{ALRM} = sub { die "no end of a statement after $patience s; so far: $self->{text}\n" };
	alarm $patience;
	while (!$regexp || $self->{text} !~ $regexp)
	{
		my $line = readline $self->{out};
		$self->{ended} = 1 unless defined $line;
		if (!defined $line || $line eq "$mark\n")
		{
			alarm 0;
			return 0;
		}
		$self->{text} .= $line;
	}
	alarm 0;
	return 1;
}

# What the regexp captured, once the statement that was started has said it; dies where it ends
# without.
sub await
{
	my ($self, $regexp) = @_;
	die encode_utf8("it ended without having said $regexp: $self->{text}") unless $self->read_on($regexp);
	return $self->{text} =~ $regexp;
}

# Everything psql printed for what was started; also where the session ended meanwhile.
sub finish
{
	my ($self) = @_;
	$self->read_on;
	my $text = $self->{text};
	$self->{said} = join '', $text =~ /^(?:psql:[^\n]*: )?((?:NOTICE|WARNING|INFO):[^\n]*\n)/mg;
	return $text;
}

sub query
{
	my ($self, $sql) = @_;
	$self->start($sql);
	return $self->finish;
}

sub said { return $_[0]{said}; }

sub rows
{
	my ($self, $sql) = @_;
	my $text = $self->query($sql);
	die encode_utf8("error in \"$sql\": $text") if $text =~ /^(?:ERROR|FATAL):/m;
	$text =~ s/^(?:NOTICE|WARNING|INFO|LOCATION|HINT|DETAIL|CONTEXT):[^\n]*\n//mg;
	chomp $text;
	return $text;
}

# The first error of a statement.
sub error
{
	my ($self, $sql) = @_;
	return parse($self->query($sql));
}

sub parse
{
	my ($text) = @_;
	return undef unless $text =~ /^(?:ERROR|FATAL):  (\w{5}): ([^\n]*)/m;
	my %error = (sqlstate => $1, message => $2, text => $text);
	($error{detail}) = $text =~ /^DETAIL:  ([^\n]*)/m;
	($error{hint}) = $text =~ /^HINT:  ([^\n]*)/m;
	$error{$_} //= '' foreach qw(detail hint);
	return \%error;
}

sub pid
{
	my ($self) = @_;
	return $self->rows('SELECT pg_backend_pid()');
}

sub quit
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	local ($?, $!);
	close $self->{in};
	close $self->{out};
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	$self->quit;
	return;
}

1;
