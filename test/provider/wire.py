"""HTTP/1.1 as it is on the wire: read a request exactly, send an answer exactly, or badly."""
import itertools
import select
import socket
import struct
import time
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from answer import FORM, Answer, bad_timestamp
import endpoints
import flaky
import refusing
from judge import Refused

_connections = itertools.count(1)


class Wire:
    """A request as it was received, and what was found out about it."""

    def __init__(self, handler, body):
        self.start = time.time()
        self.scheme = handler.server.scheme
        self.client = handler.client_name()
        self.connection = handler.number
        self.request = handler.served
        self.method, self.target, self.version = handler.requestline.split(" ", 2)
        self.headers = [[name, value] for name, value in handler.headers.items()]
        self.body = body
        self.oauth = {}
        self.base_string = None
        self.verdict = None
        self.detail = ""
        self.refusing = {}
        self.judge_first = None
        self.consumer = None

    @property
    def url(self):
        """The URL the client meant (RFC 5849 3.4.1.2: scheme, Host header, target)."""
        if self.target.startswith("/"):
            return "%s://%s%s" % (self.scheme, self.header("Host"), self.target)
        return self.target

    def header(self, name):
        for given, value in self.headers:
            if given.lower() == name.lower():
                return value
        return ""

    def header_map(self):
        return {name: value for name, value in self.headers}

    def is_form(self):
        return FORM in self.header("Content-Type").lower()

    def transmission(self):
        """Where the oauth_ parameters stood."""
        if self.header("Authorization")[:6].lower() == "oauth ":
            return "header"
        if self.is_form() and b"oauth_" in self.body:
            return "body"
        return "query" if "oauth_" in urlsplit(self.target).query else None


