"""Git repositories that tests commit to, and what they say of themselves."""

import io
import os
import subprocess
import tarfile
from pathlib import Path

ENVIRONMENT = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null",
               "GIT_AUTHOR_NAME": "n", "GIT_AUTHOR_EMAIL": "e@example.org",
               "GIT_COMMITTER_NAME": "n", "GIT_COMMITTER_EMAIL": "e@example.org"}


def files_of(archive):
    """{path: content} of the regular files of a tar archive, given as bytes."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}


class GitRepository:
    """Below `folder`; with `bundle`, a clone of it."""

    def __init__(self, folder, bundle=None):
        self.folder = Path(folder)
        if bundle:
            subprocess.run(["git", "clone", "--quiet", str(bundle), str(folder)], check=True, env=ENVIRONMENT)
        else:
            self.folder.mkdir()
            self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments):
        return subprocess.run(["git", "-C", str(self.folder), *arguments], check=True, env=ENVIRONMENT,
                              stdout=subprocess.PIPE).stdout

    def write(self, path, content):
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, message="m"):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head()

    def head(self):
        return self.git("rev-parse", "HEAD").decode().strip()

    def commits(self):
        """From the first to the newest."""
        return self.git("rev-list", "--reverse", "--first-parent", "HEAD").decode().split()

    def files(self, commit, *paths):
        """{path: content} of what a commit has."""
        return files_of(self.git("archive", commit, *paths))
