"""How a client of the protocol fuzzer asks, what every answer has to be, and what a client knows.

A Step is a request and what is allowed as its answer, decided only when the answer is read: so steps can be sent one
by one or several at once down one connection. What needs several answers in turn (upload sessions, pages) is a method
that makes the exchanges itself.
"""

import collections
import random
import time
import typing

import protocol_model as model
from protocol_model import Blobs, Content, Presence
from slipway_server import Connection, SPEC_CODES, head

DEADLINE = 30  # seconds for one exchange; wide, for sanitizer builds
HISTORY = 50


class Violation(AssertionError):
    """The server did what it may not."""


class Step(typing.NamedTuple):
    method: str
    target: str
    check: typing.Callable
    headers: tuple = ()
    body: bytes = None
    is_odd: bool = False  # so odd that HTTP itself may refuse it, in plain text

    def __str__(self):
        fields = "".join(f" {name}={value[:100]}" for name, value in self.headers)
        size = "" if self.body is None else f" ({len(self.body)} bytes)"
        return f"{self.method} {self.target[:300]}{fields}{size}"


class Exchanges:
    """A client's connection, knowledge and choices. Used by one thread at a time."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.random = random.Random(f"{world.seed}/{number}")
        self.own = f"fuzz/client-{number}"  # nobody else changes anything there
        self.repositories = [*model.REPOSITORIES, self.own]
        self.contents = [self.new_content() for _ in range(6)]
        self.blobs = Blobs(self.repositories, world.twins)
        self.manifests = {}  # (repository, digest) → Manifest or None; only what was ever put
        self.tags = {}  # (repository, tag) → digest or None
        self.entries = {}  # (cache, key) → bytes or None
        self.sessions = []
        self.ended = collections.deque(maxlen=5)
        self.history = collections.deque(maxlen=HISTORY)
        self.statuses = collections.Counter()
        self.operations = collections.Counter()
        self.connection = None

    # --- Exchanges

    def connect(self):
        """A connection that the server has taken: where too many are open it says 503, or just closes."""
        deadline = time.monotonic() + DEADLINE
        while True:
            connection = Connection(self.world.server, timeout=DEADLINE)
            try:
                status = connection.request("GET", "/v2/").status
            except ConnectionError:
                status = 503
            if status == 200:
                return connection
            connection.close()
            if status != 503 or time.monotonic() > deadline:
                raise Violation(f"a connection was answered {status}")
            self.statuses["503 to a connection"] += 1
            time.sleep(0.02)

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def exchange(self, *steps):
        """Sends the steps in one go and checks the answers; returns the last one. An answer that ends the connection
        ends the steps too: what came behind it was never looked at."""
        self.connection = self.connection or self.connect()
        data = b"".join(head(step.method, step.target, step.headers, None if step.body is None else len(step.body))
                        + (step.body or b"") for step in steps)
        started = time.monotonic()
        self.connection.send(data)
        for step in steps:
            answer = self.read(self.connection, step, started)
            if answer.status != 503:
                step.check(answer)
            elif len(steps) == 1:  # too many answers wait for the disk, and nothing was done
                time.sleep(0.05)
                return self.exchange(step)
            if answer["Connection"] == "close":
                self.close()
                break
        return answer

    def read(self, connection, step, started):
        """The answer to a step, checked as far as every answer has to be alike."""
        self.history.append(f"{step} → …")
        answer = connection.response(step.method)
        self.history[-1] = f"{step} → {answer.status}"
        self.statuses[answer.status] += 1
        if time.monotonic() - started > DEADLINE:
            raise Violation(f"answered after {time.monotonic() - started:.1f} s: {answer}")
        if answer.status >= 500 and (answer.status not in (503, 507) or not answer["Retry-After"]):
            raise Violation(f"a server's error: {answer}")
        if answer.status == 507 and not self.world.is_disk_full():
            raise Violation(f"a full disk, which it is not: {answer}")
        if not answer["X-Request-Id"]:
            raise Violation(f"an answer without X-Request-Id: {answer}")
        if str(self.world.server.data).encode() in answer.body:
            raise Violation(f"an answer tells where the server keeps its data: {answer}")
        if answer.status >= 400 and step.method != "HEAD" and not step.is_odd and step.target.startswith("/v2"):
            if answer.status == 405:
                if not answer["Allow"]:
                    raise Violation(f"405 without Allow: {answer}")
            elif answer.code() not in SPEC_CODES:
                raise Violation(f"not a code of the spec: {answer}")
        return answer

    def ask(self, method, target, outcomes, headers=(), body=None):
        """One exchange whose answer is one of `outcomes`, see expect()."""
        return self.exchange(self.step(method, target, outcomes, headers, body))

    def step(self, method, target, outcomes, headers=(), body=None):
        return Step(method, target, lambda answer: self.expect(method, answer, outcomes), tuple(headers), body)

    def expect(self, method, answer, outcomes):
        """Fails unless the status is a key of `outcomes`, whose value is the error's code, or None for any."""
        if answer.status not in outcomes:
            raise Violation(f"{answer.status}, expected {sorted(outcomes)}: {answer}")
        code = outcomes[answer.status]
        if code and method != "HEAD" and answer.code() != code:
            raise Violation(f"{answer.code()}, expected {code}: {answer}")

    def demand(self, condition, what, answer=None):
        if not condition:
            raise Violation(f"{what}: {answer}" if answer else what)

    # --- Choices

    def chance(self, probability):
        return self.random.random() < probability

    def size(self):
        return self.random.choice([0, 1, 2, *(self.random.randrange(limit) for limit in (100, 5_000, 5_000, 70_000))])

    def unique(self):
        """Bytes that make what has them nobody else's."""
        return b"%d/%d " % (self.number, self.random.getrandbits(64))

    def new_content(self):
        size = model.BLOB_MAX if self.chance(0.01) else self.size()
        content = Content((self.unique() + self.random.randbytes(size))[:model.BLOB_MAX])
        self.world.announce(content)
        return content

    def content(self):
        return self.random.choice(self.contents)

    def repository(self):
        return self.random.choice(self.repositories)

    def digest(self, content=None):
        """A digest of something of ours; mostly by sha256, as everybody has it."""
        return (content or self.content()).digests[self.chance(0.25)]

    def known_blob(self):
        """A (repository, digest): mostly one that is there, else one that was once, or any."""
        there = [key for key, state in self.blobs.states.items() if state is Presence.PRESENT]
        if there and self.chance(0.6):
            return self.random.choice(there)
        if self.blobs.states and self.chance(0.9):
            return self.random.choice(list(self.blobs.states))
        return self.repository(), self.digest()
