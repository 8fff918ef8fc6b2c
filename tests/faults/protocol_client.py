"""A client of the protocol fuzzer: all it does, and how often."""

import base64

import protocol_model as model
from protocol_blobs import BlobOperations
from protocol_exchange import Step
from protocol_manifests import ManifestOperations
from slipway_server import digest_of, head


class Client(BlobOperations, ManifestOperations):
    """Does random things until it is told to stop."""

    # --- What all clients change

    def shared_blob(self):
        content = self.random.choice(self.world.shared_contents)
        repository = self.random.choice(model.REPOSITORIES)
        digest, target = self.digest(content), f"/v2/{repository}/blobs"
        gone = {404: "BLOB_UNKNOWN"}
        kind = self.random.randrange(4)
        if kind == 0:
            return self.step("POST", f"{target}/uploads/?digest={digest}", {201: None}, body=content.data)
        if kind == 1:
            return self.step("DELETE", f"{target}/{digest}", {202: None} | gone)
        if kind == 2:
            return self.step("HEAD", f"{target}/{digest}", {200: None} | gone)

        def check(answer):
            self.expect("GET", answer, {200: None} | gone)
            self.demand(answer.status == 404 or answer.body == content.data, f"{digest} has other bytes")
        return Step("GET", f"{target}/{digest}", check)

    def shared_manifest(self):
        repository = self.random.choice(model.REPOSITORIES)
        manifest = self.random.choice(self.world.shared_manifests)
        reference = self.random.choice([*model.SHARED_TAGS, digest_of(manifest.body)])
        target, gone = f"/v2/{repository}/manifests/{reference}", {404: "MANIFEST_UNKNOWN"}
        method = self.random.choice(["PUT", "PUT", "GET", "GET", "DELETE"])
        if method == "PUT":
            return self.step(method, target, {201: None, 404: "MANIFEST_BLOB_UNKNOWN"},
                             [("Content-Type", manifest.media_type)], manifest.body)
        if method == "DELETE":
            return self.step(method, target, {202: None} | gone)

        def check(answer):
            self.expect(method, answer, {200: None} | gone)
            if answer.status == 200:
                self.demand(answer.body in [known.body for known in self.world.shared_manifests], "other bytes", answer)
                self.demand(answer["Docker-Content-Digest"] == digest_of(answer.body), "another digest", answer)
        return Step(method, target, check)

    def shared_abandoned(self):
        """A request whose answer nobody waits for: it may be done or not, now or later."""
        step = self.random.choice([self.shared_blob, self.shared_manifest])()
        self.history.append(f"{step} → not waited for")
        with self.connect() as connection:
            connection.ask(step.method, step.target, step.headers, step.body)

    def push_broken(self):
        """Bodies that break off change nothing."""
        content = self.new_content()
        data, cut = content.data, self.random.randrange(len(content.data))
        cache, key = self.random.choice(model.CACHES), f"c{self.number}/k{self.random.randrange(4)}"
        method, target = self.random.choice([
            ("POST", f"/v2/{self.repository()}/blobs/uploads/?digest={content.digests[0]}"),
            ("PUT", f"/v2/{self.repository()}/manifests/{self.tag()}"), ("PUT", f"/cas/{cache}/{key}")])
        with self.connect() as connection:
            if self.chance(0.5):
                connection.send(head(method, target, length=len(data)) + data[:cut])
            else:
                connection.send(head(method, target, [("Transfer-Encoding", "chunked")]))
                connection.send(b"%x\r\n" % len(data) + data[:cut])
        self.history.append(f"{method} {target} ({cut} of {len(data)} bytes, then closed)")
        self.exchange(self.blob_get((self.own, content.digests[0])))

    # --- Plain caches

    def cache_key(self):
        return self.random.choice(model.CACHES), f"c{self.number}/k{self.random.randrange(12)}"

    def cache_put(self):
        cache, key = self.cache_key()
        data = self.content().data
        named = self.random.choice([None, None, None, data, b"other"])
        if named is not None:  # as Bazel does: the key has the bytes' digest
            key = f"c{self.number}/cas/{digest_of(named).removeprefix('sha256:')}"

        def check(answer):
            expected = 413 if len(data) > model.ENTRY_MAX else 201 if named in (None, data) else 400
            self.expect("PUT", answer, {expected: None})
            if expected == 201:
                self.entries[cache, key] = data
        return Step("PUT", f"/cas/{cache}/{key}", check, (), data)

    def cache_get(self, key=None):
        cache, key = key or self.random.choice([self.cache_key(), *self.entries])
        method = self.random.choice(["GET", "GET", "HEAD"])

        def check(answer):
            expected = self.entries.get((cache, key))
            self.expect(method, answer, {404: None} if expected is None else {200: None, 404: None})
            if answer.status == 404:
                self.entries.pop((cache, key), None)  # it made room for others, and does not come back by itself
                return
            self.demand(answer["ETag"] == f'"{digest_of(expected)}"', "another entry", answer)
            self.demand(method == "HEAD" or answer.body == expected, f"{cache}/{key} has other bytes")
        return Step(method, f"/cas/{cache}/{key}", check)

    def cache_delete(self):
        cache, key = self.random.choice([self.cache_key(), *self.entries])

        def check(answer):
            there = self.entries.get((cache, key)) is not None
            self.expect("DELETE", answer, {204: None, 404: None} if there else {404: None})
            self.entries.pop((cache, key), None)
        return Step("DELETE", f"/cas/{cache}/{key}", check)

    def cache_of_another_kind(self):
        """A name is a registry's or a cache's, for good."""
        content = self.content()
        if self.chance(0.5):
            self.ask("PUT", f"/cas/plain/{self.number}", {409: None}, body=content.data[:1000])
        else:
            self.ask("POST", f"/v2/{model.CACHES[0]}/blobs/uploads/", {409: None, 429: None}, body=b"")
            self.ask("POST", f"/v2/{model.CACHES[0]}/blobs/uploads/?digest={content.digests[0]}", {409: None},
                     body=content.data)

    # --- Oddities

    def token(self):
        scopes = ["repository:plain:pull", "repository:plain:pull,push,delete", "registry:catalog:*",
                  "repository:plain:", "repository::pull", "x", ":::", "repository:UPPER:pull", "repository:a:b:c:pull",
                  "a" * 2000, "%00", "repository:plain:pull%20repository:fuzz/a:pull+x",
                  "repository(plugin):plain:pull"]
        wish = "&".join(f"scope={self.random.choice(scopes)}" for _ in range(self.random.randrange(5)))
        answer = self.ask("GET", f"/v2/token?service=x&{wish}", {200: None})
        token = answer.json()["token"]
        credentials = self.random.choice([f"Bearer {token}", f"bearer {token}x", "Bearer", "Bearer x.y.z", "Basic",
                                          "Basic " + base64.b64encode(b"a:b").decode(), "Basic %", "Digest x", "x"])
        refused = {401: "UNAUTHORIZED", 403: "DENIED", 404: None, 429: "TOOMANYREQUESTS"}
        field = [("Authorization", credentials)]
        self.ask("GET", f"/v2/plain/blobs/{digest_of(b'x')}", refused, field)
        self.ask("PUT", "/v2/plain/manifests/never", refused | {400: "MANIFEST_INVALID"}, field, b"{}")

    def odd_request(self):
        repository, digest = self.repository(), self.digest()
        target = self.random.choice([
            f"/v2/{repository}/blobs/sha256:12", "/v2/UPPER/tags/list", f"/v2/{repository}/blobs/", "/v2/a//tags/list",
            f"/v2/{repository}/manifests/{'t' * 200}", "/v2/" + "a/" * 130 + "tags/list", "/v2/..%2f/tags/list", "/v3/",
            f"/v2/{repository}/blobs/{digest}/", "/cas/", "/cas/UPPER/k", "/cas/cache-a/" + "k" * 513,
            "/cas/cache-a//k", "/cas/cache-a/%00", "/v2/x?%zz", "/v2/?" + "a=b&" * 70, f"/v2/{repository}/tags/list/",
            "/v2/_catalog/", f"/v2/{repository}/blobs/uploads", "/%", "//", "/v2/%ff%fe/tags/list",
            "/api/v1/none", "/metricsx", "*"])
        method = self.random.choice(["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "PATCH", "LOCK"])

        def check(answer):
            self.demand(400 <= answer.status < 500, "an odd request was answered", answer)
        self.exchange(Step(method, target, check, is_odd=True))

    def odd_method(self):
        repository, digest = self.repository(), self.digest()
        method, target = self.random.choice([
            ("POST", f"/v2/{repository}/blobs/{digest}"), ("PATCH", f"/v2/{repository}/manifests/x"),
            ("DELETE", f"/v2/{repository}/tags/list"), ("PUT", "/v2/_catalog"), ("POST", "/v2/"),
            ("PUT", f"/v2/{repository}/blobs/uploads/"), ("POST", f"/v2/{repository}/blobs/uploads/x"),
            ("DELETE", f"/v2/{repository}/referrers/{digest}"), ("POST", "/v2/token"), ("OPTIONS", "/v2/"),
            ("PUT", f"/v2/{repository}/blobs/{digest}"), ("BREW", f"/v2/{repository}/manifests/x")])
        return self.step(method, target, {405: None}, body=self.random.choice([None, b"x", b"y" * 5000]))

    def garbage(self):
        """Bytes that are no request: refused in plain text, or the connection is closed; heads that never end."""
        body = self.random.choice([
            self.random.randbytes(200) + b"\r\n\r\n", b"GET /v2/ HTTP/1.1\r\n", b"GET /v2/ HTTP/9.9\r\nHost: x\r\n\r\n",
            b"GET /v2/ HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 60 + b"\r\n", b"GET /" + b"x" * 20_000,
            b"PUT /cas/cache-a/garbage HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n\r\n",
            b"POST /v2/plain/blobs/uploads/?digest=" + digest_of(b"x").encode() + b" HTTP/1.1\r\nHost: x\r\n"
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"\x16\x03\x01\x00\x05hello"])
        self.history.append(f"garbage: {body[:80]!r}")
        with self.connect() as connection:
            if body.endswith(b"\r\n\r\n"):
                connection.send(body)
                try:
                    answer = connection.response()
                    self.demand(answer.status in (400, 404, 408, 431, 501, 505), "garbage was answered", answer)
                except ConnectionError:
                    pass  # closing without a word is an answer too
            else:
                connection.send(body)

    def pipeline(self):
        steps = [self.random.choice(SIMPLE)(self) for _ in range(self.random.randrange(2, 9))]
        # Little to send: the server need not read on before its answers are taken.
        self.exchange(*(step for step in steps if len(step.body or b"") < 8_000 or step is steps[-1]))

    # --- The whole

    def do_something(self):
        operation = self.random.choices(OPERATIONS, WEIGHTS)[0]
        self.operations[operation.__name__] += 1
        step = operation(self)
        if isinstance(step, Step):
            self.exchange(step)

    def run(self, stop):
        """Until `stop` is set; what went wrong is told to the world, and stops everybody."""
        try:
            while not stop.is_set():
                self.do_something()
        except Exception as error:  # whatever it is, the report must tell it
            self.world.report(self, error)

    def verify(self):
        """Everything that was acknowledged is there, and what was deleted is not."""
        for key in list(self.blobs.states):
            self.exchange(self.blob_get(key))
        for key in list(self.manifests):
            self.exchange(self.manifest_get(key))
        for key in list(self.tags):
            self.exchange(self.tag_get(key))
        for key in list(self.entries):
            self.exchange(self.cache_get(key))

    def end(self):
        """Leaves nothing open."""
        for session in list(self.sessions):
            self.session_status(session)
            if session in self.sessions:
                self.session_cancel(session)
        self.close()


SIMPLE = [Client.blob_push, Client.blob_get, Client.blob_get, Client.blob_range, Client.blob_delete,
          Client.manifest_put, Client.manifest_put, Client.manifest_spoilt, Client.manifest_get, Client.tag_get,
          Client.manifest_delete, Client.tag_delete, Client.shared_blob, Client.shared_manifest, Client.cache_put,
          Client.cache_get, Client.cache_delete, Client.odd_method]
WEIGHTED = {
    Client.blob_push: 8, Client.blob_get: 8, Client.blob_range: 4, Client.blob_delete: 3, Client.blob_mount: 6,
    Client.session_begin: 2, Client.session_patch: 10, Client.session_out_of_order: 4, Client.session_status: 2,
    Client.session_finish: 6, Client.session_wrong_digest: 2, Client.session_too_large: 1, Client.session_broken: 3,
    Client.session_two_at_once: 4, Client.session_cancel: 2, Client.session_ended: 3, Client.session_shared: 5,
    Client.manifest_put: 10, Client.manifest_spoilt: 4, Client.manifest_get: 5, Client.tag_get: 5,
    Client.manifest_delete: 2, Client.tag_delete: 2, Client.shared_blob: 4, Client.shared_manifest: 5,
    Client.shared_abandoned: 2, Client.push_broken: 2, Client.list_tags: 2, Client.list_catalog: 1,
    Client.list_badly: 1, Client.list_referrers: 3, Client.cache_put: 5, Client.cache_get: 4, Client.cache_delete: 1,
    Client.cache_of_another_kind: 1, Client.token: 1, Client.odd_request: 2, Client.odd_method: 2, Client.garbage: 1,
    Client.pipeline: 5,
}
OPERATIONS, WEIGHTS = list(WEIGHTED), list(WEIGHTED.values())
