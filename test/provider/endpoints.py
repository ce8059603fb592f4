"""What the service does at which path. Each endpoint takes the Service and the request on the
wire, and returns an Answer; one that needs a signature raises Refused where it has none."""
import base64
import json
import re
from urllib.parse import parse_qsl, urlencode, urlsplit

import answer
import lists
import multipart
import pages
import shops
from answer import Answer
from judge import Refused
from store import new_secret

ITEMS = [
    {"id": 1, "name": "anvil", "price": 95.5, "stock": 4},
    {"id": 2, "name": "bolt, M8", "price": 0.12, "stock": 20000},
    {"id": 3, "name": "café table", "price": 120, "stock": 7},
    {"id": 4, "name": "drill & bits", "price": 64.9, "stock": 31},
    {"id": 5, "name": "écrou 5 % zinc", "price": 0.08, "stock": 15000},
    {"id": 6, "name": "fjærhammer", "price": 410, "stock": 1},
    {"id": 7, "name": "漏斗", "price": 3.25, "stock": 260},
    {"id": 8, "name": "🔧 wrench", "price": 18, "stock": 55},
]


# -- Tokens (RFC 5849 section 2)

def request_token(service, wire):
    consumer, _, request = service.judge(wire, "request")
    callback = request.redirect_uri or consumer.callback
    if not callback:
        raise Refused("parameter_absent", 400, "oauth_callback")
    token = service.store.add_request_token(consumer, callback)
    return answer.form({"oauth_token": token.token, "oauth_token_secret": token.secret,
                        "oauth_callback_confirmed": "true"})


def access_token(service, wire):
    consumer, token, request = service.judge(wire, "exchange")
    with service.store.lock:
        if token.state == "used":
            raise Refused("token_used")
        if token.state != "allowed":
            raise Refused("permission_denied" if token.state == "denied"
                          else "permission_unknown")
        if request.verifier != token.verifier:
            raise Refused("verifier_invalid")
        token.state = "used"
    access = service.store.add_access_token(consumer)
    fields = {"oauth_token": access.token, "oauth_token_secret": access.secret,
              "user_id": "42", "screen_name": token.user}
    access.session_handle = consumer.token_extra.get("oauth_session_handle")
    return answer.form({**fields, **consumer.token_extra})


def renew_token(service, wire):
    """With oauth_session_handle (the Session extension) a new token replaces the old; without,
    the old one is awake again (E*TRADE)."""
    consumer, token, request = service.judge(wire, "access")
    if token is None:
        raise Refused("parameter_absent", 400, "oauth_token")
    handle = request.oauth_params.get("oauth_session_handle")
    if handle is None:
        return Answer(200, "Access Token has been renewed", "text/plain")
    if handle != token.session_handle:
        raise Refused("token_rejected", 401, "oauth_session_handle")
    token.state = "revoked"
    fresh = service.store.add_access_token(consumer)
    fresh.session_handle = new_secret()
    return answer.form({**consumer.token_extra, "oauth_token": fresh.token,
                        "oauth_token_secret": fresh.secret,
                        "oauth_session_handle": fresh.session_handle})


def revoke_token(service, wire):
    _, token, _ = service.judge(wire, "access")
    if token is None:
        raise Refused("parameter_absent", 400, "oauth_token")
    token.state = "revoked"
    return Answer(200, "Revoked Access Token", "text/plain")


# -- The user's browser

def authorize(service, wire):
    """GET shows the form, POST takes the decision."""
    split = urlsplit(wire.url)
    fields = dict(parse_qsl(split.query, keep_blank_values=True))
    if wire.method == "POST":
        fields = dict(parse_qsl(wire.body.decode(), keep_blank_values=True))
    token = service.store.request_tokens.get(fields.get("oauth_token") or fields.get("token"))
    if token is None or token.state != "new":
        return answer.html(pages.message("Unknown token", "Start again."), 400)
    if wire.method != "POST":
        if fields.get("oauth_callback"):
            token.callback = fields["oauth_callback"]
        return answer.html(pages.ask(split.path, token.consumer.key, token.token))
    if fields.get("decision") == "allow" and not fields.get("user"):
        return answer.html(pages.message("No user name", "Go back and type one."), 400)
    return _allow(token, fields["user"]) if fields.get("decision") == "allow" else _deny(token)


def _allow(token, user):
    token.state, token.user = "allowed", user
    if token.callback == "oob":
        token.verifier = str(int(new_secret(), 16) % 9000000 + 1000000)
        return answer.html(pages.pin(token.verifier))
    token.verifier = new_secret()
    return _redirect(token, {"oauth_token": token.token, "oauth_verifier": token.verifier})


def _deny(token):
    token.state = "denied"
    if token.callback == "oob":
        return answer.html(pages.message("Access denied", "You may close this page."))
    return _redirect(token, {
        "problem": {"oauth_token": token.token, "oauth_problem": "user_refused"},
        "denied": {"denied": token.token},
        "empty_verifier": {"oauth_token": token.token, "oauth_verifier": ""},
    }[token.consumer.denial])


