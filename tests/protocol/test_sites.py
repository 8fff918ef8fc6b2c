"""Trees served as sites, by the real server; tests/unit/publish has what each path is answered with."""

import json
import threading
import unittest

from slipway_server import INDEX, Connection, ServerTest, basic, digest_of, eventually
from test_access import PASSWORD, AccessCase
from trees import publish, push_shards, shard_of

USER = basic("user", PASSWORD)


class SitesTest(ServerTest):
    def test_a_site_is_there_as_soon_as_it_is_published(self):
        server = self.shared()
        self.assertStatus(server.request("GET", "/new/"), 404)
        snapshot = publish(server, "new", {"index.html": b"home", "folder/page.html": b"page"})
        answer = server.request("GET", "/new/")
        self.assertStatus(answer, 200)
        self.assertEqual((answer.body, answer["X-Slipway-Snapshot"]), (b"home", snapshot))
        self.assertEqual(server.request("GET", "/new/folder/page").body, b"page")
        self.assertEqual(server.request("GET", "/new")["Location"], "/new/")
        head = server.request("HEAD", "/new/")
        self.assertEqual((head.status, head["Content-Length"], head["ETag"]), (200, "4", answer["ETag"]))
        self.assertStatus(server.request("GET", "/new/", [("If-None-Match", answer["ETag"])]), 304)
        self.assertStatus(server.request("POST", "/new/", body=b"x"), 405)
        missing = server.request("GET", "/new/missing")
        self.assertEqual((missing.status, missing["Cache-Control"]), (404, "no-cache"))
        self.assertIsNone(server.request("GET", "/new/@sha256:00/")["X-Slipway-Snapshot"])
        self.assertStatus(server.request("GET", f"/new/@{snapshot}/folder/page"), 200)

    def test_large_files_come_whole_and_in_parts(self):
        server = self.shared()
        large = bytes(range(256)) * 20_000
        publish(server, "large", {"file.bin": large})
        self.assertEqual(server.request("GET", "/large/file.bin").body, large)
        part = server.request("GET", "/large/file.bin", [("Range", "bytes=1000000-3999999")])
        self.assertEqual((part.status, part["Content-Range"]), (206, f"bytes 1000000-3999999/{len(large)}"))
        self.assertEqual(part.body, large[1_000_000:4_000_000])

    def test_every_answer_is_from_one_snapshot_and_none_older_than_another(self):
        server = self.shared()
        count = 25

        def site(number):
            text = str(number).encode()
            return {"index.html": b"page " + text, "style.css": b"style " + text,
                    **{f"more/{i}.html": b"more %d " % i + text for i in range(60)}}

        order = [publish(server, "moving", site(0))]
        numbers = {order[0]: 0}
        problems, done = [], threading.Event()

        def read():
            newest = 0
            with Connection(server) as connection:
                while not done.is_set():
                    page = connection.request("GET", "/moving/")
                    snapshot = page["X-Slipway-Snapshot"]
                    number = eventually(lambda: numbers.get(snapshot, -1) + 1, "the publisher's hearing of it") - 1
                    newest, before = max(newest, number), newest
                    if page.body != b"page %d" % number or number < before:
                        problems.append((page, before))
                    for path, text in ("style.css", b"style %d" % number), ("more/7", b"more 7 %d" % number):
                        asset = connection.request("GET", f"/moving/@{snapshot}/{path}")
                        if (asset.body, asset["X-Slipway-Snapshot"]) != (text, snapshot):
                            problems.append(asset)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        try:
            for number in range(1, count):
                snapshot = publish(server, "moving", site(number))
                numbers[snapshot] = number
        finally:
            done.set()
            for reader in readers:
                reader.join()
        self.assertEqual(problems, [])
        self.assertEqual(server.request("GET", "/moving/").body, b"page %d" % (count - 1))

    def test_what_could_not_be_served_is_refused_when_it_is_pushed(self):
        server = self.shared()

        def refused(files, words, repository="broken"):
            index = push_shards(server, repository, files)
            answer = server.put_manifest(repository, "live", index, INDEX)
            self.assertStatus(answer, 400, "MANIFEST_INVALID")
            self.assertIn(words, answer.json()["errors"][0]["message"])

        page = {"index.html": b"home"}
        refused(page | {"_redirects": b"# one\n/a /b 999\n"}, "_redirects: line 2:")
        refused(page | {"_redirects": b"/a /b\n/b /a\n"}, "round in a circle")
        refused(page | {"_redirects": b"/* /app.html 200\n"}, "there is no '/app.html'")
        refused(page | {"_headers": b"  X-A: b\n"}, "_headers: line 1:")
        refused(page, "the server's own", "api/docs")
        self.assertStatus(server.request("GET", "/v2/broken/manifests/live"), 404)

    def test_a_shard_has_what_it_lists(self):
        server = self.shared()
        listing = json.dumps({"files": [{"path": "a", "type": "text/plain", "digest": digest_of(b"absent"),
                                         "size": 6}]}).encode()
        server.push_blob("listed", listing)
        server.push_blob("listed", b"other")
        for content, words in ((shard_of(listing, [b"other"]), "is no layer of its shard"),):
            answer = server.put_manifest("listed", "shard", content)
            self.assertStatus(answer, 400, "MANIFEST_INVALID")
            self.assertIn(words, answer.json()["errors"][0]["message"])
        server.push_blob("listed", b"no listing")
        self.assertStatus(server.put_manifest("listed", "shard", shard_of(b"no listing", [])), 400, "MANIFEST_INVALID")

    def test_mounts_and_hosts(self):
        server = self.serve('[sites]\nby_name = false\nmounts = ["/ site", "/pool pool@stable listing", "docs.example.org/ docs"]\n')
        publish(server, "site", {"index.html": b"home"})
        publish(server, "pool", {"a/b.txt": b"text"}, "stable")
        publish(server, "docs", {"index.html": b"docs"})
        self.assertEqual(server.request("GET", "/").body, b"home")
        self.assertIn(b"b.txt", server.request("GET", "/pool/a/").body)
        self.assertEqual(server.request("GET", "/", [("Host", "docs.example.org:80")]).body, b"docs")
        self.assertStatus(server.request("GET", "/docs/"), 404)
        self.assertStatus(server.request("GET", "/v2/"), 200)

class ReadersTest(AccessCase):
    def test_who_may_not_pull_may_not_read(self):
        server = self.serve_users()
        publish(server, "secret", {"index.html": b"home"}, headers=[USER])
        refused = server.request("GET", "/secret/")
        self.assertStatus(refused, 401)
        self.assertIn("Basic", refused["WWW-Authenticate"])
        answer = server.request("GET", "/secret/", [USER])
        self.assertStatus(answer, 200)
        self.assertTrue(answer["Cache-Control"].startswith("private"), answer)


if __name__ == "__main__":
    unittest.main()
