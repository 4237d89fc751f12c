"""The scripts that hosts get: what they print of a machine whose /proc and whose virsh are given."""

import base64
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.drivers.im.im_probes import Domain, Watched, differences, import_template, read, vector
from oned.drivers.lib.line import Voice
from oned.drivers.lib.reach.host import Host
from oned.drivers.lib.reach.local import LocalSession
from oned.drivers.lib.reach.remotes import Remotes, shipped
from oned.drivers.lib.reach.shell import AgentShell
from oned.drivers.lib.task import Task
from oned.mad import im
from oned.names import check_name
from oned.template.parse import parse

PROC = {
    "stat": "cpu  100 5 50 800 40 3 2 0 7 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 5\n",
    "meminfo": "MemTotal:  16000000 kB\nMemFree:  1000000 kB\nMemAvailable:  12000000 kB\n",
    "cpuinfo": 'processor : 0\nmodel name : Some "fast" CPU @ 2.40GHz\ncpu MHz : 2394.454\n\nprocessor : 1\n',
    "net/dev": "| x\n | y\n lo: 9 9 0 0 0 0 0 0 9 9\n eth0:4294967297 1 0 0 0 0 0 0 70 1\n br0: 3 1 0 0 0 0 0 0 4 1\n",
}
DOMSTATS = """Running hypervisor: QEMU 7.2.22
Domain: 'one-5'
  state.state=1
  state.reason=1
  cpu.time=123456789012345
  balloon.current=262144
  balloon.maximum=524288
  balloon.rss=99999
  vcpu.current=2
  net.count=2
  net.0.name=vnet0
  net.0.rx.bytes=10
  net.0.tx.bytes=20
  net.1.rx.bytes=1
  net.1.tx.bytes=2
  block.0.name=vda
  block.0.rd.reqs=5
  block.0.rd.bytes=5000000000
  block.0.wr.reqs=6
  block.0.wr.bytes=600
Domain: 'it's a web=server'
  state.state=3
  state.reason=1
  cpu.time=5
  balloon.current=65536
  balloon.maximum=65536
  vcpu.current=1
Domain: 'stopped'
  state.state=5
  state.reason=1
"""
XEN = """CPU(s):              8
CPU frequency:       2400 MHz
Memory size:         33554432 KiB
Total: 8388608 KiB
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host that has the scripts, with a /proc and a virsh of the test's."""
    for name, text in PROC.items():
        (tmp_path / "proc" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "proc" / name).write_text(text)
    virsh = tmp_path / "bin/virsh"
    virsh.parent.mkdir()
    (tmp_path / "domstats").write_text(DOMSTATS)
    (tmp_path / "xen").write_text(XEN)
    virsh.write_text(
        f'#!/bin/sh\n[ ! -e {tmp_path}/dead ] || {{ echo "error: no libvirt here" >&2; exit 1; }}\n'
        f'case "$*" in *nodeinfo*) cat {tmp_path}/xen;; *) cat {tmp_path}/domstats;; esac\n'
    )
    virsh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{virsh.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PROC", str(tmp_path / "proc"))
    monkeypatch.setenv("ONE_LOCATION", str(tmp_path))
    return tmp_path


@pytest.fixture
def task() -> Task:
    return Task("ANY", 0, Voice(os.open(os.devnull, os.O_WRONLY)))


def here() -> Host:
    return Host("localhost", True, lambda argv, deadline: LocalSession(argv))


def probed(task: Task, hypervisor: str = "kvm") -> str:
    """What the scripts say once they have been brought."""
    remotes = Remotes()
    remotes.bring(here(), task)
    return here().demand(remotes.argv(here(), "im/run_probes", hypervisor, "h1", "some:///uri"), task)


def test_a_machine_is_told_from_proc(place: Path, task: Task) -> None:
    cycle = read(probed(task))
    assert cycle.failed == {}
    assert cycle.values | {"HOSTNAME": "", "ARCH": "", "REMOTES_VERSION": ""} == {
        "HOSTNAME": "", "ARCH": "", "REMOTES_VERSION": "", "QEMUVERSION": "7.2.22",
        "TOTALCPU": "200", "CPU_TICKS": "160/840", "MODELNAME": "Some  fast  CPU @ 2.40GHz", "CPUSPEED": "2394",
        "TOTALMEMORY": "16000000", "USEDMEMORY": "4000000", "FREEMEMORY": "12000000",
        "NETRX": "4294967300", "NETTX": "74",
    }  # fmt: skip
    assert cycle.values["HOSTNAME"] == os.uname().nodename


def test_domains_are_told_with_the_sums_of_their_devices(place: Path, task: Task) -> None:
    ours, wild = read(probed(task)).domains
    assert (ours.name, ours.cpu_time, ours.vcpus, ours.maximum, ours.used) == (
        "one-5",
        123456789012345,
        2,
        524288,
        99999,
    )
    assert ours.counters == (11, 22, 5000000000, 600, 5, 6)
    assert (wild.name, wild.state, wild.used) == ("it's a web=server", 3, 65536)


def test_the_engine_reads_what_the_driver_makes_of_them(place: Path, task: Task) -> None:
    cycle, host = read(probed(task)), Watched(AgentShell(here()))
    differences(host, cycle)
    vectors = [vector(host, domain) for domain in cycle.domains]
    found = im.domains("VM_POLL=YES\n" + "\n".join(vectors))
    assert found is not None
    assert [(domain.vm, domain.deploy_id) for domain in found] == [(5, "one-5"), (-1, "it's a web=server")]
    assert found[0].poll.startswith("STATE=a USEDCPU=0 USEDMEMORY=99999 NETRX=11 NETTX=22")
    assert found[1].poll.startswith("STATE=p ")
    assert base64.b64decode(import_template(cycle.domains[1])).decode().splitlines() == [
        'NAME="it_s a web=server"', 'CPU="1"', 'VCPU="1"', 'MEMORY="64"', 'IMPORT_VM_ID="it\'s a web=server"',
    ]  # fmt: skip


def test_xen_is_told_as_the_hypervisor_counts(place: Path, task: Task) -> None:
    values = read(probed(task, "xen")).values
    assert (values["TOTALCPU"], values["CPUSPEED"]) == ("800", "2400")
    assert (values["TOTALMEMORY"], values["FREEMEMORY"], values["USEDMEMORY"]) == ("33554432", "8388608", "25165824")
    assert values["MODELNAME"] == "Some  fast  CPU @ 2.40GHz"
    assert "CPU_TICKS" not in values


def test_a_probe_that_fails_is_named_and_keeps_none_back(place: Path, task: Task) -> None:
    site = place / "var/remotes/im/kvm-site.d"
    site.mkdir(parents=True)
    (site / "10-bad").write_text("#!/bin/sh\necho HALF=1\necho some >&2\necho no rack here >&2\nexit 3\n")
    (site / "20-good").write_text("#!/bin/sh\necho \"RACK=7 ROOM='two words' $2=$1\"\n")
    (site / "note.txt").write_text("no program\n")
    cycle = read(probed(task))
    assert cycle.failed == {"10-bad": "no rack here"}
    assert (cycle.values["RACK"], cycle.values["ROOM"], cycle.values["h1"]) == ("7", "two words", "kvm")
    assert "HALF" not in cycle.values
    assert len(cycle.domains) == 2


@pytest.mark.parametrize(("text", "failed"), [
    ("head -c 10000000 /dev/zero | tr '\\0' x >&2; exit 3", "x" * 1000),
    ("trap '' TERM; sleep 60 & wait; sleep 60", "Killed"),
    ("sleep 60 & echo RACK=7", None),
])  # fmt: skip
def test_an_unruly_probe_of_the_site_holds_no_other_up(place: Path, task: Task, text: str, failed: str | None) -> None:
    site, timeout = place / "var/remotes/im/kvm-site.d", place / "bin/timeout"
    site.mkdir(parents=True)
    for path, script in {
        site / "10-unruly": f"#!/bin/sh\n{text}\n", site / "20-good": "#!/bin/sh\necho ROOM=2\n",
        timeout: '#!/bin/sh\n[ "$1 $2 $3" = "-k 2 20" ] && shift 3 && exec /usr/bin/timeout -k 0.2 1 "$@"\n',
    }.items():  # fmt: skip
        path.write_text(script)
        path.chmod(0o755)
    began = time.monotonic()
    cycle = read(probed(task))
    assert cycle.values["ROOM"] == "2"
    assert list(cycle.failed) == ([] if failed is None else ["10-unruly"])
    assert (failed or "") in cycle.failed.get("10-unruly", "")
    assert ("RACK" in cycle.values) == (failed is None)
    assert time.monotonic() - began < 30, "it waits for nothing that sleeps"


def test_a_libvirt_that_does_not_answer_is_named_with_its_words(place: Path, task: Task) -> None:
    (place / "dead").touch()
    cycle = read(probed(task))
    assert cycle.failed == {"20-domains": "error: no libvirt here"}
    assert cycle.values["TOTALCPU"] == "200"


def test_files_of_the_site_are_laid_over_ours_and_change_the_version(place: Path, task: Task) -> None:
    before = Remotes().version()
    (place / "var/remotes/im").mkdir(parents=True)
    (place / "var/remotes/im/machine").write_text("#!/bin/sh\necho TOTALCPU=12300\n")
    after = Remotes()
    assert after.version() != before
    assert read(probed(task)).values["TOTALCPU"] == "12300"
    assert read(probed(task)).values["REMOTES_VERSION"] == after.version()


def test_the_link_moves_on_and_nothing_half_is_left(place: Path, task: Task) -> None:
    probed(task)
    link = Path(Remotes().place(here()))
    assert link.is_symlink()
    assert (link / "VERSION").read_text().strip() == Remotes().version()
    probed(task)
    assert sorted(path.name for path in link.with_name(".remotes.d").iterdir()) == [Remotes().version()]


def test_a_host_without_the_scripts_says_42(place: Path, task: Task) -> None:
    assert here().run(Remotes().argv(here(), "im/run_probes", "kvm"), task).status == 42
    probed(task)
    assert here().run(Remotes().argv(here(), "im/run_probes", "vmware", "h", "u"), task).status == 42


def test_the_scripts_are_good_shell() -> None:
    scripts = [path for path in shipped().rglob("*") if path.is_file()]
    assert len(scripts) >= 6
    for script in scripts:
        assert os.access(script, os.X_OK), script
        subprocess.run(["dash", "-n", script], check=True)


NAMES = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1) | st.text('ab"[]\\,= ', min_size=1)


@given(NAMES)
def test_a_domain_of_any_name_reaches_the_engine_and_its_template_as_it_is(name: str) -> None:
    told = vector(Watched(AgentShell(here())), Domain(name, 1, 1, 5, 1, 65536, 65536, (0,) * 6))
    other = 'VM=[ID=5, DEPLOY_ID="one-5", POLL="STATE=a"]'
    for text in (f"VM_POLL=YES\n{told}\n{other}", f"VM_POLL=YES,{told},{other}"):
        found = im.domains(text)
        assert found is not None
        assert [(domain.deploy_id, domain.name) for domain in found] == [(name, name), ("one-5", "")]
    template = parse(base64.b64decode(found[0].template).decode())
    assert template.get("IMPORT_VM_ID") == name
    check_name(template.get("NAME"))


def test_a_name_with_control_characters_is_not_told() -> None:
    assert vector(Watched(AgentShell(here())), Domain("a\nb", 1, 1, 5, 1, 1, 1, (0,) * 6)) == ""
