"""Clients that hold on to a server and hardly move: the connections of flood.py, and the thread that keeps them.

None of them costs the server anything but what it holds for them: a thread, a buffer, a slot in a table.
"""

import collections
import dataclasses
import re
import resource
import select
import socket
import threading
import time
from urllib.parse import urljoin, urlsplit

import load
import peers

UPLOAD_SIZE = 10_000_000
SETUP_TIMEOUT = 30  # seconds to wait for an answer while a connection takes its position


# --- One hostile connection of each kind

class Hostile:
    """A connection that stays. take_position() may block; after that turn() is called once a second and must not."""

    small_buffers = False
    answer = b""  # what the server said last, unasked

    def __init__(self, flood, source):
        self.flood = flood
        self.sock = socket.socket()
        if self.small_buffers:  # or the kernel would take megabytes, and the server would be done with this client
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(SETUP_TIMEOUT)
        self.opened = time.monotonic()
        try:
            self.sock.bind((source, 0))
            self.sock.connect(flood.address)
            self.take_position()
        except OSError:
            self.sock.close()
            raise
        self.sock.setblocking(False)

    def take_position(self):
        """Does what makes this connection hold something of the server's."""

    def turn(self):
        """Moves on by `flood.rate` bytes."""

    def readable(self):
        """Something came: by default that is the server's goodbye. Returns False when the connection is over."""
        answer = self.sock.recv(4096)
        if answer:
            self.answer = answer
        return bool(answer)

    def ask(self, method, path, headers=""):
        """Sends one request and returns the answer's head; a server that will have no more of us says 503."""
        self.sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: slipway\r\n{headers}\r\n".encode())
        received = b""
        while b"\r\n\r\n" not in received:
            piece = self.sock.recv(4096)
            if not piece:
                raise ConnectionError("closed while it was set up")
            received += piece
        status = int(received.split(b" ", 2)[1])
        if status >= 500:
            raise ConnectionRefusedError(f"{method} {path} was answered {status}")
        return received.partition(b"\r\n\r\n")[0].decode("latin-1")


class HalfHead(Hostile):
    """Half a head, and then every other one drips a byte a second: being heard from must not extend its time."""

    count = 0

    def take_position(self):
        HalfHead.count += 1
        self.drips = HalfHead.count % 2
        self.sock.sendall(b"GET /v2/ HTTP/1.1\r\nHost: slipway\r\nX-Slow: ")

    def turn(self):
        if self.drips:
            self.sock.send(b"x")


class Reader(Hostile):
    """Asks for a large blob and reads it slowly, so that the server can send nothing most of the time."""

    small_buffers = True

    def take_position(self):
        self.sock.sendall(f"GET {self.flood.large_path} HTTP/1.1\r\nHost: slipway\r\n\r\n".encode())

    def turn(self):
        if not self.sock.recv(self.flood.rate):
            raise ConnectionError("closed")

    def readable(self):  # readable at all times: that is the point
        return True


class Uploader(Hostile):
    """Starts a large upload and sends it slowly; every other one in a PATCH, the rest in a PUT."""

    count = 0

    def take_position(self):
        Uploader.count += 1
        head = self.ask("POST", f"/v2/{peers.REPOSITORY}/blobs/uploads/", "Content-Length: 0\r\n")
        location = urlsplit(urljoin("http://slipway/", re.search(r"(?im)^location:\s*(\S+)", head).group(1)))
        path, query = location.path, location.query
        method = "PATCH"
        if Uploader.count % 2:
            method, query = "PUT", (query + "&" if query else "") + "digest=sha256:" + "0" * 64
        self.sock.sendall(f"{method} {path}{'?' + query if query else ''} HTTP/1.1\r\nHost: slipway\r\n"
                          f"Content-Type: {load.OCTETS}\r\nContent-Length: {UPLOAD_SIZE}\r\n\r\n".encode())

    def turn(self):
        self.sock.send(bytes(self.flood.rate))


class Idle(Hostile):
    """One small request, and then silence on a connection both sides keep."""

    def take_position(self):
        self.ask("GET", "/v2/")


