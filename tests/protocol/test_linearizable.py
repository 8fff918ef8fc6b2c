"""Reads and writes of one name are linearizable: whatever many clients do at once, each answer is one that some order
of all requests would have given, in which none comes before one that had ended when it began.

Clients note when each request began and ended and what it came to. check() then looks for such an order, for each tag
and each blob of a repository by itself, which is enough: linearizability of the parts is that of the whole.
"""

import contextlib
import itertools
import random
import sys
import threading
import time
import typing
import unittest

from slipway_server import Connection, MANIFEST, ServerTest, digest_of, image_manifest

CLIENTS = 64
ROUNDS = 3
OPERATIONS = 12  # of each client in a round
TAGS = [f"tag-{number}" for number in range(6)]
HOLDERS = ["holders/a", "holders/b", "holders/c"]
NODES_MAX = 500_000


class Event(typing.NamedTuple):
    """A request on one register, which holds a value, or None where nothing is there.

    `kind` is "write" (of `value`, None to delete; where nothing was there is another answer and so a read) or "read".
    `needs` is true for a deletion that found something: it only fits where there is any value.
    """
    began: float
    ended: float
    kind: str
    value: object
    needs: bool = False


# --- The checker

class Undecided(AssertionError):
    """More orders than it is worth looking at."""


def check(events, initial=None):
    """True if some order explains the events: the search of Wing and Gong, which extends an order by any event that no
    unplaced event had ended before, with Lowe's memory of what was tried (the events placed, the value then).

    A read that fits the value is placed at once: an order in which it comes later stays one with the read moved here,
    for it changes nothing.
    """
    events = sorted(events, key=lambda event: event.began)
    everything = (1 << len(events)) - 1
    tried, stack, nodes = set(), [(0, 0, initial)], 0
    while stack:
        nodes += 1
        if nodes > NODES_MAX:
            raise Undecided(f"{len(events)} events")
        first, placed, value = stack.pop()
        candidates = next_events(events, first, placed)
        while reads := [i for i in candidates if events[i].kind == "read" and events[i].value == value]:
            for i in reads:
                placed |= 1 << i
            while placed >> first & 1:
                first += 1
            candidates = next_events(events, first, placed)
        if placed == everything:
            return True
        if (placed, value) in tried:
            continue
        tried.add((placed, value))
        # The one that ended first is tried first: it is the top of the stack.
        for i in sorted(candidates, key=lambda i: -events[i].ended):
            event = events[i]
            if event.kind == "write" and (value is not None or not event.needs):
                stack.append((first, placed | 1 << i, event.value))
    return False


def next_events(events, first, placed):
    """Those that may come next: begun before any unplaced event had ended. All before `first` are placed."""
    out, earliest_end = [], float("inf")
    for i in range(first, len(events)):
        if events[i].began > earliest_end:
            break  # they are sorted by their beginnings
        if not placed >> i & 1:
            out.append(i)
            earliest_end = min(earliest_end, events[i].ended)
    return [i for i in out if events[i].began <= earliest_end]


