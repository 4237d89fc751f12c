#!/bin/sh
. "$(dirname "$0")/tm_common.sh"
rm -rf "$(arg_path "$1")"
