"""Random requests to be signed, from a seed: the same seed gives the same cases everywhere.

A case is a dict of JSON values. Most are requests a client could make; a few in a hundred hold
something that one side or both must refuse.
"""
import random

# RSA is slow and PLAINTEXT signs nothing: fewer of them.
METHODS = (
    (6, "HMAC-SHA1"), (6, "HMAC-SHA256"), (6, "HMAC-SHA512"),
    (2, "PLAINTEXT"),
    (2, "RSA-SHA1"), (2, "RSA-SHA256"), (2, "RSA-SHA512"),
)

# Files of test/keys: private keys, and every form of the public key that belongs to one.
PRIVATE_KEYS = {
    "rsa_pkcs1": ("rsa_public_spki", "rsa_public_pkcs1", "rsa_certificate"),
    "rsa_pkcs8": ("rsa_public_spki", "rsa_public_pkcs1", "rsa_certificate"),
    "other_pkcs8": ("other_public_spki",),
}

UNRESERVED = "abcXYZ019-._~"
RESERVED = "!$&'()*+,;=:@/?"
UNICODE = "äéßñłж日本語ﬃ€☃ \u00a0\u0301\u200d\ufeff\uffff😀𝔘🇩🇪\U0010ffff"
ODD_ASCII = "\"<>[]^`{|}%#"


def choose(rng, *weighted):
    """One of the values of (weight, value) pairs."""
    return rng.choices([v for _, v in weighted], [w for w, _ in weighted])[0]


def text(rng, most=12):
    """Any text, empty text too."""
    alphabet = choose(
        rng,
        (5, UNRESERVED),
        (3, UNRESERVED + RESERVED + " %"),
        (3, UNICODE + UNRESERVED),
        (1, UNICODE + ODD_ASCII + RESERVED + "\\ \t\n\x01\x7f"),
    )
    return "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 2, 5, most))))


def encoded(rng, value, plus):
    """value as a query or a form might hold it: more escapes than needed, in either case."""
    out = []
    for octet in value.encode("utf-8"):
        char = chr(octet)
        if char == " " and plus and rng.random() < 0.7:
            out.append("+")
        elif char.isascii() and char.isalnum() and rng.random() < 0.95:
            out.append(char)
        elif char in "-._~!$'()*,:@/?" and rng.random() < 0.6:
            out.append(char)
        else:
            out.append("%{:02x}".format(octet) if rng.random() < 0.4 else "%{:02X}".format(octet))
    return "".join(out)


def query(rng):
    """A query without its '?', or None."""
    if rng.random() < 0.25:
        return None
    names = [text(rng, 6) for _ in range(rng.randint(0, 4))]
    names += ["a", "oauth_x", "realm", "oauth_signature"]
    return "&".join(piece(rng, names) for _ in range(rng.choice((0, 1, 1, 2, 3, 5, 8))))


def piece(rng, names):
    """What stands between two "&"."""
    name = encoded(rng, choose(rng, (6, text(rng, 6)), (3, rng.choice(names)), (1, "a")), True)
    value = encoded(rng, text(rng), True)
    return choose(
        rng,
        (30, name + "=" + value),
        (2, name),
        (2, name + "="),
        (1, "=" + value),
        (1, ""),
        (1, name + "=" + value + "=x"),
        (1, name + "=a;b"),
        (1, "oauth_x=" + encoded(rng, rng.choice(("100%", "a%41", "%2B+")), True)),
        (1, name + "=%ff" + value + "%C3"),
        (1, name + "=" + rng.choice("äß日😀 \"<>[]^`{|}")),
        (0.45, name + "=" + rng.choice(("%", "%4", "%zz"))),
    )


def segment(rng):
    """A segment of a path."""
    usual = ("r%20v", "%7e", "%e2%98%83", "a;b=1", "..", ".", "", "a b", "(x)")
    return choose(
        rng,
        (10, encoded(rng, text(rng, 8), False).replace("/", "").replace("?", "")),
        (2, rng.choice(usual)),
        (1, rng.choice(("ü", "日本", "😀 x", "a;", ";"))),
        (0.1, rng.choice(("%", "%4", "%zz", "\\"))),
    )


