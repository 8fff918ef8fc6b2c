"""A stretch of network between servers and their database, where tests let things go wrong: it breaks connections when
a text passes, before or after the other side has heard of it, or leads to another machine. As tcp_proxy.hpp.
"""

import select
import socket
import threading


class TcpProxy:
    """In front of 127.0.0.1:`port`; self.port may be changed, for connections to come."""

    def __init__(self, port):
        self.port = port
        self.cuts = 0  # connections that a text has ended
        self._rule = None
        self._count, self._lock = 0, threading.Lock()
        self._open = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.own_port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()
        self.cut_all()

    def cut_at(self, text, every, passes):
        """Ends a connection whenever its client has sent `text`, every so many times; `passes`, a function, says whether
        the server gets to hear of it. None as text: no more."""
        with self._lock:
            self._rule = (text, every, passes) if text else None

    def cut_all(self):
        with self._lock:
            for connection in self._open:
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
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        server = None
        try:
            server = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            server.settimeout(None)
            for connection in (client, server):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, server}
            while self._pass(client, server):
                pass
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {client, server}
            client.close()
            if server:
                server.close()

    def _pass(self, client, server):
        readable, _, _ = select.select([client, server], [], [])
        if server in readable:
            piece = server.recv(65536)
            client.sendall(piece)
            return bool(piece)
        piece = client.recv(65536)
        cut, passes = self._is_due(piece)
        if not cut or passes:
            server.sendall(piece)
        if cut and passes:
            server.recv(1)  # it has done what it was told; nobody hears of it
        return bool(piece) and not cut

    def _is_due(self, piece):
        with self._lock:
            if not self._rule or self._rule[0] not in piece:
                return False, False
            self._count += 1
            if self._count % self._rule[1] != 0:
                return False, False
            self.cuts += 1
            return True, self._rule[2]()
