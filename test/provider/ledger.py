"""What arrived, one JSON object a line, written before the answer is sent: the truth that
tests count and compare with."""
import base64
import json
import os
import threading
import time


class Ledger:
    """In a folder: ledger.jsonl. Fields of a line: n (from 1), time, scheme, client (the name in
    a TLS client's certificate, or null), connection (its number), request (its number on that
    connection), method, target (the bytes of the request line, as Latin-1), version, headers
    ([[name, value], ...] in order), body (Base64; null above 4 MB), transmission (header, query,
    body or null), oauth (decoded, with realm), base_string (oauthlib's), verdict ("ok", an
    oauth_problem, or null for what is not signed), detail.

    And spans.jsonl, the time that a request was in the service's hands: n, and start and end in
    seconds since 1970, with fractions, from when it had been read to right before its answer was
    sent.

    durable: each line of ledger.jsonl is on disk before its answer is sent."""

    def __init__(self, folder, durable=False):
        self.durable = durable
        self.path = os.path.join(folder, "ledger.jsonl")
        self.spans_path = os.path.join(folder, "spans.jsonl")
        self.lock = threading.Lock()
        self.file = open(self.path, "a", encoding="utf-8")
        self.spans = open(self.spans_path, "a", encoding="utf-8")
        self.count = 0

    def write(self, wire):
        with self.lock:
            self.count += 1
            wire.n = self.count
            line = {
                "n": self.count, "time": time.time(), "scheme": wire.scheme, "client": wire.client,
                "connection": wire.connection, "request": wire.request,
                "method": wire.method, "target": wire.target, "version": wire.version,
                "headers": wire.headers,
                "body": (base64.b64encode(wire.body).decode() if len(wire.body) <= 1 << 22
                         else None),
                "transmission": wire.transmission(), "oauth": wire.oauth,
                "base_string": wire.base_string, "verdict": wire.verdict,
                "detail": wire.detail,
            }
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()
            if self.durable:
                os.fsync(self.file.fileno())

    def write_span(self, wire, end):
        with self.lock:
            self.spans.write(json.dumps({"n": wire.n, "start": wire.start, "end": end}) + "\n")
            self.spans.flush()