HOSTILE = {"half_heads": HalfHead, "readers": Reader, "uploaders": Uploader, "idle": Idle}


# --- The flood

@dataclasses.dataclass
class Closed:
    """A connection the server ended: what it said last (a status code, or 0) and when, in seconds after connecting."""
    kind: str
    status: int
    age: float


class Flood:
    """Holds hostile connections from one thread, and writes down which of them the server ends.

    Idle connections and half heads sleep in epoll. The slow ones take turns on a wheel of twenty slots a second, so
    that a thousand of them cost this process a few per cent of a processor and leave the rest to what is measured.
    """

    SLOTS = 20

    def __init__(self, base, large_path, rate=1024, sources=8, replace=True):
        """`replace` opens a new half head for each that the server closes, as a persistent attacker would."""
        url = urlsplit(base)
        self.address, self.large_path = (url.hostname, url.port), large_path
        self.rate, self.replace = rate, replace
        self.sources = [f"127.0.0.{2 + i}" for i in range(sources)]
        self.opened, self.refused, self.closed = collections.Counter(), collections.Counter(), []
        self.cpu_seconds = 0.0
        self.last_refusal = None
        self._epoll, self._by_fd = select.epoll(), {}
        self._wheel = [set() for _ in range(self.SLOTS)]
        self._stop, self._lock = threading.Event(), threading.Lock()
        self._thread = threading.Thread(target=self._hold, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        """Leaves without a word, as a client does that is killed."""
        self._stop.set()
        self._thread.join()
        for hostile in list(self._by_fd.values()):
            hostile.sock.close()
        self._epoll.close()

    def open(self, kind, count):
        """Opens connections of one kind, from the source addresses in turn. What is refused is counted, not raised."""
        for i in range(count):
            self._open(kind, self.sources[i % len(self.sources)])

    def held(self, kind=None):
        with self._lock:
            return sum(kind is None or hostile.kind == kind for hostile in self._by_fd.values())

    def _open(self, kind, source):
        try:
            hostile = HOSTILE[kind](self, source)
        except OSError as error:
            self.refused[kind] += 1
            self.last_refusal = str(error)
            return
        hostile.kind, hostile.source = kind, source
        self.opened[kind] += 1
        with self._lock:
            fd = hostile.sock.fileno()
            self._by_fd[fd] = hostile
            if kind != "idle":
                self._wheel[fd % self.SLOTS].add(hostile)
            if kind != "readers":
                self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)

    def _hold(self):
        """The thread: wakes for what the server says, and lets one slot of the wheel take its turn each tick."""
        tick, slot = time.monotonic(), 0
        while not self._stop.is_set():
            for fd, _ in self._epoll.poll(max(0, tick - time.monotonic()), 256):
                if fd in self._by_fd:
                    self._let(self._by_fd[fd], self._by_fd[fd].readable)
            if time.monotonic() >= tick:
                tick += 1 / self.SLOTS
                slot = (slot + 1) % self.SLOTS
                for hostile in list(self._wheel[slot]):
                    self._let(hostile, hostile.turn)
            self.cpu_seconds = time.thread_time()

    def _let(self, hostile, act):
        """Lets a connection act; writes it off when the server has ended it."""
        try:
            if act() is not False:
                return
        except BlockingIOError:
            return  # nothing to read yet, or no room to send: it is slow, which is what it is here for
        except OSError:
            pass
        status = re.match(rb"HTTP/1\.1 (\d+)", hostile.answer)
        self.closed.append(Closed(hostile.kind, int(status[1]) if status else 0, time.monotonic() - hostile.opened))
        with self._lock:
            del self._by_fd[hostile.sock.fileno()]
            self._wheel[hostile.sock.fileno() % self.SLOTS].discard(hostile)
        hostile.sock.close()
        if hostile.kind == "half_heads" and self.replace:
            self._open(hostile.kind, hostile.source)


def raise_file_limit(wanted):
    """Lets this process and the server it starts hold that many files, or as many as the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(wanted, soft), max(wanted, hard)))
    except (ValueError, OSError):  # only root may raise the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
