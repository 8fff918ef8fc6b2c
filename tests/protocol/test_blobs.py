"""Pulling and deleting blobs: whole, in ranges, unchanged, lost."""

import os
import unittest

from slipway_server import OCTETS, ServerTest, digest_of, eventually, files_only

BLOB = bytes(i * i % 251 for i in range(100_000))


class PullTest(ServerTest):
    def setUp(self):
        self.path = f"/v2/pull/blobs/{self.shared().push_blob('pull', BLOB)}"

    def get(self, *headers, method="GET", path=None):
        return self.shared().request(method, path or self.path, headers)

    def test_whole(self):
        answer = self.assertStatus(self.get(), 200)
        self.assertEqual(answer.body, BLOB)
        self.assertEqual(answer["Content-Type"], OCTETS)
        self.assertEqual(answer["Docker-Content-Digest"], digest_of(BLOB))
        self.assertEqual(answer["ETag"], f'"{digest_of(BLOB)}"')
        self.assertEqual(answer["Accept-Ranges"], "bytes")

    def test_head_says_what_get_says(self):
        def fields(answer):
            return [(name, value) for name, value in answer.fields if name not in ("Date", "X-Request-Id")]
        self.assertEqual(fields(self.get(method="HEAD")), fields(self.get()))

    def test_large_blobs_arrive_whole(self):
        blob = os.urandom(1 << 20) * 9 + b"end"
        path = f"/v2/pull/blobs/{self.shared().push_blob('pull', blob)}"
        connection = self.connect()
        for _ in range(3):
            self.assertEqual(connection.request("GET", path).body, blob)
        self.assertEqual(connection.request("GET", path, [("Range", "bytes=1000000-")]).body, blob[1_000_000:])

    def test_ranges(self):
        size = len(BLOB)
        for text, first, end in (("0-0", 0, 1), ("0-99", 0, 100), ("500-500", 500, 501),
                                 ("99999-99999", size - 1, size), ("99999-", size - 1, size), ("0-", 0, size),
                                 ("1000-", 1000, size),
                                 ("-1", size - 1, size), ("-100000", 0, size), ("-999999", 0, size),
                                 ("0-100000", 0, size), ("99990-18446744073709551615", size - 10, size)):
            answer = self.assertStatus(self.get(("Range", f"bytes={text}")), 206)
            self.assertEqual(answer.body, BLOB[first:end], text)
            self.assertEqual(answer["Content-Range"], f"bytes {first}-{end - 1}/{size}")
            self.assertEqual(answer["Content-Length"], str(end - first))
            self.assertEqual(answer["Docker-Content-Digest"], digest_of(BLOB))

    def test_ranges_that_cannot_be_had(self):
        for text in ("100000-", "100000-100001", "500-0", "-0"):
            answer = self.assertStatus(self.get(("Range", f"bytes={text}")), 416)
            self.assertEqual(answer["Content-Range"], "bytes */100000", text)
            answer.code()

    def test_ranges_that_are_none_are_ignored(self):
        for text in ("bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "lines=0-1", "0-1",
                     "bytes=99999999999999999999-", "bytes=1-99999999999999999999", "bytes = 0-1"):
            answer = self.get(("Range", text))
            self.assertIn(answer.status, (200, 206, 416), text)
            if answer.status == 200:
                self.assertEqual(answer.body, BLOB)

    def test_ranges_of_nothing(self):
        path = f"/v2/pull/blobs/{self.shared().push_blob('pull', b'')}"
        for text in ("bytes=0-", "bytes=0-0", "bytes=-1"):
            self.assertStatus(self.get(("Range", text), path=path), 416)
        self.assertEqual(self.get(path=path).body, b"")

    def test_unchanged(self):
        etag = f'"{digest_of(BLOB)}"'
        for value in (etag, f'"other", {etag}', f"W/{etag}"):
            answer = self.assertStatus(self.get(("If-None-Match", value)), 304)
            self.assertEqual(answer["ETag"], etag)
        self.assertEqual(self.get(("If-None-Match", '"other"')).body, BLOB)
        connection = self.connect()  # and nothing of a body is left on the line
        self.assertStatus(connection.request("GET", self.path, [("If-None-Match", etag)]), 304)
        self.assertEqual(connection.request("GET", self.path).body, BLOB)

    def test_a_blob_belongs_to_its_repository(self):
        for path in (f"/v2/stranger/blobs/{digest_of(BLOB)}", f"/v2/pull/blobs/{digest_of(b'none')}",
                     f"/v2/pull/deeper/blobs/{digest_of(BLOB)}"):
            self.assertStatus(self.get(path=path), 404, "BLOB_UNKNOWN")
            self.assertStatus(self.get(path=path, method="HEAD"), 404)

    def test_delete_takes_it_from_one_repository(self):
        server, blob = self.shared(), b"deleted"
        for repository in ("delete/one", "delete/two"):
            server.push_blob(repository, blob)
        path = f"/v2/delete/one/blobs/{digest_of(blob)}"
        self.assertStatus(server.request("GET", path), 200)
        self.assertStatus(server.request("DELETE", path), 202)
        for method in ("GET", "DELETE"):
            self.assertStatus(server.request(method, path), 404, "BLOB_UNKNOWN")
        self.assertEqual(server.request("GET", f"/v2/delete/two/blobs/{digest_of(blob)}").body, blob)
        server.push_blob("delete/one", blob)
        self.assertEqual(server.request("GET", path).body, blob)

    def test_wrong_methods(self):
        answer = self.shared().request("PUT", self.path, body=b"x")
        self.assertStatus(answer, 405)
        self.assertEqual(answer["Allow"], "GET, HEAD, DELETE")


