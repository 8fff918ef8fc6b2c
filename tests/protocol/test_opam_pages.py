"""The pages of an opam repository as the real server makes them; clients/opam_pages.sh has the browser."""

import hashlib
import html.parser
import json
import unittest
import urllib.parse
import xml.etree.ElementTree as xml

from git_repository import GitRepository
from slipway_server import Connection, ServerTest, eventually
from test_opam_commands import Upstream, cache_path, checksum, opam_file

VOID = {"meta", "link", "input", "br"}


class Page(html.parser.HTMLParser):
    """Well-formed, with its links, its ids and its text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.links, self.ids, self.text, self.tags = [], [], set(), "", []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, fields):
        fields = dict(fields)
        self.tags.append(tag)
        for name in ("href", "action"):
            if name in fields:
                self.links.append(fields[name])
        if "id" in fields:
            assert fields["id"] not in self.ids, fields["id"]
            self.ids.add(fields["id"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag

    def handle_data(self, data):
        self.text += data


class OpamPagesTest(ServerTest):
    def setUp(self):
        self.git = GitRepository(self.folder() / "source")
        self.upstream = Upstream()
        self.addCleanup(self.upstream.server_close)
        self.addCleanup(self.upstream.shutdown)
        self.upstream.files = {"/a.tgz": b"data"}
        write = self.git.write
        write("repo", 'opam-version: "2.0"\n')
        write("packages/alpha/alpha.1.9/opam", opam_file())
        self.git.commit()
        write("packages/alpha/alpha.1.10/opam", opam_file(self.upstream.url("/a.tgz"), checksum("md5", b"data")))
        write("packages/alpha/alpha.2.0~rc1/opam", 'synopsis: "not yet"\navailable: false\n')
        write("packages/beta+/beta+.1/opam", 'synopsis: "needs alpha"\ntags: ["org:mirage"]\n'
              'depends: [ "alpha" {>= "1"} ("x" | "y") ]\ndepopts: "gamma"\nlicense: "MIT"\n'
              'homepage: "https://example.org/"\nbug-reports: "javascript:alert(1)"\n'
              'description: """A *beta*.\n\n- one\n- <b>two</b>\n"""\nextra-source "p" { src: "https://h/p" }\n')
        write("packages/gamma/gamma.1/opam", 'synopsis: "<script>alert(\\"x\\")</script>&amp;"\nauthors: "A <a@b.c>"\n')
        self.commit = self.git.commit()

    def serve_opam(self, more=""):
        server = self.serve(f'[opam]\nrepositories = ["opam {self.git.folder}"]\npoll = "50ms"\nprivate_sources = true\n{more}')
        eventually(lambda: self.commit.encode() in server.request("GET", "/opam/repo").body)
        eventually(lambda: server.log_lines("read when packages were first published"))
        return server

    def get(self, server, path, status=200):
        answer = server.request("GET", path)
        self.assertStatus(answer, status)
        return answer

    def json(self, server, path):
        return json.loads(self.get(server, path + "index.json").body)

    def page(self, server, path):
        answer = self.get(server, path)
        self.assertEqual(answer["Content-Type"], "text/html; charset=utf-8")
        self.assertIn("default-src 'none'", answer["Content-Security-Policy"])
        return Page(answer.body.decode())

    def test_every_link_leads_somewhere_and_no_page_has_a_script(self):
        server = self.serve_opam()
        eventually(lambda: self.json(server, "/opam/status/")["sources_kept"] == 1)
        todo, done = ["/opam/"], {}
        with Connection(server) as connection:
            while todo:
                path = todo.pop()
                answer = connection.request("GET", path)
                done[path] = answer.status
                self.assertIn(answer.status, (200, 301), path)
                if answer["Content-Type"] != "text/html; charset=utf-8":
                    continue
                page = Page(answer.body.decode())
                self.assertNotIn("script", page.tags)
                for link in page.links:
                    whole = urllib.parse.urljoin("http://here" + path, link).partition("#")[0]
                    inside = whole.removeprefix("http://here")
                    if inside != whole and inside not in done and inside not in todo:
                        todo.append(inside)
        for path in ("/opam/packages/alpha/", "/opam/packages/alpha/alpha.1.9/", "/opam/packages/beta%2B/", "/opam/feed.xml",
                     "/opam/packages/beta%2B/beta%2B.1/opam", "/opam/cache/" + cache_path(checksum("md5", b"data")),
                     "/opam/packages/?q=org:mirage", "/opam/status/index.json", "/opam/packages/index.json"):
            self.assertEqual(done.get(path), 200, path)

    def test_a_package_tells_of_itself(self):
        server = self.serve_opam()
        eventually(lambda: self.json(server, "/opam/status/")["sources_kept"] == 1)
        alpha = self.json(server, "/opam/packages/alpha/")
        self.assertEqual(alpha["version"], "1.10")
        self.assertEqual([(each["version"], each["is_latest"]) for each in alpha["versions"]],
                         [("2.0~rc1", False), ("1.10", True), ("1.9", False)])
        self.assertEqual([each["name"] for each in alpha["dependants"]], ["beta+"])
        eventually(lambda: self.json(server, "/opam/packages/alpha/")["sources"][0]["is_kept"])
        self.assertRegex(alpha["published"], r"^20\d\d-\d\d-\d\d$")
        self.assertEqual(self.json(server, "/opam/packages/alpha/alpha.1.9/")["version"], "1.9")
        beta = self.json(server, "/opam/packages/beta%2B/")
        self.assertEqual([(each["package"], each["rest"], bool(each["path"])) for each in beta["depends"]],
                         [("alpha", '{>= "1"}', True), (None, '("x" | "y")', False)])
        self.assertEqual(beta["bug_reports"], [{"text": "javascript:alert(1)", "link": None}])
        page = self.page(server, "/opam/packages/beta%2B/")
        self.assertNotIn("javascript:alert(1)", page.links)
        self.assertIn("- <b>two</b>", page.text)
        self.assertNotIn("b", page.tags)
        self.assertIn("opam install alpha.1.10", self.page(server, "/opam/packages/alpha/").text)
        self.assertIn("not available", self.page(server, "/opam/packages/alpha/alpha.2.0~rc1/").text)
        self.assertIn('<script>alert("x")</script>&amp;', self.page(server, "/opam/packages/gamma/").text)
        for path in ("packages/delta/", "packages/alpha/alpha.3/", "packages/alpha/beta.1/", "packages/alpha/alpha.1.9/x/",
                     "other/"):
            self.get(server, "/opam/" + path, 404)
        answer = self.get(server, "/opam/packages/alpha", 301)
        self.assertEqual(answer["Location"], "/opam/packages/alpha/")

    def test_packages_are_found_by_words(self):
        server = self.serve_opam()

        def found(words):
            return [each["name"] for each in json.loads(
                self.get(server, f"/opam/packages/index.json?q={words}").body)["list"]]

        self.assertEqual(found(""), ["alpha", "beta+", "gamma"])
        self.assertEqual(found("alpha"), ["alpha", "beta+"])  # by name first
        self.assertEqual(found("ORG:mirage"), ["beta+"])
        self.assertEqual(found("needs+alph"), ["beta+"])
        self.assertEqual(found("beta%2B"), ["beta+"])
        self.assertEqual(found("nothing"), [])
        self.assertEqual(found("%22%3E%3Cscript%3E" + "x" * 5000), [])
        self.assertIn("3 packages.", self.page(server, "/opam/packages/").text)
        page = self.page(server, "/opam/packages/?q=%22%3E%3Cscript%3E")
        self.assertNotIn("script", page.tags)
        for number in range(250):
            self.git.write(f"packages/p{number}/p{number}.1/opam", opam_file())
        self.commit = self.git.commit()
        eventually(lambda: self.commit.encode() in server.request("GET", "/opam/repo").body)
        seen = []
        for number in range(1, 5):
            content = json.loads(self.get(server, f"/opam/packages/index.json?page={number}").body)
            self.assertEqual((content["count"], content["pages"]), (253, 3))
            seen += [each["name"] for each in content["list"]] if number < 4 else []
        self.assertEqual(len(set(seen)), 253)
        for number in ("0", "-1", "x", "99999999999999999999999"):
            self.get(server, f"/opam/packages/?page={number}")

    def test_pages_change_with_the_snapshot(self):
        server = self.serve_opam()
        first = self.get(server, "/opam/")
        self.assertStatus(server.request("GET", "/opam/", [("If-None-Match", first["ETag"])]), 304)
        part = server.request("GET", "/opam/", [("Range", "bytes=5-9")])
        self.assertEqual((part.status, part.body), (206, first.body[5:10]))
        head = server.request("HEAD", "/opam/")
        self.assertEqual((head.status, head["Content-Length"], head.body), (200, str(len(first.body)), b""))
        self.git.write("packages/delta/delta.1/opam", 'depends: "alpha"\n')
        self.commit = self.git.commit()
        eventually(lambda: self.commit.encode() in server.request("GET", "/opam/repo").body)
        self.assertEqual([each["name"] for each in self.json(server, "/opam/packages/alpha/")["dependants"]], ["beta+", "delta"])
        self.assertEqual(self.json(server, "/opam/")["packages"], 4)
        self.assertIn("delta", {each["name"] for each in self.json(server, "/opam/")["news"]})
        old = self.json(server, f"/opam/@{first['X-Slipway-Snapshot']}/")
        self.assertEqual(old["packages"], 3)

    def test_the_feed_has_what_is_new(self):
        server = self.serve_opam()
        answer = self.get(server, "/opam/feed.xml")
        self.assertEqual(answer["Content-Type"], "application/atom+xml; charset=utf-8")
        atom = "{http://www.w3.org/2005/Atom}"
        feed = xml.fromstring(answer.body)
        self.assertEqual(feed.find(atom + "id").text, "http://registry/opam/feed.xml")
        entries = feed.findall(atom + "entry")
        self.assertEqual(len(entries), 5)
        for entry in entries:
            link = entry.find(atom + "link").get("href")
            self.get(server, link.removeprefix("http://registry"))
        summaries = {entry.find(atom + "summary").text for entry in entries}
        self.assertIn('<script>alert("x")</script>&amp;', summaries)

    def test_downloads_are_counted_and_nobody_is(self):
        server = self.serve_opam()
        path = "/opam/cache/" + cache_path(checksum("md5", b"data"))
        eventually(lambda: server.request("GET", path).status == 200)
        for _ in range(3):
            self.get(server, path)
            self.get(server, "/opam/index.tar.gz")
        server.request("GET", path, [("Range", "bytes=2-")])
        server.request("HEAD", path)
        server.stop()
        server.start()
        self.assertEqual(self.json(server, "/opam/packages/alpha/")["sources"][0]["downloads"], 4)
        self.assertEqual(self.json(server, "/opam/status/")["index_fetched"], 3)

    def test_the_status_page_tells_what_is_wrong(self):
        server = self.serve_opam()
        self.git.write("packages/bad/bad.1/opam", 'synopsis: "')
        self.git.write("packages/gone/gone.1/opam",
                       opam_file(self.upstream.url("/gone"), "sha256=" + hashlib.sha256(b"gone").hexdigest()))
        self.commit = self.git.commit()
        eventually(lambda: self.commit.encode() in server.request("GET", "/opam/repo").body)
        eventually(lambda: "answered 404" in self.page(server, "/opam/status/").text)
        page = self.page(server, "/opam/status/")
        for words in (self.commit, "packages/bad/bad.1/opam:1:11: unterminated string", "1 could not be had"):
            self.assertIn(words, page.text)
        channel = self.json(server, "/opam/status/")["channels"][0]
        self.assertEqual((channel["commit"], channel["behind_seconds"]), (self.commit, 0))


if __name__ == "__main__":
    unittest.main()
