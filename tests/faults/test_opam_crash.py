"""A pass from git to a channel is killed (-9) at each of its boundaries: what is served is one commit, whole, and the
next pass mends what is left."""

import gzip
import os
import signal
import subprocess
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "protocol"))

from git_repository import GitRepository, files_of  # noqa: E402
from slipway_server import Server, ServerTest, eventually, files_only  # noqa: E402
from test_opam import opam_file  # noqa: E402

PHASES = ("fetched", "read", "sent", "moved")


@files_only
class OpamCrashTest(ServerTest):
    def setUp(self):
        self.git = GitRepository(self.folder() / "source")
        self.git.write("repo", 'opam-version: "2.0"\n')
        for number in range(200):
            self.git.write(f"packages/p{number}/p{number}.1/opam", opam_file("one"))
        self.first = self.git.commit()

    def run_pass(self, folder, phase):
        return subprocess.run([os.environ["OPAM_CRASH"], folder / "data", self.git.folder, phase], capture_output=True,
                              text=True, timeout=60)

    def served(self, folder):
        """(the commit, the files of its index) as a server in that folder has them."""
        with Server(folder, self.watched()) as server:
            eventually(lambda: self.git.head().encode() in server.request("GET", "/opam/repo").body)
            self.assertEqual(server.slipway("doctor", "--deep").returncode, 0)
            answer = server.request("GET", "/opam/index.tar.gz")
            files = files_of(gzip.decompress(answer.body))
            for path in list(files)[:20]:
                self.assertEqual(server.request("GET", "/opam/" + path).body, files[path])
            return files["repo"].decode().split('stamp: "')[1].split('"')[0], files

    def check_is(self, served, commit):
        self.assertEqual(served[0], commit)
        expected = self.git.files(commit, "packages")
        self.assertEqual({path: data for path, data in served[1].items() if path.startswith("packages/")}, expected)

    def watched(self):
        return f'[opam]\nrepositories = ["opam {self.git.folder}"]\npoll = "50ms"\n'

    def test_what_is_served_is_one_commit_whole(self):
        for phase in PHASES:
            with self.subTest(phase=phase):
                folder = self.folder()
                killed = self.run_pass(folder, phase)
                self.assertEqual(killed.returncode, -signal.SIGKILL, killed.stderr)
                self.check_is(self.served(folder), self.first)

                before = self.first
                for number in range(0, 200, 3):
                    self.git.write(f"packages/p{number}/p{number}.2/opam", opam_file(phase))
                second = self.git.commit()
                killed = self.run_pass(folder, phase)
                self.assertEqual(killed.returncode, -signal.SIGKILL, killed.stderr)
                moved = self.git.folder.rename(self.git.folder.with_name("elsewhere"))  # so that nothing comes of it
                live = second if phase == "moved" else before
                try:
                    served = self.served_without_git(folder)
                finally:
                    moved.rename(self.git.folder)
                self.check_is(served, live)
                self.check_is(self.served(folder), second)
                self.first = second

    def served_without_git(self, folder):
        with Server(folder, self.watched()) as server:
            eventually(lambda: server.log_lines("is not brought up to date"))
            files = files_of(gzip.decompress(server.request("GET", "/opam/index.tar.gz").body))
            return files["repo"].decode().split('stamp: "')[1].split('"')[0], files


if __name__ == "__main__":
    unittest.main()
