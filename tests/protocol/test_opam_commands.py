"""What administrators do with opam repositories: commands, hooks, mirrors."""

import hashlib
import hmac
import http.server
import json
import os
import threading
import time
import unittest

from git_repository import GitRepository
from slipway_server import ServerTest, digest_of, eventually, files_only, run_slipway


def checksum(algorithm, data):
    return f"{algorithm}={hashlib.new(algorithm, data).hexdigest()}"


def cache_path(text):
    algorithm, value = text.split("=")
    return f"{algorithm}/{value[:2]}/{value}"


def opam_file(url=None, *checksums):
    out = 'opam-version: "2.0"\nsynopsis: "a package"\n'
    if url:
        out += f'url {{\n  src: "{url}"\n'
        if checksums:
            out += "  checksum: [" + " ".join(f'"{each}"' for each in checksums) + "]\n"
        out += "}\n"
    return out


class Upstream(http.server.ThreadingHTTPServer):
    """Sources by path."""

    def __init__(self):
        self.files, self.asked, self.pause = {}, [], 0
        super().__init__(("127.0.0.1", 0), Upstream.Handler)
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def url(self, path=""):
        return f"http://127.0.0.1:{self.server_port}{path}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.asked.append(self.path)
            time.sleep(self.server.pause)
            data = self.server.files.get(self.path)
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_):
            pass


