# shellcheck shell=bash
# What the tests under tests/clients/ share: a scratch folder that leaves nothing behind, a registry to talk to,
# images made without pulling anything, and a way to read back what the registry holds that trusts no client.
# Sourced, never run; it expects SLIPWAY_BIN in the environment.

set -Eeuo pipefail
shopt -s inherit_errexit
PATH=$PATH:/usr/sbin:/sbin  # where dockerd and runc are

# A colon in the password, because Basic authentication must split at the first one only.
readonly USER_NAME=tester USER_PASSWORD='open:sesame 7'

# What the clients print when a registry does not let them in, and when they do not trust its certificate.
# shellcheck disable=SC2034 # used by the scripts that source this file
readonly DENIED='unauthorized|no basic auth credentials|basic credential not found|authentication required|'\
'invalid username/password'
# shellcheck disable=SC2034
readonly UNTRUSTED='x509: .*unknown authority'

SCRATCH=            # everything a test writes lies below this folder
SERVER_PID=         # the running registry, or empty
SERVER_LOG=         # its standard error
SERVER_COUNT=0
OTHER_PID=          # the second registry, or empty
OTHER_REGISTRY=     # 127.0.0.1:PORT of it
SCHEME=             # http or https
REGISTRY=           # 127.0.0.1:PORT
HOST=               # what some clients must call it; see choose_host
PROTECTED=          # yes when the registry asks for credentials
EXIT_HOOKS=()       # functions to call before the scratch folder goes, last added first

# --- Outcome --------------------------------------------------------------------------------------------------------

step() { echo "   $*"; }

fail() {
  say_failure "$*"
  exit 1
}

say_failure() {
  echo "FAIL: $*" >&2
  [ ! -d "$SCRATCH" ] || echo "FAIL: $*" >>"$SCRATCH/failures"
}

# Leaves with 77 ("skipped") when the client under test is absent; under CI that is a failure, for ctest counts a skip as
# no harm. Any other missing tool always is one: a test that skips because curl is gone would pass for the wrong reason.
need_client() {
  local tool
  case $1 in
    buildctl | buildkitd | crane | oras | regctl | sccache) need_built_client "$1" ;;
    *) command -v "$1" >/dev/null || absent "$1 is not installed" ;;
  esac
  for tool in curl htpasswd jq openssl sha256sum tar; do
    command -v "$tool" >/dev/null || fail "this test needs $tool"
  done
  [ -x "${SLIPWAY_BIN:-}" ] || fail "SLIPWAY_BIN must name the slipway program"
}

# Puts a client that Debian does not have first on the path, in the one version that the test was written for.
need_built_client() {
  local path status=0
  path=$("${BASH_SOURCE[0]%/*}/../../scripts/tools.sh" "$1") || status=$?
  [ "$status" != 77 ] || absent "$1 cannot be had here"
  same "exit status of scripts/tools.sh $1" 0 "$status"
  PATH=${path%/*}:$PATH
}

absent() {
  [ "${CI:-}" != true ] || fail "$1, and CI has to run every client"
  echo "SKIP: $1"
  exit 77
}

# same WHAT EXPECTED ACTUAL: fails unless ACTUAL is EXPECTED.
same() {
  local what=$1 expected=$2 actual=$3
  [ "$expected" = "$actual" ] || fail "$what: expected '$expected', got '$actual'"
}

# refused PATTERN COMMAND...: the command must fail, and say something that matches PATTERN (extended, any case).
refused() {
  local pattern=$1 output
  shift
  if output=$("$@" 2>&1); then
    fail "this should have been refused ($pattern): $*"
  fi
  grep -Eiq -- "$pattern" <<<"$output" || fail "$* was refused, but not with '$pattern': $output"
}

# --- Mounts and the scratch folder ----------------------------------------------------------------------------------

# Runs the script again in a mount namespace of its own: what it mounts ends with it, and it can hide folders of the
# machine. The container engines need it anyway; skopeo alone does without where it is not to be had.
enter_own_mounts() {
  local script
  [ "${IN_OWN_MOUNTS:-no}" = no ] && unshare --mount --propagation unchanged true 2>/dev/null || return 0
  script=$(realpath "$0")
  SLIPWAY_BIN=$(realpath "$SLIPWAY_BIN")
  export IN_OWN_MOUNTS=yes SLIPWAY_BIN
  if awk '$5 == "/"' /proc/self/mountinfo | grep -q .; then exec unshare --mount bash "$script"; fi
  # In a chroot into a plain folder "/" is no mount point, and the kernel does not make it private, which everyone who
  # unpacks a layer wants. So it is mounted somewhere and entered; below /sys, as that can be made private first.
  # shellcheck disable=SC2016 # expanded by the inner shell
  exec unshare --mount --propagation unchanged bash -c '
    mount --make-rprivate /sys && mount --rbind / /sys/kernel && mount --make-rprivate /sys/kernel &&
      exec chroot /sys/kernel bash "$1"' - "$script"
}

# hide_folder FOLDER: puts an empty one in its place, for us alone.
hide_folder() {
  [ "${IN_OWN_MOUNTS:-no}" = yes ] || fail "this test needs root and the right to mount"
  mkdir -p "$1"
  mount -t tmpfs none "$1"
}

make_scratch() {
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/slipway-client.XXXXXX")
  trap leave EXIT
  trap 'exit 130' INT TERM HUP
  trap 'say_failure "${BASH_SOURCE[0]##*/}:$LINENO: $BASH_COMMAND"' ERR
}

