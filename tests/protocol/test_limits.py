"""Every bound on time, speed and number that a client could push against, made tiny."""

import os
import select
import time
import unittest

from slipway_server import Connection, ServerTest, chunked, digest_of, eventually

MIB = 1 << 20


def drip(connection, seconds=20):
    """Sends a byte now and then until the server says something; false if it never does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([connection.socket], [], [], 0.05)[0]:
            return True
        try:
            connection.send("x")
        except OSError:
            return True
    return False


class TimeTest(ServerTest):
    def test_a_head_that_never_ends_is_408(self):
        server = self.serve('[limits]\nhead_timeout = "300ms"\n')
        for goes_on in (False, True):  # being heard from must not prolong it
            connection = self.connect(server)
            self.assertStatus(connection.request("GET", "/v2/"), 200)
            connection.send("GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            if goes_on:
                self.assertTrue(drip(connection), "the server waits for ever")
            answer = connection.response()
            self.assertStatus(answer, 408)
            self.assertEqual(answer["Connection"], "close")
            self.assertTrue(connection.is_closed())

    def test_a_connection_that_says_nothing_is_ended(self):
        server = self.serve('[limits]\nhead_timeout = "300ms"\n')
        self.assertTrue(self.connect(server).is_closed())

    def test_an_idle_connection_is_ended(self):
        server = self.serve('[limits]\nidle_timeout = "300ms"\n')
        connection = self.connect(server)
        self.assertStatus(connection.request("GET", "/v2/"), 200)
        self.assertTrue(connection.is_closed())  # and nothing was said: the next request must not get an old answer

    def test_a_body_that_stalls_is_408_and_what_came_is_kept(self):
        server = self.serve('[limits]\nmin_rate = 10000\nrate_window = "1s"\n')
        location = server.begin_upload("slow")
        connection = self.connect(server)
        connection.ask("PATCH", location, [("Content-Length", 10 * MIB)])
        connection.send(bytes(MIB))
        self.assertTrue(drip(connection), "the server waits for ever")
        answer = connection.response()
        self.assertStatus(answer, 408)
        self.assertEqual(answer["Connection"], "close")
        self.assertTrue(connection.is_closed())
        answer = server.request("GET", location)
        self.assertStatus(answer, 204)
        kept = int(answer["Range"].removeprefix("0-")) + 1
        self.assertGreaterEqual(kept, MIB - (512 << 10))  # at most one piece was not handed on yet

    def test_a_body_that_is_slow_but_fast_enough_is_accepted(self):
        server = self.serve('[limits]\nmin_rate = 10\nrate_window = "1s"\n')
        blob = os.urandom(2500)
        connection = self.connect(server)
        connection.ask("POST", f"/v2/slow/blobs/uploads/?digest={digest_of(blob)}", [("Content-Length", len(blob))])
        for byte in range(0, len(blob), 50):  # over two and a half windows
            connection.send(blob[byte:byte + 50])
            time.sleep(0.05)
        self.assertStatus(connection.response(), 201)

    def test_a_reader_that_stops_reading_is_cut_off(self):
        server = self.serve('[limits]\nmin_rate = 100000\nrate_window = "1s"\n')
        blob = bytes(32 * MIB)
        path = f"/v2/slow/blobs/{server.push_blob('slow', blob)}"
        connection = self.connect(server, receive_buffer=4096)
        connection.ask("GET", path)
        line = eventually(lambda: server.log_lines(f"path={path}", "method=GET"), "the end of the exchange")[0]
        self.assertIn(" status=200 ", line)
        self.assertIn(" complete=false ", line)
        self.assertEqual(server.request("GET", path).body, blob)  # others are not


class NumberTest(ServerTest):
    def fill(self, server, count, **options):
        """Opens connections that the server has surely taken."""
        connections = [self.connect(server, **options) for _ in range(count)]
        for connection in connections:
            self.assertStatus(connection.request("GET", "/v2/"), 200)
        return connections

    def assertRefused(self, connection):
        answer = connection.response()
        self.assertStatus(answer, 503)
        self.assertGreater(int(answer["Retry-After"]), 0)
        self.assertEqual(answer["Connection"], "close")
        self.assertTrue(connection.is_closed())

    def test_connections_in_all(self):
        server = self.serve("[limits]\nconnections = 4\n")
        connections = self.fill(server, 2) + self.fill(server, 2, source="127.0.0.2")
        for source in ("127.0.0.1", "127.0.0.3"):
            self.assertRefused(self.connect(server, source=source))
        self.assertIn(b"\nslipway_http_connections_refused_total 2\n", connections[0].request("GET", "/metrics").body)

        connections.pop().close()
        def admitted():
            with Connection(server) as connection:
                connection.ask("GET", "/v2/")
                try:
                    return connection.response().status == 200
                except ConnectionError:
                    return False
        eventually(admitted, "a free place")

    def test_connections_of_one_client(self):
        server = self.serve("[limits]\nconnections_per_client = 3\n")
        self.fill(server, 3)
        self.assertRefused(self.connect(server))
        self.fill(server, 3, source="127.0.0.2")
        self.assertRefused(self.connect(server, source="127.0.0.2"))

    def test_proxies_and_unix_sockets_may_have_more(self):
        server = self.serve('[limits]\nconnections_per_client = 2\n[server]\nproxies = ["127.0.0.9"]\n',
                            listen=["127.0.0.1:0", "unix:socket"])
        self.fill(server, 10, source="127.0.0.9")
        unix = [self.connect(server.folder / "socket") for _ in range(10)]
        for connection in unix:
            self.assertStatus(connection.request("GET", "/v2/"), 200)
        self.fill(server, 2)
        self.assertRefused(self.connect(server))

    def test_upload_sessions(self):
        server = self.serve("[limits]\nuploads = 2\n")
        first, _ = server.begin_upload("a"), server.begin_upload("b")
        answer = server.request("POST", "/v2/c/blobs/uploads/", body=b"")
        self.assertStatus(answer, 429, "TOOMANYREQUESTS")
        self.assertGreater(int(answer["Retry-After"]), 0)
        self.assertStatus(server.request("DELETE", first), 204)
        server.begin_upload("c")

    def test_memory_for_bodies(self):
        server = self.serve('[limits]\nbody_buffer_bytes = "1KiB"\n')  # past it bodies are handed on in small pieces
        for blob in (os.urandom(5), os.urandom(MIB + 1)):
            location = server.begin_upload("memory")
            self.assertStatus(server.request("PATCH", location, [("Transfer-Encoding", "chunked")],
                                             chunked(blob[:3], blob[3:])), 202)
            self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}", body=b""), 201)
            self.assertEqual(server.request("GET", f"/v2/memory/blobs/{digest_of(blob)}").body, blob)

    def test_sizes_of_blobs(self):
        server = self.serve('[limits]\nblob_bytes = "1MiB"\n')
        largest, larger = bytes(MIB), bytes(MIB + 1)
        location = server.begin_upload("sizes")
        server.push_blob("sizes", largest)
        answer = server.request("POST", f"/v2/sizes/blobs/uploads/?digest={digest_of(larger)}", body=larger)
        self.assertStatus(answer, 413, "SIZE_INVALID")
        self.assertStatus(server.request("PATCH", location, body=larger), 413, "SIZE_INVALID")
        self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(larger)}", body=larger), 413,
                          "SIZE_INVALID")
        self.assertStatus(server.request("HEAD", f"/v2/sizes/blobs/{digest_of(larger)}"), 404)

    def test_heads(self):
        server = self.serve('[limits]\nhead_bytes = "1KiB"\nheader_count = 5\n')
        with server.connect() as connection:
            self.assertStatus(connection.request("GET", "/v2/", [("X", "y")] * 4), 200)
            self.assertStatus(connection.request("GET", "/v2/", [("X", "y")] * 5), 431)
        self.assertStatus(server.request("GET", "/v2/", [("X", "y" * 900)]), 200)
        self.assertStatus(server.request("GET", "/v2/", [("X", "y" * 1100)]), 431)


if __name__ == "__main__":
    unittest.main()
