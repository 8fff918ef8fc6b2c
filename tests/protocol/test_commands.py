"""Commands that need no server: configuration, version, help, completion. And what a monitor asks of a server."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from slipway_server import ServerTest, eventually, run_slipway


class CommandCase(ServerTest):
    @classmethod
    def setUpClass(cls):
        cls.scratch = Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="slipway-test-")))

    def run_slipway(self, *arguments, **options):
        return run_slipway(*arguments, folder=self.scratch, **options)

    def ok(self, *arguments, **options):
        done = self.run_slipway(*arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        return done.stdout


def words_of(script):
    """{command: its sub-commands and options}, as the completion for bash has them."""
    cases = re.findall(r'(?m)^    "([a-z -]*)"\) words="([^"]*)" ;;$', script)
    return {command: words.split() for command, words in cases}


class HelpTest(CommandCase):
    def test_every_command_explains_itself(self):
        words = words_of(self.ok("completion", "bash"))
        self.assertGreater(len(words), 20)
        for command, choices in words.items():
            text = self.ok(*command.split(), "--help")
            for choice in choices:
                self.assertRegex(text, rf"(?<![\w-]){re.escape(choice)}(?![\w-])", command)
        for command in ("serve", "init", "config show", "repo ls", "tag history", "manifest show", "doctor",
                        "server set", "completion", "version", "import docker-registry", "export"):
            self.assertIn(command, words)

    def test_help_of_all_at_once(self):
        text = self.ok("--help-all")
        for option in ("--tls-certificate", "--deep", "--read-only", "--json", "--ca"):
            self.assertIn(option, text)

    def test_wrong_usage_is_2_with_a_hint(self):
        for arguments, hint in (((), "slipway --help"), (("serv",), "did you mean 'serve'?"),
                                (("tag",), "slipway tag --help"), (("tag", "lss"), "did you mean 'ls'?"),
                                (("repo", "ls", "--jsn"), "did you mean '--json'?"),
                                (("repo", "show"), "slipway repo show --help"),
                                (("doctor", "--server", "x", "--dep"), "did you mean '--deep'?"),
                                (("completion", "tcsh"), "slipway completion --help"),
                                (("version", "--nonsense-of-this-kind"), "slipway version --help")):
            done = self.run_slipway(*arguments)
            self.assertEqual((done.returncode, done.stdout), (2, ""), arguments)
            self.assertIn(hint.lower(), done.stderr.lower())

    def test_version(self):
        plain = self.ok("version")
        self.assertRegex(plain, r"^slipway \d+\.\d+\.\d+\S*\n$")
        self.assertEqual(f"slipway {json.loads(self.ok('version', '--json'))['version']}\n", plain)


class ConfigTest(CommandCase):
    def test_check(self):
        (self.scratch / "good.toml").write_text('[limits]\nhead_timeout = "1m30s"\n')
        (self.scratch / "bad.toml").write_text("\n\n[server]\nlistn = 5\n")
        self.assertEqual(self.ok("config", "check", "--config", "good.toml"), "good.toml is valid\n")
        self.ok("config", "check", env={"SLIPWAY_CONFIG": "good.toml"})
        for arguments, env in ((("--config", "bad.toml"), {}), ((), {"SLIPWAY_CONFIG": "bad.toml"})):
            done = self.run_slipway("config", "check", *arguments, env=env)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertEqual(done.stderr, "slipway: bad.toml:4: unknown key 'server.listn'; "
                                          "did you mean 'server.listen'?\n")

    def test_show(self):
        (self.scratch / "some.toml").write_text('[limits]\n\nconnections = 5\nhead_bytes = 65536\n')
        keys = {key["key"]: key for key in json.loads(self.ok("config", "show", "--config", "some.toml", "--json"))}
        self.assertEqual(keys["limits.connections"]["value"], "5")
        self.assertEqual(keys["limits.connections"]["default"], "16384")
        self.assertEqual(keys["limits.connections"]["origin"], "some.toml:3")
        self.assertEqual(keys["limits.head_bytes"]["value"], '"64KiB"')
        self.assertEqual(keys["server.listen"]["origin"], "default")
        text = self.ok("config", "show", "--config", "some.toml")
        for key in keys.values():
            self.assertTrue(key["meaning"])
            self.assertIn(f"\n{key['key']} = {key['value']}\n", text)

    def test_what_show_prints_can_be_read_back(self):
        (self.scratch / "some.toml").write_text(
            '[server]\nlisten = ["127.0.0.1:0", "unix:/x"]\n[log]\nrequests = false\n')
        (self.scratch / "shown.toml").write_text(self.ok("config", "show", "--config", "some.toml"))
        def values(file):
            shown = json.loads(self.ok("config", "show", "--config", file, "--json"))
            return {key["key"]: key["value"] for key in shown}
        self.assertEqual(values("shown.toml"), values("some.toml"))


class CompletionTest(CommandCase):
    def complete(self, *words):
        """What bash would offer for the last word."""
        (self.scratch / "completion.bash").write_text(self.ok("completion", "bash"))
        program = ('source completion.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _slipway; '
                   'printf "%s\\n" "${COMPREPLY[@]}"')
        done = subprocess.run(["bash", "-uc", program, "bash", "slipway", *words], cwd=self.scratch, check=True,
                              capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash(self):
        self.assertEqual(self.complete("ser"), ["serve", "server"])
        self.assertEqual(self.complete("repo", "s"), ["show"])
        self.assertEqual(self.complete("doctor", "--de"), ["--deep"])
        self.assertEqual(self.complete("serve", "--tls-"), ["--tls-certificate", "--tls-key"])
        self.assertEqual(set(self.complete("server", "set", "--")) >= {"--read-only", "--log-level"}, True)
        self.assertEqual(self.complete("tag", "--json", "h"), ["history"])
        self.assertEqual(self.complete("nonsense", "x"), [])
        self.assertIn("repo", self.complete(""))

    def test_zsh_and_fish(self):
        for shell, words in (("zsh", ("#compdef slipway", "bashcompinit", "--tls-certificate")),
                             ("fish", ("complete -c slipway", "--tls-certificate", "history"))):
            script = self.ok("completion", shell)
            for word in words:
                self.assertIn(word, script)
            if shutil.which(shell):
                (self.scratch / shell).write_text(script)
                subprocess.run([shell, "-n", shell], cwd=self.scratch, check=True)


class MonitoringTest(ServerTest):
    LINE = re.compile(r'^([a-z_]+)(?:\{([a-z]+="[^"\\]*"(?:,[a-z]+="[^"\\]*")*)\})? (\S+)$')

    def metrics(self, server):
        """{name{labels}: value}; each line is checked."""
        answer = self.assertStatus(server.request("GET", "/metrics"), 200)
        self.assertTrue(answer["Content-Type"].startswith("text/plain; version=0.0.4"))
        values, types = {}, {}
        for line in answer.body.decode().splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, types, "one TYPE a name")
                types[name] = kind
            elif not line.startswith("# HELP "):
                found = self.LINE.match(line)
                self.assertTrue(found, line)
                name = found[1]
                self.assertTrue(name in types or re.sub(r"_(bucket|sum|count)$", "", name) in types, line)
                self.assertNotIn((name, found[2]), values, line)
                values[name, found[2]] = float(found[3])
        return values

    def test_metrics(self):
        server = self.serve()
        server.push_image("metrics", "one")
        server.push_blob("metrics", b"x" * 1000)
        server.begin_upload("metrics")
        for _ in range(3):
            server.request("GET", "/v2/metrics/manifests/one")
        server.request("GET", "/v2/metrics/manifests/two")
        # An answer reaches its client before the worker that gave it is done, and the connection closed.
        def alone():
            values = self.metrics(server)
            busy = (values["slipway_http_connections", None], values["slipway_http_workers_busy", None])
            return values if busy == (1, 1) else None
        values = eventually(alone, "the end of all other requests")
        expected = {"slipway_repositories": 1, "slipway_tags": 1, "slipway_manifests": 1, "slipway_blobs": 3,
                    "slipway_uploads": 1, "slipway_blob_bytes": 1000 + len('{"text":""}') + len("layer "),
                    "slipway_http_connections": 1, "slipway_http_workers_busy": 1, "slipway_deletions": 0}
        self.assertEqual({name: values[name, None] for name in expected}, expected)
        self.assertEqual(values["slipway_http_requests_total", 'code="200",route="manifest.get"'], 3)
        self.assertEqual(values["slipway_http_requests_total", 'code="404",route="manifest.get"'], 1)
        self.assertEqual(values["slipway_http_request_seconds_count", 'route="manifest.get"'], 4)
        self.assertEqual(values["slipway_http_request_seconds_bucket", 'route="manifest.get",le="+Inf"'], 4)
        self.assertGreaterEqual(values["slipway_http_request_body_bytes_total", None], 1000)
        self.assertGreater(values["slipway_store_free_bytes", None], 0)
        again = self.metrics(server)
        for name in values:
            if name[0].endswith(("_total", "_count", "_bucket")):
                self.assertGreaterEqual(again[name], values[name], name)

    def test_strangers_cannot_make_new_series(self):
        server = self.serve()
        self.metrics(server)
        count = len(self.metrics(server))
        for i in range(50):
            server.request("GET", f"/nowhere/{i}")
            server.request(f"METHOD{i}", f"/v2/repository{i}/tags/list")
        self.assertLessEqual(len(self.metrics(server)), count + 100)  # two routes, each with its buckets

    def test_health(self):
        server = self.serve()
        self.assertEqual(server.request("GET", "/healthz").body, b"ok\n")
        self.assertEqual(server.request("GET", "/readyz").body, b"ready\n")
        for path in ("/healthz/x", "/healthzx"):
            self.assertIn(server.request("GET", path).status, (200, 404))


if __name__ == "__main__":
    unittest.main()