class CheckerTest(unittest.TestCase):
    """A checker that accepts everything would make the other test worthless."""

    def assertChecks(self, expected, *events):
        for some_order in itertools.islice(itertools.permutations(events), 24):
            self.assertEqual(check(some_order), expected, events)

    def write(self, began, ended, value):
        return Event(began, ended, "write", value)

    def delete(self, began, ended):
        return Event(began, ended, "write", None, True)

    def read(self, began, ended, value):
        return Event(began, ended, "read", value)

    def test_one_after_the_other(self):
        self.assertChecks(True, self.read(0, 1, None), self.write(2, 3, "a"), self.read(4, 5, "a"), self.delete(6, 7),
                          self.read(8, 9, None))
        self.assertChecks(False, self.write(0, 1, "a"), self.read(2, 3, None))
        self.assertChecks(False, self.read(0, 1, "a"), self.write(2, 3, "a"))

    def test_a_read_that_goes_back(self):
        during = [self.write(0, 1, "a"), self.write(2, 9, "b")]
        self.assertChecks(True, *during, self.read(3, 4, "a"), self.read(5, 6, "b"))
        self.assertChecks(False, *during, self.read(3, 4, "b"), self.read(5, 6, "a"))

    def test_a_lost_write(self):
        self.assertChecks(False, self.write(0, 1, "a"), self.write(2, 3, "b"), self.read(4, 5, "a"))
        self.assertChecks(True, self.write(0, 3, "a"), self.write(2, 3, "b"), self.read(4, 5, "a"))

    def test_a_deletion_that_two_were_told_of(self):
        self.assertChecks(True, self.write(0, 1, "a"), self.delete(2, 5), self.read(3, 6, None))
        self.assertChecks(False, self.write(0, 1, "a"), self.delete(2, 5), self.delete(3, 6))
        self.assertChecks(True, self.write(0, 1, "a"), self.delete(2, 5), self.write(2, 5, "b"), self.delete(3, 6))
        self.assertChecks(False, self.delete(0, 1))

    def test_many_at_once(self):
        """A long history with much at once is decided, and one answer that does not fit is found in it."""
        chooser, value, history = random.Random(1), None, []
        for moment in range(200):
            began, ended = moment - chooser.uniform(0, 8), moment + chooser.uniform(0, 8)
            kind = chooser.choice(["write", "read", "delete"])
            if kind == "read" or (kind == "delete" and value is None):
                history.append(self.read(began, ended, value))
            elif kind == "delete":
                history.append(self.delete(began, ended))
                value = None
            else:
                value = f"value {moment}"
                history.append(self.write(began, ended, value))
        self.assertTrue(check(history))
        old = next(event for event in history if event.kind == "write" and event.value)
        self.assertFalse(check([*history, self.read(300, 301, old.value)]))


# --- The server

class Recorder:
    """A client of a round: asks, and notes what came of it in its own lists."""

    def __init__(self, connections, number, round_, blobs):
        self.connections, self.blobs = connections, blobs
        self.random = random.Random(number * 1000 + round_)
        self.number, self.round = number, round_
        self.events = []  # (register, event)

    def ask(self, method, target, headers=(), body=None, allowed=()):
        began = time.monotonic()
        answer = self.random.choice(self.connections).request(method, target, headers, body)
        self.began, self.ended = began, time.monotonic()
        if answer.status not in allowed:
            raise AssertionError(f"{method} {target}: {answer}")
        return answer

    def note(self, register, kind, value, needs=False):
        self.events.append((register, Event(self.began, self.ended, kind, value, needs)))

    def work(self):
        for step in range(OPERATIONS):
            self.random.choice([self.put_tag, self.put_tag, self.get_tag, self.get_tag, self.delete_tag, self.push_blob,
                                self.mount_blob, self.mount_blob, self.get_blob, self.delete_blob])(step)

    def put_tag(self, step):
        tag = self.random.choice(TAGS)
        content = image_manifest(b"{}", [], annotations={"n": f"{self.round}/{self.number}/{step}"})
        self.ask("PUT", f"/v2/moving/manifests/{tag}", [("Content-Type", MANIFEST)], content, [201])
        self.note(tag, "write", digest_of(content))

    def get_tag(self, _):
        tag = self.random.choice(TAGS)
        method = self.random.choice(["GET", "HEAD"])
        answer = self.ask(method, f"/v2/moving/manifests/{tag}", allowed=[200, 404])
        self.note(tag, "read", answer["Docker-Content-Digest"] if answer.status == 200 else None)
        if answer.body and answer.status == 200 and digest_of(answer.body) != answer["Docker-Content-Digest"]:
            raise AssertionError(f"other bytes than the digest says: {answer}")

    def delete_tag(self, _):
        tag = self.random.choice(TAGS)
        self.note_deletion(tag, self.ask("DELETE", f"/v2/moving/manifests/{tag}", allowed=[202, 404]))

    def note_deletion(self, register, answer):
        if answer.status == 202:
            self.note(register, "write", None, needs=True)
        else:
            self.note(register, "read", None)

    def push_blob(self, _):
        holder, blob = self.random.choice(HOLDERS), self.random.choice(self.blobs)
        self.ask("POST", f"/v2/{holder}/blobs/uploads/?digest={digest_of(blob)}", body=blob, allowed=[201])
        self.note((holder, blob), "write", True)

    def mount_blob(self, _):
        """Tells two things: whether the source had it, and that the target has it then."""
        (source, target), blob = self.random.sample(HOLDERS, 2), self.random.choice(self.blobs)
        answer = self.ask("POST", f"/v2/{target}/blobs/uploads/?mount={digest_of(blob)}&from={source}", body=b"",
                          allowed=[201, 202])
        self.note((source, blob), "read", True if answer.status == 201 else None)
        if answer.status == 201:
            self.note((target, blob), "write", True)

    def get_blob(self, _):
        holder, blob = self.random.choice(HOLDERS), self.random.choice(self.blobs)
        answer = self.ask("GET", f"/v2/{holder}/blobs/{digest_of(blob)}", allowed=[200, 404])
        self.note((holder, blob), "read", True if answer.status == 200 else None)
        if answer.status == 200 and answer.body != blob:
            raise AssertionError("other bytes than were pushed")

    def delete_blob(self, _):
        holder, blob = self.random.choice(HOLDERS), self.random.choice(self.blobs)
        answer = self.ask("DELETE", f"/v2/{holder}/blobs/{digest_of(blob)}", allowed=[202, 404])
        self.note_deletion((holder, blob), answer)


