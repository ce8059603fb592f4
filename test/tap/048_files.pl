# Files as multipart/form-data: each part octet by octet as the service's two parsers see it,
# signed as RFC 5849 wants it, and never twice in memory.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Digest::SHA qw(sha256_hex);
use Encode qw(encode_utf8);
use JSON::PP ();
use MIME::Base64 qw(decode_base64 encode_base64);
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $json = JSON::PP->new->canonical;
my $service = OAuth1::Service->start;
$service->add_consumer(key => 'always', secret => 's', body_hash_always => JSON::PP::true);
my $node = OAuth1::Node->start('files', service => $service);
my $session = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($session, $service);
$registered->both('api');
$session->rows(q{SET oauth1.token = ''});

# ---------------------------------------------------------------- helpers

# What the service saw of a call: its answer, and the request in its ledger.
sub upload
{
	my ($call, $name) = @_;
	my $mark = $service->mark;
	my $response = $json->decode($session->rows("SELECT to_json(r) FROM oauth1.$call r"));
	my ($sent) = $service->ledger($mark);
	is($sent->{verdict}, 'ok', "$name: verified");
	is($response->{status}, 200, "$name: 200") or diag $response->{body};
	my $seen = $response->{status} == 200 ? $json->decode($response->{body}) : {};
	return ($seen, $sent);
}

sub header
{
	my ($request, $name) = @_;
	return join ' AND ', map { $_->[1] } grep { lc $_->[0] eq lc $name } @{ $request->{headers} };
}

# A part as the service tells of it.
sub part
{
	my ($name, $content, $filename, $type) = @_;
	return {
		name => $name, filename => $filename, content_type => $type, length => length $content,
		sha256 => sha256_hex($content),
		base64 => length $content <= 4096 ? encode_base64($content, '') : undef };
}

sub file { my ($content, %more) = @_; return { base64 => encode_base64($content, ''), %more }; }

sub sql_json { return quote($json->encode($_[0])); }

# Arguments, and the parts that must arrive.
sub check
{
	my ($name, $form, $files, @expected) = @_;
	my $arguments = join ', ', (defined $form ? 'form => ' . sql_json($form) : ()), 'files => ' . sql_json($files);
	my ($seen, $sent) = upload("http_post('api', '/upload', $arguments)", $name);
	is_deeply($seen->{parts}, \@expected, "$name: the parts") or diag explain $seen->{parts};
	is(header($sent, 'Content-Length'), $seen->{length}, "$name: Content-Length");
	is($sent->{transmission}, 'header', "$name: the oauth_ parameters are in the header");
	# The same as octets, by way of oauth1.request.
	my ($again) = upload("http_call('api', oauth1.request('POST', '/upload', $arguments))", "$name, by request()");
	is_deeply($again->{parts}, \@expected, "$name: by request()");
	is($again->{length}, $seen->{length}, "$name: by request(): as long");
	return ($seen, $sent);
}

sub refused
{
	my ($call, $sqlstate, $like, $name) = @_;
	my $mark = $service->mark;
	my $error = $session->error("SELECT oauth1.$call");
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	is($service->mark, $mark, "$name: nothing was sent");
	return;
}

# ---------------------------------------------------------------- parts, octet by octet

my $all = join '', map { chr } 0 .. 255;
my $stream = 'application/octet-stream';
check('one file', undef, { media => file("GIF89a\0\x01") }, part('media', "GIF89a\0\x01", 'media', $stream));
check('name and type', undef, { media => file("\x89PNG", filename => 'a b.png', content_type => 'image/png') },
	part('media', "\x89PNG", 'a b.png', 'image/png'));
check('every octet', undef, { f => file($all x 3) }, part('f', $all x 3, 'f', $stream));
check('empty', undef, { f => file('', filename => 'empty.txt', content_type => 'text/plain; charset=utf-8') },
	part('f', '', 'empty.txt', 'text/plain; charset=utf-8'));
check('what looks like a body', undef, { f => file("--oauth1-A\r\n\r\n--oauth1-A--\r\n\r\n") },
	part('f', "--oauth1-A\r\n\r\n--oauth1-A--\r\n\r\n", 'f', $stream));
check("$_ octets", undef, { f => file('abcdefgh' x 20) }, part('f', 'abcdefgh' x 20, 'f', $stream)) foreach 160;
foreach my $length (1 .. 7)
{
	my $content = substr $all, 250 - $length, $length;
	check("$length octets", undef, { f => file($content) }, part('f', $content, 'f', $stream));
}

