"""The wall clock of a running server jumps, as when somebody sets it or a machine wakes up with a wrong one. Nothing hangs
or ends that would not have ended at that hour, and with the right time everything is as before."""

import json
import os
import struct
import sys
import time
import unittest
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "protocol"))
from slipway_server import ServerTest, digest_of, eventually  # noqa: E402 (it needs the path above)
from test_tokens import TokensCase  # noqa: E402

HOUR, DAY, YEAR = 3600, 24 * 3600, 365 * 24 * 3600
JUMPS = [HOUR, -HOUR, 0, YEAR, -YEAR, -40 * YEAR, 10 * YEAR, 0]  # seconds off the right time, one after the other


class ClockCase(ServerTest):
    def serve_shifted(self, config=""):
        folder = self.folder()
        self.shift_file = folder / "shift"
        self.set_clock(0)
        environment = {"LD_PRELOAD": os.environ["SHIFTED_CLOCK"], "CLOCK_SHIFT": str(self.shift_file)}
        self.server = self.serve(config, env=environment)
        return self.server

    def set_clock(self, seconds):
        """The server's, that many seconds off the right time. Written in place, for the server has it mapped."""
        with open(self.shift_file, "r+b" if self.shift_file.exists() else "wb") as file:
            file.write(struct.pack("<q", seconds))

    def restart(self):
        self.server.stop()
        self.server.start()

    def begin(self, sent=b"0123456789"):
        path = self.server.begin_upload("app")
        self.assertStatus(self.server.request("PATCH", path, body=sent), 202)
        return path

    def go_on(self, path, sent=b"0123456789", rest=b"and the rest"):
        self.assertEqual(self.server.request("GET", path)["Range"], f"0-{len(sent) - 1}")
        self.assertStatus(self.server.request("PUT", f"{path}?digest={digest_of(sent + rest)}", body=rest), 201)


class JumpsTest(ClockCase):
    def test_everything_works_at_any_time(self):
        server = self.serve_shifted()
        sessions, images = [], {}
        for number, seconds in enumerate(JUMPS):
            self.set_clock(seconds)
            images[f"tag-{number}"] = server.push_image("app", f"tag-{number}", str(number))
            server.push_image("app", "moving", str(number))
            sessions.append(self.begin())
            entry = f"/cas/cache/{number}"
            self.assertStatus(server.request("PUT", entry, body=b"entry"), 201)
            self.assertStatus(server.request("GET", entry), 200)
            self.assertStatus(server.request("DELETE", "/v2/app/manifests/moving"), 202)
        for tag, manifest in images.items():
            self.assertEqual(server.request("GET", f"/v2/app/manifests/{tag}").body, manifest)
        for path in sessions:
            self.go_on(path)
        # History is told in the order in which things happened, whatever the hours say.
        history = server.slipway("tag", "history", "app", "moving", "--json")
        moves = json.loads(history.stdout)["history"]
        self.assertEqual(len(moves), 2 * len(JUMPS))
        self.assertEqual([move["digest"] is None for move in moves], [True, False] * len(JUMPS))
        expected = [digest_of(manifest) for manifest in reversed(images.values())]
        self.assertEqual([move["digest"] for move in moves if move["digest"]], expected)

    def test_the_doctor_tells_of_a_clock_that_is_behind(self):
        server = self.serve_shifted()
        self.set_clock(HOUR)
        server.push_image("app", "tag")
        self.set_clock(0)
        report = server.slipway("doctor")
        self.assertEqual(report.returncode, 1)
        self.assertIn("set the clock right", report.stdout)

    def test_deadlines_of_connections_do_not_follow_the_clock(self):
        server = self.serve_shifted()
        data = b"slowly" * 50
        with server.connect() as connection:
            connection.send("POST /v2/app/blobs/uploads/?digest=" + digest_of(data) + " HTTP/1.1\r\nHost: registry\r\n"
                            f"Content-Length: {len(data)}\r\n\r\n")
            for begin, seconds in zip(range(0, len(data), 100), (YEAR, -YEAR, 0)):
                connection.send(data[begin:begin + 100])
                self.set_clock(seconds)
                time.sleep(0.3)  # for the server to look at its deadlines
            self.assertStatus(connection.response(), 201)
        self.assertEqual(server.request("GET", f"/v2/app/blobs/{digest_of(data)}").body, data)


class UploadsTest(ClockCase):
    """The janitor looks at once when the server starts."""

    def test_a_session_lives_on_within_its_time(self):
        self.serve_shifted()
        path = self.begin()
        for seconds in 23 * HOUR, -YEAR, 0:
            self.set_clock(seconds)
            self.restart()
        self.go_on(path)

    def test_a_jump_past_its_time_ends_a_session(self):
        """It cannot be told from time that passed while the server was down; who is at work in the new time goes on."""
        self.serve_shifted()
        kept, ended = self.begin(), self.begin()
        self.set_clock(2 * DAY)
        self.assertStatus(self.server.request("PATCH", kept, body=b"more"), 202)
        self.restart()
        eventually(lambda: self.server.request("GET", ended).status == 404, "the session's end")
        self.go_on(kept, b"0123456789more")

    def test_a_jump_that_is_taken_back_ends_nothing(self):
        self.serve_shifted()
        path = self.begin()
        self.set_clock(2 * DAY)
        self.server.push_image("app", "tag")
        self.set_clock(0)
        self.restart()
        self.go_on(path)


class CacheTest(ClockCase):
    def test_a_cache_stays_within_its_bound(self):
        server = self.serve_shifted('[cas]\nbytes = "100KiB"\nentry_bytes = "20KiB"\n')
        for number, seconds in enumerate(JUMPS * 4):
            self.set_clock(seconds)
            self.assertStatus(server.request("PUT", f"/cas/cache/{number}", body=bytes([number]) * 10_000), 201)
            there = [server.request("GET", f"/cas/cache/{other}").status == 200 for other in range(number + 1)]
            self.assertLessEqual(sum(there) * 10_000, 100 << 10)
            self.assertGreaterEqual(sum(there), min(number + 1, 10))


class TokenTest(ClockCase, TokensCase):
    def test_tokens_are_good_for_their_time(self):
        users = self.users(self.folder())
        server = self.serve_shifted(f'[access]\nhtpasswd = "{users}"\nadmins = ["root"]\n')
        server.push_image("app", "tag", headers=[self.user])
        for seconds in 0, YEAR, -YEAR, -HOUR, 0:
            old = self.token(server, "repository:app:pull", headers=[self.user])
            self.set_clock(seconds)
            answer = server.request("GET", "/v2/app/manifests/tag", [old])
            if answer.status != 200:  # too late, or too early: the client is told to ask for another
                self.challenge(answer)
            new = self.token(server, "repository:app:pull", headers=[self.user])
            self.assertStatus(server.request("GET", "/v2/app/manifests/tag", [new]), 200)


if __name__ == "__main__":
    unittest.main()
