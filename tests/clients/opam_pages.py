"""Every kind of page of an opam repository in Chromium: run by opam_pages.sh, and with axe by opam_pages_slow.sh."""

import json
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "protocol"))

from chromium import Chromium  # noqa: E402
from git_repository import GitRepository  # noqa: E402
from slipway_server import ServerTest, eventually  # noqa: E402
from test_opam_commands import Upstream, checksum, opam_file  # noqa: E402

BUNDLE = HERE.parents[2] / "shared/fixtures/opam/opam-repository-last50.bundle"
WIDTHS = (400, 1280)
AXE = os.environ.get("AXE")  # its script
SCREENSHOTS = os.environ.get("SCREENSHOTS")  # a folder to leave them in


class OpamPagesInBrowser(ServerTest):
    def setUp(self):
        self.git = GitRepository(self.folder() / "source", **({"bundle": BUNDLE} if BUNDLE.exists() else {}))
        upstream = Upstream()
        self.addCleanup(upstream.server_close)
        self.addCleanup(upstream.shutdown)
        upstream.files = {"/a.tgz": b"data"}
        write = self.git.write
        write("packages/alpha/alpha.1/opam", opam_file(upstream.url("/a.tgz"), checksum("md5", b"data"), checksum("sha512", b"data")))
        write("packages/gone/gone.1/opam", opam_file(upstream.url("/gone.tgz"), checksum("sha256", b"gone")))
        write("packages/broken/broken.1/opam", 'synopsis: "')
        write(f"packages/{'long' * 20}/{'long' * 20}.1/opam", 'synopsis: "' + "w" * 300 + '"\ndescription: "- ' + "x" * 300
              + '"\ndepends: [ "alpha" {>= "1" & < "' + "2" * 100 + '"} ]\ntags: "a tag"\nhomepage: "https://h/' + "y" * 200 + '"\n')
        commit = self.git.commit()
        # Sources that are elsewhere are not looked for: their names lead nowhere here.
        self.server = self.serve(f'[opam]\nrepositories = ["opam {self.git.folder}"]\nprivate_sources = true\n')
        eventually(lambda: commit.encode() in self.server.request("GET", "/opam/repo").body)
        eventually(lambda: json.loads(self.server.request("GET", "/opam/status/index.json").body)["sources_kept"] == 1)
        eventually(lambda: self.server.log_lines("read when packages were first published"))
        self.paths = ["/opam/", "/opam/packages/", "/opam/packages/?q=alpha", "/opam/packages/?q=nothing-at-all",
                      "/opam/packages/alpha/", f"/opam/packages/{'long' * 20}/", "/opam/status/"]
        names = [each["name"] for each in json.loads(self.server.request("GET", "/opam/packages/index.json").body)["list"]]
        self.paths += [f"/opam/packages/{name}/" for name in names[:3]]

    def each_page(self, browser, check, **options):
        """All that is wrong, of all pages at once."""
        problems = []
        for width in WIDTHS:
            for path in self.paths:
                browser.complaints.clear()
                browser.open(self.server.url + path, width, **options)
                problems += [f"{path} at {width}: {problem}" for problem in check(path, width)]
        self.assertEqual(problems, [])

    def test_pages_fit_work_without_scripts_and_complain_of_nothing(self):
        def check(path, width):
            facts = browser.value("""({ title: document.title, heading: document.querySelectorAll("h1").length,
                width: document.documentElement.scrollWidth, font: getComputedStyle(document.body).fontFamily,
                main: document.querySelector("main").innerText.length })""")
            yield from browser.complaints
            if facts["width"] > width:
                yield f"it is {facts['width']} wide"
            if facts["heading"] != 1 or not facts["title"] or facts["main"] < 10:
                yield f"it lacks something: {facts}"
            if "system-ui" not in facts["font"]:
                yield "its style sheet did not come"
            if SCREENSHOTS:
                name = path.strip("/").replace("/", "_").replace("?", "-")[:40]
                browser.screenshot(Path(SCREENSHOTS) / f"{name}-{width}.png")

        with Chromium(seconds=240) as browser:
            self.each_page(browser, check, scripts=False)
            # A form works as it always did.
            browser.open(self.server.url + "/opam/", 400, scripts=False)
            browser.value('document.querySelector("input").value = "alpha"; document.querySelector("form").submit()')
            eventually(lambda: browser.value("location.pathname + location.search") == "/opam/packages/?q=alpha")
            eventually(lambda: "alpha" in (browser.value("document.querySelector('main .list')?.innerText") or ""))

    @unittest.skipUnless(AXE, "the script of axe was not given")
    def test_nobody_is_kept_out(self):
        script = Path(AXE or "").read_text()

        def check(_path, _width):
            browser.value(script + "; 0")
            yield from browser.value("axe.run().then(result => result.violations.map(each => "
                                     "each.id + ': ' + each.nodes.map(node => node.html).slice(0, 3).join(' ')))")

        with Chromium(seconds=400) as browser:
            for scheme in ("light", "dark"):
                browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                self.each_page(browser, check)


if __name__ == "__main__":
    unittest.main()
