"""How a client of the kill -9 proof asks, and what becomes of a request that is never answered."""

import collections
import random
import time

from crash_model import Content, Effect, Key, Operation, Violation
from slipway_server import Connection

REPOSITORIES = ["crash/a", "crash/b", "deep/er/crash_x"]
CACHES = ["cache-a", "cache-b"]
SHARED_TAGS = ["shared-0", "shared-1", "shared-2"]
SHARED_ENTRIES = ["shared/0", "shared/1"]
SHARED_CONTENTS = [Content(b"shared by all: %d " % i * 9**i, "sha256") for i in range(1, 6)]
SHARED_DIGESTS = {content.digest for content in SHARED_CONTENTS}
DEADLINE = 30  # seconds for one answer, and for a server to take connections


class ServerGone(Exception):
    """The server was killed; nothing more to do in this round."""


class Exchanges:
    """A client's connection, knowledge and choices. Used by one thread at a time."""

    def __init__(self, world, number):
        self.world, self.book, self.number = world, world.book, number
        self.random = random.Random()
        self.begun, self.acknowledged = collections.Counter(), collections.Counter()
        self.contents, self.manifests, self.sessions = [], [], []
        self.sessions_resumed = self.kills_survived = self.made = 0
        self.connection = None

    # --- Exchanges

    def connect(self):
        """A connection; a server that is just starting is waited for."""
        deadline = time.monotonic() + DEADLINE
        while not self.world.killing.is_set():
            try:
                return Connection(self.world.server, timeout=DEADLINE)
            except (ConnectionError, FileNotFoundError) as error:
                if time.monotonic() > deadline:
                    raise Violation(f"the server takes no connections: {error!r}") from None
            self.world.killing.wait(0.001)
        raise ServerGone

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def ready(self):
        """Before a request is noted as sent: afterwards it surely is."""
        self.connection = self.connection or self.connect()
        if self.world.killing.is_set():
            raise ServerGone

    def send(self, operation, headers=(), body=None):
        """One exchange by a client that is ready; it is acknowledged only by done()."""
        operation.began = self.world.clock()
        self.book.begin(operation)
        self.begun[operation.kind] += 1
        try:
            return self.connection.request(operation.method, operation.target, headers, body)
        except ConnectionError as error:
            self.close()
            if not self.world.killing.wait(1):
                raise Violation(f"no answer to {operation}, and the server was not killed: {error!r}") from None
            raise ServerGone from None

    def done(self, operation):
        self.book.end(operation, self.world.clock())
        self.acknowledged[operation.kind] += 1

    def ask(self, kind, method, target, effects=(), expected=(201,), headers=(), body=None, refused=()):
        """One exchange that has these effects if it is answered as expected, and none if it is refused."""
        self.ready()
        operation = Operation(kind, method, target, effects)
        answer = self.send(operation, headers, body)
        self.judge(operation, answer, expected, refused)
        return answer

    def judge(self, operation, answer, expected, refused=()):
        if answer.status in refused:
            self.book.withdraw(operation)
        elif answer.status in expected:
            self.done(operation)
        else:
            known = "\n".join(f"{effect.key}:\n{self.book[effect.key].history()}" for effect in operation.effects)
            raise Violation(f"{operation}: {answer.status}, expected {[*expected, *refused]}: {answer}\n{known}")

    # --- Choices

    def chance(self, probability):
        return self.random.random() < probability

    def repository(self):
        return self.random.choice(REPOSITORIES)

    def new_content(self, size=None):
        """Bytes that nobody else has."""
        self.made += 1
        size = size or self.random.choice([10, 500, 3_000, self.random.randrange(8_000), self.random.randrange(70_000)])
        data = b"%d/%d/%d " % (self.world.round, self.number, self.made) + self.random.randbytes(size)
        return Content(data, self.random.choice(["sha256", "sha256", "sha512"]))

    def content(self):
        """One of ours; the store keeps what was ever pushed, so mostly not a new one."""
        if len(self.contents) < 4 or self.chance(0.3):
            self.contents.append(self.new_content())
        return self.random.choice(self.contents)


def puts(key, value=True):
    return Effect(key, value, None, is_shared(key))


def removes(key, only_over=None):
    return Effect(key, None, only_over, is_shared(key))


def is_shared(key):
    return key.name in SHARED_TAGS or key.name in SHARED_ENTRIES or key.name in SHARED_DIGESTS


def blob_key(repository, content):
    return Key("blob", repository, content.digest)
