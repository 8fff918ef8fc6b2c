"""What the tests under tests/protocol/ share: the real server in a folder of its own, and an HTTP client that sends
exactly the bytes it is told to and reads exactly one answer.

    class ManifestTest(ServerTest):
        def test_something(self):
            server = self.serve('[limits]\\nmanifest_bytes = "1KiB"\\n')
            answer = server.request("GET", "/v2/")
            self.assertEqual(answer.status, 200)

Needs SLIPWAY_BIN in the environment. With SLIPWAY_TEST_STORE, s3://BUCKET?…, bytes are in that bucket, each folder's
under a prefix of its own; with SLIPWAY_TEST_POSTGRES too, postgresql://…, each folder's catalog is in a database there. Nothing here sleeps for luck: eventually() polls until a deadline.
"""

import base64
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

TEST_STORE = os.environ.get("SLIPWAY_TEST_STORE", "")
TEST_CATALOG = os.environ.get("SLIPWAY_TEST_POSTGRES", "")
_databases = set()  # that there are already
PATIENCE = 30  # seconds until something that should happen counts as not happening; wide, for sanitizer builds

OCTETS = "application/octet-stream"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

# The codes of the distribution spec; an error answer may have no other.
SPEC_CODES = {"BLOB_UNKNOWN", "BLOB_UPLOAD_INVALID", "BLOB_UPLOAD_UNKNOWN", "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN",
              "MANIFEST_INVALID", "MANIFEST_UNKNOWN", "NAME_INVALID", "NAME_UNKNOWN", "SIZE_INVALID", "UNAUTHORIZED",
              "DENIED", "UNSUPPORTED", "TOOMANYREQUESTS"}


def eventually(check, what="what was waited for", seconds=PATIENCE):
    """Calls `check` until it gives something true, and returns that."""
    deadline = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds} s")
        time.sleep(0.02)
    return found


def digest_of(data, algorithm="sha256"):
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def basic(user, password):
    """An Authorization field."""
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode())


# --- HTTP

class Response:
    """One answer; field names compare without case."""

    def __init__(self, version, status, fields, body=b""):
        self.version, self.status, self.fields, self.body = version, status, fields, body

    def __repr__(self):
        return f"<{self.version} {self.status} {self.fields} {self.body[:500]!r}>"

    def __getitem__(self, name):
        """The field's value, or None; a field that came twice is an error of its own."""
        values = [value for field, value in self.fields if field.lower() == name.lower()]
        if len(values) > 1:
            raise AssertionError(f"{name} came {len(values)} times: {self}")
        return values[0] if values else None

    def json(self):
        return json.loads(self.body)

    def code(self):
        """The error code of a registry's answer, whose whole shape is checked."""
        if self["Content-Type"] != "application/json":
            raise AssertionError(f"an error that is no JSON: {self}")
        errors = self.json()["errors"]
        for error in errors:
            if error["code"] not in SPEC_CODES or not isinstance(error["message"], str):
                raise AssertionError(f"not an error of the spec: {error}")
            if set(error) - {"code", "message", "detail"}:
                raise AssertionError(f"fields that the spec does not know: {error}")
        return errors[0]["code"]


class Connection:
    """A socket to the server. `to` is a Server, a (host, port), or the path of a unix socket."""

    def __init__(self, to, tls=None, timeout=PATIENCE, source=None, receive_buffer=None):
        address = to.address if isinstance(to, Server) else to
        is_unix = isinstance(address, (str, Path))
        family = socket.AF_UNIX if is_unix else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.socket = socket.socket(family)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self._received = b""
        try:
            if source:
                self.socket.bind((source, 0))
            self.socket.connect(str(address) if is_unix else address)
            if tls:
                self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    close = __exit__

    def send(self, data):
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def ask(self, method, target, headers=(), body=None):
        """Sends a request; Host and Content-Length are added where they are needed and not given."""
        self.send(head(method, target, headers, None if body is None else len(body)) + (body or b""))

    def request(self, method, target, headers=(), body=None):
        self.ask(method, target, headers, body)
        return self.response(method)

    def response(self, method="GET"):
        """The next answer, 100 Continue included."""
        while b"\r\n\r\n" not in self._received:
            self._read("the head of an answer")
        head_text, _, self._received = self._received.partition(b"\r\n\r\n")
        lines = head_text.decode("latin-1").split("\r\n")
        version, status = lines[0].split(" ")[:2]
        fields = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines[1:]]
        answer = Response(version, int(status), fields)
        if method != "HEAD" and answer.status >= 200 and answer.status not in (204, 304):
            answer.body = self._body(answer["Content-Length"])
        return answer

    def is_closed(self):
        """Waits for the end of the connection; false if something else came."""
        try:
            return not self._received and not self.socket.recv(4096)
        except ConnectionResetError:
            return True

    def _body(self, length):
        while length is None and self._read():
            pass
        length = len(self._received) if length is None else int(length)
        while len(self._received) < length:
            self._read("the rest of a body")
        body, self._received = self._received[:length], self._received[length:]
        return body

    def _read(self, what=None):
        piece = self.socket.recv(1 << 20)
        if not piece and what:
            raise ConnectionError(f"the server closed the connection before {what}; it had sent {self._received!r}")
        self._received += piece
        return bool(piece)


