#!/usr/bin/python3
"""Compare the SQL functions with python-oauthlib on random cases, step by step.

usage: crosscheck.py [--seed N] [--count N] [--spoil STEP]

Ends with 0 where every outcome is oauthlib's, or differs in a way oracle.py explains by an RFC;
and where the run was large, each explanation was needed. --spoil changes one outcome of STEP
before the comparison, which then must fail. libpq's environment says which server.
"""
import argparse
import collections
import sys
import urllib.parse

import cases as generator
import oracle
import sql
from oauthlib.oauth1.rfc5849 import utils


SHOWN = ("id", "http_method", "url", "form", "extra", "signature_method", "realm")


class Report:
    def __init__(self):
        self.compared = collections.Counter()
        self.explained = collections.Counter()
        self.unexplained = []

    def equal(self, case, step, ours, theirs):
        """True where two values are the same; otherwise the case stands as not explained."""
        self.compared[step] += 1
        if ours != theirs:
            self.unexplained.append((case, step, ours, theirs))
        return ours == theirs

    def explain(self, differences):
        for difference in differences:
            self.explained[difference.name] += 1


def prepare(case):
    """Adds what SQL needs beside the case: a whole request's params, the keys, the oracle's words.

    Returns oauthlib's plain outcomes, those that are due, the differences that tell them apart, and
    those for which the case must be refused."""
    plain = oracle.steps(case, case["url"])
    explanations = oracle.explanations(case)
    expected = oracle.explained_steps(case, explanations) if explanations else plain
    used = oracle.needed(case, explanations) if expected != plain else []
    refusals = [d for d in oracle.REFUSED if d.applies(case)]
    case["params"] = {**case["form"], **oracle.protocol(case)}
    if case["realm"] is not None:
        case["params"]["realm"] = case["realm"]
    case["secret"] = oracle.pem(case["key"]) if case["key"] else case["consumer_secret"]
    case["public_secret"] = oracle.pem(case["public_key"]) if case["key"] else case["consumer_secret"]
    sig = expected["signature"].get("value", "x")
    case["oracle_signature"] = sig
    case["tampered"] = ("B" if sig[:1] == "A" else "A") + sig[1:]
    case["text_encoded"] = utils.escape(case["text"])
    case["form_encoded"] = urllib.parse.urlencode(oracle.pairs(case["form"]))
    case["oracle_header"] = oracle.header(case, sig)
    return plain, expected, used, refusals


def check_encodings(report, case, got):
    report.equal(case, "percent_encode", got["percent_encode"], {"value": utils.escape(case["text"])})
    report.equal(case, "percent_decode", got["percent_decode"], {"value": case["text"]})
    pairs = oracle.pairs(case["form"])
    back = urllib.parse.parse_qsl(got["form_encode"].get("value", "") or "", keep_blank_values=True)
    report.equal(case, "form_encode", sorted(back), sorted(pairs))
    grouped = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    grouped = {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}
    report.equal(case, "form_decode", got["form_decode"], {"value": grouped})


def check_signing(report, case, got, plain, expected, used, refusals):
    """Compares the signing steps; returns the signature where there is one."""
    refused = set()
    for step in oracle.SIGNING:
        due = {d for d in refusals if step in d.steps}
        if "error" in plain[step] and "error" in expected[step] or due:
            # oauthlib refuses for reasons of its own; ours must at least say that an argument is at fault
            states = {d.sqlstate for d in due} if "value" in plain[step] else {"22023", "22P02"}
            report.equal(case, step, got[step].get("error") in states or got[step], True)
            refused |= {d for d in due if "value" in plain[step]}
        else:
            report.equal(case, step, got[step], expected[step])
    report.explain(refused or used)
    return got["signature"].get("value")


