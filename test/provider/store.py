"""What the service knows: consumers, tokens, nonces, orders. In memory, behind one lock."""
import secrets
import threading

from oauthlib.oauth1.rfc5849 import SIGNATURE_METHODS

#: Seconds that a timestamp may be away from the service's clock.
TIMESTAMP_WINDOW = 300

DENIALS = ("problem", "denied", "empty_verifier")

#: Used when the command line names no consumers.
DEFAULT_CONSUMERS = [{"key": "demo-key", "secret": "demo-secret"}]


def new_secret():
    """A token, a secret or a verifier."""
    return secrets.token_hex(15)


class Consumer:
    """One registered consumer, from its JSON description:

    key               the consumer key
    secret            the shared secret; may be empty
    public_key        a PEM public key, for the RSA methods
    methods           the signature methods that are accepted; default all
    realms            the realms that are accepted; default any, also none
    two_legged        false: a call without a token is refused
    callback          accepted without oauth_callback (OAuth 1.0 without "a"); a URL or "oob"
    denial            how a refusal is told: problem, denied or empty_verifier
    body_hash_sha1    true: oauth_body_hash is SHA-1 with every method, as the draft has it
    body_hash_always  true: a request without oauth_body_hash is refused, unless it is a form
    token_extra       fields that the access token's reply also carries
    tokens            access tokens that exist already: [{"token": ..., "secret": ...,
                      "state": "good"}]
    clock             seconds that the service's clock is ahead, to this consumer
    window            seconds that a timestamp may be away from that clock
    in_order          true: no timestamp may be before an earlier one
    clock_status      of the refusal of a timestamp
    clock_tells       what that refusal says: problem (oauth_problem, and Date), nothing (Date
                      alone), range (oauth_problem and oauth_acceptable_timestamps, no Date),
                      silence (oauth_problem alone)
    """

    FIELDS = {
        "key": None, "secret": "", "public_key": None, "methods": list(SIGNATURE_METHODS),
        "realms": None, "two_legged": True, "callback": None, "denial": "problem",
        "body_hash_sha1": False, "body_hash_always": False, "token_extra": {}, "tokens": [],
        "clock": 0, "window": TIMESTAMP_WINDOW, "in_order": False, "clock_status": 401,
        "clock_tells": "problem",
    }

    def __init__(self, description):
        unknown = set(description) - set(self.FIELDS)
        if unknown or not description.get("key"):
            raise ValueError("bad consumer: %r" % (sorted(unknown) or "no key"))
        for field, default in self.FIELDS.items():
            setattr(self, field, description.get(field, default))
        if self.denial not in DENIALS:
            raise ValueError("bad denial: %r" % self.denial)
        self.latest = 0


class Token:
    """A request token (callback, verifier, state new/allowed/denied/used) or an access token
    (state good/revoked/expired)."""

    def __init__(self, consumer, state, token=None, secret=None, callback=None):
        self.consumer = consumer
        self.token = token or new_secret()
        self.secret = secret if secret is not None else new_secret()
        self.state = state
        self.callback = callback
        self.verifier = None
        self.user = None
        self.session_handle = None


class Store:
    def __init__(self, consumers=None):
        self.lock = threading.RLock()
        self.consumers = {}
        self.request_tokens = {}
        self.access_tokens = {}
        self.nonces = set()
        self.orders = {}
        for description in consumers if consumers is not None else DEFAULT_CONSUMERS:
            self.add_consumer(description)

    def add_consumer(self, description):
        consumer = Consumer(description)
        with self.lock:
            self.consumers[consumer.key] = consumer
            for given in consumer.tokens:
                access = self.add_access_token(consumer, given["token"], given["secret"])
                access.state = given.get("state", "good")
        return consumer

    def add_request_token(self, consumer, callback):
        token = Token(consumer, "new", callback=callback)
        with self.lock:
            self.request_tokens[token.token] = token
        return token

    def add_access_token(self, consumer, token=None, secret=None):
        access = Token(consumer, "good", token, secret)
        with self.lock:
            self.access_tokens[access.token] = access
        return access

    def spend_nonce(self, key, token, timestamp, nonce):
        """Whether this combination is new; from now on it is not (RFC 5849 3.3)."""
        used = (key, token or "", timestamp, nonce)
        with self.lock:
            if used in self.nonces:
                return False
            self.nonces.add(used)
            return True

    def add_order(self, fields):
        with self.lock:
            number = len(self.orders) + 1
            self.orders[number] = {"id": number, **fields}
            return self.orders[number]
