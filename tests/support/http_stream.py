"""HTTP/1.1 as proxies read it: heads, and bodies in pieces, of whatever a socket brings."""

PIECE = 1 << 18


class Broken(Exception):
    """One side of a connection is gone."""


class Stream:
    """Reads of a socket: heads, then bodies of known length."""

    def __init__(self, connection):
        self.socket, self.waiting = connection, b""

    def looks_like_http(self):
        """Waits for the first byte; false where it begins no request, as a TLS handshake does not."""
        self.waiting = self.waiting or self.socket.recv(PIECE)
        return not self.waiting or self.waiting[:1].isalpha()

    def head(self):
        """A head with its empty line; nothing where the connection ends between two."""
        while b"\r\n\r\n" not in self.waiting:
            piece = self.socket.recv(PIECE)
            if not piece:
                if self.waiting:
                    raise Broken
                return None
            self.waiting += piece
        head, _, self.waiting = self.waiting.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def body(self, length):
        while length > 0:
            piece = self.waiting or self.socket.recv(PIECE)
            if not piece:
                raise Broken
            self.waiting = piece[length:]
            piece = piece[:length]
            length -= len(piece)
            yield piece

    def rest(self):
        """A body that ends with its connection."""
        while piece := self.waiting or self.socket.recv(PIECE):
            self.waiting = b""
            yield piece

    def line(self):
        while b"\r\n" not in self.waiting:
            piece = self.socket.recv(PIECE)
            if not piece:
                raise Broken
            self.waiting += piece
        line, _, self.waiting = self.waiting.partition(b"\r\n")
        return line

    def chunks(self):
        """A chunked body, with all that frames it."""
        while True:
            line = self.line()
            yield line + b"\r\n"
            length = int(line.partition(b";")[0], 16)
            yield from self.body(length + 2)  # of the last one, the empty line after it
            if length == 0:
                return


def field(head, name):
    for line in head.decode("latin-1").split("\r\n")[1:]:
        found, _, value = line.partition(":")
        if found.lower() == name:
            return value.strip()
    return None
