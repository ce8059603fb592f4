"""What python-oauthlib makes of a case, and where the RFCs say that it should be something else.

The oracle is oauthlib called as it is. A Difference is a place where oauthlib departs from the
RFC it names. It is no list of cases to forgive: it changes the case into what oauthlib must be
given to act as the RFC says (or names the SQLSTATE of what must be refused), so the outcome that
our side must have is still oauthlib's, and exact.
"""
import base64
import functools
import hashlib
import os
import re
import types
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from oauthlib.common import quote, urlencoded
from oauthlib.oauth1 import Client
from oauthlib.oauth1.rfc5849 import parameters, signature, utils

KEYS = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "keys")
FORM = "application/x-www-form-urlencoded"
SIGNING = ("base_string_uri", "normalized", "base_string", "signature")


@functools.lru_cache(maxsize=None)
def pem(name):
    with open(os.path.join(KEYS, name + ".pem"), encoding="ascii") as file:
        return file.read()


@functools.lru_cache(maxsize=None)
def public_pem(name):
    """A public key as oauthlib reads it: of a certificate, the key in it (RFC 5280, 4.1.2.7)."""
    text = pem(name)
    if "CERTIFICATE" not in text:
        return text
    key = x509.load_pem_x509_certificate(text.encode()).public_key()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, spki).decode()


# Reading and checking a private key takes ten times as long as signing with it.
signature._prepare_key_plus = functools.lru_cache(maxsize=None)(signature._prepare_key_plus)


# ------------------------------------------------------------------ a case, seen as oauthlib sees it


def as_text(value):
    """A scalar of the params object as the parameter's text; None for null."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def pairs(params):
    """A params object as the parameters it stands for."""
    found = []
    for name, value in params.items():
        for element in value if isinstance(value, list) else [value]:
            if element is not None:
                found.append((name, as_text(element)))
    return found


def protocol(case):
    """The oauth_ parameters of the case, without the signature."""
    found = {
        "oauth_consumer_key": case["consumer_key"],
        "oauth_nonce": case["nonce"],
        "oauth_signature_method": case["signature_method"],
        "oauth_timestamp": str(case["timestamp"]),
        "oauth_version": "1.0",
    }
    if case["token"] is not None:
        found["oauth_token"] = case["token"]
    found.update(case["extra"])
    return found


def client(case):
    return Client(
        case["consumer_key"],
        client_secret=case["consumer_secret"],
        resource_owner_key=case["token"],
        resource_owner_secret=case["token_secret"],
        callback_uri=case["extra"].get("oauth_callback"),
        verifier=case["extra"].get("oauth_verifier"),
        signature_method=case["signature_method"],
        rsa_key=pem(case["key"]) if case["key"] else None,
        realm=case["realm"],
        nonce=case["nonce"],
        timestamp=str(case["timestamp"]),
    )


def split(url):
    """scheme, authority, path, query (None without '?'), rest; as RFC 3986, appendix B, or None."""
    found = re.match(r"^([^:/?#]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?$", url, re.DOTALL)
    return found.groups() if found else None


def joined(parts):
    scheme, authority, path, query, fragment = parts
    return scheme + "://" + authority + path + ("" if query is None else "?" + query) + (fragment or "")


def query_of(url):
    return urllib.parse.urlparse(url).query


def normalized(case, url, octets):
    """oauthlib's, or with octets where a query holds some that are no UTF-8."""
    params = [*protocol(case).items(), *pairs(case["form"])]
    if not octets:
        found = signature.collect_parameters(uri_query=query_of(url), body=[], headers={})
        found += [p for p in params if p[0] != "oauth_signature"]
        return signature.normalize_parameters(found)
    # one character an octet
    latin = urllib.parse.parse_qsl(query_of(url), keep_blank_values=True, encoding="latin-1")
    found = [(n.encode("utf-8"), v.encode("utf-8")) for n, v in params]
    found += [(n.encode("latin-1"), v.encode("latin-1")) for n, v in latin]
    escaped = sorted((quote(n, safe=b"~"), quote(v, safe=b"~")) for n, v in found if n != b"oauth_signature")
    return "&".join(n + "=" + v for n, v in escaped)


def sign(case, base_string):
    return Client.SIGNATURE_METHODS[case["signature_method"]](base_string, client(case))


def attempt(function, *arguments):
    """{"value": ...}, or {"error": ...} where it was refused."""
    try:
        return {"value": function(*arguments)}
    except ValueError as refusal:
        return {"error": str(refusal)}


def steps(case, url, octets=False, stand_ins=None):
    """The oracle's outcomes of the signing steps, with url for the case's own."""
    def uri_of():
        uri = signature.base_string_uri(url)
        for stand_in, original in (stand_ins or {}).items():
            uri = uri.replace(stand_in, original)
        return uri

    uri = attempt(uri_of)
    norm = attempt(normalized, case, url, octets) if "value" in uri else uri
    base = sig = norm
    if "value" in norm:
        base = sig = attempt(signature.signature_base_string,
                             case["http_method"], uri["value"], norm["value"])
    if "value" in base:
        sig = attempt(sign, case, base["value"])
    return {"base_string_uri": uri, "normalized": norm, "base_string": base, "signature": sig}