leave() {
  local status=$? i
  trap - EXIT ERR
  set +e
  if [ "$status" != 0 ] && [ -s "$SERVER_LOG" ]; then
    echo "--- the registry's last words ($SERVER_LOG)" >&2
    tail -n 40 "$SERVER_LOG" >&2
    cat "$SCRATCH/failures" >&2 # once more, for whoever is shown the end only
  fi
  for ((i = ${#EXIT_HOOKS[@]} - 1; i >= 0; i--)); do "${EXIT_HOOKS[i]}"; done
  [ -z "$SERVER_PID" ] || end_process "$SERVER_PID"
  [ -z "$OTHER_PID" ] || end_process "$OTHER_PID"
  unmount_scratch
  rm -rf --one-file-system "$SCRATCH"
  exit "$status"
}

# Container tools leave mounts behind, one upon another, so the youngest must go first.
unmount_scratch() {
  local point
  awk -v top="$SCRATCH/" 'index($5 "/", top) == 1 { print $5 }' /proc/self/mountinfo | tac |
    while read -r point; do umount -l "$point"; done
}

# await_daemon NAME PID LOG COMMAND...: waits for a daemon until the command succeeds.
await_daemon() {
  local name=$1 pid=$2 log=$3 tries=600
  shift 3
  until "$@" >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || fail "$name ended before it was ready: $(tail -n 5 "$log")"
    [ $((tries -= 1)) -gt 0 ] || fail "$name was not ready after 60 seconds: $(tail -n 5 "$log")"
    sleep 0.1
  done
}

# Ends a child of this shell and returns its exit status; a child that ignores SIGTERM for 20 seconds is killed (137).
end_process() {
  local pid=$1 tries=200
  kill -TERM "$pid" 2>/dev/null || true
  while kill -0 "$pid" 2>/dev/null && [ $((tries -= 1)) -gt 0 ]; do sleep 0.1; done
  [ "$tries" -gt 0 ] || kill -KILL "$pid" 2>/dev/null || true
  wait "$pid"
}

# --- Registry -------------------------------------------------------------------------------------------------------

# on_every_server FUNCTION: calls it once against each kind of registry.
on_every_server() {
  local check=$1 scheme protected
  for scheme in http https; do
    for protected in no yes; do
      echo "== $scheme, credentials: $protected"
      start_server "$scheme" "$protected"
      "$check"
      stop_server
    done
  done
}

# on_servers_for_pulling_only FUNCTION: calls it against servers where anybody may pull and only users push.
on_servers_for_pulling_only() {
  local check=$1 scheme
  for scheme in http https; do
    echo "== $scheme, credentials: to push only"
    start_server "$scheme" yes --anonymous pull
    "$check"
    stop_server
  done
}

# start_server http|https no|yes [flags of serve]: a new, empty registry on a free port of the loopback.
start_server() {
  SCHEME=$1 PROTECTED=$2
  local data=$SCRATCH/server-$((SERVER_COUNT += 1)) flags=() tries=300
  [ "$SCHEME" = http ] || flags+=(--tls-certificate "$SCRATCH/pki/server.crt" --tls-key "$SCRATCH/pki/server.key")
  [ "$PROTECTED" = no ] || flags+=(--htpasswd "$SCRATCH/htpasswd")
  flags+=("${@:3}")
  [ -z "${SLIPWAY_TEST_STORE:-}" ] ||
    flags+=(--store "${SLIPWAY_TEST_STORE%%\?*}/client-$$-$SERVER_COUNT?${SLIPWAY_TEST_STORE#*\?}")
  if [ -n "${SLIPWAY_TEST_POSTGRES:-}" ]; then
    psql -X -q "$SLIPWAY_TEST_POSTGRES" -c "CREATE DATABASE client_$$_$SERVER_COUNT TEMPLATE template0"
    flags+=(--catalog "${SLIPWAY_TEST_POSTGRES%/*}/client_$$_$SERVER_COUNT")
  fi
  [ "${STREAMED:-no}" = no ] || flags+=(--redirect never)
  SERVER_LOG=$data.log
  "$SLIPWAY_BIN" serve --data "$data" --listen 127.0.0.1:0 "${flags[@]}" 2>"$SERVER_LOG" &
  SERVER_PID=$!
  until [ -s "$data/server.json" ]; do
    kill -0 "$SERVER_PID" 2>/dev/null || fail "the registry ended before it was ready"
    [ $((tries -= 1)) -gt 0 ] || fail "the registry was not ready after 30 seconds"
    sleep 0.1
  done
  same "process id in server.json" "$SERVER_PID" "$(jq -r .pid "$data/server.json")"
  REGISTRY=$(jq -r '.listen[0]' "$data/server.json")
  same "scheme in server.json" "$SCHEME" "${REGISTRY%%://*}"
  REGISTRY=${REGISTRY#*://}
}

stop_server() {
  local pid=$SERVER_PID status=0
  SERVER_PID=
  end_process "$pid" || status=$?
  same "the registry's exit status after SIGTERM" 0 "$status"
  [ ! -e "${SERVER_LOG%.log}/server.json" ] || fail "server.json outlived the registry"
}

# choose_host: sets HOST, for clients that check no certificate of a host within 127.0.0.0/8, or speak plain HTTP to it
# whatever they are told. 0.0.0.0 leads to the same socket and gets no such favour.
choose_host() {
  HOST=$REGISTRY
  # shellcheck disable=SC2034 # used by the scripts that source this file
  [ "$SCHEME" = http ] || HOST=0.0.0.0:${REGISTRY#*:}
}

# start_other_server: a second registry of the same kind, at OTHER_REGISTRY; what asks REGISTRY asks it if called as
# `REGISTRY=$OTHER_REGISTRY stored …`.
start_other_server() {
  local registry=$REGISTRY log=$SERVER_LOG pid
  OTHER_PID=$SERVER_PID # whichever of the two is being started, leaving ends both
  start_server "$SCHEME" "$PROTECTED"
  # shellcheck disable=SC2034 # used by the scripts that source this file
  pid=$OTHER_PID OTHER_PID=$SERVER_PID OTHER_REGISTRY=$REGISTRY
  SERVER_PID=$pid SERVER_LOG=$log REGISTRY=$registry
}

stop_other_server() {
  local pid=$OTHER_PID status=0
  OTHER_PID=
  end_process "$pid" || status=$?
  same "the second registry's exit status after SIGTERM" 0 "$status"
}

# served PATTERN: how many of the requests in the registry's log match (extended), such as 'method=PUT .*status=201'.
# grep's 1 is "none", which is an answer; anything else is a failure.
served() { grep ' info  request ' "$SERVER_LOG" | grep -Ec -- "$1" || [ $? = 1 ]; }

# A root, an issuer below it, and a server certificate. Clients get the root alone, so the server must send the chain.
# 0.0.0.0 is there for choose_host.
make_certificates() {
  mkdir "$SCRATCH/pki" "$SCRATCH/trust" "$SCRATCH/no-trust"
  certificate root root 'basicConstraints=critical,CA:TRUE'
  certificate issuer root 'basicConstraints=critical,CA:TRUE'
  certificate leaf issuer 'subjectAltName=IP:127.0.0.1,IP:0.0.0.0,DNS:localhost'
  cat "$SCRATCH"/pki/{leaf,issuer}.crt >"$SCRATCH/pki/server.crt"
  mv "$SCRATCH/pki/leaf.key" "$SCRATCH/pki/server.key"
  cp "$SCRATCH/pki/root.crt" "$SCRATCH/trust/ca.crt"
}

# certificate NAME SIGNER EXTENSION: writes pki/NAME.key and pki/NAME.crt; a certificate that signs itself is a root.
certificate() {
  local name=$1 signer=$2 extension=$3 by=()
  cd "$SCRATCH/pki"
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$name.key" -out "$name.csr" \
    -subj "/CN=slipway client test $name" -addext "$extension" 2>/dev/null
  if [ "$name" = "$signer" ]; then by=(-signkey "$name.key"); else by=(-CA "$signer.crt" -CAkey "$signer.key"); fi
  openssl x509 -req -in "$name.csr" "${by[@]}" -copy_extensions copy -days 2 -out "$name.crt" 2>/dev/null
  cd "$OLDPWD"
}

make_htpasswd() { htpasswd -Bbc "$SCRATCH/htpasswd" "$USER_NAME" "$USER_PASSWORD" 2>/dev/null; }

# --- Images ---------------------------------------------------------------------------------------------------------

# What goes into the layers: a little text, 5 MiB that compress badly, and nothing. The scratch folder's name makes the
# text as unique as the 5 MiB are, so that no cache on this machine has seen it.
make_payload() {
  mkdir -p "$SCRATCH"/payload/{small-amd64,small-arm64,large,empty}
  echo "amd64 greets $SCRATCH" >"$SCRATCH/payload/small-amd64/greeting"
  echo "arm64 greets $SCRATCH" >"$SCRATCH/payload/small-arm64/greeting"
  head -c 5242880 /dev/urandom >"$SCRATCH/payload/large/noise"
}

# An OCI image layout in LAYOUT, written by hand so that its bytes come from no client under test: the tags amd64 and
# arm64, two images that share two of their three layers, and multi, an index of both.
make_layout() {
  local layout=$1 index_type=application/vnd.oci.image.index.v1+json amd64 arm64 multi
  mkdir -p "$layout/blobs/sha256"
  echo '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
  amd64=$(put_image "$layout" amd64)
  arm64=$(put_image "$layout" arm64)
  multi=$(jq -n --arg type "$index_type" '{schemaVersion: 2, mediaType: $type, manifests: $ARGS.positional}' \
    --jsonargs "$amd64" "$arm64" | put_blob "$layout" "$index_type")
  jq -n --argjson amd64 "$amd64" --argjson arm64 "$arm64" --argjson multi "$multi" '
    def named($tag): . + {annotations: {"org.opencontainers.image.ref.name": $tag}};
    {schemaVersion: 2, manifests: [($amd64 | named("amd64")), ($arm64 | named("arm64")), ($multi | named("multi"))]}
  ' >"$layout/index.json"
}

# put_image LAYOUT ARCHITECTURE: prints the manifest's descriptor, platform included.
put_image() {
  local layout=$1 architecture=$2 layers config
  layers=$(for part in "small-$architecture" large empty; do put_layer "$layout" "$part"; done | jq -s .)
  config=$(jq --arg architecture "$architecture" '{
    architecture: $architecture, os: "linux", created: "2001-02-03T04:05:06Z",
    config: {Labels: {purpose: "slipway client test"}},
    rootfs: {type: "layers", diff_ids: map(.diff_id)}, history: map({created_by: .part})
  }' <<<"$layers" | put_blob "$layout" application/vnd.oci.image.config.v1+json)
  jq --argjson config "$config" '{
    schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json",
    config: $config, layers: map(.descriptor)
  }' <<<"$layers" | put_blob "$layout" application/vnd.oci.image.manifest.v1+json |
    jq -c --arg architecture "$architecture" '. + {platform: {os: "linux", architecture: $architecture}}'
}

# put_layer LAYOUT PART: prints the part's name, the digest of its tar and the descriptor of its compressed tar.
put_layer() {
  local layout=$1 part=$2 tar=$SCRATCH/layer.tar diff_id descriptor
  tar -C "$SCRATCH/payload/$part" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$tar" .
  diff_id=$(digest <"$tar")
  descriptor=$(gzip -n <"$tar" | put_blob "$layout" application/vnd.oci.image.layer.v1.tar+gzip)
  jq -cn --arg part "$part" --arg diff_id "$diff_id" --argjson descriptor "$descriptor" '$ARGS.named'
}

# put_blob LAYOUT MEDIA-TYPE: stores standard input and prints its descriptor.
put_blob() {
  local layout=$1 type=$2 sum
  cat >"$layout/incoming"
  sum=$(digest <"$layout/incoming")
  jq -cn --arg type "$type" --arg digest "$sum" --argjson size "$(stat -c %s "$layout/incoming")" \
    '{mediaType: $type, digest: $digest, size: $size}'
  mv "$layout/incoming" "$layout/blobs/sha256/${sum#sha256:}"
}

digest() { printf 'sha256:%s\n' "$(sha256sum | cut -d' ' -f1)"; }

# image_archive LAYOUT TAG NAME: prints a tar of the layout in which TAG is the only image and is called NAME.
image_archive() {
  local copy
  copy=$(mktemp -d -p "$SCRATCH" archive.XXXXXX)
  single_layout "$@" "$copy"
  tar -C "$copy" -cf - .
}

# single_layout LAYOUT TAG NAME FOLDER: the same as a folder. The other images' blobs are there, but nothing names them.
single_layout() {
  mkdir -p "$4"
  cp -r "$1/oci-layout" "$1/blobs" "$4/"
  jq --arg tag "$2" --arg name "$3" '
    def ref: .annotations["org.opencontainers.image.ref.name"];
    .manifests |= (map(select(ref == $tag)) | map(ref = $name))
  ' "$1/index.json" >"$4/index.json"
}

# layout_digest LAYOUT TAG: the digest of the manifest behind a tag.
layout_digest() {
  jq -r --arg tag "$2" '
    .manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == $tag).digest
  ' "$1/index.json"
}

# --- What the registry holds, read without any of the clients -------------------------------------------------------

# registry_get PATH [curl's arguments]
registry_get() {
  local path=$1 flags=(--silent --show-error --fail --location --cacert "$SCRATCH/trust/ca.crt")
  shift
  [ "$PROTECTED" = no ] || flags+=(--user "$USER_NAME:$USER_PASSWORD")
  curl "${flags[@]}" "$@" "$SCHEME://$REGISTRY$path"
}

# get_manifest REPOSITORY REFERENCE: prints the bytes of a manifest of any type.
get_manifest() {
  registry_get "/v2/$1/manifests/$2" "${@:3}" \
    -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
    -H 'Accept: application/vnd.oci.image.index.v1+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.v2+json' \
    -H 'Accept: application/vnd.docker.distribution.manifest.list.v2+json'
}

# stored REPOSITORY REFERENCE: hashes the manifest and all that is below it, and prints the manifest's digest.
stored() {
  local repository=$1 reference=$2 folder manifest_digest child type size
  folder=$(mktemp -d -p "$SCRATCH" stored.XXXXXX)
  get_manifest "$repository" "$reference" -D "$folder/head" -o "$folder/manifest"
  manifest_digest=$(digest <"$folder/manifest")
  same "Docker-Content-Digest of $repository:$reference" "$manifest_digest" \
    "$(header docker-content-digest "$folder/head")"
  type=$(jq -r .mediaType "$folder/manifest")
  [ "$type" = null ] || same "Content-Type of $repository:$reference" "$type" "$(header content-type "$folder/head")"
  for child in $(jq -r '.manifests[]?.digest' "$folder/manifest"); do
    same "digest of a listed manifest" "$child" "$(stored "$repository" "$child")"
  done
  while read -r child size; do
    registry_get "/v2/$repository/blobs/$child" -o "$folder/blob"
    same "content of a blob in $repository" "$child" "$(digest <"$folder/blob")"
    same "size of blob $child" "$size" "$(stat -c %s "$folder/blob")"
  done < <(jq -r '(.config, .layers[]?) | select(.) | "\(.digest) \(.size)"' "$folder/manifest")
  rm -r "$folder"
  echo "$manifest_digest"
}

header() { tr -d '\r' <"$2" | sed -n "s/^$1: *//Ip"; }

# --- Settings of skopeo, buildah and podman -------------------------------------------------------------------------

# Points the three at files of our own: neither what the machine's owner configured nor earlier logins may matter.
isolate_containers_tools() {
  export XDG_RUNTIME_DIR=$SCRATCH/runtime REGISTRY_AUTH_FILE=$SCRATCH/auth.json
  export CONTAINERS_STORAGE_CONF=$SCRATCH/storage.conf CONTAINERS_CONF=$SCRATCH/containers.conf
  unset CONTAINER_HOST CONTAINER_CONNECTION STORAGE_DRIVER STORAGE_OPTS BUILDAH_FORMAT BUILDAH_ISOLATION
  # Root's cache of where a blob was last seen is there and nowhere else. It would remember our registries.
  [ "${IN_OWN_MOUNTS:-no}" = no ] || hide_folder /var/lib/containers
  mkdir -p "$HOME/.config/containers" "$XDG_RUNTIME_DIR"
  echo '{}' >"$REGISTRY_AUTH_FILE"
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' >"$HOME/.config/containers/policy.json"
  echo 'unqualified-search-registries = []' >"$HOME/.config/containers/registries.conf"
  # vfs copies folders, which is slow and works everywhere; overlay needs a kernel and a file system to its liking.
  printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$SCRATCH/storage" "$SCRATCH/storage-run" \
    >"$CONTAINERS_STORAGE_CONF"
  # No systemd, no journal, no shared memory that would outlive us, nothing in /etc/cni.
  printf '%s\n' '[engine]' 'cgroup_manager = "cgroupfs"' 'events_logger = "file"' 'lock_type = "file"' \
    "tmp_dir = \"$SCRATCH/engine\"" '[network]' "network_config_dir = \"$SCRATCH/networks\"" >"$CONTAINERS_CONF"
}

# Sets TLS_FLAGS, which the three share: how to reach the running registry.
set_tls_flags() {
  if [ "$SCHEME" = https ]; then
    TLS_FLAGS=(--tls-verify=true "--cert-dir=$SCRATCH/trust")
  else
    TLS_FLAGS=(--tls-verify=false)
  fi
}

# log_in TOOL: leaves credentials in REGISTRY_AUTH_FILE, where all later commands find them; a wrong password must not.
log_in() {
  local tool=$1
  [ "$PROTECTED" = yes ] || return 0
  refused "$DENIED" "$tool" login "${TLS_FLAGS[@]}" --username "$USER_NAME" --password wrong "$REGISTRY"
  "$tool" login "${TLS_FLAGS[@]}" --username "$USER_NAME" --password-stdin "$REGISTRY" <<<"$USER_PASSWORD" >/dev/null
}

# --- Settings of crane, oras and regctl -----------------------------------------------------------------------------

# They look for credentials wherever docker and podman keep them.
isolate_go_clients() {
  export DOCKER_CONFIG=$SCRATCH/docker-config REGCTL_CONFIG=$SCRATCH/regctl.json
  unset REGISTRY_AUTH_FILE XDG_RUNTIME_DIR XDG_CONFIG_HOME ORAS_CACHE
  mkdir -p "$DOCKER_CONFIG"
  echo '{}' >"$DOCKER_CONFIG/config.json"
}

# Go takes the roots it trusts from here.
trust_registry() {
  if [ "$SCHEME" = https ]; then export SSL_CERT_FILE=$SCRATCH/trust/ca.crt; else unset SSL_CERT_FILE; fi
}

# --- Start ----------------------------------------------------------------------------------------------------------

# prepare CLIENT: everything that does not depend on which client it is. Neither proxies nor the certificates and the
# settings in the caller's home may matter.
prepare() {
  need_client "$1"
  enter_own_mounts
  make_scratch
  export HOME=$SCRATCH/home
  unset SLIPWAY_CONFIG http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY SSL_CERT_FILE SSL_CERT_DIR
  make_certificates
  make_htpasswd
  make_payload
  make_layout "$SCRATCH/layout"
}
