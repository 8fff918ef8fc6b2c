#!/usr/bin/env bash
# skopeo against slipway: images and indexes go there and come back with the same bytes.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/skopeo.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# copy SOURCE DESTINATION [skopeo's flags]; what it prints is kept in copy.log, requests included.
copy() {
  # TLS_FLAGS for both ends; skopeo ignores those of an end that is not a registry.
  skopeo --debug copy "${TLS_FLAGS[@]/#--/--src-}" "${TLS_FLAGS[@]/#--/--dest-}" "${@:3}" "$1" "$2" \
    >"$SCRATCH/copy.log" 2>&1 || fail "skopeo copy $*: $(tail -n 5 "$SCRATCH/copy.log")"
}

# requests PATTERN: how many requests of the last copy had a method and URL that match.
# grep's 1 is "none", which is an answer; anything else is a failure.
requests() { grep -Ec "msg=\"($1)" "$SCRATCH/copy.log" || [ $? = 1 ]; }

inspect() { skopeo inspect "${TLS_FLAGS[@]}" "$@"; }

check_skopeo() {
  set_tls_flags
  REMOTE=docker://$REGISTRY
  strangers_are_refused
  log_in skopeo
  index_makes_the_round_trip
  second_push_uploads_nothing
  blobs_are_mounted_from_another_repository
  image_is_described
  image_becomes_docker_schema2
  repositories_are_synced
  deleted_image_is_gone
  [ "$PROTECTED" = no ] || skopeo logout "$REGISTRY" >/dev/null
}

