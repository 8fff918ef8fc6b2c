"""Every way to push a blob, and what happens to a push that breaks."""

import os
import unittest

from slipway_server import LAYER, ServerTest, chunked, digest_of, eventually, files_only

MIB = 1 << 20


class UploadCase(ServerTest):
    def assertPulls(self, repository, blob, algorithm="sha256", server=None):
        digest = digest_of(blob, algorithm)
        answer = (server or self.shared()).request("GET", f"/v2/{repository}/blobs/{digest}")
        self.assertStatus(answer, 200)
        self.assertEqual(answer.body, blob)
        self.assertEqual(answer["Docker-Content-Digest"], digest)

    def assertCreated(self, answer, repository, digest):
        self.assertStatus(answer, 201)
        self.assertEqual(answer["Docker-Content-Digest"], digest)
        self.assertEqual(answer["Location"], f"/v2/{repository}/blobs/{digest}")

    def assertProgress(self, answer, status, size):
        """A session that holds that many bytes, and says where to go on."""
        self.assertStatus(answer, status)
        self.assertEqual(answer["Range"], f"0-{max(0, size - 1)}")
        self.assertRegex(answer["Location"], r"^/v2/.*/blobs/uploads/[0-9a-f]+$")
        return answer["Location"]


class WaysTest(UploadCase):
    def test_post_then_put(self):
        blob = os.urandom(100_000)
        answer = self.shared().request("POST", "/v2/ways/blobs/uploads/", body=b"")
        location = self.assertProgress(answer, 202, 0)
        self.assertEqual(answer["Docker-Upload-UUID"], location.rsplit("/", 1)[1])
        answer = self.shared().request("PUT", f"{location}?digest={digest_of(blob)}", body=blob)
        self.assertCreated(answer, "ways", digest_of(blob))
        self.assertPulls("ways", blob)
        self.assertStatus(self.shared().request("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")  # the session is over

    def test_single_post(self):
        blob = os.urandom(300_000)
        answer = self.shared().request("POST", f"/v2/ways/blobs/uploads/?digest={digest_of(blob)}", body=blob)
        self.assertCreated(answer, "ways", digest_of(blob))
        self.assertPulls("ways", blob)

    def test_a_stream_of_chunked_transfer(self):  # docker, podman, skopeo
        blob = os.urandom(2 * MIB + 1)
        location = self.shared().begin_upload("ways")
        connection = self.connect()
        connection.ask("PATCH", location, [("Transfer-Encoding", "chunked"), ("Content-Type", LAYER)])
        connection.send(chunked(*(blob[i:i + 32_768] for i in range(0, len(blob), 32_768))))
        location = self.assertProgress(connection.response(), 202, len(blob))
        answer = connection.request("PUT", f"{location}?digest={digest_of(blob)}", body=b"")
        self.assertCreated(answer, "ways", digest_of(blob))
        self.assertPulls("ways", blob)

    def test_a_stream_whose_chunks_end_wherever_they_like(self):
        blob = os.urandom(MIB)
        for first in range((512 << 10) - 12, (512 << 10) + 3):
            connection, location = self.connect(), self.shared().begin_upload("ways")
            connection.ask("PATCH", location, [("Transfer-Encoding", "chunked"), ("Content-Type", LAYER)])
            connection.send(chunked(blob[:first], blob[first:first + 7], blob[first + 7:]))
            self.assertStatus(connection.response(), 202)
            answer = connection.request("PUT", f"{location}?digest={digest_of(blob)}", body=b"")
            self.assertCreated(answer, "ways", digest_of(blob))

    def test_several_streams_are_appended(self):
        blob, location = os.urandom(90_000), self.shared().begin_upload("ways")
        for end in (30_000, 60_000, 90_000):
            answer = self.shared().request("PATCH", location, body=blob[end - 30_000:end])
            location = self.assertProgress(answer, 202, end)
        self.assertStatus(self.shared().request("PUT", f"{location}?digest={digest_of(blob)}"), 201)
        self.assertPulls("ways", blob)

    def test_chunks_with_content_range_and_the_last_in_the_put(self):
        blob, location = os.urandom(70_000), self.shared().begin_upload("ways")
        for first, end in ((0, 1), (1, 30_000), (30_000, 60_000)):
            answer = self.shared().request("PATCH", location, [("Content-Range", f"{first}-{end - 1}")],
                                           blob[first:end])
            location = self.assertProgress(answer, 202, end)
            self.assertProgress(self.shared().request("GET", location), 204, end)
        answer = self.shared().request("PUT", f"{location}?digest={digest_of(blob)}",
                                       [("Content-Range", "60000-69999")], blob[60_000:])
        self.assertCreated(answer, "ways", digest_of(blob))
        self.assertPulls("ways", blob)

    def test_nothing_is_a_blob_too(self):
        empty = self.shared().begin_upload("empty")
        self.assertProgress(self.shared().request("GET", empty), 204, 0)
        self.assertCreated(self.shared().request("PUT", f"{empty}?digest={digest_of(b'')}"), "empty", digest_of(b""))
        self.assertPulls("empty", b"")
        self.shared().push_blob("empty2", b"")
        self.assertPulls("empty2", b"")
        location = self.shared().begin_upload("empty3")
        self.assertProgress(self.shared().request("PATCH", location, body=b""), 202, 0)
        self.assertStatus(self.shared().request("PUT", f"{location}?digest={digest_of(b'')}", body=b""), 201)
        self.assertPulls("empty3", b"")

    def test_sha512(self):
        blob = os.urandom(400_000)
        digest = digest_of(blob, "sha512")
        self.shared().push_blob("post512", blob, algorithm="sha512")
        self.assertPulls("post512", blob, "sha512")

        location = self.shared().begin_upload("patch512")  # nobody said which algorithm it would be
        self.shared().request("PATCH", location, body=blob[:300_000])
        answer = self.shared().request("PUT", f"{location}?digest={digest}", body=blob[300_000:])
        self.assertCreated(answer, "patch512", digest)
        self.assertPulls("patch512", blob, "sha512")

    def test_an_announced_algorithm(self):
        for algorithm in ("sha256", "sha512"):
            blob = os.urandom(100_000)
            answer = self.shared().request("POST", f"/v2/announced/blobs/uploads/?digest-algorithm={algorithm}", body=b"")
            location = self.assertProgress(answer, 202, 0)
            self.assertProgress(self.shared().request("PATCH", location, body=blob), 202, len(blob))
            answer = self.shared().request("PUT", f"{location}?digest={digest_of(blob, 'sha512')}")
            self.assertCreated(answer, "announced", digest_of(blob, "sha512"))  # said or not, either digest will do
            self.assertPulls("announced", blob, "sha512")
        for algorithm in ("md5", "", "SHA512", "sha512%00"):
            answer = self.shared().request("POST", f"/v2/announced/blobs/uploads/?digest-algorithm={algorithm}", body=b"")
            self.assertStatus(answer, 400, "DIGEST_INVALID")

    def test_the_digest_must_be_that_of_the_bytes(self):
        blob, wrong = b"right", digest_of(b"wrong")
        server = self.shared()
        self.assertStatus(server.request("POST", f"/v2/wrong/blobs/uploads/?digest={wrong}", body=blob), 400,
                          "DIGEST_INVALID")
        self.assertStatus(server.request("PUT", f"{server.begin_upload('wrong')}?digest={wrong}", body=blob), 400,
                          "DIGEST_INVALID")
        location = server.begin_upload("wrong")
        server.request("PATCH", location, body=blob)
        self.assertStatus(server.request("PUT", f"{location}?digest={wrong}"), 400, "DIGEST_INVALID")
        self.assertStatus(server.request("HEAD", f"/v2/wrong/blobs/{wrong}"), 404)
        self.assertStatus(server.request("HEAD", f"/v2/wrong/blobs/{digest_of(blob)}"), 404)

    def test_digests_that_are_none(self):
        server = self.shared()
        for digest in ("", "sha256", "sha256:", "sha256:abc", digest_of(b"").upper(), digest_of(b"")[:-1] + "g",
                       "md5:d41d8cd98f00b204e9800998ecf8427e", "sha256:baddigeststring", "sha512:" + "0" * 64):
            for method, target in (("POST", "/v2/wrong/blobs/uploads/"), ("PUT", server.begin_upload("wrong"))):
                self.assertStatus(server.request(method, f"{target}?digest={digest}", body=b""), 400, "DIGEST_INVALID")
            if digest:
                self.assertStatus(server.request("GET", f"/v2/wrong/blobs/{digest}"), 400, "DIGEST_INVALID")
        self.assertStatus(server.request("PUT", server.begin_upload("wrong"), body=b""), 400, "DIGEST_INVALID")


class SessionsTest(UploadCase):
    def test_a_chunk_out_of_order_is_416_and_the_session_lives(self):
        blob, location = os.urandom(30_000), self.shared().begin_upload("order")
        self.shared().request("PATCH", location, [("Content-Range", "0-9999")], blob[:10_000])
        digest = digest_of(blob)
        for first, last in ((0, 9_999), (10_001, 29_999), (20_000, 29_999), (9_999, 29_999)):
            for method, target in (("PATCH", location), ("PUT", f"{location}?digest={digest}")):
                answer = self.shared().request(method, target, [("Content-Range", f"{first}-{last}")],
                                               bytes(last - first + 1))
                self.assertProgress(answer, 416, 10_000)
                answer.code()
                self.assertProgress(self.shared().request("GET", location), 204, 10_000)
        for nonsense in ("10000", "-5", "a-b", "10001-10000", "10000-", "10000 - 20000"):
            answer = self.shared().request("PATCH", location, [("Content-Range", nonsense)], b"x")
            self.assertIn(answer.status, (400, 416), nonsense)
        self.shared().request("PATCH", location, [("Content-Range", "10000-19999")], blob[10_000:20_000])
        self.assertStatus(self.shared().request("PUT", f"{location}?digest={digest}", body=blob[20_000:]), 201)
        self.assertPulls("order", blob)

    def test_a_chunk_of_another_size_than_announced(self):
        location = self.shared().begin_upload("size")
        for announced in ("0-8", "0-10"):
            answer = self.shared().request("PATCH", location, [("Content-Range", announced)], b"0123456789")
            self.assertStatus(answer, 400, "SIZE_INVALID")
            self.assertProgress(self.shared().request("GET", location), 204, 0)
        self.assertStatus(self.shared().request("PUT", f"{location}?digest={digest_of(b'ok')}", body=b"ok"), 201)

    def test_cancel(self):
        location = self.shared().begin_upload("cancel")
        self.shared().request("PATCH", location, body=bytes(300_000))
        self.assertStatus(self.shared().request("DELETE", location), 204)
        for method in ("GET", "PATCH", "DELETE"):
            body = b"x" if method == "PATCH" else None
            self.assertStatus(self.shared().request(method, location, body=body), 404, "BLOB_UPLOAD_UNKNOWN")
        self.assertStatus(self.shared().request("PUT", f"{location}?digest={digest_of(b'x')}", body=b"x"), 404,
                          "BLOB_UPLOAD_UNKNOWN")

    @files_only
    def test_a_failed_session_leaves_nothing_on_the_disk(self):
        server = self.serve()
        uploads = server.data / "store" / "uploads"
        location = server.begin_upload("gone")
        server.request("PATCH", location, body=bytes(300_000))
        self.assertEqual(len(list(uploads.iterdir())), 1)
        server.request("DELETE", location)
        self.assertEqual(list(uploads.iterdir()), [])
        server.request("POST", f"/v2/gone/blobs/uploads/?digest={digest_of(b'wrong')}", body=bytes(300_000))
        self.assertEqual(list(uploads.iterdir()), [])

    def test_unknown_sessions(self):
        for name in ("0" * 32, "x", "%20", "a" * 1000):
            self.assertStatus(self.shared().request("GET", f"/v2/none/blobs/uploads/{name}"), 404,
                              "BLOB_UPLOAD_UNKNOWN")

    def test_wrong_methods(self):
        self.assertStatus(self.shared().request("GET", "/v2/none/blobs/uploads/"), 405)
        self.assertStatus(self.shared().request("POST", self.shared().begin_upload("none"), body=b""), 405)


class MountsTest(UploadCase):
    def mount(self, to, query):
        return self.shared().request("POST", f"/v2/{to}/blobs/uploads/?{query}", body=b"")

    def test_a_mount_moves_no_bytes(self):
        blob = os.urandom(1000)
        digest = self.shared().push_blob("mount/from", blob)
        self.assertCreated(self.mount("mount/to", f"mount={digest}&from=mount/from"), "mount/to", digest)
        self.assertPulls("mount/to", blob)

    def test_without_from_whatever_the_caller_may_read(self):
        digest = self.shared().push_blob("mount/own", b"own")
        self.assertCreated(self.mount("mount/own", f"mount={digest}"), "mount/own", digest)
        self.assertCreated(self.mount("mount/other", f"mount={digest}"), "mount/other", digest)
        self.assertPulls("mount/other", b"own")
        self.assertProgress(self.mount("mount/third", f"mount={digest_of(b'nobody has it')}"), 202, 0)

    def test_without_from_what_was_pushed_by_sha512(self):
        digest = self.shared().push_blob("mount/longer", b"longer", algorithm="sha512")
        self.assertCreated(self.mount("mount/longer2", f"mount={digest}"), "mount/longer2", digest)
        self.assertPulls("mount/longer2", b"longer", "sha512")

    def test_a_miss_begins_an_upload(self):
        blob = b"not there yet"
        for query in ("from=mount/nowhere", "from=mount/empty", "from=..", "from="):
            answer = self.mount("mount/miss", f"mount={digest_of(blob)}&{query}")
            location = self.assertProgress(answer, 202, 0)
        self.assertStatus(self.shared().request("PUT", f"{location}?digest={digest_of(blob)}", body=blob), 201)
        self.assertPulls("mount/miss", blob)
        self.assertStatus(self.mount("mount/miss", "mount=sha256:abc&from=mount/from"), 400, "DIGEST_INVALID")

    @files_only
    def test_equal_blobs_are_kept_once(self):
        server, blob = self.serve(), os.urandom(100_000)
        for repository in ("one", "one", "two"):
            server.push_blob(repository, blob)
        location = server.begin_upload("three")
        server.request("PATCH", location, body=blob)
        self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}"), 201)
        server.push_blob("four", blob, algorithm="sha512")  # under another name the bytes may come again, or not
        status = server.status()
        self.assertEqual(status["repositories"], 4)
        self.assertLessEqual(status["blobs"], 2)
        files = server.store_files("raw")
        self.assertEqual(len(files), status["blobs"])
        self.assertEqual(sum(path.stat().st_size for path in files), status["blob_bytes"])
        self.assertEqual(list((server.data / "store" / "uploads").iterdir()), [])
        for repository in ("one", "two", "three"):
            self.assertPulls(repository, blob, server=server)
        self.assertPulls("four", blob, "sha512", server)


