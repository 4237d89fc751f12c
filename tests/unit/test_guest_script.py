"""one-context, the guest's script, under the shells that guests have, with a root directory that is none."""

import os
import re
import shutil
import stat
import subprocess
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest
from needs import need_programs

from oned.template.shell import assignments as context_script

SCRIPT = Path(__file__).parents[2] / "share/guest/one-context"
KEY = "ssh-ed25519 AAAAC3Nz ann@home"
MACS = ("02:00:c0:a8:00:05", "02:00:0a:00:01:07")

FAKES = {
    "mount": 'for last; do dir=$device device=$last; done; test -d "$dir" || exit 32; cp -R "$dir/." "$device"',
    "umount": 'rm -rf "$1"/* ',
    "findfs": "exit 1",
    "hostname": "",
    "ip": 'test "$6" != dev-that-fails',
    "udhcpc": "",
}
"""What a guest's kernel would do. Each call is a line of the log, with its words apart by blanks."""
DEBIAN = {"ifup": "", "ifdown": ""}


class Guest:
    """A guest: its root directory, its devices, and a shell.

    kind  debian has ifupdown, busybox has nothing but ip
    """

    def __init__(self, root: Path, shell: str, kind: str) -> None:
        need_programs(shell)
        self.shell, self.root, self.bin = shell, root / "root", root / "root/bin"
        for directory in ("etc", "root", "dev", "run"):
            (self.root / directory).mkdir(parents=True)
        for number, mac in enumerate(MACS):
            self.device(f"eth{number}", mac)
        (self.root / "sys/class/net/lo").mkdir()
        (self.root / "sys/class/net/lo/address").write_text("00:00:00:00:00:00\n")
        self.bin.mkdir()
        self.log = root / "log"
        for name, body in (FAKES | (DEBIAN if kind == "debian" else {})).items():
            self.fake(name, body)
        if kind == "debian":
            (self.root / "etc/network").mkdir()
        if shell == "busybox":
            (root / "applets").mkdir()
            subprocess.run([shutil.which("busybox") or "", "--install", "-s", root / "applets"], check=True)

    def fake(self, name: str, body: str) -> None:
        (self.bin / name).write_text(f'#!/bin/sh\necho {name} "$@" >> {self.log}\n{body}\n')
        (self.bin / name).chmod(0o755)

    def device(self, name: str, mac: str) -> None:
        place = self.root / "sys/class/net" / name
        (place / "device").mkdir(parents=True)
        (place / "address").write_text(f"{mac}\n")

    def disk(self, context: Mapping[str, str], **files: str) -> None:
        """The context disk, which the next boot finds."""
        self.no_disk()
        (self.root / "dev/sr0").mkdir()
        (self.root / "dev/sr0/context.sh").write_text(context_script(context))
        for name, text in files.items():
            (self.root / "dev/sr0" / name.replace("_sh", ".sh")).write_text(text)

    def no_disk(self) -> None:
        shutil.rmtree(self.root / "dev/sr0", ignore_errors=True)

    def run(self) -> list[str]:
        """What the fakes were called with."""
        self.log.write_text("")
        command = ["busybox", "sh"] if self.shell == "busybox" else [self.shell]
        path = f"{self.root.parent / 'applets'}:/usr/bin:/bin"
        self.told = subprocess.run(
            [*command, SCRIPT],
            env={"PATH": path, "ONE_CONTEXT_ROOT": str(self.root)},
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout
        return self.log.read_text().splitlines()

    def read(self, path: str) -> str:
        return (self.root / path).read_text()


SHELLS = ("dash", "busybox", "bash")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def busybox(tmp_path: Path, shell: str) -> Guest:
    return Guest(tmp_path, shell, "busybox")


@pytest.fixture
def debian(tmp_path: Path, shell: str) -> Guest:
    return Guest(tmp_path, shell, "debian")


FULL = {
    "SET_HOSTNAME": "web-1.example.org",
    "ETH0_MAC": MACS[1].upper(), "ETH0_IP": "10.0.1.7", "ETH0_MASK": "255.255.252.0", "ETH0_GATEWAY": "10.0.0.1",
    "ETH0_DNS": "10.0.0.2 10.0.0.3", "ETH0_SEARCH_DOMAIN": "example.org", "ETH0_MTU": "1400", "ETH0_METRIC": "",
    "ETH1_MAC": MACS[0], "ETH1_IP": "192.168.0.5", "ETH1_MASK": "", "ETH1_GATEWAY": "", "ETH1_DNS": "10.0.0.2",
    "ETH1_IP6": "2001:db8::5", "ETH1_IP6_PREFIX_LENGTH": "48", "ETH1_IP6_GATEWAY": "fe80::1",
    "SSH_PUBLIC_KEY": f"{KEY}\nssh-rsa AAAAB bob@work",
}  # fmt: skip


def test_what_changes_a_running_system_is_called_through_one_door() -> None:
    """With another root directory the door leads there: a test must never configure the machine that it runs on."""
    called = rf"(?:^|[|&;({{]|\bthen|\bdo|\belse|!)\s*(?:{'|'.join([*FAKES, *DEBIAN, 'dhclient'])})\s"
    code = [line for line in SCRIPT.read_text().splitlines() if not line.lstrip().startswith("#")]
    assert [line for line in code if re.search(called, line)] == []


def test_a_guest_takes_its_name(busybox: Guest) -> None:
    (busybox.root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    busybox.disk({"SET_HOSTNAME": "web-1.example.org"})
    assert "hostname web-1.example.org" in busybox.run()
    assert busybox.read("etc/hostname") == "web-1.example.org\n"
    hosts = busybox.read("etc/hosts").splitlines()
    assert (hosts[0], hosts[2]) == ("127.0.0.1 localhost", "127.0.1.1 web-1.example.org web-1")
    busybox.disk({"HOSTNAME": "my web's; reboot"})
    assert "hostname my" in busybox.run(), "HOSTNAME is the classic name; a name is one word"
    assert busybox.read("etc/hosts").splitlines()[2] == "127.0.1.1 my my"


def test_a_guest_without_ifupdown_is_configured_at_once(busybox: Guest) -> None:
    busybox.disk(FULL)
    calls = [line for line in busybox.run() if line.startswith("ip ")]
    assert calls == [
        "ip link set dev eth0 up",
        "ip addr replace 192.168.0.5/24 dev eth0",
        "ip -6 addr replace 2001:db8::5/48 dev eth0",
        "ip -6 route replace default via fe80::1 dev eth0",
        "ip link set dev eth1 up",
        "ip link set dev eth1 mtu 1400",
        "ip addr replace 10.0.1.7/22 dev eth1",
        "ip route replace default via 10.0.0.1 dev eth1",
    ], "devices are found by their MAC"
    assert busybox.read("etc/resolv.conf").splitlines()[1:] == [
        "search example.org",
        "nameserver 10.0.0.2",
        "nameserver 10.0.0.3",
    ]


def test_a_guest_with_ifupdown_gets_its_files(debian: Guest) -> None:
    (debian.root / "etc/network/interfaces").write_text("# of the image\n")
    debian.disk(FULL)
    calls = debian.run()
    assert debian.read("etc/network/interfaces").splitlines() == [
        "# made by one-context",
        "auto lo",
        "iface lo inet loopback",
        "auto eth0",
        "iface eth0 inet static",
        "    address 192.168.0.5/24",
        "auto eth0",
        "iface eth0 inet6 static",
        "    address 2001:db8::5/48",
        "    gateway fe80::1",
        "auto eth1",
        "iface eth1 inet static",
        "    address 10.0.1.7/22",
        "    gateway 10.0.0.1",
        "    mtu 1400",
    ]
    assert debian.read("etc/network/interfaces.before") == "# of the image\n"
    assert [line for line in calls if line.startswith("if")] == [
        "ifdown --force eth0", "ifup eth0", "ifdown --force eth1", "ifup eth1",
    ]  # fmt: skip
    assert not [line for line in calls if line.startswith("ip ")]
    assert not [line for line in debian.run() if line.startswith("if")], "nothing has changed"
    debian.disk(FULL | {"ETH1_IP": "192.168.0.9"})
    assert "ifup eth0" in debian.run()
    assert debian.read("etc/network/interfaces.before") == "# of the image\n"


def test_a_guest_whose_interfaces_include_others_keeps_its_own(debian: Guest) -> None:
    own = "source /etc/network/interfaces.d/*\nauto lo\n"
    (debian.root / "etc/network/interfaces").write_text(own)
    debian.disk(FULL)
    debian.run()
    assert debian.read("etc/network/interfaces") == own
    assert "    address 10.0.1.7/22\n" in debian.read("etc/network/interfaces.d/one-context")


def test_without_a_context_disk_the_address_is_in_the_mac(busybox: Guest) -> None:
    busybox.device("eth2", "52:54:7f:00:00:01")
    busybox.device("eth3", "00:03:e0:00:00:01")
    calls = [line for line in busybox.run() if line.startswith("ip ")]
    assert calls == [
        "ip link set dev eth0 up",
        "ip addr replace 192.168.0.5/24 dev eth0",
        "ip route replace default via 192.168.0.1 dev eth0",
        "ip link set dev eth1 up",
        "ip addr replace 10.0.1.7/24 dev eth1",
        "ip link set dev eth2 up",
        "ip link set dev eth3 up",
    ], "loopback and multicast addresses are none"
    assert not (busybox.root / "etc/hostname").exists()
    assert "there is no context disk" in busybox.told


def test_a_context_without_addresses_leaves_it_to_the_engines_macs(busybox: Guest) -> None:
    busybox.device("eth2", "52:54:0a:00:00:01")
    busybox.disk({"HOSTNAME": "web"})
    calls = busybox.run()
    assert "ip addr replace 10.0.1.7/24 dev eth1" in calls
    assert [line for line in calls if "eth2" in line] == ["ip link set dev eth2 up"]


def test_addresses_without_macs_go_by_the_place_of_the_device(busybox: Guest) -> None:
    busybox.disk({"ETH1_IP": "10.9.9.9", "ETH1_MASK": "16", "ETH0_METHOD": "skip", "DNS": "10.0.0.2"})
    calls = busybox.run()
    assert "ip addr replace 10.9.9.9/16 dev eth1" in calls
    assert not [line for line in calls if "eth0" in line]
    assert busybox.read("etc/resolv.conf").splitlines()[1:] == ["nameserver 10.0.0.2"]


def test_a_device_may_ask_for_its_address(busybox: Guest) -> None:
    busybox.disk({"ETH0_METHOD": "dhcp"})
    assert "udhcpc -i eth0 -q -n -t 5" in busybox.run()


def test_a_changed_address_takes_the_place_of_the_old_one(busybox: Guest) -> None:
    busybox.disk({"ETH0_IP": "10.0.0.5"})
    busybox.run()
    busybox.disk({"ETH0_IP": "10.0.0.6"})
    calls = busybox.run()
    assert "ip addr del 10.0.0.5/24 dev eth0" in calls
    assert "ip addr replace 10.0.0.6/24 dev eth0" in calls
    assert not [line for line in busybox.run() if " del " in line]


def test_keys_may_log_in_as_root_beside_those_that_were_there(busybox: Guest) -> None:
    keys = busybox.root / "root/.ssh/authorized_keys"
    keys.parent.mkdir()
    keys.write_text("ssh-ed25519 OWN me@here\n")
    busybox.disk(FULL)
    for _ in range(2):
        busybox.run()
        lines = [line for line in keys.read_text().splitlines() if not line.startswith("#")]
        assert lines == ["ssh-ed25519 OWN me@here", KEY, "ssh-rsa AAAAB bob@work"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in (keys, keys.parent)] == [0o600, 0o700]
    busybox.disk({"SSH_PUBLIC_KEY": ""})
    busybox.run()
    assert keys.read_text() == "ssh-ed25519 OWN me@here\n", "a key that is taken away is gone"


def test_a_second_run_changes_nothing(busybox: Guest) -> None:
    busybox.disk(FULL)
    busybox.run()
    files = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (busybox.root / "etc").iterdir()}
    busybox.run()
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (busybox.root / "etc").iterdir()} == files


