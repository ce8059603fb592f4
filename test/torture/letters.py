"""What docs/queue.md promises, letter by letter: its table is what the torture compares with."""
import os

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "..", "..", "docs", "queue.md")

#: What the service has -> how often the request that was struck can be in its ledger.
RECEIVED = {"nothing": {0}, "part": {0}, "nothing or all": {0, 1}, "all": {1}}

#: Of the struck call, at the end.
OUTCOMES = {"rolled back", "done", "failed", "uncertain"}

COLUMNS = ["Letter", "What has just happened", "The service has", "Error: not idempotent",
           "Error: idempotent", "Death: not idempotent", "Death: idempotent"]


class Letter:
    """One row: letter, what (has just happened), received, and outcome(death, idempotent)."""

    def __init__(self, cells):
        self.letter, self.what, received = cells[:3]
        self.received = RECEIVED[received]
        self.outcomes = cells[3:]
        if not OUTCOMES.issuperset(self.outcomes):
            raise ValueError("docs/queue.md, %s: %r" % (self.letter, self.outcomes))

    def outcome(self, death, idempotent):
        return self.outcomes[2 * death + idempotent]


def cells_of(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read():
    """{letter: Letter}, in the order of the table."""
    with open(DOCUMENT, encoding="utf-8") as file:
        lines = file.read().split("\n")
    head = next(n for n, line in enumerate(lines) if cells_of(line) == COLUMNS)
    rows = {}
    for line in lines[head + 2:]:
        if not line.startswith("|"):
            return rows
        row = Letter(cells_of(line))
        rows[row.letter] = row
    return rows
