"""What the server refuses before any handler sees it: broken framing, oversized heads, paths that climb."""

import unittest

from slipway_server import ServerTest, digest_of, eventually

TLS_CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(190))


class FramingTest(ServerTest):
    def refuse(self, text, *statuses):
        """Sends it, expects one of the statuses and the end of the connection."""
        connection = self.connect()
        connection.send(text)
        answer = connection.response()
        self.assertIn(answer.status, statuses or (400,), (text, answer))
        self.assertEqual(answer["Connection"], "close", text)
        self.assertTrue(connection.is_closed(), text)
        return answer

    def test_ambiguous_lengths(self):
        # Each would let a proxy and the registry disagree on where the request ends.
        body = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        for fields in ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                       "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                       "Content-Length: 5\r\nContent-Length: 6\r\n",
                       "Content-Length: 5\r\nContent-Length: 5\r\n",
                       "Content-Length: 5, 6\r\n",
                       "Content-Length: +5\r\n",
                       "Content-Length: -5\r\n",
                       "Content-Length: 0x5\r\n",
                       "Content-Length: 5 5\r\n",
                       "Content-Length: 99999999999999999999\r\n",
                       "Content-Length:\r\n"):
            self.refuse(f"POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n{fields}\r\n{body}")
        self.assertEqual(self.shared().log_lines("smuggled"), [])

    def test_transfer_codings_other_than_chunked(self):
        post = "POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: x\r\n"
        for coding in ("gzip", "chunked, gzip", "identity", "xchunked", ""):
            self.refuse(f"{post}Transfer-Encoding: {coding}\r\n\r\n0\r\n\r\n", 400)  # nobody can tell its end
        self.refuse(f"{post}Transfer-Encoding: gzip, chunked\r\n\r\n", 501)
        for coding in ("chunked, chunked", "chunked;q=1"):
            self.refuse(f"{post}Transfer-Encoding: {coding}\r\n\r\n", 400, 501)
        self.refuse(f"{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n", 400)
        self.refuse("POST /v2/a/blobs/uploads/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400)

    def test_broken_chunks(self):
        for body in ("zz\r\n", "-1\r\n", "5\r\nhelloX\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n", "fffffffffffffffff\r\n",
                     " 5\r\nhello\r\n0\r\n\r\n"):
            # A broken head of a chunk is only known to be one when it is complete, as far as the empty line.
            self.refuse("POST /v2/a/blobs/uploads/?digest=sha256:" + "0" * 64 + " HTTP/1.1\r\nHost: x\r\n"
                        f"Transfer-Encoding: chunked\r\n\r\n{body}\r\n\r\n")

    def test_lines_that_are_not_http(self):
        for text in ("GET /v2/ HTTP/1.1\nHost: x\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\nX-Bare: lf\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Bare: c\rr\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\r\nSpace : before\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\r\nN\0ul: x\r\n\r\n",
                     "GET /v2/ HTTP/1.1\r\nHost: x\r\nNul: \0\r\n\r\n",
                     "GET /v2/\r\n\r\n",
                     "GET  /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
                     "GET /v2/ HTTP/1.1 \r\nHost: x\r\n\r\n",
                     "GET /v2/ x HTTP/1.1\r\nHost: x\r\n\r\n",
                     "G\x01T /v2/ HTTP/1.1\r\nHost: x\r\n\r\n",
                     "\x00\x01\x02\r\n\r\n"):
            self.refuse(text, 400, 505)

    def test_hosts_and_versions(self):
        self.refuse("GET /v2/ HTTP/1.1\r\n\r\n")
        self.refuse("GET /v2/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n")
        self.refuse("GET /v2/ HTTP/2.0\r\nHost: x\r\n\r\n", 400, 505)
        self.refuse("GET /v2/ HTTP/0.9\r\nHost: x\r\n\r\n", 400, 505)
        self.refuse("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505)

    def test_a_bare_line_feed_ends_no_head(self):
        connection = self.connect()
        connection.send("GET /v2/lf HTTP/1.1\nHost: x\n\n")
        self.assertIn(connection.response().status, (400, 505))
        self.assertTrue(connection.is_closed())
        self.assertEqual(self.shared().log_lines("path=/v2/lf"), [])

    def test_heads_that_are_too_large(self):
        self.refuse("GET /v2/ HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 100 + "\r\n", 431)
        self.refuse("GET /v2/ HTTP/1.1\r\nHost: x\r\nX: " + "y" * (32 << 10) + "\r\n\r\n", 431)
        self.refuse("GET /v2/" + "y" * (32 << 10) + " HTTP/1.1\r\nHost: x\r\n\r\n", 431)
        self.refuse("GET /v2/" + "y" * (33 << 10), 431)  # it will not wait for the end of that
        connection = self.connect()
        connection.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 99 + "\r\n")
        self.assertStatus(connection.response(), 200)

    def test_tls_on_the_plain_port(self):
        # Docker and containerd look for exactly these bytes before they fall back to plain HTTP.
        connection = self.connect()
        connection.send(TLS_CLIENT_HELLO)
        answer = connection.response()
        self.assertEqual((answer.version, answer.status), ("HTTP/1.0", 400))
        self.assertIn(b"plain HTTP", answer.body)

    def test_what_was_refused_is_logged_and_counted(self):
        server = self.serve()
        with server.connect() as connection:
            connection.send("GET /v2/ HTTP/1.1\r\nSpace : before\r\n\r\n")
            connection.response()
        eventually(lambda: server.log_lines("status=400", "route=malformed"), "the refusal's line in the log")
        self.assertIn(b'slipway_http_requests_total{code="400",route="malformed"} 1',
                      server.request("GET", "/metrics").body)

    def test_the_server_outlives_garbage(self):
        for seed in range(64):
            connection = self.connect()
            connection.send(bytes((seed * 131 + i * (i + seed)) % 256 for i in range(500)) + b"\r\n\r\n")
            try:
                self.assertGreaterEqual(connection.response().status, 400)
            except ConnectionError:
                pass  # closing without a word is an answer too
        self.assertStatus(self.connect().request("GET", "/v2/"), 200)


class PathsTest(ServerTest):
    def setUp(self):
        self.blob = b"only by its own name"
        self.digest = self.shared().push_blob("team/app", self.blob)
        self.shared().push_image("team/app", "one")

    def test_paths_that_climb_or_hide_are_refused(self):
        connection = self.connect()
        for path in ("/v2/other/../team/app/blobs/{}", "/v2/other/%2e%2e/team/app/blobs/{}",
                     "/v2/other/%2E./team/app/blobs/{}", "/v2/other%2F..%2Fteam/app/blobs/{}",
                     "/v2/./team/app/blobs/{}", "/v2/%2e/team/app/blobs/{}", "/v2/team%2Fapp/blobs/{}",
                     "/v2/team%2fapp/blobs/{}", "/v2/team/app%00/blobs/{}", "/v2/team/app/blobs/{}%00",
                     "/v2/team/app/blobs%2F{}", "/v2/team/app/manifests/..", "/v2/team/app/manifests/%2e%2e",
                     "/v2/team/app/blobs/{}%", "/v2/team/app/blobs/{}%2", "/v2/team/app/blobs/{}%zz",
                     "/../v2/team/app/blobs/{}", "/%2e%2e/etc/passwd", "v2/team/app/blobs/{}", "*",
                     "http://x/v2/%2e%2e/team/app/blobs/{}"):
            answer = connection.request("GET", path.format(self.digest))
            self.assertEqual(answer.status, 400, path)
            connection = self.connect()

    def test_empty_and_odd_segments_reach_no_name(self):
        connection = self.connect()
        for path in ("/v2//team/app/blobs/{}", "/v2/team//app/blobs/{}", "/v2/team/app//blobs/{}",
                     "//v2/team/app/blobs/{}", "/v2/team/app/blobs//{}", "/v2/team/app/blobs/{}/",
                     "/v2/team\\app/blobs/{}", "/v2/%20team/app/blobs/{}", "/v2/team/app/blobs/{}%0a",
                     "/V2/team/app/blobs/{}", "/v2;/team/app/blobs/{}", "/v2/team/app;x/blobs/{}",
                     "/v2/team%252Fapp/blobs/{}", "/v2/team/app/blobs/{}#"):
            answer = connection.request("GET", path.format(self.digest))
            self.assertIn(answer.status, (400, 404), path)
            self.assertNotEqual(answer.body, self.blob)
        self.assertEqual(connection.request("GET", f"/v2/team/app/blobs/{self.digest}").body, self.blob)

    def test_harmless_escapes_are_decoded(self):
        connection = self.connect()
        self.assertEqual(connection.request("GET", f"/v2/%74eam/app/%62lobs/{self.digest.replace(':', '%3A')}").body,
                         self.blob)
        self.assertEqual(connection.request("GET", "/v2/team/app/tags/list?last=%6e").json()["tags"], ["one"])

    def test_queries(self):
        connection = self.connect()
        self.assertStatus(connection.request("GET", "/v2/?" + "&".join(["a=b"] * 64)), 200)
        self.assertStatus(connection.request("GET", "/v2/?&&=&a&=b"), 200)
        self.assertStatus(connection.request("GET", "/v2/?a=%"), 400)
        self.assertStatus(self.connect().request("GET", "/v2/?" + "&".join(["a=b"] * 65)), 400)

    def test_answers_never_start_a_line_of_the_clients_making(self):
        evil = "%0d%0aSet-Cookie:%20evil=1%0d%0a%0d%0a"
        requests = [("GET", f"/v2/team/app/tags/list?n=1&last={evil}"), ("GET", f"/v2/team/app{evil}/tags/list"),
                    ("GET", f"/v2/team/app/blobs/{evil}"), ("GET", f"/v2/team/app/manifests/{evil}"),
                    ("GET", f"/v2/team/app/blobs/uploads/{evil}"), ("GET", f"/v2/{evil}"), ("GET", f"/{evil}"),
                    ("POST", f"/v2/team/app/blobs/uploads/?mount={self.digest}&from={evil}"),
                    ("POST", f"/v2/team/app/blobs/uploads/?digest={evil}"),
                    ("PUT", f"/v2/team/app/blobs/uploads/x?digest={evil}")]
        for method, target in requests:
            answer = self.connect().request(method, target, body=None if method == "GET" else b"")
            self.assertIsNone(answer["Set-Cookie"], target)
            for name, value in answer.fields:
                self.assertNotIn("\n", name + value)
            self.assertEqual(len(answer.body), int(answer["Content-Length"]), target)

    def test_names_of_uploads_are_not_paths(self):
        location = self.shared().begin_upload("team/app")
        name = location.rsplit("/", 1)[1]
        for other in ("team", "other/app", "team/app/x"):
            self.assertStatus(self.connect().request("GET", f"/v2/{other}/blobs/uploads/{name}"), 404,
                              "BLOB_UPLOAD_UNKNOWN")
        self.assertStatus(self.connect().request("GET", location), 204)
        blob = b"x"
        self.assertStatus(self.connect().request("PUT", f"{location}?digest={digest_of(blob)}", body=blob), 201)


if __name__ == "__main__":
    unittest.main()