# ------------------------------------------------------------------ explained differences


class Difference:
    """One departure of oauthlib's: when it applies, and either how to change the URL's parts so that
    oauthlib acts as the RFC says, or the SQLSTATE that is due instead, in which steps."""

    def __init__(self, name, section, applies, change=None, sqlstate=None, steps=SIGNING + ("header",)):
        self.name, self.section, self.applies = name, section, applies
        self.change, self.sqlstate, self.steps = change, sqlstate, steps


def part(number):
    def of(case):
        parts = split(case["url"])
        return (parts[number] or "") if parts else ""
    return of


SCHEME, AUTHORITY, PATH, QUERY = part(0), part(1), part(2), part(3)

# What oauthlib is given for what it would not leave alone; taken back from its base string URI.
IPV6_STAND_IN = "ipv6-stands-here.invalid"
SEMICOLON_STAND_IN = "-semicolon-stands-here-"


def host_of(case):
    authority = AUTHORITY(case).rpartition("@")[2]
    bracketed = re.match(r"^\[[^\]]*\]", authority)
    return bracketed.group() if bracketed else authority.partition(":")[0]


def change_part(number, function):
    def change(parts):
        parts = list(parts)
        if parts[number] is not None:
            parts[number] = function(parts[number])
        return parts
    return change


def encode_raw(text):
    """Each character that oauthlib takes for no form at all, as the escapes it should have been."""
    return "".join(c if c in urlencoded else quote(c, safe=b"") for c in text)


def escape_oauth_values(query):
    """The values of oauth_ names once more, since oauthlib decodes them once too often."""
    pieces = []
    for piece in query.split("&"):
        name, equals, value = piece.partition("=")
        if urllib.parse.unquote_plus(name).startswith("oauth_"):
            value = quote(quote(urllib.parse.unquote_plus(value), safe=b""), safe=b"")
        pieces.append(name + equals + value)
    return "&".join(pieces)


def is_decoded_twice(case):
    def twice(piece):
        name, _, value = (urllib.parse.unquote_plus(text) for text in piece.partition("="))
        return name.startswith("oauth_") and "%" in value

    return any(twice(piece) for piece in QUERY(case).split("&"))


def is_not_utf8(case):
    try:
        urllib.parse.unquote_to_bytes(QUERY(case)).decode("utf-8")
    except UnicodeDecodeError:
        return True
    return False


def bad_host(case):
    host = host_of(case)
    if host.startswith("["):
        try:
            return "%" in host or not urllib.parse.urlsplit("http://" + host).hostname
        except ValueError:
            return True
    return re.search(r"[^A-Za-z0-9._-]", host) is not None


RAW_PATH = Difference(
    "a raw character outside ASCII in the path is signed as it is sent: encoded",
    "RFC 5849 3.4.1.2, RFC 3986 2.1",
    lambda c: not PATH(c).isascii(), change_part(2, lambda p: quote(p, safe=bytes(range(0x21, 0x7f)))))
RAW_QUERY = Difference(
    "a raw character in a query is a character, not an error", "RFC 5849 3.4.1.3.1, RFC 3986 2.1",
    lambda c: encode_raw(QUERY(c)) != QUERY(c), change_part(3, encode_raw))
DECODED_TWICE = Difference(
    "an oauth_ parameter of the query is decoded once, as others are", "RFC 5849 3.4.1.3.1",
    is_decoded_twice, change_part(3, escape_oauth_values))
LAST_SEMICOLON = Difference(
    "a path's last \";\" is part of it, also with nothing behind it", "RFC 5849 3.4.1.2, RFC 3986 3.3",
    lambda c: PATH(c).endswith(";"), change_part(2, lambda p: p[:-1] + SEMICOLON_STAND_IN))
IPV6 = Difference(
    "an IPv6 address is signed as it stands in the Host header, not shortened", "RFC 5849 3.4.1.2 (2)",
    lambda c: host_of(c).startswith("[") and not bad_host(c),
    change_part(1, lambda a: re.sub(r"\[[^\]]*\]", IPV6_STAND_IN, a)))
# In this order: the first sees the URL as it was given.
TRANSLATED = (RAW_PATH, RAW_QUERY, DECODED_TWICE, LAST_SEMICOLON, IPV6)
OCTETS = Difference(
    "octets of a query that are no UTF-8 are signed as they are, not as U+FFFD", "RFC 5849 3.4.1.3.1, 3.6",
    is_not_utf8)