def check_header(report, case, got, sig, refusals):
    """Our header read by oauthlib and by us, oauthlib's read by us, and what oauth_parameters says."""
    if refusals or sig is None:
        report.equal(case, "header", got["header"].get("error", "a value")[:2], "22")
        report.explain(d for d in refusals if d.steps == ("header",))
        return
    expected = dict(oracle.header_pairs(case, sig))
    with_realm = dict(expected, **({} if case["realm"] is None else {"realm": case["realm"]}))
    report.equal(case, "header_parsed", got["header_parsed"], {"value": with_realm})
    report.equal(case, "header", oracle.read_header(got["header"]["value"]), with_realm)
    report.equal(case, "oracle_header_parsed", got["oracle_header_parsed"],
                 {"value": with_realm if case["realm"] else expected})
    report.explain(d for d in oracle.HEADER if d.applies(case))

    parameters = got["oauth_parameters"]
    if case["body"] is not None and case["signature_method"] == "PLAINTEXT":
        report.equal(case, "oauth_parameters", parameters, {"error": "22023"})
    elif case["body"] is not None:
        hashed = parameters["value"].get("oauth_body_hash")
        report.equal(case, "oauth_parameters", hashed, oracle.body_hash(case))
    else:
        report.equal(case, "oauth_parameters", parameters, {"value": expected})


def check_client(report, case, got, plain, expected):
    """oauthlib's server side and its whole client, where nothing has to be explained to them."""
    if plain != expected or "value" not in expected["signature"]:
        return
    if any(d.applies(case) for d in oracle.HEADER + oracle.REFUSED):
        return
    verified = oracle.attempt(oracle.verifies, case, got["signature"].get("value", ""))
    report.equal(case, "verified", verified, {"value": True})
    sent = oracle.client_header(case)
    if sent is not None:
        report.equal(case, "client", got["header_parsed"], {"value": oracle.read_header(sent)})


def check(report, case, got, prepared):
    plain, expected, used, refusals = prepared
    check_encodings(report, case, got)
    sig = check_signing(report, case, got, plain, expected, used, refusals)
    if sig is not None:
        report.equal(case, "matches", got["matches"], {"value": True})
        report.equal(case, "matches_tampered", got["matches_tampered"], {"value": False})
    check_header(report, case, got, sig, refusals)
    check_client(report, case, got, plain, expected)


def print_report(report, count, seed, methods):
    print("{} cases of seed {}, {} comparisons".format(count, seed, sum(report.compared.values())))
    print("steps: " + ", ".join("{} {}".format(s, n) for s, n in sorted(report.compared.items())))
    print("methods: " + ", ".join("{} {}".format(m, n) for m, n in sorted(methods.items())))
    print("explained differences:")
    for difference in oracle.ALL:
        times = report.explained[difference.name]
        print("  {:5d}  {} ({})".format(times, difference.name, difference.section))
    print("not explained: {}".format(len(report.unexplained)))
    for case, step, ours, theirs in report.unexplained[:10]:
        shown = {k: v for k, v in case.items() if k in SHOWN}
        print("case {}\n  {}\n  ours     {}\n  expected {}".format(shown, step, ours, theirs))


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=int, default=5849)
    options.add_argument("--count", type=int, default=5000)
    options.add_argument("--spoil", choices=sorted(sql.STEPS))
    options = options.parse_args()

    cases = list(generator.cases(options.seed, options.count))
    prepared = [prepare(case) for case in cases]
    outcomes = sql.outcomes(cases)
    if options.spoil:
        spoiled = next(o for o in reversed(outcomes) if "value" in o[options.spoil])
        spoiled[options.spoil] = {"value": "spoiled"}

    report = Report()
    for case, got, ready in zip(cases, outcomes, prepared):
        check(report, case, got, ready)
    methods = collections.Counter(case["signature_method"] for case in cases)
    print_report(report, len(cases), options.seed, methods)
    unneeded = [d.name for d in oracle.ALL if report.explained[d.name] == 0]
    if unneeded and options.count >= 5000:
        print("explanations nothing needed: " + "; ".join(unneeded))
    sys.exit(1 if report.unexplained or (unneeded and options.count >= 5000) else 0)


if __name__ == "__main__":
    main()
