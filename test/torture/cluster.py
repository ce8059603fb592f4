"""A throwaway server that is killed again and again, and orders for its fault points."""
import itertools
import os
import signal
import subprocess
import time

from pq import Lost, Session

#: Actions of src/ground/fault.h after which the whole server has to come up again.
DEATHS = ("kill", "postmaster", "orphan", "immediate")

PATIENCE = 30                   # seconds for a server to come up, far above what it takes

_serial = itertools.count(1)


class Cluster:
    """A server in a folder. It is not told to sync, since processes die here and not machines;
    but commits are asynchronous, and nothing writes the WAL by itself: what is not flushed by
    whoever needs it is lost with the server."""

    SETTINGS = ["listen_addresses = ''", "fsync = off", "full_page_writes = off",
                "synchronous_commit = off", "wal_writer_delay = 10s",
                "wal_writer_flush_after = 1GB", "bgwriter_lru_maxpages = 0",
                "checkpoint_timeout = 1h", "shared_buffers = 64MB", "max_connections = 40",
                "track_commit_timestamp = on",
                "log_line_prefix = '%m [%p] %b '", "log_min_messages = log"]

    def __init__(self, folder, *settings):
        self.folder = folder
        self.data = os.path.join(folder, "data")
        os.makedirs(folder)
        subprocess.run(["initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                        "--locale=C.UTF-8", "--no-sync"], check=True, stdout=subprocess.DEVNULL)
        with open(os.path.join(self.data, "postgresql.conf"), "a", encoding="utf-8") as file:
            for line in (*self.SETTINGS, *settings, "unix_socket_directories = '%s'" % folder):
                file.write(line + "\n")
        self.start()

    # -- Life

    def start(self):
        """Start it; where processes of a dead postmaster are still there, as soon as they went."""
        deadline = time.monotonic() + PATIENCE
        while subprocess.run(["pg_ctl", "-D", self.data, "-l", os.path.join(self.folder, "log"),
                              "-w", "-s", "start"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL, check=False).returncode != 0:
            if time.monotonic() > deadline:
                raise RuntimeError("the server in %s does not start" % self.folder)
            time.sleep(0.05)

    def stop(self, mode="immediate"):
        subprocess.run(["pg_ctl", "-D", self.data, "-m", mode, "-w", "-s", "stop"],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)

    def postmaster(self):
        """Its process id; None: there is none."""
        try:
            with open(os.path.join(self.data, "postmaster.pid"), encoding="ascii") as file:
                pid = int(file.readline())
            os.kill(pid, 0)
            return pid
        except (OSError, ValueError):
            return None

    def kill_postmaster(self, number=signal.SIGKILL):
        pid = self.postmaster()
        if pid is not None:
            os.kill(pid, number)

    def come_up(self):
        """Wait until it takes connections again, and start it where nobody else does."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                return self.session()
            except Lost as lost:
                if time.monotonic() > deadline:
                    raise RuntimeError("the server in %s does not come up: %s"
                                       % (self.folder, lost)) from lost
            if self.postmaster() is None:
                self.start()
            else:
                time.sleep(0.02)

    def session(self, user="postgres"):
        return Session("host=%s user=%s dbname=postgres" % (self.folder, user))

    # -- Faults

    def order(self, point, action, skip=0):
        """Let a process do that when it has passed the point so often (src/ground/fault.h)."""
        self.forget()
        path = os.path.join(self.data, "oauth1.fault")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write("%s %s %d %d" % (point, action, skip, next(_serial)))
        os.rename(path + ".new", path)

    def forget(self):
        """No order is open, and none was carried out."""
        for name in ("oauth1.fault", "oauth1.fault.struck"):
            try:
                os.unlink(os.path.join(self.data, name))
            except FileNotFoundError:
                pass

    def struck(self):
        """When the order was carried out, in seconds since 1970; None: it was not."""
        try:
            # The renaming is the last that happened to it.
            return os.stat(os.path.join(self.data, "oauth1.fault.struck")).st_ctime
        except FileNotFoundError:
            return None

    def wait_until_struck(self, seconds):
        """Whether the order was carried out in that time."""
        deadline = time.monotonic() + seconds
        while self.struck() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True
