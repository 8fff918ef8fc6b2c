"""What clients of the protocol fuzzer do with blobs, by whole bodies and by upload sessions."""

import re
import time
from urllib.parse import quote

import protocol_model as model
from protocol_exchange import Exchanges, Step
from protocol_model import Content, Presence, Session
from slipway_server import OCTETS, chunked, digest_of, head


class BlobOperations(Exchanges):
    # --- Blobs

    def blob_push(self):
        repository, content = self.repository(), self.content()
        digest = self.digest(content)
        target = f"/v2/{repository}/blobs/uploads/?digest={digest}"
        if self.chance(0.1):
            wrong = self.random.choice([digest_of(b"not it"), digest_of(b"", "sha512")[:-1] + "x", "sha256:", "md5:00"])
            return self.step("POST", f"/v2/{repository}/blobs/uploads/?digest={wrong}", {400: "DIGEST_INVALID"},
                             body=content.data)

        def check(answer):
            self.check_created(answer, repository, digest)
        return Step("POST", target, check, (("Content-Type", OCTETS),), content.data)

    def check_created(self, answer, repository, digest):
        self.expect("POST", answer, {201: None})
        self.demand(answer["Location"] == f"/v2/{repository}/blobs/{digest}", "where the blob is", answer)
        self.demand(answer["Docker-Content-Digest"] == digest, "another digest", answer)
        self.blobs.pushed(repository, digest)

    def blob_get(self, key=None):
        repository, digest = key or self.known_blob()
        method = "GET" if key or self.chance(0.6) else "HEAD"

        def check(answer):
            self.check_presence(method, answer, repository, digest)
            if answer.status == 200 and method == "GET":
                self.demand(digest_of(answer.body, digest.split(":")[0]) == digest, f"{digest} has other bytes")
        return Step(method, f"/v2/{repository}/blobs/{digest}", check)

    def check_presence(self, method, answer, repository, digest):
        state = self.blobs.state(repository, digest)
        outcomes = {200: None} if state is Presence.PRESENT else {404: "BLOB_UNKNOWN"}
        if state is Presence.UNKNOWN:
            outcomes = {200: None, 404: "BLOB_UNKNOWN"}
        self.expect(method, answer, outcomes)
        self.blobs.seen(repository, digest, answer.status == 200)

    def blob_range(self):
        repository, content = self.repository(), self.content()
        digest, data = self.digest(content), content.data
        if there := [where for where in self.repositories if self.blobs.state(where, digest) is Presence.PRESENT]:
            repository = self.random.choice(there)
        first, last = self.random.randrange(-3, len(data) + 5), self.random.randrange(len(data) + 5)
        wish = self.random.choice([f"bytes={first}-{last}", f"bytes={first}-", f"bytes=-{last}", "bytes=-0",
                                   "bytes=0-0,2-3", f"lines={first}-{last}", "bytes=a-b", "", f"bytes=0-{10**30}"])

        def check(answer):
            there = self.blobs.state(repository, digest)
            if answer.status == 404:
                return self.check_presence("GET", answer, repository, digest)
            self.demand(there is not Presence.ABSENT, "a deleted blob has ranges", answer)
            self.expect("GET", answer, {200: None, 206: None, 416: "SIZE_INVALID"})
            if answer.status == 416:
                return self.demand(answer["Content-Range"] == f"bytes */{len(data)}", "the blob's size", answer)
            if answer.status == 200:
                return self.demand(answer.body == data, f"{digest} has other bytes")
            found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", answer["Content-Range"] or "")
            self.demand(found and int(found[3]) == len(data), "Content-Range", answer)
            self.demand(answer.body == data[int(found[1]):int(found[2]) + 1], f"{digest} has other bytes in a range")
            if match := re.fullmatch(r"bytes=(\d+)-(\d*)", wish):
                end = min(int(match[2] or len(data)), len(data) - 1)
                given = int(found[1]), int(found[2])
                self.demand(given == (int(match[1]), end), f"another range than {wish}", answer)
        return Step("GET", f"/v2/{repository}/blobs/{digest}", check, (("Range", wish),))

    def blob_delete(self, key=None):
        repository, digest = key or self.known_blob()

        def check(answer):
            state = self.blobs.state(repository, digest)
            outcomes = {202: None} if state is Presence.PRESENT else {404: "BLOB_UNKNOWN"}
            if state is Presence.UNKNOWN:
                outcomes = {202: None, 404: "BLOB_UNKNOWN"}
            self.expect("DELETE", answer, outcomes)
            if answer.status == 202:
                self.blobs.removed(repository, digest)
            else:
                self.blobs.seen(repository, digest, False)
        return Step("DELETE", f"/v2/{repository}/blobs/{digest}", check)

    def blob_mount(self):
        """Our own bytes between any repositories, or whatever others have into the repository that is ours alone."""
        to, digest = self.repository(), self.digest()
        if self.chance(0.4):
            to, digest = self.own, self.world.some_digest(self.random)
            self.forget_blobs([key for key in self.blobs.states if key[1] not in self.own_digests()], 40)
        source = self.random.choice([*self.repositories, *model.CACHES, "no/such", "..", "", None, None])
        if there := [where for where in self.repositories if self.blobs.state(where, digest) is Presence.PRESENT]:
            source = self.random.choice([*there, source])
        query = f"mount={digest}" + ("" if source is None else f"&from={quote(source)}")
        answer = self.ask("POST", f"/v2/{to}/blobs/uploads/?{query}",
                          {201: None, 202: None, 429: "TOOMANYREQUESTS"}, body=b"")
        state = self.blobs.state(source, digest)
        if answer.status == 201:
            self.check_created(answer, to, digest)
            self.demand(not (digest in self.own_digests() and source in self.repositories and state is Presence.ABSENT),
                        "mounted what was not there", answer)
        else:
            # A cache may lose its entry, and others their blobs; ours stay where we put them.
            self.demand(state is not Presence.PRESENT, "a blob that is there was not mounted", answer)
        if answer.status == 202:
            self.keep_session(to, answer, self.content().data)

    def own_digests(self):
        return {digest for content in self.contents for digest in content.digests}

    def forget_blobs(self, keys, at_most=0):
        """Looks at these a last time and takes them away, where they are more than that."""
        for key in keys if len(keys) > at_most else ():
            self.exchange(self.blob_get(key))
            self.exchange(self.blob_delete(key))
        for key in keys if len(keys) > at_most else ():
            self.blobs.states.pop(key, None)

    # --- Upload sessions

    def keep_session(self, repository, answer, plan):
        session = Session(repository, answer["Location"], plan, time.monotonic())
        self.sessions.append(session)
        self.check_progress(session, answer)
        return session

    def check_progress(self, session, answer):
        expected = f"0-{max(0, len(session.data) - 1)}"
        self.demand(answer["Range"] == expected, f"Range, expected {expected}", answer)
        self.demand(answer["Location"] == session.path, "the session's address", answer)
        self.demand(answer["Docker-Upload-UUID"] == session.id, "the session's name", answer)

    def session_begin(self):
        repository = self.repository()
        query = self.random.choice(["", "", "?digest-algorithm=sha256", "?digest-algorithm=sha512",
                                    "?digest-algorithm=md5", "?digest-algorithm=", "?digest-algorithm=SHA256"])
        bad = query and not query.endswith(("sha256", "sha512"))
        outcomes = {400: "DIGEST_INVALID"} if bad else {202: None, 429: "TOOMANYREQUESTS"}
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/{query}", outcomes, body=b"")
        if answer.status == 202:
            # Bytes that are there already too, so that what comes in this way meets what came in another.
            self.keep_session(repository, answer, (self.content() if self.chance(0.5) else self.new_content()).data)
        elif answer.status == 429:
            self.demand(int(answer["Retry-After"]) > 0, "when to come back", answer)

    def session(self):
        """One of ours that is open; the first choice is to have few."""
        if not self.sessions or (len(self.sessions) < 3 and self.chance(0.3)):
            self.session_begin()
        return self.random.choice(self.sessions) if self.sessions else None

    def in_session(self, session, method, outcomes, headers=(), body=None, query=""):
        """One exchange in a session; None where the session has ended for its age."""
        outcomes = dict(outcomes)
        if session.may_have_expired(time.monotonic()):
            outcomes[404] = "BLOB_UPLOAD_UNKNOWN"
        started = time.monotonic()
        answer = self.ask(method, session.path + query, outcomes, headers, body)
        if answer.status == 404:
            self.end_session(session)
            return None
        if method != "GET":  # to look does not count as use
            session.touched = started
        return answer

    def end_session(self, session):
        self.sessions.remove(session)
        self.ended.append(session)

    def piece(self, session):
        rest = session.rest()
        return rest[:self.random.choice([len(rest), self.random.randrange(len(rest) + 1), 1, 300])]

    def session_patch(self):
        if not (session := self.session()):
            return
        piece, headers = self.piece(session), []
        if piece and self.chance(0.5):
            first = len(session.data)
            headers = [("Content-Range", self.random.choice(["", "bytes "]) + f"{first}-{first + len(piece) - 1}")]
        body = piece
        if self.chance(0.4):
            cut = self.random.randrange(len(piece) + 1)
            body = chunked(*filter(None, (piece[:cut], piece[cut:])))
            headers.append(("Transfer-Encoding", "chunked"))
        if answer := self.in_session(session, "PATCH", {202: None}, headers, body):
            session.data += piece
            self.check_progress(session, answer)

    def session_out_of_order(self):
        """Chunks that do not go on where the session stands, are not as long as they say, or are no chunks."""
        if not (session := self.session()) or len(session.data) > model.BLOB_MAX - 100:
            return
        at, body = len(session.data), self.unique()
        first = self.random.choice([at + 1, at + self.random.randrange(1, 10_000), max(0, at - 1), 0, 2**63, 2**64 - 2])
        method, query = self.random.choice([("PATCH", ""), ("PUT", f"?digest={digest_of(b'x')}")])
        if self.chance(0.3):
            wish = self.random.choice(["", "x", "-1", "5", "5-", "5-4", "a-b", "1 - 2", f"0-{10**40}", "bytes", "0--1"])
            outcomes = {416: "BLOB_UPLOAD_INVALID"} if wish else {202: None, 400: "DIGEST_INVALID"}
        elif first == at:
            wish, outcomes = f"{at}-{at + self.random.choice([0, 99, 2**40])}", {400: "SIZE_INVALID"}
        else:
            wish, outcomes = f"{first}-{first + 1}", {416: "BLOB_UPLOAD_INVALID"}
        answer = self.in_session(session, method, outcomes, [("Content-Range", wish)], body, query)
        if answer and answer.status == 202:
            session.data += body
        if answer and (answer.status == 202 or (answer.status == 416 and answer["Range"])):
            self.check_progress(session, answer)
        self.session_status(session)

    def session_status(self, session=None):
        if not (session := session or self.session()) or session not in self.sessions:
            return  # it has ended meanwhile
        if answer := self.in_session(session, "GET", {204: None}):
            self.check_progress(session, answer)

    def session_finish(self):
        if not (session := self.session()):
            return
        rest = session.rest()
        if not session.plan.startswith(session.data):  # nobody else may have begun in the same way and ended here
            rest = self.unique()
        if len(session.data + rest) > model.BLOB_MAX:
            return self.session_cancel(session)
        content = Content(session.data + rest)
        self.world.announce(content)
        if self.chance(0.5) and rest:  # bytes first, an empty PUT then
            if not (answer := self.in_session(session, "PATCH", {202: None}, body=rest)):
                return
            session.data, rest = content.data, b""
            self.check_progress(session, answer)
        digest = self.digest(content)
        headers = []
        if rest and self.chance(0.5):
            headers = [("Content-Range", f"{len(session.data)}-{len(content.data) - 1}")]
        body = None if not rest and self.chance(0.3) else rest
        if answer := self.in_session(session, "PUT", {201: None}, headers, body, f"?digest={digest}"):
            self.end_session(session)
            self.check_created(answer, session.repository, digest)
            self.adopt(content)

    def adopt(self, content):
        """Makes a content one of ours; when they are many, one that is not in use makes room."""
        if all(content.data != known.data for known in self.contents):
            self.contents.append(content)
        if len(self.contents) > 8:
            old = self.contents.pop(self.random.randrange(len(self.contents) - 1))
            self.forget_blobs([key for key in self.blobs.states if key[1] in old.digests])
        self.forget_manifests(self.random.sample(list(self.manifests), max(0, len(self.manifests) - 100)))

    def session_wrong_digest(self):
        if not (session := self.session()):
            return
        query = self.random.choice(["", "?digest=", "?digest=sha256:12", f"?digest={digest_of(b'wrong')}",
                                    f"?digest={digest_of(b'wrong', 'sha512')}", "?digest=md5:00", "?Digest=x"])
        self.in_session(session, "PUT", {400: "DIGEST_INVALID"}, body=session.rest(), query=query)
        self.session_status(session)

    def session_too_large(self):
        if not (session := self.session()):
            return
        body = self.unique() + bytes(model.BLOB_MAX + 1 - len(session.data) + self.random.randrange(200_000))
        method, query = self.random.choice([("PATCH", ""), ("PUT", f"?digest={digest_of(b'x')}")])
        if self.in_session(session, method, {413: "SIZE_INVALID"}, body=body, query=query):
            self.resume(session, session.data + body)

    def resume(self, session, sent):
        """After a request that ended early: the session may stand anywhere up to all that was sent."""
        if not (answer := self.in_session(session, "GET", {204: None})):
            return
        found = re.fullmatch(r"0-(\d+)", answer["Range"] or "")
        self.demand(found, "Range", answer)
        position = int(found[1]) + 1
        if position == 1:  # or 0, which it does not tell apart
            self.session_cancel(session)
            return
        self.demand(len(session.data) <= position <= len(sent), f"between {len(session.data)} and {len(sent)}", answer)
        session.data = sent[:position]
        self.check_progress(session, answer)

    def session_broken(self):
        """A body that breaks off. 100 Continue tells that the server has begun with it: whoever comes back without
        having waited for that may be there before his older self."""
        if not (session := self.session()) or len(session.rest()) < 2:
            return
        rest = session.rest()
        query = self.random.choice(["", "", f"?digest={digest_of(session.data + rest)}"])
        step = self.step("PUT" if query else "PATCH", session.path + query, {100: None, 404: "BLOB_UPLOAD_UNKNOWN"},
                         [("Expect", "100-continue"), ("Content-Length", str(len(rest)))])
        connection, started = self.connect(), time.monotonic()
        with connection:
            connection.send(head(step.method, step.target, step.headers))
            answer = connection.response(step.method)
            self.history.append(f"{step} → {answer.status}")
            if answer.status == 404 and session.may_have_expired(started):
                return self.end_session(session)
            self.expect(step.method, answer, {100: None})
            session.touched = time.monotonic()
            sent = rest[:self.random.randrange(len(rest))]
            connection.send(sent)
            self.history.append(f"  {len(sent)} of {len(rest)} bytes sent, then closed")
        self.take_over(session, session.data + sent)

    def take_over(self, session, sent):
        """What claims a session for itself, so that what an older request saved is all it ever will."""
        wish = [("Content-Range", f"{2**40}-{2**40}")]
        if self.in_session(session, "PATCH", {416: "BLOB_UPLOAD_INVALID"}, wish, b"x"):
            self.resume(session, sent)

    def session_two_at_once(self):
        """The same bytes for the same place by two connections: both may fail, they may not both be appended."""
        if not (session := self.session()) or len(piece := self.piece(session)) < 2:
            return
        first, whole = len(session.data), Content(session.data + session.rest())
        self.world.announce(whole)
        field = [("Content-Range", f"{first}-{first + len(piece) - 1}")]
        target, digest = session.path, whole.digests[0]
        steps = [Step("PATCH", target, None, tuple(field), piece), Step("PATCH", target, None, tuple(field), piece)]
        kind = self.random.randrange(5)
        if kind == 0:
            steps[1] = Step("DELETE", target, None)
        elif kind == 1:
            steps[0] = Step("GET", target, None)
        elif kind == 2:
            last = (("Content-Range", f"{first}-{len(whole.data) - 1}"),)
            steps = [Step("PUT", f"{target}?digest={digest}", None, last, session.rest())] * 2
        elif kind == 3:  # one that is refused when all of it has come
            steps[0] = Step("PATCH", target, None, (("Content-Range", f"{first}-{first + len(piece)}"),), piece)
        if session.may_have_expired(time.monotonic()):
            return
        answers = self.both(steps)
        for step, answer in zip(steps, answers):
            self.expect(step.method, answer, {201: None, 202: None, 204: None, 404: "BLOB_UPLOAD_UNKNOWN",
                                              409: "BLOB_UPLOAD_INVALID", 416: "BLOB_UPLOAD_INVALID",
                                              **({400: "SIZE_INVALID"} if kind == 3 else {})})
        session.touched = time.monotonic()
        statuses = [answer.status for answer in answers]
        if 201 in statuses:
            self.demand(statuses.count(201) == 1, f"one session became two blobs: {answers}")
            self.check_created(answers[statuses.index(201)], session.repository, digest)
            self.adopt(whole)
        if 201 in statuses or (kind == 0 and statuses[1] == 204):
            self.end_session(session)
            self.ask("GET", session.path, {404: "BLOB_UPLOAD_UNKNOWN"})
            return
        self.demand(404 not in statuses, f"a session is lost: {answers}")
        if 202 in statuses:
            self.demand(statuses.count(202) == 1, f"one chunk was taken twice: {answers}")
            session.data += piece
            self.session_status(session)
        else:
            self.resume(session, session.data + session.rest())

    def both(self, steps):
        """Sends each step by a connection of its own, all at once; returns the answers."""
        with self.world.several:
            connections, answers = [self.connect() for _ in steps], []
        started = time.monotonic()
        for connection, step in zip(connections, steps):
            connection.ask(step.method, step.target, step.headers, step.body)
        for connection, step in zip(connections, steps):
            answers.append(self.read(connection, step, started))
            connection.close()
        return answers

    def session_cancel(self, session=None):
        if session := session or self.session():
            if self.in_session(session, "DELETE", {204: None}):
                self.end_session(session)

    def session_ended(self):
        """Sessions that are over, and open ones asked for in another repository: neither is there."""
        paths = [session.path for session in self.ended]
        paths += [session.path.replace(session.repository, "no/such") for session in self.sessions]
        paths += [session.path + "0" for session in self.sessions] + [f"/v2/{self.repository()}/blobs/uploads/x"]
        method = self.random.choice(["GET", "PATCH", "PUT", "DELETE"])
        query = f"?digest={digest_of(b'x')}" if method == "PUT" else ""
        self.ask(method, self.random.choice(paths) + query, {404: "BLOB_UPLOAD_UNKNOWN"},
                 body=b"x" if method in ("PATCH", "PUT") else None)

    def session_shared(self):
        """A session that several clients use at once. Its bytes are the same whoever sends them."""
        shared = self.world.shared_session(self.random)
        if not shared or self.chance(0.1):
            answer = self.ask("POST", f"/v2/{model.REPOSITORIES[0]}/blobs/uploads/",
                              {202: None, 429: "TOOMANYREQUESTS"}, body=b"")
            if answer.status == 202:
                self.world.share_session(answer["Location"], self.random.choice(self.world.shared_contents))
            return
        path, content = shared
        data, digest = content.data, content.digests[0]
        first = self.random.choice([0, 0, self.random.randrange(len(data))])
        last = self.random.randrange(first, len(data))
        lost = {404: "BLOB_UPLOAD_UNKNOWN", 409: "BLOB_UPLOAD_INVALID", 416: "BLOB_UPLOAD_INVALID"}
        field = [("Content-Range", f"{first}-{last}")]
        method = self.random.choice(["PATCH", "PATCH", "PUT", "GET", "DELETE"])
        if method == "PATCH":
            self.ask(method, path, lost | {202: None}, field, data[first:last + 1])
        elif method == "PUT":
            self.ask(method, f"{path}?digest={digest}", lost | {201: None},
                     [("Content-Range", f"{first}-{len(data) - 1}")], data[first:])
        else:
            self.ask(method, path, lost | {204: None})
