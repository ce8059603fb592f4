"""Death at every letter: each point of docs/queue.md, by each death, for each kind of call."""
import itertools
import threading
import time

import application
from cluster import DEATHS
from pq import Lost, Refused

#: Who is struck at a letter: the session that enqueues, or who sends.
ENQUEUING = "ABC"

#: Where errors cannot be: after a commit nothing may fail.
NO_ERROR = "C"

#: A session that is told to end does so when it looks for interrupts, which it does not in the
#: middle of a commit or of a record: it dies at the letter after.
TERMINATED_AT = {"B": "C", "L": "M"}

#: How the service answers, so that there is time to strike at that letter.
MODES = {"G": "slow_read=300", "H": "first_byte=150", "I": "slow_body=150", "J": "slow_body=150"}

#: The service's own way to strike, once, at a letter: the connection breaks there.
CUTS = {"H": "times=1,hangup", "I": "times=1,half_header", "J": "times=1,reset_body"}

#: Seconds that docs/queue.md promises: until a dead sender's claim is resolved, and until what can
#: be sent is.
CLAIM_RESOLVED, ALL_SENT = 1.0, 10.0

#: Seconds in which a point must be reached; and after which a worker that was struck by an error
#: is taken for gone. It then comes back by itself only after a minute.
REACHED, GONE = 10.0, 2.0

#: Sessions that may be lost before the server has come up.
FALSE_STARTS = 5


_bells = itertools.count(1)


class Case:
    """A letter, an action of src/ground/fault.h or "cut", a kind of call, and who sends it."""

    def __init__(self, sender, letter, action, kind):
        self.sender, self.letter, self.action, self.kind = sender, letter, action, kind
        self.name = "-".join((sender, letter, action, kind.replace(" ", "_")))

    @property
    def is_death(self):
        return self.action not in ("error", "cut")

    @property
    def modes(self):
        """How the service answers (flaky.py)."""
        way = (CUTS if self.action == "cut" else MODES).get(self.letter)
        return ",".join(filter(None, ("body=done", "close", way)))

    @property
    def restarts(self):
        return self.action in DEATHS


def cases(sender, letters, actions, kinds=tuple(application.KINDS)):
    """All cases of a sender (worker, launcher: a worker with preload, drain)."""
    for letter, action, kind in itertools.product(letters, actions, kinds):
        if sender == "drain" and letter in ENQUEUING:
            continue
        if action == "terminate" and sender != "drain" and letter not in ENQUEUING:
            continue                    # a worker that is told to end records first
        if action == "error" and letter in NO_ERROR:
            continue
        if action == "cut" and letter not in CUTS:
            continue
        yield Case(sender, letter, action, kind)


