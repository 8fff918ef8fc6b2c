"""Manifests: kept byte for byte, of every kind, refused when they are none."""

import json
import unittest

from slipway_server import (CONFIG, DOCKER_LIST, DOCKER_MANIFEST, INDEX, LAYER, MANIFEST, ServerTest, descriptor,
                            digest_of, image_manifest)

EMPTY = "application/vnd.oci.empty.v1+json"


class ManifestCase(ServerTest):
    config_blob, layer = b'{"architecture":"amd64"}', b"a layer"

    def setUp(self):
        self.server = self.shared()
        self.server.push_blob("m", self.config_blob)
        self.server.push_blob("m", self.layer)

    def get(self, reference, repository="m", method="GET", headers=()):
        return self.server.request(method, f"/v2/{repository}/manifests/{reference}", headers)

    def put(self, content, reference="tag", media_type=MANIFEST, repository="m"):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        return self.server.put_manifest(repository, reference, content, media_type)

    def image(self, **changes):
        """A manifest as an object; a change to None takes the field away."""
        fields = json.loads(image_manifest(self.config_blob, [self.layer])) | changes
        return {name: value for name, value in fields.items() if value is not None}

    def assertKept(self, content, media_type, reference="tag"):
        digest = digest_of(content)
        for name in (reference, digest):
            for method in ("GET", "HEAD"):
                answer = self.assertStatus(self.get(name, method=method), 200)
                self.assertEqual(answer.body, content if method == "GET" else b"")
                self.assertEqual(answer["Content-Type"], media_type)
                self.assertEqual(answer["Content-Length"], str(len(content)))
                self.assertEqual(answer["Docker-Content-Digest"], digest)
                self.assertEqual(answer["ETag"], f'"{digest}"')


