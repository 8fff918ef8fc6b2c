#!/usr/bin/env bash
# Signatures as cosign stores them, against slipway: beside the image under a tag made of its digest, as cosign did at
# first and clients still look for, and as a referrer. Made and found with curl and openssl alone, request by request.
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/signatures.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

readonly REPOSITORY=team/signed
readonly MANIFEST=application/vnd.oci.image.manifest.v1+json PAYLOAD=application/vnd.dev.cosign.simplesigning.v1+json
readonly ARTIFACT=application/vnd.dev.cosign.artifact.sig.v1+json ANNOTATION=dev.cosignproject.cosign/signature

make_keys() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$SCRATCH/signer.key"
  openssl ec -in "$SCRATCH/signer.key" -pubout -out "$SCRATCH/signer.pub" 2>/dev/null
}

# push_blob FILE: in one POST, where the specification allows it; prints the blob's digest.
push_blob() {
  local sum
  sum=$(digest <"$1")
  registry_get "/v2/$REPOSITORY/blobs/uploads/?digest=$sum" -X POST -H 'Content-Type: application/octet-stream' \
    --data-binary "@$1" -o /dev/null --write-out '%{http_code}' | grep -qx 201 || fail "the blob $sum was not accepted"
  echo "$sum"
}

# push_manifest REFERENCE FILE: keeps the answer's head in manifest.head and prints the manifest's digest.
push_manifest() {
  registry_get "/v2/$REPOSITORY/manifests/$1" -X PUT -H "Content-Type: $MANIFEST" --data-binary "@$2" \
    -D "$SCRATCH/manifest.head" -o /dev/null
  header docker-content-digest "$SCRATCH/manifest.head"
}

descriptor() { # descriptor TYPE FILE
  jq -cn --arg type "$1" --arg digest "$(digest <"$2")" --argjson size "$(stat -c %s "$2")" \
    '{mediaType: $type, digest: $digest, size: $size}'
}

push_image() {
  local layer config
  layer=$SCRATCH/payload/large/noise config=$SCRATCH/config.json
  echo '{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}' >"$config"
  push_blob "$layer" >/dev/null
  push_blob "$config" >/dev/null
  jq -n --arg type "$MANIFEST" --argjson config "$(descriptor application/vnd.oci.image.config.v1+json "$config")" \
    --argjson layer "$(descriptor application/vnd.oci.image.layer.v1.tar "$layer")" \
    '{schemaVersion: 2, mediaType: $type, config: $config, layers: [$layer]}' >"$SCRATCH/image.json"
  push_manifest 1.0 "$SCRATCH/image.json"
}

# sign IMAGE-DIGEST NAME: writes NAME.payload, which says what is signed, and pushes it; prints the layer that a
# signature's manifest needs, with the signature as its annotation.
sign() {
  local payload=$SCRATCH/$2.payload
  jq -cn --arg digest "$1" --arg name "$REGISTRY/$REPOSITORY" '{critical: {
    identity: {"docker-reference": $name}, image: {"docker-manifest-digest": $digest},
    type: "cosign container image signature"
  }, optional: null}' >"$payload"
  push_blob "$payload" >/dev/null
  descriptor "$PAYLOAD" "$payload" | jq -c --arg key "$ANNOTATION" \
    --arg signature "$(openssl dgst -sha256 -sign "$SCRATCH/signer.key" "$payload" | base64 -w0)" \
    '. + {annotations: {($key): $signature}}'
}

# verify IMAGE-DIGEST SIGNATURE-REFERENCE: fetches a signature, checks it and that it speaks of that image.
verify() {
  local manifest=$SCRATCH/found.manifest payload=$SCRATCH/found.payload
  get_manifest "$REPOSITORY" "$2" -o "$manifest"
  registry_get "/v2/$REPOSITORY/blobs/$(jq -r '.layers[0].digest' "$manifest")" -o "$payload"
  jq -r --arg key "$ANNOTATION" '.layers[0].annotations[$key]' "$manifest" | base64 -d >"$SCRATCH/found.signature"
  openssl dgst -sha256 -verify "$SCRATCH/signer.pub" -signature "$SCRATCH/found.signature" "$payload" >/dev/null ||
    fail "the signature does not fit its payload"
  same "image that is signed" "$1" "$(jq -r '.critical.image["docker-manifest-digest"]' "$payload")"
}