def test_scripts_run_in_the_end_with_all_variables(busybox: Guest) -> None:
    out = busybox.root / "out"
    busybox.disk(
        {"MESSAGE": "it's $HOME `id`\nend", "START_SCRIPT": f'for i in 1 2; do echo \\$i "\\$MESSAGE" >> {out}; done'},
        init_sh=f'cat context.sh > /dev/null && echo "init $MESSAGE" > {out}\n',
    )
    busybox.run()
    message = "it's $HOME `id`\nend"
    assert out.read_text() == f"init {message}\n1 {message}\n2 {message}\n"
    assert not list((busybox.root / "run/one-context/disk").iterdir()), "the disk is unmounted"


def test_a_start_script_may_be_in_any_language_and_may_fail(busybox: Guest) -> None:
    out = busybox.root / "out"
    text = f"#!/usr/bin/env -S sed -n p\necho this is {out}\n"
    busybox.disk({"START_SCRIPT_BASE64": b64encode(text.encode()).decode(), "START_SCRIPT": "exit 1"})
    busybox.run()
    assert f"echo this is {out}" in busybox.told
    busybox.disk({"START_SCRIPT": "exit 7"}, init_sh="exit 3")
    busybox.run()
    assert "one-context: init.sh has failed\n" in busybox.told
    assert "one-context: the start script has failed\n" in busybox.told