# Fields come first, in the order of jsonb; an array is several parts, null is none.
check('with a form',
	{ title => "été\n\"x\"", tag => [ 'a', 'b c' ], n => 1.5, t => JSON::PP::true, gone => undef, e => '' },
	{ media => file('M'), none => undef },
	part('e', ''), part('n', '1.5'), part('t', 'true'), part('tag', 'a'), part('tag', 'b c'),
	part('title', encode_utf8("été\n\"x\"")), part('media', 'M', 'media', $stream));
check('several of a name', undef,
	{ doc => [ file('one', filename => '1.txt'), file('two', filename => '2.txt'), file('three') ], a => [] },
	part('doc', 'one', '1.txt', $stream), part('doc', 'two', '2.txt', $stream), part('doc', 'three', 'doc', $stream));
check('a form and no file', { a => 'b' }, {}, part('a', 'b'));
my @many = map { sprintf 'n%04d', $_ } 1 .. 500;
check('many parts', { map { $_ => "value $_" } @many }, { map { $_ => file("file $_") } @many },
	(map { part($_, "value $_") } @many), (map { part($_, "file $_", $_, $stream) } @many));

# Names as browsers write them.
check('names', { "a\"b\r\nc\\" => 'v' }, { 'ключ "x"' => file('f', filename => "日本語 \"q\"\r\né\\.txt") },
	part('a%22b%0D%0Ac\\', 'v'), part('ключ %22x%22', 'f', '日本語 %22q%22%0D%0Aé\\.txt', $stream));
check('no name at all', { '' => '' }, { '' => file('f', filename => '') }, part('', ''), part('', 'f', '', $stream));

# Base64 as encode() writes it, in lines, and with other white space.
is($session->rows(q{SELECT encode(decode(repeat('00ff10', 100), 'hex'), 'base64') LIKE E'%\n%'}), 't', 'encode() writes lines');
my ($seen) = upload(q{http_post('api', '/upload', files => jsonb_build_object('f', jsonb_build_object('base64',
	encode(decode(repeat('00ff10', 100), 'hex'), 'base64'))))}, 'in lines');
is_deeply($seen->{parts}, [ part('f', "\0\xff\x10" x 100, 'f', $stream) ], 'in lines: the part');
($seen) = upload(q{http_post('api', '/upload', files => '{"f": {"base64": " Z\tm\r\n9\nv Y\nmE = \n"}}')}, 'white space');
is_deeply($seen->{parts}, [ part('f', 'fooba', 'f', $stream) ], 'white space: the part') or diag explain $seen;

# Two bodies have two boundaries.
my %boundaries;
foreach (1 .. 3)
{
	my (undef, $sent) = upload(q{http_post('api', '/upload', files => '{"f": {"base64": ""}}')}, 'a boundary');
	like(header($sent, 'Content-Type'), qr/\Amultipart\/form-data; boundary=oauth1-[A-Z2-7]{26}\z/, 'its form');
	$boundaries{ header($sent, 'Content-Type') } = 1;
}
is(scalar keys %boundaries, 3, 'each body has its own');

# ---------------------------------------------------------------- methods

foreach my $verb (qw(put patch delete))
{
	my ($seen, $sent) = upload(qq{http_$verb('api', '/upload', form => '{"a": 1}', files => '{"f": {"base64": "Zm9v"}}')}, $verb);
	is($sent->{method}, uc $verb, "$verb: the method");
	is_deeply($seen->{parts}, [ part('a', '1'), part('f', 'foo', 'f', $stream) ], "$verb: the parts");
}
refused(qq{request('$_', '/upload', files => '{"f": {"base64": ""}}')}, '22023', qr/\U$_\E request cannot send files/, $_)
  foreach qw(get HEAD);

# ---------------------------------------------------------------- refused before anything is sent

