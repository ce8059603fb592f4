"""Lists that are given page by page, in the ways of the services that there are. All are signed.

Of every list: `total` rows (7), numbered from 1. A page has at most `size` of them (3), under
whatever name the list has for it.
"""
import json
from urllib.parse import parse_qsl, urlencode, urlsplit

import answer
from answer import Answer


class Asked:
    """What a request says: its query, and its body where that is a form or a JSON object."""

    def __init__(self, wire):
        self.split = urlsplit(wire.url)
        self.query = parse_qsl(self.split.query, keep_blank_values=True)
        self.fields = dict(self.query)
        self.body = {}
        if wire.is_form():
            self.body = dict(parse_qsl(wire.body.decode(), keep_blank_values=True))
        elif wire.body:
            self.body = json.loads(wire.body)
        self.fields.update(self.body)

    def number(self, name, default):
        return int(self.fields.get(name, default))

    def rows(self, start, size):
        total = self.number("total", 7)
        return [{"id": n + 1} for n in range(min(max(start, 0), total), min(start + size, total))]

    def url(self, relative=False, **changed):
        """The request's own URL, oauth_ parameters and all, with other values."""
        query = [(name, value) for name, value in self.query if name not in changed]
        query += [(name, str(value)) for name, value in changed.items()]
        whole = self.split._replace(query=urlencode(query))
        return "?" + whole.query if relative else whole.geturl()


