#!/bin/sh
. "$(dirname "$0")/tm_common.sh"
for last; do :; done
DST=$(arg_path "$last")
mkdir -p "$(dirname "$DST")"
cat "$1" > "$DST" || error_message "Could not write $DST"
