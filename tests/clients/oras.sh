#!/usr/bin/env bash
# oras against slipway: files go there and come back, artifacts are attached, found and copied with what they refer to.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/oras.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

readonly DATA=application/vnd.example.data
readonly SBOM=application/vnd.example.sbom.v1+json SIGNATURE=application/vnd.example.signature

# oras COMMAND...: unlike the others it has to be told that there is no TLS.
oras() {
  local flags=()
  [ "$SCHEME" = https ] || case $1 in
    cp) flags=(--from-plain-http --to-plain-http) ;;
    logout) ;; # speaks to no registry
    *) flags=(--plain-http) ;;
  esac
  command oras "$@" "${flags[@]}" 2>"$SCRATCH/oras.log" || {
    cat "$SCRATCH/oras.log" >&2
    return 1
  }
}

# push REFERENCE...: the two files, from where they lie, for oras keeps their names.
push() {
  (cd "$SCRATCH/payload" && oras push --format json --artifact-type "$DATA" --annotation org.example.made=here "$@" \
    small-amd64/greeting:text/plain large/noise:application/octet-stream) | jq -r .digest
}

# attach REFERENCE TYPE TEXT: attaches a file with that text and prints the digest of the new artifact.
attach() {
  local file
  file=$(mktemp -p "$SCRATCH" attached.XXXXXX)
  echo "$3" >"$file"
  (cd "$SCRATCH" && oras attach --format json --artifact-type "$2" "$1" "${file##*/}:text/plain") | jq -r .digest
}

# referrers REFERENCE [flags]: the digests that oras finds, those of referrers of referrers included.
referrers() { oras discover --format json "$@" | jq -r '.. | .referrers? // empty | .[].digest' | sort | xargs; }

sorted() { printf '%s\n' "$@" | sort | xargs; }

check_oras() {
  trust_registry
  strangers_are_refused
  log_in_with_oras
  files_make_the_round_trip
  image_makes_the_round_trip
  repositories_and_tags_are_listed
  blobs_are_handled_alone
  artifacts_are_attached
  copy_brings_the_referrers
  copy_reaches_another_registry
  backup_is_restored
  deleted_manifest_is_gone
  logout_ends_access
}

strangers_are_refused() {
  local name=$REGISTRY/team/stranger:1
  step "strangers are refused"
  if [ "$SCHEME" = https ]; then
    SSL_CERT_FILE=/dev/null refused "$UNTRUSTED" push "$name"
  fi
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" push "$name"
    refused "$DENIED" push --username "$USER_NAME" --password wrong "$name"
    refused "$DENIED" oras pull "$name"
  fi
}

log_in_with_oras() {
  [ "$PROTECTED" = yes ] || return 0
  step "login takes the right password only"
  refused "$DENIED" oras login --username "$USER_NAME" --password wrong "$REGISTRY"
  oras login --username "$USER_NAME" --password-stdin "$REGISTRY" <<<"$USER_PASSWORD" >/dev/null
}

files_make_the_round_trip() {
  local back=$SCRATCH/files-$SERVER_COUNT digest
  step "files make the round trip"
  digest=$(push "$REGISTRY/team/files:1,2")
  same "digest of the first tag" "$digest" "$(stored team/files 1)"
  same "digest of the second tag" "$digest" "$(stored team/files 2)"
  same "digest by oras" "$digest" "$(oras resolve "$REGISTRY/team/files:1")"
  same "type" "$DATA" "$(oras manifest fetch "$REGISTRY/team/files:1" | jq -r .artifactType)"
  oras pull --output "$back" "$REGISTRY/team/files@$digest" >/dev/null
  cmp "$back/small-amd64/greeting" "$SCRATCH/payload/small-amd64/greeting"
  cmp "$back/large/noise" "$SCRATCH/payload/large/noise"
}

image_makes_the_round_trip() {
  local back=$SCRATCH/back-$SERVER_COUNT digest
  step "an index from a layout makes the round trip"
  digest=$(layout_digest "$SCRATCH/layout" multi)
  oras cp --from-oci-layout "$SCRATCH/layout:multi" "$REGISTRY/team/app:1.0" >/dev/null
  same "digest by curl" "$digest" "$(stored team/app 1.0)"
  oras manifest fetch --output - "$REGISTRY/team/app:1.0" | cmp - "$SCRATCH/layout/blobs/sha256/${digest#sha256:}"
  same "image of one platform" "$(layout_digest "$SCRATCH/layout" arm64)" \
    "$(oras resolve --platform linux/arm64 "$REGISTRY/team/app:1.0")"
  oras cp --to-oci-layout "$REGISTRY/team/app:1.0" "$back:multi" >/dev/null
  diff -r "$SCRATCH/layout/blobs" "$back/blobs" || fail "the blobs that came back differ from those sent"
}

repositories_and_tags_are_listed() {
  step "repositories and tags are listed"
  oras tag "$REGISTRY/team/app:1.0" stable latest >/dev/null
  same "tags" "1.0 latest stable" "$(oras repo tags "$REGISTRY/team/app" | xargs)"
  same "tags after one" "stable" "$(oras repo tags --last latest "$REGISTRY/team/app" | xargs)"
  same "repositories" "team/app team/files" "$(oras repo ls "$REGISTRY" | xargs)"
  same "repositories below one" "app files" "$(oras repo ls "$REGISTRY/team" | xargs)"
}