class LinearizableTest(ServerTest):
    rounds = ROUNDS

    def servers(self):
        """All that clients may ask, each request another one."""
        return [self.shared()]

    def record(self, round_):
        """All clients at once; returns the events of each register."""
        servers, recorders, errors = self.servers(), [], []
        blobs = [b"blob %d of round %d" % (number, round_) for number in range(4)]
        start = threading.Barrier(CLIENTS)

        def run(number):
            try:
                with contextlib.ExitStack() as stack:
                    connections = [stack.enter_context(Connection(server)) for server in servers]
                    recorder = Recorder(connections, number, round_, blobs)
                    recorders.append(recorder)
                    start.wait()
                    recorder.work()
            except BaseException as error:  # whatever it is, the test must tell it
                errors.append(error)
                start.abort()

        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 60
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
            self.assertFalse(thread.is_alive(), "a client waits for ever")
        if errors:
            raise errors[0]
        registers = {}
        for register, event in itertools.chain(*(recorder.events for recorder in recorders)):
            registers.setdefault(register, []).append(event)
        return registers

    def test_tags_and_blobs(self):
        switching = sys.getswitchinterval()
        self.addCleanup(sys.setswitchinterval, switching)
        sys.setswitchinterval(0.0005)  # so that clients overlap, and times are taken close to what they are of
        self.servers()[0].push_blob("moving", b"{}")
        found = dict.fromkeys(TAGS)  # what the round before left
        for round_ in range(self.rounds):
            registers = self.record(round_)
            for register, events in registers.items():
                self.assertTrue(check(events, found.get(register)),
                                f"{register}, round {round_}: no order explains\n" + self.text(events))
            overlapping = sum(first.began < second.ended and second.began < first.ended
                              for events in registers.values() for first, second in itertools.combinations(events, 2))
            self.assertGreater(overlapping, CLIENTS, "nothing happened at once")
            for tag in TAGS:
                answer = self.servers()[0].request("GET", f"/v2/moving/manifests/{tag}")
                found[tag] = answer["Docker-Content-Digest"] if answer.status == 200 else None

    def text(self, events):
        return "\n".join(map(str, sorted(events, key=lambda event: event.began)))


if __name__ == "__main__":
    unittest.main()
