"""What the rows' programs share: sessions, the service and its consumers, rounds, rows.

A program imports it from the folder above its own. libpq's environment says which server, as a
superuser; it must run on this machine, for its processes are looked at in /proc.
"""
import os
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "test", "provider"))

import certificates  # noqa: E402

HOST = "127.0.0.1"              # an address: looking up a name is no part of a kept connection
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

    def __init__(self):
        self.process = subprocess.Popen(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"],
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

    def allow(self, session):
        """What is set is set for this session only."""
        for statement in ("LOAD 'oauth1'",
                          "SET oauth1.allow_http = on",
                          "SET oauth1.allow_private_addresses = on",
                          "SET oauth1.ca_file = '%s'" % self.ca_file):
            session.ask(statement)

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