strangers_are_refused() {
  local source=oci:$SCRATCH/layout:amd64 target=$REMOTE/team/stranger:1
  step "strangers are refused"
  if [ "$SCHEME" = https ]; then
    refused "$UNTRUSTED" skopeo copy --dest-tls-verify=true "--dest-cert-dir=$SCRATCH/no-trust" "$source" "$target"
  fi
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" skopeo copy "${TLS_FLAGS[@]/#--/--dest-}" "$source" "$target"
    refused "$DENIED" skopeo copy "${TLS_FLAGS[@]/#--/--dest-}" --dest-creds "$USER_NAME:wrong" "$source" "$target"
    refused "$DENIED" inspect --raw "$target"
  fi
}

index_makes_the_round_trip() {
  local back=$SCRATCH/back-$SERVER_COUNT digest
  step "an index with two images makes the round trip"
  digest=$(layout_digest "$SCRATCH/layout" multi)
  copy "oci:$SCRATCH/layout:multi" "$REMOTE/team/app:1.0" --all --preserve-digests
  copy "$REMOTE/team/app:1.0" "oci:$back:multi" --all --preserve-digests
  same "digest of the index that came back" "$digest" "$(layout_digest "$back" multi)"
  diff -r "$SCRATCH/layout/blobs" "$back/blobs" || fail "the blobs that came back differ from those sent"
  same "digest by skopeo inspect --raw" "$digest" "$(inspect --raw "$REMOTE/team/app:1.0" | digest)"
  same "digest by curl" "$digest" "$(stored team/app 1.0)"
}

second_push_uploads_nothing() {
  step "a second push uploads no blob"
  copy "oci:$SCRATCH/layout:multi" "$REMOTE/team/app:1.0" --all
  same "uploads started" 0 "$(requests 'POST|PATCH')"
  same "manifests put" 3 "$(requests 'PUT .*/manifests/')"
}

blobs_are_mounted_from_another_repository() {
  step "a copy between repositories mounts the layers"
  copy "$REMOTE/team/app:1.0" "$REMOTE/other/deep/copy:1.0" --all
  # Four different layers; skopeo 1.9 sends the two configurations again instead of mounting them.
  same "layers mounted" 4 "$(requests '\.\.\. mount OK')"
  same "blobs sent" 2 "$(requests 'PATCH .*/blobs/uploads/')"
  same "digest of the copy" "$(layout_digest "$SCRATCH/layout" multi)" "$(stored other/deep/copy 1.0)"
}

image_is_described() {
  local description digest
  step "inspect and list-tags describe what is there"
  copy "oci:$SCRATCH/layout:amd64" "$REMOTE/team/app:amd64"
  digest=$(layout_digest "$SCRATCH/layout" amd64)
  description=$(inspect "$REMOTE/team/app:amd64")
  same "digest" "$digest" "$(jq -r .Digest <<<"$description")"
  same "layers" 3 "$(jq '.Layers | length' <<<"$description")"
  same "label" "slipway client test" "$(jq -r .Labels.purpose <<<"$description")"
  same "image by digest" "$digest" "$(inspect --raw "$REMOTE/team/app@$digest" | digest)"
  description=$(skopeo --override-arch arm64 inspect "${TLS_FLAGS[@]}" "$REMOTE/team/app:1.0")
  same "image chosen from the index" arm64 "$(jq -r .Architecture <<<"$description")"
  same "tags" "1.0 amd64" "$(skopeo list-tags "${TLS_FLAGS[@]}" "$REMOTE/team/app" | jq -r '.Tags | sort | join(" ")')"
}

image_becomes_docker_schema2() {
  local raw=$SCRATCH/raw folder=$SCRATCH/dir-$SERVER_COUNT digest
  step "docker schema 2 images and lists are kept as such"
  copy "oci:$SCRATCH/layout:multi" "$REMOTE/team/docker:list" --all --format v2s2
  inspect --raw "$REMOTE/team/docker:list" >"$raw"
  same "type of the list" application/vnd.docker.distribution.manifest.list.v2+json "$(jq -r .mediaType "$raw")"
  same "digest of the list" "$(digest <"$raw")" "$(stored team/docker list)"
  copy "oci:$SCRATCH/layout:amd64" "$REMOTE/team/docker:image" --format v2s2
  copy "$REMOTE/team/docker:image" "dir:$folder" --preserve-digests
  same "type of the image" application/vnd.docker.distribution.manifest.v2+json \
    "$(jq -r .mediaType "$folder/manifest.json")"
  same "digest of the image" "$(digest <"$folder/manifest.json")" "$(stored team/docker image)"
  for digest in $(jq -r '(.config, .layers[]).digest' "$folder/manifest.json"); do
    cmp "$folder/${digest#sha256:}" "$SCRATCH/layout/blobs/sha256/${digest#sha256:}"
  done
}

# sync SOURCE-TRANSPORT DESTINATION-TRANSPORT SOURCE DESTINATION: all tags, or folders, and all images of an index.
sync() {
  skopeo sync "${TLS_FLAGS[@]/#--/--src-}" "${TLS_FLAGS[@]/#--/--dest-}" --all --src "$1" --dest "$2" "$3" "$4" \
    >"$SCRATCH/sync.log" 2>&1 || fail "skopeo sync $*: $(tail -n 5 "$SCRATCH/sync.log")"
}

repositories_are_synced() {
  local folder=$SCRATCH/sync-$SERVER_COUNT tag
  step "a repository is synced to a folder, the folder to another repository, and that one to a third"
  copy "oci:$SCRATCH/layout:multi" "$REMOTE/synced/app:1.0" --all
  copy "oci:$SCRATCH/layout:arm64" "$REMOTE/synced/app:arm64"
  mkdir "$folder"
  sync docker dir "$REGISTRY/synced/app" "$folder"
  same "folders" "app:1.0 app:arm64" "$(cd "$folder" && echo *)"
  for tag in 1.0 arm64; do
    same "manifest in the folder of $tag" "$(stored synced/app "$tag")" "$(digest <"$folder/app:$tag/manifest.json")"
  done
  sync dir docker "$folder" "$REGISTRY/synced/back"
  sync docker docker "$REGISTRY/synced/back/app" "$REGISTRY/synced/again"
  for tag in 1.0 arm64; do
    same "$tag from the folder" "$(stored synced/app "$tag")" "$(stored synced/back/app "$tag")"
    same "$tag from the registry" "$(stored synced/app "$tag")" "$(stored synced/again/app "$tag")"
  done
}

deleted_image_is_gone() {
  step "a deleted image is gone, its neighbours are not"
  copy "oci:$SCRATCH/layout:amd64" "$REMOTE/team/moving:old"
  copy "oci:$SCRATCH/layout:arm64" "$REMOTE/team/moving:new"
  skopeo delete "${TLS_FLAGS[@]}" "$REMOTE/team/moving:old"
  refused 'unknown' inspect --raw "$REMOTE/team/moving:old"
  refused 'unknown' inspect --raw "$REMOTE/team/moving@$(layout_digest "$SCRATCH/layout" amd64)"
  same "tags left" new "$(skopeo list-tags "${TLS_FLAGS[@]}" "$REMOTE/team/moving" | jq -r '.Tags | join(" ")')"
  same "image left" "$(layout_digest "$SCRATCH/layout" arm64)" "$(stored team/moving new)"
  same "same image elsewhere" "$(layout_digest "$SCRATCH/layout" multi)" "$(stored team/app 1.0)"
}

prepare skopeo
isolate_containers_tools
on_every_server check_skopeo
echo "skopeo: pass"
