"""What clients of the kill -9 proof do with blobs, upload sessions and cache entries."""

from crash_exchange import (CACHES, REPOSITORIES, SHARED_CONTENTS, SHARED_ENTRIES, Exchanges, blob_key, puts,
                            removes)
from crash_model import Key, Operation, Session, Violation
from slipway_server import OCTETS, digest_of

SESSIONS_MAX = 4


class BlobOperations(Exchanges):
    # --- Blobs

    def blob_push(self, content=None, repository=None):
        content, repository = content or self.content(), repository or self.repository()
        self.ask("blob push", "POST", f"/v2/{repository}/blobs/uploads/?digest={content.digest}",
                 [puts(blob_key(repository, content))], headers=[("Content-Type", OCTETS)], body=content.data)

    def blob_push_in_two(self):
        """A session of one PUT; where the kill comes in between it is one of those that go on."""
        self.session_finish(self.session_begin(self.new_content()))

    def blob_mount(self):
        content, to = self.content(), self.repository()
        source = self.random.choice([where for where in REPOSITORIES if where != to])
        if not self.book.now(blob_key(source, content)):
            self.blob_push(content, source)
        self.ask("mount", "POST", f"/v2/{to}/blobs/uploads/?mount={content.digest}&from={source}",
                 [puts(blob_key(to, content))], body=b"")

    def users_of(self, repository, digest):
        """Our manifests there that list it."""
        return [manifest for where, manifest in self.manifests if where == repository and digest in manifest.children
                and self.book.now(Key("manifest", where, digest_of(manifest.body)))]

    def blob_delete(self, content=None, repository=None):
        content, repository = content or self.content(), repository or self.repository()
        there = self.book.now(blob_key(repository, content))
        if not self.users_of(repository, content.digest) and (there or self.chance(0.1)):
            self.ask("blob delete", "DELETE", f"/v2/{repository}/blobs/{content.digest}",
                     [removes(blob_key(repository, content))], [202 if there else 404])

    def shared_blob(self):
        """The same bytes come and go by several clients."""
        content, repository = self.random.choice(SHARED_CONTENTS), self.random.choice(REPOSITORIES)
        kind = self.random.randrange(4)
        if kind == 0:
            self.ask("shared blob delete", "DELETE", f"/v2/{repository}/blobs/{content.digest}",
                     [removes(blob_key(repository, content))], [202, 404])
        elif kind == 1:
            source = self.random.choice(REPOSITORIES)
            target = f"/v2/{repository}/blobs/uploads/?mount={content.digest}&from={source}"
            answer = self.ask("shared mount", "POST", target, [puts(blob_key(repository, content))], body=b"",
                              refused=[202])
            if answer.status == 202:
                self.session_finish(self.keep_session(repository, answer, self.new_content()))
        else:
            self.blob_push(content, repository)

    # --- Upload sessions

    def session_begin(self, content):
        repository = self.repository()
        said = f"?digest-algorithm={content.algorithm}" if self.chance(0.7) else ""
        answer = self.ask("session begin", "POST", f"/v2/{repository}/blobs/uploads/{said}", (), [202], body=b"")
        return self.keep_session(repository, answer, content)

    def keep_session(self, repository, answer, content):
        self.sessions.append(Session(repository, answer["Location"], content))
        return self.sessions[-1]

    def session(self):
        if len(self.sessions) < SESSIONS_MAX and (not self.sessions or self.chance(0.3)):
            self.session_begin(self.new_content(self.random.choice([5_000, 60_000, self.random.randrange(400_000)])))
        return self.random.choice(self.sessions)

    def session_patch(self):
        session = self.session()
        rest = session.content.data[session.position:]
        if not rest:
            return self.session_finish(session)
        piece = rest[:max(2, int(len(session.content.data) * self.random.uniform(0.01, 0.2)))]
        self.ready()
        session.sent = session.position + len(piece)
        field = [("Content-Range", f"{session.position}-{session.sent - 1}")] if self.chance(0.6) else []
        session.advance = Operation("session patch", "PATCH", session.path,
                                    note=f" ({session.position} to {session.sent})")
        answer = self.send(session.advance, field, piece)
        self.judge(session.advance, answer, [202])
        session.position = session.sent
        self.count_resumed(session)
        if answer["Range"] != f"0-{session.position - 1}":
            raise Violation(f"{session.advance} is answered with Range {answer['Range']}")

    def count_resumed(self, session):
        if session.kills and not session.is_resumed:
            session.is_resumed = True
            self.sessions_resumed += 1
        self.kills_survived = max(self.kills_survived, session.kills)

    def session_finish(self, session=None):
        session = session or self.session()
        self.ready()
        rest = session.content.data[session.position:]
        session.sent = len(session.content.data)
        field = [("Content-Range", f"{session.position}-{session.sent - 1}")] if rest and self.chance(0.5) else []
        session.ending = session.advance = Operation(
            "session finish", "PUT", f"{session.path}?digest={session.content.digest}", [puts(session.key)],
            f" (from {session.position})")
        self.judge(session.ending, self.send(session.ending, field, rest), [201])
        self.count_resumed(session)
        self.end_session(session)

    def end_session(self, session):
        self.sessions.remove(session)
        if session.content not in self.contents and session.ending.kind == "session finish":
            self.contents.append(session.content)

    def session_cancel(self):
        session = self.session()
        self.ready()
        session.ending = Operation("session cancel", "DELETE", session.path)
        self.judge(session.ending, self.send(session.ending), [204])
        self.end_session(session)

    def finish_sessions(self):
        """When nothing is killed any more."""
        while self.sessions:
            self.session_finish(self.sessions[0])

    # --- Plain caches

    def cache_put(self, name=None):
        cache, content = self.random.choice(CACHES), self.content()
        name = name or f"c{self.number}/k{self.random.randrange(6)}"
        if self.chance(0.3):
            content = self.random.choice(SHARED_CONTENTS)
        self.ask("cache put", "PUT", f"/cas/{cache}/{name}",
                 [puts(Key("entry", cache, name), digest_of(content.data))], body=content.data)

    def cache_delete(self, name=None):
        cache = self.random.choice(CACHES)
        key = Key("entry", cache, name or f"c{self.number}/k{self.random.randrange(6)}")
        there = self.book.now(key)
        if not there and self.chance(0.8):
            return
        expected = [204, 404] if name else [204 if there else 404]
        self.ask("cache delete", "DELETE", key.target(), [removes(key)], expected)

    def shared_entry(self):
        operation = self.random.choice([self.cache_put, self.cache_put, self.cache_delete])
        operation(self.random.choice(SHARED_ENTRIES))
