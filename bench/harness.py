"""What the rows' programs share: sessions, the service and its consumers, rounds, rows.

A program imports it from the folder above its own. libpq's environment says which server, as a
superuser; it must run on this machine, for its processes are looked at in /proc.
"""
import os
import statistics
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "test", "provider"))

import certificates  # noqa: E402

HOST = "127.0.0.1"              # an address: looking up a name is no part of a kept connection
PATIENCE = 300                  # seconds for what is waited for
TOKEN = ("370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9",
         "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE")


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def build(folder, source, *libraries):
    """Compiles a C program of this folder into another one; its path."""
    program = os.path.join(folder, os.path.basename(source)[:-len(".c")])
    # The system's: the headers are not in the tree that is first on PATH.
    pg_config = "/usr/lib/postgresql/%s/bin/pg_config" % os.environ["PG_MAJOR"]
    include = subprocess.run([pg_config, "--includedir"], check=True, text=True,
                             stdout=subprocess.PIPE).stdout.strip()
    subprocess.run(["gcc", "-std=gnu99", "-O2", "-Wall", "-Wextra", "-Werror", "-I" + include,
                    "-o", program, os.path.join(HERE, source), *libraries], check=True)
    return program


def start(*command):
    """In a session of its own, as a backend is: the kernel may share out time by session."""
    return subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            start_new_session=True)


# ---------------------------------------------------------------- sessions

class Session:
    """A session of the server by psql, one statement at a time."""

    def __init__(self, database="postgres"):
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                                         "-d", database],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ask("SET client_min_messages = warning")
        self.backend = "/proc/%s/" % self.ask("SELECT pg_backend_pid()")

    def ask(self, statement):
        """What it returns, unaligned; an error ends the program."""
        self.process.stdin.write(statement + ";\n\\echo .\n")
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if line == "":
                sys.exit("psql ended at: " + statement[:500])
            if line == ".\n":
                return "".join(lines).rstrip("\n")
            lines.append(line)

    def expect(self, answer, statement):
        found = self.ask(statement)
        if found != str(answer):
            sys.exit("%s instead of %s: %s" % (found, answer, statement[:500]))

    def now(self):
        """The backend's seconds on the processor so far (proc(5); the first is nanoseconds)."""
        with open(self.backend + "schedstat", encoding="ascii") as file:
            return int(file.read().split()[0]) / 1e9

    def seconds(self, statement, answer=None):
        """What a statement takes of them, with parse and plan."""
        begin = self.now()
        if answer is None:
            self.ask(statement)
        else:
            self.expect(answer, statement)
        return self.now() - begin

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Client:
    """The client program: a bare libcurl loop and one session of the server."""

    def __init__(self, folder, ca_file):
        self.process = start(build(folder, "client.c", "-lcurl", "-lpq"), ca_file)
        self.ask("SET client_min_messages = warning")

    def run(self, count, url="", statement="", handles=1):
        """Seconds by the clock, and the first field of the last result."""
        self.process.stdin.write("%d\t%d\t%s\t%s\n" % (count, handles, url, statement))
        self.process.stdin.flush()
        answer = self.process.stdout.readline().rstrip("\n").split("\t")
        if len(answer) != 2:
            sys.exit("the client ended at: " + (statement or url))
        return float(answer[0]), answer[1]

    def ask(self, statement):
        return self.run(1, statement=statement)[1]

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# ---------------------------------------------------------------- the service

class Service:
    """The service (server.c), http and https, and how the extension comes to know it."""

    def __init__(self, folder):
        authority = certificates.Authority(folder)
        self.ca_file = authority.path
        program = build(folder, "server.c", "-lssl", "-lcrypto", "-lpthread")
        self.process = start(program, authority.server("service"))
        ports = self.process.stdout.readline().split()
        self.urls = {scheme: "%s://%s:%s" % (scheme, HOST, port)
                     for scheme, port in zip(("http", "https"), ports)}

    def settings(self):
        """What calls to it need, each to be set in one way or another."""
        return ["oauth1.allow_http = on", "oauth1.allow_private_addresses = on",
                "oauth1.ca_file = '%s'" % self.ca_file]

    def allow(self, session):
        """What is set is set for this session only."""
        session.ask("LOAD 'oauth1'")
        for setting in self.settings():
            session.ask("SET " + setting)

    def create_consumers(self, session):
        """A provider and a consumer with a token a scheme, bench_http and bench_https."""
        for scheme, url in self.urls.items():
            name = "bench_" + scheme
            session.ask("SELECT oauth1.create_provider('%s', ARRAY['%s/'], allow_http => true)"
                        % (name, url))
            session.ask("SELECT oauth1.create_consumer('%s', '%s', 'xvz1evFS4wEEPTGEFPHBog',"
                        " 'kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw')" % (name, name))
            session.ask("SELECT oauth1.set_token('%s', '%s', '%s')" % ((name,) + TOKEN))

    def drop_consumers(self, session):
        for scheme in self.urls:
            session.ask("SELECT oauth1.drop_consumer('bench_%s')" % scheme)
            session.ask("SELECT oauth1.drop_provider('bench_%s')" % scheme)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


