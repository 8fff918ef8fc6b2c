"""HTTPS: which versions it speaks, http:// beside it, and new certificates without a restart."""

import shutil
import ssl
import subprocess
import unittest
import warnings

from slipway_server import PATIENCE, Connection, ServerTest, address_of, digest_of, eventually

MIB = 1 << 20


def make_certificate(folder, name, serial):
    """Writes NAME.crt and NAME.key, which sign themselves."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-keyout", f"{name}.key", "-out", f"{name}.crt", "-days", "2", "-set_serial", str(serial),
                    "-subj", "/CN=slipway test", "-addext", "subjectAltName=IP:127.0.0.1"],
                   cwd=folder, check=True, capture_output=True)


def trusting_nobody(**options):
    """A client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context


def serial_of(connection):
    text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], check=True, capture_output=True,
                          input=connection.socket.getpeercert(binary_form=True)).stdout
    return int(text.decode().strip().removeprefix("serial="), 16)


class TlsCase(ServerTest):
    def serve_tls(self, *listen):
        folder = self.folder()
        make_certificate(folder, "server", 1001)
        self.certificate, self.key = folder / "server.crt", folder / "server.key"
        return self.serve("", "--tls-certificate", self.certificate, "--tls-key", self.key,
                          listen=listen or ["127.0.0.1:0"])


class TlsTest(TlsCase):
    def test_a_client_that_checks_everything(self):
        server = self.serve_tls()
        self.assertTrue(server.url.startswith("https://"))
        context = ssl.create_default_context(cafile=self.certificate)
        connection = self.connect(server, tls=context)
        blob = bytes(range(256)) * (3 * MIB // 256)
        answer = connection.request("POST", f"/v2/tls/blobs/uploads/?digest={digest_of(blob)}", body=blob)
        self.assertStatus(answer, 201)
        self.assertEqual(connection.request("GET", answer["Location"]).body, blob)
        done = server.slipway("repo", "ls", "--ca", self.certificate)
        self.assertEqual((done.returncode, done.stdout), (0, "tls\n"))
        self.assertEqual(server.slipway("repo", "ls").returncode, 1)

    def test_pipelining_and_small_pieces(self):
        server = self.serve_tls()
        connection = self.connect(server, tls=trusting_nobody())
        connection.send("GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n" * 200)
        for _ in range(200):
            self.assertStatus(connection.response(), 200)
        for byte in "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n":
            connection.send(byte)
        self.assertStatus(connection.response(), 200)

    def test_versions(self):
        server = self.serve_tls()
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            connection = self.connect(server, tls=trusting_nobody(minimum_version=version, maximum_version=version))
            self.assertEqual(connection.socket.version(), name)
            self.assertStatus(connection.request("GET", "/v2/"), 200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's own, about what we want to see refused
            old = trusting_nobody()
            old.set_ciphers("ALL:@SECLEVEL=0")
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaisesRegex(ssl.SSLError, "(?i)alert|protocol|version"):
            Connection(server, tls=old)

    def test_http_and_https_side_by_side(self):
        server = self.serve_tls("http://127.0.0.1:0", "https://127.0.0.1:0", "127.0.0.1:0", "unix:socket")
        self.assertEqual([url.split(":")[0] for url in server.urls], ["http", "https", "https", "unix"])
        for url in server.urls:
            tls = trusting_nobody() if url.startswith("https") else None
            address = server.folder / "socket" if url.startswith("unix") else address_of(url)
            self.assertStatus(self.connect(address, tls=tls).request("GET", "/v2/"), 200)

    def test_plain_http_on_the_tls_port_is_told_so(self):
        server = self.serve_tls()
        for method, body in (("GET", None), ("POST", b"x" * 10_000)):
            connection = self.connect(server)
            connection.ask(method, "/v2/", body=body)
            answer = self.assertStatus(connection.response(), 400)
            self.assertIn(b"https://", answer.body)
            self.assertTrue(connection.is_closed())
        self.assertStatus(self.connect(server, tls=trusting_nobody()).request("GET", "/v2/"), 200)

    def test_a_handshake_that_stalls_is_given_up(self):
        folder = self.folder()
        make_certificate(folder, "server", 1)
        server = self.serve('[limits]\nhead_timeout = "300ms"\n', "--tls-certificate", folder / "server.crt",
                            "--tls-key", folder / "server.key")
        connection = self.connect(server)
        connection.send(bytes.fromhex("1603010200010001fc0303"))
        self.assertTrue(connection.is_closed())


class ReloadTest(TlsCase):
    def serial(self, server):
        with Connection(server, tls=trusting_nobody()) as connection:
            return serial_of(connection)

    def replace(self, certificate, key):
        """As certbot does: by renaming, one file after the other."""
        for new, old in ((certificate, self.certificate), (key, self.key)):
            shutil.copy(new, f"{old}.new")
            shutil.move(f"{old}.new", old)

    def test_a_new_certificate_without_a_restart(self):
        server = self.serve_tls()
        old = self.connect(server, tls=trusting_nobody())
        self.assertEqual(serial_of(old), 1001)
        folder = self.folder()
        make_certificate(folder, "new", 2002)
        self.replace(folder / "new.crt", folder / "new.key")
        eventually(lambda: self.serial(server) == 2002, "the new certificate")
        self.assertStatus(old.request("GET", "/v2/"), 200)
        self.assertTrue(server.log_lines("certificate reloaded"))

    def test_a_broken_certificate_keeps_the_old_one(self):
        server = self.serve_tls()
        folder = self.folder()
        make_certificate(folder, "other", 3003)
        saved = self.certificate.read_bytes()
        other = (folder / "other.crt").read_bytes()  # does not match the key
        for broken in (b"-----BEGIN CERTIFICATE-----\n", other):
            count = len(server.log_lines("the new certificate cannot be used; the old one stays"))
            self.certificate.write_bytes(broken)
            eventually(lambda: len(server.log_lines("the new certificate cannot be used")) > count, "a complaint")
            self.assertEqual(self.serial(server), 1001)
        self.certificate.unlink()
        eventually(lambda: len(server.log_lines("the new certificate cannot be used")) > 2, "a complaint")
        self.assertEqual(self.serial(server), 1001)
        self.certificate.write_bytes(saved)
        eventually(lambda: server.log_lines("certificate reloaded"), "the repair", PATIENCE)
        self.assertEqual(self.serial(server), 1001)


if __name__ == "__main__":
    unittest.main()
