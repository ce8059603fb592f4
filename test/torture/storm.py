"""Random deaths under load: calls of all kinds, enqueued and rolled back, sent by a worker and by
drains beside it, while something dies every now and then."""
import collections
import os
import random
import signal
import threading
import time

import application
from cluster import DEATHS
from pq import Lost, Refused

ENQUEUERS, DRAINS = 3, 2

#: Seconds between two deaths, at least and at most.
PAUSE = (0.2, 1.2)

#: Calls that are under way, at most, so that every death finds some.
BACKLOG = 150

#: How the service answers, and how often: most are quick.
ANSWERS = [("body=done", 12), ("body=done,close", 2), ("body=done,first_byte=100", 3),
           ("body=done,slow_body=100", 3), ("slow_read=100,close", 1)]

#: What nobody dies of.
MERCIFUL = ("error", "SIGINT to worker", "SIGINT to drain")

POINTS = "ABCDEFGHIJKLMNO"

#: Seconds at the end in which nothing dies: whose sender lives is not uncertain.
CALM = 4.0

#: Seconds that a process may take to end once it was told to.
ENDING = 1.0

#: Seconds in which all that is left is sent once the deaths are over.
ALL_SENT = 10.0


class Storm:
    """run() until so many deaths and calls have been; complaints() has what was wrong."""

    def __init__(self, cluster, service, deaths, calls, seed):
        self.cluster, self.service = cluster, service
        self.deaths_wanted, self.calls_wanted = deaths, calls
        self.random = random.Random(seed)
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.names = []                 # of all calls that were given to enqueue
        self.rolled_back = set()        # certainly: the application said so
        self.struck = collections.Counter()
        self.deaths = 0                 # of these, those of a process
        self.spans = []                 # (begin, end) of each, until all is up again
        self.failures = []              # of the threads themselves
        self.pids = {"enqueuer": {}, "drain": {}}
        self.counts = collections.Counter()
        self.seconds = 0.0

    # -- The load

    def name(self, number, tag):
        return "storm-%d-%s" % (number, tag)

    def enqueue(self, number, dice):
        """Transactions of an enqueuer, one session after the other, until the storm is over."""
        count = 0
        while not self.stopping.is_set():
            try:
                with application.session(self.cluster) as session:
                    self.pids["enqueuer"][number] = session.pid
                    while not self.stopping.is_set():
                        count += 1
                        self.transaction(session, dice, "%d.%d" % (number, count))
            except (Lost, Refused) as error:
                self.bear(error)

    @staticmethod
    def bear(error):
        """An error that is of a death; any other is raised on."""
        if isinstance(error, Refused) and not (error.sqlstate[:3] in ("57P", "570")
                                               or "fault at point" in str(error)):
            raise error
        time.sleep(0.05)

    def transaction(self, session, dice, tag):
        if int(session.value("SELECT count(*) FROM public.truth AS t LEFT JOIN public.noted AS n"
                             " USING (call) WHERE n.call IS NULL")) > BACKLOG:
            time.sleep(0.05)
            return
        names = ["storm-%s.%d" % (tag, n) for n in range(dice.randint(1, 12))]
        with self.lock:
            self.names += names
        session.rows("BEGIN")
        for name in names:
            session.rows(self.statement(name, dice))
        if dice.random() < 0.1:
            session.rows("ROLLBACK")
            with self.lock:
                self.rolled_back.update(names)
        else:
            session.rows("COMMIT")

    def statement(self, name, dice):
        modes = dice.choices([modes for modes, _ in ANSWERS], [n for _, n in ANSWERS])[0]
        more = ", max_attempts => 100"
        if dice.random() < 0.2:
            more += ", order_key => 'key %d'" % dice.randrange(5)
        return application.enqueue_sql(
            name, dice.choice(list(application.KINDS)),
            self.service.url(modes, name, dice.choice(["http", "https"])),
            consumer=dice.choice(["shop", "other"]), large="slow_read" in modes, more=more)

    def drain(self, number, dice):
        """Drains, one after the other."""
        while not self.stopping.is_set():
            try:
                with self.cluster.session() as session:
                    self.pids["drain"][number] = session.pid
                    while not self.stopping.is_set():
                        session.rows("CALL oauth1.drain(%d, %d)"
                                     % (dice.randint(1, 50), dice.randint(1, 16)))
                        time.sleep(dice.random() * 0.1)
            except (Lost, Refused) as error:
                self.bear(error)

    # -- The deaths

    def rage(self):
        """Deaths until there were enough of them and of calls."""
        while not self.stopping.is_set() and (self.deaths < self.deaths_wanted
                                              or len(self.names) < self.calls_wanted):
            time.sleep(self.random.uniform(*PAUSE))
            what, when = self.random.choice([self.at_a_point, self.at_a_point,
                                             self.at_any_moment])()
            with self.cluster.come_up():
                pass
            if what is not None:
                self.struck[what] += 1
                self.deaths += not what.startswith(MERCIFUL)
                self.spans.append((when, time.time() + ENDING))
        time.sleep(CALM)

    def at_a_point(self):
        """An order for a fault point; what was struck and when. A point that nobody comes by is
        no death: (None, None)."""
        point = self.random.choice(POINTS)
        action = self.random.choice(DEATHS + ("error", "terminate"))
        self.cluster.order(point, action, self.random.choice([0, 0, 1, 3, 10, 30]))
        self.cluster.wait_until_struck(2.0)
        when = self.cluster.struck()
        self.cluster.forget()
        return ("%s at %s" % (action, point), when) if when else (None, None)

    def at_any_moment(self):
        """A signal to some process of the server, from outside; the same."""
        victim, number = self.random.choice([
            ("worker", signal.SIGKILL), ("worker", signal.SIGTERM), ("worker", signal.SIGINT),
            ("drain", signal.SIGKILL), ("drain", signal.SIGTERM), ("drain", signal.SIGINT),
            ("enqueuer", signal.SIGKILL), ("enqueuer", signal.SIGTERM),
            ("postmaster", signal.SIGKILL), ("postmaster", signal.SIGQUIT),
            ("postmaster", signal.SIGINT)])
        pid, when = self.pid_of(victim), time.time()
        try:
            if pid is not None:
                os.kill(pid, number)
                return "%s to %s" % (signal.Signals(number).name, victim), when
        except ProcessLookupError:
            pass
        return None, None

    def pid_of(self, victim):
        if victim == "postmaster":
            return self.cluster.postmaster()
        kind = "oauth1 worker" if victim == "worker" else "client backend"
        try:
            with self.cluster.session() as session:
                there = {int(pid) for pid, in session.rows(
                    "SELECT pid FROM pg_stat_activity WHERE backend_type = '%s'" % kind)}
        except (Lost, Refused):
            return None
        if victim != "worker":
            there &= set(self.pids[victim].values())
        return self.random.choice(sorted(there)) if there else None

    # -- All of it

    def guarded(self, function, *arguments):
        try:
            function(*arguments)
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append("%s: %r" % (function.__name__, error))
            self.stopping.set()

    def run(self):
        begin = time.monotonic()
        threads = [threading.Thread(target=self.guarded,
                                    args=(work, n, random.Random(self.random.random())))
                   for work, count in ((self.enqueue, ENQUEUERS), (self.drain, DRAINS))
                   for n in range(count)]
        for thread in threads:
            thread.start()
        self.guarded(self.rage)
        self.stopping.set()
        for thread in threads:
            thread.join()
        self.cluster.forget()
        self.seconds = time.monotonic() - begin
        return self.failures + self.judge()

    # -- What it must have come to

    def settle(self, session):
        """Wait until nothing is left to do; what waits for its next attempt is due at once."""
        deadline = time.monotonic() + ALL_SENT
        while True:
            with application.session(self.cluster) as enqueuer:
                enqueuer.rows("SELECT oauth1.retry_call(id) FROM oauth1.calls"
                              " WHERE state = 'pending'")
            left = session.rows("""
                SELECT t.name, c.state FROM public.truth AS t JOIN oauth1.calls AS c ON c.id = t.call
                WHERE c.state IN ('pending', 'running')
                    OR NOT EXISTS (SELECT FROM public.noted AS n WHERE n.call = t.call)""")
            if not left or time.monotonic() > deadline:
                return left
            time.sleep(0.1)

    def judge(self):
        with self.cluster.come_up() as session:
            with application.session(self.cluster) as enqueuer:
                enqueuer.rows("BEGIN")
                enqueuer.rows(application.enqueue_sql(
                    "storm-bell", "GET", self.service.url("body=done", "storm-bell")))
                enqueuer.rows("COMMIT")
            left = self.settle(session)
            complaints = ["%s is still %s" % tuple(row) for row in left]
            rows = session.rows("""
                SELECT t.name, t.kind, c.state, c.attempts,
                    extract(epoch FROM c.started_at), extract(epoch FROM c.finished_at),
                    (SELECT count(*) FROM public.noted AS n WHERE n.call = t.call)
                FROM public.truth AS t LEFT JOIN oauth1.calls AS c ON c.id = t.call
                WHERE t.name LIKE 'storm-%'""")
            disorder = self.judge_order(session)
        self.service.read()
        committed = {row[0] for row in rows}
        for name in self.service.arrivals:
            if name.startswith("storm-") and name not in committed:
                self.counts["rolled back and sent"] += 1
                complaints.append("%s was rolled back and sent" % name)
        for name in self.rolled_back & committed:
            complaints.append("%s was rolled back and is there" % name)
        for row in rows:
            complaints += self.judge_call(*row)
        return complaints + disorder

    def judge_call(self, name, kind, state, attempts, started, finished, noted):
        arrivals = self.service.arrivals[name]
        idempotent = application.is_idempotent(kind)
        self.counts["calls"] += 1
        self.counts[state] += 1
        self.counts["requests"] += arrivals
        complaints = []
        if arrivals == 0 and state != "uncertain":
            self.counts["lost"] += 1
            complaints.append("was not sent")
        if arrivals > 1 and not idempotent:
            self.counts["doubled"] += 1
            complaints.append("was sent %d times" % arrivals)
        if idempotent:
            self.counts["repeated"] += arrivals > 1
        if state not in (("done",) if idempotent else ("done", "failed", "uncertain")):
            complaints.append("is %s" % state)
        if state == "uncertain" and not any(
                begin < float(finished) and float(started) < end for begin, end in self.spans):
            complaints.append("has a sender that nothing happened to")
        if int(noted) != 1:
            complaints.append("its on_done took effect %s times" % noted)
        if arrivals > int(attempts):
            complaints.append("has %s attempts and arrived %d times" % (attempts, arrivals))
        return ["%s (%s, %s) %s" % (name, kind, state, text) for text in complaints]

    def judge_order(self, session):
        """Of calls with one order_key none is begun before the one before it has ended. (Asked of
        the database: a request whose sender died can still be on its way.) Ids are drawn before
        transactions commit, so it counts only what could be seen by whoever began the later one;
        a commit can be seen a little after its timestamp."""
        rows = session.rows("""
            SELECT id, earlier FROM (
                SELECT c.id, lag(c.id) OVER chain AS earlier,
                    lag(c.finished_at) OVER chain AS ended,
                    t.xmin = lag(t.xmin) OVER chain AS together,
                    lag(pg_xact_commit_timestamp(t.xmin)) OVER chain AS committed,
                    (SELECT min(a.started_at) FROM oauth1.attempts AS a
                     WHERE a.call_id = c.id AND a.elapsed_ms IS NOT NULL) AS begun
                FROM oauth1.calls AS c JOIN public.truth AS t ON t.call = c.id
                WHERE c.order_key IS NOT NULL
                WINDOW chain AS (PARTITION BY c.consumer, c.order_key ORDER BY c.id)) AS pair
            WHERE begun < ended AND (together OR committed + interval '1 s' < begun)""")
        return ["call %s was begun before call %s had ended, in spite of their order_key"
                % tuple(row) for row in rows]
