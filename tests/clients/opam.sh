#!/usr/bin/env bash
# The real opam against an opam repository that slipway makes of a git repository: init, install from the cache while
# upstream is down, update, upgrade, what the repository announces, and another repository that it sends its clients to.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/opam.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"
# shellcheck source=tests/support/opam.sh
source "${BASH_SOURCE[0]%/*}/../support/opam.sh"

installed() { opam list --installed --short --columns=package | sort | tr '\n' ' '; }

prepare opam
use_opam
start_upstream
make_git git
for name in hello-1 hello-2 lib-1; do source_archive "$name"; done
cat >"$SCRATCH/git/repo" <<'REPO'
opam-version: "2.0"
announce: ["read the news about opam" {opam-version >= "2.0"} "not for you" {opam-version < "2.0"}]
REPO
echo 'hello from an extra source' >"$SCRATCH/upstream/extra.txt"
package lib 1 lib-1 '' 'md5 sha256'
package hello 1 hello-1 'depends: ["lib" {>= "1"}]' 'sha512 md5'
package extra 1 lib-1 "extra-source \"extra.txt\" { src: \"$UPSTREAM/extra.txt\"
  checksum: \"sha256=$(sha256sum "$SCRATCH/upstream/extra.txt" | cut -c -64)\" }"

cat >"$SCRATCH/opam.toml" <<CONFIG
[opam]
repositories = ["opam $SCRATCH/git", "old $SCRATCH/old"]
poll = "100ms"
private_sources = true
CONFIG
export SLIPWAY_CONFIG=$SCRATCH/opam.toml
start_server http no
publish

for name in hello-1.tar.gz lib-1.tar.gz extra.txt; do kept "$name"; done
end_upstream

step "opam init, install from the cache alone"
opam_says 'read the news about opam' opam init --bare --no-setup --disable-sandboxing default "http://$REGISTRY/opam/"
opam switch create test --empty >/dev/null 2>&1
opam_says 'installed hello.1' opam install hello
opam_says 'installed extra.1' opam install extra
same "what is installed" "extra.1 hello.1 lib.1 " "$(installed)"
same "a file of it" "hello of hello-1" "$(cat "$OPAMROOT/test/share/hello/hello.txt")"
for name in md5 sha256 sha512; do
  [ "$(served "path=/opam/cache/$name/.* status=200 .*agent=opam/")" -gt 0 ] || fail "nothing was asked for by its $name"
done

step "a source stays when its package goes"
git -C "$SCRATCH/git" rm -rq packages/extra
publish
opam_says 'synchronised' opam update
kept extra.txt
start_upstream

step "opam update: nothing new, then a version, then one less"
opam_says 'no changes from' opam update
package hello 2 hello-2 'depends: ["lib"]'
publish
opam_says 'synchronised' opam update
opam_says 'upgrade +hello 1 to 2' opam upgrade
same "what is installed" "hello.2 lib.1 " "$(installed)"
git -C "$SCRATCH/git" rm -rq packages/hello/hello.2
publish
opam update >/dev/null 2>&1 || fail "opam update failed"
same "the versions there are" "hello.1" "$(opam list --all-versions --short --columns=package --repos=default hello)"

step "a source that is not what its checksum says is refused"
source_archive bad-1
package bad 1 bad-1
echo other >>"$SCRATCH/upstream/bad-1.tar.gz"
publish
opam update >/dev/null 2>&1
refused 'checksum|mismatch' opam install bad
grep -q 'a source cannot be had .*bad-1.tar.gz has sha256' "$SERVER_LOG" || fail "the server does not tell of it"

step "a repository that sends its clients elsewhere"
make_git old
mkdir -p "$SCRATCH/old/packages/relic/relic.1"
printf 'opam-version: "2.0"\n' >"$SCRATCH/old/packages/relic/relic.1/opam"
printf 'opam-version: "2.0"\nredirect: ["http://%s/opam" {opam-version >= "2.0"}]\n' "$REGISTRY" >"$SCRATCH/old/repo"
git -C "$SCRATCH/old" add --all
git -C "$SCRATCH/old" commit --quiet --message old
tries=300
until registry_get /old/repo >/dev/null 2>&1; do
  [ $((tries -= 1)) -gt 0 ] || fail "the other repository was not live after 30 seconds"
  sleep 0.1
done
opam_says 'has been moved|redirect|permanently' opam repository add moved "http://$REGISTRY/old" --this-switch
opam repository list --all | grep -Eq "moved +http://$REGISTRY/opam" || fail "opam was not sent on: $(opam repository list --all)"

step "opam asked for nothing but index.tar.gz and sources"
[ "$(served 'path=/opam/index.tar.gz status=200 .*agent=opam/')" -ge 4 ] || fail "the index was not asked for"
same "answers that are errors of ours" 0 "$(served ' status=5')"