def _redirect(token, fields):
    joint = "&" if "?" in token.callback else "?"
    location = token.callback + joint + urlencode(fields)
    return Answer(302, headers=[("Location", location)])


# -- Protected resources

def items(service, wire):
    """GET: the rows. Filters: name (may be repeated), min_price, limit, offset."""
    service.judge(wire, "access")
    if wire.method not in ("GET", "HEAD"):
        return Answer(405, headers=[("Allow", "GET, HEAD")])
    query = parse_qsl(urlsplit(wire.url).query, keep_blank_values=True)
    names = [value for key, value in query if key == "name"]
    single = dict(query)
    rows = [row for row in ITEMS
            if (not names or row["name"] in names)
            and row["price"] >= float(single.get("min_price", 0))]
    start = int(single.get("offset", 0))
    return answer.as_json(rows[start:start + int(single.get("limit", len(rows)))])


def orders(service, wire):
    """POST makes an order of a form or a JSON object, GET lists them."""
    service.judge(wire, "access")
    if wire.method == "GET":
        return answer.as_json(list(service.store.orders.values()))
    if wire.method != "POST":
        return Answer(405, headers=[("Allow", "GET, POST")])
    try:
        order = service.store.add_order(_body_fields(wire))
    except ValueError as error:
        return answer.as_json({"error": str(error)}, 400)
    return answer.as_json(order, 201, [("Location", "/api/orders/%s" % order["id"])])


def order(service, wire):
    """GET, PUT (replaces), PATCH (adds), DELETE one order."""
    service.judge(wire, "access")
    number = int(urlsplit(wire.url).path.rpartition("/")[2])
    with service.store.lock:
        found = service.store.orders.get(number)
        if found is None:
            return answer.as_json({"error": "no such order"}, 404)
        if wire.method == "DELETE":
            del service.store.orders[number]
            return Answer(204)
        if wire.method == "PUT":
            found = service.store.orders[number] = {"id": number, **_body_fields(wire)}
        elif wire.method == "PATCH":
            found.update(_body_fields(wire))
        return answer.as_json(found)


def _body_fields(wire):
    """A form's fields, a repeated one as an array; or a JSON object. No oauth_ parameters."""
    if not wire.is_form():
        fields = json.loads(wire.body)
        if not isinstance(fields, dict):
            raise ValueError("not an object")
        return fields
    fields = {}
    for name, value in parse_qsl(wire.body.decode(), keep_blank_values=True):
        if not name.startswith("oauth_"):
            fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def echo(service, wire):
    """Any method: what was received."""
    service.judge(wire, "access")
    return _echo(wire)


def upload(service, wire):
    """Any method: the parts of a multipart/form-data body."""
    service.judge(wire, "access")
    return answer.as_json(multipart.describe(wire.header("Content-Type"), wire.body))


def open_echo(service, wire):
    """The same without a signature."""
    return _echo(wire)


def _echo(wire):
    try:
        text = wire.body.decode()
    except UnicodeDecodeError:
        text = None
    return answer.as_json({
        "method": wire.method, "target": wire.target, "headers": wire.headers,
        "body": text, "body_base64": base64.b64encode(wire.body).decode(),
        "oauth": wire.oauth, "connection": wire.connection, "request": wire.request})


# -- Remote control by tests: not signed, since it is no part of the service

def control_consumers(service, wire):
    """POST a consumer's JSON description: added, or put in the place of its namesake."""
    service.store.add_consumer(json.loads(wire.body))
    return Answer(204)


ROUTES = [
    (re.compile(pattern), function) for pattern, function in (
        (r"/oauth/request_token", request_token),
        (r"/oauth/authorize", authorize),
        (r"/oauth/access_token", access_token),
        (r"/oauth/renew_token", renew_token),
        (r"/oauth/revoke_token", revoke_token),
        (r"/api/items", items),
        (r"/api/orders", orders),
        (r"/api/orders/[0-9]+", order),
        (r"/api/echo(/.*)?", echo),
        (r"/api/upload", upload),
        (r"/open/echo(/.*)?", open_echo),
        (r"/lists/link", lists.link),
        (r"/lists/say", lists.say),
        (r"/lists/url", lists.url),
        (r"/lists/cursor", lists.cursor),
        (r"/lists/offset", lists.offset),
        (r"/lists/suiteql", lists.suiteql),
        (r"/lists/number", lists.number),
        (r"/lists/woocommerce", lists.woocommerce),
        (r"/control/consumers", control_consumers),
        *shops.ROUTES,
    )]


def find(path):
    """The endpoint of this path, or None."""
    for pattern, function in ROUTES:
        if pattern.fullmatch(path):
            return function
    return None
