"""multipart/form-data, read twice: strictly, as RFC 7578 and browsers have it, and by Python's
own email parser, which must find the same octets."""
import base64
import email
import hashlib
import re

DISPOSITION = re.compile(rb'form-data; name="([^"\r\n]*)"(?:; filename="([^"\r\n]*)")?')

#: A part up to this size is told octet by octet, by its hash alone above it.
SMALL = 4096

#: The email parser takes its time.
EMAIL_LIMIT = 1 << 20


def parts(content_type, body):
    """[(headers, content)] of a body, as bytes; raises ValueError for what is not exactly right."""
    boundary = re.fullmatch(r"multipart/form-data; boundary=([0-9A-Za-z-]{1,70})", content_type)
    if not boundary:
        raise ValueError("content type %r" % content_type)
    delimiter = b"\r\n--" + boundary.group(1).encode()
    first, *pieces = (b"\r\n" + body).split(delimiter)
    if first or not pieces or pieces.pop() != b"--\r\n":
        raise ValueError("it does not begin and end with the boundary")
    found = []
    for piece in pieces:
        head, separator, content = piece.partition(b"\r\n\r\n")
        if not head.startswith(b"\r\n") or not separator:
            raise ValueError("a part without a header")
        found.append((head[2:].split(b"\r\n"), content))
    return found


def names(headers):
    """(name, file name or None, content type or None), nothing else being allowed."""
    disposition = re.fullmatch(rb"Content-Disposition: " + DISPOSITION.pattern, headers[0])
    if not disposition or len(headers) > 2:
        raise ValueError("headers %r" % headers)
    kind = re.fullmatch(rb"Content-Type: (.+)", headers[1]) if len(headers) == 2 else None
    return [None if text is None else text.decode()
            for text in (*disposition.groups(), kind and kind.group(1))]


def check_by_email(content_type, body, found):
    """Python's parser sees the same parts: their octets, and their types."""
    message = email.message_from_bytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    if not message.is_multipart() or message.defects:
        raise ValueError("email: %r" % message.defects)
    seen = [(part.get_payload(decode=True), part.get_content_type())
            for part in message.get_payload()]
    expected = [(content, (names(headers)[2] or "text/plain").partition(";")[0].lower())
                for headers, content in found]
    if seen != expected:
        raise ValueError("email: other parts than by the letter")


def describe(content_type, body):
    """The parts as JSON, and the length of the whole; ValueError (a 400) where it is none."""
    found = parts(content_type, body)
    if len(body) <= EMAIL_LIMIT:
        check_by_email(content_type, body, found)
    described = []
    for headers, content in found:
        name, filename, kind = names(headers)
        described.append({
            "name": name, "filename": filename, "content_type": kind, "length": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "base64": base64.b64encode(content).decode() if len(content) <= SMALL else None})
    return {"length": len(body), "parts": described}
