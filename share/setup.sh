#!/bin/sh
# The one set-up: system packages where it may install them, and the virtual environment .venv with everything in it.
# Quick when nothing is to do. Exit status 0 unless .venv could not be made.
#
# share/setup.sh         for the programs and their tests
# share/setup.sh tests   also the client libraries of others that tests/clients drives, below .venv-clients
#
# CONSTRAINTS=file   exact versions for pip (continuous integration: tests/constraints.txt)
# NO_SYSTEM=1        leave the system's packages alone
set -u
cd "$(dirname "$0")/.." || exit 1

SYSTEM_PACKAGES="libvirt-daemon libvirt-daemon-driver-qemu libvirt-daemon-system libvirt-clients qemu-system-x86
    qemu-utils genisoimage libvirt-dev pkg-config gcc python3-dev python3-venv kmod e2fsprogs dosfstools mtools cpio
    xz-utils procps iproute2 groff-base busybox-static dnsmasq-base dash openssh-server openssh-client perl ruby
    nftables isc-dhcp-server kea-dhcp4-server openvswitch-switch ovmf openvpn gridengine-master gridengine-exec
    gridengine-client mmdebstrap syslinux syslinux-common fdisk"
SERVICES="isc-dhcp-server kea-dhcp4-server openvswitch-switch openvpn gridengine-master gridengine-exec"
STAMP=.venv/.set-up
PIP="--quiet --disable-pip-version-check --no-input --root-user-action=ignore"

say() { echo "setup: $*"; }

wanted() { cat setup.cfg pyproject.toml share/setup.sh ${CONSTRAINTS:+"$CONSTRAINTS"} | sha256sum | cut -d' ' -f1; }

is_set_up() { [ "$(cat $STAMP 2>/dev/null)" = "$(wanted)" ] && .venv/bin/python -c '' 2>/dev/null; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_install() {
    [ -z "${NO_SYSTEM:-}" ] && command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

missing_packages() {
    for package in $SYSTEM_PACKAGES; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Lists of packages that are missing or older than a day are fetched again.
refresh_lists() {
    [ -z "$(find /var/lib/apt/lists -name '*_Packages*' -mtime -1 2>/dev/null | head -n 1)" ] || return 0
    say "fetching the lists of packages"
    as_root apt-get -qq update >/dev/null 2>&1 || say "the lists of packages could not be fetched; trying without"
}

# Nothing that is installed here is started: a policy of "no" for the time of the installation.
with_nothing_started() {
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ]; then as_root "$@"; return; fi
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null && as_root chmod 755 $policy
    as_root "$@"
    status=$?
    as_root rm -f $policy
    trap - EXIT INT TERM
    return $status
}

# Servers that only tests look at do not start with the machine either. Those that were there before are left alone.
leave_off() {
    for service in $SERVICES; do
        case " $* " in *" $service "*) as_root systemctl disable "$service" >/dev/null 2>&1 ;; esac
    done
}

install_system_packages() {
    missing=$(missing_packages)
    [ -n "$missing" ] || return 0
    if ! may_install; then
        say "not installed, as this needs root on Debian or Ubuntu:" $missing
        return 0
    fi
    refresh_lists
    say "installing" $missing
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words
    with_nothing_started env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install $missing >"$log" 2>&1 ||
        { say "apt-get failed; going on with what is there. Its last lines:"; tail -n 5 "$log"; }
    rm -f "$log"
    # shellcheck disable=SC2086 # a list of words
    leave_off $missing
}

# The oldest Python that serves is 3.11; the first found of these names is taken.
find_python() {
    for name in python3 python3.13 python3.12 python3.11; do
        "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
            { command -v "$name"; return 0; }
    done
    return 1
}

make_environment() {
    .venv/bin/python -c 'import pip' 2>/dev/null && return 0
    python=$(find_python) || { say "Python 3.11 or newer with its venv module is needed"; return 1; }
    say "making .venv with $python"
    "$python" -m venv --clear .venv
}

pip_install() {
    # shellcheck disable=SC2086 # a list of words
    .venv/bin/python -m pip install $PIP ${CONSTRAINTS:+-c "$CONSTRAINTS"} "$@"
}

install_project() {
    say "installing oned and what it needs into .venv"
    reason=$(mktemp)
    pip_install -e '.[libvirt,test]' 2>"$reason" && { rm -f "$reason"; return 0; }
    say "no libvirt for Python here (it needs libvirt-dev, pkg-config and gcc), so no KVM; going on without"
    pip_install -e '.[test]' && { rm -f "$reason"; return 0; }
    cat "$reason" >&2
    rm -f "$reason"
    return 1
}

set_up() {
    is_set_up && return 0
    install_system_packages
    make_environment || { say ".venv could not be made"; return 1; }
    if install_project; then
        .venv/bin/python -m compileall -q oned drivers >/dev/null
        wanted >$STAMP
        say "done"
    else
        say "not everything could be installed; the next run tries again"
    fi
}

# Each list of tests/clients/libraries names all that goes into the directory of its name, so that versions of the same
# library do not meet.
install_clients() {
    for list in tests/clients/libraries/*.txt; do
        name=$(basename "$list" .txt)
        target=.venv-clients/$name
        asked=$({ cat "$list"; .venv/bin/python -V; } | sha256sum)
        [ "$(cat "$target/.set-up" 2>/dev/null)" = "$asked" ] && continue
        say "installing the client library $name"
        rm -rf "$target"
        # shellcheck disable=SC2086 # a list of words
        .venv/bin/python -m pip install $PIP --no-compile --no-deps --target "$target" -r "$list" &&
            echo "$asked" >"$target/.set-up" ||
            say "$name could not be installed; its tests are skipped"
    done
}

set_up || exit 1
[ "${1:-}" = tests ] && install_clients
exit 0