def test_other_scripts_of_the_disk_may_take_the_place_of_init_sh(busybox: Guest) -> None:
    busybox.disk({"INIT_SCRIPTS": "one.sh two.sh"}, one_sh="echo ONE", two_sh="echo TWO", init_sh="echo INIT")
    busybox.run()
    assert re.findall("ONE|TWO|INIT", busybox.told) == ["ONE", "TWO"]


def test_variables_that_mean_something_to_a_shell_do_no_harm(busybox: Guest) -> None:
    busybox.disk({"PATH": "/nowhere", "IFS": ":", "SET_HOSTNAME": "web", "ETH0_IP": "10.0.0.5", "N": "7", "DISK": "x"})
    calls = busybox.run()
    assert {"hostname web", "ip addr replace 10.0.0.5/24 dev eth0"} <= set(calls)
    assert os.listdir(busybox.root / "run/one-context/disk") == []


def test_a_disk_that_carries_no_context_is_passed_by(busybox: Guest) -> None:
    busybox.disk({"SET_HOSTNAME": "web"})
    (busybox.root / "dev/sr0").rename(busybox.root / "dev/sr1")
    (busybox.root / "dev/sr0").mkdir()
    (busybox.root / "dev/sr0/other").write_text("x")
    assert "hostname web" in busybox.run()


