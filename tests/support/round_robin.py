#!/usr/bin/env python3
"""Three servers in the place of one: a test that is given this as SLIPWAY_BIN speaks to three of the real program,
SLIPWAY_REPLICA_BIN, by way of a proxy that sends each request to another of them, whatever connection it came on.

As `slipway serve` is called, with --store and --catalog, and for who calls it no different: it makes server.json in the
data directory, logs what all three log, and ends at SIGTERM. It has the TLS, the three speak plain HTTP and are told
who asked in X-Forwarded-… fields. Bodies pass in pieces, in both directions.
"""

import argparse
import itertools
import json
import os
import select
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from http_stream import Broken, Stream, field

COUNT = 3
HOP_BY_HOP = ("connection", "keep-alive", "proxy-connection", "x-forwarded-for", "x-forwarded-proto")
PATIENCE = 120  # seconds without a byte


def without(head, names, *more):
    """A head without these fields, with others instead."""
    first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    kept = [line for line in lines if line.partition(":")[0].lower() not in names]
    return ("\r\n".join([first, *kept, *more]) + "\r\n\r\n").encode("latin-1")


def is_readable(connection):
    return bool(select.select([connection], [], [], 0)[0])


class Client:
    """One client's connection; `next_address` tells where each request goes."""

    def __init__(self, connection, scheme, next_address):
        self.stream, self.scheme, self.next_address = Stream(connection), scheme, next_address
        self.source = connection.getpeername()[0]
        self.upstream = {}  # by address, kept from request to request

    def serve(self):
        try:
            while self._exchange():
                pass
        finally:
            for server in self.upstream.values():
                server.socket.close()

    def _server(self):
        address = self.next_address()
        kept = self.upstream.pop(address, None)
        if kept and is_readable(kept.socket):  # the server has closed it meanwhile
            kept.socket.close()
            kept = None
        if not kept:
            kept = Stream(socket.create_connection(address, timeout=PATIENCE))
            kept.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.upstream[address] = kept
        return kept

    def _exchange(self):
        """One request and its answer; false where the connection ends with it."""
        if not self.stream.looks_like_http():
            self.stream.socket.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return False
        head = self.stream.head()
        if not head:
            return False
        method, _, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        server = self._server()
        server.socket.sendall(without(head, HOP_BY_HOP, f"X-Forwarded-For: {self.source}",
                                      f"X-Forwarded-Proto: {self.scheme}"))
        goes_on = version == "HTTP/1.1" and (field(head, "connection") or "").lower() != "close"
        answer = self._pass_body(head, server)
        if answer:  # before the body's end, which nobody will read
            self._pass_answer(answer, method, server, False)
            self._end_politely()
            return False
        answer = server.head()
        if not answer:
            raise Broken
        return self._pass_answer(answer, method, server, goes_on)

    def _pass_body(self, head, server):
        """Returns the head of an answer that came before the body's end, if one did."""
        if field(head, "expect"):
            early = server.head() or b""
            if not early.startswith(b"HTTP/1.1 100"):
                return early
            self.stream.socket.sendall(early)
        is_chunked = (field(head, "transfer-encoding") or "").lower() == "chunked"
        length = int(field(head, "content-length") or 0)
        for piece in self.stream.chunks() if is_chunked else self.stream.body(length):
            if is_readable(server.socket):
                return server.head()
            server.socket.sendall(piece)
        return None

    def _pass_answer(self, head, method, server, goes_on):
        status = head.split(b" ", 2)[1]
        is_chunked = (field(head, "transfer-encoding") or "").lower() == "chunked"
        length = field(head, "content-length")
        is_empty = method == "HEAD" or status in (b"204", b"304")
        is_endless = not is_empty and not is_chunked and length is None
        goes_on = goes_on and not is_endless
        self.stream.socket.sendall(without(head, HOP_BY_HOP, *([] if goes_on else ["Connection: close"])))
        if is_endless:
            body = server.rest()
        elif is_chunked and not is_empty:
            body = server.chunks()
        else:
            body = server.body(0 if is_empty else int(length))
        for piece in body:
            self.stream.socket.sendall(piece)
        if is_endless or (field(head, "connection") or "").lower() == "close":
            server.socket.close()
            self.upstream = {address: kept for address, kept in self.upstream.items() if kept is not server}
        return goes_on

    def _end_politely(self):
        """What a client still sends is read for a while: a reset could take the answer away before it is read."""
        if self.scheme == "http":
            self.stream.socket.shutdown(socket.SHUT_WR)
        self.stream.socket.settimeout(2)
        end = time.monotonic() + 10
        while time.monotonic() < end and self.stream.socket.recv(1 << 18):
            pass


