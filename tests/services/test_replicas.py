"""Three servers on one bucket and one PostgreSQL: any of them may answer any request, go on with any upload, die or be
stopped at any point.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import unittest
import urllib.parse
from pathlib import Path

import replica_rounds
from postgres_server import PostgresServer, programs
from s3_client import Prefix
from slipway_server import MANIFEST, Server, ServerTest, digest_of, eventually, head, store_of
from test_bucket import AT_ONCE, MIB, noise

sys.path.append(str(Path(__file__).resolve().parent.parent / "protocol"))
import test_linearizable  # noqa: E402

COUNT = 3


class ReplicasTest(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.postgres = cls.enterClassContext(PostgresServer())

    def replicas(self, config=""):
        """Started together, as on a first day."""
        folder = self.folder()
        self.url = store_of(folder)
        name = folder.name.replace("-", "_").lower()
        self.postgres.make_database(name)
        parts = urllib.parse.urlsplit(self.postgres.url)
        self.catalog = urllib.parse.urlunsplit(parts._replace(path="/" + name))
        self.bucket = Prefix(self.url)
        config = f'store.url = "{self.url}"\nstore.redirect = "never"\n' + config
        servers = []
        for number in range(COUNT):
            (folder / str(number)).mkdir()

        def start(number):
            servers.append(Server(folder / str(number), config, ["--catalog", self.catalog]))

        threads = [threading.Thread(target=start, args=(number,)) for number in range(COUNT)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._servers += servers
        for server in servers:
            self.enterContext(server)
        self.assertEqual(len(servers), COUNT)
        return servers

    def get(self, server, digest):
        return server.request("GET", f"/v2/a/blobs/{digest}")

    def push_by_turns(self, servers, data, chunk):
        """Each request of one session to another server; an answer that is none of success ends it."""
        turn = iter(server for _ in range(1000) for server in servers)
        path = next(turn).begin_upload("a")
        for begin in range(0, len(data), chunk):
            answer = next(turn).request("PATCH", path, body=data[begin:begin + chunk])
            if answer.status != 202:
                return answer
        return next(turn).request("PUT", f"{path}?digest={digest_of(data)}", body=b"")

    def test_each_request_of_a_session_to_another_server(self):
        servers = self.replicas()
        for size, chunk in ((20 * MIB, 3 * MIB), (11 * MIB, 5 * MIB), (100_000, 30_000), (1000, 300)):
            data = noise(size, size)
            answer = self.push_by_turns(servers, data, chunk)
            self.assertEqual(answer.status, 201, answer)
            for server in servers:
                self.assertEqual(self.get(server, digest_of(data)).body, data)

    def test_a_name_is_the_same_for_all_at_once(self):
        servers = self.replicas()
        for number in range(20):
            content = servers[number % COUNT].push_image("a", "latest", str(number))
            for server in servers:
                answer = server.request("GET", "/v2/a/manifests/latest", [("Accept", MANIFEST)])
                self.assertEqual(answer.body, content)
        self.assertEqual(servers[1].request("DELETE", "/v2/a/manifests/latest").status, 202)
        for server in servers:
            self.assertEqual(server.request("GET", "/v2/a/manifests/latest").status, 404)

    def test_a_session_goes_on_elsewhere_after_kill_9(self):
        servers = self.replicas()
        data = noise(20 * MIB)
        path = servers[0].begin_upload("a")
        self.assertEqual(servers[0].request("PATCH", path, body=data[:9 * MIB]).status, 202)
        connection = self.connect(servers[0])
        connection.send(head("PATCH", path, length=11 * MIB) + b"?" * (10 * MIB))
        eventually(lambda: len(self.bucket.multiparts()) == 1, "the session's parts")
        servers[0].kill()
        answer = servers[1].request("GET", path)
        self.assertEqual(answer["Range"], f"0-{9 * MIB - 1}")
        self.assertEqual(servers[1].request("PATCH", path, body=data[9 * MIB:]).status, 202)
        self.assertEqual(servers[2].request("PUT", f"{path}?digest={digest_of(data)}", body=b"").status, 201)
        self.assertEqual(self.get(servers[1], digest_of(data)).body, data)

    def test_a_stopped_server_cannot_spoil_what_others_went_on_with(self):
        servers = self.replicas()
        for seed, sent in enumerate((3, 7, 11)):
            data = noise(15 * MIB, seed)
            path = servers[0].begin_upload("a")
            self.assertEqual(servers[0].request("PATCH", path, body=data[:6 * MIB]).status, 202)
            connection = self.connect(servers[0])
            # Stopped before it took the session over, it must not go on behind the others: it says where it begins.
            request = head("PATCH", path, [("Content-Range", f"{6 * MIB}-{15 * MIB - 1}")], length=9 * MIB)
            connection.send(request + b"?" * min(sent, 9) * MIB)
            time.sleep(0.1 * seed)  # somewhere in the middle
            servers[0].signal(signal.SIGSTOP)
            try:
                begin = int(servers[1].request("GET", path)["Range"].split("-")[1]) + 1
                if begin == 15 * MIB:  # it was faster
                    continue
                self.assertEqual(begin, 6 * MIB)
                self.assertEqual(servers[1].request("PATCH", path, body=data[6 * MIB:]).status, 202)
            finally:
                servers[0].signal(signal.SIGCONT)
            if sent < 9:
                connection.close()
            else:
                self.assertNotEqual(connection.response().status, 202)
            answer = servers[2].request("PUT", f"{path}?digest={digest_of(data)}", body=b"")
            self.assertEqual(answer.status, 201, answer)
            self.assertEqual(self.get(servers[0], digest_of(data)).body, data)

    def test_another_does_the_housekeeping_when_one_is_gone(self):
        servers = self.replicas(AT_ONCE)
        keeper = eventually(lambda: next((server for server in servers if server.log_lines("housekeeping")), None))
        keeper.push_image("a", "latest")
        keeper.kill()
        rest = [server for server in servers if server is not keeper]
        eventually(lambda: any(server.log_lines("housekeeping") for server in rest), "the lease's end", 60)
        rest[0].push_image("a", "next")
        eventually(lambda: "0 changes behind" in rest[0].slipway("doctor").stdout, "the journal")

    def test_what_was_acknowledged_survives_kills(self):
        """A few rounds of what `./dev replicas` does many of."""
        folder = self.folder()
        self.postgres.make_database("rounds")
        parts = urllib.parse.urlsplit(self.postgres.url)
        with contextlib.ExitStack() as stack:
            fleet = replica_rounds.Fleet(folder, urllib.parse.urlunsplit(parts._replace(path="/rounds")), stack)
            self._servers += fleet.servers
            account = replica_rounds.run(fleet, 6, seed=1)
            wrong, _ = replica_rounds.judge(fleet, account)
            self.assertEqual(wrong, [])
            self.assertGreater(account.kills, 0)
            self.assertGreater(account.counts["PUT 201"], 10)


class LinearizableReplicas(ReplicasTest, test_linearizable.LinearizableTest):
    rounds = 14  # some 10,000 requests

    def servers(self):
        if not hasattr(self, "_replicas"):
            self._replicas = self.replicas()
        return self._replicas


def load_tests(loader, _, __):
    """Each class's own tests only: what they inherit runs where it is written."""
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(ReplicasTest))
    suite.addTest(LinearizableReplicas("test_tags_and_blobs"))
    return suite


if __name__ == "__main__":
    if not programs():
        print("PostgreSQL is not installed (./dev installs it)", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") else 77)
    unittest.main()