# --- in EC2 ---

CURL = """case "$*" in
*"-X PUT"*) test -e {root}/up && echo session-1 ;;
*"X-aws-ec2-metadata-token: session-1"*/latest/user-data) cat {root}/user-data ;;
*) exit 22 ;;
esac"""


def in_ec2(guest: Guest, data: str, vendor: str = "Amazon EC2") -> None:
    """The guest is an instance with these user data; its network is there once it has asked for an address."""
    guest.no_disk()
    (guest.root / "sys/class/dmi/id").mkdir(parents=True)
    (guest.root / "sys/class/dmi/id/sys_vendor").write_text(f"{vendor}\n")
    (guest.root / "user-data").write_text(data)
    guest.fake("curl", CURL.format(root=guest.root))
    guest.fake("udhcpc", f"touch {guest.root}/up")


def test_an_instance_has_its_name_and_keys_by_user_data_and_keeps_the_network_of_ec2(busybox: Guest) -> None:
    script = f"echo $SET_HOSTNAME > {busybox.root}/started"
    in_ec2(busybox, context_script({**FULL, "SSH_PUBLIC_KEY": KEY, "START_SCRIPT": script, "DNS": "10.9.9.9"}))
    calls = busybox.run()
    assert busybox.read("etc/hostname") == "web-1.example.org\n"
    assert busybox.read("started") == "web-1.example.org\n"
    assert KEY in busybox.read("root/.ssh/authorized_keys")
    assert [call for call in calls if call.startswith("ip ")] == ["ip link set dev eth0 up"]
    assert not (busybox.root / "etc/resolv.conf").exists()
    assert "SET_HOSTNAME='web-1.example.org'" in busybox.read("run/one-context/context.sh")


def test_an_instance_with_other_user_data_does_not_read_them(busybox: Guest) -> None:
    in_ec2(busybox, f"#!/bin/sh\ntouch {busybox.root}/executed\n")
    busybox.run()
    assert not (busybox.root / "executed").exists()
    assert "there is no context disk" in busybox.told


def test_nobody_else_is_asked_for_user_data(busybox: Guest) -> None:
    in_ec2(busybox, context_script({"SET_HOSTNAME": "web"}), vendor="QEMU")
    assert [call for call in busybox.run() if call.startswith("curl")] == []
