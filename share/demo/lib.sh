# lib.sh - what demo and lab, and what ends them, share. Sourced by them; engine_in says where the engine is.
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PARTS=$TREE/share/demo
GUEST=${ONE_CACHE:-$TREE/.cache}/guest     # kept at the end: the next run starts in seconds
PROGRAM=$(basename "$0")

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf '%s: %s\n' "${PROGRAM%-stop}" "$*" >&2; exit 1; }

engine_in() { # DIR: the commands one, onevm, … are for the engine there
  PLACE=$1
  export ONE_LOCATION=$PLACE PATH=$TREE/.venv/bin:$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8
  unset ONE_AUTH ONE_XMLRPC
}

missing_programs() { # NAME…
  local program
  for program; do command -v "$program" >/dev/null || printf '%s ' "$program"; done
  "$TREE/.venv/bin/python" -c 'import libvirt' 2>/dev/null || printf 'libvirt-python '
}

# The port of oned.conf if it is free, else any that is.
free_port() {
  python - <<'P'
import socket
for port in (2633, 0):
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            continue
        print(tried.getsockname()[1])
        break
P
}

make_location() { # WORD…: of one init
  [ ! -e "$PLACE/etc/oned.conf" ] || return 0
  one init "$PLACE" --port "$(free_port)" "$@"
  # A look at everything each few seconds instead of twice a minute: it is for somebody who watches.
  sed -i -E 's/^(HOST_MONITORING_INTERVAL|VM_POLLING_INTERVAL) = .*/\1 = 5/' "$PLACE/etc/oned.conf"
}

wait_for_hosts() { # N: of them are on
  local tries=0
  until [ "$(onehost list --no-header --csv --list STAT | grep -cx on)" -ge "$1" ]; do
    tries=$((tries + 1)); [ $tries -lt 120 ] || { onehost list; die "not $1 hosts came up: see $PLACE/var/oned.log"; }
    sleep 0.5
  done
}

stat_of() { onevm list --no-header --csv --list NAME,STAT | awk -F, -v name="$1" '$1 == name {print $2; exit}'; }
id_of() { onevm list --no-header --csv --list NAME,ID | awk -F, -v name="$1" '$1 == name {print $2; exit}'; }

wait_until_gone() { # NAME: of a VM that is shutting down, or whose files are removed
  local tries=0
  while case $(stat_of "$1") in shut|epil|clea) true;; *) false;; esac; do
    [ $tries -gt 0 ] || echo "  $1 is going: waiting for its end"
    tries=$((tries + 1)); [ $tries -lt 600 ] || { onevm list; die "$1 does not go: onevm delete $1"; }
    sleep 0.5
  done
}

make_way() { # NAME: true if a VM of that name may be made; false if it runs, or is on its way. One that failed goes.
  wait_until_gone "$1"
  local stat; stat=$(stat_of "$1")
  case $stat in
    ""|fail|unkn|poff|stop|susp|unde) ;;
    *) echo "  $1 is there already"; return 1;;
  esac
  [ -z "$stat" ] || onevm terminate --hard "$(id_of "$1")" || onevm delete "$(id_of "$1")"
}

console_of() { # NAME: the file with what the guest says
  echo "$PLACE/var/datastores/0/$(id_of "$1")/console.log"
}

is_up() { # NAME HYPERVISOR
  [ "$2" != none ] || { [ "$(stat_of "$1")" = runn ]; return; }
  grep -q 'GUEST-READY .*kernel=' "$(console_of "$1")" 2>/dev/null
}

# Shows each change of a state until the guests are up.
watch_vms() { # HYPERVISOR SECONDS NAME…
  local hypervisor=$1 limit=$2 started=$SECONDS vm now before="" up; shift 2
  while :; do
    now="" up=0
    for vm; do
      now+="  $vm: $(stat_of "$vm")"
      if is_up "$vm" "$hypervisor"; then now+=", up"; up=$((up + 1)); fi
    done
    [ "$now" = "$before" ] || printf '  %3d s%s\n' $((SECONDS - started)) "$now"
    before=$now
    [ $up -lt $# ] || { sleep 0.3; return 0; }    # the last word may still be on its way
    case $now in *fail*) onevm list; die "a VM failed: onevm show ID, and $PLACE/var, tell why";; esac
    [ $((SECONDS - started)) -lt "$limit" ] || { onevm list; die "the guests are not up after $limit s"; }
    sleep 0.3
  done
}

guests_words() { # NAME…
  local vm
  for vm; do
    echo "  $vm:"
    tr -d '\r' < "$(console_of "$vm")" | grep -a '^GUEST-' | sed 's/^/    /'
  done
}