class RoundRobin:
    """Listens at (host, port) until the process ends, in front of `addresses`."""

    def __init__(self, listen, addresses, tls=None):
        self.turns = [0] * len(addresses)  # how many requests each server got
        self._addresses, self._tls = addresses, tls
        self._turn, self._lock = itertools.cycle(range(len(addresses))), threading.Lock()
        self._listener = socket.create_server(listen, backlog=256)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _next_address(self):
        with self._lock:
            turn = next(self._turn)
            self.turns[turn] += 1
        return self._addresses[turn]

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            client.settimeout(PATIENCE)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                client = self._tls.wrap_socket(client, server_side=True)
            Client(client, "https" if self._tls else "http", self._next_address).serve()
        except (OSError, Broken):
            pass  # a server that breaks off shows to the client as its connection's end
        finally:
            client.close()


class Replicas:
    """The servers, each with a folder of its own below `folder`."""

    def __init__(self, folder, flags):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        config = self._config()
        self.processes = [self._start(folder / str(number), config, flags) for number in range(COUNT)]

    def _config(self):
        """The caller's, and that we may say who asks."""
        given = os.environ.get("SLIPWAY_CONFIG")
        text = Path(given).read_text(encoding="utf-8") if given else ""
        config = self.folder / "replicas.toml"
        config.write_text('server.proxies = ["127.0.0.1"]\n' + text, encoding="utf-8")
        return config

    @staticmethod
    def _start(data, config, flags):
        command = [os.environ["SLIPWAY_REPLICA_BIN"], "serve", "--config", config, "--data", data, "--listen",
                   "127.0.0.1:0", *flags]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def addresses(self):
        """Once all of them serve; None where one does not start."""
        found = {}
        end = time.monotonic() + 30
        while len(found) < COUNT and time.monotonic() < end:
            if any(process.poll() is not None for process in self.processes):
                return None
            for number, process in enumerate(self.processes):
                try:
                    announced = json.loads((self.folder / str(number) / "server.json").read_text(encoding="utf-8"))
                except (FileNotFoundError, json.JSONDecodeError):
                    continue
                if announced["pid"] == process.pid:
                    url = urlsplit(announced["listen"][0])
                    found[number] = (url.hostname, url.port)
            time.sleep(0.02)
        return [found[number] for number in range(COUNT)] if len(found) == COUNT else None

    def stop(self):
        """The worst of their exit statuses."""
        for process in self.processes:
            process.terminate()
        return max(abs(process.wait()) for process in self.processes)


def context_of(certificate, key):
    if not certificate:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def announce(data, url):
    """As a server does: whole, or not there."""
    fd, name = tempfile.mkstemp(dir=data)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump({"pid": os.getpid(), "listen": [url]}, file)
    os.rename(name, data / "server.json")


def serve(arguments):
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--tls-certificate")
    parser.add_argument("--tls-key")
    own, flags = parser.parse_known_args(arguments)
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals | {signal.SIGCHLD})
    replicas = Replicas(own.data, flags)
    addresses = replicas.addresses()
    if not addresses:
        replicas.stop()
        return 1
    host, _, port = own.listen.rpartition(":")
    tls = context_of(own.tls_certificate, own.tls_key)
    proxy = RoundRobin((host, int(port)), addresses, tls)
    announce(own.data, f"{'https' if tls else 'http'}://{host}:{proxy.port}")
    signal.sigwait(signals | {signal.SIGCHLD})  # a server that ends by itself is a failure
    died = any(process.poll() is not None for process in replicas.processes)
    status = replicas.stop()
    (own.data / "server.json").unlink()
    print(f"requests that each of the servers got: {proxy.turns}", file=sys.stderr)
    return 1 if died else status


def main(command, *arguments):
    if command != "serve":
        program = os.environ["SLIPWAY_REPLICA_BIN"]
        os.execv(program, [program, command, *arguments])
    return serve(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