def head(method, target, headers=(), length=None):
    """A request's head as bytes."""
    names = {name.lower() for name, _ in headers}
    fields = list(headers)
    if "host" not in names:
        fields.insert(0, ("Host", "registry"))
    if length is not None and not names & {"content-length", "transfer-encoding"}:
        fields.append(("Content-Length", str(length)))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def chunked(*pieces):
    """The pieces as a chunked body."""
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


# --- The server

def environment(folder):
    """This process's, without what would change how slipway behaves; its configuration is an empty file."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("SLIPWAY_") and not name.lower().endswith("_proxy")}
    empty = Path(folder) / "empty.toml"
    places = {"store.url": TEST_STORE and store_of(folder), "catalog.url": catalog_of(folder)}
    empty.write_text("".join(f'{key} = "{url}"\n' for key, url in places.items() if url))
    return kept | {"SLIPWAY_CONFIG": str(empty), "LC_ALL": "C.UTF-8"}


def store_of(folder):
    """Where the bytes of a server in this folder are, if not in files below it."""
    bucket, _, parameters = TEST_STORE.partition("?")
    return f"{bucket}/{Path(folder).name}?{parameters}" if TEST_STORE else ""


def catalog_of(folder):
    """Where the catalog of servers in this folder is, if not in SQLite below it: a database of its own."""
    if not TEST_CATALOG:
        return ""
    name = Path(folder).name.replace("-", "_").lower()
    if name not in _databases:
        _databases.add(name)
        subprocess.run(["psql", "-X", "-q", TEST_CATALOG, "-c", f"CREATE DATABASE {name} TEMPLATE template0"], check=True)
    return urlunsplit(urlsplit(TEST_CATALOG)._replace(path=f"/{name}"))


def files_only(test):
    """For what looks at the files of a store."""
    return unittest.skipIf(TEST_STORE, "the store is in a bucket")(test)


def sqlite_only(test):
    """For what looks at the file of a catalog."""
    return unittest.skipIf(TEST_CATALOG, "the catalog is in PostgreSQL")(test)


def run_slipway(*arguments, folder, env=None, timeout=PATIENCE):
    """Runs a command to its end, and returns it with stdout and stderr as text."""
    return subprocess.run([os.environ["SLIPWAY_BIN"], *map(str, arguments)], env=environment(folder) | (env or {}),
                          cwd=folder, capture_output=True, text=True, timeout=timeout, check=False)


class Server:
    """A server with its data, configuration and log in `folder`. Starts at once; use it as a context, or stop() it."""

    def __init__(self, folder, config="", flags=(), listen=("127.0.0.1:0",), env=None):
        self.folder = Path(folder)
        self.data = self.folder / "data"
        self.config = self.folder / "slipway.toml"
        self.config.write_text(self._store_keys(config) + config)
        self.flags = [flag for address in listen for flag in ("--listen", address)] + list(flags)
        self.env = env or {}  # besides this process's own
        self.process = None
        self.log = ""  # of processes that ended
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.stop()

    def _store_keys(self, config):
        """Blobs come through the server unless a test wants otherwise."""
        keys = [f'store.url = "{store_of(self.folder)}"', 'store.redirect = "never"'] if TEST_STORE else []
        keys += [f'catalog.url = "{catalog_of(self.folder)}"'] if TEST_CATALOG else []
        return "".join(f"{key}\n" for key in keys if key.partition("=")[0] + "=" not in config)

    def start(self):
        self._log_file = open(self.folder / "log", "w+", encoding="utf-8")
        self._left_behind = self._announcement()
        self.process = subprocess.Popen(
            [os.environ["SLIPWAY_BIN"], "serve", "--config", self.config, "--data", self.data, *self.flags],
            stdout=self._log_file, stderr=self._log_file, env=environment(self.folder) | self.env, cwd=self.folder)
        try:
            announced = eventually(self._announced, "the server's start")
        except BaseException:
            self.kill()
            raise
        self.urls = announced["listen"]
        self.url = self.urls[0]

    def _announced(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}:\n{self.read_log()}")
        if self._announcement() in (None, self._left_behind):
            return None
        try:
            announced = json.loads((self.data / "server.json").read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return announced if announced["pid"] == self.process.pid else None

    def _announcement(self):
        """Which server.json lies there: a killed server leaves its own, and its pid comes round again."""
        try:
            status = (self.data / "server.json").stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def stop(self):
        """Ends it as an administrator would."""
        self.signal()
        self.wait()

    def wait(self):
        """Waits for its end; anything but a clean one is a failure."""
        try:
            status = self.process.wait(PATIENCE + 30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end after SIGTERM:\n{self.log}") from None
        self._keep_log()
        if status != 0 or "handler failed" in self.log:
            raise AssertionError(f"the server ended with {status}:\n{self.log}")

    def kill(self):
        """Ends it as a power cut would."""
        self.process.kill()
        self.process.wait()
        self._keep_log()

    def _keep_log(self):
        self.log, self.process = self.read_log(), None
        self._log_file.close()

    def read_log(self):
        return self.log + ((self.folder / "log").read_text(errors="replace") if self.process else "")

    def log_lines(self, *parts):
        """Lines of the log with all these parts."""
        return [line for line in self.read_log().splitlines() if all(part in line for part in parts)]

    @property
    def address(self):
        return address_of(self.url)

    def connect(self, **options):
        return Connection(self, **options)

    def request(self, method, target, headers=(), body=None):
        """One request on a connection of its own."""
        with self.connect() as connection:
            return connection.request(method, target, headers, body)

    def slipway(self, *arguments, env=None):
        """Runs a command, with this server in SLIPWAY_SERVER."""
        return run_slipway(*arguments, folder=self.folder, env={"SLIPWAY_SERVER": self.url} | (env or {}))

    def status(self):
        """The answer of `slipway server status`."""
        return json.loads(self.slipway("server", "status", "--json").stdout)

    def store_files(self, *kinds):
        """The files of finished blobs: one each in raw, small ones together in packs."""
        return [path for kind in kinds or ("raw", "packs") for path in (self.data / "store" / kind).rglob("*")
                if path.is_file()]

    def begin_upload(self, repository, headers=()):
        """Opens an upload session and returns its path."""
        answer = self.request("POST", f"/v2/{repository}/blobs/uploads/", headers, b"")
        assert answer.status == 202, answer
        return answer["Location"]

    def push_blob(self, repository, data, headers=(), algorithm="sha256"):
        """Pushes a blob in one request and returns its digest."""
        digest = digest_of(data, algorithm)
        answer = self.request("POST", f"/v2/{repository}/blobs/uploads/?digest={digest}", headers, data)
        assert answer.status == 201, answer
        return digest

    def put_manifest(self, repository, reference, content, media_type=MANIFEST, headers=()):
        target = f"/v2/{repository}/manifests/{reference}"
        return self.request("PUT", target, [("Content-Type", media_type), *headers], content)

    def push_image(self, repository, tag, text="", headers=()):
        """Pushes a small image whose content is made of `text`; returns its manifest's bytes."""
        config, layer = f'{{"text":"{text}"}}'.encode(), f"layer {text}".encode()
        self.push_blob(repository, config, headers)
        self.push_blob(repository, layer, headers)
        content = image_manifest(config, [layer])
        answer = self.put_manifest(repository, tag, content, headers=headers)
        assert answer.status == 201, answer
        return content


