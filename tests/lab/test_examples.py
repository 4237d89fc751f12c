"""The labs of share/examples: each is a page and one command, and shows what its page says."""

import os
import subprocess
from pathlib import Path

import pytest

from oned.elastic.settings import ElasticConfig, read
from share.elastic.demo.settings import Size, site_conf
from share.examples.dynamic import lab as dynamic
from share.examples.vos import lab as vos
from tests.needs import need, need_programs

TREE = Path(__file__).parents[2]
EXAMPLES = TREE / "share/examples"
LABS = sorted(page.parent.name for page in EXAMPLES.glob("*/README.md"))

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


def run(lab: str, directory: Path) -> str:
    """What the lab says, which ends well and leaves nothing."""
    surroundings = {**os.environ, "LAB_DIR": str(directory / "lab")}
    ended = subprocess.run(
        [EXAMPLES / lab / "run"],
        check=False,
        env=surroundings,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert ended.returncode == 0, ended.stdout
    assert not (directory / "lab").exists(), "it removes what it made"
    return ended.stdout


@pytest.mark.parametrize("lab", LABS)
def test_the_page_of_a_lab_names_its_one_command(lab: str) -> None:
    assert f"share/examples/{lab}/run\n" in (EXAMPLES / lab / "README.md").read_text()
    assert os.access(EXAMPLES / lab / "run", os.X_OK)


@pytest.mark.parametrize("classes", [vos.CLASSES, dynamic.DAY, dynamic.NIGHT])
def test_the_settings_of_a_lab_are_whole_beside_those_of_its_site(classes: str, tmp_path: Path) -> None:
    path = tmp_path / "onesge.conf"
    path.write_text(site_conf(Size(), tmp_path) + classes)
    assert read(ElasticConfig.load(path)).classes


@pytest.mark.soak
def test_work_of_four_kinds_goes_to_the_machines_that_suit_it(tmp_path: Path) -> None:
    words = run("workloads", tmp_path)
    places = dict(row.split()[3:8:4] for row in words.splitlines() if " runn " in row)
    assert {places[f"web-{i}"] for i in range(3)} == {"sim01", "sim02", "sim03"}
    assert places["database"] in ("sim01", "sim02")
    assert places["training-0"] == "sim03"
    batch = [places[f"batch-{i}"] for i in range(10)]
    assert batch.count("sim04") == 8, "the old machine is full"
    assert "training-1" not in places


@pytest.mark.soak
def test_guests_are_brought_together_and_spread_again_while_they_count(tmp_path: Path) -> None:
    need_programs("libvirtd", "qemu-system-x86_64", "qemu-img", "sshd")
    words = run("consolidation", tmp_path)
    assert words.count("numbers left out: 0") == 2
    assert "free to be switched off" in words
    assert "Why there: rebalancing" in words


@pytest.mark.soak
def test_an_organisation_borrows_what_another_does_not_use_and_gives_it_back(tmp_path: Path) -> None:
    need_cluster()
    words = run("vos", tmp_path)
    has = [row.split()[3] for row in words.splitlines() if row.split()[1:3] == ["project", "atlas"]]
    assert (has[0], has[1]) == ("0", "4")
    assert "MAX" in words.partition("3. cms comes")[2]
    assert "until a lent node takes no further job" in words
    assert "tasks of cms wait that are within theirs: it is taken back" in words
    assert "until the first job of cms runs" in words


@pytest.mark.soak
def test_a_cluster_changes_its_shape_and_loses_no_job(tmp_path: Path) -> None:
    need_cluster()
    words = run("dynamic", tmp_path)
    assert "It can never run: no class of nodes holds it" in words
    assert "until there is a fat node" in words
    assert "7 of 7 jobs are accounted for" in words


def need_cluster() -> None:
    need(os.geteuid() == 0, "machines made of namespaces need root")
    need_programs("sge_qmaster", "sge_execd", "dnsmasq", "openvpn", "busybox", "curl", "sshd")
    need(Path("/dev/net/tun").exists(), "there is no /dev/net/tun")
