"""What a client that is told little may believe: of each name, the values that it may have now."""

import threading
from collections import Counter


class Name:
    """A tag, a blob of a repository or a cache's entry, which one client alone changes; None: nothing is there.

    A change whose connection broke has been done or not, which shows at the latest when the next one is acknowledged:
    servers commit one after another. One that the client has given up waiting for may still be done at any time, by a
    server that was stopped meanwhile.
    """

    def __init__(self):
        self.possible, self._late = {None}, set()

    def is_now(self, value):
        self.possible = {value} | self._late

    def may_be(self, value):
        self.possible = self.possible | {value}

    def may_become(self, value):
        self._late = self._late | {value}
        self.may_be(value)

    def is_certain(self):
        """Whether there is something, and what."""
        return len(self.possible) == 1 and None not in self.possible

    def any(self):
        return next(iter(self.possible))


class Account:
    """What all clients did and saw."""

    def __init__(self):
        self._lock = threading.Lock()
        self.counts, self.problems, self.kills = Counter(), [], 0

    def count(self, what, times=1):
        with self._lock:
            self.counts[what] += times

    def problem(self, *what):
        with self._lock:
            self.problems.append(" ".join(str(one)[:600] for one in what))

    def requests(self):
        """That had an answer."""
        return sum(count for what, count in self.counts.items() if what[-3:].isdigit() and " " in what)

    def acknowledged(self):
        """Pushes, of whatever."""
        return self.counts["PUT 201"] + self.counts["POST 201"]
