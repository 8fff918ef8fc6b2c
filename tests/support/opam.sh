# shellcheck shell=bash
# What the tests of opam repositories share: sources upstream, packages in a git repository, and when they are live.
# Sourced after clients.sh.

UPSTREAM=:0 # where sources are
UPSTREAM_PID=
WEB=
WEB_PIDS=() # the last is the newest
COMMITS=0
EXIT_HOOKS+=(end_webs)

# use_opam: opam's own root below SCRATCH, and answers that scripts can read.
use_opam() {
  export OPAMROOT=$SCRATCH/opam OPAMROOTISOK=1 OPAMYES=1 OPAMCOLOR=never OPAMUTF8=never OPAMNOENVNOTICE=1 OPAMRETRIES=1
  mkdir -p "$HOME"
}

# serve_folder FOLDER PORT: a plain web server of that folder; WEB is where. Port 0 is any.
serve_folder() {
  local tries=100 log=$SCRATCH/web-${#WEB_PIDS[@]}.log
  : >"$log"
  python3 -u -m http.server "$2" --bind 127.0.0.1 --directory "$1" >"$log" 2>&1 &
  WEB_PIDS+=($!)
  until grep -q 'Serving HTTP' "$log"; do
    [ $((tries -= 1)) -gt 0 ] || fail "the web server of $1 was not ready after 10 seconds"
    sleep 0.1
  done
  WEB=http://127.0.0.1:$(sed -nE 's/.* port ([0-9]+).*/\1/p' "$log")
}

end_web() { # end_web PID
  kill "$1" 2>/dev/null || return 0
  wait "$1" || true # it has no way to end well
}

end_webs() {
  local pid
  for pid in "${WEB_PIDS[@]}"; do end_web "$pid"; done
}

# start_upstream: serves what is in upstream/ at UPSTREAM; the next one where it was before.
start_upstream() {
  mkdir -p "$SCRATCH/upstream"
  serve_folder "$SCRATCH/upstream" "${UPSTREAM##*:}"
  UPSTREAM=$WEB UPSTREAM_PID=${WEB_PIDS[-1]}
}

end_upstream() { end_web "$UPSTREAM_PID"; }

# kept FILE: waits until the repository has that of upstream's.
kept() {
  local tries=300 sum
  sum=$(sha256sum "$SCRATCH/upstream/$1" | cut -c -64)
  until registry_get "/opam/cache/sha256/${sum:0:2}/$sum" -o /dev/null 2>/dev/null; do
    [ $((tries -= 1)) -gt 0 ] || fail "$1 was not in the cache after 30 seconds"
    sleep 0.1
  done
}

# source_archive NAME: puts NAME.tar.gz upstream.
source_archive() {
  mkdir -p "$SCRATCH/sources/$1"
  echo "hello of $1" >"$SCRATCH/sources/$1/hello.txt"
  tar -C "$SCRATCH/sources" --sort=name --mtime=@0 --owner=0 --group=0 -czf "$SCRATCH/upstream/$1.tar.gz" "$1"
}

# package NAME VERSION ARCHIVE [FIELDS [CHECKSUMS]]
package() {
  local folder=$SCRATCH/git/packages/$1/$1.$2 algorithm sums=()
  for algorithm in ${5:-sha256}; do
    sums+=("\"$algorithm=$("${algorithm}sum" "$SCRATCH/upstream/$3.tar.gz" | cut -d ' ' -f 1)\"")
  done
  mkdir -p "$folder"
  cat >"$folder/opam" <<OPAM
opam-version: "2.0"
maintainer: "test@example.org"
synopsis: "test package $1"
install: [["mkdir" "-p" "%{share}%/$1"] ["cp" "hello.txt" "%{share}%/$1/hello.txt"]]
${4:-}
url {
  src: "$UPSTREAM/$3.tar.gz"
  checksum: [ ${sums[*]} ]
}
OPAM
}

# make_git NAME: an empty git repository of that name.
make_git() {
  git -C "$SCRATCH" init --quiet --initial-branch=main "$1"
  git -C "$SCRATCH/$1" config user.name n
  git -C "$SCRATCH/$1" config user.email e@example.org
}

commit() {
  git -C "$SCRATCH/git" add --all
  git -C "$SCRATCH/git" commit --quiet --message "commit $((COMMITS += 1))"
}

# publish: commits what there is, and waits until it is live.
publish() {
  local tries=300 commit
  commit
  commit=$(git -C "$SCRATCH/git" rev-parse HEAD)
  until registry_get /opam/repo 2>/dev/null | grep -q "stamp: \"$commit\""; do
    [ $((tries -= 1)) -gt 0 ] || fail "commit $COMMITS was not live after 30 seconds"
    sleep 0.1
  done
}

# opam_says PATTERN COMMAND...: it ends well, and says something that matches.
opam_says() {
  local pattern=$1 output
  shift
  output=$("$@" 2>&1) || fail "$* failed: $output"
  grep -Eq -- "$pattern" <<<"$output" || fail "$* does not say '$pattern': $output"
}
