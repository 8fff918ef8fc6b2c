"""Where the server listens, and the configurations with which it refuses to start. TLS is in test_tls.py."""

import os
import socket
import unittest

from slipway_server import Connection, ServerTest, address_of, eventually, files_only, run_slipway


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


class AddressesTest(ServerTest):
    def assertServes(self, url):
        with Connection(address_of(url)) as connection:
            self.assertStatus(connection.request("GET", "/v2/"), 200)

    @unittest.skipUnless(has_ipv6() or os.environ.get("CI") == "true", "this machine has no IPv6")
    def test_ipv6(self):
        server = self.serve(listen=["[::1]:0"])
        self.assertRegex(server.url, r"^http://\[::1\]:\d+$")
        self.assertServes(server.url)
        eventually(lambda: server.log_lines("path=/v2/ ", " client=::1 "), "the request's line in the log")

    def test_several_at_once(self):
        server = self.serve(listen=["127.0.0.1:0", "127.0.0.2:0", "localhost:0", "http://127.0.0.1:0", "unix:socket"])
        self.assertEqual(len(server.urls), 5)
        self.assertEqual(len(set(server.urls)), 5)
        for url in server.urls:
            self.assertServes(url if not url.startswith("unix:") else f"unix:{server.folder}/socket")
        self.assertEqual(server.status()["listen"], server.urls)

    def test_addresses_from_the_configuration(self):
        server = self.serve('[server]\nlisten = ["127.0.0.3:0", "127.0.0.4:0"]\n', listen=[])
        self.assertEqual([address_of(url)[0] for url in server.urls], ["127.0.0.3", "127.0.0.4"])
        for url in server.urls:
            self.assertServes(url)
        self.assertServes(self.serve('[server]\nlisten = "127.0.0.5:0"\n', listen=[]).url)

    def test_unix_sockets(self):
        server = self.serve(listen=["unix:socket"])
        path = server.folder / "socket"
        self.assertEqual(server.url, "unix:socket")
        self.assertTrue(path.is_socket())
        self.assertServes(f"unix:{path}")
        eventually(lambda: server.log_lines("path=/v2/ ", " client=unix "), "the request's line in the log")
        self.assertEqual(server.slipway("repo", "ls").returncode, 0)
        server.stop()
        self.assertFalse(path.exists())

    def test_a_stale_unix_socket_is_replaced(self):
        server = self.serve(listen=["unix:socket"])
        server.kill()
        self.assertTrue((server.folder / "socket").is_socket())
        server.start()
        self.assertServes(f"unix:{server.folder}/socket")

    def test_a_unix_socket_in_use_is_not_replaced(self):
        server = self.serve(listen=["unix:socket"])
        done = run_slipway("serve", "--data", "other", "--listen", f"unix:{server.folder}/socket", folder=self.folder())
        self.assertEqual(done.returncode, 1)
        self.assertIn("socket", done.stderr)
        self.assertServes(f"unix:{server.folder}/socket")

    def test_a_file_that_is_no_socket_is_not_replaced(self):
        folder = self.folder()
        (folder / "precious").write_text("keep me")
        done = run_slipway("serve", "--data", "data", "--listen", "unix:precious", folder=folder)
        self.assertEqual(done.returncode, 1)
        self.assertEqual((folder / "precious").read_text(), "keep me")

    def test_a_port_in_use(self):
        server = self.serve()
        host, port = server.address
        done = run_slipway("serve", "--data", "other", "--listen", f"{host}:{port}", folder=self.folder())
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"listening on {host}:{port}", done.stderr)


