"""Writes opam files that are wrong, or odd, in small ways: mutate.py SEED COUNT FOLDER FILE...; the paths go to stdout."""

import random
import sys
from pathlib import Path

# What the syntax is made of, and what lies next to it.
PIECES = [b'"', b'"""', b"\\", b"\\n", b"\\255", b"\\256", b"\\x4a", b"\\xg", b"\\\n   ", b"\\ ", b"\\'", b"(*", b"*)", b"#", b"\n", b"\r\n", b"\r",
          b"{", b"}", b"[", b"]", b"(", b")", b":", b":=", b"=:", b"=+", b"+=", b"=+=", b"=:=", b"=", b"!=", b"!", b"?", b"<", b"<=", b">",
          b">=", b"~", b"&", b"|", b"true", b"false", b"0", b"-1", b"1_0", b"_", b"_1", b"-", b"+", b"a+b", b"_+a", b"a+_:b", b"a:b",
          b"a:1", b"9223372036854775807", b"4611686018427387903", b"4611686018427387904", b"-4611686018427387904",
          b'opam-version: "2.0"', b'opam-version: "2.1"', b'opam-version: "2.2"\n', b'opam-version: "3"\n', b"opam-version:", b'x: [1 2]',
          b'url {', b'extra-source "x" {', b" ", b"\t", b"\0", b"\xc3\xa9", b"\xff", b",", b";", b"/", b"'"]


def mutated(source, text):
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        at = source.randrange(len(text) + 1)
        end = min(len(text), at + source.choice((0, 1, 2, 5, 30, 300)))
        what = source.randrange(6)
        if what == 0:
            text = text[:at] + text[end:]
        elif what in (1, 2):
            text = text[:at] + source.choice(PIECES) + text[at:]
        elif what == 3:
            text = text[:at] + source.choice(PIECES) + text[end:]
        elif what == 4:
            piece, other = text[at:end], source.randrange(len(text) + 1)
            text = text[:other] + piece + text[other:]
        else:
            text = text[:at] if source.randrange(4) == 0 else text[:at] + bytes([source.randrange(256)]) + text[at:]
    return text


def soup(source):
    """No file at all, only words."""
    return b"".join(source.choice(PIECES) + source.choice((b"", b" ", b" ", b"\n")) for _ in range(source.randrange(1, 30)))


def main():
    seed, count, folder, *paths = sys.argv[1:]
    source = random.Random(int(seed))
    files = [Path(path).read_bytes() for path in paths]
    for number in range(int(count)):
        odd = soup(source) if number % 4 == 0 else mutated(source, source.choice(files))
        if number % 10 == 1:  # as if it were written by a newer opam
            odd = b'opam-version: "' + source.choice((b"2.1", b"2.2", b"2.1.9", b"2.~", b"10", b"2.1~x")) + b'"\n' + odd
        path = Path(folder) / str(number)
        path.write_bytes(odd)
        print(path)


main()
