#!/usr/bin/env bash
# Starts a server, pushes an image to it, pulls it back, and says what to type next.
# usage: scripts/tour.sh [--tour-only] [flags of `slipway serve`]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/server.sh
source scripts/server.sh

tour_only=no
data=build/run-data
listen=127.0.0.1:5000
if port_is_taken 5000; then listen=127.0.0.1:0; fi
log=build/run.log
flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --tour-only) tour_only=yes ;;
    --data) data=$2 && shift ;;
    --data=*) data=${1#*=} ;;
    --listen) listen=$2 && shift ;;
    --listen=*) listen=${1#*=} ;;
    *) flags+=("$1") ;;
  esac
  shift
done

sha256_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# Stores a file as a blob of the OCI layout and prints its descriptor.
add_blob() { # add_blob LAYOUT FILE MEDIA_TYPE
  local digest size
  digest=$(sha256_of "$2")
  size=$(stat -c %s "$2")
  mv "$2" "$1/blobs/sha256/$digest"
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$3" "$digest" "$size"
}

# A small image made of nothing but files, the same bytes each time; nothing is downloaded.
make_image() { # make_image LAYOUT
  local layout=$1 type=application/vnd.oci.image layer config manifest diff_id arch
  arch=$(dpkg --print-architecture)
  mkdir -p "$layout/blobs/sha256" "$layout.files/srv"
  printf 'Hello from Slipway.\n' >"$layout.files/srv/hello.txt"
  tar -C "$layout.files" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
    -cf "$layout.tar" srv
  diff_id=$(sha256_of "$layout.tar")
  gzip -n "$layout.tar"
  layer=$(add_blob "$layout" "$layout.tar.gz" $type.layer.v1.tar+gzip)
  printf '{"architecture":"%s","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$arch" "$diff_id" >"$layout.config"
  config=$(add_blob "$layout" "$layout.config" $type.config.v1+json)
  printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' \
    $type.manifest.v1+json "$config" "$layer" >"$layout.manifest"
  manifest=$(add_blob "$layout" "$layout.manifest" $type.manifest.v1+json)
  printf '{"schemaVersion":2,"manifests":[%s]}' "$manifest" >"$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
}

# The digest of the one manifest in an OCI layout.
digest_of() { grep -o 'sha256:[0-9a-f]*' "$1/index.json" | head -n 1; }

push_and_pull() { # push_and_pull IMAGE
  echo "Making a small image and pushing it to $1"
  make_image "$scratch/pushed"
  skopeo --insecure-policy copy --quiet --dest-tls-verify=false "oci:$scratch/pushed" "docker://$1"
  echo "Pulling it back"
  skopeo --insecure-policy copy --quiet --src-tls-verify=false "docker://$1" "oci:$scratch/pulled"
  local pushed pulled
  pushed=$(digest_of "$scratch/pushed")
  pulled=$(digest_of "$scratch/pulled")
  if [ "$pushed" != "$pulled" ]; then
    echo "What came back is not what went in: $pushed was pushed, $pulled pulled" >&2
    exit 1
  fi
  echo "Both are $pushed"
}

publish_site() { # publish_site URL
  mkdir -p "$scratch/site"
  printf '<!doctype html>\n<title>Slipway</title>\n<h1>It is live</h1>\n' > "$scratch/site/index.html"
  cp README.md "$scratch/site/"
  echo "Publishing a folder as the site $1/tour/site/"
  "$SLIPWAY_BIN" publish "$scratch/site" tour/site --server "$1"
  "$SLIPWAY_BIN" tree get tour/site "$scratch/fetched" --server "$1" > /dev/null
  if ! diff -r "$scratch/site" "$scratch/fetched"; then
    echo "What came back is not what was published" >&2
    exit 1
  fi
}

say_what_is_next() { # say_what_is_next HOST:PORT
  cat <<EOT

Slipway listens on $1; its data is in $data, its log in $log.
In another terminal, with an image of yours in place of IMAGE:

  docker   docker tag IMAGE $1/me/app:1
           docker push $1/me/app:1
  podman   podman push --tls-verify=false IMAGE $1/me/app:1
           podman pull --tls-verify=false $1/me/app:1
  skopeo   skopeo inspect --tls-verify=false docker://$1/tour/hello:1
           skopeo copy --src-tls-verify=false docker://$1/tour/hello:1 oci:hello
  a site   $SLIPWAY_BIN publish FOLDER me/site      and look at http://$1/me/site/

Docker takes 127.0.0.0/8 for local and asks for no certificate there; podman and skopeo are told by the flag.
EOT
}

scratch=$(mktemp -d)
trap 'stop_server; rm -rf "$scratch"' EXIT
trap 'exit 0' INT TERM

start_server "$data" "$log" --listen "$listen" "${flags[@]}"
host=${server_url#*://}
push_and_pull "$host/tour/hello:1"
publish_site "$server_url"
if [ "$tour_only" = yes ]; then
  stop_server
  echo "The tour is over; the server has stopped."
else
  say_what_is_next "$host"
  echo "Serving until Ctrl-C."
  wait "$server_pid"
fi
