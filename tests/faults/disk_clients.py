"""Clients that push onto a small disk until it is full, and remember what was acknowledged."""

import random
import threading

from fault_world import blob_path, body_of, image, manifest_path
from slipway_server import MANIFEST, Connection, digest_of

ENOUGH = 8  # refusals after which a client stops


class DiskClient(threading.Thread):
    def __init__(self, server, number, seed):
        super().__init__(daemon=True)
        self.server, self.repository = server, f"team/{number}"
        self.cache = f"cache-{number}"
        self.random = random.Random(f"{seed} {number}")
        self.made = 0
        self.holds = {}  # path: bytes, acknowledged
        self.open = {}  # what was sent and never answered, or refused: path: bytes
        self.sessions = {}  # path: (content, position)
        self.refusals = []
        self.deleted = 0
        self.problem = None
        self.is_gone = False  # the server, by a kill

    def run(self):
        try:
            while len(self.refusals) < ENOUGH:
                self.random.choice([self.push, self.push, self.go_on, self.put_image, self.put_entry])()
        except ConnectionError:
            self.is_gone = True
        except BaseException as problem:  # told by whoever joins
            self.problem = problem

    def ask(self, method, target, effects=None, body=b"", headers=(), status=201):
        """The answer if it is that status; else it must say that the disk is full, and None is returned."""
        self.open |= effects or {}
        with Connection(self.server) as connection:
            try:
                connection.ask(method, target, headers, body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # it is answered before all was sent
            answer = connection.response(method)
        if answer.status == status:
            self.holds |= effects or {}
            return answer
        if answer.status != 507 or not answer["Retry-After"] or (target.startswith("/v2/") and answer.code() != "DENIED"):
            raise AssertionError(f"{method} {target}: {answer}")
        self.refusals.append(f"{method} {target}")
        return None

    def content(self, size=None):
        self.made += 1
        size = self.random.choice([100, 5000, 60_000, 400_000, 900_000]) if size is None else size
        return f"{self.repository} {self.made} ".encode() + self.random.randbytes(size)

    def push(self, size=None):
        data = self.content(size)
        answer = self.ask("POST", f"/v2/{self.repository}/blobs/uploads/?digest={digest_of(data)}",
                          {blob_path(self.repository, data): data}, data)
        return data if answer else None

    def go_on(self):
        if not self.sessions or self.random.random() < 0.3:
            answer = self.ask("POST", f"/v2/{self.repository}/blobs/uploads/", status=202)
            if answer:
                self.sessions[answer["Location"]] = (self.content(500_000), 0)
            return
        path = self.random.choice(list(self.sessions))
        data, begin = self.sessions[path]
        if begin < 400_000:
            end = begin + 200_000
            if self.ask("PATCH", path, {}, data[begin:end], [("Content-Range", f"{begin}-{end - 1}")], 202):
                self.sessions[path] = (data, end)
        elif self.ask("PUT", f"{path}?digest={digest_of(data)}", {blob_path(self.repository, data): data},
                      data[begin:]):
            del self.sessions[path]

    def put_image(self):
        config, layer = self.push(40), self.push(3000)
        if config and layer:
            manifest = image(config, layer, "x" * 20_000)
            tag = f"tag-{self.made}"
            effects = {manifest_path(self.repository, name): manifest for name in (tag, digest_of(manifest))}
            self.ask("PUT", manifest_path(self.repository, tag), effects, manifest, [("Content-Type", MANIFEST)])

    def put_entry(self):
        data = self.content()
        path = f"/cas/{self.cache}/{self.made}"
        self.ask("PUT", path, {path: data}, data)

    # ---- afterwards

    def check(self):
        """All that was acknowledged is there; what was not is there wholly or not at all."""
        with Connection(self.server) as connection:
            for path, data in self.holds.items():
                found = body_of(path, connection.request("GET", path))
                assert found == data, f"GET {path}: {len(data)} bytes were acknowledged, found {found and len(found)}"
            for path, data in self.open.items():
                found = body_of(path, connection.request("GET", path))
                assert found in (None, data), f"GET {path} is something else than was pushed"
            for path, (data, position) in list(self.sessions.items()):
                answer = connection.request("GET", path)
                finished = blob_path(self.repository, data)
                if answer.status == 404 and body_of(finished, connection.request("GET", finished)) == data:
                    del self.sessions[path]  # its last request was done, and never answered
                    continue
                assert answer.status == 204, f"a session is lost: {path}, {answer}"
                stands = int(answer["Range"].split("-")[1])
                stands = stands + 1 if stands else 0
                assert position <= stands <= len(data), f"{path}: {position} acknowledged, stands at {stands}"
                self.sessions[path] = (data, stands)

    def delete_some(self):
        """Deletes a tag, two entries and a session, as far as there are; counts those that were done."""
        for kind, status in ("/manifests/tag", 202), ("/cas/", 204), ("/cas/", 204), ("/blobs/uploads/", 204):
            path = next((path for path in [*self.holds, *self.sessions] if kind in path), None)
            if path and self.ask("DELETE", path, status=status):
                self.deleted += 1
                for known in self.holds, self.sessions, self.open:
                    known.pop(path, None)

    def push_refused(self):
        """There is room again: all that was refused is done now, and sessions come to their end."""
        for path, data in self.open.items():
            if path in self.holds:
                continue
            if "/blobs/" in path:
                answer = self.ask("POST", f"/v2/{self.repository}/blobs/uploads/?digest={digest_of(data)}",
                                  {path: data}, data)
            else:
                headers = [("Content-Type", MANIFEST)] if "/manifests/" in path else []
                answer = self.ask("PUT", path, {path: data}, data, headers)
            assert answer, f"{path} is refused again"
        for path, (data, position) in self.sessions.items():
            assert self.ask("PUT", f"{path}?digest={digest_of(data)}", {blob_path(self.repository, data): data},
                            data[position:])
        self.sessions = {}
