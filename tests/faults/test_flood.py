#!/usr/bin/python3
"""What a flood of slow clients may not do, in under a minute; flood.py measures the same with more of them.

No speed is asserted. FLOOD_RSS_MIB widens the bound on memory for sanitizer builds, whose allocations are larger.
"""

import os
import tempfile
import threading
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit

import flood
import load
import peers
from flood_clients import Flood, raise_file_limit

RSS_MIB = int(os.environ.get("FLOOD_RSS_MIB", "256"))
ANSWER_SECONDS = 5
HEAD_TIMEOUT = 2
FLOOD = {"half_heads": 8, "readers": 100, "uploaders": 100, "idle": 1000}


class Others(threading.Thread):
    """A well-behaved client on 127.0.0.1 that fetches one URL over and over, and keeps what went wrong."""

    def __init__(self, base, url, expected):
        super().__init__(daemon=True)
        self.base, self.url, self.expected = base, url, expected
        self.answers, self.slowest, self.problem = 0, 0.0, None
        self.done = threading.Event()

    def run(self):
        try:
            with load.Client(self.base, timeout=60) as client:
                while not self.done.is_set():
                    started = time.monotonic()
                    client.check(self.url, self.expected, {"Accept": load.MANIFEST})
                    self.slowest = max(self.slowest, time.monotonic() - started)
                    self.answers += 1
                    self.done.wait(0.01)
        except Exception as error:  # whatever it is, the test must tell it
            self.problem = error


class FloodTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        raise_file_limit(8192)
        cls.image = load.make_image(large_size=32 * load.MIB)  # a slow reader never sees the end of that either

    def serve(self, limits):
        """A server of its own for each test, so that what one leaves behind cannot help or hurt the next."""
        scratch = self.enterContext(tempfile.TemporaryDirectory(prefix="slipway-flood-"))
        server = self.enterContext(peers.Slipway(Path(scratch) / "server", config="[limits]\n" + limits))
        self.quiet = flood.sockets(server)
        server.publish(self.image)
        return server

    def flood(self, server, **options):
        path = urlsplit(server.blob_url(self.image.large)).path
        return Flood(server.base, path, **options)

    def connections(self, server):
        """What the server itself counts, without the connection that asks."""
        with load.Client(server.base) as client:
            _, text = client.request("GET", "/metrics")
        return next(int(float(line.split()[1])) for line in text.decode().splitlines()
                    if line.startswith("slipway_http_connections ")) - 1

    def test_others_are_served_while_slow_clients_hold_on(self):
        server = self.serve("connections = 4000\nconnections_per_client = 2000\n"
                            f'head_timeout = "{HEAD_TIMEOUT}s"\nidle_timeout = "10m"\n')
        urls = [(server.manifest_url(), self.image.manifest)] * 3
        urls += [(server.blob_url(self.image.small), self.image.blobs[self.image.small])]
        others = [Others(server.base, *url) for url in urls]
        with self.flood(server) as attack:
            for kind, count in FLOOD.items():
                attack.open(kind, count)
            for other in others:
                other.start()
            time.sleep(8)
            for other in others:
                other.done.set()
            for other in others:
                other.join(60)
            held, counted = attack.held(), self.connections(server)
            rss = server.status("VmHWM") / 1024

        self.assertEqual(attack.refused.total(), 0, attack.last_refusal)
        self.assertGreaterEqual(held, sum(FLOOD.values()) - FLOOD["half_heads"], "the flood did not hold")
        self.assertGreaterEqual(counted, held - FLOOD["half_heads"])
        for other in others:
            self.assertIsNone(other.problem, other.url)
            self.assertFalse(other.is_alive(), other.url)
            self.assertLess(other.slowest, ANSWER_SECONDS, other.url)
            self.assertGreater(other.answers, 0, other.url)
        self.assertLess(rss, RSS_MIB, "peak memory in MiB")

        self.assertLessEqual(flood.settle(server, self.quiet), self.quiet, "sockets left over after the flood")
        self.assertEqual(self.connections(server), 0)

    def test_a_head_that_never_ends_is_given_up(self):
        server = self.serve(f'head_timeout = "{HEAD_TIMEOUT}s"\n')
        with self.flood(server, replace=False) as attack:
            attack.open("half_heads", FLOOD["half_heads"])
            deadline = time.monotonic() + 15
            while attack.held() and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(attack.held(), 0, "half heads still open")
        self.assertEqual(len(attack.closed), FLOOD["half_heads"])
        for end in attack.closed:
            self.assertIn(end.status, (0, 408))
            self.assertGreater(end.age, HEAD_TIMEOUT / 2, "given up before its time")

    def test_who_moves_less_than_the_minimum_rate_is_cut_off(self):
        server = self.serve('min_rate = 256\nrate_window = "2s"\nhead_timeout = "60s"\n')
        with self.flood(server, rate=16) as attack:
            attack.open("readers", 20)
            attack.open("uploaders", 20)
            self.assertGreaterEqual(flood.sockets(server), self.quiet + 40)
            # Asked of the server: a slow reader does not see its end before it has read what was sent.
            self.assertLessEqual(flood.settle(server, self.quiet, seconds=15), self.quiet, "still open")

    def test_one_address_cannot_take_every_connection(self):
        limit, tried = 40, 100
        server = self.serve(f"connections = 400\nconnections_per_client = {limit}\n")
        with self.flood(server, sources=1) as attack:
            attack.open("idle", tried)
            time.sleep(0.5)
            self.assertLessEqual(attack.held(), limit)
            self.assertGreater(attack.held(), limit // 2)
            with load.Client(server.base, timeout=ANSWER_SECONDS) as other:
                other.check(server.manifest_url(), self.image.manifest, {"Accept": load.MANIFEST})
        self.assertLessEqual(flood.settle(server, self.quiet), self.quiet, "sockets left over")
        with load.Client(server.base, timeout=ANSWER_SECONDS, source=attack.sources[0]) as same:
            same.check(server.manifest_url(), self.image.manifest, {"Accept": load.MANIFEST})


if __name__ == "__main__":
    unittest.main()
