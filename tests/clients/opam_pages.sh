#!/usr/bin/env bash
# Chromium and the pages of an opam repository: on a telephone and on a desk, without JavaScript.
# usage: SLIPWAY_BIN=/path/to/slipway [SCREENSHOTS=DIR] bash tests/clients/opam_pages.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

prepare chromium
python3 "${BASH_SOURCE[0]%/*}/opam_pages.py" || fail "see above"
echo "opam pages: pass"
