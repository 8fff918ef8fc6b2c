"""Referrers: manifests that name another as their subject."""

import json
import re
import unittest
from urllib.parse import quote

from slipway_server import CONFIG, INDEX, LAYER, MANIFEST, ServerTest, descriptor, digest_of

SIGNATURE, SBOM = "application/vnd.example.signature+json", "application/vnd.example.sbom.v1"
EMPTY = "application/vnd.oci.empty.v1+json"


class ReferrersCase(ServerTest):
    def setUp(self):
        self.server = self.shared()

    def put(self, repository, content, reference=None, media_type=MANIFEST):
        """Puts a manifest by its digest, or by a tag; returns the digest and the answer."""
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        answer = self.server.put_manifest(repository, reference or digest_of(content), content, media_type)
        self.assertStatus(answer, 201)
        return digest_of(content), answer

    def refer(self, repository, subject, salt="", **fields):
        """Puts a manifest with `subject` (a digest) and these fields besides."""
        self.server.push_blob(repository, b"{}")
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(b"{}", EMPTY), "layers": [],
                    "subject": {"mediaType": MANIFEST, "digest": subject, "size": 7}, "salt": salt} | fields
        return self.put(repository, {name: value for name, value in manifest.items() if value is not None})

    def list(self, repository, subject, query=""):
        return self.server.request("GET", f"/v2/{repository}/referrers/{subject}{query}")

    def listed(self, repository, subject, query=""):
        answer = self.assertStatus(self.list(repository, subject, query), 200)
        self.assertEqual(answer["Content-Type"], INDEX)
        index = answer.json()
        self.assertEqual((index["schemaVersion"], index["mediaType"]), (2, INDEX))
        return index["manifests"]

    def walk(self, repository, subject, query):
        """All of them, by the Links; and how many pages that took."""
        found, pages, target = [], 0, f"/v2/{repository}/referrers/{subject}{query}"
        while target:
            answer = self.assertStatus(self.server.request("GET", target), 200)
            found += [item["digest"] for item in answer.json()["manifests"]]
            pages += 1
            target = answer["Link"] and re.fullmatch(r'<(/[^>]*)>; rel="next"', answer["Link"])[1]
        return found, pages