class Runner:
    """Runs cases on one cluster; complaints() has what was wrong."""

    def __init__(self, cluster, service, letters, sender, patience):
        self.cluster, self.service, self.letters, self.sender = cluster, service, letters, sender
        self.patience = patience        # how much longer everything may take, on a busy machine
        self.drainer = None             # a thread
        self.has_rung = False
        self.done = 0
        self.slowest_claim = self.slowest_end = 0.0
        self.losses = self.doubles = self.uncertain = 0

    def run(self, case):
        """The complaints about one case."""
        row = self.letters[case.letter]
        if case.action == "terminate":
            row = self.letters[TERMINATED_AT.get(case.letter, case.letter)]
        outcome = row.outcome(case.is_death, application.is_idempotent(case.kind))
        try:
            struck = self.strike(case)
            if struck is None:
                self.cluster.forget()
                return ["point %s was not reached" % case.letter]
            story, claim, end = self.recover(case, struck)
        except Exception as error:  # pylint: disable=broad-except
            return [repr(error)]
        return self.judge(case, row, outcome, story, claim, end)

    # -- The course of a case

    def strike(self, case):
        """Enqueue the call and let it be struck; when that was, or None."""
        self.wait_for_quiet()
        self.cluster.forget()
        begin = time.time()
        try:
            with application.session(self.cluster) as session:
                if case.action != "cut":
                    self.cluster.order(case.letter, case.action)
                session.rows(application.enqueue_sql(
                    case.name, case.kind, self.service.url(case.modes, case.name),
                    large=case.letter == "G"))
        except (Lost, Refused):
            pass
        if self.sender == "drain":
            self.drain()
        if case.action == "cut":
            return begin
        self.cluster.wait_until_struck(REACHED)
        return self.cluster.struck()

    def wait_for_quiet(self):
        """Wait until no worker is there: one that still records what came before would be struck
        instead, or take a call at whose COMMIT the server dies."""
        with self.cluster.session() as session:
            while session.rows("SELECT FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'"):
                time.sleep(0.02)

    def drain(self):
        """A drain, which may be struck."""
        try:
            with self.cluster.session() as session:
                session.rows("CALL oauth1.drain()")
        except (Lost, Refused):
            pass

    def recover(self, case, struck):
        """As watch. An order is taken before it is carried out, so the first session can still be
        one of the server that is about to die."""
        for _ in range(FALSE_STARTS):
            try:
                return self.watch(case, struck)
            except Lost:
                time.sleep(0.1)
        raise RuntimeError("the server dies again and again")

    def watch(self, case, struck):
        """Do what docs/queue.md says is needed, and wait until the call has ended; its story,
        and after how many seconds its old claim was resolved and it had ended."""
        self.has_rung = False
        with self.cluster.come_up() as session:
            claim, seconds, begin = None, 0.0, time.monotonic()
            while True:
                self.push(case, seconds)
                story = application.Story(session, case.name, struck)
                seconds = time.monotonic() - begin
                if claim is None and not story.old_claim:
                    claim = seconds
                if story.ended or seconds > ALL_SENT:
                    break
                time.sleep(0.02)
        if self.drainer:
            self.drainer.join()
        return story, seconds if claim is None else claim, seconds

    def push(self, case, seconds):
        """See that somebody sends, so many seconds after the server came up: drains, or a worker
        that an enqueue starts where nobody else does."""
        if self.sender == "drain":
            if not (self.drainer and self.drainer.is_alive()):
                self.drainer = threading.Thread(target=self.drain)
                self.drainer.start()
        elif not self.has_rung and (case.restarts and self.sender == "worker"
                                    or not case.is_death and seconds > GONE):
            self.ring(case)
            self.has_rung = True

    def ring(self, case):
        """Enqueue another call."""
        name = "%s-bell-%d" % (case.name, next(_bells))
        with application.session(self.cluster) as session:
            session.rows(application.enqueue_sql(name, "GET",
                                                 self.service.url("body=done,close", name)))

    # -- What it must have come to

    def judge(self, case, row, outcome, story, claim, end):
        complaints = []
        self.done += 1
        arrivals = self.service.count(case.name)
        if story.outcome != outcome:
            complaints.append("it is %s, and should be %s" % (story.outcome, outcome))
        if arrivals not in self.expected_arrivals(case, row, outcome, story):
            complaints.append("it arrived %d times" % arrivals)
        if outcome != "rolled back" and story.noted != 1:
            complaints.append("its on_done took effect %d times" % story.noted)
        if claim > CLAIM_RESOLVED * self.patience:
            complaints.append("its old claim was resolved after %.2f s" % claim)
        if end > ALL_SENT:
            complaints.append("it had not ended after %.0f s" % ALL_SENT)
        self.slowest_claim = max(self.slowest_claim, claim)
        self.slowest_end = max(self.slowest_end, end)
        self.losses += story.committed and arrivals == 0 and story.state != "uncertain"
        self.doubles += arrivals > 1 and not application.is_idempotent(case.kind)
        self.uncertain += story.state == "uncertain"
        return complaints

    @staticmethod
    def expected_arrivals(case, row, outcome, story):
        """How often it may be in the ledger: what was struck, and what was sent afterwards."""
        if outcome == "rolled back":
            return {0}
        if outcome in ("failed", "uncertain"):
            return row.received
        if row.letter in ENQUEUING + "MNO":
            return {1}
        if row.letter in "KL" and not case.is_death:
            return {1}
        return {struck + 1 for struck in row.received}
