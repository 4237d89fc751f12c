#!/bin/sh
. "$(dirname "$0")/tm_common.sh"
SRC=$(arg_path "$1") DST=$(arg_path "$2")
if [ "$SRC" = "$DST" ]; then echo "Will not move, source and destination are equal"; exit 0; fi
mkdir -p "$(dirname "$DST")"
mv "$SRC" "$DST" || error_message "Could not move $1 to $2"
