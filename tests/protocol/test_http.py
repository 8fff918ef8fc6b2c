"""HTTP as the registry speaks it: connections, framing, fields, logs. What it refuses is in test_malformed.py."""

import re
import unittest

from slipway_server import OCTETS, ServerTest, chunked, digest_of, eventually

MIB = 1 << 20


class ConnectionsTest(ServerTest):
    def test_a_connection_serves_many_requests(self):
        connection = self.connect()
        for _ in range(200):
            answer = connection.request("GET", "/v2/")
            self.assertStatus(answer, 200)
            self.assertEqual(answer.version, "HTTP/1.1")
            self.assertEqual(answer.body, b"{}\n")
            self.assertIsNone(answer["Connection"])

    def test_pipelined_requests_are_answered_in_order(self):
        server = self.shared()
        blobs = [b"pipelined %d" % i * (i * 1000 + 1) for i in range(8)]
        paths = [f"/v2/pipeline/blobs/{server.push_blob('pipeline', blob)}" for blob in blobs]
        connection = self.connect()
        requests = [(method, path, blob) for path, blob in zip(paths, blobs) for method in ("GET", "HEAD", "GET")]
        connection.send("".join(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n" for method, path, _ in requests))
        for method, _, blob in requests:
            answer = connection.response(method)
            self.assertStatus(answer, 200)
            self.assertEqual(answer["Content-Length"], str(len(blob)))
            self.assertEqual(answer.body, blob if method == "GET" else b"")

    def test_hundreds_of_pipelined_requests(self):
        connection = self.connect()
        connection.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 300)
        for _ in range(300):
            self.assertEqual(connection.response().body, b"{}\n")
            self.assertEqual(connection.response().body, b"ok\n")

    def test_pipelined_uploads(self):
        server, connection = self.shared(), self.connect()
        blobs = [b"first", b"x" * 300_000, b""]
        for blob in blobs:
            connection.ask("POST", f"/v2/uploads/blobs/uploads/?digest={digest_of(blob)}", body=blob)
        for blob in blobs:
            self.assertStatus(connection.response(), 201)
        for blob in blobs:
            self.assertEqual(server.request("GET", f"/v2/uploads/blobs/{digest_of(blob)}").body, blob)

    def test_a_request_that_follows_a_chunked_body_in_the_same_packet(self):
        for tail in (b"", b"HTTP/1.1\r\nHost: x\r\n\r\n"):  # a part of the next head, then all of it
            connection, blob = self.connect(), b"chunked, then more"
            connection.send(f"POST /v2/follow/blobs/uploads/?digest={digest_of(blob)} HTTP/1.1\r\nHost: x\r\n"
                            "Transfer-Encoding: chunked\r\n\r\n".encode() + chunked(blob) + b"GET /v2/ " + tail)
            self.assertStatus(connection.response(), 201)
            if not tail:
                connection.send("HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertEqual(connection.response().body, b"{}\n")

    def test_a_head_may_come_in_any_two_packets(self):
        connection = self.connect()
        form = "GET /v2/ HTTP/1.1\r\nHost: x\r\nUser-Agent: cut-{:02}\r\n\r\n"
        for cut in range(1, len(form.format(0))):
            text = form.format(cut)
            connection.send(text[:cut])
            # The server has surely read the first part once it has served somebody else who came later.
            self.assertStatus(self.connect().request("GET", "/healthz"), 200)
            connection.send(text[cut:])
            self.assertStatus(connection.response(), 200)
            lines = eventually(lambda: self.shared().log_lines(f"agent=cut-{cut:02} "), "a line in the log")
            self.assertEqual(len(lines), 1)

    def test_a_head_may_come_a_byte_at_a_time(self):
        connection = self.connect()
        for byte in "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.send(byte)
        self.assertStatus(connection.response(), 200)

    def test_large_heads(self):
        connection = self.connect()
        for size in (1400, 4000, 4096, 8000, 16000, 31000):
            self.assertStatus(connection.request("GET", "/v2/", [("X-Large", "x" * size)]), 200)

    def test_connection_close_is_obeyed_and_told(self):
        connection = self.connect()
        answer = connection.request("GET", "/v2/", [("Connection", "close")])
        self.assertEqual(answer["Connection"], "close")
        self.assertTrue(connection.is_closed())

    def test_http_1_0_closes_unless_it_asks_to_stay(self):
        connection = self.connect()
        connection.send("GET /v2/ HTTP/1.0\r\n\r\n")
        self.assertEqual(connection.response()["Connection"], "close")
        self.assertTrue(connection.is_closed())

        connection = self.connect()
        for _ in range(2):
            connection.send("GET /v2/ HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = connection.response()
            self.assertStatus(answer, 200)
            self.assertEqual(answer["Connection"], "keep-alive")

    def test_the_client_may_close_its_writing_side_after_the_request(self):
        connection = self.connect()
        connection.ask("GET", "/v2/")
        connection.socket.shutdown(1)
        self.assertStatus(connection.response(), 200)
        self.assertTrue(connection.is_closed())


class RequestsTest(ServerTest):
    def test_absolute_form(self):
        connection = self.connect()
        for target in ("http://elsewhere:81/v2/", "https://elsewhere/v2/?n=1"):
            self.assertEqual(connection.request("GET", target).body, b"{}\n")
        self.assertStatus(connection.request("GET", "http://elsewhere"), 404)

    def test_head_tells_the_length_and_sends_no_body(self):
        server, blob = self.shared(), b"measured" * 1000
        content = server.push_image("heads", "one")
        paths = {"/v2/heads/manifests/one": len(content), f"/v2/heads/blobs/{server.push_blob('heads', blob)}": 8000,
                 "/v2/": 3, "/v2/heads/tags/list": len(server.request("GET", "/v2/heads/tags/list").body)}
        connection = self.connect()
        for path, length in paths.items():
            answer = connection.request("HEAD", path)
            self.assertStatus(answer, 200)
            self.assertEqual(answer["Content-Length"], str(length), path)
        missing = connection.request("HEAD", "/v2/heads/manifests/two")
        self.assertStatus(missing, 404)
        self.assertGreater(int(missing["Content-Length"]), 0)
        self.assertStatus(connection.request("GET", "/v2/"), 200)  # nothing of a body was left on the line

    def test_several_accept_fields(self):
        content = self.shared().push_image("accept", "one")
        answer = self.connect().request("GET", "/v2/accept/manifests/one", [
            ("Accept", "application/vnd.docker.distribution.manifest.v2+json"), ("Accept", "application/json;q=0.5"),
            ("Accept", "application/vnd.oci.image.manifest.v1+json, */*"), ("accept", "text/html")])
        self.assertStatus(answer, 200)
        self.assertEqual(answer.body, content)

    def test_bodies_are_never_compressed(self):
        server, blob = self.shared(), b"compressible" * 1000
        path = f"/v2/plain/blobs/{server.push_blob('plain', blob)}"
        answer = server.request("GET", path, [("Accept-Encoding", "zstd, gzip, deflate")])
        self.assertIsNone(answer["Content-Encoding"])
        self.assertEqual(answer.body, blob)

    def test_names_of_fields_have_no_case(self):
        blob = b"case"
        answer = self.connect().request("POST", f"/v2/case/blobs/uploads/?digest={digest_of(blob)}",
                                        [("HOST", "x"), ("content-LENGTH", "4")], blob)
        self.assertStatus(answer, 201)

    def test_unknown_methods_and_paths(self):
        connection = self.connect()
        answer = connection.request("BREW", "/v2/pot/tags/list")
        self.assertStatus(answer, 405)
        self.assertEqual(answer["Allow"], "GET, HEAD")
        self.assertStatus(connection.request("GET", "/v2x"), 404)
        self.assertStatus(connection.request("GET", "/v2/nothing-of-ours"), 404)

    def test_every_answer_has_a_date_and_a_request_id_of_its_own(self):
        connection = self.connect()
        answers = [connection.request("GET", path) for path in ("/v2/", "/v2/", "/v2/none/tags/list", "/nowhere")]
        for answer in answers:
            self.assertRegex(answer["Date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")
        self.assertEqual(len({answer["X-Request-Id"] for answer in answers}), 4)


class BodiesTest(ServerTest):
    def patch(self, connection, body, repository="bodies"):
        """Sends a chunked PATCH, already framed, in the pieces given; returns the answer and the session."""
        location = self.shared().begin_upload(repository)
        connection.send(f"PATCH {location} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in body:
            connection.send(piece)
        return connection.response(), location

    def check_blob(self, location, blob):
        answer = self.shared().request("PUT", f"{location}?digest={digest_of(blob)}", body=b"")
        self.assertStatus(answer, 201)
        self.assertEqual(self.shared().request("GET", answer["Location"]).body, blob)

    def test_chunked_bodies_in_odd_pieces(self):
        blob = bytes(i * 7 % 251 for i in range(5000))
        framed = chunked(blob[:1], blob[1:2], blob[2:4000], blob[4000:])
        connection = self.connect()
        for size in (1, 3, 1000, len(framed)):
            pieces = [framed[i:i + size] for i in range(0, len(framed), size)]
            answer, location = self.patch(connection, pieces)
            self.assertStatus(answer, 202)
            self.assertEqual(answer["Range"], f"0-{len(blob) - 1}")
            self.check_blob(location, blob)

    def test_chunk_extensions_and_trailers_are_read_over(self):
        answer, location = self.patch(self.connect(), [b'5;name="value"\r\nhello\r\n', b"0\r\nX-Trailer: x\r\n\r\n"])
        self.assertStatus(answer, 202)
        self.check_blob(location, b"hello")

    def test_chunked_bodies_of_megabytes(self):
        blob = bytes(range(256)) * (12 * MIB // 256)
        framed = chunked(*(blob[i:i + 70_001] for i in range(0, len(blob), 70_001)))
        answer, location = self.patch(self.connect(), [framed])
        self.assertStatus(answer, 202)
        self.check_blob(location, blob)

    def test_bodies_with_line_breaks_are_not_taken_for_their_end(self):
        blob = b"0\r\n\r\n" * 3 + b"\r\n\r\n"
        framed = chunked(blob)
        for cut in (10, len(framed) - 7, len(framed) - 3):
            answer, location = self.patch(self.connect(), [framed[:cut], framed[cut:]])
            self.assertStatus(answer, 202)
            self.check_blob(location, blob)

    def test_expect_100_continue_is_answered_before_the_body(self):
        blob, connection = b"waited for", self.connect()
        for _ in range(2):  # and the connection goes on
            connection.ask("POST", f"/v2/expect/blobs/uploads/?digest={digest_of(blob)}",
                           [("Expect", "100-continue"), ("Content-Length", len(blob))])
            self.assertStatus(connection.response(), 100)
            connection.send(blob)
            self.assertStatus(connection.response(), 201)

    def test_expect_is_refused_before_the_body(self):
        connection = self.connect()
        connection.ask("PUT", "/v2/expect/blobs/uploads/0123?digest=sha256:0", [
            ("Expect", "100-continue"), ("Content-Length", 10 * MIB)])
        answer = connection.response()
        self.assertStatus(answer, 400, "DIGEST_INVALID")
        self.assertEqual(answer["Connection"], "close")
        self.assertTrue(connection.is_closed())

    def test_any_other_expectation_is_417(self):
        connection = self.connect()
        self.assertStatus(connection.request("GET", "/v2/", [("Expect", "miracles")]), 417)
        self.assertTrue(connection.is_closed())

    def test_a_refused_small_body_leaves_the_connection_usable(self):
        connection = self.connect()
        answer = connection.request("PUT", "/v2/UPPER/manifests/x", [("Content-Type", OCTETS)], b"x" * 60_000)
        self.assertStatus(answer, 400, "NAME_INVALID")
        self.assertStatus(connection.request("GET", "/v2/"), 200)

    def test_the_answer_to_a_refused_large_body_can_be_read(self):
        server = self.serve('[access]\nanonymous = "none"\n')
        with server.connect() as connection:
            connection.ask("POST", "/v2/large/blobs/uploads/?digest=sha256:" + "0" * 64,
                           [("Content-Length", 16 * MIB)])
            for _ in range(16):
                connection.send(bytes(MIB))  # a client that looks for an answer only once all is sent
            answer = connection.response()
            self.assertStatus(answer, 403, "DENIED")
            self.assertEqual(answer["Connection"], "close")
            self.assertTrue(connection.is_closed())


class AccessLogTest(ServerTest):
    def line(self, server, path):
        return eventually(lambda: server.log_lines("request", f"path={path} "), "the request's line in the log")[0]

    def test_x_forwarded_for_of_strangers_is_not_believed(self):
        server = self.serve()
        answer = server.request("GET", "/v2/stranger", [("X-Forwarded-For", "203.0.113.7"), ("X-Request-Id", "mine")])
        self.assertIn(" client=127.0.0.1 ", self.line(server, "/v2/stranger"))
        self.assertNotEqual(answer["X-Request-Id"], "mine")

    def test_x_forwarded_for_of_proxies_is_believed(self):
        server = self.serve('[server]\nproxies = ["127.0.0.0/8", "10.0.0.1"]\n')
        chains = {"/v2/one": (["203.0.113.7"], "203.0.113.7"),
                  "/v2/liar": (["1.2.3.4, 203.0.113.7"], "203.0.113.7"),
                  "/v2/two": (["203.0.113.7, 10.0.0.1"], "203.0.113.7"),
                  "/v2/fields": (["1.2.3.4", "203.0.113.7,10.0.0.1"], "203.0.113.7"),
                  "/v2/six": (["2001:db8::1"], "2001:db8::1"),
                  "/v2/none": ([], "127.0.0.1"),
                  "/v2/long": (["9" * 100], "127.0.0.1")}
        for path, (chain, client) in chains.items():
            server.request("GET", path, [("X-Forwarded-For", value) for value in chain])
            self.assertIn(f" client={client} ", self.line(server, path))
        answer = server.request("GET", "/v2/id", [("X-Request-Id", "proxy-chose-this")])
        self.assertEqual(answer["X-Request-Id"], "proxy-chose-this")
        self.assertIn(" id=proxy-chose-this ", self.line(server, "/v2/id"))

    def test_a_line_has_what_was_asked_and_answered(self):
        server = self.serve()
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = server.request("GET", "/v2/a/tags/list?n=5", [("traceparent", f"00-{trace}-00f067aa0ba902b7-01"),
                                                              ("User-Agent", 'quoted "agent" =x')])
        line = self.line(server, "/v2/a/tags/list")
        for part in (" method=GET ", " status=404 ", " in=0 ", " complete=true ", " user=anonymous ",
                     r' agent="quoted \"agent\" =x" ', " route=tags.list ", f" id={answer['X-Request-Id']} ",
                     f" trace={trace}"):
            self.assertIn(part, line)
        self.assertRegex(line, r" seconds=\d+\.?\d* ")

    def test_a_malformed_traceparent_is_left_out(self):
        server = self.serve()
        for i, value in enumerate(["00-zz", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "garbage"]):
            server.request("GET", f"/v2/trace{i}", [("traceparent", value)])
            self.assertTrue(self.line(server, f"/v2/trace{i}").endswith(' trace=""'))

    def test_control_characters_cannot_forge_lines(self):
        server = self.serve()
        server.request("GET", "/v2/x%0aforged%20line%1b%5b31m")
        line = eventually(lambda: server.log_lines("forged"), "the request's line in the log")
        self.assertEqual(len(line), 1)
        self.assertTrue(re.search(r' path="/v2/x\\nforged line\\u001b\[31m" ', line[0]), line)

    def test_json_lines(self):
        server = self.serve('[log]\nformat = "json"\n')
        server.request("GET", "/v2/json")
        line = eventually(lambda: server.log_lines('"path":"/v2/json"'), "the request's line in the log")[0]
        self.assertIn('"level":"info","event":"request","method":"GET"', line)
        self.assertIn('"status":404', line)


if __name__ == "__main__":
    unittest.main()