REFUSED = (
    Difference("\"%\" without two hexadecimal digits", "RFC 3986 2.1",
               lambda c: re.search(r"%(?![0-9A-Fa-f]{2})", PATH(c) + "?" + QUERY(c)), sqlstate="22P02"),
    Difference("a control character, or a space before the scheme, in a URL", "RFC 3986 2",
               lambda c: re.search(r"[\x00-\x1f\x7f]|^ ", c["url"]), sqlstate="22023"),
    Difference("a backslash in a URL", "RFC 3986 2", lambda c: "\\" in c["url"], sqlstate="22023"),
    Difference("a scheme that is neither http nor https", "RFC 5849 3.4.1.2",
               lambda c: SCHEME(c).lower() not in ("http", "https"), sqlstate="22023"),
    Difference("a second \"@\" before the path", "RFC 3986 3.2.1",
               lambda c: AUTHORITY(c).count("@") > 1, sqlstate="22023"),
    Difference("a host that is no name, no IPv4 and no IPv6 address", "RFC 3986 3.2.2, RFC 1123 2.1",
               bad_host, sqlstate="22023"),
    Difference("a method that is no token", "RFC 9110 9.1, 5.6.2",
               lambda c: not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", c["http_method"]), sqlstate="22023",
               steps=("base_string", "signature", "header")),
    Difference("a control character in a realm", "RFC 9110 5.5",
               lambda c: re.search(r"[\x00-\x1f\x7f]", c["realm"] or ""), sqlstate="22023",
               steps=("header",)),
)
EMPTY_REALM = Difference("an empty realm is sent as one", "RFC 5849 3.5.1, RFC 2617 1.2", lambda c: c["realm"] == "")
QUOTED_REALM = Difference("quotes and backslashes in a realm are quoted", "RFC 2617 1.2, RFC 2616 2.2",
                          lambda c: re.search(r'["\\]', c["realm"] or ""))
HEADER = (EMPTY_REALM, QUOTED_REALM)
ALL = TRANSLATED + (OCTETS,) + REFUSED + HEADER


def explained_steps(case, differences):
    """The outcomes once these differences, which apply, are taken into account."""
    parts = split(case["url"])
    octets = OCTETS in differences
    for difference in TRANSLATED:
        # what is read as octets is not decoded twice
        if difference in differences and not (octets and difference is DECODED_TWICE):
            parts = difference.change(parts)
    stand_ins = {IPV6_STAND_IN: host_of(case).lower(), SEMICOLON_STAND_IN: ";"}
    return steps(case, joined(parts), octets, stand_ins)


def explanations(case):
    """The differences whose translation applies to the case."""
    if split(case["url"]) is None:
        return []
    return [d for d in TRANSLATED + (OCTETS,) if d.applies(case)]


def needed(case, differences):
    """Those of the differences without which the outcome would be another."""
    whole = explained_steps(case, differences)
    return [d for d in differences if explained_steps(case, [e for e in differences if e is not d]) != whole]


# ------------------------------------------------------------------ headers and bodies


def header_pairs(case, sig):
    return [*protocol(case).items(), ("oauth_signature", sig)]


def header(case, sig):
    """oauthlib's, given a realm that is quoted where it has to be."""
    realm = re.sub(r'["\\]', r"\\\g<0>", case["realm"] or "")
    return parameters.prepare_headers(header_pairs(case, sig), realm=realm)["Authorization"]


def read_header(value):
    """oauthlib's reader, its values decoded (RFC 5849, 3.5.1)."""
    return {utils.unescape(n): v if n == "realm" else utils.unescape(v)
            for n, v in utils.parse_authorization_header(value)}


def client_header(case):
    """The header oauthlib's whole client sends with the case's request; None where it takes no such."""
    if set(case["extra"]) - {"oauth_callback", "oauth_verifier"} or case["token"] == "":
        return None
    body = urllib.parse.urlencode(pairs(case["form"]))
    headers = {}
    if body:
        if case["http_method"].upper() in ("GET", "HEAD"):
            return None
        headers["Content-Type"] = FORM
    _, sent, _ = client(case).sign(case["url"], case["http_method"], body or None, headers)
    return sent["Authorization"]


def verifies(case, sig):
    """What oauthlib's server side says of a signature."""
    collected = signature.collect_parameters(uri_query=query_of(case["url"]))
    request = types.SimpleNamespace(
        params=collected + [*protocol(case).items(), *pairs(case["form"])],
        uri=case["url"], http_method=case["http_method"], signature=sig)
    verify = getattr(signature, "verify_" + case["signature_method"].lower().replace("-", "_"))
    if case["key"]:
        return verify(request, public_pem(case["public_key"]))
    return verify(request, case["consumer_secret"], case["token_secret"])


def body_hash(case):
    """OAuth Request Body Hash, 3.2, with the signature method's hash; oauthlib has SHA-1 only."""
    name = case["signature_method"].rpartition("-")[2].lower()
    return base64.b64encode(hashlib.new(name, case["body"].encode("utf-8")).digest()).decode()
