"""The application whose calls are tortured: a role, its tables, and what it enqueues.

public.truth has a row for each call, inserted by the transaction that enqueued it, so PostgreSQL
itself says whether that was committed, whoever was killed in between. public.noted is what the
on_done of a call writes.
"""
from pq import quote

SETUP = """
SET synchronous_commit = on;
CREATE EXTENSION oauth1;
SELECT oauth1.create_provider('shop', ARRAY[{https}, {http}], allow_http => true);
SELECT oauth1.create_consumer('shop', 'shop', 'demo-key', 'demo-secret');
SELECT oauth1.create_consumer('other', 'shop', 'demo-key', 'demo-secret');
CREATE ROLE app LOGIN;
SELECT oauth1.grant_consumer('shop', 'app'), oauth1.grant_consumer('other', 'app');
CREATE TABLE public.truth (name text PRIMARY KEY, call bigint UNIQUE, kind text);
CREATE TABLE public.noted (call bigint, status integer);
GRANT ALL ON public.truth, public.noted TO app;
CREATE FUNCTION public.note(id bigint, response oauth1.http_response) RETURNS void
    LANGUAGE sql AS 'INSERT INTO public.noted VALUES (id, (response).status)';
"""

#: kind: (http_method, more arguments of enqueue, is it idempotent?)
KINDS = {
    "GET": ("GET", "", True),
    "POST": ("POST", ", body_json => '{\"a\": 1}'", False),
    "POST idempotent": ("POST", ", body_json => '{\"a\": 1}', idempotent => true", True),
}


def is_idempotent(kind):
    return KINDS[kind][2]


def set_up(cluster, service):
    with cluster.session() as session:
        session.rows(SETUP.format(https=quote(service.ready["https"] + "/"),
                                  http=quote(service.ready["http"] + "/")))


def session(cluster):
    """The application's session, whose own commits are durable."""
    found = cluster.session("app")
    found.rows("SET synchronous_commit = on")
    return found


def enqueue_sql(name, kind, url, consumer="shop", large=False, more=""):
    """A statement that enqueues a call. large: with more octets than a socket of a build with
    faults takes at once, and no more than libcurl 7.88 sends of a GET in two parts: it forgets
    what comes after its first 64 kB."""
    method, arguments, _ = KINDS[kind]
    headers = ", headers => jsonb_build_object('X-Fill', repeat('x', 60000))" if large else ""
    return ("INSERT INTO public.truth SELECT %s, oauth1.enqueue(%s, %s, %s, token => '',"
            " on_done => 'public.note(bigint, oauth1.http_response)'%s%s%s), %s" % (
                quote(name), quote(consumer), quote(method), quote(url), arguments, headers, more,
                quote(kind)))


class Story:
    """What became of one call, as the database has it now."""

    SQL = """
SELECT t.call IS NOT NULL, c.state, c.attempts, q.claim,
    q.claimed_at < to_timestamp({since}),
    (SELECT count(*) FROM public.noted AS n WHERE n.call = t.call),
    (SELECT count(*) FROM oauth1.call AS x WHERE x.url LIKE {like})
FROM (SELECT {name} AS name) AS wanted
LEFT JOIN public.truth AS t USING (name)
LEFT JOIN oauth1.calls AS c ON c.id = t.call
LEFT JOIN oauth1.queue AS q ON q.id = t.call"""

    def __init__(self, session, name, since):
        row = session.rows(self.SQL.format(name=quote(name), like=quote("%/" + name),
                                           since=since))[0]
        self.committed = row[0] == "t"
        self.state = row[1]
        self.attempts = int(row[2] or 0)
        #: it is in the hands of who had it before that time
        self.old_claim = row[3] is not None and row[4] == "t"
        self.noted = int(row[5])
        self.rows = int(row[6])

    @property
    def ended(self):
        """There is nothing left to do about it."""
        return not self.committed or (self.state in ("done", "failed", "uncertain")
                                      and self.noted > 0)

    @property
    def outcome(self):
        """In the words of docs/queue.md."""
        if not self.committed:
            return "rolled back" if self.rows == 0 else "rolled back, and there"
        return self.state
