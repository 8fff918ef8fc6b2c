"""What has to hold after a kill and a restart: everything is looked at while nobody is at work."""

import json
import re
import typing

from crash_exchange import DEADLINE, REPOSITORIES
from crash_model import Key, Violation
from slipway_server import Connection, digest_of, eventually, head, run_slipway

AT_ONCE = 40  # questions on their way; their heads fit a socket


def ask_all(server, targets):
    """The answers to GETs, down one connection."""
    answers = []
    with Connection(server, timeout=DEADLINE) as connection:
        for first in range(0, len(targets), AT_ONCE):
            some = targets[first:first + AT_ONCE]
            connection.send(b"".join(head("GET", target) for target in some))
            answers.extend(connection.response() for _ in some)
    return answers


def demand(condition, what):
    if not condition:
        raise Violation(what)


def check(world):
    """Compares all that can be read with what may be, and settles it."""
    keys = list(world.book.registers)
    found = {key: value_of(world, key, answer)
             for key, answer in zip(keys, ask_all(world.server, [key.target() for key in keys]))}
    unsettled, world.book.unsettled = world.book.unsettled, []
    for operation in unsettled:
        world.ambiguous[operation.kind] += 1
        outcome = outcome_of(operation, found)
        if outcome is not None:
            world.told[operation.kind] += 1
            world.turned_out_done[operation.kind] += outcome
    world.book.settle(found, world.round)
    check_children(world)
    check_lists(world)
    check_sessions(world)


def value_of(world, key, answer):
    """What a register holds: a digest for a tag or an entry, True for what is there, None for what is not."""
    if answer.status == 404:
        return None
    demand(answer.status == 200, f"{key}: {answer}")
    if key.kind == "entry":
        found = digest_of(answer.body)
        demand(answer["ETag"] == f'"{found}"', f"{key} has other bytes than its ETag says: {answer}")
        return found
    digest = answer["Docker-Content-Digest"]
    demand(digest and digest_of(answer.body, digest.split(":")[0]) == digest, f"{key} has other bytes: {answer}")
    if key.kind == "tag":
        demand(digest in world.manifests, f"{key} resolves to {digest}, which nobody pushed")
        return digest
    demand(digest == key.name, f"{key} is answered as {digest}")
    demand(key.kind == "blob" or answer["Content-Type"] == world.manifests[digest].media_type,
           f"{key} has another type than it was pushed with: {answer}")
    return True


def outcome_of(operation, found):
    """Whether an operation that was never answered has happened; None where that cannot be told. What is its client's
    alone shows all of it or nothing."""
    shown = {effect.key: found[effect.key] == effect.value for effect in operation.effects
             if not effect.is_shared and operation.before[effect.key] != effect.value}
    if len(set(shown.values())) > 1:
        raise Violation(f"half of an operation is visible: {operation}\n" +
                        "\n".join(f"  {key}: {'done' if done else 'not done'}" for key, done in shown.items()))
    return shown.popitem()[1] if shown else None


def check_children(world):
    present = {(key.place, key.name) for kind in ("blob", "manifest") for key in world.book.present(kind)}
    for key in world.book.present("manifest"):
        for child in world.manifests[key.name].children:
            demand((key.place, child) in present, f"{key} is there without its child {child}")
    for key in world.book.present("tag"):
        digest = world.book[key].value
        demand((key.place, digest) in present, f"{key} resolves to {digest}, which is not there by its digest")


def check_lists(world):
    """Lists show exactly what can be read by its name."""
    manifests, tags = world.book.present("manifest"), world.book.present("tag")
    subjects = {manifest.subject for manifest in world.manifests.values()} - {None}
    expected = {f"/v2/{place}/tags/list": [key.name for key in tags if key.place == place] for place in REPOSITORIES}
    for place in REPOSITORIES:
        here = [key.name for key in manifests if key.place == place]
        for subject in subjects:
            expected[f"/v2/{place}/referrers/{subject}"] = [digest for digest in here
                                                            if world.manifests[digest].subject == subject]
    for (target, names), answer in zip(expected.items(), ask_all(world.server, list(expected))):
        demand(answer.status == 200, f"{target}: {answer}")
        listed = answer.json()
        shown = listed["tags"] if "tags" in listed else [each["digest"] for each in listed["manifests"]]
        demand(sorted(shown or []) == sorted(names), f"{target} lists {shown}, but what can be read is {names}")