my $post = sub { return "http_post('api', '/upload', $_[0])"; };
foreach my $case (
	# files, and what the error says
	[ '[]', qr/files must be a JSON object/ ],
	[ '"x"', qr/files must be a JSON object/ ],
	[ '{}', qr/files hold no part/ ],
	[ '{"m": null}', qr/files hold no part/ ],
	[ '{"m": "x"}', qr/invalid file "m".*no object/s ],
	[ '{"m": 1}', qr/invalid file "m".*no object/s ],
	[ '{"m": {}}', qr/invalid file "m".*no base64/s ],
	[ '{"m": {"base64": null}}', qr/invalid file "m".*no base64/s ],
	[ '{"m": {"base64": 1}}', qr/invalid file "m".*base64 is no string/s ],
	[ '{"m": {"base64": {}}}', qr/invalid file "m".*base64 is no string/s ],
	[ '{"m": {"base64": "", "filename": ["a"]}}', qr/invalid file "m".*filename is no string/s ],
	[ '{"m": {"base64": "", "name": "a"}}', qr/invalid file "m".*unknown key "name"/s ],
	[ '{"ok": {"base64": ""}, "bad one": [{"base64": ""}, {"base64": "A"}]}', qr/invalid file "bad one\[1\]"/ ],
	[ '{"m": [[{"base64": ""}]]}', qr/invalid file "m\[0\]".*no object/s ],
	[ '{"m": [null]}', qr/invalid file "m\[0\]".*no object/s ],
	(map { [ qq({"m": {"base64": "$_"}}), qr/invalid file "m".*base64 is malformed/s ] }
		'A', 'AA', 'AAA', 'AA=', 'AAAA=', 'AAAAA===', '=', '====', 'AA==AA==', 'A===', 'AAA=A', 'AA-_', 'AAA\u00e9', 'AAA.', 'data:,AAAA'),
	(map { [ qq({"m": {"base64": "", "content_type": "$_"}}), qr/invalid file "m".*no media type/s ] }
		'', 'text', '/', 'text/', '/plain', 'text/plain\r\nX: y', 'text/pl\u0007ain', 'text/plåin'))
{
	my ($files, $like) = @$case;
	refused($post->('files => ' . quote($files)), '22023', $like, $files);
}
my $file = q{files => '{"f": {"base64": ""}}'};
refused($post->(qq{$file, form => '[]'}), '22023', qr/form must be a JSON object|object/, 'a form that is none');
refused($post->(qq{$file, form => '{"a": {"b": 1}}'}), '22023', qr/"a"/, 'an object in the form');
refused($post->("$file, $_"), '22023', qr/more than one body/, $_)
  foreach q{body_json => '1'}, q{body => 'x'}, q{body_bytes => 'x'}, q{form => '{}', body => 'x'};
refused($post->("$file, $_"), '22023', qr/content type cannot be given for files/, $_)
  foreach q{content_type => 'multipart/form-data'}, q{headers => '{"Content-Type": "multipart/mixed; boundary=x"}'};
refused($post->(q{files => '{"a\u0000": {"base64": ""}}'}), '22P05', qr/\\u0000/, 'a NUL is no JSON of PostgreSQL\'s');

# ---------------------------------------------------------------- signing