class Incoming:
    """What is read, and whether it came to an end before it should."""

    def __init__(self, file):
        self.file = file
        self.ended = False

    def readline(self, *size):
        line = self.file.readline(*size)
        self.ended = not line.endswith(b"\n")
        return line

    def read(self, size):
        data = self.file.read(size)
        self.ended = len(data) < size
        return data

    def close(self):
        self.file.close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        self.number = next(_connections)
        self.served = 0
        super().setup()
        self.rfile = Incoming(self.rfile)

    def log_message(self, format, *args):
        pass

    def handle(self):
        try:
            super().handle()
        except OSError:  # the client went away, which many tests do
            self.close_connection = True

    def finish(self):
        try:
            super().finish()
        except OSError:
            pass

    def __getattr__(self, name):
        # http.server looks for do_METHOD: every method is answered.
        if name.startswith("do_"):
            return self.answer_request
        raise AttributeError(name)

    def parse_request(self):
        """Reads all but the request line, which has been read."""
        target = (self.raw_requestline.split(b" ") + [b""])[1].decode("latin-1")
        for mode, argument in flaky.split(target)[0]:
            if mode == "slow_read":
                time.sleep(int(argument) / 1000)
        good = super().parse_request()
        # http.server takes the half of a request for one.
        return good and not self.rfile.ended

    def client_name(self):
        """The common name in the certificate that the client showed, or None."""
        shown = self.server.context and self.connection.getpeercert()
        if not shown:
            return None
        return dict(pair for group in shown["subject"] for pair in group)["commonName"]

    def answer_request(self):
        self.served += 1
        if self.command == "CONNECT":
            self.tunnel()
            return
        wire = Wire(self, self.read_body())
        if self.rfile.ended:
            self.close_connection = True
            return
        answer = self.server.service.answer(wire)
        self.send(answer, wire)

    def read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            body = b""
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                body += self.rfile.read(size)
                self.rfile.readline()
                if size == 0:
                    return body
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def tunnel(self):
        """As a proxy: CONNECT is in the ledger, what goes through the tunnel is not seen."""
        self.server.service.ledger.write(Wire(self, b""))
        self.close_connection = True
        upstream = socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2])))
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.wfile.flush()
        other = {self.connection: upstream, upstream: self.connection}
        with upstream:
            while True:
                for ready in select.select(list(other), [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    other[ready].sendall(data)

    # -- Sending

    def send(self, answer, wire):
        """Send it the way answer.send says."""
        ways = answer.send
        if ways.get("first_byte"):
            time.sleep(ways["first_byte"] / 1000)
        # Before the first byte: the client may call again as soon as it has it.
        self.server.service.ledger.write_span(wire, time.time())
        if "hangup" in ways or ("hangup_reused" in ways and self.served > 1):
            self.close_connection = True
        elif "reset" in ways:
            self.reset()
        elif "hang" in ways:
            self.rfile.read(1)
            self.close_connection = True
        else:
            self.send_head(answer)
            if self.command != "HEAD" and answer.status not in (204, 304):
                self.send_body(answer.body, ways)
            self.wfile.flush()

    def send_head(self, answer):
        ways = answer.send
        if "garbage" in ways:
            self.wfile.write(b"220 mail.example ESMTP ready\r\n")
        for _ in range(self.count(ways, "interim", 3)):
            self.wfile.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        reason = self.responses.get(answer.status, ("Odd Status",))[0]
        head = "HTTP/1.1 %d %s\r\n" % (answer.status, reason)
        if answer.seconds_ahead is not None:
            head += "Date: %s\r\n" % self.date_time_string(time.time() + answer.seconds_ahead)
        for name, value in answer.headers + self.framing(answer):
            head += "%s: %s\r\n" % (name, value)
        for n in range(self.count(ways, "more_headers", 100)):
            head += "X-More-%d: %s\r\n" % (n, "m" * 1000)
        head = (head + "\r\n").encode("latin-1")
        if "half_header" in ways:
            head = head[:len(head) // 2]
            self.close_connection = True
            answer.body = b""
        self.wfile.write(head)

    @staticmethod
    def count(ways, name, default):
        return (ways[name] if ways[name] is not None else default) if name in ways else 0

    def framing(self, answer):
        """The headers that say where the body ends."""
        ways = answer.send
        if "close" in ways:
            self.close_connection = True
            return [("Connection", "close"), ("Content-Length", len(answer.body))]
        if any(way in ways for way in ("chunked", "bad_chunk", "endless")):
            return [("Transfer-Encoding", "chunked")]
        if "no_length" in ways:
            self.close_connection = True
            return [("Connection", "close")]
        if answer.status == 204 or answer.status < 200:
            return []
        return [("Content-Length", len(answer.body) + self.count(ways, "truncate", 100))]

    def send_body(self, body, ways):
        half = len(body) // 2
        if "drip" in ways:
            for n in range(len(body)):
                self.send_now(body[n:n + 1], ways["drip"])
        elif "slow_body" in ways:
            self.send_now(body[:half], ways["slow_body"])
            self.wfile.write(body[half:])
        elif "reset_body" in ways:
            self.send_now(body[:half], 50)
            self.reset()
        elif "chunked" in ways:
            size = ways["chunked"] or 7
            for n in range(0, len(body), size):
                self.send_chunk(body[n:n + size])
            self.wfile.write(b"0\r\n\r\n")
        elif "bad_chunk" in ways:
            self.wfile.write(b"zz\r\n" + body + b"\r\n")
            self.close_connection = True
        elif "endless" in ways:
            while True:
                self.send_chunk(b"0123456789abcdef" * 1024)
        else:
            self.wfile.write(body)
        if "truncate" in ways:
            self.close_connection = True

    def send_now(self, data, milliseconds):
        self.wfile.write(data)
        self.wfile.flush()
        time.sleep((milliseconds or 0) / 1000)

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # A TLS socket would send its close_notify first: close what lies beneath.
        socket.socket(fileno=self.connection.detach()).close()
        self.close_connection = True
        raise ConnectionResetError


class Service:
    """The endpoints over one store, one judge, one ledger."""

    def __init__(self, store, judge, ledger):
        self.store = store
        self._judge = judge
        self.ledger = ledger

    def judge(self, wire, expect):
        """As Judge.judge, and remember the verdict."""
        seen = refusing.view(wire)
        try:
            judged = self._judge.judge(seen, expect)
        except Refused as refused:
            wire.verdict, wire.detail = refused.problem, refused.detail
            raise
        finally:
            wire.oauth, wire.base_string = seen.oauth, seen.base_string
            wire.consumer = seen.consumer
        wire.verdict = "ok"
        return judged

    def answer(self, wire):
        """The Answer to the request; it is in the ledger before this returns."""
        modes, rest = flaky.split(wire.target)
        try:
            wire.refusing, rest = refusing.split(rest)
            endpoint = endpoints.find(urlsplit(rest).path)
            answer = endpoint(self, wire) if endpoint else Answer(404, "no such path\n",
                                                                  "text/plain")
        except Refused as refused:
            if wire.verdict == "ok":
                wire.verdict, wire.detail = refused.problem, refused.detail
            answer = self.refusal(wire, refused)
        except (ValueError, KeyError) as error:
            answer = Answer(400, "%s\n" % error, "text/plain")
        try:
            flaky.spoil(answer, modes, wire.target)
        except (KeyError, ValueError) as error:
            answer = Answer(404, "bad mode: %s\n" % error, "text/plain")
        answer.seconds_ahead = self.seconds_ahead(wire)
        self.ledger.write(wire)
        return answer

    @staticmethod
    def refusal(wire, refused):
        if refused.problem == "timestamp_refused" and not wire.refusing:
            return bad_timestamp(refused, wire.consumer)
        return refusing.refusal(wire, refused)

    @staticmethod
    def seconds_ahead(wire):
        """What the answer's Date is ahead; None where the consumer is not to see the clock."""
        if wire.consumer is None:
            return refusing.seconds_ahead(wire.refusing)
        if wire.consumer.clock_tells in ("range", "silence"):
            return None
        return refusing.seconds_ahead(wire.refusing) + wire.consumer.clock
