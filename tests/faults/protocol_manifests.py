"""What clients of the protocol fuzzer do with manifests and tags, and the lists of them."""

import re
from urllib.parse import quote

import protocol_model as model
from protocol_exchange import Exchanges, Step
from protocol_model import Presence
from slipway_server import digest_of


class ManifestOperations(Exchanges):
    # --- Manifests

    def new_manifest(self, repository):
        """One whose children are ours, and mostly in the repository."""
        there = [digest for (where, digest), state in self.blobs.states.items()
                 if where == repository and state is Presence.PRESENT]
        sizes = {digest: len(content.data) for content in self.contents for digest in content.digests}
        there = [digest for digest in there if digest in sizes] or list(sizes)
        pick = there if self.chance(0.9) else list(sizes)

        def some(count):
            return [(digest, sizes[digest]) for digest in self.random.choices(pick, k=count)]
        subject, artifact_type = None, self.random.choice([None, "application/x.one", "application/x.two"])
        known = [key[1] for key in self.manifests if key[0] == repository]
        if self.chance(0.3):
            about = self.random.choice([*known, self.subject()])
            subject = model.descriptor(about, 1, "application/vnd.oci.image.manifest.v1+json")
        more = {"subject": subject, "artifact_type": artifact_type, "type_in_body": self.chance(0.8),
                "note": f"{self.number}/{self.random.getrandbits(40)}"}
        children = [(digest, len(manifest.body), manifest.media_type)
                    for (where, digest), manifest in self.manifests.items() if where == repository and manifest]
        if children and self.chance(0.35):
            return model.make_index(self.random.choices(children, k=self.random.randrange(4)), **more)
        return model.make_image(some(1)[0], some(self.random.randrange(4)), **more)

    def subject(self):
        """A digest that nothing has, which images of ours are about."""
        return digest_of(b"%d subject %d" % (self.number, self.random.randrange(3)))

    def manifest_put(self):
        repository = self.repository()
        known = [manifest for key, manifest in self.manifests.items() if manifest and key[0] == repository]
        manifest = self.random.choice(known) if known and self.chance(0.4) else self.new_manifest(repository)
        digest = digest_of(manifest.body, "sha512" if self.chance(0.15) else "sha256")
        tag, tags, query = self.tag(), [], ""
        reference = digest
        if self.chance(0.4):
            reference, tags, digest = tag, [tag], digest_of(manifest.body)
        elif self.chance(0.3):
            tags = [self.tag() for _ in range(self.random.randrange(1, 4))]
            query = "?" + "&".join(f"tag={tag}" for tag in tags)

        def check(answer):
            states = {self.child_state(repository, child) for child in manifest.children}
            outcomes = {201: None, 404: "MANIFEST_BLOB_UNKNOWN"}
            if Presence.ABSENT in states:
                del outcomes[201]
            elif Presence.UNKNOWN not in states:
                del outcomes[404]
            self.expect("PUT", answer, outcomes)
            if answer.status == 404:
                return
            self.demand(answer["Docker-Content-Digest"] == digest, "another digest", answer)
            self.demand(answer["Location"] == f"/v2/{repository}/manifests/{digest}", "where the manifest is", answer)
            self.demand(answer["OCI-Subject"] == manifest.subject, "OCI-Subject", answer)
            named = [value for name, value in answer.fields if name == "OCI-Tag"]
            self.demand(named == (tags if query else []), "OCI-Tag", answer)
            self.manifests[repository, digest] = manifest
            self.tags |= {(repository, tag): digest for tag in tags}
        return Step("PUT", f"/v2/{repository}/manifests/{reference}{query}", check,
                    (("Content-Type", manifest.media_type),), manifest.body)

    def tag(self):
        return f"c{self.number}-{self.random.choice('abcde')}"

    def child_state(self, repository, digest):
        if self.manifests.get((repository, digest)):
            return Presence.PRESENT
        return self.blobs.state(repository, digest)

    def manifest_spoilt(self):
        repository = self.repository()
        manifest = self.new_manifest(repository)
        body, media_type = model.spoilt(self.random, manifest)
        reference, query = self.random.choice([self.tag(), self.tag(), digest_of(body), digest_of(b"other")]), ""
        code = "DIGEST_INVALID" if reference == digest_of(b"other") else "MANIFEST_INVALID"
        if self.chance(0.1):
            reference, code = self.random.choice([("sha256:12", "DIGEST_INVALID"), ("-tag", "MANIFEST_INVALID"),
                                                  ("t" * 129, "MANIFEST_INVALID"), ("%20", "MANIFEST_INVALID")])
        elif self.chance(0.1):
            reference, query = self.random.choice([(self.tag(), "?tag=x"), (digest_of(body), "?tag=-x"),
                                                   (digest_of(body), "?tag=")])
            code = None
        if media_type == manifest.media_type and body == manifest.body:
            return self.manifest_get()
        outcomes = {400: code}
        if max(body.count(b"["), body.count(b"{")) > 64:  # nested too deep
            outcomes = {400: code, 413: "SIZE_INVALID"}
        if self.chance(0.05):
            body, outcomes = b" " * (model.MANIFEST_MAX + 1), {413: "SIZE_INVALID"}
            reference, query = self.tag(), ""
        return self.step("PUT", f"/v2/{repository}/manifests/{reference}{query}", outcomes,
                         [("Content-Type", media_type)], body)

    def known_manifest(self):
        there = [key for key, manifest in self.manifests.items() if manifest]
        if there and self.chance(0.6):
            return self.random.choice(there)
        return self.random.choice(list(self.manifests) or [(self.repository(), self.subject())])

    def manifest_get(self, key=None):
        repository, digest = key or self.known_manifest()

        def find():
            return digest if self.manifests.get((repository, digest)) else None
        return self.manifest_step(repository, digest, find, always_get=bool(key))

    def tag_get(self, key=None):
        repository, tag = key or (self.repository(), self.tag())
        return self.manifest_step(repository, tag, lambda: self.tags.get((repository, tag)), always_get=bool(key))

    def manifest_step(self, repository, reference, find, always_get):
        method = "GET" if always_get or self.chance(0.7) else "HEAD"
        stale = digest_of(b"an older one")
        etag = self.random.choice([None, stale, find() or stale])

        def check(answer):
            if not (digest := find()):
                return self.expect(method, answer, {404: "MANIFEST_UNKNOWN"})
            manifest = self.manifests[repository, digest]
            self.expect(method, answer, {304: None} if etag == digest else {200: None})
            self.demand(answer["Docker-Content-Digest"] == digest, f"another manifest than {digest}", answer)
            if answer.status == 200:
                self.demand(answer["Content-Type"] == manifest.media_type, "another type", answer)
                self.demand(method == "HEAD" or answer.body == manifest.body, "other bytes", answer)
                self.demand(answer["Content-Length"] == str(len(manifest.body)), "another length", answer)
        return Step(method, f"/v2/{repository}/manifests/{reference}", check,
                    (("If-None-Match", f'"{etag}"'),) if etag else ())

    def manifest_delete(self, key=None):
        repository, digest = key or self.known_manifest()

        def check(answer):
            there = self.manifests.get((repository, digest))
            self.expect("DELETE", answer, {202: None} if there else {404: "MANIFEST_UNKNOWN"})
            self.manifest_is_gone(repository, digest)
        return Step("DELETE", f"/v2/{repository}/manifests/{digest}", check)

    def manifest_is_gone(self, repository, digest):
        self.manifests[repository, digest] = None
        for key, named in self.tags.items():
            if key[0] == repository and named == digest:
                self.tags[key] = None

    def forget_manifests(self, keys):
        """Looks at these a last time and takes them away."""
        for key in keys:
            self.exchange(self.manifest_get(key))
            self.exchange(self.manifest_delete(key))
            del self.manifests[key]

    def tag_delete(self):
        repository, tag = self.repository(), self.tag()

        def check(answer):
            there = self.tags.get((repository, tag))
            self.expect("DELETE", answer, {202: None} if there else {404: "MANIFEST_UNKNOWN"})
            self.tags[repository, tag] = None
        return Step("DELETE", f"/v2/{repository}/manifests/{tag}", check)

    # --- Lists

    def pages(self, target, query, take):
        """Follows the links of a list; `take` returns a page's items."""
        items, seen = [], set()
        target += "?" + "&".join(f"{name}={quote(value)}" for name, value in query.items())
        while target:
            self.demand(target not in seen and len(seen) < 400, f"a list without an end: {target}")
            seen.add(target)
            answer = self.ask("GET", target, {200: None})
            items += take(answer)
            link = re.fullmatch(r'<(/v2/[^>]+)>; rel="next"', answer["Link"] or "")
            self.demand(link or not answer["Link"], "Link", answer)
            target = link and link[1]
        return items

    def list_query(self, names):
        query = {}
        if self.chance(0.6):
            query["n"] = str(self.random.choice([1, 2, 3, 7, 100, 10_001, 2**63, 10**30]))
        if self.chance(0.4):
            query["last"] = self.random.choice([*names, "", "~", "A", "zzz", "a b", "\x7f", "é"])
        return query

    def check_names(self, found, query, certain):
        """A list is in byte order, each name once, and has of `certain` (name → whether it is there) what it must."""
        encoded = [name.encode() for name in found]
        self.demand(encoded == sorted(set(encoded)), f"a list that is not in order: {found}")
        last = query.get("last", "")
        for name, there in certain.items():
            expected = there and name.encode() > last.encode()
            self.demand((name in found) == bool(expected), f"{name} should {'' if expected else 'not '}be in {found}")
        self.demand(all(name.encode() > last.encode() for name in found), f"names up to {last!r} in {found}")

    def list_tags(self):
        repository = self.repository()
        certain = {tag: named for (where, tag), named in self.tags.items() if where == repository}
        if repository == self.own and not any(kept for (where, _), kept in self.manifests.items() if where == self.own):
            return  # it may not exist yet: what is kept as None may be the answer to a deletion of nothing
        query = self.list_query(certain)
        found = self.pages(f"/v2/{repository}/tags/list", query, lambda answer: answer.json()["tags"])
        self.check_names(found, query, certain)

    def list_catalog(self):
        query = self.list_query(self.repositories)
        found = self.pages("/v2/_catalog", query, lambda answer: answer.json()["repositories"])
        self.check_names(found, query, dict.fromkeys(model.REPOSITORIES, True) | {"no/such": False})

    def list_badly(self):
        target = self.random.choice([f"/v2/{self.repository()}/tags/list", "/v2/_catalog",
                                     f"/v2/{self.repository()}/referrers/{self.subject()}"])
        n = self.random.choice(["", "-1", "x", "1.5", "+1", "%201", "0x10", "1,2"])
        self.ask("GET", f"{target}?n={n}", {400: None, 404: None})
        answer = self.ask(self.random.choice(["GET", "HEAD"]), f"{target}?n=0", {200: None, 404: "NAME_UNKNOWN"})
        self.demand(not answer["Link"] or "referrers" in target, "a next page of nothing", answer)

    def list_referrers(self):
        repository, wish = self.repository(), self.random.choice([None, "application/x.one", model.CONFIG, "x/none"])
        about = self.random.choice([self.subject(), self.known_manifest()[1]])
        query = {"n": str(self.random.choice([1, 2, 5, 2000]))} if self.chance(0.6) else {}
        if wish:
            query["artifactType"] = wish

        def take(answer):
            index = answer.json()
            self.demand(index["mediaType"] == answer["Content-Type"] == model.INDEX, "no index", answer)
            self.demand((answer["OCI-Filters-Applied"] == "artifactType") == bool(wish), "OCI-Filters-Applied", answer)
            return index["manifests"]
        found = self.pages(f"/v2/{repository}/referrers/{about}", query, take)
        expected = {digest: manifest for (where, digest), manifest in self.manifests.items()
                    if where == repository and manifest and manifest.subject == about
                    and wish in (None, manifest.artifact_type)}
        names = [entry["digest"] for entry in found]
        self.demand(sorted(names) == sorted(expected), f"referrers {names}, expected {list(expected)}")
        for entry in found:
            manifest = expected[entry["digest"]]
            self.demand(entry["size"] == len(manifest.body) and entry["mediaType"] == manifest.media_type
                        and entry.get("artifactType") == manifest.artifact_type, f"{entry} is not {manifest}")
