"""A proxy between a server and its object store that does harm: it answers in the store's place, loses answers, breaks
connections in the middle, stalls, or is gone. Bodies pass in pieces.

    with S3Proxy("http://127.0.0.2:7480") as proxy:
        proxy.rule = lambda request: "503" if request.number == 7 else None
        …                                                            # the server has proxy.url as its endpoint

What a rule may say of a request:
    None             it passes
    500, 503, 403    as text: that answer, and the store hears nothing of it
    reset            the connection breaks before the store hears of it
    cut              … after half of the request's body went to the store
    lose             the store has done it, and its answer is lost
    truncate         half of the answer's body arrives
    etag             the answer's ETag is another's
    stall            nothing more happens on this connection until release()
"""

import socket
import struct
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from http_stream import Broken, Stream, field

CODES = {"500": ("InternalError", "500 Internal Server Error"), "503": ("SlowDown", "503 Slow Down"),
         "403": ("AccessDenied", "403 Forbidden")}


@dataclass
class Request:
    number: int  # from 0, of those since the proxy started or was last reset
    method: str
    target: str
    length: int


class S3Proxy:
    def __init__(self, endpoint):
        self._upstream = (urlsplit(endpoint).hostname, urlsplit(endpoint).port)
        self.rule = lambda request: None
        self.is_gone = False  # connections are refused, and those that there are broken
        self._lock = threading.Lock()  # guards what follows
        self._count = 0
        self._open = set()
        self.seen = []
        self._released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = "http://127.0.0.1:%d" % self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.release()
        self._listener.close()
        self._break_all()

    def reset(self):
        """Counts requests from 0 again; returns those since the last time."""
        with self._lock:
            seen, self.seen, self._count = self.seen, [], 0
        return seen

    def go(self):
        self.is_gone = True
        self._break_all()

    def come_back(self):
        self.is_gone = False

    def release(self):
        self._released.set()
        self._released = threading.Event()

    def _break_all(self):
        with self._lock:
            for connection in self._open:
                self._shut(connection)

    @staticmethod
    def _shut(connection):
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_gone:
                self._reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    @staticmethod
    def _reset(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    def _serve(self, client):
        store = None
        try:
            store = socket.create_connection(self._upstream, timeout=60)
            for connection in (client, store):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, store}
            client_stream, store_stream = Stream(client), Stream(store)
            while self._exchange(client_stream, store_stream):
                pass
        except (OSError, Broken):
            pass
        finally:
            with self._lock:
                self._open -= {client, store}
            self._reset(client)
            if store:
                store.close()

    def _note(self, head):
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        with self._lock:
            request = Request(self._count, method, target, int(field(head, "content-length") or 0))
            self._count += 1
            self.seen.append(request)
        return request

    def _exchange(self, client, store):
        head = client.head()
        if not head:
            return False
        request = self._note(head)
        action = self.rule(request)
        if action == "reset":
            return False
        if action in CODES:
            return self._refuse(client, request, action, "100-continue" in (field(head, "expect") or ""))
        store.socket.sendall(head)
        if field(head, "expect"):
            client.socket.sendall(store.head())
        sent = 0
        for piece in client.body(request.length):
            store.socket.sendall(piece)
            sent += len(piece)
            if action == "cut" and sent * 2 >= request.length:
                return False
        if action == "cut":  # without a body: the store has heard of it, as with lose
            return False
        if action == "stall":
            self._released.wait(120)
            return False
        return self._answer(client, store, request, action)

    @staticmethod
    def _refuse(client, request, action, expects):
        if not expects:
            for _ in client.body(request.length):
                pass
        code, line = CODES[action]
        body = f"<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>by the proxy</Message></Error>".encode()
        body = b"" if request.method == "HEAD" else body
        client.socket.sendall(f"HTTP/1.1 {line}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        return not expects

    @staticmethod
    def _answer(client, store, request, action):
        head = store.head()
        if not head:
            raise Broken
        status = head.split(b" ", 2)[1]
        length = 0 if request.method == "HEAD" or status in (b"204", b"304") else int(field(head, "content-length") or 0)
        is_chunked = (field(head, "transfer-encoding") or "").lower() == "chunked"
        if action == "etag" and field(head, "etag"):
            head = head.replace(field(head, "etag").encode(), b'"00000000000000000000000000000000"')
        lost = action == "lose"
        if not lost:
            client.socket.sendall(head)
        passed = 0
        for piece in store.chunks() if is_chunked else store.body(length):
            if action == "truncate" and (passed + len(piece)) * 2 >= length:
                return False
            if not lost:
                client.socket.sendall(piece)
            passed += len(piece)
        return not lost and action != "truncate"
