"""A server whose bytes are in a bucket: what is this store's own affair, seen from outside. The protocol tests run on
one too; see services.protocol_s3.
"""

import hashlib
import os
import re
import threading
import time
import unittest
import urllib.error
import urllib.request

from s3_client import Prefix
from slipway_server import MANIFEST, ServerTest, digest_of, eventually, head, run_slipway, store_of

MIB = 1 << 20
AT_ONCE = 'store.redirect_lifetime = "1ms"\nstore.longest_transfer = "1ms"\n'  # unwanted bytes go within two seconds


def noise(size, seed=1):
    """Bytes that differ everywhere."""
    return hashlib.shake_128(f"{seed}".encode()).digest(size)


def fetched(url, headers=None):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=60) as answer:
        return answer.read()


class BucketTest(ServerTest):
    def bucket(self, server):
        return Prefix(store_of(server.folder))

    def get(self, server, digest, headers=(), method="GET"):
        return server.request(method, f"/v2/a/blobs/{digest}", headers)


class RedirectTest(BucketTest):
    def test_large_blobs_are_fetched_from_the_bucket(self):
        server = self.serve('store.redirect = "always"\n')
        data = noise(300_000)
        digest = server.push_blob("a", data)
        answer = self.get(server, digest)
        self.assertEqual(answer.status, 307)
        self.assertEqual(answer["Docker-Content-Digest"], digest)
        self.assertEqual(fetched(answer["Location"]), data)
        self.assertEqual(fetched(answer["Location"], {"Range": "bytes=1000-1999"}), data[1000:2000])
        with self.assertRaises(urllib.error.HTTPError):
            fetched(answer["Location"].replace("X-Amz-Expires=1200", "X-Amz-Expires=9999"))

    def test_small_blobs_and_heads_are_answered_here(self):
        server = self.serve('store.redirect = "always"\n')
        small, large = server.push_blob("a", b"small"), server.push_blob("a", noise(100_000))
        self.assertEqual(self.get(server, small).body, b"small")
        answer = self.get(server, large, method="HEAD")
        self.assertEqual((answer.status, answer["Content-Length"]), (200, "100000"))

    def test_only_large_ones(self):
        server = self.serve('store.redirect = "large"\n')
        self.assertEqual(self.get(server, server.push_blob("a", noise(MIB))).status, 307)
        self.assertEqual(self.get(server, server.push_blob("a", noise(MIB - 1))).status, 200)

    def test_urls_live_as_long_as_is_said(self):
        server = self.serve('store.redirect = "always"\nstore.redirect_lifetime = "90s"\n')
        self.assertIn("X-Amz-Expires=90&", self.get(server, server.push_blob("a", noise(100_000)))["Location"])


class StreamTest(BucketTest):
    def test_each_byte_is_fetched_once(self):
        server = self.serve()
        data = noise(3 * MIB)
        digest = server.push_blob("a", data)
        self.assertEqual(self.get(server, digest, [("Range", "bytes=100-199")]).body, data[100:200])
        self.assertEqual(self.get(server, digest).body, data)
        self.bucket(server).remove(next(iter(self.bucket(server).objects("raw/"))))
        self.assertEqual(self.get(server, digest).body, data)  # from the copy here
        server.stop()
        server.start()
        self.assertEqual(self.get(server, digest).body, data)

    def test_many_at_once_without_a_cache(self):
        server = self.serve('store.cache = "0"\n')
        data = noise(5 * MIB)
        digest = server.push_blob("a", data)
        wrong = []

        def pull():
            if self.get(server, digest).body != data:
                wrong.append(1)

        threads = [threading.Thread(target=pull) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])
        self.assertEqual([path for path in (server.data / "cache").rglob("*") if path.is_file()], [])

    def test_a_lost_blob_is_404_and_a_push_heals_it(self):
        server = self.serve('store.cache = "0"\n')
        for data in (noise(200_000), b"a small one"):
            digest = server.push_blob("a", data)
            bucket = self.bucket(server)
            for key in bucket.objects("raw/") | bucket.objects("packs/"):
                bucket.remove(key)
            self.assertStatus(self.get(server, digest), 404, "BLOB_UNKNOWN")
            self.assertTrue(server.log_lines("pushing it again heals it", digest))
            server.push_blob("a", data)
            self.assertEqual(self.get(server, digest).body, data)

    def test_a_push_heals_what_only_a_copy_here_has(self):
        server = self.serve()
        digest = server.push_blob("a", b"a small one")
        self.assertEqual(self.get(server, digest).body, b"a small one")
        bucket = self.bucket(server)
        for key in bucket.objects("packs/"):
            bucket.remove(key)
        self.assertEqual(server.push_blob("a", b"a small one"), digest)
        self.assertEqual(len(bucket.objects("packs/")), 1)


