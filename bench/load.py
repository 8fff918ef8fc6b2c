"""The clients of a measurement: a registry client, wrk, our own load client, and readers that hardly move.

Every loader checks what it got. A server that answers quickly with an error must stop the run, not win it.

Who loads what: wrk sends the small GETs, of which it has more to spare than any server has. It copies what it receives,
which is slower than the servers send large blobs, and it cannot push; `bench_client` (client/) drops bodies in the
kernel and pushes contents that it has hashed before.
"""

import hashlib
import http.client
import json
import os
import re
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urljoin, urlsplit

MIB = 1 << 20
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
OCTETS = "application/octet-stream"
WRK_SCRIPT = Path(__file__).with_name("wrk.lua")


class LoadError(Exception):
    """A server answered something else than the measurement asked for."""


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


# --- An image, and pushing it

@dataclass
class Image:
    """One pushed image: its manifest's bytes and every blob by digest."""
    manifest: bytes
    blobs: dict
    small: str  # digest of the layer that is fetched whole, many times a second
    large: str  # digest of the layer that is streamed

    @property
    def digest(self):
        return sha256(self.manifest)


def make_image(small_size=MIB, large_size=100 * MIB):
    """A manifest of eight layers, about 1.5 KB as most are. Random bytes, so that no store can shrink them."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    layers = [os.urandom(small_size), os.urandom(large_size)] + [os.urandom(4096) for _ in range(6)]
    blobs = {sha256(data): data for data in [config, *layers]}

    def descriptor(media_type, data):
        return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}

    manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config),
                "layers": [descriptor(LAYER, data) for data in layers]}
    return Image(json.dumps(manifest, indent=1).encode(), blobs, sha256(layers[0]), sha256(layers[1]))


class Client:
    """One keep-alive connection. Raw HTTP, because a container engine would cost more than what is measured."""

    def __init__(self, base, timeout=120, source=None):
        self.base = base
        url = urlsplit(base)
        address = (source, 0) if source else None
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=timeout, source_address=address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def request(self, method, url, body=None, headers=None, expect=(200,)):
        """Sends one request and returns (headers, body). `url` may be absolute, as Location headers are."""
        parts = urlsplit(urljoin(self.base, url))
        target = parts.path + ("?" + parts.query if parts.query else "")
        self.connection.request(method, target, body, headers or {})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in expect:
            raise LoadError(f"{method} {target}: {answer.status} {content[:200]!r}, expected {expect}")
        return answer.headers, content

    def start_upload(self, repository):
        """Opens an upload session and returns its Location."""
        return self.request("POST", f"/v2/{repository}/blobs/uploads/", b"", expect=(202,))[0]["Location"]

    def push_blob(self, repository, data, digest):
        """POST, then everything in one PUT: the way most clients push a layer."""
        location = self.start_upload(repository)
        mark = "&" if "?" in location else "?"
        self.request("PUT", f"{location}{mark}digest={digest}", data, {"Content-Type": OCTETS}, expect=(201,))

    def push_file(self, repository, path, digest):
        """The same from a file, which need not fit into memory."""
        with open(path, "rb") as content:
            self.connection.blocksize = MIB
            headers = {"Content-Length": str(path.stat().st_size), "Content-Type": OCTETS}
            location = self.start_upload(repository)
            mark = "&" if "?" in location else "?"
            self.request("PUT", f"{location}{mark}digest={digest}", content, headers, expect=(201,))

    def push_image(self, repository, tag, image):
        for digest, data in image.blobs.items():
            self.push_blob(repository, data, digest)
        self.request("PUT", f"/v2/{repository}/manifests/{tag}", image.manifest, {"Content-Type": MANIFEST},
                     expect=(201,))

    def check(self, url, expected, headers=None):
        """Fails unless the URL answers 200 with exactly these bytes; wrk only looks at the status."""
        _, content = self.request("GET", url, headers=headers)
        if content != expected:
            raise LoadError(f"GET {url} answered {len(content)} bytes that are not the {len(expected)} expected")

    def check_digest(self, url, digest):
        """Fails unless the URL answers 200 with the content of this digest."""
        self.connection.request("GET", urlsplit(urljoin(self.base, url)).path)
        answer, state = self.connection.getresponse(), hashlib.sha256()
        while piece := answer.read(MIB):
            state.update(piece)
        if answer.status != 200 or f"sha256:{state.hexdigest()}" != digest:
            raise LoadError(f"GET {url}: {answer.status} with other bytes than those of {digest}")


# --- Loading

@dataclass
class Run:
    """What a loader saw: whole requests, bytes and seconds; latencies in milliseconds where it knows them."""
    requests: int
    bytes: int
    seconds: float
    latency_ms: dict = field(default_factory=dict)
    failures: int = 0
    wait_ms: float = 0  # of pushes: from the last byte sent to the answer, the median


def wrk(url, connections, seconds, threads=1, accept="*/*", strict=True, numbers=0, paths=(), headers=None):
    """GETs a URL over keep-alive connections, as fast as they come back (a closed loop).

    With `numbers` each request replaces ######## in the URL by a random number below that; with `paths` each takes one
    of these at random. A failed request ends the run; with strict=False it is only counted.
    """
    with tempfile.NamedTemporaryFile("w") as listing:
        listing.write("\n".join(paths))
        listing.flush()
        command = ["wrk", "-c", str(connections), "-t", str(threads), "-d", f"{seconds}s", "--timeout", "30s", "-s",
                   str(WRK_SCRIPT), "-H", f"Accept: {accept}",
                   *[word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")], url, "--", str(numbers), *[listing.name] * bool(paths)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise LoadError(f"wrk {url}: {done.stderr.strip() or done.stdout.strip()}")
    seen = json.loads(done.stdout.rsplit("RESULT ", 1)[1])
    failures = sum(seen["errors"].values())
    if strict and (failures or not seen["requests"]):
        raise LoadError(f"wrk {url}: {seen['errors']} in {seen['requests']} whole answers, {seen['bytes']} bytes, "
                        f"{seen['seconds']:.1f} s")
    return Run(seen["requests"], seen["bytes"], seen["seconds"], seen["latency_ms"], failures)


def client(workload, base, **flags):
    """Runs bench_client; see client/main.cpp for its workloads and flags."""
    program = os.environ.get("BENCH_CLIENT", "")
    if not os.access(program, os.X_OK):
        raise LoadError("BENCH_CLIENT does not name the load client; run through ./dev bench")
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([program, workload, str(urlsplit(base).port), *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise LoadError(done.stderr.strip())
    return Run(**json.loads(done.stdout))


def get(base, paths, connections, seconds=0, method="GET"):
    """GETs paths (or their heads, where wrk would wait for bodies) and drops what comes: each once, or in turn until
    the time is up."""
    with tempfile.NamedTemporaryFile("w") as listing:
        listing.write("\n".join(paths))
        listing.flush()
        limit = {"seconds": seconds} if seconds else {}
        return client("get", base, paths=listing.name, clients=connections, method=method,
                      accept=MANIFEST + ",*/*", **limit)


def fill(base, path, body, count, clients=64, first=0):
    """PUTs documents of their own, `count` of them; ######## stands for their number in path and body."""
    return client("put", base, path=path, body=body, type=json.loads(body)["mediaType"], clients=clients, count=count,
                  **{"from": first})