# The parts are no parameters, with every transmission; the hash is of the whole body.
foreach my $case (
	[ 'in_query', 'demo-key', { transmission => 'query' }, 'query', 0 ],
	[ 'in_body', 'demo-key', { transmission => 'body' }, 'query', 0 ],
	[ 'auto', 'demo-key', { body_hash => 'auto', signature_method => 'HMAC-SHA1' }, 'header', 1 ],
	[ 'always', 'always', { body_hash => 'always', signature_method => 'HMAC-SHA512' }, 'header', 1 ])
{
	my ($name, $key, $options, $where, $has_hash) = @$case;
	$registered->provider($name, %$options);
	$registered->consumer($name, $name, $key, $key eq 'always' ? 's' : 'demo-secret');
	my ($seen, $sent) = upload(qq{http_post('$name', '/upload', form => '{"oauth_token": "x", "a": "b"}', files => } . sql_json({ f => file($all x 1000) }) . ')', $name);
	is($sent->{transmission}, $where, "$name: where the oauth_ parameters are");
	is(exists $sent->{oauth}{oauth_body_hash} ? 1 : 0, $has_hash, "$name: oauth_body_hash");
	unlike($sent->{base_string}, qr/%26a%3Db/, "$name: a field is not signed");
	is_deeply($seen->{parts}, [ part('a', 'b'), part('oauth_token', 'x'), part('f', $all x 1000, 'f', $stream) ], "$name: the parts");
	my (undef, $again) = upload(qq{http_call('$name', oauth1.request('POST', '/upload', files => '{"f": {"base64": "Zm9v"}}'))}, "$name, by request()");
	is(exists $again->{oauth}{oauth_body_hash} ? 1 : 0, $has_hash, "$name, by request(): oauth_body_hash");
}

# ---------------------------------------------------------------- sent again

# A retry makes the body anew, from its start; the boundary is the body's.
$registered->both('again', api_urls => \("ARRAY['" . $service->url('/') . "']"), body_hash => 'auto');
$session->rows('SET oauth1.retries = 2');
my $from = $service->mark;
my $twice = $json->decode($session->rows(q{SELECT body FROM oauth1.http_put('again', '/flaky/times=2,status=503/api/upload',
	form => '{"a": "b"}', files => } . sql_json({ f => file($all x 100) }) . ')'));
is_deeply($twice->{parts}, [ part('a', 'b'), part('f', $all x 100, 'f', $stream) ], 'sent again: the parts');
my @attempts = $service->ledger($from);
is_deeply([ map { $_->{verdict} } @attempts ], [ ('ok') x 3 ], 'sent again: three attempts, each verified with its hash');
is($attempts[$_]{body}, $attempts[0]{body}, 'sent again: the same octets') foreach 1, 2;
$session->rows('RESET oauth1.retries');

# ---------------------------------------------------------------- 30 MB

# The largest resident size so far, in MB, since it was last forgotten.
sub peak
{
	my ($pid) = @_;
	my ($kilobytes) = slurp_file("/proc/$pid/status") =~ /^VmHWM:\s+(\d+) kB/m;
	return $kilobytes / 1024;
}

sub forget_peak
{
	my ($pid) = @_;
	open my $file, '>', "/proc/$pid/clear_refs" or die "clear_refs: $!";
	print $file '5';
	close $file;
	return peak($pid);
}

# Not compressed. Read from the table it is there twice, in shared buffers and as the argument;
# what it takes is measured with a function that does nothing with it.
$session->rows('CREATE TABLE upload (files jsonb); ALTER TABLE upload ALTER files SET STORAGE EXTERNAL');
my $block = join '', map { sprintf '%07d', $_ } 1 .. 6000;
my $big = $block x 750;
$session->rows(q{INSERT INTO upload SELECT jsonb_build_object('big', jsonb_build_object('base64', repeat(}
	  . quote(encode_base64($block, '')) . ', 750)))');
cmp_ok($session->rows('SELECT pg_column_size(files) FROM upload'), '>', 40 * 1024 * 1024, 'the argument has its 40 MB');

my %grown;
foreach my $how (
	[ argument => 'SELECT jsonb_typeof(files) FROM upload' ],
	[ files => q{SELECT body FROM upload, oauth1.http_post('api', '/upload', files => files)} ],
	[ with_hash => q{SELECT body FROM upload, oauth1.http_post('auto', '/upload', files => files)} ],
	[ request => q{SELECT body FROM upload, oauth1.http_call('api', oauth1.request('POST', '/upload', files => files))} ])
{
	my ($name, $sql) = @$how;
	my $own = OAuth1::Session->new($node);
	$own->rows(q{SET oauth1.token = ''; SELECT status FROM oauth1.http_get('api', '/items')});
	my $pid = $own->pid;
	my $before = forget_peak($pid);
	my $mark = $service->mark;
	my $body = $own->rows($sql);
	$grown{$name} = peak($pid) - $before;
	$own->quit;
	next if $name eq 'argument';
	is(($service->ledger($mark))[0]{verdict}, 'ok', "30 MB, $name: verified");
	is_deeply($json->decode($body)->{parts}, [ part('big', $big, 'big', $stream) ], "30 MB, $name: octet by octet");
}
note join ', ', map { sprintf '%s: %.1f MB more', $_, $grown{$_} } sort keys %grown;
cmp_ok($grown{$_}, '<', $grown{argument} + 8, "$_: no more than the argument takes") foreach qw(files with_hash);
cmp_ok($grown{request}, '>', $grown{argument} + 25, 'while a request made beforehand is a copy, which shows that this measures');

# ---------------------------------------------------------------- a server in another encoding

$node->safe_psql('postgres', q{CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin1', 'CREATE EXTENSION oauth1');
my $latin1 = OAuth1::Session->new($node, dbname => 'latin1');
OAuth1::Registered->new($latin1, $service)->both('api');
my $mark = $service->mark;
$seen = $json->decode($latin1->rows(q{SELECT body FROM oauth1.http_post('api', '/upload', token => '',
	form => '{"é": "ü"}', files => '{"ä": {"filename": "ö.txt", "base64": "Zm9v"}}')}) =~ s/[^\x00-\x7f]/sprintf '\\u%04x', ord $&/ger);
is_deeply($seen->{parts}, [ part('é', encode_utf8('ü')), part('ä', 'foo', 'ö.txt', $stream) ], 'from LATIN1: in UTF-8');

done_testing();
