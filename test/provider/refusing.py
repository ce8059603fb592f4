"""A service that refuses. A path /refuse/WAY[=ARGUMENT][,WAY...]/rest is answered as /rest would
be, but judged as a service would that sees the request otherwise: behind a proxy, through PHP,
with another clock. With "quiet" it does not say why.

  host=NAME        it is called NAME, as it sees itself behind its proxy
  scheme           it sees http where https was spoken, and the other way round
  no_query         it leaves the query out of what it signs
  no_form          it leaves the form out of what it signs
  form             it reads every body as a form, whatever its type
  php              its parameters are PHP's: of a repeated name the last, a[] as a[0], a[1]
  no_header        it does not see the Authorization header
  version=V        it accepts oauth_version V alone
  clock=SECONDS    its clock is so far ahead
  replay           it has seen every nonce before
  quiet            401, a plain page, and no reason
"""
import copy
import time
from urllib.parse import parse_qsl, quote, unquote

import answer
from answer import FORM, Answer
from judge import Refused
from store import TIMESTAMP_WINDOW

PREFIX = "/refuse/"


def split(target):
    """('/refuse/a=1,b/rest?q') -> ({'a': '1', 'b': None}, '/rest?q')"""
    if not target.startswith(PREFIX):
        return {}, target
    ways, slash, rest = target[len(PREFIX):].partition("/")
    parsed = {}
    for way in ways.split(","):
        name, has_argument, argument = way.partition("=")
        parsed[name] = unquote(argument) if has_argument else None
    if set(parsed) - set(WAYS):
        raise ValueError("no such way to refuse: %s" % ways)
    return parsed, slash + rest


# -- What the service sees

def _host(view, argument):
    view.headers = [[name, argument if name.lower() == "host" else value]
                    for name, value in view.headers]


def _scheme(view, _):
    view.scheme = "http" if view.scheme == "https" else "https"


def _no_query(view, _):
    view.target = view.target.partition("?")[0]


def _no_form(view, _):
    view.body = b""


def _set_type(view, value):
    view.headers = [pair for pair in view.headers if pair[0].lower() != "content-type"]
    view.headers.append(["Content-Type", value])


def _form(view, _):
    _set_type(view, FORM)


def _php(view, _):
    path, _, query = view.target.partition("?")
    counts, fields = {}, {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name.endswith("[]"):
            counts[name] = counts.get(name, -1) + 1
            name = "%s[%d]" % (name[:-2], counts[name])
        fields[name] = value
    view.target = path + ("?" if query else "") + "&".join(
        "%s=%s" % (quote(name), quote(value)) for name, value in fields.items())


def _no_header(view, _):
    view.headers = [pair for pair in view.headers if pair[0].lower() != "authorization"]


def _as_it_is(view, _):
    pass


WAYS = {
    "host": _host, "scheme": _scheme, "no_query": _no_query, "no_form": _no_form, "form": _form,
    "php": _php, "no_header": _no_header, "version": _as_it_is, "clock": _as_it_is,
    "replay": _as_it_is, "quiet": _as_it_is,
}


def seconds_ahead(ways):
    return int(ways.get("clock") or 0)


def view(wire):
    """The request as the service sees it, to be judged."""
    if not wire.refusing:
        return wire
    seen = copy.copy(wire)
    for way, argument in wire.refusing.items():
        WAYS[way](seen, argument)
    seen.judge_first = lambda request: _judge_first(wire.refusing, request)
    return seen


# -- What it thinks of it

def _judge_first(ways, request):
    """What is refused whatever the signature. request: oauthlib's, whose timestamp is then set
    back to the clock of this machine."""
    if "version" in ways and request.oauth_params.get("oauth_version", "1.0") != ways["version"]:
        raise Refused("version_rejected", 400,
                      oauth_acceptable_versions="%s-%s" % (ways["version"], ways["version"]))
    if request.timestamp and request.timestamp.isdigit():
        timestamp, now = int(request.timestamp), int(time.time() + seconds_ahead(ways))
        if abs(timestamp - now) > TIMESTAMP_WINDOW:
            raise Refused("timestamp_refused", 401, oauth_acceptable_timestamps="%d-%d"
                          % (now - TIMESTAMP_WINDOW, now + TIMESTAMP_WINDOW))
        request.timestamp = str(timestamp - seconds_ahead(ways))
    if "replay" in ways:
        raise Refused("nonce_used")


def refusal(wire, refused):
    """The answer to a request that was refused."""
    if "quiet" in wire.refusing:
        return Answer(401, "Unauthorized\n", "text/plain")
    return answer.problem(refused)