blobs_are_handled_alone() {
  local noise=$SCRATCH/payload/large/noise sum
  step "a blob is pushed, fetched and deleted"
  sum=$(digest <"$noise")
  oras blob push --size 5242880 "$REGISTRY/team/blobs@$sum" "$noise" >/dev/null
  oras blob fetch --output - "$REGISTRY/team/blobs@$sum" | cmp - "$noise"
  oras blob delete --force "$REGISTRY/team/blobs@$sum" >/dev/null
  refused 'not found|unknown' oras blob fetch --output /dev/null "$REGISTRY/team/blobs@$sum"
}

artifacts_are_attached() {
  local image=$REGISTRY/team/subject:1 sbom signature deep
  step "artifacts are attached to an image, and to each other, and found"
  oras cp --from-oci-layout "$SCRATCH/layout:amd64" "$image" >/dev/null
  same "referrers of an image that has none" "" "$(referrers "$image")"
  sbom=$(attach "$image" "$SBOM" "what is in it")
  signature=$(attach "$image" "$SIGNATURE" "who made it")
  deep=$(attach "$REGISTRY/team/subject@$sbom" "$SIGNATURE" "who says what is in it")
  same "all referrers" "$(sorted "$sbom" "$signature" "$deep")" "$(referrers "$image")"
  same "nearest referrers" "$(sorted "$sbom" "$signature")" "$(referrers --depth 1 "$image")"
  same "referrers of a type" "$sbom" "$(referrers --depth 1 --artifact-type "$SBOM" "$image")"
  oras discover "$image" >"$SCRATCH/tree"
  for digest in "$sbom" "$signature" "$deep"; do
    grep -q "── .*$digest" "$SCRATCH/tree" || fail "the tree lacks $digest: $(cat "$SCRATCH/tree")"
  done
  # Without the API, oras keeps a list of its own under a tag.
  same "tags" 1 "$(oras repo tags "$REGISTRY/team/subject" | xargs)"
  oras pull --output "$SCRATCH/sbom-$SERVER_COUNT" "$REGISTRY/team/subject@$sbom" >/dev/null
  same "attached file" "what is in it" "$(cat "$SCRATCH/sbom-$SERVER_COUNT"/attached.*)"
}

copy_brings_the_referrers() {
  step "a recursive copy brings the referrers"
  oras cp --recursive "$REGISTRY/team/subject:1" "$REGISTRY/other/deep/subject:1" >/dev/null
  same "digest of the copy" "$(layout_digest "$SCRATCH/layout" amd64)" "$(stored other/deep/subject 1)"
  same "referrers of the copy" "$(referrers "$REGISTRY/team/subject:1")" "$(referrers "$REGISTRY/other/deep/subject:1")"
}

copy_reaches_another_registry() {
  local there
  step "a recursive copy reaches another registry"
  start_other_server
  there=$OTHER_REGISTRY/far/subject
  [ "$PROTECTED" = no ] ||
    oras login --username "$USER_NAME" --password-stdin "$OTHER_REGISTRY" <<<"$USER_PASSWORD" >/dev/null
  oras cp --recursive "$REGISTRY/team/subject:1" "$there:1" >/dev/null
  same "digest of the copy" "$(layout_digest "$SCRATCH/layout" amd64)" \
    "$(REGISTRY=$OTHER_REGISTRY stored far/subject 1)"
  same "referrers of the copy" "$(referrers "$REGISTRY/team/subject:1")" "$(referrers "$there:1")"
  for digest in $(referrers "$there:1"); do
    same "bytes of a referrer" "$digest" "$(REGISTRY=$OTHER_REGISTRY stored far/subject "$digest")"
  done
  oras cp --recursive "$there:1" "$REGISTRY/back/subject:1" >/dev/null
  same "referrers of the copy that came back" "$(referrers "$there:1")" "$(referrers "$REGISTRY/back/subject:1")"
  stop_other_server
}

backup_is_restored() {
  local backup=$SCRATCH/backup-$SERVER_COUNT
  step "a backup with referrers is restored"
  oras backup --include-referrers --output "$backup" "$REGISTRY/team/subject:1" >/dev/null
  oras restore --input "$backup" "$REGISTRY/restored/subject:1" >/dev/null
  same "referrers of what was restored" "$(referrers "$REGISTRY/team/subject:1")" \
    "$(referrers "$REGISTRY/restored/subject:1")"
}

deleted_manifest_is_gone() {
  local image=$REGISTRY/team/subject:1 signature
  step "a deleted manifest is gone, and no longer refers to anything"
  signature=$(referrers --depth 1 --artifact-type "$SIGNATURE" "$image")
  oras manifest delete --force "$REGISTRY/team/subject@$signature" >/dev/null
  same "signatures left" "" "$(referrers --depth 1 --artifact-type "$SIGNATURE" "$image")"
  refused 'not found|unknown' oras manifest fetch "$REGISTRY/team/subject@$signature"
  same "same manifest elsewhere" "$signature" "$(stored other/deep/subject "$signature")"
  oras manifest delete --force "$REGISTRY/team/app:1.0" >/dev/null # by the digest that the tag stands for
  refused 'not found|unknown' oras manifest fetch "$REGISTRY/team/app:stable"
}

logout_ends_access() {
  [ "$PROTECTED" = yes ] || return 0
  step "logout ends access"
  oras logout "$REGISTRY" >/dev/null
  refused "$DENIED" oras pull "$REGISTRY/team/files:1"
}

prepare oras
isolate_go_clients
on_every_server check_oras
echo "oras: pass"
