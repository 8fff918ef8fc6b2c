"""Who may do what: users, the anonymous, the admin token."""

import json
import os
import subprocess
import unittest
import warnings

from slipway_server import (PATIENCE, ServerTest, basic, digest_of, eventually, files_only, run_slipway,
                             sqlite_only)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # deprecated; Python 3.11 of Debian 12 has it
    import crypt

PASSWORD = "open:sesame 7"  # Basic splits at the first colon only


def hash_of(password):
    """As `htpasswd -B` writes it, but for 2b in the place of 2y, and with the least work."""
    return crypt.crypt(password, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16))


HASHES = {user: hash_of(PASSWORD) for user in ("user", "root")}


class AccessCase(ServerTest):
    def users(self, folder, **users):
        path = folder / "users"
        path.write_text("# users\n\n" + "".join(f"{user}:{hashed}\n" for user, hashed in (users or HASHES).items()))
        return path

    def serve_users(self, more="", anonymous=None):
        self.path = self.users(self.folder())
        stated = f'anonymous = "{anonymous}"\n' if anonymous else ""
        return self.serve(f'[access]\nhtpasswd = "{self.path}"\nadmins = ["root"]\n{stated}{more}')

    def serve_token(self, config=""):
        """A server whose data directory was initialised; its token is in self.token."""
        server = self.serve(config)
        server.stop()
        done = run_slipway("init", "--data", "fresh", "--json", folder=server.folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.token = json.loads(done.stdout)["admin_token"]
        server.data = server.folder / "fresh"
        server.start()
        return server

    def assertChallenged(self, answer):
        self.assertStatus(answer, 401, "UNAUTHORIZED")
        self.assertRegex(answer["WWW-Authenticate"], r'^Bearer realm="http://[^/"]+/v2/token",service="slipway"')

    def may_push(self, server, *headers):
        data = os.urandom(20)
        answer = server.request("POST", f"/v2/access/blobs/uploads/?digest={digest_of(data)}", headers, data)
        self.assertIn(answer.status, (201, 401, 403))
        return answer.status == 201


class UsersTest(AccessCase):
    def test_without_credentials(self):
        server = self.serve_users()
        for method, target in (("GET", "/v2/"), ("GET", "/v2/a/tags/list"), ("GET", "/v2/a/manifests/x"),
                               ("PUT", "/v2/a/manifests/x"), ("POST", "/v2/a/blobs/uploads/"),
                               ("GET", f"/v2/a/blobs/{digest_of(b'')}"), ("DELETE", "/v2/a/manifests/x"),
                               ("GET", "/v2/a/blobs/uploads/0"), ("GET", "/v2/unknown/tags/list")):
            self.assertChallenged(server.request(method, target, body=None if method == "GET" else b""))

    def test_with_good_ones(self):
        server = self.serve_users()
        good = basic("user", PASSWORD)
        answer = self.assertStatus(server.request("GET", "/v2/", [good]), 200)
        self.assertEqual(answer.body, b"{}\n")
        content = server.push_image("users", "tag", headers=[good])
        self.assertEqual(server.request("GET", "/v2/users/manifests/tag", [good]).body, content)
        self.assertStatus(server.request("DELETE", "/v2/users/manifests/tag", [good]), 202)
        eventually(lambda: server.log_lines("route=manifest.delete", "user=user "), "the user in the log")
        scheme = ("Authorization", good[1].replace("Basic", "bAsIc "))
        self.assertStatus(server.request("GET", "/v2/", [scheme]), 200)

    def test_with_bad_ones(self):
        server = self.serve_users(anonymous="all")  # whoever gives credentials must give the right ones
        for header in (basic("user", "wrong"), basic("nobody", PASSWORD), basic("user", ""), basic("", PASSWORD),
                       basic("User", PASSWORD), ("Authorization", "Basic !!!"), ("Authorization", "Basic"),
                       ("Authorization", "Basic dXNlcg=="), ("Authorization", "Bearer x"),
                       ("Authorization", "Digest x"), ("Authorization", "Bearer " + "0" * 64),
                       basic("user", HASHES["user"]),
                       ("Authorization", "Basic " + "QUFB" * 5000)):
            self.assertChallenged(server.request("GET", "/v2/", [header]))
            self.assertChallenged(server.request("GET", "/v2/a/tags/list", [header]))
        self.assertStatus(server.request("GET", "/v2/a/tags/list", [basic("", "")]), 404)  # podman's way to have none

    def test_what_anonymous_may(self):
        for anonymous, pull, push, delete in (("none", False, False, False), ("pull", True, False, False),
                                              ("push", True, True, False), ("all", True, True, True)):
            server = self.serve_users(anonymous=anonymous)
            self.assertChallenged(server.request("GET", "/v2/"))  # so that clients know that they may log in
            server.push_image("access", "tag", headers=[basic("user", PASSWORD)])
            pulled = server.request("GET", "/v2/access/manifests/tag")
            self.assertEqual(pulled.status, 200 if pull else 401, anonymous)
            self.assertEqual(self.may_push(server), push, anonymous)
            deleted = server.request("DELETE", "/v2/access/manifests/tag")
            self.assertEqual(deleted.status, 202 if delete else 401, anonymous)
            for answer in (pulled, deleted):
                if answer.status == 401:
                    self.assertChallenged(answer)
            self.assertTrue(self.may_push(server, basic("user", PASSWORD)))

    def test_without_users_nobody_is_asked_to_log_in(self):
        server = self.serve('[access]\nanonymous = "pull"\n')
        self.assertStatus(server.request("GET", "/v2/"), 200)
        self.assertStatus(server.request("POST", "/v2/a/blobs/uploads/", body=b""), 403, "DENIED")

    def test_new_users_without_a_restart(self):
        server = self.serve_users()
        late = basic("late", "later")
        self.assertChallenged(server.request("GET", "/v2/", [late]))
        self.users(self.path.parent, user=HASHES["user"], late=hash_of("later"))
        eventually(lambda: server.request("GET", "/v2/", [late]).status == 200, "the new user")
        self.users(self.path.parent, late=hash_of("changed"))
        eventually(lambda: server.request("GET", "/v2/", [late]).status == 401, "the end of the old password")
        self.assertStatus(server.request("GET", "/v2/", [basic("late", "changed")]), 200)
        self.assertChallenged(server.request("GET", "/v2/", [basic("user", PASSWORD)]))

    def test_broken_users_keep_the_old_ones(self):
        server = self.serve_users()
        self.path.write_text("user:plaintext\n")
        server.signal(1)  # SIGHUP: look now
        eventually(lambda: server.log_lines("the new users cannot be used; the old ones stay"), "a complaint", PATIENCE)
        self.assertStatus(server.request("GET", "/v2/", [basic("user", PASSWORD)]), 200)

    def test_files_that_cannot_be_used(self):
        folder = self.folder()
        for text, line in (("user:plain\n", 1), ("# c\nuser:$apr1$x$abc\n", 2), (f"user:{HASHES['user']}\nnobody\n", 2),
                           (f":{HASHES['user']}\n", 1), ("user:\n", 1)):
            (folder / "users").write_text(text)
            done = run_slipway("serve", "--data", "data", "--listen", "127.0.0.1:0", "--htpasswd", "users",
                               folder=folder)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"users: line {line}: ", done.stderr)

    def test_what_htpasswd_itself_writes(self):
        folder = self.folder()
        subprocess.run(["htpasswd", "-Bbc", "-C", "4", "users", "user", PASSWORD], cwd=folder, check=True,
                       capture_output=True)
        server = self.serve("", "--htpasswd", folder / "users")
        self.assertStatus(server.request("GET", "/v2/", [basic("user", PASSWORD)]), 200)
        self.assertChallenged(server.request("GET", "/v2/", [basic("user", "wrong")]))


