#!/usr/bin/env bash
# opam files are read as the official parser (opam-file-format, of Debian) reads them: samples, mutations of them, and
# the whole of the real repository where its fixture is there.
# usage: SLIPWAY_BIN=… OPAM_DUMP=/path/to/opam_dump [OPAM_SEED=1] [OPAM_MUTATIONS=20000] bash tests/clients/opam_syntax.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

HERE=$(realpath "${BASH_SOURCE[0]%/*}/..")
readonly HERE MUTATIONS=${OPAM_MUTATIONS:-20000}

prepare ocamlfind
ocamlfind query opam-file-format >/dev/null 2>&1 || absent "libopam-file-format-ocaml-dev is not installed"

step "building the oracle"
cp "$HERE/opam/oracle.ml" "$SCRATCH/oracle.ml"
(cd "$SCRATCH" && ocamlfind ocamlopt -w -a -package opam-file-format -linkpkg oracle.ml -o oracle)

# What an error says is our own.
agree() { # agree LIST: of paths
  "$SCRATCH/oracle" <"$1" | sed 's/\tERR.*/\tERR/' >"$SCRATCH/theirs"
  "$OPAM_DUMP" <"$1" | sed 's/\tERR.*/\tERR/' >"$SCRATCH/ours"
  cmp -s "$SCRATCH/theirs" "$SCRATCH/ours" ||
    fail "files are read differently: $(diff "$SCRATCH/theirs" "$SCRATCH/ours" >"$SCRATCH/difference" || head -c 4000 "$SCRATCH/difference")"
  step "$(wc -l <"$1") files, of which $(grep -c $'\tERR$' "$SCRATCH/ours" || true) are none for either"
}

find "$HERE/opam/samples" -type f | sort >"$SCRATCH/samples"
agree "$SCRATCH/samples"

fixture=$HERE/../../shared/fixtures/opam/opam-repository-97014be6.tar.xz
if [ -e "$fixture" ]; then
  hide_folder "$SCRATCH/tree" # in memory
  tar -xJf "$fixture" -C "$SCRATCH/tree"
  find "$SCRATCH/tree" -type f -name opam | sort >"$SCRATCH/real"
  agree "$SCRATCH/real"
  shuf -n 500 --random-source="$fixture" "$SCRATCH/real" >>"$SCRATCH/samples"
else
  step "the real repository is not here: samples only"
fi

mkdir "$SCRATCH/mutations"
mapfile -t samples <"$SCRATCH/samples"
python3 "$HERE/opam/mutate.py" "${OPAM_SEED:-1}" "$MUTATIONS" "$SCRATCH/mutations" "${samples[@]}" >"$SCRATCH/mutated"
agree "$SCRATCH/mutated"
