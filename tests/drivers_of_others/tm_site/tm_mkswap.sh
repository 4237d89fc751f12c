#!/bin/sh
. "$(dirname "$0")/tm_common.sh"
DST=$(arg_path "$2")
mkdir -p "$(dirname "$DST")"
truncate -s "${1}M" "$DST" || error_message "Could not create image file $DST"
