"""The clients of a measurement: a registry client, wrk, and a receiver that throws bytes away.

Every loader checks what it got. A server that answers quickly with an error must stop the run, not win it.
"""

import hashlib
import http.client
import json
import os
import socket
import subprocess
import threading
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


# --- Loading

@dataclass
class Run:
    """What a loader saw: whole requests, bytes and seconds; latencies in milliseconds where it knows them."""
    requests: int
    bytes: int
    seconds: float
    latency_ms: dict = field(default_factory=dict)
    failures: int = 0


def wrk(url, connections, seconds, threads=1, accept="*/*", strict=True):
    """GETs a URL over keep-alive connections, as fast as they come back (a closed loop).

    A failed request ends the run; with strict=False it is only counted.
    """
    command = ["wrk", "-c", str(connections), "-t", str(threads), "-d", f"{seconds}s", "--timeout", "30s",
               "-s", str(WRK_SCRIPT), "-H", f"Accept: {accept}", url]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise LoadError(f"wrk {url}: {done.stderr.strip() or done.stdout.strip()}")
    seen = json.loads(done.stdout.rsplit("RESULT ", 1)[1])
    failures = sum(seen["errors"].values())
    if strict and (failures or not seen["requests"]):
        raise LoadError(f"wrk {url}: {seen['errors']} in {seen['requests']} whole answers, {seen['bytes']} bytes, "
                        f"{seen['seconds']:.1f} s")
    return Run(seen["requests"], seen["bytes"], seen["seconds"], seen["latency_ms"], failures)


def drain(url, connections, seconds):
    """GETs a URL over several connections and lets the kernel discard the bodies (MSG_TRUNC), uncopied.

    A client that copies is the limit of a loopback transfer, and hides what the server could send; this one is not.
    """
    parts = urlsplit(url)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    deadline = time.monotonic() + seconds
    totals, problems = [0] * connections, []

    def receive(i):
        try:
            with socket.create_connection((parts.hostname, parts.port), timeout=30) as sock:
                while time.monotonic() < deadline:
                    sock.sendall(head)
                    for size in _discard_one(sock, deadline):
                        totals[i] += size
        except (OSError, LoadError) as error:
            problems.append(error)

    threads = [threading.Thread(target=receive, args=(i,)) for i in range(connections)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if problems:
        raise LoadError(f"GET {url}: {problems[0]}")
    return Run(0, sum(totals), time.monotonic() - started)


def _discard_one(sock, deadline, buffer=bytearray(MIB)):
    """Receives one answer and yields the size of each piece; leaves in the middle when the time is up.

    The threads share one buffer: with MSG_TRUNC the kernel never writes into it.
    """
    received = b""
    while b"\r\n\r\n" not in received:
        piece = sock.recv(65536)
        if not piece:
            raise LoadError("closed before the end of the head")
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    if lines[0].split()[1] != "200":
        raise LoadError(lines[0])
    left = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:")) - len(body)
    yield len(body)
    while left > 0 and time.monotonic() < deadline:
        size = sock.recv_into(buffer, min(left, len(buffer)), socket.MSG_TRUNC)
        if size == 0:
            raise LoadError(f"closed {left} bytes early")
        left -= size
        yield size