def _pages(asked):
    """(number, size, how many)"""
    size = asked.number("size", 3)
    return asked.number("page", 1), size, -(-asked.number("total", 7) // size)


def link(service, wire):
    """Pages by number, and the next one's URL in Link: as `style` says."""
    service.judge(wire, "access")
    asked = Asked(wire)
    page, size, count = _pages(asked)
    links = []
    if page < count:
        target = asked.url(page=page + 1)
        links = {
            "absolute": ['<%s>; rel="next"' % target],
            "relative": ["<%s>; rel=next" % asked.url(True, page=page + 1)],
            "path": ["<link/../link?%s>; rel=NEXT" % urlsplit(target).query],
            "several": ['<%s>; title="a, <b>; rel=next"; rel="first", </x>; rel=last'
                        % asked.url(page=1),
                        '</y>; rel="prev"; rel=next, junk, <%s>;REL="prefetch Next"' % target],
            "anchor": ['</x>; rel=next; anchor="/other", </y>; rel=next; anchor="#part"',
                       '<%s>; rel=next; anchor="%s"' % (target, asked.url())],
        }[asked.fields.get("style", "absolute")]
    return answer.as_json(asked.rows((page - 1) * size, size),
                          headers=[("Link", line) for line in links])


def say(service, wire):
    """What the query says: `body` (`repeat` times), `type`, `status`, and each `link` as a field."""
    service.judge(wire, "access")
    asked = Asked(wire)
    fields = [("Link", value) for name, value in asked.query if name == "link"]
    return Answer(asked.number("status", 200),
                  asked.fields.get("body", "[]") * asked.number("repeat", 1),
                  asked.fields.get("type", "application/json"), fields)


def url(service, wire):
    """The next URL in the body; at the end what `end` says (JSON), or nothing."""
    service.judge(wire, "access")
    asked = Asked(wire)
    page, size, count = _pages(asked)
    body = {"items": asked.rows((page - 1) * size, size), "paging": {}}
    if page < count:
        body["paging"]["next:url"] = asked.url("relative" in asked.fields, page=page + 1)
    elif "end" in asked.fields:
        body["paging"]["next:url"] = json.loads(asked.fields["end"])
    return answer.as_json(body)


def cursor(service, wire):
    """A parameter `after`, from the query, a form or a JSON object, of the JSON type that
    `as` says; at the end what `end` says, or nothing."""
    service.judge(wire, "access")
    asked = Asked(wire)
    after, size = asked.fields.get("after"), asked.number("size", 3)
    kind = asked.fields.get("as", "string")
    if after is not None and asked.body and kind != "string" and isinstance(after, str):
        raise ValueError("after is a string: %r" % after)
    if kind == "list" and after is not None:
        after = (json.loads(after) if isinstance(after, str) else after)[0]
    start = int(str(after)[1:]) if kind == "string" and after else int(after or 0)
    rows = asked.rows(start, size)
    body = {"data": rows, "errors": []}
    end = start + len(rows)
    if end < asked.number("total", 7):
        body["meta"] = {"a:b": {"string": "=%d" % end, "number": end, "list": [end]}[kind]}
    elif "end" in asked.fields:
        body["meta"] = {"a:b": json.loads(asked.fields["end"])}
    return answer.as_json(body)


def offset(service, wire):
    """`offset` and `limit`; the list in the shape that `shape` says."""
    service.judge(wire, "access")
    asked = Asked(wire)
    start, size, total = (asked.number("offset", 0), asked.number("limit", 3),
                          asked.number("total", 7))
    return _shaped(asked, asked.rows(start, size), start + size < total)


def suiteql(service, wire):
    """NetSuite: POST a query as JSON, offset and limit in the query."""
    service.judge(wire, "access")
    if wire.method != "POST" or wire.header("Prefer") != "transient":
        return Answer(400, "POST with Prefer: transient\n", "text/plain")
    asked = Asked(wire)
    if set(asked.body) != {"q"}:
        return Answer(400, "not the query\n", "text/plain")
    start, size, total = (asked.number("offset", 0), asked.number("limit", 3),
                          asked.number("total", 7))
    links = [{"rel": "self", "href": asked.url(offset=start)}]
    if start + size < total:
        links.insert(0, {"rel": "next", "href": asked.url(offset=start + size)})
    rows = asked.rows(start, size)
    return answer.as_json({"links": links, "count": len(rows), "hasMore": start + size < total,
                           "items": rows, "offset": start, "totalResults": total})


def number(service, wire):
    """`page` and `size`; beyond the last one what `beyond` says: empty, last (Magento), or an
    error (WordPress)."""
    service.judge(wire, "access")
    asked = Asked(wire)
    page, size, count = _pages(asked)
    if page > count and asked.fields.get("beyond") == "error":
        return answer.as_json({"code": "rest_post_invalid_page_number"}, 400)
    if page > count and asked.fields.get("beyond") == "last":
        page = count
    return _shaped(asked, asked.rows((page - 1) * size, size), page < count)


def woocommerce(service, wire):
    """An array; totals in header fields; and in Link the whole query, echoed."""
    service.judge(wire, "access")
    asked = Asked(wire)
    page, size, count = _pages(asked)
    fields = [("X-WP-Total", asked.number("total", 7)), ("X-WP-TotalPages", count)]
    if page < count:
        fields.append(("Link", '<%s>; rel="next"' % asked.url(page=page + 1)))
    return answer.as_json(asked.rows((page - 1) * size, size), headers=fields)


def _shaped(asked, rows, more):
    total = asked.number("total", 7)
    return {
        "array": lambda: answer.as_json(rows),
        "object": lambda: answer.as_json({"links": [{"rel": "self"}], "items": rows, "errors": []}),
        "inner": lambda: answer.as_json({"meta": {"status": 200},
                                         "response": {"posts": rows, "_links": [1]}}),
        "magento": lambda: answer.as_json({
            "items": rows, "search_criteria": {"filter_groups": [{"filters": [1]}]},
            "total_count": total}),
        "has_more": lambda: answer.as_json({"has_more": more, "records": rows, "sort": ["id"]}),
        "stale": lambda: answer.as_json({"hasMore": more, "items": rows, "total_count": 3}),
        "string": lambda: answer.as_json({"list": rows, "totalResults": str(total)}),
        "x-total-count": lambda: answer.as_json(rows, headers=[("X-Total-Count", total)]),
        "x-total-pages": lambda: answer.as_json(
            rows, headers=[("X-Total-Pages", _pages(asked)[2])]),
        "text": lambda: Answer(200, "".join("%d\n" % row["id"] for row in rows), "text/csv"),
    }[asked.fields.get("shape", "array")]()
