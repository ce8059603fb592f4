# A real browser with a user, for a TAP test: Chromium, by test/provider/browser.
#
#   my $browser = OAuth1::Browser->new;
#   my $end = $browser->visit($authorize_url, user => 'alice', press => 'allow', picture => $file);
#   # { asked, url, title, text, colours, ink }
#
# It ends with the object.
package OAuth1::Browser;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IPC::Open2 qw(open2);
use JSON::PP qw(decode_json encode_json);

my $program = abs_path(dirname(__FILE__) . '/../../../provider/browser');

sub new
{
	my ($class) = @_;
	my $self = bless {}, $class;

	$self->{pid} = open2($self->{out}, $self->{in}, $program);
	$self->{in}->autoflush(1);
	return $self;
}

sub visit
{
	my ($self, $url, %job) = @_;
	print { $self->{in} } encode_json({ url => $url, %job }), "\n";
	my $line = readline $self->{out};
	die 'the browser has ended' unless defined $line;
	my $end = decode_json($line);
	die "browser: $end->{error}" if $end->{error};
	return $end;
}

sub DESTROY
{
	my ($self) = @_;
	local ($?, $!);
	close $self->{in};
	waitpid $self->{pid}, 0;
	return;
}

1;
