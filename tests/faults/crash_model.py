"""What the clients of the kill -9 proof believe the server holds.

Every name (a blob or manifest in a repository, a tag, an entry of a cache) is a Register. An operation tells beforehand
what it will do to which registers; its answer makes that certain. After the kill a register may hold what its last
operation left, and as operations overlap there may be several that were the last. Whatever is found then is where the
next round begins. A name is mostly one client's own, so that its value is exact; a few are everybody's.
"""

import math
import threading
import typing

from slipway_server import digest_of


class Violation(AssertionError):
    """The server lost something it had acknowledged, or shows something half done."""


class Key(typing.NamedTuple):
    kind: str  # blob, manifest, tag or entry
    place: str  # the repository or cache
    name: str  # a digest, a tag or an entry's key

    def __str__(self):
        return f"{self.kind} {self.place} {self.name}"

    def target(self):
        if self.kind == "entry":
            return f"/cas/{self.place}/{self.name}"
        return f"/v2/{self.place}/{'blobs' if self.kind == 'blob' else 'manifests'}/{self.name}"


class Effect(typing.NamedTuple):
    """What an operation does to a register: digests for tags and entries, True for what is just there, None: gone."""
    key: Key
    value: object
    only_over: object = None  # it changes nothing unless this is the register's value; None: whatever that is
    is_shared: bool = False  # others change the register too, so that what is found there need not be this one's doing


class Operation:
    """A request; ambiguous until it has ended."""

    def __init__(self, kind, method, target, effects=(), note=""):
        self.kind, self.method, self.target, self.effects, self.note = kind, method, target, tuple(effects), note
        self.began = self.ended = None  # seconds since the round's start
        self.before = {}  # the values of its registers when it was sent

    def __str__(self):
        how = "never answered" if self.ended is None else f"acknowledged at {self.ended:.4f} s"
        return f"{self.kind}: {self.method} {self.target}{self.note}, sent at {self.began:.4f} s, {how}"


class Register:
    def __init__(self):
        self.value, self.since = None, "nobody has put it"
        self.operations = []  # of this round, each with its effect
        self.rounds_absent = 0

    def now(self):
        """For the one who owns it."""
        return self.operations[-1][1].value if self.operations else self.value

    def allowed(self):
        """Each value it may have now that nobody is at work, with why."""
        certain = [(operation, effect) for operation, effect in self.operations if operation.ended is not None]

        def is_over(value, ended):
            return any(operation.began > ended and effect.only_over in (None, value) for operation, effect in certain)
        out = {} if is_over(self.value, -math.inf) else {self.value: self.since}
        for operation, effect in self.operations:
            ended = math.inf if operation.ended is None else operation.ended
            if not is_over(effect.value, ended):
                out[effect.value] = str(operation)
        return out

    def history(self):
        return "\n".join([f"  before this round: {self.value} ({self.since})",
                          *(f"  {operation} → {effect.value}" for operation, effect in self.operations)])

    def settle(self, found, since):
        self.value, self.since, self.operations = found, since, []
        self.rounds_absent = 0 if found else self.rounds_absent + 1


class Book:
    """All registers. Safe to use from any thread while a round runs."""

    REMEMBERED = 3  # rounds in which what is gone is looked for again

    def __init__(self):
        self.registers = {}
        self.unsettled = []  # operations that were never answered
        self._lock = threading.Lock()

    def __getitem__(self, key):
        with self._lock:
            return self.registers.setdefault(key, Register())

    def now(self, key):
        register = self.registers.get(key)
        return register.now() if register else None

    def begin(self, operation):
        with self._lock:
            self.unsettled.append(operation)
            for effect in operation.effects:
                register = self.registers.setdefault(effect.key, Register())
                operation.before[effect.key] = register.now()
                register.operations.append((operation, effect))

    def end(self, operation, at):
        with self._lock:
            self.unsettled.remove(operation)
            operation.ended = at

    def withdraw(self, operation):
        """It was answered that nothing is done."""
        with self._lock:
            self.unsettled.remove(operation)
            for effect in operation.effects:
                self.registers[effect.key].operations.remove((operation, effect))

    def settle(self, found, round_number):
        """Compares what was found with what may be; afterwards that is what is."""
        for key, register in list(self.registers.items()):
            allowed = register.allowed()
            if found[key] not in allowed:
                may_be = "\n".join(f"  {value}: {why}" for value, why in allowed.items())
                raise Violation(f"{key}: found {found[key]} (None: absent), which it may not be. It may be\n{may_be}\n"
                                f"because of\n{register.history()}")
            since = allowed[found[key]]
            if register.operations:
                since = f"round {round_number}, {since}"
            register.settle(found[key], since)
            if register.rounds_absent > self.REMEMBERED:
                del self.registers[key]

    def present(self, kind):
        return [key for key, register in self.registers.items() if key.kind == kind and register.value]


class Content:
    """Bytes, known by one digest."""

    def __init__(self, data, algorithm):
        self.data, self.algorithm, self.digest = data, algorithm, digest_of(data, algorithm)


class Session:
    """An upload session of one client. `position` is acknowledged, `sent` the furthest it may be."""

    def __init__(self, repository, path, content):
        self.repository, self.path, self.content = repository, path, content
        self.position = self.sent = 0
        self.ending = None  # the operation that finishes or cancels it, once sent
        self.advance = None  # the last operation that brought bytes
        self.kills = 0  # it came through since its first acknowledged byte
        self.is_resumed = False  # something was acknowledged after a kill

    @property
    def key(self):
        return Key("blob", self.repository, self.content.digest)
