"""Channels, and tags in general: moved on condition, promoted, rolled back, and some of them only by some."""

import json
import threading
import unittest

from slipway_server import MANIFEST, ServerTest, basic, digest_of, image_manifest, run_slipway
from test_access import PASSWORD, AccessCase
from trees import publish

USER, ROOT = basic("user", PASSWORD), basic("root", PASSWORD)


def image(server, text, headers=()):
    """A manifest whose blobs are there."""
    config = json.dumps({"text": text}).encode()
    server.push_blob("r", config, headers)
    return image_manifest(config, [])


class ConditionTest(ServerTest):
    def put(self, content, *conditions, tag="live"):
        return self.server.put_manifest("r", tag, content, headers=conditions)

    def test_a_tag_moves_only_from_where_it_is_expected(self):
        self.server = self.shared()
        first, second, third = (image(self.server, text) for text in ("1", "2", "3"))
        self.assertStatus(self.put(first, ("If-Match", "*")), 412)
        self.assertStatus(self.put(first, ("If-None-Match", "*")), 201)
        self.assertStatus(self.put(second, ("If-None-Match", "*")), 412, "DENIED")
        self.assertStatus(self.put(second, ("If-Match", f'"{digest_of(third)}"')), 412)
        self.assertEqual(self.server.request("GET", "/v2/r/manifests/live").body, first)
        self.assertStatus(self.server.request("GET", f"/v2/r/manifests/{digest_of(second)}"), 404)
        self.assertStatus(self.put(second, ("If-Match", f'"{digest_of(third)}", "{digest_of(first)}"')), 201)
        self.assertStatus(self.put(third, ("If-Match", "*")), 201)
        self.assertEqual(self.server.request("GET", "/v2/r/manifests/live").body, third)

    def test_of_many_that_move_it_at_once_one_does(self):
        self.server = self.shared()
        images = [image(self.server, f"one of {number}") for number in range(8)]
        self.assertStatus(self.put(images[0], tag="contested"), 201)
        answers = []
        movers = [threading.Thread(target=lambda content=content: answers.append(
            self.put(content, ("If-Match", f'"{digest_of(images[0])}"'), tag="contested").status)) for content in images[1:]]
        for mover in movers:
            mover.start()
        for mover in movers:
            mover.join()
        self.assertEqual(sorted(answers), [201] + [412] * 6)


class PromoteTest(ServerTest):
    def run_json(self, *arguments):
        done = self.server.slipway(*arguments, "--json")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return json.loads(done.stdout)

    def test_a_site_is_staged_promoted_and_rolled_back(self):
        self.server = server = self.serve()
        first = publish(server, "site", {"index.html": b"first"})
        second = publish(server, "site", {"index.html": b"second"}, "staging")
        self.assertEqual(server.request("GET", "/site/").body, b"first")
        moved = self.run_json("promote", "site", "staging", "live")
        self.assertEqual((moved["from"], moved["digest"], moved["moved"]), (first, second, True))
        self.assertEqual(server.request("GET", "/site/").body, b"second")
        self.assertFalse(self.run_json("promote", "site", "staging", "live")["moved"])
        self.assertEqual(self.run_json("rollback", "site")["digest"], first)
        self.assertEqual(server.request("GET", "/site/").body, b"first")
        history = self.run_json("tag", "history", "site", "live")["history"]
        self.assertEqual([(move["event"], move["from"], move["digest"]) for move in history],
                         [("rollback", second, first), ("promote", first, second), ("push", None, first)])
        self.assertIn("rollback", server.slipway("tag", "history", "site", "live").stdout)
        self.assertEqual(self.run_json("rollback", "site", "live", "--to", second)["digest"], second)

    def test_what_cannot_be_is_said(self):
        self.server = server = self.shared()
        publish(server, "once", {"index.html": b"first"})
        for arguments, words in ((("promote", "once", "staging", "live"), "no tag 'staging'"),
                                 (("promote", "once", "live", "no such/tag"), "cannot be the name"),
                                 (("rollback", "once"), "never been anywhere else"),
                                 (("rollback", "absent"), "no tag 'live'"),
                                 (("rollback", "once", "--to", digest_of(b"x")), digest_of(b"x"))):
            done = server.slipway(*arguments)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(words, done.stderr)
        self.assertEqual(server.slipway("promote", "once").returncode, 2)
        self.assertEqual(server.request("GET", "/once/").body, b"first")


class ApprovalTest(AccessCase):
    def test_a_channel_that_demands_approval_is_moved_by_few(self):
        server = self.serve_users('approval = ["r@live"]\n')
        content = image(server, "1", [USER])
        put = lambda tag, who, path="": server.put_manifest("r", tag, content, headers=[who]).status
        self.assertEqual(put("staging", USER), 201)
        self.assertEqual(put("live", USER), 403)
        several = server.request("PUT", f"/v2/r/manifests/{digest_of(content)}?tag=other&tag=live",
                                 [USER, ("Content-Type", MANIFEST)], content)
        self.assertStatus(several, 403, "DENIED")
        self.assertIn("administrators", several.json()["errors"][0]["message"])
        promote = "/api/v1/promote?repository=r&from=staging&to=live"
        self.assertStatus(server.request("POST", promote, [USER]), 403)
        self.assertStatus(server.request("POST", promote, [ROOT]), 200)
        self.assertStatus(server.request("POST", "/api/v1/rollback?repository=r&channel=live", [USER]), 403)
        self.assertStatus(server.request("DELETE", "/v2/r/manifests/live", [USER]), 403)
        self.assertStatus(server.request("DELETE", f"/v2/r/manifests/{digest_of(content)}", [USER]), 403)
        self.assertStatus(server.request("POST", "/api/v1/tag/rm?repository=r&tag=live", [USER]), 403)
        self.assertStatus(server.request("GET", "/v2/r/manifests/live", [USER]), 200)
        self.assertStatus(server.request("DELETE", f"/v2/r/manifests/{digest_of(content)}", [ROOT]), 202)

    def test_a_line_that_names_no_channel_is_told(self):
        config = self.folder() / "slipway.toml"
        config.write_text('[access]\napproval = ["site"]\n')
        done = run_slipway("config", "check", "--config", str(config), folder=config.parent)
        self.assertEqual(done.returncode, 1)
        self.assertIn("REPOSITORY@CHANNEL USER", done.stderr)


if __name__ == "__main__":
    unittest.main()