# --- Publishing folders

@dataclass
class Published:
    """What one run of a publishing program took, and what it told; None is what it does not tell."""
    seconds: float
    client_cpu: float  # seconds
    client_mib: float  # resident at most
    requests: int = None
    objects: int = None  # sent
    kib: float = None    # sent
    files: int = None


def watched(*command, cpus=None):
    """Runs a program to its end: (Published of what the kernel tells, its output). `cpus` is what it and its children
    may use, else ours."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        started = time.perf_counter()
        process = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                   preexec_fn=lambda: os.sched_setaffinity(0, cpus or os.sched_getaffinity(0)))
        _, status, usage = os.wait4(process.pid, 0)  # its own figures, and not those of all programs before
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if process.returncode != 0:
            raise LoadError(f"{command[0]} ended with {process.returncode}: {err.read()[-2000:].strip()}")
        return Published(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024), out.read()


def publish(base, folder, name):
    """`slipway publish` with nothing but the defaults."""
    seen, answer = watched(os.environ["SLIPWAY_BIN"], "publish", folder, name, "--server", base, "--json")
    told = json.loads(answer)
    seen.requests, seen.objects, seen.files = told["requests"], told["sent_objects"], told["files"]
    seen.kib = told["sent_bytes"] / 1024
    return seen


def rsync(folder, target, cpus):
    """Makes `target` what `folder` is; neither it nor the folder's files are synced to the disk."""
    seen, answer = watched("rsync", "-a", "--delete", "--stats", "--no-human-readable", f"{folder}/", f"{target}/",
                           cpus=cpus)
    seen.kib = int(re.search(r"Total bytes sent: (\d+)", answer)[1]) / 1024
    return seen


class SlowReaders:
    """Clients that each ask for a large blob and take a kilobyte a second of it. What a server keeps for them meanwhile
    is its own affair, and is what is measured."""

    PIECE = 1024

    def __init__(self, url, count):
        parts = urlsplit(url)
        head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
        self.sockets = []
        for _ in range(count):
            reader = socket.socket()
            self.sockets.append(reader)
            # Before it connects, for this bounds the window that the server is told.
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * self.PIECE)
            reader.settimeout(30)
            reader.connect((parts.hostname, parts.port))
            reader.sendall(head)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for reader in self.sockets:
            reader.close()

    def read(self, seconds):
        for second in range(seconds):
            started = time.monotonic()
            for reader in self.sockets:
                piece = reader.recv(self.PIECE)
                if not piece or second == 0 and not piece.startswith(b"HTTP/1.1 200"):
                    raise LoadError(f"a slow reader got {piece[:100]!r}")
            time.sleep(max(0.0, 1 - (time.monotonic() - started)))
