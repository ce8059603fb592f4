"""What the SQL functions make of the cases: one psql, one table, one statement."""
import json
import os
import subprocess
import tempfile

# Each step by itself, so that a refusal is an outcome like others: {"value": ...} or {"error": SQLSTATE}.
SETUP = r"""
\set ON_ERROR_STOP on
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS oauth1;
CREATE FUNCTION pg_temp.outcome(statement text, c jsonb) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    value jsonb;
BEGIN
    EXECUTE statement INTO value USING c;
    RETURN jsonb_build_object('value', value);
EXCEPTION WHEN OTHERS THEN
    RETURN jsonb_build_object('error', SQLSTATE);
END $$;
CREATE TEMP TABLE cases (line text);
"""

# JSON has no control characters, so these can stand for what CSV would treat apart.
COPY = r"""
\copy cases FROM '{file}' WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')
COPY (SELECT jsonb_build_object({results}) FROM cases ORDER BY (line::jsonb->>'id')::int)
    TO STDOUT WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02');
"""

# By name: an expression over the case $1.
SIGNED = "$1->>'http_method', $1->>'url', $1->'params'"
SECRETS = "$1->>'token_secret', ($1->>'signature_method')::oauth1.signature_method"
REQUEST = ("$1->>'http_method', $1->>'url', $1->>'consumer_key', $1->>'secret', $1->>'token', " + SECRETS +
           ", $1->'form' || ($1->'extra')")
NONCE = "nonce => $1->>'nonce', \"timestamp\" => ($1->>'timestamp')::bigint"
HEADER = "oauth1.authorization_header(" + REQUEST + ", realm => $1->>'realm', " + NONCE + ")"
STEPS = {
    "percent_encode": "oauth1.percent_encode($1->>'text')",
    "percent_decode": "oauth1.percent_decode($1->>'text_encoded')",
    "form_encode": "oauth1.form_encode($1->'form')",
    "form_decode": "oauth1.form_decode($1->>'form_encoded')",
    "base_string_uri": "oauth1.base_string_uri($1->>'url')",
    "normalized": "oauth1.normalize_parameters($1->>'url', $1->'params')",
    "base_string": "oauth1.signature_base_string(" + SIGNED + ")",
    "signature": "oauth1.signature(" + SIGNED + ", $1->>'secret', " + SECRETS + ")",
    # the oracle's signature, and the same with one character changed
    "matches": "oauth1.signature_matches(" + SIGNED +
               ", $1->>'oracle_signature', $1->>'public_secret', " + SECRETS + ")",
    "matches_tampered": "oauth1.signature_matches(" + SIGNED +
                        ", $1->>'tampered', $1->>'public_secret', " + SECRETS + ")",
    "header": HEADER,
    "header_parsed": "oauth1.parse_authorization_header(" + HEADER + ")",
    "oracle_header_parsed": "oauth1.parse_authorization_header($1->>'oracle_header')",
    "oauth_parameters": "oauth1.oauth_parameters(" + REQUEST +
                        ", convert_to($1->>'body', 'UTF8'), " + NONCE + ")",
}


def outcomes(cases):
    """The outcomes of the cases, dicts by step, in their order. libpq's environment says where."""
    results = ", ".join("'{}', pg_temp.outcome($q$SELECT to_jsonb({})$q$, line::jsonb)".format(*step)
                        for step in STEPS.items())
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as lines:
        for case in cases:
            lines.write(json.dumps(case) + "\n")
        lines.flush()
        # COPY both ways: psql's own output loses U+10FFFF
        script = SETUP + COPY.format(file=lines.name, results=results)
        run = subprocess.run(["psql", "-X", "-q", "-f", "-"], input=script, encoding="utf-8", check=True,
                             stdout=subprocess.PIPE, env={**os.environ, "PGCLIENTENCODING": "UTF8"})
    found = [json.loads(line) for line in run.stdout.rstrip("\n").split("\n")]
    if len(found) != len(cases):
        raise RuntimeError("{} cases went in, {} came out".format(len(cases), len(found)))
    return found
