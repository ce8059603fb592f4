# Replies in other charsets: read as services mean them, in servers of every encoding; what is no
# text comes as octets, and nothing that a service sends is an error.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Encode qw(decode encode encode_utf8);
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $json = JSON::PP->new;
my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('charsets', service => $service);

# A session of a database in this encoding.
sub database
{
	my ($name, $encoding) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $name ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($name, 'CREATE EXTENSION oauth1');
	my $session = OAuth1::Session->new($node, dbname => $name);
	OAuth1::Registered->new($session, $service)->both('any', api_urls => \("ARRAY['" . $service->url('/') . "']"));
	$session->rows(q{SET oauth1.token = ''});
	return $session;
}

sub percent { return $_[0] =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ger; }

# What arrives as body or body_bytes of these octets with this Content-Type (undef: none), as SQL
# shows it: 'text: ...' or 'bytes: \x...'.
sub read_body
{
	my ($session, $type, $octets) = @_;
	my $url = $service->url('/flaky/type' . (defined $type ? '=' . percent(encode_utf8($type)) : '') . ',hex='
		  . unpack('H*', $octets) . '/api/echo');
	return $session->rows(q{SELECT coalesce('text: ' || body, 'bytes: ' || body_bytes::text) FROM oauth1.http_get('any', } . quote($url) . ')');
}

sub bytes { return 'bytes: \x' . unpack 'H*', $_[0]; }

my $utf8 = database('in_utf8', 'UTF8');

# ---------------------------------------------------------------- names

# Names as services write them, and a text encoded by Perl, which is a second opinion.
foreach my $case (
	[ 'utf8', 'UTF-8', 'é漏🔔' ],
	[ 'utf-8', 'UTF-8', 'é漏🔔' ],
	[ 'UTF_8', 'UTF-8', 'é漏🔔' ],
	[ 'unicode-1-1-utf-8', 'UTF-8', 'é' ],
	[ 'us-ascii', 'UTF-8', 'plain' ],
	[ 'ISO-8859-1', 'cp1252', 'déjà vu' ],
	[ 'latin1', 'cp1252', '“quoted” – 5 €' ],
	[ 'iso_8859-1:1987', 'cp1252', '€' ],
	[ 'windows-1252', 'cp1252', '“quoted” – 5 €' ],
	[ 'cp1252', 'cp1252', '€' ],
	[ 'iso-8859-2', 'iso-8859-2', 'Příliš žluťoučký' ],
	[ 'iso-8859-5', 'iso-8859-5', 'Привет' ],
	[ 'iso-8859-7', 'iso-8859-7', 'αβγ' ],
	[ 'iso-8859-9', 'cp1254', 'İstanbul – €' ],
	[ 'iso-8859-15', 'iso-8859-15', '5 €' ],
	[ 'windows-1251', 'cp1251', 'Привет' ],
	[ 'cp1251', 'cp1251', 'Привет' ],
	[ 'x-cp1250', 'cp1250', 'Příliš' ],
	[ 'koi8-r', 'koi8-r', 'Привет' ],
	[ 'KOI8-U', 'koi8-u', 'Їжак' ],
	[ 'cp866', 'cp866', 'Привет' ],
	[ 'tis-620', 'cp874', 'สวัสดี' ],
	[ 'windows-874', 'cp874', 'สวัสดี' ],
	[ 'Shift_JIS', 'cp932', '日本語ｱ' ],
	[ 'x-sjis', 'cp932', '日本語①' ],
	[ 'windows-31j', 'cp932', '髙﨑' ],
	[ 'EUC-JP', 'euc-jp', '日本語ｱ' ],
	[ 'x-euc-jp', 'euc-jp', '日本' ],
	[ 'gb2312', 'cp936', '漏斗' ],
	[ 'gb2312', 'cp936', '朱镕基' ],
	[ 'GBK', 'cp936', '朱镕基' ],
	[ 'big5', 'big5-eten', '漏斗' ],
	[ 'euc-kr', 'euc-kr', '한국어' ],
	[ 'ks_c_5601-1987', 'cp949', '한국어 똠' ],
	[ 'windows-949', 'cp949', '똠방각하' ])
{
	my ($name, $perl, $text) = @$case;
	is(read_body($utf8, "text/plain; charset=$name", encode($perl, $text, Encode::FB_CROAK | Encode::LEAVE_SRC)), "text: $text", "charset $name: $text");
}
is(read_body($utf8, 'text/plain; charset=gb18030', "\xc2\xa9\x81\x30\x81\x30"), "text: 漏\x{80}", 'charset gb18030');

# ---------------------------------------------------------------- the parameter

my $cafe = "caf\xe9";
foreach my $type (
	'text/html; charset=iso-8859-1', 'text/html;charset=ISO-8859-1', 'TEXT/HTML; CHARSET=Iso-8859-1',
	'text/html; charset="iso-8859-1"', 'text/html ; a=b ; charset = "iso-8859-1" ; c', "text/html;\tcharset=iso-8859-1\t",
	'text/html; x="; charset=utf-8"; charset=iso-8859-1', 'text/html; x="\\"; charset=utf-8"; charset=iso-8859-1',
	'text/html; xcharset=utf-8; charset=iso-8859-1', 'text/html; charset=iso-8859-1; charset=utf-8',
	'application/json; charset=iso-8859-1', 'application/xml; charset=iso-8859-1', 'application/ld+json; charset=latin1')
{
	is(read_body($utf8, $type, $cafe), 'text: café', $type);
}
foreach my $type (
	'text/html', 'text/html; xcharset=iso-8859-1', 'text/html; x="; charset=iso-8859-1"', 'text/html; charset', 'text/html; charset=',
	'text/html; charset=utf-8', 'text/html; charset=klingon', 'text/html; charset=sql_ascii', 'text/html; charset=mule_internal',
	'text/html; charset=unicode', 'text/html; charset=' . 'x' x 300, 'image/png; charset=iso-8859-1', 'text/html; charset="iso-8859-1', 'text/html; charset=us-ascii')
{
	my $unended = $type =~ /"iso-8859-1\z/;
	is(read_body($utf8, $type, $cafe), $unended ? 'text: café' : bytes($cafe), $type);
}

# ---------------------------------------------------------------- what is no text

foreach my $case (
	[ 'utf-8', "\xc3" ], [ 'utf-8', "a\xed\xa0\x80" ], [ 'utf-8', "\xf8\x88\x80\x80\x80" ], [ 'utf-8', "\xc0\xaf" ],
	[ 'windows-1252', "\x81" ], [ 'iso-8859-1', "\x8d" ], [ 'shift_jis', "\x93" ], [ 'euc-jp', "\xa4" ], [ 'gbk', "\xff\xff" ],
	[ 'euc-kr', "\xc7" ], [ 'big5', "\xa1\x00" ], [ 'utf-8', "a\0b" ], [ 'iso-8859-1', "a\0b" ],
	[ 'utf-16', encode('UTF-16', 'text') ], [ 'utf-16le', encode('UTF-16LE', 'text') ], [ 'utf-16be', encode('UTF-16BE', 'été') ],
	[ 'utf-32', encode('UTF-32', 'x') ], [ 'utf-7', 'a+AOk-' ], [ 'iso-2022-jp', encode('iso-2022-jp', '日本') ], [ 'hz-gb-2312', '~{VPND~}' ],
	[ 'x-user-defined', "\x80" ])
{
	my ($charset, $octets) = @$case;
	is(read_body($utf8, "text/plain; charset=$charset", $octets), bytes($octets), "$charset: " . unpack 'H*', $octets);
}
is(read_body($utf8, 'text/plain', encode('UTF-16', 'text')), bytes(encode('UTF-16', 'text')), 'UTF-16 by its mark alone');

# ---------------------------------------------------------------- byte order mark

my $mark = "\xef\xbb\xbf";
is(read_body($utf8, $_, $mark . '{"a": 1}'), 'text: {"a": 1}', 'a byte order mark is left out: ' . ($_ // 'no type'))
  foreach 'application/json', 'text/plain; charset=utf-8', 'text/xml', undef;
is(read_body($utf8, 'text/plain; charset=iso-8859-1', $mark . encode_utf8('é')), 'text: é', 'and counts for more than a name');
is(read_body($utf8, 'text/plain', $mark), 'text: ', 'and alone is an empty text');
is(read_body($utf8, 'image/png', $mark . 'x'), bytes($mark . 'x'), 'but octets stay as they are');
is(read_body($utf8, 'text/plain', $mark . "\xff"), bytes("$mark\xff"), 'also where it says what is not so');
is(read_body($utf8, 'text/plain', "a$mark"), "text: a\x{feff}", 'in the middle it is a character');
is($utf8->rows('SELECT (body::jsonb) FROM oauth1.http_get(\'any\', '
	  . quote($service->url('/flaky/type=application%2Fjson,hex=' . unpack('H*', $mark . '{"a": 1}') . '/api/echo')) . ')'),
	'{"a": 1}', 'so that JSON is JSON');

# ---------------------------------------------------------------- XML

my $declared = sub { return qq(<?xml version="1.0" $_[0]?><a>caf\xe9</a>); };
my $read = sub { return decode('iso-8859-1', $_[0]); };
foreach my $type ('application/xml', 'text/xml', 'application/atom+xml', 'application/soap+xml; action="x"')
{
	foreach my $encoding (q{encoding="ISO-8859-1"}, q{encoding='latin1' standalone="yes"}, qq{encoding\n=\t"windows-1252"})
	{
		my $body = $declared->($encoding);
		is(read_body($utf8, $type, $body), 'text: ' . $read->($body), "$type: $encoding");
	}
}
is(read_body($utf8, 'application/xml', $_), bytes($_), "XML: $_")
  foreach $declared->(''), $declared->('encoding="klingon"'), $declared->('encoding=latin1'), "<a>encoding=\"latin1\" caf\xe9</a>",
  $declared->(q{?> encoding="latin1"}), ' ' . $declared->('encoding="latin1"');
is(read_body($utf8, 'application/json', $declared->('encoding="latin1"')), bytes($declared->('encoding="latin1"')), 'what is not XML declares nothing');
is(read_body($utf8, 'text/xml; charset=iso-8859-1', $declared->('encoding="utf-8"')), 'text: ' . $read->($declared->('encoding="utf-8"')),
	'a charset counts for more than a declaration');
my $dotnet = qq(<?xml version="1.0" encoding="utf-16"?><a>caf\xc3\xa9</a>);
is(read_body($utf8, 'text/xml', $dotnet), 'text: ' . decode('utf-8', $dotnet), 'what can be read does not declare UTF-16');
is($utf8->rows(q{SELECT xpath('/a/text()', body::xml) FROM oauth1.http_get('any', }
	  . quote($service->url('/flaky/type=text%2Fxml,hex=' . unpack('H*', $declared->('encoding="ISO-8859-1"')) . '/api/echo')) . ')'),
	'{café}', 'and PostgreSQL reads it as xml') if $utf8->rows(q{SELECT count(*) FROM pg_config WHERE setting LIKE '%--with-libxml%'});

# ---------------------------------------------------------------- servers in other encodings

my $latin1 = database('in_latin1', 'LATIN1');
is(read_body($latin1, 'text/plain; charset=utf-8', encode_utf8('café')), 'text: café', 'LATIN1: from UTF-8');
is(read_body($latin1, 'text/plain; charset=iso-8859-1', $cafe), 'text: café', 'LATIN1: from ISO-8859-1, which is windows-1252');
is(read_body($latin1, 'text/plain; charset=iso-8859-1', "5 \x80"), bytes("5 \x80"), 'LATIN1: which has a euro sign that it lacks');
is(read_body($latin1, 'text/plain; charset=iso-8859-15', $cafe), 'text: café', 'LATIN1: from an encoding that has no conversion to it');
is(read_body($latin1, 'text/plain; charset=shift_jis', "\x93\xfa"), bytes("\x93\xfa"), 'LATIN1: a character it lacks');
is(read_body($latin1, 'text/plain; charset=shift_jis', 'ascii'), 'text: ascii', 'LATIN1: ASCII is itself');
is(read_body($latin1, 'application/json', $mark . '{}'), 'text: {}', 'LATIN1: a byte order mark is left out');
is(read_body($latin1, 'text/xml', $declared->('encoding="ISO-8859-1"')), 'text: ' . $read->($declared->('encoding="ISO-8859-1"')), 'LATIN1: XML');

my $euc_jp = database('in_euc_jp', 'EUC_JP');
is(read_body($euc_jp, "text/plain; charset=$_->[0]", encode($_->[1], '日本語')), 'text: 日本語', "EUC_JP: from $_->[0]")
  foreach [ 'utf-8', 'UTF-8' ], [ 'euc-jp', 'euc-jp' ], [ 'shift_jis', 'cp932' ], [ 'gb2312', 'cp936' ], [ 'big5', 'big5-eten' ];
is(read_body($euc_jp, 'text/plain; charset=utf-8', encode_utf8('🔔')), bytes(encode_utf8('🔔')), 'EUC_JP: a character it lacks');
is(read_body($euc_jp, 'text/plain; charset=euc-jp', "\xa4"), bytes("\xa4"), 'EUC_JP: malformed');

# It checks nothing and converts nothing: octets pass.
my $ascii = database('in_ascii', 'SQL_ASCII');
$ascii->rows('SET client_encoding = SQL_ASCII');
is(read_body($ascii, 'text/plain; charset=utf-8', encode_utf8('café 🔔')), 'text: café 🔔', 'SQL_ASCII: as it came');
is(read_body($ascii, 'text/plain; charset=utf-8', "a\0b"), bytes("a\0b"), 'SQL_ASCII: but for a NUL');
is(read_body($ascii, 'text/plain', $mark . 'x'), 'text: x', 'SQL_ASCII: a byte order mark is left out');
is(read_body($ascii, 'text/plain; charset=klingon', 'x'), bytes('x'), 'SQL_ASCII: an unknown charset');

done_testing();
