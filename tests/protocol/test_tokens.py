"""The Docker token protocol, as docker and its kin speak it."""

import re
import unittest
from urllib.parse import quote

from slipway_server import basic, eventually
from test_access import HASHES, PASSWORD, AccessCase, hash_of


def bearer(token):
    return ("Authorization", f"Bearer {token}")


class TokensCase(AccessCase):
    def challenge(self, answer):
        """The parameters of a Bearer challenge."""
        self.assertStatus(answer, 401, "UNAUTHORIZED")
        self.assertTrue(answer["WWW-Authenticate"].startswith("Bearer "), answer)
        return dict(re.findall(r'(\w+)="([^"]*)"', answer["WWW-Authenticate"]))

    def ask(self, server, *scopes, headers=(), query=""):
        target = "/v2/token?service=slipway" + "".join("&scope=" + quote(scope, "") for scope in scopes) + query
        return server.request("GET", target, headers)

    def token(self, server, *scopes, headers=()):
        answer = self.assertStatus(self.ask(server, *scopes, headers=headers), 200)
        given = answer.json()
        self.assertEqual(given["token"], given["access_token"])
        self.assertGreaterEqual(given["expires_in"], 60)
        self.assertRegex(given["issued_at"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        self.assertEqual(answer["Cache-Control"], "no-store")
        return bearer(given["token"])

    user = basic("user", PASSWORD)


class TokensTest(TokensCase):
    def test_the_way_of_docker(self):
        server = self.serve_users()
        asked = self.challenge(server.request("GET", "/v2/"))
        self.assertEqual(asked["service"], "slipway")
        self.assertEqual(asked["realm"], "http://registry/v2/token")
        asked = self.challenge(server.request("POST", "/v2/way/blobs/uploads/", body=b""))
        self.assertEqual(asked["scope"], "repository:way:pull,push")
        token = self.token(server, asked["scope"], headers=[self.user])
        content = server.push_image("way", "tag", headers=[token])
        self.assertEqual(server.request("GET", "/v2/way/manifests/tag", [token]).body, content)
        eventually(lambda: server.log_lines("route=manifest.put", "user=user "), "the user in the log")

    def test_docker_login(self):
        server = self.serve_users()
        target = "/v2/token?account=user&client_id=docker&offline_token=true&service=slipway"
        given = self.assertStatus(server.request("GET", target, [self.user]), 200).json()
        self.assertNotIn("refresh_token", given)
        self.assertStatus(server.request("GET", "/v2/", [bearer(given["token"])]), 200)
        for wrong in (basic("user", "wrong"), basic("nobody", PASSWORD)):
            self.assertStatus(server.request("GET", target, [wrong]), 401, "UNAUTHORIZED")

    def test_a_token_is_good_for_its_scope(self):
        server = self.serve_users()
        server.push_image("one", "tag", headers=[self.user])
        server.push_image("two", "tag", headers=[self.user])
        token = self.token(server, "repository:one:pull", headers=[self.user])
        self.assertStatus(server.request("GET", "/v2/one/manifests/tag", [token]), 200)
        asked = self.challenge(server.request("GET", "/v2/two/manifests/tag", [token]))
        self.assertEqual((asked["error"], asked["scope"]), ("insufficient_scope", "repository:two:pull"))
        asked = self.challenge(server.request("DELETE", "/v2/one/manifests/tag", [token]))
        self.assertEqual(asked["scope"], "repository:one:delete")
        both = self.token(server, "repository:one:delete repository:two:pull", headers=[self.user])
        self.assertStatus(server.request("GET", "/v2/two/manifests/tag", [both]), 200)
        self.assertStatus(server.request("DELETE", "/v2/one/manifests/tag", [both]), 202)
        several = self.token(server, "repository:one:*", "repository:two:*", headers=[self.user])
        self.assertStatus(server.request("DELETE", "/v2/two/manifests/tag", [several]), 202)

    def test_anonymous_pulls_with_a_token_where_anonymous_may(self):
        server = self.serve_users(anonymous="pull")
        server.push_image("open", "tag", headers=[self.user])
        self.challenge(server.request("GET", "/v2/"))
        token = self.token(server, "repository:open:pull,push")
        self.assertStatus(server.request("GET", "/v2/", [token]), 200)
        self.assertStatus(server.request("GET", "/v2/open/manifests/tag", [token]), 200)
        asked = self.challenge(server.request("POST", "/v2/open/blobs/uploads/", [token], b""))
        self.assertEqual(asked["scope"], "repository:open:pull,push")  # logging in would help

    def test_anonymous_gets_a_token_for_nothing_where_it_may_nothing(self):
        server = self.serve_users()
        server.push_image("shut", "tag", headers=[self.user])
        token = self.token(server, "repository:shut:pull")
        self.challenge(server.request("GET", "/v2/shut/manifests/tag", [token]))

    def test_the_list_of_repositories(self):
        server = self.serve_users()
        server.push_image("listed", "tag", headers=[self.user])
        asked = self.challenge(server.request("GET", "/v2/_catalog"))
        self.assertEqual(asked["scope"], "registry:catalog:*")
        token = self.token(server, asked["scope"], headers=[self.user])
        self.assertEqual(server.request("GET", "/v2/_catalog", [token]).json(), {"repositories": ["listed"]})

    def test_mounting_needs_both_names(self):
        server = self.serve_users()
        blob = b"mounted"
        digest = server.push_blob("from", blob, [self.user])
        scopes = "repository:to:pull,push repository:from:pull"
        half = self.token(server, "repository:to:pull,push", headers=[self.user])
        mount = f"/v2/to/blobs/uploads/?mount={digest}"
        self.assertStatus(server.request("POST", mount, [half], b""), 202)
        for headers in ([half], []):  # clients follow one challenge only: it must ask for all at once
            asked = self.challenge(server.request("POST", f"{mount}&from=from", headers, b""))
            self.assertEqual(asked["scope"], scopes)
        for space in ("%20", "+"):  # Go's url.Values writes a plus
            target = "/v2/token?scope=" + quote(scopes, "").replace("%20", space)
            given = self.assertStatus(server.request("GET", target, [self.user]), 200).json()
            answer = server.request("POST", f"{mount}&from=from", [bearer(given["token"])], b"")
            self.assertStatus(answer, 201)
        whole = self.token(server, "repository:to:pull,push", "repository:from:pull", headers=[self.user])
        for source in ("&from=from", ""):
            answer = server.request("POST", f"/v2/to/blobs/uploads/?mount={digest}{source}", [whole], b"")
            self.assertStatus(answer, 201)

    def test_bad_tokens(self):
        server = self.serve_users(anonymous="all")
        good = self.token(server, "repository:a:pull", headers=[self.user])[1]
        for token in (good[:-2], good + "A", good.replace(".", ".."), "Bearer ", "Bearer a.b.c", "Bearer " + "x" * 20000,
                      "Bearer eyJhbGciOiJub25lIn0.e30."):
            asked = self.challenge(server.request("GET", "/v2/", [("Authorization", token)]))
            self.assertEqual(asked["error"], "invalid_token")

    def test_a_token_gives_no_token(self):
        server = self.serve_users()
        token = self.token(server, "repository:a:pull", headers=[self.user])
        self.assertStatus(self.ask(server, "repository:a:push", headers=[token]), 403, "DENIED")

    def test_odd_scopes_are_passed_over(self):
        server = self.serve_users()
        odd = ("", ":", "repository", "repository:a", "repository:UPPER:pull", "repository:../x:pull", "plugin:a:pull",
               "repository:a:fly", "x" * 5000)
        token = self.token(server, *odd, "repository:a:pull", headers=[self.user])
        self.assertStatus(server.request("GET", "/v2/a/tags/list", [token]), 404, "NAME_UNKNOWN")
        many = " ".join(f"repository:r{number}:pull" for number in range(1000))
        token = self.token(server, many, headers=[self.user])
        self.assertLess(len(token[1]), 16_000)

    def test_expiry_and_restart(self):
        server = self.serve_users("token_lifetime = \"2s\"\n")
        given = self.assertStatus(self.ask(server, "repository:a:pull", headers=[self.user]), 200).json()
        token = bearer(given["token"])
        self.assertEqual(given["expires_in"], 2)
        self.assertStatus(server.request("GET", "/v2/", [token]), 200)
        server.kill()
        server.start()  # the key outlives the process
        self.assertIn(server.request("GET", "/v2/", [token]).status, (200, 401))
        eventually(lambda: server.request("GET", "/v2/", [token]).status == 401, "the token's end")

    def test_a_user_who_is_gone(self):
        server = self.serve_users()
        token = self.token(server, headers=[self.user])
        self.assertStatus(server.request("GET", "/v2/", [token]), 200)
        self.users(self.path.parent, late=hash_of("later"))
        eventually(lambda: server.request("GET", "/v2/", [token]).status == 401, "the end of the user")

    def test_tokens_do_not_administer(self):
        server = self.serve_users()
        self.users(self.path.parent, user=HASHES["user"], root=hash_of("root"))
        root = basic("root", "root")
        eventually(lambda: server.request("GET", "/api/v1/repo/ls", [root]).status == 200, "root")
        token = self.token(server, "registry:catalog:*", headers=[root])
        self.assertStatus(server.request("GET", "/api/v1/repo/ls", [token]), 403)

    def test_other_methods(self):
        server = self.serve_users()
        answer = self.assertStatus(server.request("POST", "/v2/token", [self.user], b"grant_type=password"), 405)
        self.assertEqual(answer["Allow"], "GET")

    def test_where_to_ask(self):
        server = self.serve_users()
        for host in ("localhost:5000", "[::1]:5000", "registry.example.org"):
            asked = self.challenge(server.request("GET", "/v2/", [("Host", host)]))
            self.assertEqual(asked["realm"], f"http://{host}/v2/token")
        for host in ('a"b', "a,b", "a b"):  # no host: nothing of it may reach the challenge
            answer = self.assertStatus(server.request("GET", "/v2/", [("Host", host)]), 401)
            self.assertTrue(answer["WWW-Authenticate"].startswith("Basic "), answer)
        forwarded = [("X-Forwarded-Host", "public.example"), ("X-Forwarded-Proto", "https")]
        self.assertEqual(self.challenge(server.request("GET", "/v2/", forwarded))["realm"], "http://registry/v2/token")

    def test_where_to_ask_behind_a_proxy(self):
        path = self.users(self.folder())
        server = self.serve(f'[access]\nhtpasswd = "{path}"\n[server]\nproxies = ["127.0.0.1"]\n')
        forwarded = [("X-Forwarded-Host", "public.example"), ("X-Forwarded-Proto", "https")]
        self.assertEqual(self.challenge(server.request("GET", "/v2/", forwarded))["realm"],
                         "https://public.example/v2/token")
        server = self.serve(f'[access]\nhtpasswd = "{path}"\n[server]\nurl = "https://stated.example:444"\n')
        self.assertEqual(self.challenge(server.request("GET", "/v2/", forwarded))["realm"],
                         "https://stated.example:444/v2/token")

    def test_basic_challenges_where_they_are_wanted(self):
        server = self.serve_users('challenge = "basic"\n')
        for target in ("/v2/", "/v2/a/tags/list"):
            answer = self.assertStatus(server.request("GET", target), 401, "UNAUTHORIZED")
            self.assertTrue(answer["WWW-Authenticate"].startswith('Basic realm="'), answer)
        token = self.token(server, "repository:a:pull", headers=[self.user])  # given to who asks all the same
        self.assertStatus(server.request("GET", "/v2/", [token]), 200)

    def test_a_repository_called_token(self):
        server = self.serve_users()
        content = server.push_image("token", "tag", headers=[self.user])
        self.assertEqual(server.request("GET", "/v2/token/manifests/tag", [self.user]).body, content)


if __name__ == "__main__":
    unittest.main()
