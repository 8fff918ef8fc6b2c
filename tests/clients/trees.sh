#!/usr/bin/env bash
# Published trees and skopeo, oras, crane and regctl: each copies one to another slipway, which serves it the same.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/trees.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# Some follow no redirects to the tests' object store; crane.sh and regctl.sh say which.
export STREAMED=yes

# What of an answer's head has to be the same, besides its body.
readonly HEAD='%{http_code} %{content_type} %header{etag} %header{x-slipway-snapshot} %header{location} '\
'%header{cache-control} %header{content-encoding} %header{vary} %header{x-test} %header{content-length}\n'

# A site of some shards, with all that it can have: rules, variants, files that are the same, empty ones, strange names.
make_site() {
  local site=$1 number
  mkdir -p "$site"/{assets,deep/er/folder} "$site/ä é"
  cp -r "$SCRATCH/payload/large" "$SCRATCH/payload/small-amd64" "$site/"
  for number in $(seq 250); do
    echo "<title>page $number</title>" >"$site/deep/page-$number.html"
  done
  echo '<link rel="stylesheet" href="assets/style.css"><h1>home</h1>' | tee "$site/index.html" >"$site/same.html"
  for number in $(seq 200); do echo "body { margin: ${number}px }"; done >"$site/assets/style.css"
  gzip -kn "$site/assets/style.css"
  : >"$site/empty.txt"
  echo strange | tee "$site/ä é/100% & more?.html" >"$site/deep/er/folder/index.html"
  echo '{}' >"$site/assets/no-extension"
  echo 'not here' >"$site/404.html"
  printf '%s\n' '/old/* /deep/:splat 302' '/home / 301' '/app/* /index.html 200' >"$site/_redirects"
  printf '%s\n' '/deep/*' '  X-Test: deep' '/*.css' '  Cache-Control: public, max-age=60' >"$site/_headers"
}

# slipway COMMAND...: with the credentials and the certificates for the running registry.
slipway() {
  local flags=(--server "$SCHEME://$REGISTRY")
  [ "$SCHEME" = http ] || flags+=(--ca "$SCRATCH/trust/ca.crt")
  [ "$PROTECTED" = no ] || flags+=(--user "$USER_NAME:$USER_PASSWORD")
  "$SLIPWAY_BIN" "$@" "${flags[@]}"
}

# paths: what is asked for, encoded: each file of the site, and what is none.
paths() {
  slipway tree ls team/site --json | jq -r '.files[].path | split("/") | map(@uri) | join("/")' |
    grep -Ev '^_(redirects|headers)$'
  printf '%s\n' '' deep deep/er/folder deep/er/folder/ deep/page-7 old/page-8.html home app/some/where nothing \
    deep/nothing.html _redirects _headers @sha256:00/ "@$1/" "@$1/deep/page-9" "@$1/assets/style.css"
}

# answers FOLDER SNAPSHOT [curl's arguments]: keeps each path's answer in FOLDER: heads, one a line, in `heads`.
answers() {
  local folder=$1 flags=(--silent --show-error --path-as-is --cacert "$SCRATCH/trust/ca.crt") path number=0
  mkdir -p "$folder"
  [ "$PROTECTED" = no ] || flags+=(--user "$USER_NAME:$USER_PASSWORD")
  while read -r path; do
    printf 'url = "%s://%s/team/site/%s"\noutput = "%s/%s"\n' "$SCHEME" "$REGISTRY" "$path" "$folder" $((number += 1))
  done < <(paths "$2") >"$SCRATCH/urls"
  curl "${flags[@]}" "${@:3}" --write-out "$HEAD" --config "$SCRATCH/urls" >"$folder/heads"
  same "answers" "$number" "$(wc -l <"$folder/heads")"
}

# all_answers FOLDER SNAPSHOT: those with encodings, too.
all_answers() {
  answers "$1/plain" "$2"
  answers "$1/gzip" "$2" --header 'Accept-Encoding: gzip'
}

# With these, none of the clients is told who it is.
write_credentials() {
  local auth
  auth=$(printf '%s' "$USER_NAME:$USER_PASSWORD" | base64 -w0)
  jq -n --arg auth "$auth" --args '{auths: ($ARGS.positional | map({(.): {auth: $auth}}) | add)}' \
    "$REGISTRY" "$OTHER_REGISTRY" >"$DOCKER_CONFIG/config.json"
  [ "$PROTECTED" = yes ] || echo '{}' >"$DOCKER_CONFIG/config.json"
}

# copy_by_CLIENT: team/site:live to the other registry.
copy_by_skopeo() {
  skopeo copy --all --authfile "$DOCKER_CONFIG/config.json" "${TLS_FLAGS[@]/#--/--src-}" "${TLS_FLAGS[@]/#--/--dest-}" \
    "docker://$REGISTRY/team/site:live" "docker://$OTHER_REGISTRY/team/site:live"
}

copy_by_oras() {
  local flags=()
  [ "$SCHEME" = https ] || flags=(--from-plain-http --to-plain-http)
  oras cp "${flags[@]}" "$REGISTRY/team/site:live" "$OTHER_REGISTRY/team/site:live"
}