def check_sessions(world):
    """Each goes on between what was acknowledged and what was sent, unless a request that may have ended it did."""
    sessions = [(client, session) for client in world.clients for session in client.sessions]
    answers = ask_all(world.server, [session.path for _, session in sessions])
    for (client, session), answer in zip(sessions, answers):
        ending, session.ending = session.ending, None
        has_ended = answer.status == 404 and ending is not None
        if ending:
            if ending.kind == "session cancel":
                world.told[ending.kind] += 1
                world.turned_out_done[ending.kind] += has_ended
            elif has_ended != bool(world.book[session.key].value):
                raise Violation(f"a session has {'ended' if has_ended else 'not ended'}, its blob is "
                                f"{'not ' if has_ended else ''}there: {ending}")
        if has_ended:
            session.ending = ending
            client.end_session(session)
            continue
        demand(answer.status == 204, f"a session is lost, {session.path}; {session.position} bytes were acknowledged, "
                                     f"the last request was {session.advance}: {answer}")
        shown = re.fullmatch(r"0-(\d+)", answer["Range"] or "")
        demand(shown, f"a session's Range: {answer}")
        position = int(shown[1]) + 1 if shown[1] != "0" else 0  # no piece is one byte long
        demand(session.position <= position <= session.sent,
               f"a session stands at {position}, between {session.position} (acknowledged) and {session.sent} (sent) "
               f"expected; last {session.advance}")
        if session.advance and session.advance.kind == "session patch" and session.advance.ended is None:
            world.told["session patch"] += 1
            world.turned_out_done["session patch"] += position == session.sent
        session.advance = None
        session.position = session.sent = position
        session.kills += position > 0


# --- What lies on the disk

def check_doctor(world):
    """Returns how many files of finished blobs no row knows, and their size as the doctor says it."""
    doctor = world.server.slipway("doctor", "--deep", "--json")
    demand(doctor.stdout, f"the doctor says nothing: {doctor}")
    shown = json.loads(doctor.stdout)
    demand(doctor.returncode == 0 and shown["healthy"], f"the doctor says: {doctor.stdout}")
    contents = next(each["message"] for each in shown["checks"] if each["name"] == "store contents")
    found = re.search(r"; (\d+) files \((.*)\) are known to no row", contents)
    demand(found, f"the doctor says: {contents}")
    return int(found[1]), found[2]


def check_rebuild(world):
    """After a clean end the store alone makes the same catalog, although kills came while the journal was written."""
    rebuilt = run_slipway("rebuild", "--check", "--data", world.server.data, folder=world.server.folder)
    demand(rebuilt.returncode == 0, f"what is rebuilt is not the same: {rebuilt.stdout}{rebuilt.stderr}")


def deletions_waiting(server):
    return int(float(re.search(r"^slipway_deletions (\S+)", server.request("GET", "/metrics").body.decode(), re.M)[1]))


class Leftovers(typing.NamedTuple):
    """What is there at the end although nobody wants it: kills leave some, and nothing grows faster than they come."""
    sessions: int
    files: int  # in uploads/
    size: int

    def __str__(self):
        return f"{self.sessions} sessions that nobody was told of, {self.files} files of {self.size} bytes in uploads/"


def check_end(world):
    """After everybody finished: what was waiting is done, and no more sessions are open than were begun without an
    answer."""
    eventually(lambda: deletions_waiting(world.server) == 0, "the end of the deletion queue")
    sessions = world.server.status()["uploads"]
    unknown = world.ambiguous["session begin"] + world.ambiguous["shared mount"]
    demand(sessions <= unknown, f"{sessions} sessions are open, of which at most {unknown} were begun unheard")
    sizes = [path.stat().st_size for path in (world.server.data / "store" / "uploads").iterdir()]
    return Leftovers(sessions, len(sizes), sum(sizes))