class RefusalsTest(ServerTest):
    """The server does not start, says why, and exits with 1; with 2 where the command line itself is wrong."""

    def refuse(self, *flags, config="", status=1):
        folder = self.folder()
        (folder / "slipway.toml").write_text(config)
        done = run_slipway("serve", "--config", "slipway.toml", "--data", "data", *flags, folder=folder)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        return done.stderr

    def test_open_to_others_without_users(self):
        for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:5000"):
            said = self.refuse("--listen", address)
            self.assertIn("can be reached from other machines, but no users are configured", said)
            self.assertIn("access.htpasswd", said)
            self.assertIn("access.anonymous", said)
        self.refuse("--listen", "127.0.0.1:0", "--listen", "0.0.0.0:0")

    def test_open_to_others_when_that_is_stated(self):
        server = self.serve("", "--anonymous", "pull", listen=["0.0.0.0:0"])
        address = ("127.0.0.1", server.address[1])
        with Connection(address) as connection:
            self.assertStatus(connection.request("GET", "/v2/"), 200)
            self.assertStatus(connection.request("POST", "/v2/a/blobs/uploads/", body=b""), 403, "DENIED")

    def test_addresses_that_are_none(self):
        for address in ("", ":5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:5000",
                        "[::1]", "[::1", "[127.0.0.1]:0", "example.org:5000", "127.0.0.1:x", "unix:",
                        "unix:" + "x" * 200, "ftp://127.0.0.1:0"):
            self.assertIn("is not a listen address", self.refuse("--listen", address))

    def test_errors_of_the_configuration_name_their_line(self):
        for config, line, words in (
                ("[server]\nlisten = [\n", 2, ""),
                ("[server]\n\nlistn = []\n", 3, "unknown key 'server.listn'; did you mean 'server.listen'?"),
                ("[limits]\nconnection = 5\n", 2, "did you mean 'limits.connections'?"),
                ("[limits]\nquite-another-thing-altogether = 5\n", 2, "slipway config show"),
                ("wholly.unknown = 1\n", 1, "unknown key 'wholly.unknown'"),
                ("[limits]\nconnections = \"5\"\n", 2, "limits.connections: expected a number"),
                ("[limits]\nconnections = 0\n", 2, "limits.connections: expected a whole number of at least 1"),
                ("[limits]\nconnections = -1\n", 2, "limits.connections"),
                ("[limits]\nhead_timeout = 5\n", 2, "limits.head_timeout: expected a duration"),
                ("[limits]\nhead_timeout = \"5\"\n", 2, "is not a duration"),
                ("[limits]\nhead_timeout = \"0s\"\n", 2, "more than zero"),
                ("[limits]\nmanifest_bytes = \"4 parsecs\"\n", 2, "is not a size"),
                ("[server]\nread_only = \"yes\"\n", 2, "expected a boolean"),
                ("[server]\nlisten = \"nowhere\"\n", 2, "is not a listen address"),
                ("[server]\nproxies = [\"10.0.0.0/33\"]\n", 2, "is not an address or network"),
                ("[access]\nanonymous = \"sometimes\"\n", 2, "is not one of none, pull, push, all"),
                ("[log]\nlevel = \"loud\"\n", 2, "expected one of: debug, info, warn, error, off"),
                ("[log]\nformat = \"xml\"\n", 2, "expected one of: text, json")):
            said = self.refuse("--listen", "127.0.0.1:0", config=config) if "listen" not in config else \
                self.refuse(config=config)
            self.assertIn(f"slipway.toml:{line}: ", said, config)
            self.assertIn(words, said, config)

    def test_settings_that_do_not_fit_together(self):
        self.assertIn("tls.certificate and tls.key belong together", self.refuse("--tls-key", "key.pem"))
        self.assertIn("nowhere to listen", self.refuse(config="[server]\nlisten = []\n"))
        self.assertIn("access.htpasswd is not set", self.refuse(config='[access]\nadmins = ["root"]\n'))
        self.assertIn("no certificate is configured", self.refuse("--listen", "https://127.0.0.1:0"))

    def test_files_that_are_missing(self):
        folder = self.folder()
        done = run_slipway("serve", "--config", "missing.toml", folder=folder)
        self.assertEqual((done.returncode, "missing.toml" in done.stderr), (1, True))
        self.assertIn("missing.pem", self.refuse("--listen", "127.0.0.1:0", "--tls-certificate", "missing.pem",
                                                 "--tls-key", "missing.key"))
        self.assertIn("missing.users", self.refuse("--listen", "127.0.0.1:0", "--htpasswd", "missing.users"))

    def test_wrong_flags(self):
        self.assertIn("did you mean '--listen'?", self.refuse("--listn", "127.0.0.1:0", status=2))
        self.assertIn("serve --help", self.refuse("--quite-another-thing", status=2))
        self.refuse("--listen", status=2)
        self.refuse("surplus", status=2)

    @files_only
    def test_a_store_that_is_not_ours(self):
        folder = self.folder()
        (folder / "data" / "store").mkdir(parents=True)
        (folder / "data" / "store" / "thesis.tex").write_text("mine")
        done = run_slipway("serve", "--data", "data", "--listen", "127.0.0.1:0", folder=folder)
        self.assertEqual(done.returncode, 1)
        self.assertIn("is not a Slipway store", done.stderr)

    @files_only
    def test_a_store_of_another_catalog(self):
        server = self.serve()
        server.stop()
        (server.data / "store" / "store.id").write_text("0" * 32 + "\n")
        done = run_slipway("serve", "--data", "data", "--listen", "127.0.0.1:0", folder=server.folder)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("store", done.stderr)


if __name__ == "__main__":
    unittest.main()