class OpamCommandsTest(ServerTest):
    def setUp(self):
        self.git = GitRepository(self.folder() / "source")
        self.git.write("repo", 'opam-version: "2.0"\n')
        self.git.write("packages/a/a.1/opam", opam_file())
        self.first = self.git.commit()
        self.upstream = Upstream()
        self.addCleanup(self.upstream.server_close)
        self.addCleanup(self.upstream.shutdown)

    def run_json(self, server, *arguments, code=0):
        done = server.slipway("opam", *arguments, "--json")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def serve_opam(self, more=""):
        server = self.serve(f'[opam]\nrepositories = ["opam {self.git.folder}"]\npoll = "1h"\nprivate_sources = true\n{more}')
        eventually(lambda: server.request("GET", "/opam/repo").status == 200)
        return server

    def publish(self, server):
        """What is committed, at once."""
        commit = self.git.commit()
        synced = self.run_json(server, "sync", "opam")
        self.assertEqual((synced["commit"], synced["moved"]), (commit, True))
        return synced

    # ---- which there are

    def test_one_is_added_and_ended_while_the_server_runs(self):
        server = self.serve()
        self.assertIn("none; slipway opam add", server.slipway("opam", "ls").stdout)
        added = self.run_json(server, "add", "team/opam@staging", "--git", self.git.folder, "--poll", "1s")
        self.assertEqual((added["repository"], added["channel"], added["poll_ms"]), ("team/opam", "staging", 1000))
        eventually(lambda: self.run_json(server, "status", "team/opam@staging")["commit"] == self.first)
        self.git.write("packages/a/a.2/opam", opam_file())
        second = self.git.commit()
        eventually(lambda: self.run_json(server, "status", "team/opam@staging")["commit"] == second)
        again = server.slipway("opam", "add", "team/opam@staging", "--git", "/elsewhere")
        self.assertEqual(again.returncode, 1)
        self.assertIn("team/opam@staging is made of", again.stderr)

        server.stop()
        server.start()
        self.git.write("packages/a/a.3/opam", opam_file())
        third = self.git.commit()
        eventually(lambda: self.run_json(server, "status", "team/opam@staging")["commit"] == third)
        self.assertIn("team/opam@staging", server.slipway("opam", "ls").stdout)

        self.assertEqual(server.slipway("opam", "rm", "team/opam@staging").returncode, 0)
        gone = server.slipway("opam", "status", "team/opam@staging")
        self.assertEqual(gone.returncode, 1)
        self.assertIn("slipway opam ls tells which are", gone.stderr)
        self.assertStatus(server.request("GET", "/v2/team/opam/manifests/staging"), 200)

    def test_wrong_words_are_told(self):
        server = self.serve_opam()
        for arguments, code, words in (
            (["add", "b"], 2, "--git"),
            (["add", "b", "--git", "ext::sh -c true"], 1, "no address of a git repository"),
            (["add", "b", "--git", "/x", "--branch", "a..b"], 1, "no branch's name"),
            (["add", "b", "--git", "/x", "--poll", "soon"], 2, "--poll"),
            (["add", "b", "--git", "/x", "--poll", "10ms"], 1, "at least 1000"),
            (["add", "UPPER", "--git", "/x"], 2, "UPPER"),
            (["rm", "opam"], 1, "is in the configuration"),
            (["sync", "other"], 1, "no opam repository is kept as other@live"),
            (["explain", "opam", "nothing"], 1, "opam@live has no package 'nothing'"),
            (["sources", "opam", "--state", "lost"], 2, "lost"),
            (["statsu", "opam"], 2, "did you mean 'status'"),
            (["import-cache", "opam", "/nowhere"], 1, "/nowhere has none of md5, sha256 and sha512"),
        ):
            with self.subTest(arguments=arguments):
                done = server.slipway("opam", *arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(words, done.stderr)

    @files_only
    def test_a_stopped_directory_says_that_a_server_is_needed(self):
        server = self.serve_opam()
        server.stop()
        done = run_slipway("opam", "ls", "--data", server.folder / "data", folder=server.folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("kept by a running server", done.stderr)

    def test_passwords_are_not_shown(self):
        server = self.serve()
        added = self.run_json(server, "add", "opam", "--git", "http://user:secret@127.0.0.1:1/x")
        self.assertEqual(added["git"], "http://user@127.0.0.1:1/x")
        eventually(lambda: self.run_json(server, "status", "opam")["problem"])
        self.assertNotIn("secret", server.slipway("opam", "ls").stdout)
        self.assertNotIn("secret", server.slipway("opam", "status", "opam").stdout)

    # ---- how they are

    def test_status_tells_how_it_stands(self):
        server = self.serve_opam()
        eventually(lambda: self.run_json(server, "status", "opam")["commit"] == self.first)
        status = self.run_json(server, "status", "opam")
        self.assertEqual((status["head"], status["behind_seconds"], status["problem"]), (self.first, 0, None))
        self.assertEqual(status["snapshot"], server.request("GET", "/opam/repo")["X-Slipway-Snapshot"])
        self.assertFalse(self.run_json(server, "sync", "opam")["moved"])

        self.git.git("rm", "-rq", "packages")
        commit = self.git.commit()
        refused = server.slipway("opam", "sync", "opam")
        self.assertEqual(refused.returncode, 1)
        self.assertIn("has no packages", refused.stderr)
        status = self.run_json(server, "status", "opam")
        self.assertEqual((status["head"], status["commit"]), (commit, self.first))
        self.assertIn("has no packages", status["problem"])
        self.assertGreater(status["behind_seconds"], 0)
        metrics = server.request("GET", "/metrics").body.decode()
        self.assertIn('slipway_opam_problem{channel="live",repository="opam"} 1', metrics)
        self.assertRegex(metrics, r'slipway_opam_behind_seconds\{channel="live",repository="opam"\} [0-9.e-]+\n')

    def test_a_rollback_is_told(self):
        server = self.serve_opam()
        self.git.write("packages/a/a.2/opam", opam_file())
        self.publish(server)
        self.assertEqual(server.slipway("rollback", "opam").returncode, 0)
        server.stop()
        server.start()
        eventually(lambda: self.run_json(server, "status", "opam")["withdrawn"])
        refused = server.slipway("opam", "sync", "opam")
        self.assertIn("was rolled back from commit", refused.stderr)

    def test_what_is_wrong_is_listed_until_it_is_mended(self):
        data, other = b"data", b"other"
        self.upstream.files = {"/a.tgz": data, "/b.tgz": other}
        server = self.serve_opam()
        write = self.git.write
        write("packages/good/good.1/opam", opam_file(self.upstream.url("/a.tgz"), checksum("sha256", data)))
        write("packages/copy/copy.1/opam", opam_file(self.upstream.url("/copy.tgz"), checksum("sha256", data)))
        write("packages/weak/weak.1/opam", opam_file(self.upstream.url("/b.tgz"), checksum("md5", other)))
        write("packages/bad/bad.1/opam", opam_file(self.upstream.url("/b.tgz"), checksum("md5", b"what it should be")))
        write("packages/none/none.1/opam", opam_file(self.upstream.url("/branch.tgz")))
        write("packages/gone/gone.1/opam", opam_file(self.upstream.url("/gone.tgz"), checksum("sha512", b"gone")))
        write("packages/odd/odd.1/opam", opam_file(self.upstream.url("/b.tgz"), "sha1=12"))
        write("packages/broken/broken.1/opam", 'synopsis: "')
        self.publish(server)
        eventually(lambda: self.run_json(server, "status", "opam")["sources_failing"] == 2)
        findings = self.run_json(server, "check", "opam")["findings"]
        told = {(each["kind"], each["about"]) for each in findings}
        self.assertEqual(told, {
            ("file", "packages/broken/broken.1/opam"), ("missing", self.upstream.url("/gone.tgz")),
            ("missing", self.upstream.url("/b.tgz")), ("other-address", "good.1"), ("weak", "weak.1"), ("weak", "bad.1"),
            ("other-bytes", "weak.1"), ("unverifiable", "none.1"), ("unverifiable", "odd.1"), ("invalid", "odd.1")})
        said = server.slipway("opam", "check", "opam").stdout
        self.assertIn("which copy.1 has from", said)
        self.assertIn("10 findings", said)

        gone = self.run_json(server, "explain", "opam", "gone")["versions"][0]["sources"][0]
        self.assertEqual((gone["kept"], gone["failures"]), (False, 1))
        self.assertIn("404", gone["problem"])
        good = self.run_json(server, "explain", "opam", "good.1")["versions"][0]["sources"][0]
        self.assertEqual((good["kept"], good["digest"], good["size"]), (True, digest_of(data), 4))
        broken = self.run_json(server, "explain", "opam", "broken.1")
        self.assertIn("unterminated string", broken["findings"][0]["text"])
        self.assertIn("4 B", server.slipway("opam", "explain", "opam", "good").stdout)
        sources = self.run_json(server, "sources", "opam", "--state", "missing")
        self.assertEqual({each["urls"][0] for each in sources["sources"]},
                         {self.upstream.url("/gone.tgz"), self.upstream.url("/b.tgz")})
        first = self.run_json(server, "sources", "opam", "-n", "2")
        rest = self.run_json(server, "sources", "opam", "-n", "2", "--last", first["last"])
        self.assertEqual((len(first["sources"]), first["more"], len(rest["sources"]), rest["more"]), (2, True, 2, False))

        asked = len(self.upstream.asked)
        server.stop()
        server.start()  # what failed is known, and not tried again at once
        eventually(lambda: server.log_lines("up to date"))
        self.assertEqual(self.run_json(server, "status", "opam")["sources_failing"], 2)
        self.assertEqual(len(self.upstream.asked), asked)
        write("packages/broken/broken.1/opam", opam_file())
        self.publish(server)
        self.assertNotIn("file", {each["kind"] for each in self.run_json(server, "check", "opam")["findings"]})

    # ---- hooks

    def test_a_push_is_told_by_a_signed_hook(self):
        secret = self.folder() / "secret"
        secret.write_text("0123456789abcdef\n")
        server = self.serve_opam(f'hook_secret_file = "{secret}"\n')
        body = json.dumps({"ref": "refs/heads/main", "filler": "x" * 300_000}).encode()
        signature = hmac.new(b"0123456789abcdef", body, "sha256").hexdigest()

        def call(*fields, path="/api/v1/opam/hook/opam", data=body):
            return server.request("POST", path, list(fields), data)

        self.assertStatus(call(), 401)
        self.assertStatus(call(("X-Hub-Signature-256", "sha256=" + "0" * 64)), 401)
        self.assertStatus(call(("X-Hub-Signature-256", "sha256=" + signature), data=body + b" "), 401)
        self.assertStatus(call(("X-Hub-Signature-256", "sha1=" + signature)), 401)
        self.assertStatus(call(("X-Gitlab-Token", "0123456789abcdee")), 401)
        self.assertStatus(call(("X-Hub-Signature-256", "sha256=" + signature), path="/api/v1/opam/hook/other"), 404)
        self.assertStatus(server.request("GET", "/api/v1/opam/hook/opam"), 405)
        for number, field in enumerate((("X-Hub-Signature-256", "sha256=" + signature), ("X-Forgejo-Signature", signature),
                                        ("X-Gitea-Signature", signature), ("X-Gitlab-Token", "0123456789abcdef"))):
            self.git.write(f"packages/a/a.{10 + number}/opam", opam_file())
            commit = self.git.commit()
            self.assertStatus(call(field), 202)
            eventually(lambda: commit.encode() in server.request("GET", "/opam/repo").body)

    def test_a_hook_without_a_secret_is_refused(self):
        server = self.serve_opam()
        answer = server.request("POST", "/api/v1/opam/hook/opam", [("X-Gitlab-Token", "")], b"{}")
        self.assertStatus(answer, 403)
        self.assertIn("opam.hook_secret_file", answer.body.decode())

    # ---- sources

    def test_what_is_new_can_wait_for_its_sources(self):
        self.upstream.files = {"/a.tgz": b"data"}
        self.upstream.pause = 0.5
        server = self.serve_opam('wait = "20s"\n')
        self.git.write("packages/a/a.2/opam", opam_file(self.upstream.url("/a.tgz"), checksum("sha256", b"data")))
        self.git.write("packages/b/b.2/opam", opam_file(self.upstream.url("/b.tgz"), checksum("sha256", b"none")))
        self.git.commit()
        self.run_json(server, "sync", "opam")
        self.assertStatus(server.request("GET", "/opam/cache/" + cache_path(checksum("sha256", b"data"))), 200)
        self.assertStatus(server.request("GET", "/opam/packages/b/b.2/opam"), 200)

    def test_a_cache_is_imported_from_a_folder_and_from_a_mirror(self):
        sources = {f"source {number}".encode() * number for number in range(1, 8)}
        server = self.serve_opam()
        for number, data in enumerate(sorted(sources)):
            listed = [checksum("md5", data), checksum("sha512", data)] if number % 2 else [checksum("sha256", data)]
            self.git.write(f"packages/p/p.{number}/opam", opam_file(self.upstream.url(f"/dead/{number}"), *listed))
        self.publish(server)
        cache = self.folder() / "cache"

        def put(data, algorithm, link_to=None, content=None):
            path = cache / cache_path(checksum(algorithm, data))
            path.parent.mkdir(parents=True, exist_ok=True)
            if link_to:
                path.symlink_to(os.path.relpath(cache / cache_path(checksum(link_to, data)), path.parent))
            else:
                path.write_bytes(data if content is None else content)

        ordered = sorted(sources)
        put(b"of a package that left", "sha256")
        put(ordered[0], "sha256")
        put(ordered[1], "md5")  # as opam 2.1 writes it
        put(ordered[3], "sha512")
        put(ordered[3], "md5", link_to="sha512")  # as 2.2 does
        put(ordered[2], "sha256", content=b"other bytes")
        done = server.slipway("opam", "import-cache", "opam", cache)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("6 sources found: 4 are new, 78 B; 1 were there; 1 cannot be kept", done.stdout)
        self.assertIn("it is not kept", done.stderr)
        for data, algorithm in ((b"of a package that left", "sha256"), (ordered[0], "sha256"), (ordered[1], "md5"),
                                (ordered[1], "sha512"), (ordered[3], "md5"), (ordered[3], "sha256")):
            answer = server.request("GET", "/opam/cache/" + cache_path(checksum(algorithm, data)))
            self.assertEqual((answer.status, answer.body), (200, data))
        self.assertStatus(server.request("GET", "/opam/cache/" + cache_path(checksum("sha256", ordered[2]))), 404)
        eventually(lambda: self.run_json(server, "status", "opam")["sources_missing"] == 4)
        again = self.run_json(server, "import-cache", "opam", cache, code=1)
        self.assertEqual((again["kept"], again["already_kept"]), (0, 5))

        self.upstream.files = {"/mirror/" + cache_path(checksum("sha256", ordered[2])): ordered[2],
                               "/mirror/" + cache_path(checksum("sha512", ordered[5])): ordered[5],
                               "/mirror/" + cache_path(checksum("sha256", ordered[4])): b"other bytes"}
        done = self.run_json(server, "import-cache", "opam", self.upstream.url("/mirror"), code=1)
        self.assertEqual((done["found"], done["kept"], len(done["problems"])), (3, 2, 1))
        self.assertEqual(server.request("GET", "/opam/cache/" + cache_path(checksum("md5", ordered[5]))).body, ordered[5])

    def test_an_export_is_a_mirror_of_plain_files(self):
        data = b"the source"
        self.upstream.files = {"/a.tgz": data}
        server = self.serve_opam()
        listed = [checksum("md5", data), checksum("sha256", data)]
        self.git.write("packages/a/a.2/opam", opam_file(self.upstream.url("/a.tgz"), *listed))
        self.publish(server)
        eventually(lambda: self.run_json(server, "status", "opam")["sources_missing"] == 0)
        mirror = self.folder() / "mirror"

        def is_as_served():
            names = {str(each.relative_to(mirror)) for each in mirror.rglob("*") if each.is_file()}
            tree = json.loads(server.slipway("tree", "ls", "opam", "--json").stdout)["files"]
            cached = {"cache/" + cache_path(each) for each in listed}
            self.assertEqual(names, {each["path"] for each in tree} | cached | {"index.tar.gz", ".slipway-snapshot"})
            for name in names - {".slipway-snapshot"}:
                self.assertEqual((mirror / name).read_bytes(), server.request("GET", "/opam/" + name).body, name)

        first = self.run_json(server, "export", "opam", mirror)
        self.assertEqual((first["sources"], first["fetched_sources"]), (1, 1))
        is_as_served()
        again = self.run_json(server, "export", "opam", mirror)
        self.assertEqual((again["fetched_files"], again["fetched_sources"]), (0, 0))
        self.git.git("rm", "-rq", "packages/a/a.2")
        self.git.write("packages/b/b.1/opam", opam_file())
        self.publish(server)
        third = self.run_json(server, "export", "opam", mirror)
        self.assertEqual((third["fetched_files"], third["removed_files"]), (3, 1))  # b.1, repo, urls.txt
        is_as_served()  # the cache keeps what left the tree
        self.assertFalse((mirror / "packages/a/a.2").exists())

        (mirror / ".slipway-snapshot").unlink()  # as if by an older export, or another tool
        (mirror / "packages/x/x.1").mkdir(parents=True)
        (mirror / "packages/x/x.1/opam").write_text("a stranger")
        self.assertIn("of which 0 were fetched", server.slipway("opam", "export", "opam", mirror).stdout)
        is_as_served()


if __name__ == "__main__":
    unittest.main()
