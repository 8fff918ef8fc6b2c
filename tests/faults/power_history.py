"""What a server was asked and what it acknowledged, placed on the record of what its disk was told.

A cell is something that can be looked up after a restart: a blob in a repository, a tag, a manifest, an entry of a
cache, how far an upload has come. Only one client changes a cell, one request after the other, so at any point of the
record its value is that of the last request acknowledged by then, or of the one that was under way.
"""

import threading

ABSENT = None


class Request:
    """One request that changes cells. `begun` and `acknowledged` are places in the record; the second is not known, and
    past the end, until its answer is found there."""

    def __init__(self, begun, changes):
        self.begun, self.changes, self.name, self.acknowledged = begun, changes, None, float("inf")


class History:
    """Safe to use from any thread; each client has requests of its own."""

    def __init__(self, record):
        self._record = record
        self._lock = threading.Lock()
        self.requests, self.contents, self.subjects = [], {}, {}

    def begin(self, changes):
        """To be called before a request is sent; `changes` are cell → value after it."""
        request = Request(self._record.stat().st_size, changes)
        with self._lock:
            self.requests.append(request)
        return request

    def find_answers(self, entries, kind_of_answer):
        """Places each answered request where its answer was sent."""
        by_name = {request.name: request for request in self.requests if request.name}
        for entry in entries:
            if entry.kind != kind_of_answer:
                continue
            for line in entry.first.decode("latin-1").split("\r\n"):
                if line.lower().startswith("x-request-id: ") and line[14:] in by_name:
                    by_name[line[14:]].acknowledged = entry.end
        lost = [name for name, request in by_name.items() if request.acknowledged == float("inf")]
        if lost:
            raise AssertionError(f"answers that are not in the record: {lost[:3]}")

    def at(self, place):
        """What may be looked up if the power went there: (cell → its last acknowledged value, requests under way)."""
        values, under_way = {}, []
        for request in self.requests:
            if request.acknowledged <= place:
                values.update(request.changes)
            elif request.begun <= place:
                under_way.append(request)
                for cell in request.changes:
                    values.setdefault(cell, ABSENT)
        return values, under_way

    def places(self):
        """Where what is promised changes."""
        return sorted({request.acknowledged for request in self.requests} - {float("inf")})


def expected(values, under_way):
    """Cell → the values it may have."""
    out = {cell: {value} for cell, value in values.items()}
    for request in under_way:
        for cell, value in request.changes.items():
            out.setdefault(cell, {ABSENT}).add(value)
    return out


def torn(found, values, under_way):
    """What of a request under way did and did not happen, if it happened in part; else None. What was found is cell →
    value. How far an upload came is left out: it tells more than whether a request happened."""
    for request in under_way:
        changes = {cell: value for cell, value in request.changes.items()
                   if cell[0] != "session" and value != values[cell]}
        done = {cell for cell, value in changes.items() if found[cell] == value}
        if done and len(done) < len(changes):
            return f"{sorted(done)} happened, {sorted(set(changes) - done)} did not"
    return None


def cells_of(kind, values):
    return [cell for cell in values if cell[0] == kind]