def address_of(url):
    """What a Connection takes, of one of the server's URLs."""
    return url[5:] if url.startswith("unix:") else (urlsplit(url).hostname, urlsplit(url).port)


def descriptor(data, media_type):
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def image_manifest(config, layers, **more):
    """An image manifest of these blobs; `more` are further fields."""
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(config, CONFIG),
                       "layers": [descriptor(layer, LAYER) for layer in layers], **more}).encode()


class ServerTest(unittest.TestCase):
    """A test with servers; when it fails, their logs are shown."""

    config = ""  # of the server that all tests of a class share, as shared()
    _shared = None

    @classmethod
    def shared(cls):
        """The class's own server, started by the first test that wants it."""
        if cls._shared is None:
            folder = tempfile.mkdtemp(prefix="slipway-test-")
            cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
            cls._shared = Server(folder, cls.config)
            cls.addClassCleanup(cls._end_shared)
        return cls._shared

    @classmethod
    def _end_shared(cls):
        server, cls._shared = cls._shared, None
        server.stop()

    def folder(self):
        return Path(self.enterContext(tempfile.TemporaryDirectory(prefix="slipway-test-")))

    def serve(self, config="", *flags, folder=None, **options):
        """A server for this test alone."""
        server = Server(folder or self.folder(), config, flags, **options)
        self._servers.append(server)
        return self.enterContext(server)

    def connect(self, to=None, **options):
        return self.enterContext(Connection(to or self.shared(), **options))

    def assertStatus(self, answer, status, code=None):
        """The status; and where a code is given, the error of the registry."""
        self.assertEqual(answer.status, status, answer)
        if code:
            self.assertEqual(answer.code(), code, answer)
        return answer

    def run(self, result=None):
        result = result or self.defaultTestResult()
        self._servers = []
        failed = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > failed:
            for server in [*self._servers, *filter(None, [self._shared])]:
                sys.stderr.write(f"\n--- the server's log, as {self.id()} left it\n")
                sys.stderr.write("\n".join(server.read_log().splitlines()[-25:]) + "\n")
        return result
