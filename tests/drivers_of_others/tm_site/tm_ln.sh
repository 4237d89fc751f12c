#!/bin/sh
. "$(dirname "$0")/tm_common.sh"
SRC=$(arg_path "$1") DST=$(arg_path "$2")
mkdir -p "$(dirname "$DST")"
ln -s "$SRC" "$DST" || error_message "Error linking $1 to $2"