copy_by_crane() {
  local flags=()
  [ "$SCHEME" = https ] || flags=(--insecure)
  crane copy "${flags[@]}" "$REGISTRY/team/site:live" "$OTHER_REGISTRY/team/site:live"
}

copy_by_regctl() {
  local flags=(--tls disabled) registry
  [ "$SCHEME" = http ] || flags=(--tls enabled --cacert "$(<"$SCRATCH/trust/ca.crt")")
  for registry in "$REGISTRY" "$OTHER_REGISTRY"; do regctl registry set "$registry" "${flags[@]}" --skip-check; done
  regctl image copy "$REGISTRY/team/site:live" "$OTHER_REGISTRY/team/site:live"
}

check_trees() {
  local first shards
  set_tls_flags
  trust_registry
  rm -rf "$SCRATCH/here" "$SCRATCH/site"
  make_site "$SCRATCH/site"
  step "a folder is published"
  first=$(slipway publish "$SCRATCH/site" team/site --json | jq -r .digest)
  same "digest by curl" "$first" "$(get_manifest team/site live | digest)"
  shards=$(get_manifest team/site live | jq '.manifests | length')
  [ "$shards" -gt 2 ] || fail "there are too few shards"
  slipway publish "$SCRATCH/site" team/site@staging >/dev/null
  all_answers "$SCRATCH/here" "$first"
  answers_are_what_they_should_be
  for client in skopeo oras crane regctl; do
    copy_serves_the_same "$client"
  done
}

# What is compared below has to be worth it.
answers_are_what_they_should_be() {
  local heads=$SCRATCH/here/plain/heads
  same "files that are there" "$(($(find "$SCRATCH/site" -type f | wc -l) - 2 + 7))" "$(grep -c '^200 ' "$heads")"
  same "redirects" 3 "$(grep -c '^30[12] ' "$heads")"
  same "paths that are not there" 6 "$(grep -c '^404 ' "$heads")"
  same "answers with a header of the rules" 257 "$(grep -c ' deep [0-9]*$' "$heads")"
  same "variants" 2 "$(grep -c ' gzip Accept-Encoding ' "$SCRATCH/here/gzip/heads")"
}

# copy_serves_the_same CLIENT: to an empty registry.
copy_serves_the_same() {
  local client=$1 there=$SCRATCH/there
  step "what $client copies is the same tree, and served the same"
  rm -rf "$there" "$SCRATCH/fetched"
  start_other_server
  write_credentials
  "copy_by_$client" >"$SCRATCH/copy.log" 2>&1 || fail "$client: $(tail -n 5 "$SCRATCH/copy.log")"
  slipway tree ls team/site --json >"$SCRATCH/here.json"
  REGISTRY=$OTHER_REGISTRY slipway tree ls team/site --json >"$SCRATCH/there.json"
  cmp "$SCRATCH/here.json" "$SCRATCH/there.json"
  REGISTRY=$OTHER_REGISTRY all_answers "$there" "$first"
  diff -r "$SCRATCH/here" "$there" >"$SCRATCH/differences" ||
    fail "$client's copy is served differently: $(head -n 20 "$SCRATCH/differences")"
  REGISTRY=$OTHER_REGISTRY copy_is_a_tree_as_any_other
  stop_other_server
}

# Commands know it: it can be fetched, it is what would be published here, it takes the next change for a few objects.
copy_is_a_tree_as_any_other() {
  local published
  same "digest by curl" "$first" "$(get_manifest team/site live | digest)"
  slipway tree get team/site "$SCRATCH/fetched" >/dev/null
  diff -r "$SCRATCH/site" "$SCRATCH/fetched" || fail "what was fetched differs from what was published"
  published=$(slipway publish "$SCRATCH/site" team/site --json)
  same "publishing it again" "false 0" "$(jq -r '"\(.moved) \(.sent_objects)"' <<<"$published")"
  published=$(slipway publish "$SCRATCH/site" team/site@again --check-all --json)
  # Manifests only: that it lacks no file is asked.
  same "publishing all of it again" "$first $((shards + 1))" \
    "$(jq -r '"\(.digest) \(.sent_objects)"' <<<"$published")"
  same "differences" "" "$(slipway tree diff team/site again)"
  cp -r "$SCRATCH/fetched" "$SCRATCH/changed"
  echo changed >"$SCRATCH/changed/deep/page-1.html"
  published=$(slipway publish "$SCRATCH/changed" team/site --json)
  rm -r "$SCRATCH/changed"
  same "publishing one change" "$first 4" "$(jq -r '"\(.from) \(.sent_objects)"' <<<"$published")"
  same "the change" "~ deep/page-1.html" "$(slipway tree diff "team/site@$first" live)"
}

for client in oras crane regctl; do need_built_client "$client"; done # while the home is the caller's
prepare skopeo
isolate_containers_tools
isolate_go_clients
on_every_server check_trees
echo "trees: pass"
