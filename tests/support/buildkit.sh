# shellcheck shell=bash
# What the tests of BuildKit share: a build of two platforms, and checks of what it leaves in the registry, above all of
# its cache there. Sourced after clients.sh. The script that sources it defines
#   build NAME [CACHE [AGAIN]]  builds $CONTEXT for $PLATFORMS and pushes it as NAME, provenance included; exports its
#                               cache as the attributes CACHE say and imports it from there; prints progress as rawjson
#   forget_everything           removes all images and all cache from the builder, and sees to it that none is left
# and sets HOST, which is what the builder calls the running registry.

PLATFORMS=linux/amd64,linux/arm64

# The three forms in which a cache can lie in a registry: what BuildKit is told, and the type of what it pushes then.
readonly CACHE_SHAPES=(
  'image-manifest=true,oci-mediatypes=true    application/vnd.oci.image.manifest.v1+json'
  'image-manifest=false,oci-mediatypes=true   application/vnd.oci.image.index.v1+json'
  'image-manifest=false,oci-mediatypes=false  application/vnd.docker.distribution.manifest.list.v2+json'
)

# --- The build ------------------------------------------------------------------------------------------------------

CONTEXT=
readonly STEPS=6 # for each platform: two of the stage and four of the image

# make_context BUSYBOX: a stage that runs a program and an image with what it made and the files of its platform. The
# program is this machine's, and static, so it runs in the stage of either platform without an emulator. It makes noise,
# never the same twice: whoever has the same noise again has it from a cache.
make_context() {
  CONTEXT=$SCRATCH/context
  cp -r "$SCRATCH/payload" "$CONTEXT"
  cp "$1" "$CONTEXT/busybox"
  cat >"$CONTEXT/Dockerfile" <<'DOCKERFILE'
FROM scratch AS maker
COPY busybox /busybox
RUN --network=none ["/busybox", "dd", "if=/dev/urandom", "of=/made", "bs=65536", "count=16"]

FROM scratch
ARG TARGETARCH
COPY small-$TARGETARCH/ /
COPY large/ /
COPY empty/ /empty
COPY --from=maker /made /made
LABEL purpose="slipway client test"
DOCKERFILE
}

# logged COMMAND...: a build with progress as rawjson; keeps the output in build.log.
logged() { "$@" >"$SCRATCH/build.log" 2>&1 || fail "$*: $(tail -n 20 "$SCRATCH/build.log")"; }

# What the last build told, event by event. In plain progress a later event replaces an earlier one that was not printed
# yet: a step that was found in the cache, and whose layers are then fetched, may be shown as if it had been done.
events() { jq -c . "$SCRATCH/build.log"; }

# steps: the steps of the Dockerfile that the last build had.
steps() { events | jq -r '.vertexes[]?.name | select(test("^\\[.*[0-9]+/[0-9]+\\] "))' | sort -u; }

# steps_found: those of them that were found in a cache.
steps_found() {
  events | jq -r '.vertexes[]? | select(.cached).name | select(test("^\\[.*[0-9]+/[0-9]+\\] "))' | sort -u
}

# noises_made: how often the last build ran the program.
noises_made() { events | jq -r '.logs[]?.data | @base64d' | grep -c 'records out' || [ $? = 1 ]; }

# finds_every_step STEPS COMMAND...: a build from nothing finds all these steps in the registry's cache.
finds_every_step() {
  local all=$1
  shift
  forget_everything
  logged "$@"
  same "steps found in the cache" "$all" "$(steps_found)"
  same "noises made anew" 0 "$(noises_made)"
}

# --- Images in the registry -----------------------------------------------------------------------------------------

# image_digests REPOSITORY TAG: the digest of each platform's manifest.
image_digests() {
  get_manifest "$1" "$2" | jq -r '
    .manifests[] | select(.platform.os == "linux") | "\(.platform.architecture) \(.digest)"' | sort
}

# image_layers REPOSITORY TAG: the layers of each platform's image.
image_layers() {
  local architecture manifest
  while read -r architecture manifest; do
    echo "$architecture" "$(get_manifest "$1" "$manifest" | jq -r '.layers[].digest')"
  done < <(image_digests "$1" "$2")
}

# holds_images REPOSITORY TAG: everything below the tag is whole, and each platform's image has its files.
holds_images() {
  local repository=$1 tag=$2 architecture manifest root layer
  stored "$repository" "$tag" >/dev/null
  same "platforms of $repository:$tag" "$PLATFORMS" \
    "$(image_digests "$repository" "$tag" | sed 's,^,linux/,' | cut -d' ' -f1 | paste -sd,)"
  while read -r architecture manifest; do
    root=$(mktemp -d -p "$SCRATCH" root.XXXXXX)
    for layer in $(get_manifest "$repository" "$manifest" | jq -r '.layers[].digest'); do
      registry_get "/v2/$repository/blobs/$layer" | tar -xz -C "$root"
    done
    cmp "$root/greeting" "$CONTEXT/small-$architecture/greeting"
    cmp "$root/noise" "$CONTEXT/large/noise"
    same "size of what the maker made" 1048576 "$(stat -c %s "$root/made")"
    [ -d "$root/empty" ] || fail "$repository:$tag lost its empty folder"
    rm -r "$root"
  done < <(image_digests "$repository" "$tag")
}

