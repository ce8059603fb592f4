# Where a secret that went in must not come out: files, WAL, log, dump, views, messages.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";

use File::Find;
use MIME::Base64 qw(decode_base64 encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Session;
use OAuth1::Shop;

my $service = OAuth1::Shop::service();
my $node = OAuth1::Node->start('leaks', service => $service, settings => [
	"shared_preload_libraries = 'pg_stat_statements'", 'pg_stat_statements.track = all',
	'pg_stat_statements.track_utility = on', 'log_min_messages = debug5', 'log_statement = none',
	'log_min_error_statement = panic', 'log_error_verbosity = verbose', 'wal_level = logical' ]);
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');

# ------------------------------------------------------------------ what is looked for

# 32 octets each, of letters and digits, so that no encoding of text changes them.
sub random_word { return join '', map { ('a' .. 'z', 'A' .. 'Z', 0 .. 9)[rand 62] } 1 .. 32; }

my %secrets = map { $_ => random_word() }
  qw(consumer_argument consumer_altered token_argument consumer_copied token_copied);
my $pem = `openssl genrsa -traditional 2048 2>/dev/null`;

# A private key: 32 octets of its exponent that stand in one line of the PEM.
sub in_key
{
	my @lines = split /\n/, $_[0];
	return substr decode_base64($lines[ @lines / 2 ]), 6, 32;
}
$secrets{private_key} = in_key($pem);
$secrets{client_key} = in_key($service->client_key);

sub base64_at
{
	my ($octets, $offset) = @_;
	my $text = encode_base64('x' x $offset . $octets, '') =~ s/=+\z//r;
	return substr $text, (0, 2, 3)[$offset], -2;
}

# A secret as it is, in Base64 wherever it begins, and in hexadecimal.
sub forms
{
	my ($octets) = @_;
	return ($octets, (map { base64_at($octets, $_) } 0 .. 2), unpack('H*', $octets), uc unpack('H*', $octets));
}

# The names of the secrets in a text.
sub found
{
	my ($text) = @_;
	return join ' ', grep { my $name = $_; grep { index($text, $_) >= 0 } forms($secrets{$name}) } sort keys %secrets;
}

# The files of the data directory in which one is, but for the key file.
sub found_in_files
{
	my ($below) = @_;
	my %hits;
	find({ no_chdir => 1, wanted => sub {
		return unless -f $_ && !/\/oauth1\.key$/;
		my $hit = found(slurp_file($_));
		$hits{ s/.*\/pgdata\///r } = $hit if $hit;
	} }, $node->data_dir . $below);
	return join "\n", map { "$_: $hits{$_}" } sort keys %hits;
}

# ------------------------------------------------------------------ they go in

my $session = OAuth1::Session->new($node);
$session->rows(OAuth1::Shop::provider_sql($service));
$session->rows(sprintf "SELECT oauth1.create_provider('rsa', ARRAY['%s'], signature_method => 'RSA-SHA256')",
	$service->url('/'));
$session->rows("SELECT oauth1.create_consumer('argument', 'shop', 'k', '$secrets{consumer_argument}')");
$session->rows("SELECT oauth1.create_consumer('altered', 'shop', 'k')");
$session->rows("SELECT oauth1.alter_consumer('altered', consumer_secret => '$secrets{consumer_altered}')");
$session->rows("SELECT oauth1.set_token('argument', 't', '$secrets{token_argument}')");
$session->rows("SELECT oauth1.create_consumer('copied', 'shop', 'k')");
$session->rows("SELECT oauth1.create_consumer('signer', 'rsa', 'k')");

# A service that wants a certificate, whose key goes in by both ways.
my $client_key = $service->client_key =~ s/\n/\\n/gr;
$session->rows(sprintf q{SELECT oauth1.create_provider('tls', ARRAY['%s'], options => '{"client_certificate": "%s"}')},
	$service->url('/', 'https_client'), $service->client_certificate =~ s/\n/\\n/gr);
my $mutual = "oauth1.create_consumer('%s', 'tls', 'k', '$secrets{consumer_argument}', options => '{\"client_key\": \"%s\"}')";
$session->rows('SELECT ' . sprintf $mutual, 'mutual', $client_key);

sub copy_in
{
	my ($columns, @rows) = @_;
	my ($status, $out, $error) = $node->psql('postgres',
		"COPY oauth1.$columns FROM STDIN;\n" . join("\n", @rows) . "\n\\.\n");
	return $error;
}
my $escaped = $pem =~ s/\n/\\n/gr;
is(copy_in('secrets_in (consumer, consumer_secret, private_key)',
		"copied\t$secrets{consumer_copied}\t\\N", "signer\t\\N\t$escaped"), '', 'secrets by COPY');
is(copy_in('tokens_in (consumer, name, token, token_secret)', "copied\tdefault\tt\t$secrets{token_copied}"),
	'', 'a token by COPY');
is(copy_in('secrets_in (consumer, client_key)', "mutual\t$client_key"), '', 'a client key by COPY');
is($session->rows('SELECT count(*) FROM oauth1.secret'), 8, 'eight secrets are stored');
($secrets{master_key}) = map { pack 'H*', $_ } slurp_file($node->data_dir . '/oauth1.key') =~ /Z (\S+)/;

# They are used: signed, sent, refused by a service that does not know them.
foreach my $consumer (qw(argument altered copied signer mutual))
{
	my $token = $consumer =~ /argument|copied/ ? 'default' : '';
	is($session->rows("SELECT status FROM oauth1.http_get('$consumer', '/api/items', token => '$token')"), 401,
		"a call of $consumer");
}
is(($service->ledger)[-1]{client}, 'tls_client', 'the last with the client key');
$session->rows('SELECT oauth1.rotate_key()');
$session->rows("SELECT oauth1.rotate_master_key(oauth1.create_master_key())");

# ------------------------------------------------------------------ what goes wrong says nothing of them

my $missing_key = $node->data_dir . '/oauth1.key';
my $word = $secrets{consumer_argument};
my $bad_pem = ($escaped =~ s/-----END/-----NED/r) =~ s/\\n/\n/gr =~ s/\n/'||chr(10)||'/gr;
my @failures = (
	"SELECT oauth1.create_consumer('argument', 'shop', 'k', '$word')",
	"SELECT oauth1.create_consumer('new', 'no-such', 'k', '$word')",
	"SELECT oauth1.create_consumer('new', 'shop', E'k\\n', '$word')",
	"SELECT oauth1.create_consumer('new', 'shop', 'k', '$word', options => '{\"no-such\": 1}')",
	"SELECT oauth1.create_consumer('new', 'shop', 'k', '$word', rate_limit => 'often')",
	"SELECT oauth1.create_consumer('new', 'shop', 'k', private_key => '$word')",
	"SELECT oauth1.create_consumer('new', 'rsa', 'k', private_key => '$bad_pem')",
	"SELECT oauth1.alter_consumer('no-such', consumer_secret => '$word')",
	"SELECT oauth1.alter_consumer('argument', private_key => '$word')",
	"SELECT oauth1.alter_consumer('argument', consumer_secret => '$word', reset => '{consumer_secret}')",
	"SELECT oauth1.set_token('no-such', 't', '$word')",
	"SELECT oauth1.set_token('argument', E't\\t', '$word')",
	"SELECT oauth1.set_token('argument', 't', '$word', E'\\t')",
	"SELECT oauth1.set_token('argument', '', '$word')",
	"SELECT oauth1.signature('GET', 'ftp://h/', '{}', '$word')",
	"SELECT oauth1.signature('GET', 'https://h/', '{}', '$word', '', 'RSA-SHA256')",
	"SELECT oauth1.signature_matches('GET', 'https://h/', '{}', 'x', '$bad_pem', '', 'RSA-SHA256')",
	"SELECT oauth1.authorization_header('GET', 'https://h:0/', 'k', '$word')",
	"SELECT oauth1.oauth_parameters('GET', 'https://h/%', 'k', '$word')",
	"BEGIN READ ONLY; SELECT oauth1.set_token('argument', 't', '$word')",
	'SELECT ' . sprintf($mutual, 'mutual', $client_key),
	'SELECT ' . sprintf($mutual, 'new', substr $client_key, 0, -60),
	'SELECT ' . sprintf($mutual, 'new', "$client_key\", \"no-such\": \""),
	'SELECT ' . sprintf($mutual, 'new', $escaped),
	"SELECT oauth1.alter_consumer('no-such', options => '{\"client_key\": \"$client_key\"}')",
	"SELECT oauth1.alter_provider('tls', options => '{\"client_certificate\": \"$client_key\"}')",
	"INSERT INTO oauth1.secrets_in VALUES ('no-such', '$word', NULL)",
	"INSERT INTO oauth1.tokens_in VALUES ('argument', NULL, NULL, '$word')",
);
my $messages = '';
foreach my $statement (@failures)
{
	my $own = OAuth1::Session->new($node);
	my $said = $own->query($statement);
	my $shown = $statement =~ s/\Q$word\E/.../gr;
	like($said, qr/^ERROR:  \w{5}: /m, 'fails: ' . (length $shown > 110 ? substr($shown, 0, 110) . '...' : $shown));
	$messages .= $said;
}
foreach my $copy (
	[ 'secrets_in (consumer, consumer_secret)', "no-such\t$secrets{consumer_copied}" ],
	[ 'secrets_in (consumer, consumer_secret)', "$secrets{consumer_copied}\tcopied" ],
	[ 'secrets_in (consumer, consumer_secret)', "copied\tx", "\\N\t$secrets{consumer_copied}" ],
	[ 'secrets_in (consumer, private_key)', "signer\t$secrets{consumer_copied}" ],
	[ 'secrets_in (consumer, private_key)', "signer\t" . substr $escaped, 0, -40 ],
	[ 'secrets_in (consumer, client_key)', "no-such\t$client_key" ],
	[ 'secrets_in (consumer, client_key)', "mutual\t" . substr $client_key, 0, -60 ],
	[ 'secrets_in (consumer, client_key)', "mutual\t$escaped" ],
	[ 'tokens_in (consumer, name, token, token_secret)', "no-such\tn\tt\t$secrets{token_copied}" ],
	[ 'tokens_in (consumer, name, token, token_secret)', "copied\t$secrets{token_copied}$secrets{token_copied}\tt\tn" ],
	[ 'tokens_in (consumer, name, token, token_secret)', "copied\tn\t\\N\t$secrets{token_copied}" ])
{
	my $error = copy_in(@$copy);
	like($error, qr/ERROR/, "COPY $copy->[0] fails");
	$messages .= $error;
}

# What is stored cannot be used any more: moved, pointed elsewhere, its key gone.
my $broken = OAuth1::Session->new($node);
my %calls = map { $_ => "SELECT oauth1.http_get('$_', '/api/items', token => '')" } qw(argument mutual);
foreach my $change (
	"UPDATE oauth1.secret SET ciphertext = set_byte(ciphertext, 15, 0)",
	"UPDATE oauth1.data_key SET wrapped = set_byte(wrapped, 15, 0)",
	"SELECT oauth1.alter_provider(p, api_urls => ARRAY['https://elsewhere.example/']) FROM unnest('{shop,tls}'::text[]) p")
{
	foreach my $consumer (sort keys %calls)
	{
		$broken->rows("BEGIN; $change");
		my $said = $broken->query($calls{$consumer});
		like($said, qr/^ERROR:  OA00[35]: /m, "$consumer after $change");
		$messages .= $said;
		$broken->rows('ROLLBACK');
	}
}
rename $missing_key, "$missing_key.away";
$messages .= OAuth1::Session->new($node)->query($_) foreach values %calls;
$messages .= OAuth1::Session->new($node)->query('SELECT * FROM oauth1.key_status()');
rename "$missing_key.away", $missing_key;
like($messages, qr/OA005.*does not exist/s, 'and with the key file gone');
is(found($messages), '', 'no message shows a secret');

# ------------------------------------------------------------------ where they could have been left

# A word in a table of the test's own shows that looking finds.
my $control = random_word();
$secrets{control} = $control;
$session->rows("CREATE TABLE control AS SELECT '$control' AS word; CHECKPOINT");
is(join(' ', map { (split /: /)[1] } split /\n/, found_in_files('/base')), 'control', 'no table or index has a secret');
like(found_in_files('/pg_wal'), qr/\A(?:pg_wal\/\w+: control\n?)+\z/, 'no WAL');
like(found_in_files(''), qr/\A(?:(?:base|pg_wal|pg_stat_tmp)\/\S+: control\n?)+\z/,
	'no file of the data directory at all');
like(found(slurp_file($missing_key)), qr/^master_key$/, 'but the key file, which has the master key');

foreach my $options ([], ['--inserts'], ['-Fc', '-Z0'])
{
	my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
	system_or_bail('pg_dump', '-f', $dump, @$options, $node->connstr('postgres'));
	is(found(slurp_file($dump)), 'control', join ' ', 'no dump:', 'pg_dump', @$options);
}

my $relations = $session->rows("SELECT string_agg(oid::regclass::text, ' ' ORDER BY relname) FROM pg_class "
	  . "WHERE relnamespace = 'oauth1'::regnamespace AND relkind IN ('r', 'v', 'm', 'p')");
my @relations = split / /, $relations;
cmp_ok(scalar @relations, '>', 10, 'the tables and views of the schema');
foreach my $relation (@relations, 'oauth1.key_status()', 'pg_settings', 'pg_statistic')
{
	is(found($session->rows("SELECT * FROM $relation")), '', "nor $relation");
}

# It replaces constants, but not in statements like CREATE TABLE AS: the control's.
is(found($session->rows('SELECT * FROM pg_stat_statements')), 'control', 'nor pg_stat_statements');

# In the middle of a COPY, with more rows sent than psql and the server buffer.
my $copying = OAuth1::Session->new($node);
print { $copying->{in} } "COPY oauth1.tokens_in (consumer, name, token, token_secret) FROM STDIN;\n",
  "copied\tdefault\tt\t$secrets{token_copied}\n" x 2000;
my $reading = "query LIKE 'COPY oauth1.tokens_in%' AND wait_event = 'ClientRead'";
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE $reading"),
	'a COPY is under way');
is(found($session->rows('SELECT * FROM pg_stat_activity')), '', 'pg_stat_activity shows no secret');
$copying->query("\\.\nSELECT 1");

# ------------------------------------------------------------------ the log

my $log = slurp_file($node->logfile);
like($log, qr/DEBUG:  /, 'the log is at debug5');
is(found($log), '', 'and holds no secret');

# With log_statement = all it has what was typed, and nothing else.
my $offset = -s $node->logfile;
$node->append_conf('postgresql.conf', "log_statement = all\nlog_min_error_statement = error");
$node->reload;
$node->poll_query_until('postgres', "SELECT current_setting('log_statement') = 'all'");
my $typing = OAuth1::Session->new($node);
$typing->rows("SELECT oauth1.alter_consumer('altered', consumer_secret => '$secrets{consumer_altered}')");
$typing->rows("SELECT oauth1.set_token('argument', 't', '$secrets{token_argument}')");
$typing->query($failures[0]);
is(copy_in('secrets_in (consumer, consumer_secret, private_key)',
		"copied\t$secrets{consumer_copied}\t\\N", "signer\t\\N\t$escaped"), '', 'by COPY again');
is(copy_in('tokens_in (consumer, name, token, token_secret)', "copied\tdefault\tt\t$secrets{token_copied}"), '', 'a token, too');
is(copy_in('secrets_in (consumer, client_key)', "mutual\t$client_key"), '', 'and a client key');
like(copy_in('tokens_in (consumer, name, token, token_secret)', "no-such\tn\tt\t$secrets{token_copied}"), qr/ERROR/, 'and one that fails');
$typing->query("SELECT oauth1.http_get('$_', '/api/items')") foreach qw(argument copied signer mutual);
$typing->rows('SELECT oauth1.rotate_key()');
$log = slurp_file($node->logfile, $offset);
my ($typed, $other) = ('', '');
foreach my $line (split /^/, $log)
{
	if ($line =~ /(?:LOG:  (?:00000: )?statement|STATEMENT): /) { $typed .= $line; }
	else { $other .= $line; }
}
is(found($typed), 'consumer_altered consumer_argument token_argument', 'with log_statement = all the log has what was typed');
is(found($other), '', 'and nothing else');

$_->quit foreach $session, $broken, $copying, $typing;
$node->stop;
is(found(slurp_file($node->logfile) =~ s/^.*(?:statement|STATEMENT): .*$//gmr), '', 'nor at the end');
done_testing();