class BrokenTest(UploadCase):
    def progress(self, server, location):
        return int(server.request("GET", location)["Range"].removeprefix("0-")) + 1

    def send_part(self, server, location, part, whole):
        """Begins a PATCH, which holds the session by then, and sends a part of it."""
        connection = self.connect(server)
        connection.ask("PATCH", location, [("Content-Length", whole), ("Expect", "100-continue")])
        self.assertStatus(connection.response(), 100)  # else a request that comes later might be handled before
        connection.send(part)
        return connection

    def finish(self, server, location, blob, position):
        answer = server.request("PATCH", location, [("Content-Range", f"{position}-{len(blob) - 1}")], blob[position:])
        self.assertProgress(answer, 202, len(blob))
        self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}", body=b""), 201)
        repository = location.removeprefix("/v2/").split("/blobs/")[0]
        self.assertPulls(repository, blob, server=server)

    def test_a_request_that_brought_nothing_takes_nothing_along(self):
        server = self.serve()
        for ending in ("sends more", "goes away", "is refused"):
            location = server.begin_upload("nothing")
            old = self.connect(server)
            fields = [("Expect", "100-continue"), ("Content-Length", "5")]
            old.ask("PATCH", location, fields + [("Content-Range", "0-9")] * (ending == "is refused"))
            self.assertStatus(old.response(), 100)  # it holds the session, and has made the file
            blob = f"acknowledged while the other {ending}".encode()
            self.assertProgress(server.request("PATCH", location, body=blob), 202, len(blob))
            if ending != "goes away":
                old.send(b"older")
                self.assertStatus(old.response(), 409)
            old.close()
            eventually(lambda: len(server.log_lines("route=upload.patch", "complete=")) >= 2, "the older one's end")
            self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}", body=b""), 201)
            self.assertPulls("nothing", blob, server=server)

    @files_only
    def test_what_is_lost_tells_no_path(self):
        server = self.serve()
        location = server.begin_upload("lost")
        blob = os.urandom(100_000)
        self.assertProgress(server.request("PATCH", location, body=blob), 202, len(blob))
        for file in (server.data / "store" / "uploads").iterdir():
            file.unlink()
        answer = self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}", body=b""), 404,
                                   "BLOB_UPLOAD_UNKNOWN")
        self.assertNotIn(b"/uploads/0", answer.body)

    def test_a_broken_connection_keeps_what_came(self):
        server, blob = self.shared(), os.urandom(3 * MIB)
        for begun in (0, 1000):
            location = server.begin_upload("broken")
            if begun:
                server.request("PATCH", location, body=blob[:begun])
            self.send_part(server, location, blob[begun:2 * MIB], len(blob) - begun).close()
            eventually(lambda: self.progress(server, location) > MIB, "the progress of the broken request")
            self.finish(server, location, blob, self.progress(server, location))

    def test_a_later_request_takes_over_from_one_that_hangs(self):
        server, blob = self.shared(), os.urandom(2 * MIB)
        location = server.begin_upload("hangs")
        hanging = self.send_part(server, location, blob[:MIB], len(blob))
        # The client that comes back does not know how far it got; the refusal says it.
        def come_back():
            answer = server.request("PATCH", location, [("Content-Range", f"{2 * MIB}-{2 * MIB}")], b"x")
            self.assertStatus(answer, 416)
            return int(answer["Range"].removeprefix("0-")) + 1
        position = come_back()
        if position == 1:  # so early that nothing had been handed on: 0-0 means both
            position = 0
        self.finish(server, location, blob, position)
        try:
            hanging.send(blob[MIB:])
            answer = hanging.response()
            self.assertIn(answer.status, (404, 409))
        except OSError:
            pass  # cut off, which says the same

    def test_sessions_outlive_kill_9(self):
        server, blob = self.serve(), os.urandom(MIB)
        location = server.begin_upload("killed")
        for begin in (0, 100_000, 200_000):
            self.assertStatus(server.request("PATCH", location, body=blob[begin:begin + 100_000]), 202)
            server.kill()
            server.start()
            self.assertProgress(server.request("GET", location), 204, begin + 100_000)
        self.finish(server, location, blob, 300_000)

    @files_only
    def test_kill_9_in_the_middle_goes_back_to_what_was_acknowledged(self):
        server, blob = self.serve(), os.urandom(4 * MIB)
        location = server.begin_upload("killed")
        self.assertStatus(server.request("PATCH", location, body=blob[:100_000]), 202)
        connection = self.connect(server)
        connection.ask("PATCH", location, [("Content-Length", len(blob) - 100_000)])
        connection.send(blob[100_000:3 * MIB])
        upload = next((server.data / "store" / "uploads").iterdir())
        eventually(lambda: upload.stat().st_size > MIB, "bytes of the second request on the disk")
        server.kill()
        server.start()
        self.assertProgress(server.request("GET", location), 204, 100_000)
        self.finish(server, location, blob, 100_000)

    def test_kill_9_during_a_put_leaves_nothing_visible(self):
        server, blob = self.serve(), os.urandom(2 * MIB)
        location = server.begin_upload("killed")
        connection = self.connect(server)
        connection.ask("PUT", f"{location}?digest={digest_of(blob)}", [("Content-Length", len(blob))])
        connection.send(blob[:MIB])
        server.kill()
        server.start()
        self.assertStatus(server.request("HEAD", f"/v2/killed/blobs/{digest_of(blob)}"), 404)
        self.assertProgress(server.request("GET", location), 204, 0)
        self.finish(server, location, blob, 0)

    def test_what_was_acknowledged_outlives_kill_9(self):
        server = self.serve()
        for i in range(10):
            content = server.push_image("acknowledged", f"tag-{i}", f"text {i}")
            server.kill()
            server.start()
            self.assertEqual(server.request("GET", f"/v2/acknowledged/manifests/tag-{i}").body, content)
        self.assertEqual(server.slipway("doctor").returncode, 0)


if __name__ == "__main__":
    unittest.main()
