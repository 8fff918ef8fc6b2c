#!/usr/bin/env bash
# regctl against slipway: images, blobs in small chunks and artifacts with subjects go there and come back.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/regctl.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

# It follows no redirect from https to the tests' object store, which speaks plain HTTP.
export STREAMED=yes

readonly SBOM=application/vnd.example.sbom.v1+json SCAN=application/vnd.example.scan.v1+json
readonly CHUNK=65536

# digests_listed REFERENCE [flags]: the referrers that regctl finds, sorted.
digests_listed() {
  regctl artifact list "$@" --format '{{range .Descriptors}}{{println .Digest}}{{end}}' | sort | xargs
}

copy() { regctl image copy "$@" >/dev/null; } # what it prints is where the copy lies

# refer IMAGE TYPE [flags]: puts an artifact that has the image as its subject and prints the artifact's digest.
refer() {
  regctl artifact put --subject "$1" --artifact-type "$2" --format '{{.Manifest.GetDescriptor.Digest}}' "${@:3}"
}

sorted() { printf '%s\n' "$@" | sort | xargs; }

check_regctl() {
  strangers_are_refused
  log_in_with_regctl
  index_makes_the_round_trip
  blob_goes_in_chunks
  blob_has_a_sha512_digest
  image_is_copied
  repositories_are_listed
  artifacts_refer_to_an_image
  copy_brings_the_referrers
  deleted_tag_is_gone
  deleted_manifest_is_gone
  logout_ends_access
}

# set_registry CA-FILE: what regctl knows of the running registry; it takes no roots from the environment.
set_registry() {
  local flags=(--tls disabled)
  [ "$SCHEME" = http ] || flags=(--tls enabled --cacert "$(<"$1")")
  regctl registry set "$REGISTRY" "${flags[@]}" --blob-chunk "$CHUNK" --blob-max "$CHUNK" --skip-check
}

strangers_are_refused() {
  local name=$REGISTRY/team/stranger:1
  step "strangers are refused"
  if [ "$SCHEME" = https ]; then
    set_registry "$SCRATCH/pki/stranger.crt"
    refused "$UNTRUSTED" regctl image copy "ocidir://$SCRATCH/layout:amd64" "$name"
  fi
  set_registry "$SCRATCH/trust/ca.crt"
  if [ "$PROTECTED" = yes ]; then
    refused "$DENIED" regctl image copy "ocidir://$SCRATCH/layout:amd64" "$name"
    refused "$DENIED" regctl manifest get "$name"
  fi
}

log_in_with_regctl() {
  [ "$PROTECTED" = yes ] || return 0
  step "login takes the right password only"
  refused "$DENIED" regctl registry login "$REGISTRY" --user "$USER_NAME" --pass-stdin <<<wrong
  regctl registry login "$REGISTRY" --user "$USER_NAME" --pass-stdin <<<"$USER_PASSWORD"
}

index_makes_the_round_trip() {
  local back=$SCRATCH/back-$SERVER_COUNT digest
  step "an index with two images makes the round trip"
  digest=$(layout_digest "$SCRATCH/layout" multi)
  copy "ocidir://$SCRATCH/layout:multi" "$REGISTRY/team/app:1.0"
  same "digest by curl" "$digest" "$(stored team/app 1.0)"
  same "digest by regctl" "$digest" "$(regctl image digest "$REGISTRY/team/app:1.0")"
  regctl manifest get --format raw-body "$REGISTRY/team/app:1.0" |
    cmp - "$SCRATCH/layout/blobs/sha256/${digest#sha256:}"
  copy "$REGISTRY/team/app:1.0" "ocidir://$back:multi"
  diff -r "$SCRATCH/layout/blobs" "$back/blobs" || fail "the blobs that came back differ from those sent"
}

blob_goes_in_chunks() {
  local noise=$SCRATCH/payload/large/noise sum before
  step "a blob of 5 MiB goes in 80 chunks"
  sum=$(digest <"$noise")
  before=$(served 'method=PATCH .*status=202')
  same "digest" "$sum" "$(regctl blob put "$REGISTRY/team/blobs" <"$noise")"
  same "chunks" $((5242880 / CHUNK)) "$(($(served 'method=PATCH .*status=202') - before))"
  regctl blob get "$REGISTRY/team/blobs" "$sum" | cmp - "$noise"
  same "size by blob head" 5242880 "$(regctl blob head "$REGISTRY/team/blobs" "$sum" \
    --format '{{index (index .RawHeaders "Content-Length") 0}}')"
  registry_get "/v2/team/blobs/blobs/$sum" --range 1000000-1999999 |
    cmp - <(dd if="$noise" bs=1000000 skip=1 count=1 status=none)
  refused 'not found|unknown' regctl blob head "$REGISTRY/team/blobs" "sha256:$(printf '%064d' 7)"
}

blob_has_a_sha512_digest() {
  local noise=$SCRATCH/payload/large/noise sum
  step "blobs and images may have sha512 digests"
  sum=sha512:$(sha512sum <"$noise" | cut -d' ' -f1)
  same "digest" "$sum" "$(regctl blob put --digest "$sum" "$REGISTRY/team/blobs" <"$noise")"
  regctl blob get "$REGISTRY/team/blobs" "$sum" | cmp - "$noise"
  regctl image mod "$REGISTRY/team/app:1.0" --digest-algo sha512 --create "$REGISTRY/team/app:sha512" >/dev/null
  sum=$(regctl image digest "$REGISTRY/team/app:sha512")
  [[ $sum = sha512:* ]] || fail "the image's digest is $sum"
  same "digest of the manifest's bytes" "${sum#sha512:}" \
    "$(regctl manifest get --format raw-body "$REGISTRY/team/app:sha512" | sha512sum | cut -d' ' -f1)"
  same "same manifest by its digest" "$(get_manifest team/app sha512 | digest)" \
    "$(get_manifest team/app "$sum" | digest)"
}

