"""What happens to a server whose object store fails: nothing acknowledged is lost, nobody gets wrong bytes, what was
refused can be done again, and nothing stays in the bucket that no row knows of.
"""

import os
import re
import threading
import time
import unittest

from ceph_gateway import CephGateway
from s3_client import Prefix, make_bucket
from s3_proxy import S3Proxy
from slipway_server import ServerTest, digest_of, eventually, head, run_slipway, store_of
from test_bucket import AT_ONCE, MIB, noise

ONCE = ("500", "503", "403", "reset", "cut", "lose", "truncate", "etag")
CONFIG = AT_ONCE + 'store.cache = "0"\n'
EXPIRING = CONFIG + 'limits.upload_expiry = "1s"\n'  # what nobody goes on with ends soon


class FaultyBucketTest(ServerTest):
    def proxied(self, config=CONFIG):
        """A server, with a proxy between it and its bucket."""
        direct = os.environ["SLIPWAY_TEST_STORE"]
        self.proxy = self.enterContext(S3Proxy(re.search(r"endpoint=([^&]*)", direct)[1]))
        folder = self.folder()
        url = store_of(folder)
        self.bucket = Prefix(url)
        proxied = re.sub(r"endpoint=[^&]*", f"endpoint={self.proxy.url}", url)
        self.server = self.serve(f'store.url = "{proxied}"\n' + config, folder=folder)
        self.kept = {}  # digest → bytes, acknowledged
        return self.server

    def fail_request(self, number, action):
        self.proxy.reset()
        self.proxy.rule = lambda request: action if request.number == number and not self.is_journal(request) else None

    @staticmethod
    def is_journal(request):
        """The journal keeper works beside all else, whenever its time has come."""
        return "/journal/" in request.target or "journal%2F" in request.target

    # What a client does; each returns the last answer.

    def push_at_once(self, data):
        return self.server.request("POST", f"/v2/a/blobs/uploads/?digest={digest_of(data)}", body=data)

    def push_in_chunks(self, data, chunk=4 * MIB):
        path = self.server.begin_upload("a")
        for begin in range(0, len(data), chunk):
            answer = self.server.request("PATCH", path, body=data[begin:begin + chunk])
            if answer.status != 202:
                return answer
        return self.server.request("PUT", f"{path}?digest={digest_of(data)}", body=b"")

    def pull(self, data):
        """None where the answer broke off."""
        try:
            return self.server.request("GET", f"/v2/a/blobs/{digest_of(data)}")
        except (ConnectionError, OSError):
            return None

    def check_refusal(self, answer):
        self.assertIn(answer.status, (500, 503), answer)
        if answer.status == 503:
            self.assertIsNotNone(answer["Retry-After"])

    def check_all(self):
        """With a store that works: all that was acknowledged is there, and nothing else."""
        self.proxy.rule = lambda request: None
        for digest, data in self.kept.items():
            answer = self.server.request("GET", f"/v2/a/blobs/{digest}")
            self.assertEqual(answer.status, 200, answer.fields)
            self.assertEqual(digest_of(answer.body), digest)
        known = sorted(len(data) for data in self.kept.values() if len(data) > 65536)
        for _ in range(4):  # a server's first act is to end old sessions and to remove what is unwanted
            self.server.stop()
            time.sleep(1.1)
            self.server.start()
            time.sleep(0.5)
        eventually(lambda: self.server.status()["uploads"] == 0, "the end of all sessions", seconds=90)
        there = ()
        for _ in range(90):
            there = sorted(self.bucket.objects("raw/").values()), self.bucket.objects("uploads/"), self.bucket.multiparts()
            if there == (known, {}, []):
                break
            time.sleep(1)
        self.assertEqual(there, (known, {}, []))
        self.server.stop()
        done = run_slipway("doctor", "--config", self.server.config, "--data", self.server.data, "--deep",
                           folder=self.server.folder)
        self.assertIn("every blob has its bytes; 0 files (0 B) are known to no row", done.stdout)
        self.assertEqual(done.returncode, 0, done)

    # The tests.

    def each_request_fails_once(self, push, size, seed):
        """Every request of a push in its turn, each way."""
        self.proxied(EXPIRING)
        answer = push(noise(size, seed))
        self.assertEqual(answer.status, 201, answer)
        self.kept[digest_of(noise(size, seed))] = noise(size, seed)
        self.proxy.reset()
        self.assertEqual(push(noise(size, seed + 1)).status, 201)
        self.kept[digest_of(noise(size, seed + 1))] = noise(size, seed + 1)
        count = len([request for request in self.proxy.reset() if not self.is_journal(request)])
        tried = refused = 0
        for action in ONCE:
            for number in range(count + 1):
                data = noise(size, f"{seed} {action} {number}")
                self.fail_request(number, action)
                answer = push(data)
                self.proxy.rule = lambda request: None
                if answer.status != 201:
                    refused += 1
                    self.check_refusal(answer)
                    answer = push(data)
                self.assertEqual(answer.status, 201, (action, number, answer))
                self.kept[digest_of(data)] = data
                tried += 1
        self.assertGreater(tried, len(ONCE))
        self.assertLess(refused, tried)  # most are tried again, and nobody hears of them
        self.check_all()

    def test_each_request_of_a_push_fails_once(self):
        self.each_request_fails_once(self.push_at_once, 9 * MIB, 1)

    def test_each_request_of_a_session_fails_once(self):
        self.each_request_fails_once(lambda data: self.push_in_chunks(data, 5 * MIB), 9 * MIB, 100)

    def test_each_request_of_a_small_push_fails_once(self):
        self.each_request_fails_once(self.push_at_once, 1000, 200)

    def test_each_request_of_a_pull_fails_once(self):
        self.proxied()
        data = noise(5 * MIB)
        self.assertEqual(self.push_at_once(data).status, 201)
        self.proxy.reset()
        self.assertEqual(self.pull(data).body, data)
        count = len(self.proxy.reset())
        for action in ("500", "503", "403", "reset", "cut", "lose", "truncate"):
            for number in range(count):
                self.fail_request(number, action)
                answer = self.pull(data)
                if answer is not None and answer.status == 200:
                    self.assertEqual(answer.body, data)
                elif answer is not None:
                    self.check_refusal(answer)
        self.kept[digest_of(data)] = data
        self.check_all()

    def test_a_store_that_is_gone_for_a_while(self):
        self.proxied()
        old, large, small = noise(3 * MIB, 1), noise(9 * MIB, 2), b"small"
        self.assertEqual(self.push_at_once(old).status, 201)
        self.server.push_image("a", "latest")
        path = self.server.begin_upload("a")
        self.assertEqual(self.server.request("PATCH", path, body=large[:6 * MIB]).status, 202)
        self.proxy.go()
        for push in (lambda: self.push_at_once(large), lambda: self.push_at_once(small), lambda: self.pull(old),
                     lambda: self.server.request("PATCH", path, body=large[6 * MIB:])):
            answer = push()
            self.assertEqual(answer.status, 503, answer)
            self.assertIsNotNone(answer["Retry-After"])
        began = time.monotonic()
        self.assertEqual(self.push_at_once(large).status, 503)
        self.assertLess(time.monotonic() - began, 5)  # it is known to be away
        self.assertEqual(self.server.request("GET", "/v2/a/manifests/latest").status, 200)
        self.assertEqual(self.server.request("HEAD", f"/v2/a/blobs/{digest_of(old)}").status, 200)
        self.assertEqual(self.server.request("GET", "/healthz").status, 200)
        self.proxy.come_back()
        eventually(lambda: self.pull(old).status == 200, "going on")
        self.assertEqual(self.pull(old).body, old)
        self.assertEqual(self.server.request("PATCH", path, body=large[6 * MIB:]).status, 202)
        self.assertEqual(self.server.request("PUT", f"{path}?digest={digest_of(large)}", body=b"").status, 201)
        self.assertEqual(self.push_at_once(small).status, 201)
        for data in (old, large, small, b'{"text":""}', b"layer "):
            self.kept[digest_of(data)] = data
        self.check_all()

    def test_a_stalled_connection_is_given_up(self):
        self.proxied()
        data = noise(3 * MIB)
        self.fail_request(0, "stall")
        answer = self.push_at_once(data)  # the next attempt is another connection
        self.assertEqual(answer.status, 201, answer)
        self.kept[digest_of(data)] = data
        self.check_all()

    def test_a_killed_server_in_a_push_whose_answers_are_lost(self):
        self.proxied(EXPIRING)
        data = noise(20 * MIB)
        self.proxy.rule = lambda request: "lose" if request.method in ("POST", "PUT") and "uploads" not in request.target \
            and request.number % 2 == 0 and not self.is_journal(request) else None
        pushes = [threading.Thread(target=self.push_until_killed, args=(noise(20 * MIB, seed),)) for seed in range(4)]
        for push in pushes:
            push.start()
        eventually(lambda: len(self.bucket.multiparts()) >= 2, "a part")
        self.server.kill()
        for push in pushes:
            push.join()
        self.proxy.rule = lambda request: None
        self.server.start()
        self.assertEqual(self.push_at_once(data).status, 201)
        self.kept[digest_of(data)] = data
        self.check_all()

    def push_until_killed(self, data):
        try:
            answer = self.push_at_once(data)
        except (ConnectionError, OSError):
            return
        if answer.status == 201:
            self.kept[digest_of(data)] = data


