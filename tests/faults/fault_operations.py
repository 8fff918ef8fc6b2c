"""What clients do while files go wrong: each operation is a few steps, and each step can be done again where it was
refused, as a client would."""

import re

from fault_world import Refused, Wrong, blob_path, image, manifest_path
from slipway_server import digest_of

REPOSITORY = "team/app"


class Operation:
    """For one trial, with content of its own. `prepare` is before anything goes wrong."""

    def __init__(self, world):
        self.world = world

    def prepare(self):
        pass

    def steps(self):
        """Functions of `again`: that the step was begun before, and may have been done."""
        raise NotImplementedError

    def run(self):
        """Returns the steps that are left to be done again; none where all were."""
        steps = self.steps()
        while steps:
            try:
                steps[0](False)
            except Refused:
                break
            steps.pop(0)
        return steps

    def run_again(self, steps):
        for number, step in enumerate(steps):
            step(number == 0)

    def delete(self, path, gone, again, status=202):
        """`gone`: all that is then no more."""
        self.world.ask("DELETE", path, dict.fromkeys(gone), status=(status, 404) if again else (status,))


class Push(Operation):
    """A blob in one request, one through a session, and an image with a tag."""

    def prepare(self):
        self.config, self.layer = self.world.content(40), self.world.content(70_000)
        self.tag = f"tag-{self.world.made}"

    def steps(self):
        return [lambda _: self.world.push_blob(REPOSITORY, self.config), self.push_layer,
                lambda _: self.world.put_manifest(REPOSITORY, self.tag, image(self.config, self.layer))]

    def push_layer(self, _):
        begun = self.world.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/", status=(202,))
        self.world.ask("PUT", f"{begun['Location']}?digest={digest_of(self.layer)}",
                       {blob_path(REPOSITORY, self.layer): self.layer}, self.layer)


class Session(Operation):
    """An upload in chunks; where one is refused, it goes on from where the session stands. Its second chunk makes it too
    large to be kept without a file."""

    PIECE = 60_000

    def prepare(self):
        self.data, self.path = self.world.content(3 * self.PIECE), None

    def steps(self):
        return [self.begin, lambda again: self.patch(again, self.PIECE), lambda again: self.patch(again, 2 * self.PIECE),
                self.put]

    def begin(self, _):
        self.path = self.world.ask("POST", f"/v2/{REPOSITORY}/blobs/uploads/", status=(202,))["Location"]
        self.position = 0

    def find_out(self):
        """Where the session stands; None if it has ended."""
        answer = self.world.ask("GET", self.path, status=(204, 404))
        if answer.status == 404:
            return None
        stands = int(re.fullmatch(r"0-(\d+)", answer["Range"])[1])
        stands = stands + 1 if stands else 0
        if stands < self.position:
            raise Wrong(f"{self.position} bytes were acknowledged, the session stands at {stands}")
        return stands

    def patch(self, again, end):
        begin = self.find_out() if again else self.position
        if begin is None:
            raise Wrong("a session is lost")
        if begin < end:
            self.world.ask("PATCH", self.path, {}, self.data[begin:end], [("Content-Range", f"{begin}-{end - 1}")],
                           status=(202,))
        self.position = end

    def put(self, again):
        begin = self.find_out() if again else self.position
        path = blob_path(REPOSITORY, self.data)
        if begin is not None:
            self.world.ask("PUT", f"{self.path}?digest={digest_of(self.data)}", {path: self.data}, self.data[begin:])
        elif self.world.holds.get(path) != self.data:
            raise Wrong("a session has ended without its blob")


class SmallSession(Session):
    """One that never needs a file."""

    PIECE = 10_000


class Cancel(Session):
    def steps(self):
        return [self.begin, lambda again: self.patch(again, self.PIECE + 10_000), self.cancel]

    def cancel(self, again):
        self.world.ask("DELETE", self.path, status=(204, 404) if again else (204,))
        self.world.ask("GET", self.path, status=(404,))


class Delete(Operation):
    """A tag, a manifest with another tag, and the blobs."""

    def prepare(self):
        name = f"tag-{self.world.made}"
        self.blobs, self.manifest = self.world.push_image(REPOSITORY, name)
        self.tags = [manifest_path(REPOSITORY, name), manifest_path(REPOSITORY, name + "-again")]
        self.world.put_manifest(REPOSITORY, name + "-again", self.manifest)

    def steps(self):
        by_digest = manifest_path(REPOSITORY, digest_of(self.manifest))
        blobs = [blob_path(REPOSITORY, data) for data in self.blobs]
        return [lambda again: self.delete(self.tags[0], [self.tags[0]], again),
                lambda again: self.delete(by_digest, [by_digest, self.tags[1]], again),
                *(lambda again, path=path: self.delete(path, [path], again) for path in blobs)]


class Cache(Operation):
    """An entry comes, is replaced, and goes."""

    def prepare(self):
        self.path = f"/cas/cache/key-{self.world.made}"
        self.contents = [self.world.content(), self.world.content(9000)]

    def steps(self):
        puts = [lambda _, data=data: self.world.ask("PUT", self.path, {self.path: data}, data)
                for data in self.contents]
        return [*puts, lambda again: self.delete(self.path, [self.path], again, 204)]


class Mount(Operation):
    """A blob that is there already, by its name and by its bytes."""

    def prepare(self):
        self.data = self.world.content()
        self.world.push_blob(REPOSITORY, self.data)

    def steps(self):
        return [self.mount, lambda _: self.world.push_blob("team/third", self.data)]

    def mount(self, _):
        answer = self.world.ask("POST", f"/v2/team/other/blobs/uploads/?mount={digest_of(self.data)}&from={REPOSITORY}",
                                {}, status=(201, 202))  # 202: what cannot be mounted is to be pushed
        if answer.status == 201:
            self.world.remember({blob_path("team/other", self.data): self.data})
        else:
            self.world.ask("DELETE", answer["Location"], status=(204,))


class LargeManifest(Operation):
    """So large that SQLite moves its log into the catalog then."""

    def prepare(self):
        self.config, self.layer = self.world.content(40), self.world.content(40)
        for data in self.config, self.layer:
            self.world.push_blob(REPOSITORY, data)

    def steps(self):
        manifest = image(self.config, self.layer, "x" * 4_300_000)
        paths = [manifest_path(REPOSITORY, "large"), manifest_path(REPOSITORY, digest_of(manifest))]
        return [lambda _: self.world.put_manifest(REPOSITORY, "large", manifest),
                lambda again: self.delete(paths[1], paths, again)]


class Read(Operation):
    """Wrong bytes are never sent, and what is there is never said to be absent."""

    def prepare(self):
        data = self.world.content(600_000)
        self.world.push_blob(REPOSITORY, data)
        _, manifest = self.world.push_image(REPOSITORY, "read")
        self.paths = [blob_path(REPOSITORY, data), manifest_path(REPOSITORY, digest_of(manifest)), "/cas/kept/key",
                      manifest_path("standing", "one"), "/v2/standing/tags/list"]

    def steps(self):
        return [lambda _, path=path: self.read(path) for path in self.paths]

    def read(self, path):
        answer = self.world.ask("GET", path, {}, status=(200,))
        if answer.body != self.world.holds.get(path, b'{"name":"standing","tags":["one"]}\n'):
            raise Wrong(f"GET {path} gave other bytes: {answer}")


OPERATIONS = [Push, Session, SmallSession, Cancel, Delete, Cache, Mount, LargeManifest, Read]
