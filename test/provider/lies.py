"""The recorded answers of a lying server: test/corpus/answers/*.txt, as data.

An answer is a paragraph. Its first line is its name, which is also its path; then come lines
that begin with a sign and a space:

  : key=value ...     how it is asked for and with which limits (tap/lib/OAuth1/Answers.pm)
  > octets            is sent, with CRLF after it
  + octets            is sent as it is
  * NUMBER octets     is sent that often; NUMBER may be "forever"
  ! wait SECONDS      nothing is sent for so long
  ! drip SECONDS octets   one octet, a wait, one octet ...
  ! zeros CODING MB   so many megabytes of zeros in gzip or deflate; a few octets here
  ! half octets       half of the TLS record that would hold the octets
  ! close             ends the connection, as one means to (TLS: close_notify)
  ! cut               ends it without close_notify
  ! reset             ends it with RST
  = outcome           what the caller gets (tap/lib/OAuth1/Answers.pm)
  # comment

In octets \\r, \\n, \\t, \\\\ and \\xHH stand for what they do in C; all else is ASCII. Where nothing
ends the connection, the next request on it is read.
"""
import glob
import itertools
import os
import socket
import struct
import time
import zlib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "corpus", "answers")

#: Octets that are sent for ever or a million times go out in pieces of about this size.
PIECE = 65536
MEGABYTE = 1 << 20


class Closed(Exception):
    """The answer ended the connection; polite: TLS is to be ended as well."""

    def __init__(self, polite):
        super().__init__()
        self.polite = polite


class Answer:
    def __init__(self, name):
        self.name = name
        self.options = {}
        self.steps = []

    def add(self, sign, rest):
        if sign == ":":
            self.options.update(word.partition("=")[::2] for word in rest.split())
        elif sign in ">+":
            self.send(octets(rest) + (b"\r\n" if sign == ">" else b""))
        elif sign == "*":
            count, _, text = rest.partition(" ")
            self.steps.append((repeat, count, octets(text)))
        elif sign == "!":
            verb, _, argument = rest.partition(" ")
            self.steps.append((VERBS[verb], argument))
        elif sign not in "=#":
            raise ValueError("%s: what is %r" % (self.name, sign))

    def send(self, data):
        """Neighbours go out together, as one segment."""
        if self.steps and self.steps[-1][0] is send:
            data = self.steps.pop()[1] + data
        self.steps.append((send, data))

    def give(self, connection):
        """Send it; raises Closed where that ends the connection."""
        for step, *arguments in self.steps:
            step(connection, *arguments)


def octets(text):
    return text.encode("ascii").decode("unicode_escape").encode("latin-1")


def send(connection, data):
    connection.sendall(data)


def repeat(connection, count, data):
    at_once = max(1, PIECE // len(data))
    left = float("inf") if count == "forever" else int(count)
    while left > 0:
        connection.sendall(data * int(min(at_once, left)))
        left -= at_once


def wait(connection, seconds):
    time.sleep(float(seconds))


def drip(connection, argument):
    seconds, _, text = argument.partition(" ")
    for octet in octets(text):
        connection.sendall(bytes([octet]))
        time.sleep(float(seconds))


def zeros(connection, argument):
    """The same block again and again: a full flush makes each independent of the last."""
    coding, megabytes = argument.split()
    coder = zlib.compressobj(9, zlib.DEFLATED, {"gzip": 31, "deflate": 15}[coding])
    connection.sendall(coder.compress(b"") + coder.flush(zlib.Z_FULL_FLUSH))
    block = coder.compress(bytes(MEGABYTE)) + coder.flush(zlib.Z_FULL_FLUSH)
    repeat(connection, megabytes, block)


def half(connection, text):
    connection.send_half(octets(text))


def close(connection, _):
    raise Closed(polite=True)


def cut(connection, _):
    raise Closed(polite=False)


def reset(connection, _):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise Closed(polite=False)


VERBS = {"wait": wait, "drip": drip, "zeros": zeros, "half": half, "close": close, "cut": cut,
         "reset": reset}


def read_file(path):
    with open(path, encoding="ascii") as file:
        lines = file.read().split("\n")
    for filled, paragraph in itertools.groupby(lines, bool):
        paragraph = [line for line in paragraph if filled and not line.startswith("#")]
        if not paragraph:
            continue
        answer = Answer(paragraph[0])
        for line in paragraph[1:]:
            answer.add(line[0], line[2:])
        yield answer


def read_all():
    """{name: Answer}"""
    answers = {}
    for path in sorted(glob.glob(os.path.join(FOLDER, "*.txt"))):
        for answer in read_file(path):
            if answer.name in answers:
                raise ValueError("twice: " + answer.name)
            answers[answer.name] = answer
    if not answers:
        raise ValueError("no answers in " + FOLDER)
    return answers
