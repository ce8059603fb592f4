# The recorded answers of a lying server, test/corpus/answers, as a TAP test asks for them:
#
#   foreach my $answer (OAuth1::Answers::all()) { ... }
#
# What is sent is in test/provider/lies.py; here is how it is asked for, and what comes of it.
#
#   : over=PORT       a port of test/provider/liar; default http
#   : method=METHOD   only so; default GET and POST
#   : timeout=MS      default 2000
#   : limit=SIZE      oauth1.max_response_size; default 1MB
#   : pause=MS        the next call comes so much later, default at once
#   : keeps           the connection may serve the next call; default: it may not
#
#   = STATUS none               there is no body
#   = STATUS text OCTETS        the body; escapes as in what is sent, of UTF-8
#   = STATUS starts OCTETS      what the body begins with
#   = STATUS length N           its length in characters
#   = STATUS bytes N            body_bytes, and its length
#   = SQLSTATE WORDS            the error; what its message or its detail contains
#   = POST ...                  the same, where POST gets something else than GET
#   = header NAME: VALUE        a header field is there, with that value; "-": it is not there
package OAuth1::Answers;

use strict;
use warnings FATAL => 'all';

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Utils ();

my $folder = abs_path(dirname(__FILE__) . '/../../../corpus/answers');

# One paragraph of a file, as a hash: name, over, method, timeout, limit, keeps, outcome, POST,
# headers (pairs).
sub parse
{
	my ($paragraph) = @_;
	my ($name, @lines) = grep { !/^#/ } split /\n/, $paragraph;
	return unless defined $name;
	my %answer = (name => $name, over => 'http', timeout => 2000, limit => '1MB', headers => []);
	foreach my $line (@lines)
	{
		my ($sign, $rest) = (substr($line, 0, 1), length $line > 2 ? substr($line, 2) : '');
		if ($sign eq ':')
		{
			$answer{$1} = $2 // 1 while $rest =~ /(\w+)(?:=(\S+))?/g;
		}
		elsif ($sign eq '=' && $rest =~ /^header ([^:]+): ?(.*)/)
		{
			push @{ $answer{headers} }, [ $1, $2 ];
		}
		elsif ($sign eq '=')
		{
			my $which = $rest =~ s/^POST // ? 'POST' : 'outcome';
			die "$name has two outcomes" if exists $answer{$which};
			$answer{$which} = $rest;
		}
	}
	die "$name has no outcome" unless defined $answer{outcome};
	return \%answer;
}

# All, in the order of the files.
sub all
{
	my @answers = map { parse($_) } map { split /\n\n+/, PostgreSQL::Test::Utils::slurp_file($_) }
	  sort glob "$folder/*.txt";
	die "no answers in $folder" unless @answers;
	return @answers;
}

# The methods by which an answer is asked for.
sub methods
{
	my ($answer) = @_;
	return $answer->{method} ? ($answer->{method}) : qw(GET POST);
}

sub outcome
{
	my ($answer, $method) = @_;
	return $method eq 'POST' ? $answer->{POST} // $answer->{outcome} : $answer->{outcome};
}

# Its URL at a liar.
sub url
{
	my ($answer, $liar) = @_;
	my $own = $answer->{over} =~ /^(?:raw|first|plain_first)$/;
	my $scheme = $answer->{over} =~ /^(?:http|plain_first)$/ ? 'http' : 'https';
	return "$scheme://localhost:" . $liar->port($own ? $answer->{name} : $answer->{over}) . "/$answer->{name}";
}

1;