class UploadTest(BucketTest):
    def test_parts_go_straight_to_where_they_stay(self):
        server = self.serve()
        data = noise(20 * MIB)
        digest = server.push_blob("a", data)
        objects = self.bucket(server).objects()
        self.assertEqual([size for key, size in objects.items() if key.startswith("raw/")], [len(data)])
        self.assertEqual(self.bucket(server).multiparts(), [])
        self.assertEqual(self.get(server, digest).body, data)

    def test_sessions_leave_nothing_but_the_blob(self):
        server = self.serve(AT_ONCE)
        data = noise(11 * MIB)
        path = server.begin_upload("a")
        for begin in range(0, len(data), 3 * MIB):
            answer = server.request("PATCH", path, body=data[begin:begin + 3 * MIB])
            self.assertEqual(answer.status, 202, answer)
            path = answer["Location"]
        self.assertEqual(server.request("PUT", f"{path}?digest={digest_of(data)}", body=b"").status, 201)
        self.assertEqual(self.get(server, digest_of(data)).body, data)
        server.stop()
        server.start()  # whose first act is to remove what is unwanted
        bucket = self.bucket(server)
        eventually(lambda: not bucket.objects("uploads/"), "the removal of what the session used")
        self.assertEqual(list(bucket.objects("raw/").values()), [len(data)])

    def test_whatever_a_killed_server_was_doing_is_found_by_its_row(self):
        server = self.serve(AT_ONCE + 'limits.upload_expiry = "1s"\n')
        data = noise(20 * MIB)
        session = server.begin_upload("a")
        self.assertEqual(server.request("PATCH", session, body=data[:6 * MIB]).status, 202)
        targets = [("POST", f"/v2/a/blobs/uploads/?digest={digest_of(data)}"), ("PUT", "/cas/c/key"), ("PATCH", session),
                   ("PUT", f"{server.begin_upload('a')}?digest={digest_of(data)}")]
        connections = [self.connect(server) for _ in targets]
        for connection, target in zip(connections, targets):
            connection.send(head(*target, length=len(data)) + data[:17 * MIB])
        bucket = self.bucket(server)
        eventually(lambda: len(bucket.multiparts()) == 4, "a part of each")
        server.kill()
        server.start()
        eventually(lambda: not bucket.multiparts() and not bucket.objects("raw/") | bucket.objects("uploads/"),
                   "the removal of what was left", seconds=90)
        self.assertEqual(server.status()["uploads"], 0)

    def test_a_session_goes_on_after_kill_9(self):
        server = self.serve(AT_ONCE)
        data = noise(20 * MIB)
        path = server.begin_upload("a")
        self.assertEqual(server.request("PATCH", path, body=data[:9 * MIB]).status, 202)
        connection = self.connect(server)
        connection.send(head("PATCH", path, length=11 * MIB) + b"?" * (10 * MIB))  # never acknowledged
        server.kill()
        server.start()
        answer = server.request("GET", path)
        begin = int(answer["Range"].split("-")[1]) + 1
        self.assertEqual(begin, 9 * MIB)
        self.assertEqual(server.request("PATCH", path, body=data[begin:]).status, 202)
        self.assertEqual(server.request("PUT", f"{path}?digest={digest_of(data)}", body=b"").status, 201)
        self.assertEqual(self.get(server, digest_of(data)).body, data)
        server.stop()
        server.start()
        bucket = self.bucket(server)
        eventually(lambda: not bucket.objects("uploads/") and not bucket.multiparts(), "the removal of what was left")
        eventually(lambda: list(bucket.objects("raw/").values()) == [len(data)], "one object")

    def test_deleted_bytes_wait_for_those_who_read_them(self):
        server = self.serve('store.redirect = "always"\n')
        self.assertEqual(server.request("PUT", "/cas/c/key", body=noise(100_000)).status, 201)
        self.assertEqual(server.request("DELETE", "/cas/c/key").status, 204)
        server.stop()
        server.start()
        self.assertEqual(len(self.bucket(server).objects("raw/")), 1)


