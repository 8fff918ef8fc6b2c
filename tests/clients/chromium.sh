#!/usr/bin/env bash
# Chromium against slipway: pages of a published site work as they do elsewhere; headless, and asked what its DOM became.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/chromium.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# What each page has: a script that writes its findings into the page, one element each, and an inline one, which says
# that it ran. `said` reads them.
page() {
  cat <<END
<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>$1</title>
<link rel="stylesheet" href="/site/assets/style.css">
<script>document.documentElement.setAttribute("data-inline", "ran")</script>
<script src="/site/assets/packed.js"></script>
<script src="/site/assets/squeezed.js"></script>
<script type="module" src="/site/assets/module.mjs"></script>
</head><body><h1>$1</h1><img id="image" src="/site/assets/image.svg"></body></html>
END
}

make_site() {
  local site=$1
  rm -rf "$site"
  mkdir -p "$site"/{assets,data,free,deep}
  page "home $2" >"$site/index.html"
  page "free" >"$site/free/index.html"
  page "not here" >"$site/404.html"
  echo '<h1>not here either</h1>' >"$site/deep/404.html"
  echo 'body { color: rgb(1, 2, 3) }' >"$site/assets/style.css"
  echo '<svg xmlns="http://www.w3.org/2000/svg" width="31" height="17"/>' >"$site/assets/image.svg"
  echo "{\"greeting\": \"Grüße $2\"}" >"$site/data/greeting.json"
  printf '\0asm\1\0\0\0' >"$site/assets/empty.wasm"
  echo 'export const immutable = true' >"$site/assets/kept.3f2a91bc.mjs"
  {
    echo 'function say(name, value) {
      const element = document.createElement("p")
      element.textContent = name + " is " + value
      document.body.append(element)
    }'
    seq 3000 | sed 's/^/\/\/ /'
  } >"$site/assets/packed.js"
  { echo 'const squeezed = "unpacked"'; seq 5000 | sed 's/^/\/\/ /'; } >"$site/assets/squeezed.js"
  gzip -kn9 "$site/assets/packed.js"
  brotli -k "$site/assets/squeezed.js"
  cat >"$site/assets/module.mjs" <<'END'
import { immutable } from "./kept.3f2a91bc.mjs"

// Credentials in the page's address are no part of it.
const load = (path, options) => fetch(location.origin + path, options)
const sizes = name => {
  const entry = performance.getEntriesByType("resource").find(entry => entry.name.endsWith("/assets/" + name))
  return entry.encodedBodySize + " of " + entry.decodedBodySize
}
const answers = {
  "plain": ["/site/data/greeting.json"],
  "redirected": ["/site/old/greeting.json?a=b"],
  "absent": ["/site/nothing"],
  "absent in a folder": ["/site/deep/er/nothing"],
  "hidden": ["/site/_headers"],
  "again": ["/site/data/greeting.json", { cache: "no-cache" }],
}
for (const [name, [url, options]] of Object.entries(answers)) {
  const answer = await load(url, options)
  const text = (await answer.text()).match(/Grüße [a-z]+|not here either|not here/)
  const from = answer.headers.get("X-Slipway-Snapshot")
  say(name, `${answer.status} ${answer.redirected} ${new URL(answer.url).pathname} ${text}`)
  say("snapshot of " + name, from)
}
const part = await load("/site/assets/squeezed.js", { headers: { Range: "bytes=0-13" }, cache: "no-store" })
say("part", `${part.status} ${await part.text()}`)
const program = await WebAssembly.instantiateStreaming(load("/site/assets/empty.wasm"))
say("program", program.instance instanceof WebAssembly.Instance)
const head = await load("/site/", { method: "HEAD" })
say("rule", head.headers.get("X-Site"))
say("colour", getComputedStyle(document.body).color)
say("image", document.getElementById("image").naturalWidth)
say("import", immutable)
say("squeezed", squeezed)
say("size of packed", sizes("packed.js"))
say("size of squeezed", sizes("squeezed.js"))
say("place", location.pathname)
say("last", "the end")
END
  printf '%s\n' '/old/* /data/:splat 302' '/home / 301' '/app/* /index.html 200' >"$site/_redirects"
  printf '%s\n' '/*' "  Content-Security-Policy: script-src 'self' 'wasm-unsafe-eval'" '  X-Site: yes' \
    '/free/*' '  ! Content-Security-Policy' >"$site/_headers"
}

slipway() {
  local flags=(--server "$SCHEME://$REGISTRY")
  [ "$SCHEME" = http ] || flags+=(--ca "$SCRATCH/trust/ca.crt")
  [ "$PROTECTED" = no ] || flags+=(--user "$USER_NAME:$USER_PASSWORD")
  "$SLIPWAY_BIN" "$@" "${flags[@]}"
}

# browse PATH: loads a page and all that belongs to it, and keeps in $SCRATCH/dom what has become of it. Whoever wants a new
# cache removes the profile.
browse() {
  local flags=() credentials=
  # Of all certificates that no authority of Chromium's own has signed, it takes ours.
  [ "$SCHEME" = http ] || flags=("--ignore-certificate-errors-spki-list=$(
    openssl x509 -in "$SCRATCH/pki/server.crt" -pubkey -noout | openssl pkey -pubin -outform der |
      openssl dgst -sha256 -binary | base64)")
  [ "$PROTECTED" = no ] || credentials=$(jq -rn --arg name "$USER_NAME" --arg word "$USER_PASSWORD" \
    '"\($name | @uri):\($word | @uri)@"')
  # In virtual time waiting costs nothing, and there is none while something is being loaded.
  timeout 120 chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run \
    --disable-background-networking --disable-component-update --disable-extensions --disable-sync --no-proxy-server \
    --user-data-dir="$SCRATCH/profile" --virtual-time-budget=20000 "${flags[@]}" --dump-dom \
    "$SCHEME://$credentials$REGISTRY$1" >"$SCRATCH/dom" 2>"$SCRATCH/chromium.log" ||
    fail "chromium $1: $(tail -n 5 "$SCRATCH/chromium.log")"
}