def host(rng):
    names = ("example.com", "EXAMPLE.com", "www.Example.NET", "a_b.example", "x", "api.example.com.")
    ipv6 = ("[::1]", "[2001:db8::1]", "[2001:DB8:0:0::1]", "[::ffff:192.0.2.1]", "[fe80::0001]")
    wrong = ("bücher.example", "exa<mple", "exam ple", "ex%41mple", "[::1%25eth0]", "[::g]", "[::1", "")
    return choose(
        rng,
        (20, rng.choice(names)),
        (3, rng.choice(("127.0.0.1", "192.0.2.255"))),
        (3, rng.choice(ipv6)),
        (0.4, rng.choice(wrong)),
    )


def port(rng):
    usual = ((12, ""), (2, ":80"), (2, ":443"), (3, ":8080"), (1, ":65535"), (1, ":1"))
    return choose(rng, *usual, (0.5, ":"), (0.5, ":0443"), (0.1, ":0"), (0.1, ":65536"), (0.1, ":x"))


def url(rng):
    whole = choose(rng, (10, "https"), (10, "http"), (2, "HTTP"), (1, "Https"), (0.1, "ftp"), (0.1, "ws"))
    whole += "://"
    whole += choose(rng, (40, ""), (1, "user@"), (1, "user:pa%40ss@"), (0.2, "a@b@"))
    whole += host(rng) + port(rng)
    whole += "".join("/" + segment(rng) for _ in range(rng.choice((0, 1, 1, 2, 3, 5))))
    whole += rng.choice(("", "", "/"))
    found = query(rng)
    if found is not None:
        whole += "?" + found
    whole += choose(rng, (12, ""), (1, "#frag?a=1"), (0.5, "#"))
    return choose(
        rng,
        (300, whole),
        (1, whole + "\n"),
        (1, " " + whole),
        (1, whole.replace("/", "/\t", 3)),
        (1, whole + "/\x7f"),
    )


def value(rng):
    """A parameter's value in the jsonb object that SQL takes."""
    return choose(
        rng,
        (12, text(rng)),
        (3, [text(rng) for _ in range(rng.choice((0, 1, 2, 3)))]),
        (1, rng.randint(-(10**18), 10**18)),
        (1, rng.choice((0, 1.5, -0.25, 12345678901234567890))),
        (1, rng.random() < 0.5),
        (1, None),
        (1, [None, text(rng), True, 7]),
    )


def form(rng):
    """Form-body parameters; what begins with oauth_ is in "extra"."""
    names = [choose(rng, (8, text(rng, 6)), (2, "a")) for _ in range(rng.choice((0, 0, 1, 2, 4, 7)))]
    return {name: value(rng) for name in names if name != "realm" and not name.startswith("oauth_")}


def extra(rng):
    """oauth_ parameters beside those that every request has."""
    found = {}
    if rng.random() < 0.2:
        found["oauth_callback"] = rng.choice(("oob", "http://printer.example.com/ready?a=b&c=%20"))
    if rng.random() < 0.2:
        found["oauth_verifier"] = text(rng) or "v"
    if rng.random() < 0.05:
        found["oauth_" + text(rng, 4)] = text(rng)
    return found


def http_method(rng):
    usual = ((10, "GET"), (10, "POST"), (3, "PUT"), (2, "DELETE"), (1, "patch"), (1, "Get"))
    return choose(rng, *usual, (1, "M-SEARCH"), (0.5, "a!#$%&'*+.^_`|~"), (0.1, "GE T"), (0.05, ""))


def realm(rng):
    quoted = 'a "quoted" \\ realm, b=c'
    return choose(rng, (5, None), (1, ""), (2, "Photos"), (2, text(rng)), (1, quoted))


def case(rng, number):
    method = choose(rng, *METHODS)
    key = rng.choice(sorted(PRIVATE_KEYS)) if method.startswith("RSA") else None
    token = choose(rng, (5, text(rng) or "t"), (2, None), (1, ""))
    return {
        "id": number,
        "http_method": http_method(rng),
        "url": url(rng),
        "form": form(rng),
        "extra": extra(rng),
        "signature_method": method,
        "consumer_key": text(rng) or "k",
        "consumer_secret": "" if key else text(rng),
        "key": key,
        "public_key": rng.choice(PRIVATE_KEYS[key]) if key else None,
        "token": token,
        "token_secret": text(rng) if token else "",
        "nonce": text(rng) or "n",
        "timestamp": rng.choice((1, 137131200, rng.randint(1, 2**31), 2**63 - 1)),
        "realm": realm(rng),
        "body": choose(rng, (8, None), (1, ""), (1, text(rng))),
        "text": text(rng, 30),
    }


def cases(seed, count):
    rng = random.Random(seed)
    for number in range(count):
        yield case(rng, number)