class KindsTest(ManifestCase):
    def test_bytes_are_kept_as_they_came(self):
        content = json.dumps(self.image(), indent=7).replace('"config"', '\t\r\n "config"').encode() + b"\n\n \t"
        answer = self.assertStatus(self.put(content, "odd"), 201)
        self.assertEqual(answer["Docker-Content-Digest"], digest_of(content))
        self.assertEqual(answer["Location"], f"/v2/m/manifests/{digest_of(content)}")
        self.assertIsNone(answer["OCI-Subject"])
        self.assertKept(content, MANIFEST, "odd")

    def test_the_four_kinds(self):
        image = json.dumps(self.image()).encode()
        docker = json.dumps(self.image(mediaType=DOCKER_MANIFEST)).encode()
        for kind, media_type, content in (("image", MANIFEST, image), ("docker", DOCKER_MANIFEST, docker)):
            self.assertStatus(self.put(content, kind, media_type), 201)
            self.assertKept(content, media_type, kind)
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            descriptor(image, MANIFEST) | {"platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
        docker_list = json.dumps({"schemaVersion": 2, "mediaType": DOCKER_LIST,
                                  "manifests": [descriptor(docker, DOCKER_MANIFEST)]}).encode()
        nested = json.dumps({"schemaVersion": 2, "manifests": [descriptor(index, INDEX)]}).encode()
        for kind, media_type, content in (("index", INDEX, index), ("list", DOCKER_LIST, docker_list),
                                          ("nested", INDEX, nested)):
            self.assertStatus(self.put(content, kind, media_type), 201)
            self.assertKept(content, media_type, kind)

    def test_an_index_may_list_plain_blobs(self):  # BuildKit's cache does
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(self.layer, LAYER),
                                                                         descriptor(self.config_blob, CONFIG)]}
        self.assertStatus(self.put(content, "cache", INDEX), 201)

    def test_by_digest_without_a_tag(self):
        content = json.dumps(self.image(annotations={"by": "digest"})).encode()
        self.assertStatus(self.put(content, digest_of(content)), 201)
        self.assertKept(content, MANIFEST, digest_of(content))
        self.assertStatus(self.put(content, digest_of(b"another")), 400, "DIGEST_INVALID")

    def test_by_sha512(self):
        content = json.dumps(self.image(annotations={"by": "sha512"})).encode()
        digest = digest_of(content, "sha512")
        answer = self.assertStatus(self.put(content, digest), 201)
        self.assertEqual(answer["Docker-Content-Digest"], digest)
        answer = self.assertStatus(self.get(digest), 200)
        self.assertEqual(answer.body, content)
        self.assertEqual(answer["Docker-Content-Digest"], digest)

    def test_several_tags_at_once(self):
        content = json.dumps(self.image(annotations={"tags": "several"})).encode()
        for algorithm in ("sha256", "sha512"):
            digest = digest_of(content, algorithm)
            tags = [f"t{number}.{algorithm}" for number in range(12)]
            answer = self.assertStatus(self.put(content, digest + "?" + "&".join(f"tag={tag}" for tag in tags)), 201)
            self.assertEqual([value for name, value in answer.fields if name == "OCI-Tag"], tags)
            self.assertEqual(answer["Docker-Content-Digest"], digest)
            for tag in tags:
                self.assertEqual(self.get(tag).body, content)
                self.assertEqual(self.get(tag)["Docker-Content-Digest"], digest)

    def test_several_tags_or_none(self):
        content = json.dumps(self.image(annotations={"tags": "none"})).encode()
        for query in ("tag=fine&tag=not%20fine", "tag=", "tag=fine&tag=a/b", "tag=fine&tag=sha256:abc"):
            self.assertStatus(self.put(content, f"{digest_of(content)}?{query}"), 400, "MANIFEST_INVALID")
        self.assertStatus(self.put(content, "one?tag=two"), 400, "UNSUPPORTED")
        absent = json.dumps(self.image(layers=[descriptor(b"absent", LAYER)])).encode()
        self.assertStatus(self.put(absent, f"{digest_of(absent)}?tag=fine"), 404, "MANIFEST_BLOB_UNKNOWN")
        for tag in ("fine", "one", "two"):
            self.assertStatus(self.get(tag), 404)

    def test_an_artifact_with_a_subject(self):
        image = json.dumps(self.image()).encode()
        self.server.push_blob("m", b"{}")
        for subject in (image, b"a subject that is not here"):
            artifact = {"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": "application/vnd.example.sbom",
                        "config": descriptor(b"{}", EMPTY), "layers": [descriptor(self.layer, "text/plain")],
                        "subject": descriptor(subject, MANIFEST), "annotations": {"a": "b"}}
            index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [], "subject": descriptor(subject, MANIFEST)}
            for content, media_type in ((artifact, MANIFEST), (index, INDEX)):
                answer = self.assertStatus(self.put(content, "artifact", media_type), 201)
                self.assertEqual(answer["OCI-Subject"], digest_of(subject))
                self.assertKept(json.dumps(content).encode(), media_type, "artifact")

    def test_what_must_be_accepted(self):
        foreign = {"mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
                   "digest": digest_of(b"elsewhere"), "size": 9, "urls": ["https://example.org/layer"]}
        for content in (self.image(layers=[]), self.image(layers=None), self.image(layers=[foreign]),
                        self.image(unknown={"deep": [1, {"er": None}]}), self.image(mediaType=None),
                        self.image(config=descriptor(self.config_blob, CONFIG) | {"data": "e30="}),
                        self.image(annotations={"é": "日本語 \u0000"})):
            self.assertStatus(self.put(content), 201)
        self.assertStatus(self.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, media_type=INDEX), 201)

    def test_the_type_of_the_header_without_its_parameters(self):
        content = json.dumps(self.image(annotations={"with": "parameters"})).encode()
        self.assertStatus(self.put(content, "parameters", f"{MANIFEST}; charset=utf-8"), 201)
        self.assertKept(content, MANIFEST, "parameters")
        content = json.dumps(self.image(mediaType=DOCKER_MANIFEST)).encode()
        answer = self.server.request("PUT", "/v2/m/manifests/untyped", [], content)
        self.assertStatus(answer, 201)
        self.assertKept(content, DOCKER_MANIFEST, "untyped")

    def test_unchanged(self):
        content = self.server.push_image("m", "unchanged")
        etag = f'"{digest_of(content)}"'
        answer = self.assertStatus(self.get("unchanged", headers=[("If-None-Match", etag)]), 304)
        self.assertEqual(answer["Docker-Content-Digest"], digest_of(content))
        self.server.push_image("m", "unchanged", "other")
        self.assertStatus(self.get("unchanged", headers=[("If-None-Match", etag)]), 200)

    def test_four_mebibytes_fit(self):
        content = json.dumps(self.image(annotations={"filler": "x" * 3_900_000})).encode()
        self.assertStatus(self.put(content, "large"), 201)
        self.assertKept(content, MANIFEST, "large")


