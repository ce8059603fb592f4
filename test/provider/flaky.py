"""Misbehaviour on demand. A path /flaky/MODE[=ARGUMENT][,MODE...]/rest is answered as /rest
would be (the signature covers the whole URL), and then spoiled, mode by mode, from left to
right. Arguments are percent-decoded, and a slash or a comma in one must be encoded. The modes
after times=N spoil the first N requests for their path alone. Modes that change the answer are
here; those that change how it is sent are listed in SENDING and done by test/provider/wire.py.
"""
from email.utils import formatdate
import gzip
import json
import threading
import time
from urllib.parse import parse_qsl, unquote_to_bytes, urlencode, urlsplit

from answer import FORM
import pages

#: mode: what it does with its argument.
SENDING = {
    "slow_read": "wait ARGUMENT ms after the request line before the rest is read",
    "first_byte": "wait ARGUMENT ms before the first byte",
    "drip": "wait ARGUMENT ms after each byte of the body",
    "slow_body": "wait ARGUMENT ms in the middle of the body",
    "truncate": "announce ARGUMENT (100) bytes more than are sent, then close",
    "half_header": "close in the middle of the header",
    "hangup": "close without an answer",
    "hangup_reused": "close without an answer, on a connection that has served before",
    "reset": "end the connection with RST, without an answer",
    "reset_body": "the same in the middle of the body",
    "hang": "no answer; hold the connection until the client goes",
    "garbage": "a first line that is no status line",
    "interim": "ARGUMENT (3) interim 103 answers first",
    "no_length": "neither length nor chunks: the body ends with the connection",
    "close": "close the connection after the answer, which says so",
    "chunked": "in chunks of ARGUMENT (7) bytes",
    "bad_chunk": "a chunk whose size is no number",
    "endless": "a body without end, in chunks",
    "more_headers": "ARGUMENT (100) headers of 1 kB more",
}


def split(target):
    """('/flaky/a=1,b/rest?q') -> ([('a', b'1'), ('b', None)], '/rest?q')"""
    if not target.startswith("/flaky/"):
        return [], target
    modes, slash, rest = target[len("/flaky/"):].partition("/")
    parsed = []
    for mode in modes.split(","):
        name, has_argument, argument = mode.partition("=")
        parsed.append((name, unquote_to_bytes(argument) if has_argument else None))
    return parsed, slash + rest


_counts = {}
_counting = threading.Lock()


def _times_asked(target):
    """How often this was called for the target's path, whatever its query."""
    path = urlsplit(target).path
    with _counting:
        _counts[path] = _counts.get(path, 0) + 1
        return _counts[path]


def spoil(answer, modes, target):
    """Apply the modes; raise KeyError for an unknown one."""
    answer.target = target
    for name, argument in modes:
        if name == "times":
            if _times_asked(target) > int(argument):
                break
        elif name in SENDING:
            answer.send[name] = int(argument) if argument is not None else None
        else:
            MODES[name](answer, argument)
    return answer


def _fields(change):
    """A mode that changes the fields of a form reply."""
    def mode(answer, argument):
        fields = parse_qsl(answer.body.decode(), keep_blank_values=True)
        answer.body = urlencode(change(fields, argument)).encode()
    return mode


def _without(name):
    return _fields(lambda fields, _: [field for field in fields if field[0] != name])


def _field(fields, argument):
    """field=NAME=VALUE: set or add one."""
    name, _, value = argument.decode().partition("=")
    return [field for field in fields if field[0] != name] + [(name, value)]


def _json(answer, _):
    answer.body = json.dumps(dict(parse_qsl(answer.body.decode()))).encode()
    answer.set_header("Content-Type", "application/json")


def _newline(answer, argument):
    """ARGUMENT (one line feed) after the body."""
    answer.body += argument or b"\n"


def _lines(answer, _):
    """One parameter a line."""
    answer.body = answer.body.replace(b"&", b"\n") + b"\n"
    answer.set_header("Content-Type", "text/plain")