# said NAME: what the script found, and nothing if it did not get so far.
said() { sed -n "s/.*<p>$1 is \([^<]*\)<\/p>.*/\1/p" <(sed 's/<p>/\n<p>/g' "$SCRATCH/dom"); }

title() { sed -n 's/.*<h1>\([^<]*\)<\/h1>.*/\1/p' "$SCRATCH/dom"; }

# inline_script_ran yes|no: and the others ran in any case.
inline_script_ran() {
  local ran=no
  same "last words of $2" "the end" "$(said last)"
  ! grep -q '<html data-inline="ran"' "$SCRATCH/dom" || ran=yes
  same "inline scripts that ran in $2" "$1" "$ran"
}

check_chromium() {
  local first second
  rm -rf "$SCRATCH/profile"
  make_site "$SCRATCH/site" eins
  first=$(slipway publish "$SCRATCH/site" site --json | jq -r .digest)
  page_works
  rules_are_heard
  absent_pages_are_shown
  snapshots_are_kept_apart
}

page_works() {
  local site=$SCRATCH/site/assets name
  step "a page works, with its style sheet, scripts, image, variants and program"
  browse /site/
  same "title" "home eins" "$(title)"
  same "file" "200 false /site/data/greeting.json Grüße eins" "$(said plain)"
  same "file that is asked for again" "200 false /site/data/greeting.json Grüße eins" "$(said again)"
  same "answers that it is what it was" 1 "$(served 'path=/site/data/greeting.json status=304')"
  same "part" "206 const squeezed" "$(said part)"
  same "program" true "$(said program)"
  same "colour" "rgb(1, 2, 3)" "$(said colour)"
  same "image" 31 "$(said image)"
  same "import" true "$(said import)"
  same "squeezed" unpacked "$(said squeezed)"
  same "bytes of a script that is gzipped" "$(stat -c %s "$site/packed.js.gz") of $(stat -c %s "$site/packed.js")" \
    "$(said 'size of packed')"
  # Without TLS it takes brotli from itself only.
  same "bytes of a script that is squeezed" "$(stat -c %s "$site/squeezed.js.br") of $(stat -c %s "$site/squeezed.js")" \
    "$(said 'size of squeezed')"
  for name in plain redirected absent "absent in a folder" again; do
    same "snapshot of $name" "$first" "$(said "snapshot of $name")"
  done
}

rules_are_heard() {
  step "rules are heard: redirects, rewrites, headers, among them a policy that keeps inline scripts from running"
  inline_script_ran no "the home page"
  same "rule" yes "$(said rule)"
  same "redirect of a file" "200 true /site/data/greeting.json Grüße eins" "$(said redirected)"
  same "the rules' own file" "404 false /site/_headers not here" "$(said hidden)"
  browse /site/free
  same "title" free "$(title)"
  same "place, redirected to the folder" /site/free/ "$(said place)"
  inline_script_ran yes "a page without the policy"
  browse /site/home
  same "title" "home eins" "$(title)"
  same "place, redirected by a rule" /site/ "$(said place)"
  browse /site/app/some/where
  same "title" "home eins" "$(title)"
  same "place, with another page's content" /site/app/some/where "$(said place)"
  # What is named by what is in it was asked for once in four pages.
  same "requests of what never changes" 1 "$(served 'path=/site/assets/kept.3f2a91bc.mjs ')"
}

absent_pages_are_shown() {
  step "what is not there has a page"
  same "absent" "404 false /site/nothing not here" "$(said absent)"
  same "absent in a folder" "404 false /site/deep/er/nothing not here either" "$(said 'absent in a folder')"
  browse /site/nothing
  same "title" "not here" "$(title)"
  inline_script_ran no "the page of what is not there"
  browse /site/deep/er/nothing
  same "title" "not here either" "$(title)"
}

snapshots_are_kept_apart() {
  step "a page that changes is seen at once, in a cache that knows the old one; the old one stays at its snapshot"
  make_site "$SCRATCH/site" zwei
  second=$(slipway publish "$SCRATCH/site" site --json | jq -r .digest)
  browse /site/
  same "title" "home zwei" "$(title)"
  same "file" "200 false /site/data/greeting.json Grüße zwei" "$(said plain)"
  same "snapshot" "$second" "$(said 'snapshot of plain')"
  browse "/site/@$first/"
  same "title" "home eins" "$(title)"
  browse "/site/@$first/data/greeting.json"
  grep -q 'Grüße eins' "$SCRATCH/dom" || fail "the snapshot has: $(cat "$SCRATCH/dom")"
  slipway rollback site >/dev/null
  browse /site/
  same "title" "home eins" "$(title)"
  same "file" "200 false /site/data/greeting.json Grüße eins" "$(said plain)"
}

prepare chromium
command -v brotli >/dev/null || fail "this test needs brotli"
on_every_server check_chromium
echo "chromium: pass"
