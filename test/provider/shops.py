"""Two shops that send their credentials to whoever is to use them.

Magento 2, at /magento/ (and, where the web server rewrites nothing, /magento/index.php/): an
activation pushes key, secret, verifier and its own address as a form. Then the integration asks
for a request token without oauth_callback, and exchanges it with that verifier, once.

WooCommerce, at /woo/: wc-auth pushes key and secret as JSON, without its address. Calls are
two-legged and signed in the query.

A push is what /control/magento or /control/woocommerce answers: the test is the one who carries
it to the server.
"""
import json
from urllib.parse import urlencode

import answer
from answer import Answer
from judge import Refused
from store import new_secret

METHODS = ["HMAC-SHA256"]


# -- Magento

def activate(service, wire):
    """POST {"base": store_base_url, "key": ..., "secret": ...} (without a key: a new integration;
    a known one is authorized again, and loses its tokens): the body and content type of the
    push."""
    given = json.loads(wire.body)
    with service.store.lock:
        consumer = service.store.consumers.get(given.get("key")) or service.store.add_consumer({
            "key": given.get("key") or "m" + new_secret(),
            "secret": given.get("secret") or new_secret(),
            "two_legged": False, "methods": METHODS})
        for token in service.store.access_tokens.values():
            if token.consumer is consumer:
                token.state = "revoked"
        consumer.pushed_verifier = given.get("verifier") or new_secret()
    return answer.as_json({
        "content_type": "application/x-www-form-urlencoded",
        "body": urlencode({
            "oauth_consumer_key": consumer.key, "oauth_consumer_secret": consumer.secret,
            "store_base_url": given["base"], "oauth_verifier": consumer.pushed_verifier})})


def _only_post(wire):
    if wire.method != "POST":
        raise Refused("parameter_rejected", 400, "method")


def magento_request(service, wire):
    _only_post(wire)
    consumer, _, request = service.judge(wire, "request")
    if "oauth_callback" in request.oauth_params:
        raise Refused("parameter_rejected", 400, "oauth_callback")
    if not getattr(consumer, "pushed_verifier", None):
        raise Refused("permission_denied", 401, "not activated")
    token = service.store.add_request_token(consumer, None)
    token.state = "allowed"
    return answer.form({"oauth_token": token.token, "oauth_token_secret": token.secret})


def magento_access(service, wire):
    _only_post(wire)
    consumer, token, request = service.judge(wire, "exchange")
    with service.store.lock:
        if request.verifier != consumer.pushed_verifier:
            raise Refused("verifier_invalid")
        token.state = "used"
        consumer.pushed_verifier = None
    access = service.store.add_access_token(consumer)
    return answer.form({"oauth_token": access.token, "oauth_token_secret": access.secret})


def magento_orders(service, wire):
    service.judge(wire, "access")
    return answer.as_json({"items": [{"entity_id": 1}], "total_count": 1})


# -- WooCommerce

def allow(service, wire):
    """POST {"user_id": ...}: the body and content type of the push. "key" and "secret" may be
    given."""
    given = json.loads(wire.body)
    consumer = service.store.add_consumer({
        "key": given.get("key") or "ck_" + new_secret(),
        "secret": given.get("secret") or "cs_" + new_secret(), "methods": METHODS})
    return answer.as_json({
        "content_type": "application/json;charset=UTF-8",
        "body": json.dumps({
            "key_id": 1, "user_id": given.get("user_id", "7"), "consumer_key": consumer.key,
            "consumer_secret": consumer.secret, "key_permissions": "read_write"})})


def woo_orders(service, wire):
    service.judge(wire, "access")
    if wire.transmission() != "query":
        raise Refused("parameter_absent", 400, "not in the query")
    return Answer(201 if wire.method == "POST" else 200, '[{"id": 1}]', "application/json")


ROUTES = [
    (r"/control/magento", activate),
    (r"/control/woocommerce", allow),
    (r"/magento(/index\.php)?/oauth/token/request", magento_request),
    (r"/magento(/index\.php)?/oauth/token/access", magento_access),
    (r"/magento(/index\.php)?/rest/(default/)?V1/orders", magento_orders),
    (r"/woo/wp-json/wc/v3/orders", woo_orders),
]