# holds_provenance REPOSITORY TAG: each platform has an attestation in the index, which says what it is about, and the
# attestation is a statement about how it was built.
holds_provenance() {
  local repository=$1 tag=$2 attestation layer
  same "images that the attestations of $repository:$tag are about" \
    "$(image_digests "$repository" "$tag" | cut -d' ' -f2 | sort)" \
    "$(get_manifest "$repository" "$tag" | jq -r '
      .manifests[] | select(.platform.os == "unknown").annotations |
      select(."vnd.docker.reference.type" == "attestation-manifest")."vnd.docker.reference.digest"' | sort)"
  for attestation in $(get_manifest "$repository" "$tag" | jq -r '
    .manifests[] | select(.annotations."vnd.docker.reference.type" == "attestation-manifest").digest'); do
    layer=$(get_manifest "$repository" "$attestation" | jq -r '
      .layers[] | select(.mediaType == "application/vnd.in-toto+json").digest')
    registry_get "/v2/$repository/blobs/$layer" | jq -e '.predicateType | test("provenance")' >/dev/null ||
      fail "$attestation is no statement about provenance"
  done
}

# --- The cache in the registry --------------------------------------------------------------------------------------

readonly CACHE_CONFIG_TYPE=application/vnd.buildkit.cacheconfig.v0

# cache_blobs REPOSITORY TAG: digest, size and type of all blobs that a cache of any shape lists.
cache_blobs() {
  get_manifest "$1" "$2" |
    jq -r '(.manifests[]?, .layers[]?, .config?) | select(.) | "\(.digest) \(.size) \(.mediaType)"'
}

cache_layers() { cache_blobs "$1" "$2" | grep -v " $CACHE_CONFIG_TYPE\$" | sort; }

# holds_cache REPOSITORY TAG TYPE: the tag is of this type, and all that it lists is there as blobs, which are a
# description of the cache and layers; some of the layers are of no image, for the maker's are kept too (mode=max).
holds_cache() {
  local repository=$1 tag=$2 type=$3 digest size blob_type of_images
  get_manifest "$repository" "$tag" -D "$SCRATCH/head" | jq -r .mediaType >"$SCRATCH/type"
  same "type of the cache, by itself" "$type" "$(<"$SCRATCH/type")"
  same "type of the cache, by the registry" "$type" "$(header content-type "$SCRATCH/head")"
  same "descriptions of the cache" 1 "$(cache_blobs "$repository" "$tag" | grep -c " $CACHE_CONFIG_TYPE\$")"
  while read -r digest size blob_type; do
    registry_get "/v2/$repository/blobs/$digest" -o "$SCRATCH/blob"
    same "content of a cache's blob ($blob_type)" "$digest" "$(digest <"$SCRATCH/blob")"
    same "size of a cache's blob ($blob_type)" "$size" "$(stat -c %s "$SCRATCH/blob")"
  done < <(cache_blobs "$repository" "$tag")
  of_images=$(image_layers team/cold 1 | grep -o 'sha256:.*')
  cache_layers "$repository" "$tag" | grep -qvF "$of_images" ||
    fail "$repository:$tag has the images' layers only"
}

# cache_makes_the_round_trip OPTIONS TYPE: a build by someone who has nothing finds no cache and leaves one; a second,
# by someone else who has nothing, finds every step in it and makes an image of the same layers, the noise included.
cache_makes_the_round_trip() {
  local options=$1 type=$2 tag cache all cold exported PLATFORMS=${PLATFORMS%%,*}
  step "a cache makes the round trip: ${options:-as BuildKit likes it}"
  tag=$(tr ',=' '-.' <<<"${options:-default}")
  cache="type=registry,ref=$HOST/cache/main:$tag,mode=max${options:+,$options}"
  forget_everything
  logged build "$HOST/team/cold:1" "$cache"
  all=$(steps)
  same "steps" "$STEPS" "$(wc -l <<<"$all")"
  same "noises made" 1 "$(noises_made)"
  holds_images team/cold 1
  holds_cache cache/main "$tag" "$type"
  cold=$(image_layers team/cold 1)
  exported=$(cache_layers cache/main "$tag")

  finds_every_step "$all" build "$HOST/team/warm:1" "$cache"
  stored team/warm 1 >/dev/null
  same "layers of the image made from the cache" "$cold" "$(image_layers team/warm 1)"
  same "layers of the cache that was made from the cache" "$exported" "$(cache_layers cache/main "$tag")"
}

cache_makes_the_round_trip_in_every_shape() {
  local shape options type
  for shape in "${CACHE_SHAPES[@]}"; do
    read -r options type <<<"$shape"
    cache_makes_the_round_trip "$options" "$type"
  done
}
