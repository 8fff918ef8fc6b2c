#!/usr/bin/env bash
# Prints the path of a program that Debian does not have, or not in this form, and the tests want: clients and suites
# written in Go, one in Rust, one in JavaScript; and servers that the benchmarks measure beside ours.
# usage: scripts/tools.sh NAME       (buildctl, buildkitd, crane, oras, regctl, sccache, conformance, conformance-1.1,
#                                     distribution, zot, axe)
#
# Each is pinned, built once and kept below $SLIPWAY_TOOLS (~/.cache/slipway/tools), outside the project, so that a
# fresh clone finds it. What already lies there is used as it is, which is how a machine without Go or Rust, or without
# a way to the module, gets one. Exit status: 0 and the path; 77 if the program cannot be had here, with the reason on standard
# error; 2 for a name that is not known.
set -euo pipefail
shopt -s inherit_errexit

module=  # what go downloads; empty if it offers the program nowhere
package= # the folder of the module that holds the program
tags=    # for go's build constraints, where the module wants some
sum=     # of the module, where Go's checksum database may not tell
go=(build -buildvcs=false)
crate=   # what cargo downloads instead
archive= # what npm downloads instead, of which `program` is a file
name=${1:-}
case $name in
  buildctl | buildkitd) program=$name version=v0.32.2 module=github.com/moby/buildkit package=./cmd/$name ;;
  crane) program=crane version=v0.21.9 module=github.com/google/go-containerregistry package=./cmd/crane ;;
  oras) program=oras version=v1.3.3 module=oras.land/oras package=./cmd/oras ;;
  regctl) program=regctl version=v0.11.5 module=github.com/regclient/regclient package=./cmd/regctl ;;
  conformance)
    program=conformance version=v0.0.0-20260831232431-97274622c111
    module=github.com/opencontainers/distribution-spec/conformance package=.
    ;;
  distribution) program=registry version=v3.1.1 module=github.com/distribution/distribution/v3 package=./cmd/registry ;;
  # An extension (user interface, search, scrubbing) is in where its tag is given; this is what its minimal build has.
  zot)
    program=zot version=v2.1.20 module=zotregistry.dev/zot/v2 package=./cmd/zot
    tags=containers_image_openpgp
    ;;
  # Debian's has no WebDAV, which is the only HTTP that it speaks to a plain cache.
  sccache) program=sccache version=0.19.0 crate=sccache ;;
  # Looks for what keeps people from using a page; a script that is run within it.
  axe)
    program=axe.min.js version=4.10.3 archive=axe-core
    sha256=0f2b4d7dcdf7d1219df8d1959ad68e565f51d14c3f0d88bb71cd59abeb956292
    ;;
  # The suite that this one replaced, a Go test and no program, as it stood shortly before 1.1: the last version that
  # somebody asked a module proxy for. Go's checksum database may not know it, so what it must be is told here.
  conformance-1.1)
    program=conformance version=v0.0.0-20231101194043-f2182352d4cc
    module=github.com/opencontainers/distribution-spec/conformance package=. go=(test -c)
    sum=h1:jL+CgYEEZluGb08ZcLpEyhn389kNMlwrWOHaIqXazq0=
    ;;
  *)
    printf 'tools.sh: there is no tool "%s"\n' "$name" >&2
    exit 2
    ;;
esac

cache=${SLIPWAY_TOOLS:-${XDG_CACHE_HOME:-$HOME/.cache}/slipway/tools}
folder=$cache/$program-$version
path=$folder/$program

not_to_be_had() {
  printf 'tools.sh: %s %s is not in %s, and cannot be built: %s\n' "$program" "$version" "$cache" "$1" >&2
  exit 77
}

# From 1.21 on, go itself fetches the newer Go that a module asks for, or says that it cannot.
need_go() {
  local major minor
  PATH=$PATH:/usr/local/go/bin # where Go's own packages put it
  command -v go >/dev/null || not_to_be_had "Go is not installed"
  IFS=. read -r major minor _ < <(go env GOVERSION | sed 's/^go//')
  [ "$major" -gt 1 ] || [ "${minor%%[!0-9]*}" -ge 21 ] || not_to_be_had "Go is older than 1.21"
}

# What Debian 12 has is too old for today's crates; rustup's lies where PATH may not look.
need_cargo() {
  local minor
  PATH=$PATH:$HOME/.cargo/bin
  command -v cargo >/dev/null || not_to_be_had "Rust is not installed"
  IFS=. read -r _ minor _ < <(cargo --version | cut -d' ' -f2)
  [ "$minor" -ge 85 ] || not_to_be_had "Rust is older than 1.85"
}

field() { sed -n "s/^\t\"$1\": \"\(.*\)\",\{0,1\}\$/\1/p"; }

# Not `go install`, which asks for a list of all versions as well, and not every module proxy has that.
build() { # build FILE
  local answer source
  if ! answer=$(GONOSUMDB=${sum:+$module} go mod download -json "$module@$version"); then
    not_to_be_had "$(field Error <<<"$answer")"
  fi
  [ -z "$sum" ] || [ "$sum" = "$(field Sum <<<"$answer")" ] || not_to_be_had "$module@$version is not what it was"
  source=$(field Dir <<<"$answer")
  # Whatever the caller set for projects of their own must not change what is built; the lock is not go's to keep.
  if ! (
    cd "$source"
    GOFLAGS='' GOWORK=off CGO_ENABLED=0 go "${go[@]}" -trimpath -tags "$tags" -o "$1" "$package" 9>&- >&2
  ); then
    not_to_be_had "go could not build $module@$version"
  fi
}

build_crate() { # build_crate FILE
  local root=$1.root
  cargo install --locked --no-default-features --features webdav --root "$root" "$crate@$version" 9>&- >&2 ||
    not_to_be_had "cargo could not build $crate $version"
  mv "$root/bin/$program" "$1"
  rm -r "$root"
}

take_from_npm() { # take_from_npm FILE
  local folder=${1%/*}
  command -v npm >/dev/null || not_to_be_had "npm is not installed"
  (cd "$folder" && npm pack --silent "$archive@$version" >&2) || not_to_be_had "npm could not get $archive $version"
  echo "$sha256 $folder/$archive-$version.tgz" | sha256sum --check --quiet >&2 ||
    not_to_be_had "$archive $version is not what it was"
  tar -xzf "$folder/$archive-$version.tgz" -C "$folder" --strip-components=1 "package/$program"
  chmod +x "$1"
}

if [ ! -x "$path" ]; then
  [ -n "$module$crate$archive" ] || not_to_be_had "no module offers it; put the program there"
  if [ -n "$crate" ]; then need_cargo; elif [ -n "$module" ]; then need_go; fi
  mkdir -p "$cache"
  exec 9>"$cache/$program-$version.lock"
  flock 9 # tests run in parallel: one builds, the others wait
  if [ ! -x "$path" ]; then
    scratch=$(mktemp -d "$cache/$program-$version.XXXXXX")
    trap 'rm -rf "$scratch"' EXIT
    if [ -n "$crate" ]; then
      build_crate "$scratch/$program"
    elif [ -n "$archive" ]; then
      take_from_npm "$scratch/$program"
    else
      build "$scratch/$program"
    fi
    mkdir -p "$folder"
    mv "$scratch/$program" "$path" # complete, or not there at all
  fi
fi
printf '%s\n' "$path"