class AdminTest(AccessCase):
    def api(self, server, *headers):
        return server.request("GET", "/api/v1/server/status", headers).status

    def test_users_are_no_administrators_unless_named(self):
        server = self.serve_users()
        server.push_image("api", "tag", headers=[basic("user", PASSWORD)])
        self.assertEqual(self.api(server), 401)
        self.assertEqual(self.api(server, basic("user", PASSWORD)), 403)
        self.assertEqual(self.api(server, basic("root", "wrong")), 401)
        self.assertEqual(self.api(server, basic("root", PASSWORD)), 200)
        user = [basic("user", PASSWORD)]
        self.assertStatus(server.request("GET", "/api/v1/repo/ls", user), 403)
        self.assertStatus(server.request("POST", "/api/v1/repo/rm?repository=api", user, b""), 403)
        self.assertStatus(server.request("POST", "/api/v1/server/set?read_only=true", user, b""), 403)
        self.assertStatus(server.request("GET", "/api/v1/tag/ls?repository=api", user), 200)  # a pull
        self.assertStatus(server.request("GET", "/api/v1/tag/ls?repository=api"), 401)
        self.assertStatus(server.request("GET", "/v2/api/manifests/tag", user), 200)

    @files_only
    @sqlite_only
    def test_the_admin_token(self):
        server = self.serve_token('[access]\nanonymous = "none"\n')
        bearer = ("Authorization", f"Bearer {self.token}")
        for header in (bearer, basic("anybody", self.token), basic("", self.token)):
            self.assertEqual(self.api(server, header), 200)
            self.assertTrue(self.may_push(server, header))
        for header in (("Authorization", f"Bearer {self.token[:-1]}x"), ("Authorization", f"Bearer {self.token}x"),
                       ("Authorization", f"Bearer {self.token.upper()}"), basic(self.token, "x")):
            self.assertEqual(self.api(server, header), 401)
            self.assertFalse(self.may_push(server, header))
        self.assertEqual(self.api(server), 401)
        done = server.slipway("repo", "ls", "--token", self.token)
        self.assertEqual((done.returncode, done.stdout), (0, "access\n"))
        self.assertEqual(server.slipway("repo", "ls", env={"SLIPWAY_TOKEN": self.token}).returncode, 0)
        done = server.slipway("repo", "ls")
        self.assertEqual(done.returncode, 1)
        self.assertIn("SLIPWAY_TOKEN", done.stderr)
        self.assertNotIn(self.token, server.read_log())

    @files_only
    @sqlite_only
    def test_a_token_is_for_its_data_directory(self):
        server = self.serve_token('[access]\nanonymous = "none"\n')
        first = self.token
        other = self.serve_token('[access]\nanonymous = "none"\n')
        self.assertNotEqual(first, self.token)
        self.assertEqual(self.api(server, ("Authorization", f"Bearer {self.token}")), 401)
        self.assertEqual(self.api(other, ("Authorization", f"Bearer {first}")), 401)

    def test_init_happens_once(self):
        folder = self.folder()
        done = run_slipway("init", "--data", "data", folder=folder)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"\n  [0-9a-f]{64}\n")
        again = run_slipway("init", "--data", "data", folder=folder)
        self.assertEqual((again.returncode, again.stdout), (1, ""))
        self.assertIn("initialised already", again.stderr)

    def test_metrics_are_for_administrators(self):
        server = self.serve_users()
        for header, status in ((None, 401), (basic("user", PASSWORD), 403), (basic("root", PASSWORD), 200)):
            self.assertStatus(server.request("GET", "/metrics", [header] if header else []), status)
        server = self.serve_users(more="public_metrics = true\n")
        self.assertStatus(server.request("GET", "/metrics"), 200)
        self.assertEqual(self.api(server), 401)

    def test_health_is_for_everybody(self):
        server = self.serve_users()
        for path in ("/healthz", "/readyz"):
            self.assertStatus(server.request("GET", path), 200)


if __name__ == "__main__":
    unittest.main()
