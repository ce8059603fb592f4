# Lists page by page: every form of next, how the end is known, one signed call a row and none
# before its row is asked for, what does not end, and what leads elsewhere.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use Encode qw(encode_utf8);
use MIME::Base64 qw(encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Service;
use OAuth1::Session;

my $service = OAuth1::Service->start;
my $node = OAuth1::Node->start('main', service => $service);
my $dba = OAuth1::Session->new($node);
my $registered = OAuth1::Registered->new($dba, $service);
my $lists = \("ARRAY['" . $service->url('/lists/') . "', '" . $service->url('/flaky/') . "']");
$registered->both('lists', api_urls => $lists);
$registered->both('queries', api_urls => $lists, transmission => 'query');
$dba->rows(q{CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN});
$dba->rows("SELECT oauth1.grant_consumer('$_', 'alice')") foreach qw(lists queries);
my $alice = OAuth1::Session->new($node, user => 'alice');
my $bob = OAuth1::Session->new($node, user => 'bob');
$_->rows(q{SET oauth1.token = ''}) foreach $alice, $bob;

# ---------------------------------------------------------------- helpers

# A row of a page list, as the test shows it: its status, where that is not 200, and the ids of its rows.
my $shown = q{concat(nullif(r.status, 200) || ' ', (SELECT string_agg(i #>> '{}', ',')
	FROM jsonb_path_query(CASE WHEN r.content_type = 'application/json' THEN r.body::jsonb END,
		'strict $.**.id', '{}', true) i))};

# The pages, joined, and what arrived for them. A LIMIT may stand behind the arguments.
sub read_list
{
	my ($arguments, $session) = @_;
	my $mark = $service->mark;
	my $limit = $arguments =~ s/( LIMIT \d+)$// ? $1 : '';
	my $rows = ($session // $alice)->rows("SELECT $shown FROM oauth1.http_pages($arguments) AS r$limit");
	return ($rows =~ s/\n/|/gr, $service->ledger($mark));
}

sub is_list
{
	my ($arguments, $expected, $name, $calls) = @_;
	my ($pages, @sent) = read_list($arguments);
	is($pages, $expected, "$name: pages");
	is(scalar @sent, $calls // 1 + ($expected =~ tr/|//), "$name: calls");
	is_signed($name, @sent);
	return @sent;
}

sub is_signed
{
	my ($name, @sent) = @_;
	my %nonces = map { ($_->{oauth}{oauth_nonce} // '') => 1 } @sent;
	is(join(' ', map { $_->{verdict} // '-' } @sent), join(' ', ('ok') x @sent), "$name: verified")
	  or diag map { "$_->{target} $_->{detail}\n" } @sent;
	is(scalar keys %nonces, scalar @sent, "$name: a nonce each");
	return;
}

# A list that ends with an error, after so many calls.
sub is_error
{
	my ($sql, $sqlstate, $like, $calls, $name, $session) = @_;
	my $mark = $service->mark;
	my $error = ($session // $alice)->error($sql);
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{text} : '', $like, "$name: says so");
	is($service->mark - $mark, $calls, "$name: calls");
	return $error;
}

sub is_refused
{
	my ($arguments, @rest) = @_;
	return is_error("SELECT status FROM oauth1.http_pages($arguments)", @rest);
}

# The URL of a page that says so, and the arguments for a list that begins with it.
sub encoded { return encode_utf8($_[0]) =~ s/([^A-Za-z0-9\-._~])/sprintf '%%%02X', ord $1/ger; }

sub said
{
	my (@fields) = @_;
	my @pairs;
	while (my ($name, $value) = splice @fields, 0, 2) { push @pairs, "$name=" . encoded($value); }
	return '/say?' . join '&', @pairs;
}

sub saying { return "'lists', " . quote(said(@_)); }

sub requested
{
	my ($path, $arguments) = @_;
	return "'lists', request => oauth1.request('POST', '$path', $arguments)";
}

# ---------------------------------------------------------------- link

is_list("'lists', '/link', '{\"style\": \"$_\"}'", '1,2,3|4,5,6|7', "link: $_")
  foreach qw(absolute relative path several anchor);
is_list("'lists', '/link', '{\"total\": 2}'", '1,2', 'link: one page');
is_list("'lists', '/link', '{\"page\": 9}'", '', 'link: an empty page');
is_list("'lists', '/link?page=2'", '4,5,6|7', 'link: from the second page');
is_list(saying(body => '[{"id": 1}]', link => '<' . substr(said(body => '[{"id": 2}]'), 1) . '>; rel=next'),
	'1|2', 'link: relative to the page');
is_list(saying(body => '[]', link => '<say?body=x>; rel=prev, <say>, broken, <b'), '', 'link: none that is next');
is_list(saying(link => '<https://[bad>; rel=prev', link => ''), '', 'link: fields of no use');

my @sent = is_list(q{'lists', '/link', headers => '{"X-Own": "1", "Accept": "application/json"}'},
	'1,2,3|4,5,6|7', 'link: with headers');
is(join(' ', map { join '', map { $_->[0] eq 'X-Own' ? $_->[1] : () } @{ $_->{headers} } } @sent),
	'1 1 1', 'link: every page has the headers');

# The page's own URL is the one after redirects.
is_list("'lists', '" . $service->url('/flaky/redirect=302:' . encoded('/lists/link?style=relative') . '/api/echo') . "'",
	'1,2,3|4,5,6|7', 'link: relative to where a redirect led', 4);

# WooCommerce repeats the whole query in its links; signed in the query, that would be twice.
@sent = is_list(q{'queries', '/woocommerce', '{"size": 2}'}, '1,2|3,4|5,6|7', 'link: echoed parameters');
foreach my $request (@sent)
{
	my @signatures = $request->{target} =~ /[?&]oauth_signature=/g;
	is(scalar @signatures, 1, 'link: one signature a request');
}

# ---------------------------------------------------------------- a jsonpath to the next URL

my $next_url = q{next => '$.paging."next:url"'};
is_list("'lists', '/url', $next_url", '1,2,3|4,5,6|7', 'jsonpath: absolute');
is_list("'lists', '/url?relative', $next_url", '1,2,3|4,5,6|7', 'jsonpath: relative');
is_list("'lists', '/url?end=" . encoded($_) . "', $next_url", '1,2,3|4,5,6|7', "jsonpath: the end is $_")
  foreach 'null', '""', 'false';
is_list(q{'lists', '/url', next => 'strict $.nothing.there'}, '1,2,3', 'jsonpath: nothing found');
is_list(q{'lists', '/url', next => ' lax $.paging."next:url"'}, '1,2,3|4,5,6|7', 'jsonpath: lax');
is_refused(saying(body => '{"n": 5}') . ', next => ' . quote('$.n'),
	'22023', qr/jsonpath of next does not find a URL/, 1, 'jsonpath: a number');
is_refused(saying(body => '{"n": true}') . ', next => ' . quote('$.n'),
	'22023', qr/does not find a URL/, 1, 'jsonpath: true');

# A page that cannot be read is no end.
is_list(saying(type => 'text/plain', body => $_) . ', next => ' . quote('$.n'), '', "jsonpath: body $_")
  foreach '{}', '"n"', '';
foreach my $next ('$.n', 'cursor:$.n:c')
{
	is_refused(saying(type => 'text/plain', body => $_) . ', next => ' . quote($next),
		'22032', qr/page 1 cannot be read as JSON/, 1, "$next: body " . substr $_, 0, 20)
	  foreach '{"n": "x', '<html>', '{"n": "\u0000"}', '{"n": "\ud800"}';
	is_refused("'lists', '" . $service->url('/flaky/hex=7b226e223a22ff227d,type=text%2Fplain/lists/say') . "', next => '$next'",
		'22032', qr/cannot be read/, 1, "$next: not UTF-8");
	is_refused("'lists', '/say?type=text/plain&repeat=200000&body=%5B', next => '$next'",
		'22032', qr/cannot be read/, 1, "$next: deeper than the stack");
}
{
	my ($pages) = read_list("'lists', '" . $service->url('/flaky/type=text%2Fplain/lists/deep') . "', next => '\$.n'");
	is($pages, '404 ', 'a path that is not there');
	is($alice->rows("SELECT length(r.body) FROM oauth1.http_pages('lists', '/say?type=text/plain&repeat=200000&body=%5B',"
			  . " next => '\$.**.n') AS r LIMIT 1"), 200000, 'jsonpath: what cannot be read is a row all the same');
}

# ---------------------------------------------------------------- cursor

my $cursor = q{next => 'cursor:$.meta."a:b":after'};
is_list("'lists', '/cursor', $cursor", '1,2,3|4,5,6|7', 'cursor');
is_list("'lists', '/cursor?after=%3D3', $cursor", '4,5,6|7', 'cursor: from one');
is_list("'lists', '/cursor?end=" . encoded($_) . "', $cursor", '1,2,3|4,5,6|7', "cursor: the end is $_")
  foreach 'null', '""', 'false', '0', '"0"';
is_list("'lists', '/cursor?total=6&as=number', $cursor", '1,2,3|4,5,6', 'cursor: a number');
is_list("'lists', '/cursor?as=list', $cursor", '1,2,3|4,5,6|7', 'cursor: a list');

@sent = is_list(requested('/cursor', q{form => '{"after": "", "x": "a b"}'}) . ", $cursor",
	'1,2,3|4,5,6|7', 'cursor: in a form');
is($sent[2]{target}, '/lists/cursor', 'cursor: in a form: the URL stays');
is($sent[2]{body}, encode_base64('x=a%20b&after=%3D6', ''), 'cursor: in a form: the rest of it stays');

foreach my $case ([ string => '"=6"' ], [ number => '6' ], [ list => '[6]' ])
{
	my ($kind, $value) = @$case;
	@sent = is_list(requested("/cursor?as=$kind", q{body_json => '{"after": null, "x": [1.50, "é"]}'}) . ", $cursor",
		'1,2,3|4,5,6|7', "cursor: in JSON, $kind");
	is($sent[2]{target}, "/lists/cursor?as=$kind", "cursor: in JSON, $kind: the URL stays");
	is($sent[2]{body}, encode_base64(encode_utf8(qq({"x": [1.50, "é"], "after": $value})), ''),
		"cursor: in JSON, $kind: as it was given");
}
@sent = is_list(requested('/cursor', q{body_json => '{"x": {"after": 1}}'}) . ", $cursor",
	'1,2,3|4,5,6|7', 'cursor: not a key of the outermost object');
is($sent[1]{target}, '/lists/cursor?after=%3D3', 'cursor: where it stands nowhere, into the query');

# ---------------------------------------------------------------- offset

my $offset = q{next => 'offset:offset:3'};
is_list("'lists', '/offset?shape=$$_[0]', $offset", $$_[1], "offset: $$_[0]")
  foreach (
	[ array => '1,2,3|4,5,6|7|' ],
	[ object => '1,2,3|4,5,6|7|' ],
	[ inner => '1,2,3|4,5,6|7|' ],
	[ magento => '1,2,3|4,5,6|7' ],
	[ has_more => '1,2,3|4,5,6|7' ],
	[ stale => '1,2,3|4,5,6|7' ],
	[ string => '1,2,3|4,5,6|7' ],
	[ 'x-total-count' => '1,2,3|4,5,6|7' ]);
is_list("'lists', '/offset?total=6&shape=array', $offset", '1,2,3|4,5,6|', 'offset: a last full page');
is_list("'lists', '/offset?total=6&shape=magento', $offset", '1,2,3|4,5,6', 'offset: a last full page, announced');
is_list("'lists', '/offset?total=0&shape=$_', $offset", '', "offset: nothing there, $_")
  foreach qw(array object inner magento has_more);
@sent = is_list("'lists', '/offset?x=%7e&offset=2&limit=3&offset=2&y', $offset", '3,4,5|6,7|', 'offset: from another');
is($sent[1]{target}, '/lists/offset?x=%7e&offset=5&limit=3&y', 'offset: all other octets stay');
@sent = is_list("'lists', '/offset', '{\"limit\": 3}', next => 'offset:offset:3'", '1,2,3|4,5,6|7|', 'offset: not given');
is(join(' ', map { $_->{target} =~ s{/lists/offset\?}{}r } @sent),
	'limit=3 limit=3&offset=3 limit=3&offset=6 limit=3&offset=9', 'offset: the first request is sent as given');
@sent = is_list(requested('/offset', q{body_json => '{"offset": "0", "limit": 3}'}) . ", $offset",
	'1,2,3|4,5,6|7|', 'offset: in JSON');
is($sent[1]{body}, encode_base64('{"limit": 3, "offset": "3"}', ''), 'offset: in JSON, a string stays one');

# NetSuite: JSON in the body, offset and limit in the query, and links.
foreach my $next ('offset:offset:3', '$.links[*] ? (@.rel == "next").href')
{
	@sent = is_list(requested('/suiteql?limit=3', q{body_json => '{"q": "SELECT id FROM item"}', headers => '{"Prefer": "transient"}'})
		  . ', next => ' . quote($next), '1,2,3|4,5,6|7', "SuiteQL: $next");
	is($sent[2]{target}, '/lists/suiteql?limit=3&offset=6', "SuiteQL: $next: offset in the query");
}

# ---------------------------------------------------------------- page

is_list("'lists', '/number?shape=$$_[0]&beyond=$$_[1]', next => 'page:page'", $$_[2], "page: $$_[0], beyond: $$_[1]")
  foreach (
	[ 'array', 'empty', '1,2,3|4,5,6|7|' ],
	[ 'array', 'error', '1,2,3|4,5,6|7|400 ' ],
	[ 'magento', 'last', '1,2,3|4,5,6|7' ],
	[ 'string', 'last', '1,2,3|4,5,6|7' ],
	[ 'x-total-count', 'error', '1,2,3|4,5,6|7' ],
	[ 'x-total-pages', 'error', '1,2,3|4,5,6|7' ],
	[ 'has_more', 'last', '1,2,3|4,5,6|7' ]);
is_list(q{'lists', '/woocommerce', next => 'page:page'}, '1,2,3|4,5,6|7', 'page: WooCommerce');
is_list(q{'lists', '/number?shape=magento&beyond=last&page=2', next => 'page:page'}, '4,5,6|7', 'page: from the second');
@sent = is_list(q{'lists', '/number?shape=array', '{"page[n]": 7}', next => 'page:page[n]'} . ' LIMIT 2', '1,2,3|1,2,3', 'page: brackets');
is($sent[1]{target}, '/lists/number?shape=array&page%5Bn%5D=8', 'page: brackets: found');
is_list(q{'lists', '/number?shape=text', next => 'page:page'}, '|||', 'page: an empty body is the end, whatever it is');

# ---------------------------------------------------------------- a row at a time

# What arrived while something was done.
sub calls_of
{
	my ($sql) = @_;
	my $mark = $service->mark;
	$alice->rows($sql);
	return $service->mark - $mark;
}

is(calls_of($$_[1]), $$_[2], "lazily: $$_[0]")
  foreach (
	[ 'nothing asked for', q{SELECT FROM oauth1.http_pages('lists', '/link') LIMIT 0}, 0 ],
	[ 'LIMIT 2 in FROM', q{SELECT status FROM oauth1.http_pages('lists', '/link') LIMIT 2}, 2 ],
	[ 'with an alias and OFFSET', q{SELECT r.* FROM oauth1.http_pages('lists', '/link') AS r OFFSET 1 LIMIT 1}, 2 ],
	[ 'LATERAL', q{SELECT u, r.status FROM (VALUES ('/link'), ('/link?page=2')) AS v (u), LATERAL oauth1.http_pages('lists', u) AS r LIMIT 4}, 4 ],
	[ 'LIMIT in LATERAL', q{SELECT r.status FROM generate_series(1, 2) AS n, LATERAL (SELECT * FROM oauth1.http_pages('lists', '/link?n=' || n) LIMIT 2) AS r}, 4 ],
	[ 'in a select list', q{SELECT oauth1.http_pages('lists', '/link') LIMIT 2}, 2 ],
	[ 'EXISTS', q{SELECT EXISTS (SELECT FROM oauth1.http_pages('lists', '/link'))}, 1 ],
	[ 'EXPLAIN', q{EXPLAIN SELECT * FROM oauth1.http_pages('lists', '/link')}, 0 ],
	[ 'read-only', q{BEGIN READ ONLY; SELECT status FROM oauth1.http_pages('lists', '/link') LIMIT 2; COMMIT}, 2 ],
	[ 'all', q{SELECT status FROM oauth1.http_pages('lists', '/link')}, 3 ]);

my $plan = $alice->rows(q{EXPLAIN (VERBOSE, COSTS OFF) SELECT status FROM oauth1.http_pages('lists', '/link') LIMIT 2});
like($plan, qr/ProjectSet\n *Output: oauth1\._http_pages/, 'lazily: put into the query');
unlike($plan, qr/Function Scan/, 'lazily: not scanned');

$alice->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT status FROM oauth1.http_pages('lists', '/link')});
is(calls_of('FETCH c'), $_, "cursor: FETCH, $_") foreach 1, 1, 1, 0;
$alice->rows('COMMIT');
$alice->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT status FROM oauth1.http_pages('lists', '/link')});
is(calls_of('FETCH 2 FROM c'), 2, 'cursor: FETCH 2');
is(calls_of('CLOSE c; COMMIT'), 0, 'cursor: closed, nothing more');

# ---------------------------------------------------------------- what does not end

is_refused(q{'lists', '/link', '{"size": 1}', max_pages => 3}, '54000', qr/list has more than 3 pages/, 3, 'max_pages');
is_list(q{'lists', '/link', '{"size": 1}', max_pages => 3} . ' LIMIT 3', '1|2|3', 'max_pages: with a LIMIT');
is_list(q{'lists', '/link', '{"size": 1}', max_pages => 7}, '1|2|3|4|5|6|7', 'max_pages: as many as there are');
$alice->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT status FROM oauth1.http_pages('lists', '/number?shape=array&total=1000&size=1', next => 'page:page', max_pages => 2)});
is($alice->rows('FETCH 2 FROM c'), "200\n200", 'max_pages: the pages themselves come');
is_error('FETCH c', '54000', qr/more than 2 pages.*max_pages/s, 0, 'max_pages: at the row after the last');
$alice->rows('ROLLBACK');

is_refused(saying(link => $$_[0]), '54000', qr/does not end.*Page 1 says that it is followed by itself/s, 1, "itself: $$_[1]")
  foreach ([ '<>; rel=next', 'an empty reference' ], [ '<#top>; rel=next', 'a part of it' ]);
is_refused(saying(body => '{"c": "x"}', c => 'x') . q{, next => 'cursor:$.c:c'},
	'54000', qr/Page 1 says that it is followed by itself/, 1, 'itself: the same cursor');
is_refused(saying(body => '{"c": "x"}') . q{, next => 'cursor:$.c:c'},
	'54000', qr/Page 2 says that it is followed by itself/, 2, 'itself: the same cursor from the second page on');
is_refused(requested('/say', q{form => '{"c": "x", "body": "{\"c\": \"x\"}"}'}) . q{, next => 'cursor:$.c:c'},
	'54000', qr/Page 1 says that it is followed by itself/, 1, 'itself: the same cursor in a form');

# ---------------------------------------------------------------- what leads elsewhere

is_refused(saying(link => "<$$_[0]>; rel=next"), $$_[1], $$_[2], 1, "elsewhere: $$_[0]")
  foreach (
	[ '/api/items', 'OA003', qr/URL is not allowed for consumer "lists"/ ],
	[ '//elsewhere.example/lists/x', 'OA003', qr/not allowed/ ],
	[ 'https://elsewhere.example/lists/', 'OA003', qr/not allowed/ ],
	[ 'http://localhost/lists/link', 'OA003', qr/not allowed/ ],
	[ '../listsx/', 'OA003', qr/not allowed/ ],
	[ '%2e%2e/api/items', '22023', qr/Nothing was sent/ ],
	[ 'https://u:p@localhost/lists/', '22023', qr/user name/ ],
	[ 'mailto:someone', '22023', qr/invalid URL/ ],
	[ 'a\\b', '22023', qr/invalid next URL/ ]);
is_refused(saying(body => '{"n": "\u000a"}') . ', next => ' . quote('$.n'), '22023', qr/invalid next URL/, 1, 'elsewhere: a line break');
is_refused(saying(link => '<' . $service->url('/flaky/hangup/lists/link') . '>; rel=next'),
	'OA009', qr/no answer/, 3, 'a later page that is not answered, also not when asked for again');
is_list(saying(status => $_, body => '[{"id": 9}]', link => '<say>; rel=next'), "$_ 9", "status $_: a row, and the last")
  foreach 301, 404, 500;

# ---------------------------------------------------------------- who may, and with what

is_error("SELECT status FROM oauth1.$_", 'OA007', qr/consumer "lists" does not exist or may not be used/, 0, "bob: $_", $bob)
  foreach q{http_pages('lists', '/link')}, q{_http_pages('lists', '/link', NULL, NULL, 'link', 5, NULL, '', NULL)};

is_refused($$_[0], $$_[1], $$_[2], 0, "refused: $$_[0]")
  foreach (
	[ q{NULL, '/link'}, '22004', qr/consumer must not be null/ ],
	[ q{'lists', '/link', next => NULL}, '22004', qr/next must not be null/ ],
	[ q{'lists', '/link', max_pages => NULL}, '22004', qr/max_pages must not be null/ ],
	[ q{'lists', '/link', max_pages => 0}, '22023', qr/max_pages must be greater than zero/ ],
	[ q{'lists', '/link', timeout_ms => 0}, '22023', qr/timeout_ms must be greater than zero/ ],
	[ q{'lists'}, '22023', qr/neither url nor request is given/ ],
	[ q{'lists', '/link', request => oauth1.request('GET', '/link')}, '22023', qr/url and request are both given/ ],
	[ q{'lists', params => '{}', request => oauth1.request('GET', '/link')}, '22023', qr/params and headers belong to url/ ],
	[ q{'lists', headers => '{}', request => oauth1.request('GET', '/link')}, '22023', qr/params and headers belong to url/ ],
	[ q{'lists', '/link', params => '[]'}, '22023', qr/params/ ],
	[ q{'lists', '/link', headers => '{"Host": "x"}'}, '22023', qr/"host" cannot be set/ ],
	[ q{'lists', '/link', next => ''}, '22023', qr/There is no form "".*link, a jsonpath.*cursor:PATH:PARAM, offset:PARAM:SIZE and page:PARAM/s ],
	[ q{'lists', '/link', next => 'Link'}, '22023', qr/There is no form "Link"/ ],
	[ q{'lists', '/link', next => '$.['}, '22023', qr/The jsonpath cannot be read: .*\$\.\[|The jsonpath cannot be read: / ],
	[ q{'lists', '/link', next => 'cursor:$.x'}, '22023', qr/cursor needs a jsonpath and a parameter/ ],
	[ q{'lists', '/link', next => 'cursor:$.x:'}, '22023', qr/name of the parameter is missing/ ],
	[ q{'lists', '/link', next => 'cursor::x'}, '22023', qr/jsonpath cannot be read/ ],
	[ q{'lists', '/link', next => 'offset:x'}, '22023', qr/offset needs a parameter and the size/ ],
	[ q{'lists', '/link', next => 'offset::3'}, '22023', qr/name of the parameter is missing/ ],
	(map { [ "'lists', '/link', next => 'offset:x:$_'", '22023', qr/size of a page is not a number from 1/ ] } '', '0', '-1', '3x', '1000000000'),
	[ q{'lists', '/link', next => 'page:'}, '22023', qr/name of the parameter is missing/ ],
	(map { [ "'lists', '/link?page=$_', next => 'page:page'", '22023', qr/parameter "page" of the first page is no number/ ] } '', 'x', '-1', '1234567890123456') );

# ---------------------------------------------------------------- another server encoding

$node->safe_psql('postgres', q{CREATE DATABASE latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
my $latin1 = OAuth1::Session->new($node, dbname => 'latin1');
$latin1->rows($_) foreach 'CREATE EXTENSION oauth1', q{SET oauth1.token = ''};
OAuth1::Registered->new($latin1, $service)->both('lists', api_urls => $lists);
{
	my $mark = $service->mark;
	is($latin1->rows('SELECT status FROM oauth1.http_pages(' . saying(body => '{"clé": "à"}', status => 200)
			  . q{, next => 'cursor:$."clé":é') LIMIT 2}), "200\n200", 'LATIN1: pages');
	my @requests = $service->ledger($mark);
	like($requests[1]{target}, qr/&%C3%A9=%C3%A0$/, 'LATIN1: path, cursor and parameter are UTF-8 on the wire');
	is_error('SELECT status FROM oauth1.http_pages(' . saying(body => '{"a": "🔔"}') . q{, next => '$.a')},
		'22032', qr/cannot be read as JSON/, 1, 'LATIN1: a body that it has no characters for', $latin1);
}

# ---------------------------------------------------------------- memory

# The session's memory contexts in kB, and what it has of the machine's.
sub memory
{
	my ($session) = @_;
	my $contexts = $session->rows('SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts');
	my ($resident) = slurp_file('/proc/' . $session->pid . '/status') =~ /^VmRSS:\s*(\d+)/m;
	return (int $contexts, $resident);
}

$dba->rows(q{SET oauth1.token = ''});
$dba->rows(q{BEGIN; DECLARE c CURSOR FOR SELECT status FROM oauth1.http_pages('lists', '/link?total=2000&size=1', max_pages => 2000)});
$dba->rows('FETCH 200 FROM c');
my ($contexts, $resident) = memory($dba);
$dba->rows('MOVE 1799 FROM c');
my ($contexts_after, $resident_after) = memory($dba);
is($dba->rows('FETCH 10 FROM c'), '200', 'memory: 2,000 pages');
cmp_ok($contexts_after - $contexts, '<', 64, 'memory: contexts do not grow');
cmp_ok($resident_after - $resident, '<', 1024, 'memory: nor does the process');
note "contexts $contexts kB, then $contexts_after kB; resident $resident kB, then $resident_after kB";
$dba->rows('COMMIT');

done_testing();
