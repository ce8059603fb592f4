# Queued calls and the processes that send them, for a TAP test:
#
#   my $queue = OAuth1::Queue->new($node, $session, $service);   # a superuser's session
#   $queue->register;                          # makes the consumer q
#   my $id = $queue->enqueue(wait => 300);     # answered after 300 ms; method => 'POST', more => "run_at => ..."
#   $queue->time_until_state($id, 'done');     # seconds; infinite after 10 of them, or as given
#   $queue->time_until("SELECT ...");          # the same, until it is 't'
#   $queue->time_until_alone;                  # the same, until no worker is there
#   my @pids = $queue->workers($dbname);       # of all databases where none is given
#   my @lines = $queue->log_lines('FATAL');    # of the server's log, since new or forget_log
package OAuth1::Queue;

use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils ();
use Time::HiRes qw(sleep time);

use OAuth1::Registered qw(quote);

# Far above what anything that a test waits for takes.
my $patience = 10;

sub new
{
	my ($class, $node, $session, $service) = @_;
	my $self = bless { node => $node, session => $session, service => $service }, $class;
	$self->forget_log;
	return $self;
}

# The consumer q in the session's database, whose calls go to the service over http.
sub register
{
	my ($self) = @_;
	my $registered = OAuth1::Registered->new(@$self{qw(session service)});
	$registered->provider('q', allow_http => \'true',
		api_urls => \("ARRAY['" . $self->{service}->url('/', 'http') . "']"));
	$registered->consumer('q', 'q', 'demo-key', 'demo-secret');
	return $self;
}

# What enqueue is called with, so that it can stand in any statement.
sub enqueue_sql
{
	my ($self, %options) = @_;
	my $path = ($options{wait} ? "/flaky/first_byte=$options{wait}" : '') . '/api/echo';
	return 'oauth1.enqueue(' . quote('q') . ', ' . quote($options{method} // 'GET') . ', ' . quote($path)
	  . q{, token => ''} . ($options{more} ? ", $options{more}" : '') . ')';
}

sub enqueue
{
	my ($self, %options) = @_;
	return $self->{session}->rows('SELECT ' . $self->enqueue_sql(%options));
}

sub time_until
{
	my ($self, $sql, $seconds) = @_;
	my $start = time;
	until ($self->{session}->rows($sql) eq 't')
	{
		return 9**9**9 if time - $start > ($seconds // $patience);
		sleep 0.005;
	}
	return time - $start;
}

# One call, or several as a list for IN.
sub time_until_state
{
	my ($self, $ids, $state, $seconds) = @_;
	return $self->time_until("SELECT bool_and(state = '$state') FROM oauth1.calls WHERE id IN ($ids)", $seconds);
}

sub state_of
{
	my ($self, $id) = @_;
	return $self->{session}->rows("SELECT state FROM oauth1.calls WHERE id = $id");
}

sub workers
{
	my ($self, $dbname) = @_;
	my $where = defined $dbname ? ' AND datname = ' . quote($dbname) : '';
	return split /\n/, $self->{session}->rows(
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'$where");
}

sub time_until_alone
{
	my ($self, $seconds) = @_;
	return $self->time_until(
		"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'", $seconds);
}

sub forget_log
{
	my ($self) = @_;
	$self->{log} = -s $self->{node}->logfile;
	return;
}

sub log_lines
{
	my ($self, $like) = @_;
	my $text = PostgreSQL::Test::Utils::slurp_file($self->{node}->logfile, $self->{log});
	return grep { /$like/ } split /\n/, $text;
}

1;