image_is_copied() {
  local before
  step "a copy between repositories mounts the blobs"
  before=$(served 'status=201 .*route=blob\.mount')
  copy "$REGISTRY/team/app:1.0" "$REGISTRY/other/deep/copy:1.0"
  same "digest of the copy" "$(layout_digest "$SCRATCH/layout" multi)" "$(stored other/deep/copy 1.0)"
  # Four different layers and two configurations.
  same "blobs mounted" 6 "$(($(served 'status=201 .*route=blob\.mount') - before))"
}

repositories_are_listed() {
  step "repositories are listed, page by page too"
  # A repository that holds nothing but blobs is one, too.
  same "repositories" "other/deep/copy team/app team/blobs" "$(regctl repo ls "$REGISTRY" | xargs)"
  same "the second of them" team/app "$(regctl repo ls --limit 1 --last other/deep/copy "$REGISTRY" | xargs)"
}

artifacts_refer_to_an_image() {
  local image=$REGISTRY/team/subject:1 sbom scan old subject back=$SCRATCH/sbom-$SERVER_COUNT
  step "artifacts refer to an image and are found by type and annotation"
  copy "ocidir://$SCRATCH/layout:amd64" "$image"
  subject=$(regctl image digest "$image")
  same "referrers of an image that has none" "" "$(digests_listed "$image")"
  echo '{"packages": []}' >"$SCRATCH/sbom.json"
  sbom=$(refer "$image" "$SBOM" --file "$SCRATCH/sbom.json" --file-media-type "$SBOM")
  scan=$(echo clean | refer "$image" "$SCAN" --annotation org.example.scanner=new)
  old=$(echo dirty | refer "$image" "$SCAN" --annotation org.example.scanner=old)
  same "all referrers" "$(sorted "$sbom" "$scan" "$old")" "$(digests_listed "$image")"
  same "scans" "$(sorted "$scan" "$old")" "$(digests_listed "$image" --filter-artifact-type "$SCAN")"
  same "new scans" "$scan" "$(digests_listed "$image" --filter-annotation org.example.scanner=new)"
  regctl artifact get --subject "$image" --filter-artifact-type "$SBOM" >"$back"
  cmp "$back" "$SCRATCH/sbom.json"
  same "subject in the stored manifest" "$subject" "$(get_manifest team/subject "$sbom" | jq -r .subject.digest)"
  # Without the API, regctl keeps a list of its own under a tag.
  same "tags" 1 "$(regctl tag ls "$REGISTRY/team/subject" | xargs)"
  regctl artifact tree "$image" | grep -q "${scan}" || fail "artifact tree does not show the scan"
}

copy_brings_the_referrers() {
  local from=$REGISTRY/team/subject:1 to=$REGISTRY/other/subject:1
  step "a copy brings the referrers"
  copy --referrers "$from" "$to"
  same "referrers of the copy" "$(digests_listed "$from")" "$(digests_listed "$to")"
  same "content of one" dirty "$(regctl artifact get --subject "$to" --filter-annotation org.example.scanner=old)"
}

deleted_tag_is_gone() {
  local digest before
  step "a deleted tag is gone, its manifest and its neighbours are not"
  copy "$REGISTRY/team/app:1.0" "$REGISTRY/team/app:1.1"
  digest=$(regctl image digest "$REGISTRY/team/app:1.1")
  before=$(served 'method=PUT .*path=/v2/team/app/manifests/')
  regctl tag delete "$REGISTRY/team/app:1.1"
  # Where deleting a tag is refused, regctl moves it to a manifest made for that and deletes this by digest.
  same "manifests put" "$before" "$(served 'method=PUT .*path=/v2/team/app/manifests/')"
  same "tags left" "1.0 sha512" "$(regctl tag ls "$REGISTRY/team/app" | xargs)"
  same "manifest by digest" "$digest" "$(get_manifest team/app "$digest" | digest)"
  refused 'not found|unknown' regctl manifest get "$REGISTRY/team/app:1.1"
}

deleted_manifest_is_gone() {
  local image=$REGISTRY/team/subject:1 scan
  step "a deleted manifest is gone, and no longer refers to anything"
  scan=$(digests_listed "$image" --filter-annotation org.example.scanner=old)
  regctl manifest delete "$REGISTRY/team/subject@$scan"
  same "scans left" 1 "$(digests_listed "$image" --filter-artifact-type "$SCAN" | wc -w)"
  refused 'not found|unknown' regctl manifest get "$REGISTRY/team/subject@$scan"
  same "content of the same manifest elsewhere" "$scan" "$(get_manifest other/subject "$scan" | digest)"
  regctl manifest delete "$REGISTRY/team/subject@$(regctl image digest "$image")"
  same "tags left" "" "$(regctl tag ls "$REGISTRY/team/subject" | xargs)"
}

logout_ends_access() {
  [ "$PROTECTED" = yes ] || return 0
  step "logout ends access"
  regctl registry logout "$REGISTRY" >/dev/null
  refused "$DENIED" regctl manifest get "$REGISTRY/team/app:1.0"
}

prepare regctl
isolate_go_clients
certificate stranger stranger 'basicConstraints=critical,CA:TRUE'
on_every_server check_regctl
echo "regctl: pass"