def _html(answer, argument):
    """An error page for humans, with status ARGUMENT (200)."""
    answer.status = int(argument or 200)
    answer.body = pages.message("Something went wrong", "Please try again later.")
    answer.headers = [("Content-Type", "text/html; charset=utf-8")]


def _status(answer, argument):
    answer.status = int(argument)
    answer.body = b"status %d\n" % answer.status
    answer.headers = [("Content-Type", "text/plain")]


def _as(answer, argument):
    """Another status, the rest as it was."""
    answer.status = int(argument)


def _problem(answer, argument):
    """401 with oauth_problem=ARGUMENT in the body alone."""
    answer.status = 401
    answer.body = urlencode({"oauth_problem": argument.decode()}).encode()
    answer.headers = [("Content-Type", FORM)]


def _problem_header(answer, argument):
    """401 with oauth_problem=ARGUMENT in WWW-Authenticate alone."""
    answer.status = 401
    answer.body = b""
    answer.headers = [("WWW-Authenticate",
                       'OAuth realm="test", oauth_problem="%s"' % argument.decode())]


def _type(answer, argument):
    """Content-Type: ARGUMENT, or none."""
    answer.set_header("Content-Type", argument.decode() if argument else None)


def _body(answer, argument):
    answer.body = argument or b""


def _hex(answer, argument):
    answer.body = bytes.fromhex(argument.decode())


def _fill(answer, argument):
    """A body of ARGUMENT bytes."""
    answer.body = (b"0123456789abcdef" * (int(argument) // 16 + 1))[:int(argument)]
    answer.set_header("Content-Type", "text/plain")


def _header(answer, argument):
    """header=NAME:VALUE: one header more."""
    name, _, value = argument.decode("latin-1").partition(":")
    answer.headers.append((name, value))


def _cookies(answer, argument):
    for n in range(int(argument or 2)):
        answer.headers.append(("Set-Cookie", "c%d=v%d; Path=/, with a comma" % (n, n)))


def _redirect(answer, argument):
    """redirect=STATUS:LOCATION"""
    status, _, location = argument.decode().partition(":")
    answer.status = int(status)
    answer.body = b""
    answer.headers = [("Location", location)]


def _redirect_hex(answer, argument):
    """The same with the Location in hex, for what no URL of a request may hold."""
    status, _, location = argument.partition(b":")
    _redirect(answer, status + b":" + bytes.fromhex(location.decode()))


def _redirect_query(answer, argument):
    """The same, with the query of the request."""
    _redirect(answer, argument)
    answer.headers = [("Location", answer.headers[0][1] + "?" + urlsplit(answer.target).query)]


def _retry_date(answer, argument):
    """Retry-After as a date, ARGUMENT seconds from now."""
    answer.headers.append(("Retry-After", formatdate(int(time.time()) + int(argument),
                                                     usegmt=True)))


def _gzip(answer, _):
    answer.body = gzip.compress(answer.body)
    answer.set_header("Content-Encoding", "gzip")


def _bomb(answer, argument):
    """gzip of ARGUMENT zero bytes."""
    answer.body = bytes(int(argument))
    answer.set_header("Content-Type", "application/octet-stream")
    _gzip(answer, None)


MODES = {
    "unconfirmed": _without("oauth_callback_confirmed"),
    "no_token": _without("oauth_token"),
    "no_secret": _without("oauth_token_secret"),
    "doubled": _fields(lambda fields, _: fields + fields),
    "field": _fields(_field),
    "json": _json, "newline": _newline, "lines": _lines, "html": _html, "status": _status,
    "as": _as, "problem": _problem, "problem_header": _problem_header, "type": _type,
    "body": _body, "hex": _hex, "fill": _fill, "header": _header, "cookies": _cookies,
    "redirect": _redirect, "redirect_hex": _redirect_hex, "redirect_query": _redirect_query,
    "retry_date": _retry_date, "gzip": _gzip, "bomb": _bomb,
}
