"""What a disk may hold after the power went: the record of file_recorder.cpp, replayed up to any point.

Nothing is taken for granted that fsync was not asked for. Of each file, what was written since its last flush may be
there page by page, or not at all; of each folder, names that were added, moved or removed since its own last flush
may have been, each or none. Two things every file system that keeps a journal does promise: a rename never loses the
file, and a flushed rename is whole on its new side.
"""

import hashlib
import struct
from pathlib import Path

CREATE, UNNAMED, WRITE, TRUNCATE, FLUSH, LINK, RENAME, UNLINK, MKDIR, RMDIR, FLUSH_FOLDER, SEND = range(1, 13)
HEAD = struct.Struct("<IBQQI")
PAGE, SECTOR = 4096, 512


class Entry:
    """One call that was recorded, or an answer that was sent. `end` is where the record went on after it."""
    __slots__ = ("end", "file", "first", "kind", "offset", "second")

    def __init__(self, kind, file, offset, first, second, end):
        self.kind, self.file, self.offset, self.first, self.second, self.end = kind, file, offset, first, second, end


def read_record(path):
    record, entries, at = Path(path).read_bytes(), [], 0
    while at + HEAD.size <= len(record):
        size, kind, file, offset, first = HEAD.unpack_from(record, at)
        begin, at = at + HEAD.size, at + 4 + size
        if at > len(record):
            break
        entries.append(Entry(kind, file, offset, record[begin:begin + first], record[begin + first:at], at))
    return entries


class File:
    def __init__(self):
        self.content, self.durable, self.pending = bytearray(), b"", []

    def change(self, kind, offset, data):
        self.pending.append((kind, offset, data))
        apply_change(self.content, kind, offset, data)

    def flush(self):
        self.durable, self.pending = bytes(self.content), []

    def pieces(self):
        """What was written since the last flush, cut where a page begins."""
        for kind, offset, data in self.pending:
            if kind == TRUNCATE:
                yield kind, offset, data
                continue
            while data:
                size = PAGE - offset % PAGE
                yield kind, offset, data[:size]
                offset, data = offset + size, data[size:]


def apply_change(content, kind, offset, data):
    if kind == TRUNCATE:
        del content[offset:]
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if kind == WRITE:
        content[offset:offset + len(data)] = data


class Folder:
    def __init__(self):
        self.names, self.durable, self.pending = {}, {}, []


class Move:
    """A change of names that is not durable yet: a name that comes, one that goes, or both."""

    def __init__(self, come=None, go=None):
        self.come, self.go = come, go  # (folder, name, node) and (folder, name)

    def apply(self, names_of, only_come=False):
        if self.come:
            folder, name, node = self.come
            names_of(folder)[name] = node
        if self.go and not only_come:
            folder, name = self.go
            names_of(folder).pop(name, None)


class Disk:
    """Replays entries one by one; state() says what might be left if the power went now."""

    def __init__(self):
        self.root, self.files, self.moves, self.last_write = Folder(), {}, [], None

    def replay(self, entry):
        first, second = entry.first.decode("utf-8", "replace") if entry.kind != WRITE else "", ""
        if entry.kind in (RENAME,):
            second = entry.second.decode()
        self.last_write = None
        if entry.kind in (CREATE, UNNAMED):
            self.files[entry.file] = File()
        if entry.kind in (CREATE, LINK):
            folder, name = self._place(first)
            self._move(Move(come=(folder, name, self.files[entry.file])))
        elif entry.kind in (WRITE, TRUNCATE):
            self.files[entry.file].change(entry.kind, entry.offset, entry.first)
            self.last_write = self.files[entry.file] if entry.kind == WRITE else None
        elif entry.kind == FLUSH:
            self.files[entry.file].flush()
        elif entry.kind == RENAME:
            folder, name = self._place(first)
            self._move(Move(come=(*self._place(second), folder.names[name]), go=(folder, name)))
        elif entry.kind in (UNLINK, RMDIR):
            self._move(Move(go=self._place(first)))
        elif entry.kind == MKDIR:
            if first != ".":
                self._move(Move(come=(*self._place(first), Folder())))
        elif entry.kind == FLUSH_FOLDER:
            self._flush_folder(self._folder(first))

    def _folder(self, path):
        folder = self.root
        for part in Path(path).parts:
            folder = folder.names[part]
        return folder

    def _place(self, path):
        return self._folder(Path(path).parent), Path(path).name

    def _move(self, move):
        move.apply(lambda folder: folder.names)
        self.moves.append(move)

    def _flush_folder(self, folder):
        left = []
        for move in self.moves:
            goes = move.go and move.go[0] is folder
            if move.come and (move.come[0] is folder or goes):
                move.come[0].durable[move.come[1]] = move.come[2]
                move.come = None
            if goes:
                folder.durable.pop(move.go[1], None)
                move.go = None
            if move.come or move.go:
                left.append(move)
        self.moves = left

    # ---- what may be left

    def state(self, how, choose):
        """Path → bytes, folders as path → None. `how`: "all" that was done (the process died), "least" (only what
        was flushed), "torn" (all, but of the last write only its first sectors), "some" by `choose`, a random.Random.
        """
        names = {}

        def names_of(folder):
            if folder not in names:
                names[folder] = dict(folder.durable)
            return names[folder]
        for move, only_come in self._kept_moves(how, choose):
            move.apply(names_of, only_come)
        out, share = {}, choose.choice((0.1, 0.5, 0.9))
        self._collect(self.root, "", names_of, out, lambda file: self._content(file, how, choose, share))
        return out

    def _kept_moves(self, how, choose):
        """In a mixture: those up to some point, as a journal keeps them, or any."""
        if how == "least":
            return []
        if how != "some":
            return [(move, False) for move in self.moves]
        if choose.random() < 0.5:
            moves = self.moves[:choose.randint(0, len(self.moves))]
        else:
            moves = [move for move in self.moves if choose.random() < 0.5]
        return [(move, choose.random() < 0.3) for move in moves]

    def _collect(self, folder, path, names_of, out, content):
        for name, node in sorted(names_of(folder).items()):
            if isinstance(node, Folder):
                out[path + name] = None
                self._collect(node, path + name + "/", names_of, out, content)
            else:
                out[path + name] = content(node)

    def _content(self, file, how, choose, share):
        if how == "least" or not file.pending:
            return file.durable
        if how == "torn" and file is self.last_write:
            content, (kind, offset, data) = bytearray(file.durable), file.pending[-1]
            for change in file.pending[:-1]:
                apply_change(content, *change)
            apply_change(content, kind, offset, data[:choose.randrange(len(data) // SECTOR + 1) * SECTOR])
            return bytes(content)
        if how in ("all", "torn"):
            return bytes(file.content)
        content = bytearray(file.durable)
        for change in file.pieces():
            if choose.random() < share:
                apply_change(content, *change)
        return bytes(content)


def print_of(state):
    """Equal for equal states."""
    hasher = hashlib.blake2b(digest_size=16)
    for path, content in state.items():
        hasher.update(f"{path}\0{-1 if content is None else len(content)}\0".encode())
        hasher.update(content or b"")
    return hasher.digest()


def lay_out(state, folder):
    """Writes a state into an empty folder."""
    folder.mkdir()
    for path, content in state.items():
        if content is None:
            (folder / path).mkdir()
        else:
            (folder / path).write_bytes(content)
