"""What the guards share: where the tree is, which files count, how C and SQL are read, and how a
guard says what it found.

A guard is a script check-*: it calls rule() with the sentence it holds, offence() for each line
that breaks it, and finish() last. It reads the tree it lies in, from any working folder.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# What builds and test runs leave behind, and git's own.
PASSED_OVER = {".git", "build", "results", "output_iso", "tmp_check", "tmp_check_iso",
               "__pycache__", "autom4te.cache"}

_offences = []


def rule(sentence):
    print("rule: " + sentence)


def offence(path, line, what):
    """line is a number from 1; 0 stands for the whole file."""
    _offences.append((path, line, what))


def finish():
    for path, line, what in sorted(_offences):
        print("%s:%d: %s" % (path, line, what) if line else "%s: %s" % (path, what))
    if not _offences:
        print("held")
    sys.exit(1 if _offences else 0)


def files(*patterns):
    """The tree's files, as paths from its root, whose paths match one of the regexps."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(set(folders) - PASSED_OVER)
        for name in sorted(names):
            path = os.path.relpath(os.path.join(folder, name), ROOT)
            if any(re.fullmatch(pattern, path) for pattern in patterns):
                yield path


def c_files():
    return files(r"src/.*\.[ch]")


def exists(path):
    return os.path.exists(os.path.join(ROOT, path))


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def output(*command):
    """What a command prints; its failure ends the guard with an error."""
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE,
                          universal_newlines=True).stdout


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group())


_C_COMMENT = r"/\*.*?\*/|//[^\n]*"
_C_STRING = r'"(?:\\.|[^"\\\n])*"' + "|" + r"'(?:\\.|[^'\\\n])*'"


def c_code(text):
    """C with comments and the insides of literals blanked: every offset stays what it was."""
    def blank(match):
        found = match.group()
        if found[0] == "/":
            return _blank(match)
        return found[0] + " " * (len(found) - 2) + found[0]
    return re.sub(_C_COMMENT + "|" + _C_STRING, blank, text, flags=re.S)


def c_without_comments(text):
    """C with comments blanked and literals as they are."""
    return re.sub(_C_STRING + "|" + _C_COMMENT,
                  lambda match: _blank(match) if match.group()[0] == "/" else match.group(),
                  text, flags=re.S)


def closing(text, opening):
    """The offset of the parenthesis that closes the one at the given offset."""
    depth = 0
    for offset in range(opening, len(text)):
        depth += {"(": 1, ")": -1}.get(text[offset], 0)
        if depth == 0:
            return offset
    return len(text)


_SQL_TOKEN = re.compile(r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
  | (?P<quoted> '(?:''|[^'])*' | "(?:""|[^"])*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<end> ; )
    """, re.S | re.X)


class Statement:
    """One SQL statement: its text without comments, where it begins, and which paragraph of the
    script (lines without a blank one between statements) it stands in."""

    def __init__(self, text, line, paragraph):
        self.text = text
        self.line = line
        self.paragraph = paragraph
        self.words = " ".join(text.split())


def sql_statements(text):
    """Cuts a script at the semicolons that end a statement. psql's own lines are left out."""
    text = re.sub(r"(?m)^\\.*$", "", text)
    pieces, begin, parts, paragraph, last_end = [], 0, [], 0, None
    for match in _SQL_TOKEN.finditer(text):
        if match.group("comment"):
            parts.append(text[begin:match.start()] + _blank(match))
            begin = match.end()
        elif match.group("end"):
            parts.append(text[begin:match.start()])
            whole = "".join(parts)
            start = match.start() - len(whole.lstrip())
            if last_end is None or "\n\n" in text[last_end:start]:
                paragraph += 1
            pieces.append(Statement(whole.strip(), line_of(text, start), paragraph))
            begin, parts, last_end = match.end(), [], match.end()
    return pieces