class PacksTest(BucketTest):
    def test_many_small_packs_become_few_and_stay(self):
        server = self.serve(AT_ONCE)
        digests = {server.push_blob("a", noise(60_000, seed)): noise(60_000, seed) for seed in range(120)}
        bucket = self.bucket(server)
        self.assertEqual(len(bucket.objects("packs/")), len(digests))
        compacted = 0
        for _ in range(2):  # a few dozen at a time, first thing
            server.stop()
            server.start()
            compacted += 1
            eventually(lambda: len(server.log_lines("packs compacted")) == compacted, "putting packs together")
        eventually(lambda: len(bucket.objects("packs/")) == 1, "the end of what was emptied", 60)
        packs = bucket.objects("packs/")
        server.stop()
        server.start()
        time.sleep(3)  # it is large enough: else the same bytes would go round for ever
        self.assertEqual(len(server.log_lines("packs compacted")), compacted)
        self.assertEqual(bucket.objects("packs/"), packs)
        for digest, data in digests.items():
            self.assertEqual(self.get(server, digest).body, data)


class ConfigurationTest(BucketTest):
    def refused(self, url, env=None):
        done = run_slipway("serve", "--data", "data", "--listen", "127.0.0.1:0", "--store", url, folder=self.folder(),
                           env=env)
        self.assertEqual(done.returncode, 1, done)
        return done.stderr

    def test_what_is_wrong_is_said_in_plain_words(self):
        url = os.environ["SLIPWAY_TEST_STORE"]
        self.assertIn("there is no bucket 'absent'", self.refused(url.replace("servers", "absent")))
        self.assertIn("does not know the access key", self.refused(url, {"AWS_ACCESS_KEY_ID": "nobody00000000000000"}))
        self.assertIn("AWS_SECRET_ACCESS_KEY", self.refused(url, {"AWS_SECRET_ACCESS_KEY": "x" * 40}))
        self.assertIn("connect", self.refused(re.sub(r":\d+$", ":1", url)))
        self.assertIn("'regoin' is not known", self.refused(url + "&regoin=r"))

    def test_a_store_of_another_catalog(self):
        server = self.serve()
        server.stop()
        folder = self.folder()
        done = run_slipway("init", "--data", "data", folder=folder)
        self.assertEqual(done.returncode, 0, done)
        done = run_slipway("serve", "--data", "data", "--listen", "127.0.0.1:0", "--store", store_of(server.folder),
                           folder=folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("this catalog belongs to store", done.stderr)

    def test_a_lost_catalog_is_rebuilt(self):
        server = self.serve()
        data = noise(100_000)
        digest = server.push_blob("a", data)
        server.push_image("a", "latest", "text")
        server.stop()
        for file in server.data.glob("catalog.sqlite*"):
            file.unlink()
        flags = ("--config", server.config, "--data", server.data)
        done = run_slipway("rebuild", *flags, "--deep", folder=server.folder)
        self.assertEqual(done.returncode, 0, done)
        server.start()
        self.assertEqual(self.get(server, digest).body, data)
        self.assertEqual(server.request("GET", "/v2/a/manifests/latest", [("Accept", MANIFEST)]).status, 200)

    def test_the_doctor_finds_what_nobody_knows(self):
        server = self.serve()
        server.push_blob("a", noise(100_000))
        server.stop()
        bucket = self.bucket(server)
        bucket.put("raw/00000000000fffff.01234567", b"stray")
        flags = ("--config", server.config, "--data", server.data, "--deep")
        done = run_slipway("doctor", *flags, folder=server.folder)
        self.assertIn("1 files (5 B) are known to no row", done.stdout)
        done = run_slipway("doctor", *flags, "--remove-unknown", folder=server.folder)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(len(bucket.objects("raw/")), 1)


if __name__ == "__main__":
    unittest.main()
