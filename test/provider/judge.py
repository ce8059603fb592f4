"""Judge a request as RFC 5849 section 3.2 says, with oauthlib's server side.

oauthlib reads the parameters, makes the base string and checks the signature. Its endpoint
classes answer only yes or no, so the order of the steps is here, and each has its name from
the Problem Reporting extension (http://wiki.oauth.net/ProblemReporting). By hand, because
oauthlib 3.2.2 lacks it or does otherwise: oauth_body_hash; calls without a token; a parameter
named realm outside the Authorization header, which is an ordinary one (3.4.1.3.1).

Known limit: oauthlib decodes as UTF-8 and replaces what is not, so a percent-encoded octet
sequence that is no UTF-8 never verifies.
"""
import base64
import hashlib
import hmac
import time
import warnings

from oauthlib.oauth1 import RequestValidator
from oauthlib.oauth1.rfc5849 import errors, signature
from oauthlib.oauth1.rfc5849.endpoints.base import BaseEndpoint

# PyJWT's deprecation of parts of itself that oauthlib uses.
warnings.filterwarnings("ignore", category=DeprecationWarning)

#: oauthlib says what is wrong in prose only: (part of its prose, our name, status).
OAUTHLIB_COMPLAINTS = [
    ("Missing mandatory", "parameter_absent", 400),
    ("Duplicate OAuth1", "parameter_rejected", 400),
    ("only 1 signature", "parameter_rejected", 400),
    ("not in", "signature_method_rejected", 400),
    ("version", "version_rejected", 400),
    ("imestamp", "parameter_rejected", 400),
    ("nonce", "parameter_rejected", 400),
]


class Refused(Exception):
    """The request is not accepted: an oauth_problem and a status; fields: what else the Problem
    Reporting extension has to say of it."""

    def __init__(self, problem, status=401, detail="", **fields):
        super().__init__(problem)
        self.problem = problem
        self.status = status
        self.detail = detail
        self.fields = fields


class Validator(RequestValidator):
    """oauthlib's view of a Store."""

    enforce_ssl = False
    # Whether a timestamp is in time is the consumer's clock's to say: Judge._timestamp.
    timestamp_lifetime = 10 ** 10

    def __init__(self, store):
        super().__init__()
        self.store = store

    # Keys and tokens of any shape; the nonce stays oauthlib's: 20 to 30 of A-Z a-z 0-9.
    def check_client_key(self, client_key):
        return True

    def get_client_secret(self, client_key, request):
        return self.store.consumers[client_key].secret

    def get_rsa_key(self, client_key, request):
        return self.store.consumers[client_key].public_key

    def get_request_token_secret(self, client_key, token, request):
        return self.store.request_tokens[token].secret

    def get_access_token_secret(self, client_key, token, request):
        return self.store.access_tokens[token].secret


