"""Plain HTTP caches: bytes by a key, within a bound."""

import json
import os
import threading
import unittest
from xml.etree import ElementTree

from slipway_server import basic, digest_of, eventually, files_only
from test_access import PASSWORD, AccessCase


class CasCase(AccessCase):
    def setUp(self):
        self.server = self.shared()

    def put(self, path, content, server=None, headers=()):
        return (server or self.server).request("PUT", f"/cas/{path}", headers, content)

    def get(self, path, server=None, headers=()):
        return (server or self.server).request("GET", f"/cas/{path}", headers)

    def assertKept(self, path, content, server=None):
        answer = self.assertStatus(self.get(path, server), 200)
        self.assertEqual(answer.body, content)
        self.assertEqual(answer["ETag"], f'"{digest_of(content)}"')
        self.assertIsNone(answer["Content-Encoding"])
        head = (server or self.server).request("HEAD", f"/cas/{path}")
        self.assertEqual((head.status, head["Content-Length"]), (200, str(len(content))))


class KeysTest(CasCase):
    def test_put_get_head_delete(self):
        for size in (0, 1, 100_000, 3 << 20):
            content = os.urandom(size)
            self.assertStatus(self.get(f"c/{size}"), 404)
            self.assertStatus(self.put(f"c/{size}", content), 201)
            self.assertKept(f"c/{size}", content)
            self.assertStatus(self.server.request("DELETE", f"/cas/c/{size}"), 204)
            self.assertStatus(self.get(f"c/{size}"), 404)
            self.assertStatus(self.server.request("DELETE", f"/cas/c/{size}"), 404)

    def test_a_put_replaces(self):
        for content in (b"old", b"new", b"new", b"old"):
            self.assertStatus(self.put("replace/k", content), 201)
            self.assertKept("replace/k", content)

    def test_keys(self):
        for key in ("a", "ab/cdef0123", "ac/" + "0" * 64, "a%20b"[:1] + "~!$&'()*+,;=:@-._", "x" * 512, "%2541"):
            self.assertStatus(self.put(f"keys/{key}", key.encode()), 201)
            self.assertKept(f"keys/{key}", key.encode())
        for path in ("", "keys", "keys/", "keys/a/", "keys//a", "keys/" + "x" * 513, "keys/a%20b", "keys/%C3%A4",
                     "UPPER/a", "a..b/k", ".a/k", "a-/k", "a%2Fb/k"):
            self.assertIn(self.put(path, b"x").status, (400, 404), path)

    def test_content_addressed_keys_are_checked(self):
        content = b"an action's output"
        hexadecimal = digest_of(content).removeprefix("sha256:")
        self.assertStatus(self.put(f"bazel/cas/{hexadecimal}", content), 201)
        self.assertKept(f"bazel/cas/{hexadecimal}", content)
        self.assertStatus(self.put(f"bazel/cas/{hexadecimal}", b"other bytes"), 400)
        self.assertKept(f"bazel/cas/{hexadecimal}", content)
        self.assertStatus(self.put(f"bazel/ac/{hexadecimal}", b"an action's result is not its key"), 201)
        self.assertStatus(self.put(f"bazel/xcas/{hexadecimal}", b"neither is this"), 201)

    def test_other_methods(self):
        for method in ("POST", "PATCH", "OPTIONS"):
            answer = self.assertStatus(self.server.request(method, "/cas/c/k", body=b"x"), 405)
            self.assertEqual(answer["Allow"], "GET, HEAD, PUT, DELETE")

    def test_folders_are_there_for_webdav_clients(self):
        for path in ("/cas/c/", "/cas/c/a/b/", "/cas/new/%26%3Ca%20b/"):
            answer = self.assertStatus(self.server.request("PROPFIND", path, [("Depth", "0")], b"<propfind/>"), 207)
            response = ElementTree.fromstring(answer.body).find("{DAV:}response")
            self.assertEqual(response.findtext("{DAV:}href"), path)
            self.assertIsNotNone(response.find(".//{DAV:}resourcetype/{DAV:}collection"))
            self.assertEqual(response.findtext(".//{DAV:}status"), "HTTP/1.1 200 OK")
        self.assertStatus(self.server.request("MKCOL", "/cas/c/a/"), 404)
        self.assertStatus(self.server.request("PROPFIND", "/cas/UPPER/"), 404)
        self.assertStatus(self.server.request("PROPFIND", "/cas/c/k"), 405)
        self.assertStatus(self.server.request("PROPFIND", "/v2/"), 405)
        self.assertStatus(self.get("new/x"), 404)

    def test_a_broken_upload_leaves_what_was_there(self):
        self.assertStatus(self.put("broken/k", b"whole"), 201)
        with self.server.connect() as connection:
            connection.send("PUT /cas/broken/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        self.assertKept("broken/k", b"whole")

    def test_images_and_caches_keep_apart(self):
        self.server.push_image("image", "tag")
        self.assertStatus(self.put("image/k", b"x"), 409)
        self.assertStatus(self.put("onlycache/k", b"x"), 201)
        answer = self.server.request("POST", "/v2/onlycache/blobs/uploads/", body=b"")
        self.assertStatus(answer, 409)
        self.assertEqual(self.server.request("GET", f"/v2/onlycache/blobs/{digest_of(b'x')}").body, b"x")

    @files_only
    def test_what_is_refused_for_its_name_leaves_nothing(self):
        server = self.serve()
        server.push_image("image", "tag")
        self.assertStatus(self.put("onlycache/k", b"x", server), 201)
        for number in range(3):
            self.assertStatus(self.put("image/k", os.urandom(100), server), 409)
            data = os.urandom(100)
            target = f"/v2/onlycache/blobs/uploads/?digest={digest_of(data)}"
            self.assertStatus(server.request("POST", target, body=data), 409)
        shown = json.loads(server.slipway("doctor", "--deep", "--json").stdout)
        self.assertIn("; 0 files", next(check["message"] for check in shown["checks"] if check["name"] == "store contents"))

    @files_only
    def test_equal_bytes_are_kept_once(self):
        server, content = self.serve(), os.urandom(70_000)
        server.push_blob("image", content)
        for key in ("c/1", "c/2", "d/1"):
            self.assertStatus(self.put(key, content, server), 201)
        self.assertEqual(server.status()["blobs"], 1)
        self.assertEqual(len(server.store_files("raw")), 1)

    def test_what_was_acknowledged_outlives_kill_9(self):
        server = self.serve()
        for number in range(20):
            self.assertStatus(self.put(f"c/{number}", b"%d" % number, server), 201)
        server.kill()
        server.start()
        for number in range(20):
            self.assertKept(f"c/{number}", b"%d" % number, server)


class BoundTest(CasCase):
    def raw_bytes(self, server):
        return sum(file.stat().st_size for file in server.store_files("raw"))

    @files_only
    def test_the_least_recently_used_go(self):
        server = self.serve('[cas]\nbytes = "1MB"\nentry_bytes = "400KB"\n')
        contents = {number: os.urandom(300_000) for number in range(6)}
        for number, content in contents.items():
            self.assertStatus(self.put(f"c/{number}", content, server), 201)
        self.assertEqual([number for number in contents if self.get(f"c/{number}", server).status == 200], [3, 4, 5])
        self.assertEqual(self.raw_bytes(server), 900_000)  # at once, not some day
        server.stop()  # tells what was read, and when
        server.start()
        self.assertKept("c/3", contents[3], server)
        server.stop()
        server.start()
        self.assertStatus(self.put("c/new", os.urandom(300_000), server), 201)
        self.assertEqual([number for number in contents if self.get(f"c/{number}", server).status == 200], [3, 5])
        metrics = server.request("GET", "/metrics").body.decode()
        self.assertIn("slipway_cas_evicted_total 1\n", metrics)

    @files_only
    def test_each_cache_has_its_own(self):
        server = self.serve('[cas]\nbytes = "1MB"\n')
        for cache in ("a", "b"):
            for number in range(3):
                self.assertStatus(self.put(f"{cache}/{number}", os.urandom(300_000), server), 201)
        self.assertEqual(self.raw_bytes(server), 1_800_000)

    def test_entries_that_are_too_large(self):
        server = self.serve('[cas]\nentry_bytes = "4KB"\n')
        self.assertStatus(self.put("c/k", b"x" * 4000, server), 201)
        self.assertStatus(self.put("c/k", b"x" * 4001, server), 413)
        with server.connect() as connection:  # nobody said how much it would be
            connection.send("PUT /cas/c/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            connection.send(b"1388\r\n" + b"x" * 5000 + b"\r\n0\r\n\r\n")
            self.assertStatus(connection.response(), 413)
        self.assertKept("c/k", b"x" * 4000, server)

    @files_only
    def test_what_was_replaced_or_deleted_takes_no_room(self):
        server = self.serve()
        new = os.urandom(80_000)
        self.put("c/k", os.urandom(200_000), server)
        self.put("c/k", new, server)
        self.assertEqual(self.raw_bytes(server), 80_000)
        self.put("c/other", new, server)
        self.assertStatus(server.request("DELETE", "/cas/c/k"), 204)
        self.assertEqual(self.raw_bytes(server), 80_000)
        self.assertStatus(server.request("DELETE", "/cas/c/other"), 204)
        self.assertEqual(self.raw_bytes(server), 0)

    def test_many_writers_stay_within_it(self):
        server = self.serve('[cas]\nbytes = "2MB"\n')
        problems = []

        def work(mine):
            for number in range(40):
                content = os.urandom(100_000)
                if self.put(f"c/{mine}-{number}", content, server).status != 201:
                    problems.append("put")
                answer = self.get(f"c/{mine}-{number}", server)
                if answer.status == 200 and answer.body != content:
                    problems.append("wrong bytes")
                self.put("c/same", b"%d" % mine * 100, server)
        threads = [threading.Thread(target=work, args=(mine,)) for mine in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(problems, [])
        shown = json.loads(server.slipway("doctor", "--deep", "--json").stdout)
        self.assertTrue(shown["healthy"], shown)
        eventually(lambda: self.raw_bytes(server) <= 2_000_000, "room")


class AccessTest(CasCase):
    def test_with_users(self):
        server = self.serve_users()
        self.assertStatus(server.request("PROPFIND", "/cas/c/"), 401)
        for method, body in (("GET", None), ("HEAD", None), ("PUT", b"x"), ("DELETE", None)):
            answer = self.assertStatus(server.request(method, "/cas/c/k", body=body), 401)
            self.assertRegex(answer["WWW-Authenticate"], r'^Basic realm="')
        user = basic("user", PASSWORD)
        self.assertStatus(self.put("c/k", b"x", server, [user]), 201)
        self.assertEqual(self.get("c/k", server, [user]).body, b"x")
        self.assertStatus(self.get("c/k", server, [basic("user", "wrong")]), 401)
        token = json.loads(server.request("GET", "/v2/token?scope=repository:c:pull", [user]).body)["token"]
        bearer = ("Authorization", f"Bearer {token}")
        self.assertEqual(self.get("c/k", server, [bearer]).body, b"x")
        self.assertStatus(self.put("c/k", b"y", server, [bearer]), 403)

    def test_reading_for_everybody(self):
        server = self.serve_users(anonymous="pull")
        self.assertStatus(self.put("c/k", b"x", server, [basic("user", PASSWORD)]), 201)
        self.assertEqual(self.get("c/k", server).body, b"x")
        self.assertStatus(self.put("c/k", b"y", server), 401)

    def test_read_only(self):
        server = self.serve()
        self.assertStatus(self.put("c/k", b"x", server), 201)
        server.slipway("server", "set", "--read-only", "true")
        self.assertEqual(self.get("c/k", server).body, b"x")
        self.assertStatus(self.put("c/k", b"y", server), 405)


if __name__ == "__main__":
    unittest.main()
