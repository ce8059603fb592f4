"""The ledger of the service: which request arrived, how often, in which order. It is written and
synced before an answer is sent, by a process that nobody kills, and every request in it was
checked by python3-oauthlib."""
import collections
import json
import os
import subprocess
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SERVE = os.path.join(HERE, "..", "provider", "serve")


class Service:
    """test/provider/serve; the last segment of a request's path is the name of its call."""

    def __init__(self, folder):
        self.process = subprocess.Popen([SERVE, "--dir", folder, "--durable"],
                                        stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline())
        self.lock = threading.Lock()
        self.file = open(self.ready["ledger"], encoding="utf-8")
        self.rest = ""
        self.arrivals = collections.Counter()
        self.refused = []               # (name, verdict): none of these may be

    def url(self, modes, name, scheme="https"):
        """Where the call of that name goes, to be answered in these modes (flaky.py)."""
        return "%s/flaky/%s/api/echo/%s" % (self.ready[scheme], modes, name)

    def read(self):
        """Take in what has arrived since the last time."""
        with self.lock:
            self.rest += self.file.read()
            *lines, self.rest = self.rest.split("\n")
            for line in lines:
                entry = json.loads(line)
                name = entry["target"].rpartition("/")[2]
                self.arrivals[name] += 1
                if entry["verdict"] != "ok":
                    self.refused.append((name, entry["verdict"]))

    def count(self, name):
        self.read()
        return self.arrivals[name]

    def stop(self):
        self.process.terminate()
        self.process.wait()