class KilledGatewayTest(ServerTest):
    def test_the_gateway_is_killed_during_pushes(self):
        with CephGateway("127.0.0.3") as gateway:
            make_bucket(gateway.endpoint, "images")
            folder = self.folder()
            url = f"s3://images/{folder.name}?endpoint={gateway.endpoint}"
            server = self.serve(f'store.url = "{url}"\nstore.redirect = "never"\nstore.cache = "0"\n' + AT_ONCE,
                                folder=folder)
            kept = {}

            def push(seed):
                data = noise(12 * MIB, seed)
                for _ in range(20):
                    answer = server.request("POST", f"/v2/a/blobs/uploads/?digest={digest_of(data)}", body=data)
                    if answer.status == 201:
                        kept[digest_of(data)] = data
                        return
                    if answer.status != 503:
                        raise AssertionError(answer)
                    time.sleep(1)

            pushes = [threading.Thread(target=push, args=(seed,)) for seed in range(6)]
            for one in pushes:
                one.start()
            eventually(Prefix(url).multiparts, "a part")
            gateway.kill_gateway()
            time.sleep(2)
            gateway.start_gateway()
            for one in pushes:
                one.join()
            self.assertEqual(len(kept), 6)
            for digest, data in kept.items():
                self.assertEqual(server.request("GET", f"/v2/a/blobs/{digest}").body, data)
            server.stop()
            server.start()
            bucket = Prefix(url)
            eventually(lambda: len(bucket.objects("raw/")) == 6 and not bucket.multiparts(),
                       "the removal of what nobody wants", seconds=90)


if __name__ == "__main__":
    unittest.main()