class RefusedTest(ManifestCase):
    def refuse(self, content, status=400, code="MANIFEST_INVALID", media_type=MANIFEST):
        self.assertStatus(self.put(content, "refused", media_type), status, code)
        self.assertStatus(self.get("refused"), 404, "MANIFEST_UNKNOWN")

    def test_what_is_no_json(self):
        for content in (b"", b"{", b"null", b"[]", b'"text"', b"5", b"\xff\xfe", b"{}{}", b"{'a':1}",
                        json.dumps(self.image()).encode() + b"x", b'{"schemaVersion":2,"schemaVersion"}'):
            self.refuse(content)

    def test_what_is_too_deep(self):
        for opening in (b"[", b'{"a":'):
            answer = self.put(opening * 100_000, "refused")
            self.assertIn(answer.status, (400, 413))
            answer.code()
        deep = json.dumps(self.image()).encode()[:-1] + b',"deep":' + b"[" * 5000 + b"]" * 5000 + b"}"
        self.assertIn(self.put(deep, "refused").status, (400, 413))
        self.assertStatus(self.server.request("GET", "/v2/"), 200)

    def test_what_is_no_manifest(self):
        blob = descriptor(self.layer, LAYER)
        for content in (self.image(schemaVersion=1), self.image(schemaVersion="2"), self.image(schemaVersion=None),
                        self.image(config=None), self.image(config=[]), self.image(config="x"),
                        self.image(config={"mediaType": CONFIG}), self.image(layers={}), self.image(layers=["x"]),
                        self.image(layers=[blob | {"digest": "sha256:abc"}]), self.image(layers=[blob | {"size": -1}]),
                        self.image(layers=[blob | {"size": "7"}]), self.image(layers=[blob | {"size": 1.5}]),
                        self.image(layers=[blob | {"size": 2 ** 63}]), self.image(layers=[blob | {"size": 2 ** 64}]),
                        self.image(manifests=[]), self.image(subject="x"), self.image(subject={"digest": "x"})):
            self.refuse(content)
        for content in ({"schemaVersion": 2, "manifests": {}}, {"schemaVersion": 2, "manifests": [5]}, self.image()):
            self.refuse(content, media_type=INDEX)

    def test_types_that_contradict_or_are_none(self):
        self.refuse(self.image(mediaType=DOCKER_MANIFEST))
        self.refuse(self.image(mediaType=INDEX))
        self.refuse(self.image(), media_type=DOCKER_MANIFEST)
        self.refuse(self.image(mediaType=None), media_type="application/json")
        self.refuse(self.image(mediaType=None), media_type="application/vnd.docker.distribution.manifest.v1+prettyjws")

    def test_missing_children(self):
        missing = b"never pushed"
        image = self.image(layers=[descriptor(self.layer, LAYER), descriptor(missing, LAYER)])
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [descriptor(missing, MANIFEST)]}
        for content, media_type in ((image, MANIFEST), (index, INDEX)):
            answer = self.put(content, "refused", media_type)
            self.assertIn(answer.status, (400, 404))
            self.assertEqual(answer.code(), "MANIFEST_BLOB_UNKNOWN")
            self.assertIn(digest_of(missing), answer.json()["errors"][0]["message"])
            self.assertStatus(self.get("refused"), 404, "MANIFEST_UNKNOWN")
        answer = self.put(self.image(), "refused", repository="m2")  # what another repository has is missing here
        self.assertEqual(answer.code(), "MANIFEST_BLOB_UNKNOWN")
        self.assertStatus(self.server.request("GET", "/v2/m2/tags/list"), 404, "NAME_UNKNOWN")

    def test_an_image_is_no_layer(self):
        image = self.server.push_image("m", "child")
        answer = self.put(self.image(layers=[descriptor(image, MANIFEST)]), "refused")
        self.assertEqual(answer.code(), "MANIFEST_BLOB_UNKNOWN")

    def test_references_that_are_none(self):
        for reference in ("-x", ".x", "x" * 129, "x y", "x%40y", "%C3%A9", "sha256:abc", "sha1:" + "0" * 40,
                          digest_of(b"").upper(), "a:b"):
            answer = self.put(self.image(), reference.replace(" ", "%20"))
            self.assertStatus(answer, 400)
            self.assertIn(answer.code(), ("MANIFEST_INVALID", "DIGEST_INVALID"), reference)
            self.assertIn(self.get(reference.replace(" ", "%20")).status, (400, 404))
        for reference in ("x" * 128, "_x", "X.-_9"):
            self.assertStatus(self.put(self.image(), reference), 201)


class SettingsTest(ServerTest):
    def test_sparse_manifests(self):
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX,
                            "manifests": [descriptor(b"absent", MANIFEST)]}).encode()
        image = image_manifest(b"absent", [])
        server = self.serve('[oci]\nsparse = "indexes"\n')
        answer = self.assertStatus(server.put_manifest("sparse", "index", index, INDEX), 201)
        self.assertRegex(answer["Warning"], r'^299 - "1 of what this manifest lists [^"]*"$')
        self.assertEqual(server.request("GET", "/v2/sparse/manifests/index").body, index)
        self.assertEqual(server.put_manifest("sparse", "image", image).code(), "MANIFEST_BLOB_UNKNOWN")
        server = self.serve('[oci]\nsparse = "all"\n')
        self.assertStatus(server.put_manifest("sparse", "index", index, INDEX), 201)
        answer = self.assertStatus(server.put_manifest("sparse", "image", image), 201)
        self.assertRegex(answer["Warning"], r'^299 - "1 of what this manifest lists [^"]*"$')
        self.assertEqual(server.request("GET", "/v2/sparse/manifests/image").body, image)

    def test_sizes(self):
        server = self.serve('[limits]\nmanifest_bytes = "2KiB"\n')
        server.push_image("sizes", "small")
        for framing in ([], [("Transfer-Encoding", "chunked")]):
            content = image_manifest(b"c", [], annotations={"filler": "x" * 2048})
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content) if framing else content
            answer = server.request("PUT", "/v2/sizes/manifests/big", [("Content-Type", MANIFEST), *framing], body)
            self.assertStatus(answer, 413, None if framing else "SIZE_INVALID")
        self.assertStatus(server.request("GET", "/v2/sizes/manifests/big"), 404)


if __name__ == "__main__":
    unittest.main()