class ReferrersTest(ReferrersCase):
    subject = digest_of(b"somebody")

    def test_nobodys_are_an_empty_index(self):
        self.server.push_image("known", "tag")
        for repository in ("known", "unknown"):
            for subject in (self.subject, digest_of(b"somebody", "sha512")):
                self.assertEqual(self.listed(repository, subject), [])

    def test_what_is_no_digest(self):
        for subject in ("sha256:abc", "latest", self.subject.upper(), "md5:" + "0" * 32):
            self.assertStatus(self.list("known", subject), 400, "DIGEST_INVALID")

    def test_what_the_list_shows(self):
        annotations = {"org.example.key": "välue \"quoted\"", "empty": ""}
        digest, answer = self.refer("show", self.subject, artifactType=SBOM, annotations=annotations)
        self.assertEqual(answer["OCI-Subject"], self.subject)
        size = int(self.server.request("HEAD", f"/v2/show/manifests/{digest}")["Content-Length"])
        self.assertEqual(self.listed("show", self.subject), [
            {"mediaType": MANIFEST, "digest": digest, "size": size, "artifactType": SBOM, "annotations": annotations}])

    def test_the_type_of_an_image_is_its_configs(self):
        self.server.push_blob("types", b"{}")
        image, _ = self.refer("types", self.subject, config=descriptor(b"{}", CONFIG))
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [],
                            "subject": {"mediaType": MANIFEST, "digest": self.subject, "size": 7}}).encode()
        self.assertEqual(self.put("types", index, media_type=INDEX)[1]["OCI-Subject"], self.subject)
        shown = {item["digest"]: item for item in self.listed("types", self.subject)}
        self.assertEqual(shown[image]["artifactType"], CONFIG)
        self.assertNotIn("artifactType", shown[digest_of(index)])
        self.assertNotIn("annotations", shown[image])

    def test_filter(self):
        one, _ = self.refer("filter", self.subject, "1", artifactType=SIGNATURE)
        self.refer("filter", self.subject, "2", artifactType=SBOM)
        answer = self.assertStatus(self.list("filter", self.subject, "?artifactType=" + quote(SIGNATURE, "")), 200)
        self.assertEqual([item["digest"] for item in answer.json()["manifests"]], [one])
        self.assertEqual(answer["OCI-Filters-Applied"], "artifactType")
        self.assertEqual(self.listed("filter", self.subject, "?artifactType=application/none"), [])
        for query in ("", "?artifactType=", "?other=x"):
            answer = self.list("filter", self.subject, query)
            self.assertIsNone(answer["OCI-Filters-Applied"], query)
            self.assertEqual(len(answer.json()["manifests"]), 2)

    def test_pages(self):
        odd, even = [], []
        for number in range(11):
            digest, _ = self.refer("pages", self.subject, str(number), artifactType=SIGNATURE if number % 2 else SBOM)
            (odd if number % 2 else even).append(digest)
        for size in (1, 2, 5, 10, 11, 12):
            found, pages = self.walk("pages", self.subject, f"?n={size}")
            self.assertEqual(sorted(found), sorted(odd + even))
            self.assertEqual(pages, -(-11 // size))
            found, _ = self.walk("pages", self.subject, f"?n={size}&artifactType={quote(SIGNATURE, '')}")
            self.assertEqual(sorted(found), sorted(odd))

    def test_a_page_weighs_no_more_than_a_manifest_may(self):
        for number in range(6):
            self.refer("heavy", self.subject, annotations={"k": "x" * 900_000, "n": str(number)})
        first = self.assertStatus(self.list("heavy", self.subject), 200)
        self.assertLess(len(first.body), 5 << 20)
        self.assertIsNotNone(first["Link"])
        self.assertEqual(len(set(self.walk("heavy", self.subject, "")[0])), 6)

    def test_bad_pages(self):
        for query in ("?n=x", "?n=-1", "?n=", "?last=x", "?last=99999999999999999999", "?last=1x"):
            self.assertStatus(self.list("known", self.subject, query), 400, "UNSUPPORTED")

    def test_by_push_and_by_delete(self):
        subject = digest_of(self.server.push_image("life", "tag"))
        first, _ = self.refer("life", subject, "1")
        second, _ = self.refer("life", subject, "2")
        self.assertStatus(self.server.request("DELETE", f"/v2/life/manifests/{first}"), 202)
        self.assertEqual([item["digest"] for item in self.listed("life", subject)], [second])
        self.assertStatus(self.server.request("DELETE", f"/v2/life/manifests/{subject}"), 202)
        self.assertEqual([item["digest"] for item in self.listed("life", subject)], [second])  # it outlives its subject
        self.assertEqual(self.listed("other", subject), [])

    def test_subjects_by_sha512(self):
        subject = digest_of(b"somebody", "sha512")
        digest, answer = self.refer("longer", subject)
        self.assertEqual(answer["OCI-Subject"], subject)
        self.assertEqual([item["digest"] for item in self.listed("longer", subject)], [digest])

    def test_referrers_by_sha512(self):
        self.server.push_blob("by512", b"{}")
        content = json.dumps({"schemaVersion": 2, "config": descriptor(b"{}", EMPTY), "layers": [],
                              "subject": {"mediaType": MANIFEST, "digest": self.subject, "size": 7}}).encode()
        digest = digest_of(content, "sha512")
        self.assertStatus(self.server.put_manifest("by512", digest, content), 201)
        self.assertEqual([item["digest"] for item in self.listed("by512", self.subject)], [digest])

    def test_head_and_other_methods(self):
        self.refer("methods", self.subject)
        whole = self.list("methods", self.subject)
        answer = self.assertStatus(self.server.request("HEAD", f"/v2/methods/referrers/{self.subject}"), 200)
        self.assertEqual(answer["Content-Length"], str(len(whole.body)))
        self.assertStatus(self.server.request("POST", f"/v2/methods/referrers/{self.subject}", body=b""), 405)

    def test_a_repository_called_referrers(self):
        self.server.push_image("referrers", "tag")
        digest, _ = self.refer("a/referrers/b", self.subject)
        self.assertEqual([item["digest"] for item in self.listed("a/referrers/b", self.subject)], [digest])
        self.assertEqual(self.listed("referrers", self.subject), [])


if __name__ == "__main__":
    unittest.main()
