# enqueue: what is judged at once, what is stored, and for whom; nothing is sent here.
use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib "$FindBin::RealBin/lib";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

use OAuth1::Node;
use OAuth1::Registered qw(quote);
use OAuth1::Session;

my $node = OAuth1::Node->start('main', settings => ['oauth1.worker = off']);
my $dba = OAuth1::Session->new($node);
$dba->rows($_) foreach (
	q{SELECT oauth1.create_provider('shop', '{https://shop.example/api}')},
	q{SELECT oauth1.create_consumer('shop', 'shop', 'shop-key', 'shop-secret')},
	q{SELECT oauth1.set_token('shop', 'shop-token', 'shop-token-secret')},
	q{SELECT oauth1.set_token('shop', 'other-token', 'other-token-secret', 'other')},
	(map { "CREATE ROLE $_ LOGIN" } qw(alice bob member)), 'GRANT alice TO member',
	q{CREATE DOMAIN order_number AS bigint},
	q{GRANT CREATE ON SCHEMA public TO alice});
$dba->rows(q{SELECT oauth1.grant_consumer('shop', 'alice')});
my %session = map { $_ => OAuth1::Session->new($node, user => $_) } qw(alice bob member);
my $alice = $session{alice};
my $bob = $session{bob};

sub enqueue { my ($method, $url, $more) = @_; return "SELECT oauth1.enqueue('shop', " . quote($method) . ', ' . quote($url) . ($more ? ", $more" : '') . ')'; }

sub is_error
{
	my ($session, $sql, $sqlstate, $like, $name) = @_;
	my $error = $session->error($sql);
	is($error ? $error->{sqlstate} : 'no error', $sqlstate, "$name: $sqlstate");
	like($error ? $error->{message} : '', $like, "$name: says so");
	return;
}

# ---------------------------------------------------------------- what is stored

