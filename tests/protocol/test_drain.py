"""What SIGTERM does to exchanges that are under way."""

import unittest

from slipway_server import Connection, ServerTest, digest_of, eventually

MIB = 1 << 20
LONG = '[limits]\nhead_timeout = "10m"\nidle_timeout = "10m"\nrate_window = "10m"\n'


class DrainTest(ServerTest):
    def begin_download(self, server, blob):
        """A reader that has read a little and then waits, with most of the blob still at the server."""
        path = f"/v2/drain/blobs/{server.push_blob('drain', blob)}"
        reader = self.connect(server, receive_buffer=65536)
        reader.ask("GET", path)
        reader.socket.recv(1)
        return reader

    def begin_push(self, server, blob):
        """A writer that has sent half of its blob; the server has surely begun to take it."""
        writer = self.connect(server)
        writer.ask("POST", f"/v2/drain/blobs/uploads/?digest={digest_of(blob)}",
                   [("Content-Length", len(blob)), ("Expect", "100-continue")])
        self.assertStatus(writer.response(), 100)
        writer.send(blob[:len(blob) // 2])
        return writer

    def wait_for_connections(self, server, count):
        """Until the server holds that many, the one that asks included."""
        line = f"\nslipway_http_connections {count}\n".encode()
        eventually(lambda: line in server.request("GET", "/metrics").body, f"{count} connections")

    def wait_until_read(self, connection):
        """Until the server has taken all that was sent to it: the kernel holds none of it any more."""
        ports = connection.socket.getpeername()[1], connection.socket.getsockname()[1]

        def is_read():
            with open("/proc/net/tcp", encoding="ascii") as table:
                for line in table.readlines()[1:]:
                    _, local, remote, _, queues = line.split()[:5]
                    if tuple(int(address.split(":")[1], 16) for address in (local, remote)) == ports:
                        return int(queues.split(":")[1], 16) == 0
            raise AssertionError("the server has no such connection")
        eventually(is_read, "the server to read")

    def wait_until_refused(self, server):
        def refused():
            try:
                Connection(server).close()
                return False
            except (ConnectionRefusedError, ConnectionResetError):  # reset: it was in the backlog as the socket closed
                return True
        eventually(refused, "the end of accepting")

    def test_running_exchanges_end_in_peace(self):
        server = self.serve(LONG + 'drain_timeout = "10m"\n')
        down, up = bytes(range(256)) * (16 * MIB // 256), bytes(range(255)) * 4096
        reader, writer = self.begin_download(server, down), self.begin_push(server, up)
        idle = self.connect(server)
        self.assertStatus(idle.request("GET", "/v2/"), 200)

        server.signal()
        self.wait_until_refused(server)
        self.assertTrue(idle.is_closed())
        self.assertIsNone(server.process.poll())
        writer.send(up[len(up) // 2:])
        answer = writer.response()
        self.assertStatus(answer, 201)
        self.assertEqual(answer["Connection"], "close")
        reader._received = b"H"  # the byte read before
        self.assertEqual(reader.response().body, down)
        server.wait()
        self.assertFalse((server.data / "server.json").exists())

        server.start()
        self.assertEqual(server.request("GET", f"/v2/drain/blobs/{digest_of(up)}").body, up)

    def test_a_request_that_is_half_there_is_answered(self):
        server = self.serve(LONG + 'drain_timeout = "10m"\n')
        connection = self.connect(server)
        self.assertStatus(connection.request("GET", "/v2/"), 200)
        connection.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n")
        self.wait_until_read(connection)  # one that is idle would be closed
        server.signal()
        self.wait_until_refused(server)
        connection.send("\r\n")
        answer = connection.response()
        self.assertStatus(answer, 200)
        self.assertEqual(answer["Connection"], "close")
        server.wait()

    def test_connections_that_wait_do_not_hold_it_up(self):
        server = self.serve(LONG + 'drain_timeout = "10m"\n', listen=["127.0.0.1:0", "unix:socket"])
        idle = [self.connect(server) for _ in range(8)] + [self.connect(server.folder / "socket")]
        for connection in idle:
            self.assertStatus(connection.request("GET", "/v2/"), 200)
        silent = [self.connect(server) for _ in range(3)]  # opened in advance, as browsers do, and not used yet
        self.wait_for_connections(server, 13)
        server.stop()
        for connection in idle + silent:
            self.assertTrue(connection.is_closed())

    def test_after_drain_timeout_the_rest_is_cut(self):
        server = self.serve(LONG + 'drain_timeout = "300ms"\n')
        location = server.begin_upload("drain")
        reader, writer = self.begin_download(server, bytes(16 * MIB)), self.connect(server)
        writer.ask("PATCH", location, [("Content-Length", 4 * MIB)])
        writer.send(bytes(MIB))
        self.wait_for_connections(server, 3)

        server.stop()
        self.assertIn("cutting connections that did not end in time connections=2", server.log)
        with self.assertRaises(ConnectionError):
            reader._received = b"H"
            reader.response()
        self.assertTrue(writer.is_closed())

        server.start()
        answer = server.request("GET", location)
        self.assertStatus(answer, 204)
        kept = int(answer["Range"].split("-")[1]) + 1
        self.assertGreaterEqual(kept, MIB - (256 << 10))  # at most one piece was not handed on yet
        blob = bytes(4 * MIB)
        self.assertStatus(server.request("PATCH", location, [("Content-Range", f"{kept}-{len(blob) - 1}")],
                                         blob[kept:]), 202)
        self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}", body=b""), 201)

    def test_stopping_twice_and_by_interrupt(self):
        server = self.serve()
        server.signal(2)
        server.wait()
        self.assertIn("stopping signal=SIGINT", server.log)


if __name__ == "__main__":
    unittest.main()
