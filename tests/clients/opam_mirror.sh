#!/usr/bin/env bash
# opam's own tools beside ours: what it falls back to where our cache has nothing, a cache that it made, the index that it
# would make, and an export that it takes over.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/opam_mirror.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"
# shellcheck source=tests/support/opam.sh
source "${BASH_SOURCE[0]%/*}/../support/opam.sh"

slipway() { "$SLIPWAY_BIN" "$@" --server "http://$REGISTRY"; }

# index_of ARCHIVE: every file in it but `repo`, with its sum.
index_of() {
  local folder
  folder=$(mktemp -d "$SCRATCH/index.XXXXXX")
  tar -xzf "$1" -C "$folder"
  rm "$folder/repo" # which tells of the server, too
  (cd "$folder" && find . -type f -exec sha256sum {} + | sort -k 2)
}

fresh_switch() {
  opam switch remove test >/dev/null 2>&1 || true
  opam clean --download-cache >/dev/null 2>&1
  opam switch create test --empty >/dev/null 2>&1 || fail "no switch could be made"
}

prepare opam
use_opam
start_upstream
make_git git
for name in hello-1 lib-1; do source_archive "$name"; done
printf 'opam-version: "2.0"\nbrowse: "https://example.org/packages/"\n' >"$SCRATCH/git/repo"
package lib 1 lib-1 '' 'md5 sha256'
package hello 1 hello-1 'depends: ["lib" {>= "1"}]' 'sha512 md5'
mkdir -p "$SCRATCH/git/packages/lib/lib.1/files"
printf 'a patch, \0 and bytes\n' >"$SCRATCH/git/packages/lib/lib.1/files/fix.patch"
printf 'extra-files: ["fix.patch" "md5=%s"]\n' "$(md5sum "$SCRATCH/git/packages/lib/lib.1/files/fix.patch" | cut -c -32)" \
  >>"$SCRATCH/git/packages/lib/lib.1/opam"

# Sources on this machine are none that the server may fetch, so its cache stays empty until it is filled by hand.
cat >"$SCRATCH/opam.toml" <<CONFIG
[opam]
repositories = ["opam $SCRATCH/git"]
poll = "100ms"
CONFIG
export SLIPWAY_CONFIG=$SCRATCH/opam.toml
start_server http no
publish

step "where the cache has nothing, opam asks upstream"
opam_says 'Initialised' opam init --bare --no-setup --disable-sandboxing default "http://$REGISTRY/opam/"
fresh_switch
opam_says 'installed hello.1' opam install hello
[ "$(served 'path=/opam/cache/.* status=404 .*agent=opam/')" -ge 2 ] || fail "the cache was not asked first"
same "answers that are errors of ours" 0 "$(served ' status=5')"

step "the index has what opam admin index puts there"
git -C "$SCRATCH" clone --quiet git theirs
(cd "$SCRATCH/theirs" && opam admin index --minimal-urls-txt >"$SCRATCH/said" 2>&1) || fail "opam admin index: $(cat "$SCRATCH/said")"
registry_get /opam/index.tar.gz -o "$SCRATCH/index.tar.gz"
same "the index" "$(index_of "$SCRATCH/theirs/index.tar.gz")" "$(index_of "$SCRATCH/index.tar.gz")"

step "a cache made by opam admin cache fills ours"
(cd "$SCRATCH/theirs" && opam admin cache >"$SCRATCH/said" 2>&1) || fail "opam admin cache: $(cat "$SCRATCH/said")"
end_upstream
slipway opam import-cache opam "$SCRATCH/theirs/cache" >"$SCRATCH/said" 2>&1 || fail "import-cache: $(cat "$SCRATCH/said")"
tries=100
until [ "$(slipway opam sources opam --state missing --json | jq '.sources | length')" = 0 ]; do
  [ $((tries -= 1)) -gt 0 ] || fail "sources are still missing: $(slipway opam sources opam --state missing)"
  sleep 0.1
done
while IFS= read -r file; do
  registry_get "/opam/${file#"$SCRATCH/theirs/"}" -o "$SCRATCH/fetched" || fail "${file##*/} is not in our cache"
  cmp --quiet "$file" "$SCRATCH/fetched" || fail "${file##*/} is not what it was"
done < <(find "$SCRATCH/theirs/cache" -type f,l)
fresh_switch
opam_says 'installed hello.1' opam install hello

step "an export is served by any web server, and kept by opam's own tools"
slipway opam export opam "$SCRATCH/mirror" >"$SCRATCH/said" 2>&1 || fail "export: $(cat "$SCRATCH/said")"
stop_server
same "the exported index" "$(index_of "$SCRATCH/index.tar.gz")" "$(index_of "$SCRATCH/mirror/index.tar.gz")"
serve_folder "$SCRATCH/mirror" 0
opam_says 'Initialised' opam repository set-url default "$WEB"
fresh_switch
opam_says 'installed hello.1' opam install hello
find "$SCRATCH/mirror/cache" -type f,l | sort >"$SCRATCH/before"
(cd "$SCRATCH/mirror" && opam admin cache --no-repo-update >"$SCRATCH/said" 2>&1) || fail "opam admin cache: $(cat "$SCRATCH/said")"
same "the sources of the mirror" "$(cat "$SCRATCH/before")" "$(find "$SCRATCH/mirror/cache" -type f,l | sort)"
(cd "$SCRATCH/mirror" && opam admin index --minimal-urls-txt >"$SCRATCH/said" 2>&1) || fail "opam admin index: $(cat "$SCRATCH/said")"
same "its index made anew" "$(index_of "$SCRATCH/index.tar.gz")" "$(index_of "$SCRATCH/mirror/index.tar.gz")"
echo "opam's own tools: pass"