# Columns of the call that a statement enqueued, and of its row in the queue.
sub stored
{
	my ($columns, $more, $method, $url, $session) = @_;
	return $dba->rows("SELECT $columns FROM oauth1.call c JOIN oauth1.queue q USING (id) WHERE c.id = "
		  . ($session // $alice)->rows(enqueue($method // 'POST', $url // '/orders', $more)));
}

is(stored(q{http_method, url, token, headers, content_type, convert_from(body, 'UTF8'), c.consumer, q.consumer},
		q{body_json => '{"a": "ö"}', headers => '{"X-A": ["1", "2"]}'}, 'pOsT', '/orders?q=1#fragment'),
	'POST|/orders?q=1|default|{"X-A": ["1", "2"]}|application/json|{"a": "ö"}|shop|shop', 'a message, as http_post takes it');
is(stored(q{url, content_type, convert_from(body, 'UTF8')}, q{form => '{"a": "50 %"}', params => '{"p": "ö"}'}),
	'/orders?p=%C3%B6|application/x-www-form-urlencoded|a=50%20%25', 'params and a form');
like(stored(q{content_type, convert_from(body, 'UTF8')}, q{files => '{"media": {"base64": "YW4gYW52aWw="}}', form => '{"a": "b"}'}),
	qr{^multipart/form-data; boundary=(\S+)\|--\1\r\n.*an anvil\r\n--\1--\r\n$}s, 'files, as the body they make');
is(stored(q{headers IS NULL, content_type IS NULL, body IS NULL, timeout_ms IS NULL, on_done IS NULL, q.dedupe_key IS NULL, q.order_key IS NULL, state IS NULL, attempts, claim IS NULL}, undef, 'GET'),
	't|t|t|t|t|t|t|t|{}|t', 'what is not given is not there');
is(stored(q{max_attempts, timeout_ms, c.dedupe_key, q.dedupe_key, c.order_key, q.order_key, run_at = due, due = '2000-01-01 00:00:00+00'},
		q{max_attempts => 100, timeout_ms => 7, dedupe_key => 'd', order_key => 'o', run_at => '2000-01-01 00:00:00+00'}),
	'100|7|d|d|o|o|t|t', 'and what is');
is(stored(q{size, size - octet_length(url) - octet_length(body)}, q{body => repeat('x', 1000)}), '1007|0', 'its size');
is(stored(q{enqueued_by = 'alice'::regrole, enqueued_by_name, system_identifier = (SELECT s.system_identifier FROM pg_control_system() s), database = (SELECT oid FROM pg_database WHERE datname = current_database())}),
	't|alice|t|t', 'by whom, on which server, in which database');
is(stored(q{due = created_at, created_at BETWEEN now() - interval '1 minute' AND now()}, 'run_at => NULL'), 't|t', 'run_at NULL: now');
is($dba->rows(q{SELECT count(DISTINCT idempotency_key) = count(*), bool_and(idempotency_key::text ~ '^.{14}4') FROM oauth1.call}), 't|t', 'each has an idempotency_key of its own');
is(stored('token', 'token => NULL'), '', 'token NULL');
is(stored('token', q{token => ''}), '', 'no token');
is(stored('token', q{token => 'other'}), 'other', 'another token');
$alice->rows(q{SET oauth1.token = 'other'});
is(stored('token'), 'other', 'oauth1.token');
$alice->rows('RESET oauth1.token');
is(stored('idempotent', $_->[1], $_->[0]), $_->[2], join ' ', 'idempotent:', grep { defined } @$_)
  foreach [ GET => undef, 't' ], [ put => undef, 't' ], [ DELETE => undef, 't' ], [ POST => undef, 'f' ], [ PATCH => undef, 'f' ], [ POST => 'idempotent => true', 't' ], [ PUT => 'idempotent => false', 'f' ];

# As whom: the current role, not the session's, not the function's owner.
{
	my $id = $dba->rows('SET ROLE alice; ' . enqueue('GET', '/orders') . '; RESET ROLE');
	is($dba->rows("SELECT enqueued_by_name FROM oauth1.call WHERE id = $id"), 'alice', 'the current role');
}
$dba->rows(q{CREATE FUNCTION as_owner() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$SELECT oauth1.enqueue('shop', 'GET', '/orders')$$});
is($dba->rows('SELECT enqueued_by_name = current_user FROM oauth1.call WHERE id = ' . $bob->rows('SELECT as_owner()')), 't', 'in SECURITY DEFINER: its owner');

# ---------------------------------------------------------------- what is refused

is_error($alice, enqueue(@$_[1 .. 3]), @$_[4, 5], $_->[0]) foreach (
	[ 'a method that is none', 'GE T', '/orders', undef, '22023', qr/http_method/ ],
	[ 'a URL of elsewhere', 'GET', 'https://elsewhere.example/', undef, 'OA003', qr/not allowed/ ],
	[ 'http', 'GET', 'http://shop.example/api/', undef, 'OA003', qr/not allowed|need https/ ],
	[ 'dot segments', 'GET', '/../admin', undef, '22023', qr/invalid URL/ ],
	[ 'a bad escape', 'GET', '/%zz', undef, '22P02', qr/URL/ ],
	[ 'a bad escape in a form', 'POST', '/', q{body => 'a=%zz', content_type => 'application/x-www-form-urlencoded'}, '22P02', qr/./ ],
	[ 'a header of ours', 'GET', '/', q{headers => '{"Authorization": "x"}'}, '22023', qr/authorization/ ],
	[ 'a parameter of ours', 'GET', '/?oauth_nonce=1', undef, '22023', qr/oauth_nonce/ ],
	[ 'two bodies', 'POST', '/', q{body => 'x', body_json => '1'}, '22023', qr/more than one body/ ],
	[ 'a token that is not there', 'GET', '/', q{token => 'unknown'}, 'OA007', qr/unknown/ ],
	[ 'no attempts', 'GET', '/', 'max_attempts => 0', '22023', qr/max_attempts/ ],
	[ 'too many attempts', 'GET', '/', 'max_attempts => 101', '22023', qr/max_attempts/ ],
	[ 'attempts null', 'GET', '/', 'max_attempts => NULL', '22004', qr/max_attempts/ ],
	[ 'no time', 'GET', '/', 'timeout_ms => 0', '22023', qr/timeout_ms/ ],
	[ 'never', 'GET', '/', q{run_at => 'infinity'}, '22023', qr/run_at/ ],
	[ 'before all time', 'GET', '/', q{run_at => '-infinity'}, '22023', qr/run_at/ ],
	[ 'an empty dedupe_key', 'GET', '/', q{dedupe_key => ''}, '22023', qr/dedupe_key/ ],
	[ 'a long order_key', 'GET', '/', q{order_key => repeat('x', 1001)}, '22023', qr/order_key/ ]);
is_error($alice, "SELECT oauth1.enqueue($_->[0])", '22004', qr/^$_->[1] must not be null$/, "$_->[1] null")
  foreach [ q{NULL, 'GET', '/'}, 'consumer' ], [ q{'shop', NULL, '/'}, 'http_method' ], [ q{'shop', 'GET', NULL}, 'url' ];
is_error($alice, q{SELECT oauth1.enqueue('none', 'GET', '/')}, 'OA007', qr/may not be used/, 'no such consumer');
is_error($bob, enqueue('GET', '/orders'), 'OA007', qr/may not be used/, 'no grant');
is_error($alice, 'BEGIN READ ONLY; ' . enqueue('GET', '/orders'), '25006', qr/read-only/, 'a read-only transaction');
$alice->rows('ROLLBACK');

# ---------------------------------------------------------------- on_done

$dba->rows($_) foreach (
	'CREATE SCHEMA "My Schema"', 'GRANT USAGE ON SCHEMA "My Schema" TO alice',
	q{CREATE FUNCTION "My Schema"."On Done"(bigint, oauth1.http_response) RETURNS void LANGUAGE sql AS ''},
	q{CREATE FUNCTION dba_only(bigint, oauth1.http_response) RETURNS void LANGUAGE sql AS ''},
	'REVOKE EXECUTE ON FUNCTION dba_only FROM PUBLIC',
	q{CREATE FUNCTION one(bigint) RETURNS void LANGUAGE sql AS ''},
	q{CREATE FUNCTION other(oauth1.http_response, bigint) RETURNS void LANGUAGE sql AS ''},
	q{CREATE PROCEDURE procedure(bigint, oauth1.http_response) LANGUAGE sql AS ''});
$alice->rows(q{CREATE FUNCTION pg_temp.temporary(bigint, oauth1.http_response) RETURNS void LANGUAGE sql AS ''});
is(stored('on_done', q{on_done => '"My Schema"."On Done"(bigint, oauth1.http_response)'}), '"My Schema"."On Done"(bigint,oauth1.http_response)', 'on_done, by its whole name');
$alice->rows('SET search_path = "My Schema", oauth1');
is(stored('on_done', q{on_done => '"On Done"(bigint, http_response)'}), '"My Schema"."On Done"(bigint,oauth1.http_response)', 'whatever search_path is');
$alice->rows('RESET search_path');
is_error($alice, enqueue('GET', '/', "on_done => $_->[1]"), @$_[2, 3], "on_done: $_->[0]") foreach (
	[ 'of one argument', q{'one(bigint)'}, '22023', qr/on_done must be a function of/ ],
	[ 'of other arguments', q{'other(oauth1.http_response, bigint)'}, '22023', qr/on_done must be a function of/ ],
	[ 'a procedure', q{'procedure(bigint, oauth1.http_response)'}, '22023', qr/on_done must be a function of/ ],
	[ 'not for alice', q{'dba_only(bigint, oauth1.http_response)'}, '42501', qr/permission denied for function dba_only/ ],
	[ 'temporary', q{'pg_temp.temporary(bigint, oauth1.http_response)'}, '22023', qr/temporary/ ],
	[ 'gone', '123456789::oid', '42883', qr/123456789/ ]);

# ---------------------------------------------------------------- part of the transaction

sub waiting { return $dba->rows('SELECT (SELECT count(*) FROM oauth1.queue), (SELECT count(*) FROM oauth1.call)'); }
my $before = waiting();
$alice->rows('BEGIN; ' . enqueue('GET', '/orders') . '; ROLLBACK');
is(waiting(), $before, 'rolled back with it');
$alice->rows('BEGIN; SAVEPOINT a; ' . enqueue('GET', '/orders') . '; ROLLBACK TO a; COMMIT');
is(waiting(), $before, 'rolled back to a savepoint');

# ---------------------------------------------------------------- dedupe_key

sub deduped { return enqueue('POST', '/orders', 'dedupe_key => ' . quote($_[0])); }
{
	my $first = $alice->rows(deduped('same'));
	is($alice->rows(deduped('same')), $first, 'a duplicate: the first id');
	isnt($alice->rows(deduped('not the same')), $first, 'another key: another call');
	is($alice->rows('SELECT count(DISTINCT id) FROM (' . enqueue('GET', '/', q{dedupe_key => 'in one statement'}) . ' AS id FROM generate_series(1, 100)) s'), 1, 'in one statement');
	is($dba->rows("SELECT count(*) FROM oauth1.call WHERE dedupe_key = 'same'"), 1, 'and one row');

	# Its consumer's alone.
	$dba->rows(q{SELECT oauth1.create_consumer('elsewhere', 'shop', 'key', 'secret')});
	isnt($dba->rows(q{SELECT oauth1.enqueue('elsewhere', 'GET', '/', token => '', dedupe_key => 'same')}), $first, 'another consumer: another call');

	# A copy's leftover is not this database's call.
	$dba->rows("UPDATE oauth1.queue SET database = 1 WHERE id = $first");
	isnt($alice->rows(deduped('same')), $first, 'a call of the database this one was copied from: another call');

	# Until it has ended.
	my $second = $alice->rows(deduped('ends'));
	$dba->rows("DELETE FROM oauth1.queue WHERE id = $second");
	isnt($alice->rows(deduped('ends')), $second, 'ended: another call');
}

# Two at once: the second waits for the first, and takes it, or takes its place.
my $two = OAuth1::Session->new($node, user => 'alice');
sub waits_for_lock
{
	return $node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = 'alice'});
}
foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $key = "two at once, $level";
	$alice->rows('BEGIN');
	my $first = $alice->rows(deduped($key));
	$two->rows("BEGIN ISOLATION LEVEL $level; SELECT 1");
	$two->start(deduped($key));
	ok(waits_for_lock(), "$key: the second waits");
	sleep 1.2 if $level eq 'READ COMMITTED';    # longer than who sends would
	$alice->rows('ROLLBACK');
	my $second = $two->finish =~ s/\s+\z//r;
	like($second, qr/^\d+$/, "$key: rolled back, the second takes its place");
	isnt($second, $first, "$key: with an id of its own");
	$two->rows('ROLLBACK');

	$alice->rows('BEGIN');
	$first = $alice->rows(deduped($key));
	$two->rows("BEGIN ISOLATION LEVEL $level; SELECT 1");
	$two->start(deduped($key));
	ok(waits_for_lock(), "$key: the second waits again");
	$alice->rows('COMMIT');
	$second = $two->finish;
	if ($level eq 'READ COMMITTED')
	{
		is($second =~ s/\s+\z//r, $first, "$key: committed, the second gets its id");
	}
	else
	{
		is(OAuth1::Session::parse($second)->{sqlstate}, '40001', "$key: committed meanwhile, 40001");
	}
	$two->rows('ROLLBACK');

	# What was committed before the call, though after the transaction's snapshot, is seen.
	$two->rows("BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM pg_class");
	$first = $alice->rows(deduped("$key, before"));
	is($two->rows(deduped("$key, before")), $first, "$key: committed before, its id");
	$two->rows('ROLLBACK');
}