# ---------------------------------------------------------------- the queue

ENQUEUE = "SELECT count(oauth1.enqueue('{}', '{}', '{}' || i)) FROM generate_series(1, {}) AS i"


def configure(session, settings):
    """For every process of the server: a worker knows nothing of a session's settings."""
    session.ask("LOAD 'oauth1'")
    for setting in settings:
        session.ask("ALTER SYSTEM SET " + setting)
    reload(session)


def reset(session):
    session.ask("ALTER SYSTEM RESET ALL")
    reload(session)


def reload(session):
    """Until the session itself has it: the signal comes by way of the postmaster."""
    before = session.ask("SELECT pg_conf_load_time()")
    session.ask("SELECT pg_reload_conf()")
    await_state(session, "SELECT pg_conf_load_time() > '%s'" % before)


def enqueue(session, count, consumer, method="GET", path="/items/"):
    """That many calls, with their numbers behind the path."""
    session.expect(count, ENQUEUE.format(consumer, method, path, count))


def enqueue_copies(session, count, **changes):
    """As many calls more like the newest, which must not have ended; where enqueue takes too long.

    changes: columns of oauth1.queue and oauth1.call that differ, as SQL of i, the copy's number.
    """
    newest = session.ask("SELECT max(id) FROM oauth1.queue")
    for table in ("queue", "call"):
        columns = session.ask("SELECT string_agg(attname, ' ') FROM pg_attribute"
                              " WHERE attrelid = 'oauth1.%s'::regclass AND attnum > 0"
                              " AND NOT attisdropped" % table).split()
        values = ["id + i" if column == "id" else changes.get(column, column)
                  for column in columns]
        session.ask("INSERT INTO oauth1.%s (%s) SELECT %s FROM oauth1.%s,"
                    " generate_series(1, %d) AS i WHERE id = %s"
                    % (table, ", ".join(columns), ", ".join(values), table, count, newest))
        session.ask("VACUUM ANALYZE oauth1." + table)
    session.ask("SELECT setval('oauth1.call_id', %s + %d)" % (newest, count))


def await_state(session, statement, pause=0.002):
    """Until a statement says t, asked anew by a transaction each time."""
    end = time.monotonic() + PATIENCE
    while session.ask(statement) != "t":
        if time.monotonic() > end:
            sys.exit("waited for too long: " + statement)
        time.sleep(pause)


def await_calls(session, last):
    """Until all calls have ended. Asks for the last first, which costs less."""
    await_state(session, "SELECT state IS NOT NULL FROM oauth1.call WHERE id = %s" % last)
    await_state(session, "SELECT NOT EXISTS (SELECT FROM oauth1.queue)")


def worker(session):
    """The process number of the database's worker, which there must be; text."""
    pid = session.ask("SELECT pid FROM pg_stat_activity WHERE backend_type = 'oauth1 worker'"
                      " AND datname = current_database()")
    if not pid.isdigit():
        sys.exit("there is no worker")
    return pid


def stop_worker(session):
    """Ends it, and what it has under way, and waits for that."""
    session.ask("SELECT pg_terminate_backend(%s, 10000)" % worker(session))


# ---------------------------------------------------------------- rounds and rows

def row(name, limit, ours, ratio="", low="", high="", budget=""):
    """Prints a row as bench/run wants it."""
    print("\t".join((name, limit, ours, ratio, low, high, budget)), flush=True)


def take_turns(takes, rounds):
    """Lets the takes, name to seconds(), take turns; name to the seconds of each round.

    So what else the machine does falls on all of them. Each is first taken once for nothing.
    """
    times = {name: [] for name in takes}
    for take in takes.values():
        take()
    for _ in range(rounds):
        for name, take in takes.items():
            times[name].append(take())
    return times


def ratios(limit, subject):
    return [bare / spent for bare, spent in zip(limit, subject)]


def compare(name, limit, subject, budget, form):
    """A row of two lists of times, a round each; form makes a time text.

    The ratio is the median over the rounds of limit's time by subject's; spread is its quartiles.
    """
    low, middle, high = statistics.quantiles(ratios(limit, subject), n=4)
    row(name, form(statistics.median(limit)), form(statistics.median(subject)),
        "%.4f" % middle, "%.4f" % low, "%.4f" % high, budget)


def microseconds(seconds):
    return "%.1f us" % (seconds * 1e6)


def milliseconds(seconds):
    return "%.2f ms" % (seconds * 1e3)
