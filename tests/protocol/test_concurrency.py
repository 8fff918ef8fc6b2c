"""Many clients at once: nothing is lost, nothing is mixed up, and no tag ever goes back."""

import json
import os
import random
import threading
import time
import unittest

from slipway_server import Connection, ServerTest, digest_of, files_only, image_manifest

THREADS = 32


class ConcurrencyTest(ServerTest):
    def together(self, work, count=THREADS):
        """Runs work(number, connection) in threads that start at once; the first error is the test's."""
        server, errors, start = self.shared(), [], threading.Barrier(count)

        def run(number):
            try:
                with Connection(server) as connection:
                    start.wait()
                    work(number, connection)
            except BaseException as error:  # whatever it is, the test must tell it
                errors.append(error)

        threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 120
        for thread in threads:
            thread.join(max(0, deadline - time.monotonic()))
            self.assertFalse(thread.is_alive(), "a client waits for ever")
        if errors:
            raise errors[0]

    def push_blob(self, connection, repository, blob, session=False):
        path = f"/v2/{repository}/blobs/uploads/"
        if session:
            location = self.assertStatus(connection.request("POST", path, body=b""), 202)["Location"]
            half = len(blob) // 2
            location = self.assertStatus(connection.request("PATCH", location, body=blob[:half]), 202)["Location"]
            answer = connection.request("PUT", f"{location}?digest={digest_of(blob)}", body=blob[half:])
        else:
            answer = connection.request("POST", f"{path}?digest={digest_of(blob)}", body=blob)
        self.assertStatus(answer, 201)

    def assertPulls(self, connection, repository, blob):
        answer = self.assertStatus(connection.request("GET", f"/v2/{repository}/blobs/{digest_of(blob)}"), 200)
        self.assertEqual(answer.body, blob)

    def test_different_blobs(self):
        def work(number, connection):
            for round_ in range(6):
                blob = os.urandom(random.Random(number * 100 + round_).randrange(1, 600_000))
                self.push_blob(connection, f"different{number % 3}", blob, session=round_ % 2)
                self.assertPulls(connection, f"different{number % 3}", blob)
        self.together(work)

    @files_only
    def test_the_same_blobs(self):
        blobs = [os.urandom(70_000 + i) for i in range(8)]
        before, files = self.shared().status(), len(self.shared().store_files("raw"))

        def work(number, connection):
            for i, blob in enumerate(blobs):
                self.push_blob(connection, f"same{number % 2}", blob, session=(number + i) % 2)
                self.assertPulls(connection, f"same{number % 2}", blob)
        self.together(work)

        after = self.shared().status()
        self.assertEqual(after["blobs"] - before["blobs"], len(blobs))
        self.assertEqual(after["blob_bytes"] - before["blob_bytes"], sum(map(len, blobs)))
        self.assertEqual(len(self.shared().store_files("raw")) - files, len(blobs))
        self.assertEqual(list((self.shared().data / "store" / "uploads").iterdir()), [])

    def test_different_tags_of_one_repository(self):
        config, layer = b"{}", b"layer"
        for blob in (config, layer):
            self.shared().push_blob("tags", blob)

        def work(number, connection):
            for round_ in range(5):
                content = image_manifest(config, [layer], annotations={"n": f"{number}.{round_}"})
                path = f"/v2/tags/manifests/tag-{number}"
                answer = connection.request("PUT", path, [("Content-Type", json.loads(content)["mediaType"])], content)
                self.assertStatus(answer, 201)
                self.assertEqual(connection.request("GET", path).body, content)  # each client reads its own writes
        self.together(work)
        listed = self.shared().request("GET", "/v2/tags/tags/list").json()["tags"]
        self.assertEqual(listed, sorted(f"tag-{number}" for number in range(THREADS)))

    def test_a_tag_never_goes_back(self):
        """One writer moves each tag on, others read: a value once seen is never followed by an older one, and a read
        that begins after a write was acknowledged sees it."""
        tags, moves, config = ["a", "b", "c", "d"], 60, b"{}"
        self.shared().push_blob("moving", config)
        acknowledged = dict.fromkeys(tags, 0)
        done = threading.Event()
        writing = [len(tags)]
        lock = threading.Lock()

        def write(tag, connection):
            try:
                for number in range(1, moves + 1):
                    content = image_manifest(config, [], annotations={"n": str(number)})
                    answer = connection.request("PUT", f"/v2/moving/manifests/{tag}", [
                        ("Content-Type", json.loads(content)["mediaType"])], content)
                    self.assertStatus(answer, 201)
                    acknowledged[tag] = number
            finally:
                with lock:
                    writing[0] -= 1
                    if not writing[0]:
                        done.set()

        def read(number, connection):
            seen = dict.fromkeys(tags, 0)
            while True:
                last_round = done.is_set()
                for tag in tags:
                    least = max(seen[tag], acknowledged[tag])
                    answer = connection.request("GET", f"/v2/moving/manifests/{tag}")
                    if answer.status == 404 and least == 0:
                        continue
                    self.assertStatus(answer, 200)
                    value = int(json.loads(answer.body)["annotations"]["n"])
                    self.assertEqual(answer["Docker-Content-Digest"], digest_of(answer.body))
                    self.assertGreaterEqual(value, least, f"{tag} went back")
                    seen[tag] = value
                if last_round:
                    self.assertEqual(seen, dict.fromkeys(tags, moves))
                    return

        self.together(lambda number, connection: write(tags[number], connection) if number < len(tags)
                      else read(number, connection))

    def test_a_tag_that_comes_and_goes(self):
        content = self.shared().push_image("comes", "tag")
        path = "/v2/comes/manifests/"

        def work(number, connection):
            for _ in range(15):
                if number < 4:
                    answer = connection.request("PUT", path + "tag", [
                        ("Content-Type", json.loads(content)["mediaType"])], content)
                    self.assertStatus(answer, 201)
                elif number < 8:
                    self.assertIn(connection.request("DELETE", path + "tag").status, (202, 404))
                else:
                    answer = connection.request("GET", path + "tag")
                    self.assertIn(answer.status, (200, 404))
                    if answer.status == 200:
                        self.assertEqual(answer.body, content)
                self.assertEqual(connection.request("GET", path + digest_of(content)).body, content)
        self.together(work)

    def test_one_session_wanted_by_many(self):
        """Whoever wins, the session ends as a blob that is whole."""
        for begun in (0, 100_000, 0, 100_000):
            blob, results = os.urandom(700_000), []
            location = self.shared().begin_upload("wanted")
            if begun:
                self.assertStatus(self.shared().request("PATCH", location, body=blob[:begun]), 202)
            target = f"{location}?digest={digest_of(blob)}"
            last = [("Content-Range", f"{begun}-{len(blob) - 1}")]

            def work(number, connection):
                results.append(connection.request("PUT", target, last, blob[begun:]).status)
            self.together(work, 8)
            # Not found: it has ended. Conflict: somebody took it over. Out of order: he had brought it on.
            self.assertLessEqual(set(results), {201, 404, 409, 416})
            self.assertLessEqual(results.count(201), 1)
            if 201 in results:
                self.assertStatus(self.shared().request("GET", location), 404, "BLOB_UPLOAD_UNKNOWN")
                answer = self.shared().request("GET", f"/v2/wanted/blobs/{digest_of(blob)}")
                self.assertEqual(answer.body, blob)
            else:
                self.assertStatus(self.shared().request("DELETE", location), 204)

    def test_the_doctor_finds_nothing_afterwards(self):
        self.together(lambda number, connection: self.push_blob(connection, "doctor", os.urandom(100_000)))
        done = self.shared().slipway("doctor", "--deep")
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("0 files", done.stdout)


if __name__ == "__main__":
    unittest.main()
