#!/usr/bin/python3
"""A short run of the protocol fuzzer, and that it would notice a server that lies."""

import os
import unittest

import protocol_fuzz
from protocol_client import Client
from protocol_exchange import Violation
from slipway_server import ServerTest

SECONDS = float(os.environ.get("FUZZ_SECONDS", "12"))
CLIENTS = 6


class ProtocolFuzzTest(ServerTest):
    def test_a_short_run(self):
        server = self.serve(protocol_fuzz.configuration(CLIENTS))
        figures = protocol_fuzz.run(server, 1, CLIENTS, SECONDS)
        self.assertLessEqual({200, 201, 202, 204, 206, 304, 400, 401, 404, 405, 409, 413, 416}, set(figures.statuses))

    def client(self):
        """One that pushed something in every way that is remembered."""
        server = self.serve(protocol_fuzz.configuration(1))
        world = protocol_fuzz.World(server, 1)
        world.prepare()
        client = Client(world, 0)
        self.addCleanup(client.close)
        while not (client.blobs.states and any(client.manifests.values()) and any(client.entries.values())):
            client.exchange(client.blob_push())
            client.exchange(client.manifest_put())
            client.exchange(client.cache_put())
        client.verify()
        return server, client

    def test_other_bytes_are_noticed(self):
        server, client = self.client()
        for file in server.store_files():
            file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
        with self.assertRaisesRegex(Violation, "has other bytes"):
            client.verify()

    def test_what_is_missing_is_noticed(self):
        server, client = self.client()
        (repository, digest), _ = next(item for item in client.manifests.items() if item[1])
        self.assertStatus(server.request("DELETE", f"/v2/{repository}/manifests/{digest}"), 202)
        with self.assertRaisesRegex(Violation, "404, expected"):
            client.verify()

    def test_what_comes_back_is_noticed(self):
        server, client = self.client()
        content = client.new_content()
        server.push_blob(client.own, content.data)
        with self.assertRaisesRegex(Violation, "200, expected"):
            client.exchange(client.blob_get((client.own, content.digests[0])))

    def test_a_session_that_others_bring_on_is_noticed(self):
        server, client = self.client()
        while not (session := client.session()):
            pass  # it chose to begin one that is refused
        self.assertStatus(server.request("PATCH", session.path, body=b"more than it was told"), 202)
        with self.assertRaisesRegex(Violation, "Range, expected"):
            client.session_status(session)


if __name__ == "__main__":
    unittest.main()
