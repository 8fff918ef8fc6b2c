#!/usr/bin/python3
"""A short run of the proof by kill -9, and that it would notice a server that loses or mixes up something."""

import os
import unittest

import crash
from crash_exchange import puts, removes
from crash_model import Book, Key, Operation, Violation
from slipway_server import ServerTest

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "15"))


class CrashTest(ServerTest):
    def test_a_short_run(self):
        world = crash.run(self.folder(), 1, ROUNDS)
        print(world.summary())
        self.assertEqual(len(world.starts), ROUNDS)
        self.assertGreater(sum(client.sessions_resumed for client in world.clients), 0)


class NoticingTest(ServerTest):
    def setUp(self):
        """A server that was killed under load and started again, where all is well."""
        self.world = crash.World(self.folder(), 1)
        self.addCleanup(self.end)
        self.world.prepare()
        kinds = {"blob", "manifest", "tag", "entry"}
        while not (kinds <= {key.kind for key in self.present()} and any(each.sessions for each in self.world.clients)):
            self.world.round += 1
            self.world.killing.clear()
            self.world.under_load(0.3)
            self.world.server.start()
            self.world.check()

    def end(self):
        if self.world.server.process:
            self.world.server.kill()

    def present(self):
        return [key for key, register in self.world.book.registers.items() if register.value
                and not puts(key).is_shared]

    def some(self, kind):
        return next(key for key in self.present() if key.kind == kind)

    def assertNotices(self, what):
        with self.assertRaisesRegex(Violation, what):
            self.world.check()

    def test_what_is_lost_is_noticed(self):
        for kind, status in ("tag", 202), ("manifest", 202), ("blob", 202), ("entry", 204):
            with self.subTest(kind):
                key = self.some(kind)
                self.assertStatus(self.world.server.request("DELETE", key.target()), status)
                self.assertNotices("found None")
                self.world.book.registers = {other: register for other, register in self.world.book.registers.items()
                                             if other.kind != kind}

    def test_what_comes_back_is_noticed(self):
        key = self.some("blob")
        content = next(content for client in self.world.clients for content in client.contents
                       if content.digest == key.name)
        self.world.book.registers[key].settle(None, "deleted")
        self.assertEqual(self.world.server.push_blob(key.place, content.data, algorithm=content.algorithm), key.name)
        self.assertNotices("found True")

    def test_other_bytes_are_noticed(self):
        for file in self.world.server.store_files():
            file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
        self.assertNotices("other bytes")

    def test_half_an_operation_is_noticed(self):
        place, name = self.some("manifest")[1:]
        tag = Key("tag", place, "new")
        operation = Operation("put", "PUT", "/", [puts(tag, name), puts(Key("tag", place, "another"), name)])
        operation.began = 0
        self.world.book.begin(operation)
        manifest = self.world.manifests[name]
        self.assertStatus(self.world.server.put_manifest(place, "new", manifest.body, manifest.media_type), 201)
        self.assertNotices("half of an operation")

    def test_a_name_that_nobody_put_is_noticed(self):
        place, name = self.some("manifest")[1:]
        manifest = self.world.manifests[name]
        self.assertStatus(self.world.server.put_manifest(place, "odd", manifest.body, manifest.media_type), 201)
        self.assertNotices("tags/list lists")

    def test_a_session_that_moved_or_ended_is_noticed(self):
        session = next(session for client in self.world.clients for session in client.sessions)
        self.assertStatus(self.world.server.request("PATCH", session.path, body=b"more than it was told"), 202)
        self.assertNotices("a session stands at")
        self.assertStatus(self.world.server.request("DELETE", session.path), 204)
        self.assertNotices("a session is lost")


class RegisterTest(unittest.TestCase):
    """What may be after operations at certain times, one of which was never answered."""

    key = Key("tag", "crash/a", "shared-0")

    def allowed(self, *operations):
        """Of (value, began, ended), or (digest, began, ended, "gone") for what goes only where it is that digest."""
        book = Book()
        book[self.key].settle("old", "before")
        for value, began, ended, *gone in operations:
            operation = Operation("put", "PUT", "/", [removes(self.key, value) if gone else puts(self.key, value)])
            operation.began = began
            book.begin(operation)
            if ended:
                book.end(operation, ended)
        return set(book[self.key].allowed())

    def test_one_after_the_other(self):
        self.assertEqual(self.allowed(), {"old"})
        self.assertEqual(self.allowed(("a", 1, 2), ("b", 3, 4)), {"b"})
        self.assertEqual(self.allowed(("a", 1, 2), (None, 3, 4)), {None})

    def test_at_once_each_may_be_the_last(self):
        self.assertEqual(self.allowed(("a", 1, 3), ("b", 2, 4)), {"a", "b"})
        self.assertEqual(self.allowed(("a", 1, 3), ("b", 2, 5), ("c", 4, 6)), {"b", "c"})

    def test_never_answered(self):
        self.assertEqual(self.allowed(("a", 1, None)), {"old", "a"})
        self.assertEqual(self.allowed(("a", 1, None), ("b", 2, 3)), {"a", "b"})

    def test_a_manifest_takes_its_tags_along(self):
        self.assertEqual(self.allowed(("a", 1, 2), ("b", 3, 4), ("a", 5, 6, "gone")), {"b", None})
        self.assertEqual(self.allowed(("a", 1, 2), ("a", 3, 4, "gone")), {None})
        self.assertEqual(self.allowed(("a", 1, 2), ("a", 3, None, "gone")), {"a", None})


if __name__ == "__main__":
    unittest.main()
