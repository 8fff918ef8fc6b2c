"""Repositories' names, lists of tags, and deleting what has a name."""

import re
import unittest

from slipway_server import SPEC_CODES, ServerTest, digest_of


class TagsTest(ServerTest):
    def tags(self, repository, query=""):
        return self.shared().request("GET", f"/v2/{repository}/tags/list{query}")

    def names(self, repository, query=""):
        return self.assertStatus(self.tags(repository, query), 200).json()["tags"]

    def make(self, repository, *tags):
        for tag in tags:
            self.shared().push_image(repository, tag)

    def test_the_list_is_sorted_by_bytes(self):
        self.make("list", "b", "a", "B", "_", "10", "9", "a.b", "a-b", "aa")
        answer = self.assertStatus(self.tags("list"), 200)
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(answer.json(), {"name": "list",
                                         "tags": ["10", "9", "B", "_", "a", "a-b", "a.b", "aa", "b"]})
        self.assertIsNone(answer["Link"])

    def test_pages(self):
        tags = [f"tag{i:02}" for i in range(10)]
        self.make("pages", *tags)
        for size in (1, 3, 5, 9, 10, 11):
            found, target, pages = [], f"/v2/pages/tags/list?n={size}", 0
            while target:
                answer = self.assertStatus(self.shared().request("GET", target), 200)
                page = answer.json()["tags"]
                self.assertLessEqual(len(page), size)
                found, pages = found + page, pages + 1
                link = answer["Link"] and re.fullmatch(r'<(/v2/pages/tags/list\?[^>]*)>; rel="next"', answer["Link"])
                self.assertTrue(link or len(found) == 10, answer)
                target = link and link[1]
            self.assertEqual((found, pages), (tags, -(-10 // size)))

    def test_last_is_exclusive_and_need_not_exist(self):
        self.make("last", "a", "c", "e")
        for query, names in (("?last=a", ["c", "e"]), ("?last=b", ["c", "e"]), ("?last=e", []), ("?last=zzz", []),
                             ("?last=", ["a", "c", "e"]), ("?n=1&last=a", ["c"]), ("?last=a&n=1", ["c"]),
                             ("?last=%C3%A9", [])):
            self.assertEqual(self.names("last", query), names, query)

    def test_n(self):
        self.make("n", "a", "b")
        answer = self.assertStatus(self.tags("n", "?n=0"), 200)
        self.assertEqual(answer.json()["tags"], [])
        self.assertIsNone(answer["Link"])
        for n in ("999999999", "99999999999999999999"):
            self.assertEqual(self.names("n", f"?n={n}"), ["a", "b"])
        for n in ("-1", "x", "", "1.5", "0x1"):
            answer = self.assertStatus(self.tags("n", f"?n={n}"), 400)
            self.assertIn(answer.code(), SPEC_CODES)

    def test_a_repository_without_tags(self):
        self.shared().push_blob("untagged", b"x")
        self.assertEqual(self.tags("untagged").json(), {"name": "untagged", "tags": []})
        self.assertStatus(self.tags("unknown"), 404, "NAME_UNKNOWN")

    def test_a_tag_moves(self):
        old = self.shared().push_image("moves", "tag", "old")
        new = self.shared().push_image("moves", "tag", "new")
        self.assertEqual(self.shared().request("GET", "/v2/moves/manifests/tag").body, new)
        self.assertEqual(self.shared().request("GET", f"/v2/moves/manifests/{digest_of(old)}").body, old)
        self.assertEqual(self.names("moves"), ["tag"])


class CatalogTest(ServerTest):
    def test_pages(self):
        server = self.serve()
        self.assertEqual(server.request("GET", "/v2/_catalog").json(), {"repositories": []})
        names = sorted(["b", "a/b", "a", "a-b", "a/b/c", "zz", "0"])
        for name in names:
            server.push_blob(name, b"x")
        self.assertStatus(server.request("PUT", "/cas/a-cache/key", body=b"no image"), 201)
        answer = self.assertStatus(server.request("GET", "/v2/_catalog"), 200)
        self.assertEqual(answer["Content-Type"], "application/json")
        self.assertEqual(answer.json(), {"repositories": names})
        self.assertIsNone(answer["Link"])
        for size in (1, 2, 6, 7, 8):
            found, target = [], f"/v2/_catalog?n={size}"
            while target:
                answer = self.assertStatus(server.request("GET", target), 200)
                self.assertLessEqual(len(answer.json()["repositories"]), size)
                found += answer.json()["repositories"]
                target = answer["Link"] and re.fullmatch(r'<(/v2/_catalog\?[^>]*)>; rel="next"', answer["Link"])[1]
            self.assertEqual(found, names)
        self.assertEqual(server.request("GET", "/v2/_catalog?last=a/bb&n=2").json(), {"repositories": ["b", "zz"]})
        self.assertEqual(server.request("GET", "/v2/_catalog?n=0").json(), {"repositories": []})
        self.assertEqual(server.request("GET", "/v2/_catalog?n=99999999999999999999").json(), {"repositories": names})
        self.assertStatus(server.request("GET", "/v2/_catalog?n=x"), 400, "UNSUPPORTED")
        self.assertStatus(server.request("DELETE", "/v2/_catalog"), 405)

    def test_every_answer_tells_the_version(self):
        server = self.serve()
        blob = b"content"
        digest = server.push_blob("version", blob)
        location = server.begin_upload("version")
        asked = [("GET", "/v2/", None), ("GET", "/v2/nothing", None), ("GET", "/v2/_catalog", None),
                 ("GET", f"/v2/version/blobs/{digest}", None), ("PATCH", location, blob),
                 ("PUT", f"{location}?digest={digest}", b""), ("PUT", "/v2/version/manifests/x", b"no manifest"),
                 ("POST", f"/v2/version/blobs/uploads/?digest={digest}", blob), ("DELETE", "/v2/version/tags/list", None)]
        for method, target, body in asked:
            answer = server.request(method, target, body=body)
            self.assertEqual(answer["Docker-Distribution-Api-Version"], "registry/2.0", (method, target, answer))
            self.assertIsNone(answer["Content-Encoding"])


class DeleteTest(ServerTest):
    def request(self, method, reference, repository="delete"):
        return self.shared().request(method, f"/v2/{repository}/manifests/{reference}")

    def test_a_tag_alone(self):
        content = self.shared().push_image("delete", "one")
        self.shared().push_image("delete", "two")
        self.assertStatus(self.request("GET", "one"), 200)
        self.assertStatus(self.request("DELETE", "one"), 202)
        for method in ("GET", "DELETE"):
            self.assertStatus(self.request(method, "one"), 404, "MANIFEST_UNKNOWN")
        for reference in ("two", digest_of(content)):
            self.assertEqual(self.request("GET", reference).body, content)

    def test_a_digest_takes_its_tags_along(self):
        content = self.shared().push_image("digest", "one", "goes")
        self.shared().push_image("digest", "two", "goes")
        other = self.shared().push_image("digest", "three", "stays")
        for reference in ("one", "two", digest_of(content)):
            self.assertStatus(self.request("GET", reference, "digest"), 200)
        self.assertStatus(self.request("DELETE", digest_of(content), "digest"), 202)
        for reference in ("one", "two", digest_of(content)):
            self.assertStatus(self.request("GET", reference, "digest"), 404, "MANIFEST_UNKNOWN")
        self.assertEqual(self.request("GET", "three", "digest").body, other)
        self.assertEqual(self.shared().request("GET", "/v2/digest/tags/list").json()["tags"], ["three"])
        self.assertStatus(self.request("DELETE", digest_of(content), "digest"), 404, "MANIFEST_UNKNOWN")

    def test_of_one_repository_only(self):
        content = self.shared().push_image("only/one", "tag")
        self.shared().push_image("only/two", "tag")
        self.assertStatus(self.request("DELETE", digest_of(content), "only/one"), 202)
        self.assertEqual(self.request("GET", "tag", "only/two").body, content)

    def test_pushing_again_what_was_deleted(self):
        for _ in range(3):
            content = self.shared().push_image("again", "tag")
            self.assertEqual(self.request("GET", "tag", "again").body, content)
            self.assertStatus(self.request("DELETE", digest_of(content), "again"), 202)
            self.assertStatus(self.request("GET", "tag", "again"), 404)

    def test_what_is_not_there(self):
        for reference in ("none", digest_of(b"none")):
            for method in ("GET", "DELETE"):
                for repository in ("delete", "nowhere"):
                    answer = self.assertStatus(self.request(method, reference, repository), 404)
                    self.assertIn(answer.code(), ("MANIFEST_UNKNOWN", "NAME_UNKNOWN"))


class RepositoryNamesTest(ServerTest):
    def test_parts_with_names_of_the_protocol(self):
        server = self.shared()
        for name in ("blobs", "tags", "uploads", "manifests", "v2", "blobs/uploads", "tags/list", "a/manifests/b",
                     "a/blobs/uploads/b", "a/tags/list/b", "manifests/manifests", "uploads/blobs/uploads", "v2/v2",
                     "a/blobs/" + "0" * 64, "list", "tags/list/tags/list"):
            content = server.push_image(name, "latest", name)
            blob = name.encode()
            location = server.begin_upload(name)
            server.request("PATCH", location, body=blob[:1])
            self.assertStatus(server.request("PUT", f"{location}?digest={digest_of(blob)}", body=blob[1:]), 201)
            self.assertEqual(server.request("GET", f"/v2/{name}/blobs/{digest_of(blob)}").body, blob)
            self.assertEqual(server.request("GET", f"/v2/{name}/manifests/latest").body, content)
            self.assertEqual(server.request("GET", f"/v2/{name}/tags/list").json(), {"name": name, "tags": ["latest"]})

    def test_names_that_are_allowed(self):
        for name in ("a", "0", "a.b", "a_b", "a__b", "a-b", "a---b", "a/b/c/d/e/f/g", "x" * 255, "a/" * 127 + "a"):
            self.shared().push_blob(name, b"x")
            self.assertStatus(self.shared().request("GET", f"/v2/{name}/tags/list"), 200)

    def test_names_that_are_not(self):
        blob = digest_of(b"x")
        for name in ("A", "a/B", "-a", "a-", ".a", "a.", "_a", "a_", "a..b", "a___b", "a._b", "a.-b", "a//b", "a/",
                     "a b", "a%40b", "%C3%A9", "x" * 256, "a/" * 128 + "a", "a:b", "a@b", "a+b", "a%20", "%0a"):
            name = name.replace(" ", "%20")
            for method, target in (("GET", f"/v2/{name}/tags/list"), ("GET", f"/v2/{name}/manifests/x"),
                                   ("PUT", f"/v2/{name}/manifests/x"), ("GET", f"/v2/{name}/blobs/{blob}"),
                                   ("POST", f"/v2/{name}/blobs/uploads/"), ("GET", f"/v2/{name}/blobs/uploads/0")):
                body = None if method == "GET" else b""
                self.assertStatus(self.shared().request(method, target, body=body), 400, "NAME_INVALID")

    def test_no_name_at_all(self):
        for target in ("/v2/tags/list", "/v2/manifests/x", f"/v2/blobs/{digest_of(b'')}", "/v2/_catalog/", "/v2/a",
                       "/v2/a/b/c"):
            answer = self.assertStatus(self.shared().request("GET", target), 404)
            self.assertIn(answer.code(), SPEC_CODES)

    def test_uploads_with_and_without_the_last_slash(self):
        for target in ("/v2/slash/blobs/uploads/", "/v2/slash/blobs/uploads"):
            self.assertStatus(self.shared().request("POST", target, body=b""), 202)
        self.shared().push_image("slash", "tag")
        for target in ("/v2/slash/manifests/tag/", "/v2/slash/tags/list/", f"/v2/slash/blobs/{digest_of(b'')}/"):
            self.assertIn(self.shared().request("GET", target).status, (400, 404))


if __name__ == "__main__":
    unittest.main()