# ---------------------------------------------------------------- call_trigger

$alice->rows('CREATE TABLE orders (id order_number, "Bill to" text, note text, gone int); ALTER TABLE orders DROP gone');
sub with_trigger
{
	my ($timing, $arguments, $more) = @_;
	return "DROP TRIGGER IF EXISTS call ON orders; CREATE " . ($more // '') . " TRIGGER call $timing EXECUTE FUNCTION oauth1.call_trigger($arguments)";
}

# The calls that statements enqueued, oldest first: method, URL, body and its type.
sub enqueued
{
	my ($sql, $session) = @_;
	my $from = $dba->rows('SELECT coalesce(max(id), 0) FROM oauth1.call');
	($session // $alice)->rows($sql);
	return $dba->rows("SELECT string_agg(concat_ws(' ', http_method, url, nullif(token, 'default'), content_type, convert_from(body, 'UTF8')), '; ' ORDER BY id) FROM oauth1.call WHERE id > $from");
}

foreach my $timing (qw(AFTER BEFORE))
{
	$alice->rows(with_trigger("$timing INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW", q{'shop', 'put', '/orders/{id}?to={Bill to}'}));
	is(enqueued(q{INSERT INTO orders VALUES (1, 'Ö & {x}', NULL), (2, '', 'n')}),
		'PUT /orders/1?to=%C3%96%20%26%20%7Bx%7D application/json {"id":1,"Bill to":"Ö & {x}","note":null}; PUT /orders/2?to= application/json {"id":2,"Bill to":"","note":"n"}',
		"$timing INSERT: a call a row, the columns encoded, the row as JSON");
	is(enqueued('UPDATE orders SET id = 3 WHERE id = 2'), 'PUT /orders/3?to= application/json {"id":3,"Bill to":"","note":"n"}', "$timing UPDATE: the new row");
	is(enqueued('DELETE FROM orders WHERE id = 3'), 'PUT /orders/3?to= application/json {"id":3,"Bill to":"","note":"n"}', "$timing DELETE: the old row");
	is($alice->rows('SELECT * FROM orders'), '1|Ö & {x}|', "$timing: the rows are as they would be without");
	$alice->rows('TRUNCATE orders');
}
foreach my $method (qw(GET HEAD DELETE OPTIONS))
{
	$alice->rows(with_trigger('AFTER INSERT ON orders FOR EACH ROW', qq{'shop', '$method', '/orders/{id}'}));
	is(enqueued('INSERT INTO orders VALUES (1)'), "$method /orders/1", "$method: without a body");
}
foreach my $method (qw(POST PATCH))
{
	$alice->rows(with_trigger('AFTER INSERT ON orders FOR EACH ROW', qq{'shop', '$method', '/orders', 'other'}));
	is(enqueued('INSERT INTO orders VALUES (1)'), "$method /orders other application/json " . '{"id":1,"Bill to":null,"note":null}', "$method: with the row, and another token");
}
$alice->rows(with_trigger('AFTER INSERT ON orders FOR EACH ROW', q{'shop', 'GET', '/orders', ''}));
is(enqueued('INSERT INTO orders VALUES (1)'), 'GET /orders ', 'no token');
$alice->rows(with_trigger('AFTER INSERT ON orders FOR EACH ROW', q{'shop', 'GET', '/orders'}));
is(enqueued(q{SET oauth1.token = 'other'; INSERT INTO orders VALUES (1); RESET oauth1.token}), 'GET /orders other', 'the default is oauth1.token');
is($dba->rows('SELECT max_attempts, idempotent, run_at = created_at, enqueued_by_name FROM oauth1.call ORDER BY id DESC LIMIT 1'), '5|t|t|alice', 'all else as enqueue has it');

# Many rows: one statement, COPY, a savepoint, a deferred constraint trigger, which fires at COMMIT.
$alice->rows(with_trigger('AFTER INSERT ON orders FOR EACH ROW', q{'shop', 'POST', '/orders/{id}'}));
sub count_of { return scalar(() = ($_[0] // '') =~ m{/orders/}g); }
is(count_of(enqueued('INSERT INTO orders SELECT generate_series(1, 3000)')), 3000, 'three thousand rows');
is(count_of(enqueued("COPY orders (id, note) FROM PROGRAM 'seq -f \"%g,copied\" 1 1000' (FORMAT csv)", $dba)), 1000, 'COPY');
is(enqueued(q{BEGIN; INSERT INTO orders VALUES (1); SAVEPOINT a; INSERT INTO orders VALUES (2); ROLLBACK TO a; INSERT INTO orders VALUES (3); COMMIT}) =~ s/ application[^;]*//gr, 'POST /orders/1; POST /orders/3', 'a savepoint');
is(enqueued('BEGIN; INSERT INTO orders VALUES (1); ROLLBACK'), '', 'a rollback');
$alice->rows(with_trigger('AFTER INSERT ON orders DEFERRABLE INITIALLY DEFERRED FOR EACH ROW', q{'shop', 'POST', '/orders/{id}'}, 'CONSTRAINT'));
$alice->rows('BEGIN; INSERT INTO orders VALUES (777777)');
is($alice->rows(q{SELECT count(*) FROM oauth1.calls WHERE url = '/orders/777777'}), 0, 'deferred: not yet');
$alice->rows('COMMIT');
is($alice->rows(q{SELECT count(*) FROM oauth1.calls WHERE url = '/orders/777777'}), 1, 'deferred: at COMMIT');

# What it refuses. The row is not there either.
sub is_refused
{
	my ($name, $timing, $arguments, $sqlstate, $like, $sql) = @_;
	$alice->rows('TRUNCATE orders');
	$alice->rows(with_trigger($timing, $arguments));
	is_error($alice, $sql // q{INSERT INTO orders VALUES (1, '..', NULL)}, $sqlstate, $like, "call_trigger: $name");
	is($alice->rows('SELECT count(*) FROM orders'), 0, "call_trigger: $name: and no row");
	return;
}
my $row = 'AFTER INSERT ON orders FOR EACH ROW';
is_refused(@$_) foreach (
	[ 'no such column', $row, q{'shop', 'GET', '/{no}'}, '42703', qr/column "no" of relation "orders"/ ],
	[ 'a column that was dropped', $row, q{'shop', 'GET', '/{........pg.dropped.4........}'}, '42703', qr/dropped/ ],
	[ 'a null', $row, q{'shop', 'GET', '/{note}'}, '22004', qr/column "note" must not be null/ ],
	[ 'an empty segment', $row, q{'shop', 'DELETE', '/orders/{note}'}, '22023', qr/column "note" must not be empty/, q{INSERT INTO orders VALUES (1, '', '')} ],
	[ 'a dot segment', $row, q{'shop', 'GET', '/{Bill to}/x'}, '22023', qr/invalid URL/ ],
	[ 'a brace', $row, "'shop', 'GET', '/{id'", '22023', qr/brace/ ],
	[ 'too few arguments', $row, q{'shop', 'GET'}, '22023', qr/number of arguments of trigger "call"/ ],
	[ 'too many arguments', $row, q{'shop', 'GET', '/', '', ''}, '22023', qr/number of arguments/ ],
	[ 'a statement', 'AFTER INSERT ON orders', q{'shop', 'GET', '/'}, '39P01', qr/FOR EACH ROW/ ],
	[ 'no such consumer', $row, q{'none', 'GET', '/'}, 'OA007', qr/none/ ],
	[ 'a method', $row, q{'shop', 'GE T', '/'}, '22023', qr/http_method/ ],
	[ 'elsewhere', $row, q{'shop', 'GET', 'https://{note}.example/'}, 'OA003', qr/not allowed/, q{INSERT INTO orders VALUES (1, '', 'elsewhere')} ]);
$alice->rows('CREATE VIEW orders_view AS SELECT * FROM orders');
$alice->rows(q{CREATE TRIGGER call INSTEAD OF INSERT ON orders_view FOR EACH ROW EXECUTE FUNCTION oauth1.call_trigger('shop', 'GET', '/')});
is_error($alice, 'INSERT INTO orders_view VALUES (1)', '39P01', qr/AFTER or BEFORE/, 'INSTEAD OF');
is_error($alice, 'SELECT oauth1.call_trigger()', '39P01', qr/must be called as a trigger/, 'a call of it');
{
	# A row of one's own table, for somebody who has no grant.
	$dba->rows('GRANT INSERT ON orders TO bob');
	$alice->rows(with_trigger($row, q{'shop', 'POST', '/orders'}));
	is_error($bob, 'INSERT INTO orders VALUES (1)', 'OA007', qr/may not be used/, 'whoever inserts needs the grant');
}

# ---------------------------------------------------------------- the views

# Whose calls a role sees: its own, those of roles it is a member of; all, as owner and superuser.
my $of_alice = $alice->rows(enqueue('POST', '/secret?in=url', q{body_json => '{"in": "body"}', headers => '{"X-In": "header"}', token => ''}));
my $of_dba = $dba->rows(enqueue('GET', '/orders'));
sub sees { return $_[0]->rows("SELECT string_agg(id::text, ' ' ORDER BY id) FROM oauth1.calls WHERE id IN ($of_alice, $of_dba)"); }
is(sees($alice), $of_alice, 'calls: one\'s own');
is(sees($session{member}), $of_alice, 'calls: those of a role that one is a member of');
is(sees($bob), '', 'calls: not another\'s');
is(sees($dba), "$of_alice $of_dba", 'calls: all, as a superuser');
$dba->rows('CREATE ROLE keeper LOGIN');
$dba->rows('GRANT ' . $dba->rows('SELECT current_user') . ' TO keeper');
is(sees(OAuth1::Session->new($node, user => 'keeper')), "$of_alice $of_dba", 'calls: all, as a member of the owner');

# Name and oid have to agree: a role that is made again under a name sees nothing of the old one's.
$dba->rows("UPDATE oauth1.call SET enqueued_by = 'bob'::regrole WHERE id = $of_alice");
is(sees($_), '', 'calls: where oid and name disagree, neither sees it') foreach $alice, $bob;
$dba->rows("UPDATE oauth1.call SET enqueued_by = 'alice'::regrole WHERE id = $of_alice");

is($alice->rows("SELECT * FROM oauth1.calls WHERE id = $of_alice") =~ s/\d{4}-[^|]*/TIME/gr,
	"$of_alice|shop||POST|/secret?in=url|pending|0|5|TIME|TIME||||||||alice", 'calls: the columns, of a pending call');
is($dba->rows(q{SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'oauth1' AND table_name = } . quote($_->[0])), $_->[1], "$_->[0]: its columns")
  foreach [ calls => 'id consumer token http_method url state attempts max_attempts run_at created_at started_at finished_at status sqlstate error dedupe_key order_key enqueued_by' ],
	[ attempts => 'call_id n started_at elapsed_ms status sqlstate error sent' ];

# Attempts, and the call while it is between them, under way, and at its end.
sub attempts { return $_[0]->rows("SELECT * FROM oauth1.attempts WHERE call_id = $of_alice"); }
sub shown { return $alice->rows("SELECT state, attempts, run_at, started_at, finished_at, status, sqlstate, error FROM oauth1.calls WHERE id = $of_alice"); }
$_->rows(q{SET timezone = 'UTC'}) foreach $alice, $dba;
$dba->rows("UPDATE oauth1.call SET run_at = '2026-01-01', attempts = ARRAY[(1, '2026-01-02', 1.5, NULL, 'OA008', 'first', false), (2, '2026-01-03', 2.5, 503, NULL, 'second', true)]::oauth1.call_attempt[] WHERE id = $of_alice");
$dba->rows("UPDATE oauth1.queue SET due = '2026-01-04' WHERE id = $of_alice");
is(attempts($alice), "$of_alice|1|2026-01-02 00:00:00+00|1.5||OA008|first|f\n$of_alice|2|2026-01-03 00:00:00+00|2.5|503||second|t", 'attempts: each');
is(attempts($bob), '', 'attempts: not another\'s');
is(shown(), 'pending|2|2026-01-04 00:00:00+00|2026-01-03 00:00:00+00||503||second', 'calls: pending after two attempts');
$dba->rows("UPDATE oauth1.queue SET claim = 1, claimed_at = '2026-01-05' WHERE id = $of_alice");
is(shown(), 'running|3|2026-01-04 00:00:00+00|2026-01-05 00:00:00+00||503||second', 'calls: the third under way');
$dba->rows("DELETE FROM oauth1.queue WHERE id = $of_alice");
$dba->rows("UPDATE oauth1.call SET state = 'done', finished_at = '2026-01-06', status = 201 WHERE id = $of_alice");
is(shown(), 'done|2|2026-01-01 00:00:00+00|2026-01-03 00:00:00+00|2026-01-06 00:00:00+00|201||', 'calls: done');

# No way around the views, none through them, and nothing in them that was to be sent.
is_error($alice, "SELECT count(*) FROM oauth1.$_", '42501', qr/permission denied for (table|sequence)/, "no right on $_") foreach qw(call queue follow_up call_id claim_number);
$alice->rows(q{CREATE FUNCTION leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$BEGIN RAISE NOTICE 'leaked %', $1; RETURN true; END$$});
$bob->rows(q{SELECT count(*) FROM oauth1.calls WHERE leak(url)});
is($bob->said, '', 'calls: a security barrier');
unlike($dba->rows('SELECT c::text, a::text FROM oauth1.calls c LEFT JOIN oauth1.attempts a ON a.call_id = c.id'), qr/shop-secret|shop-token-secret|in": "body|X-In|Authorization/, 'calls and attempts: no body, no header, no secret');

done_testing();