# referrers DIGEST [QUERY]: the answer of the referrers API; its head goes to referrers.head.
referrers() {
  registry_get "/v2/$REPOSITORY/referrers/$1${2:+?$2}" -D "$SCRATCH/referrers.head" -o "$SCRATCH/referrers.json"
  same "type of the list" application/vnd.oci.image.index.v1+json "$(header content-type "$SCRATCH/referrers.head")"
  cat "$SCRATCH/referrers.json"
}

check_signatures() {
  local image old new
  image=$(push_image)
  same "digest of the image" "$(digest <"$SCRATCH/image.json")" "$image"
  signature_is_found_by_its_tag
  signature_is_found_as_a_referrer
  both_are_listed
  deleted_signature_is_gone
}

signature_is_found_by_its_tag() {
  local tag=${image/:/-}.sig layer
  step "a signature under the tag of the image's digest is found and fits"
  refused 404 get_manifest "$REPOSITORY" "$tag" # which is how clients learn that there is none
  layer=$(sign "$image" old)
  push_blob "$SCRATCH/config.json" >/dev/null
  jq -n --arg type "$MANIFEST" --argjson layer "$layer" \
    --argjson config "$(descriptor application/vnd.oci.image.config.v1+json "$SCRATCH/config.json")" \
    '{schemaVersion: 2, mediaType: $type, config: $config, layers: [$layer]}' >"$SCRATCH/old.json"
  old=$(push_manifest "$tag" "$SCRATCH/old.json")
  verify "$image" "$tag"
  same "digest by its tag" "$old" "$(stored "$REPOSITORY" "$tag")"
}

signature_is_found_as_a_referrer() {
  local found empty=$SCRATCH/empty.json layer
  step "a signature that names the image as its subject is found and fits"
  same "referrers before" 0 "$(referrers "$image" | jq '.manifests | length')"
  layer=$(sign "$image" new)
  printf '{}' >"$empty"
  push_blob "$empty" >/dev/null
  jq -n --arg type "$MANIFEST" --arg artifact "$ARTIFACT" --argjson layer "$layer" \
    --argjson config "$(descriptor application/vnd.oci.empty.v1+json "$empty")" \
    --argjson subject "$(descriptor "$MANIFEST" "$SCRATCH/image.json")" '{
      schemaVersion: 2, mediaType: $type, artifactType: $artifact, config: $config, layers: [$layer], subject: $subject,
      annotations: {"org.opencontainers.image.created": "2001-02-03T04:05:06Z"}
    }' >"$SCRATCH/new.json"
  new=$(push_manifest "$(digest <"$SCRATCH/new.json")" "$SCRATCH/new.json")
  same "subject that the registry understood" "$image" "$(header oci-subject "$SCRATCH/manifest.head")"
  found=$(referrers "$image" "artifactType=$ARTIFACT" | jq -c '.manifests')
  same "filters that the registry applied" artifactType "$(header oci-filters-applied "$SCRATCH/referrers.head")"
  same "what it lists" "$(descriptor "$MANIFEST" "$SCRATCH/new.json" | jq -c --arg artifact "$ARTIFACT" '[. + {
      artifactType: $artifact, annotations: {"org.opencontainers.image.created": "2001-02-03T04:05:06Z"}
    }]' | jq -S .)" "$(jq -S . <<<"$found")"
  verify "$image" "$(jq -r '.[0].digest' <<<"$found")"
  same "signatures of another type" 0 \
    "$(referrers "$image" artifactType=application/vnd.example.none | jq '.manifests | length')"
}

both_are_listed() {
  step "the old one is a tag, the new one is not"
  same "tags" "$(printf '%s\n' 1.0 "${image/:/-}.sig" | sort | xargs)" \
    "$(registry_get "/v2/$REPOSITORY/tags/list" | jq -r '.tags | sort | join(" ")')"
}

deleted_signature_is_gone() {
  step "a deleted signature is found no more, and the image stays"
  registry_get "/v2/$REPOSITORY/manifests/$new" -X DELETE
  same "referrers left" 0 "$(referrers "$image" | jq '.manifests | length')"
  registry_get "/v2/$REPOSITORY/manifests/${image/:/-}.sig" -X DELETE
  refused 404 get_manifest "$REPOSITORY" "${image/:/-}.sig"
  same "image" "$image" "$(stored "$REPOSITORY" 1.0)"
}

prepare curl
make_keys
on_every_server check_signatures
echo "signatures: pass"
