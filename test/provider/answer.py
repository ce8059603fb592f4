"""An answer before it is sent, so that test/provider/flaky.py can spoil it."""
import json
import time
from urllib.parse import urlencode

FORM = "application/x-www-form-urlencoded"


class Answer:
    """status, headers ([(name, value), ...]), body; and how it is sent: `send` maps the name
    of a way of sending (test/provider/flaky.py) to its argument. `seconds_ahead` is what
    its Date is ahead of this machine's clock; None: it has no Date."""

    def __init__(self, status, body=b"", content_type=None, headers=()):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = list(headers)
        if content_type:
            self.headers.insert(0, ("Content-Type", content_type))
        self.send = {}
        self.seconds_ahead = 0

    def set_header(self, name, value):
        """Replace or, with None, remove it."""
        self.headers = [h for h in self.headers if h[0].lower() != name.lower()]
        if value is not None:
            self.headers.append((name, value))


def form(fields, status=200):
    return Answer(status, urlencode(fields), FORM)


def as_json(value, status=200, headers=()):
    return Answer(status, json.dumps(value, ensure_ascii=False), "application/json", headers)


def html(body, status=200):
    return Answer(status, body, "text/html; charset=utf-8")


def problem(refused):
    """The Problem Reporting extension: in the header and in the body."""
    fields = {"oauth_problem": refused.problem}
    if refused.detail:
        fields["oauth_problem_advice"] = refused.detail
    fields.update(refused.fields)
    answer = form(fields, refused.status)
    answer.set_header("WWW-Authenticate",
                      'OAuth realm="test",oauth_problem="%s"' % refused.problem)
    return answer


def bad_timestamp(refused, consumer):
    """The refusal of a timestamp, telling as much as the consumer is to be told."""
    tells = consumer.clock_tells
    if tells == "nothing":
        return Answer(refused.status, "unauthorized\n", "text/plain")
    answer = problem(refused)
    if tells == "range":
        now = int(time.time()) + consumer.clock
        answer.body += b"&" + urlencode({"oauth_acceptable_timestamps": "%d-%d" % (
            now - consumer.window, now + consumer.window)}).encode()
        answer.set_header("WWW-Authenticate", None)
    return answer
