#!/bin/sh
. "$(dirname "$0")/tm_common.sh"
SRC=$(arg_path "$1") DST=$(arg_path "$2")
mkdir -p "$(dirname "$DST")"
echo "Cloning $SRC to $DST"
cp "$SRC" "$DST" || error_message "Error copying $1 to $2"