class Judge(BaseEndpoint):
    def __init__(self, store):
        super().__init__(Validator(store))
        self.store = store

    def read(self, wire):
        """Return oauthlib's Request for the request on the wire; raise Refused."""
        body = wire.body.decode("utf-8", "replace")
        try:
            request = self._create_request(wire.url, wire.method, body, wire.header_map())
        except errors.OAuth1Error as error:
            raise self._refusal(error) from error
        except ValueError as error:
            raise Refused("parameter_rejected", 400, str(error)) from error
        self._own_realm_rule(request)
        wire.oauth = dict(request.oauth_params)
        if request.realm is not None:
            wire.oauth["realm"] = request.realm
        wire.base_string = signature.signature_base_string(
            request.http_method, signature.base_string_uri(request.uri),
            signature.normalize_parameters(request.params))
        return request

    def judge(self, wire, expect):
        """Judge the request. expect: "request" (for a request token), "exchange" (carries a
        request token), "access" (carries an access token, or none). Returns (consumer, token
        or None, oauthlib's request); raises Refused.
        """
        request = self.read(wire)
        if wire.judge_first:
            wire.judge_first(request)
        try:
            self._check_mandatory_parameters(request)
        except errors.OAuth1Error as error:
            raise self._refusal(error) from error
        consumer = wire.consumer = self._consumer(request)
        self._timestamp(request, consumer)
        token = None if expect == "request" else self._token(request, consumer, expect)
        self._signature(request, expect)
        if not self.store.spend_nonce(request.client_key, request.resource_owner_key,
                                      request.timestamp, request.nonce):
            raise Refused("nonce_used")
        self._body_hash(wire, consumer)
        return consumer, token, request

    @staticmethod
    def _own_realm_rule(request):
        """Only the Authorization header's realm is left out of the base string. oauthlib
        leaves out every parameter of that name, or none."""
        headers = signature.collect_parameters(headers=request.headers,
                                               exclude_oauth_signature=True)
        others = signature.collect_parameters(uri_query=request.uri_query, body=request.body,
                                              exclude_oauth_signature=True)
        request.params = headers + others
        given = dict(signature.collect_parameters(headers=request.headers, with_realm=True))
        request.realm = given.get("realm")

    @staticmethod
    def _refusal(error):
        text = str(error.description)
        for part, problem, status in OAUTHLIB_COMPLAINTS:
            if part in text:
                return Refused(problem, status, text)
        return Refused("parameter_rejected", 400, text)

    def _consumer(self, request):
        consumer = self.store.consumers.get(request.client_key)
        if consumer is None:
            raise Refused("consumer_key_unknown")
        if request.signature_method not in consumer.methods:
            raise Refused("signature_method_rejected", 400)
        if request.signature_method.startswith("RSA-") and not consumer.public_key:
            raise Refused("signature_method_rejected", 400, "no public key")
        if consumer.realms is not None and request.realm not in consumer.realms:
            raise Refused("permission_denied", 401, "realm")
        return consumer

    @staticmethod
    def _timestamp(request, consumer):
        """Inside the window around the service's clock, and, where it wants them in order, not
        before an earlier one (RFC 5849 3.3)."""
        timestamp = int(request.timestamp)
        off = timestamp - (time.time() + consumer.clock)
        if abs(off) > consumer.window:
            raise Refused("timestamp_refused", consumer.clock_status, "off by %d s" % off)
        if consumer.in_order and timestamp < consumer.latest:
            raise Refused("timestamp_refused", consumer.clock_status, "out of order")
        consumer.latest = max(consumer.latest, timestamp)

    def _token(self, request, consumer, expect):
        """The token that the request carries. An access call without one is two-legged."""
        if not request.resource_owner_key:
            if expect == "access" and consumer.two_legged:
                return None
            raise Refused("parameter_absent", 400, oauth_parameters_absent="oauth_token")
        tokens = (self.store.request_tokens if expect == "exchange"
                  else self.store.access_tokens)
        token = tokens.get(request.resource_owner_key)
        if token is None or token.consumer.key != consumer.key:
            raise Refused("token_rejected")
        if token.state in ("used", "revoked", "expired"):
            raise Refused("token_" + token.state)
        return token

    def _signature(self, request, expect):
        try:
            good = self._check_signature(request, is_token_request=(expect == "exchange"))
        except ValueError as error:  # a signature that is no Base64
            raise Refused("signature_invalid", 401, str(error)) from error
        if not good:
            raise Refused("signature_invalid")

    @staticmethod
    def _body_hash(wire, consumer):
        """oauth_body_hash covers the body as it was received; a form is covered by the
        signature itself. (OAuth Request Body Hash 1.0 draft 4; Mastercard's use of the
        method's own hash.)"""
        given = wire.oauth.get("oauth_body_hash")
        if given is None:
            if consumer.body_hash_always and not wire.is_form():
                raise Refused("parameter_absent", 400, oauth_parameters_absent="oauth_body_hash")
            return
        name = wire.oauth["oauth_signature_method"].rpartition("-")[2].lower()
        if consumer.body_hash_sha1 or name not in ("sha1", "sha256", "sha512"):
            name = "sha1"
        digest = base64.b64encode(hashlib.new(name, wire.body).digest()).decode()
        if not hmac.compare_digest(digest.encode(), given.encode()):
            raise Refused("body_hash_invalid", 401, "expected " + digest)
