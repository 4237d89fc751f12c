# lib.sh - what demo and demo-stop share. Sourced by them, at the root of the tree.
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
DEMO=${DEMO_DIR:-$TREE/.demo}
GUEST=${ONE_CACHE:-$TREE/.cache}/guest     # kept by demo-stop: the next demo starts in seconds
PARTS=$TREE/share/demo
VMS="hello-1 hello-2"
export ONE_LOCATION=$DEMO PATH=$TREE/.venv/bin:$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
unset ONE_AUTH ONE_XMLRPC

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf 'demo: %s\n' "$*" >&2; exit 1; }
