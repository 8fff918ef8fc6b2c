#!/usr/bin/env bash
# The pages of an opam repository by axe, which knows what keeps people from using a page (WCAG 2).
# usage: SLIPWAY_BIN=/path/to/slipway bash tests/clients/opam_pages_slow.sh

# shellcheck source=tests/support/clients.sh
source "${BASH_SOURCE[0]%/*}/../support/clients.sh"

prepare chromium
status=0
AXE=$("${BASH_SOURCE[0]%/*}/../../scripts/tools.sh" axe) || status=$?
[ "$status" != 77 ] || absent "axe cannot be had here"
same "exit status of scripts/tools.sh axe" 0 "$status"
AXE=$AXE python3 "${BASH_SOURCE[0]%/*}/opam_pages.py" || fail "see above"
echo "opam pages by axe: pass"
