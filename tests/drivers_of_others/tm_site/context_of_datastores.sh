#!/bin/sh
# CONTEXT of 3.4 and later: behind the destination are the ids of VM and datastore.
. "$(dirname "$0")/tm_common.sh"
FIRST=$1
while [ $# -gt 3 ]; do shift; done
DST=$(arg_path "$1")
mkdir -p "$(dirname "$DST")"
cat "$FIRST" > "$DST" || error_message "Could not write $DST"