class LostTest(ServerTest):
    """Bytes that vanished from the store: a client must be told, or it would never push them again."""

    def lose(self, server, blob, damage):
        files = [path for path in server.store_files("raw") if path.stat().st_size == len(blob)]
        self.assertEqual(len(files), 1)
        damage(files[0])

    @files_only
    def test_a_lost_blob_is_404_and_a_push_heals_it(self):
        ways = {"single": lambda server, blob: server.push_blob("lost", blob),
                "session": lambda server, blob: server.request(
                    "PUT", f"{server.begin_upload('lost')}?digest={digest_of(blob)}", body=blob)}
        for number, (way, push) in enumerate(ways.items()):
            for damage in (os.unlink, lambda path: os.truncate(path, 5)):
                server, blob = self.serve(), os.urandom(100_000 + number)
                content = server.push_image("lost", "image")
                path = f"/v2/lost/blobs/{server.push_blob('lost', blob)}"
                self.assertStatus(server.request("HEAD", path), 200)
                self.lose(server, blob, damage)
                # A file that was just asked for stays open for a second.
                eventually(lambda server=server, path=path: server.request("HEAD", path).status == 404, seconds=3)
                self.assertStatus(server.request("GET", path), 404, "BLOB_UNKNOWN")
                answer = server.request("POST", f"/v2/other/blobs/uploads/?mount={digest_of(blob)}&from=lost", body=b"")
                self.assertStatus(answer, 202)  # what is lost cannot be mounted
                self.assertEqual(server.slipway("doctor", "--deep").returncode, 1, way)

                push(server, blob)
                self.assertEqual(server.request("GET", path).body, blob, way)
                self.assertEqual(server.request("GET", "/v2/lost/manifests/image").body, content)
                done = server.slipway("doctor", "--deep")
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertTrue(server.log_lines("a lost blob is healed"))

    @files_only
    def test_bytes_are_lost_while_the_server_is_down(self):
        server, blob = self.serve(), os.urandom(200_000)
        path = f"/v2/lost/blobs/{server.push_blob('lost', blob)}"
        server.stop()
        self.lose(server, blob, os.unlink)
        server.start()
        self.assertStatus(server.request("GET", path), 404, "BLOB_UNKNOWN")
        server.push_blob("lost", blob)
        self.assertEqual(server.request("GET", path).body, blob)
        eventually(lambda: server.log_lines("pushing it again heals it"), "an error in the log")


if __name__ == "__main__":
    unittest.main()
