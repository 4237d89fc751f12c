"""Lines of a transfer script that a hypervisor driver runs itself: which program does them, and what it is told."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from oned.drivers.lib import transfers
from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings

SETTINGS = Settings("any")


def said(monkeypatch: pytest.MonkeyPatch, driver: str, kept_by: str) -> list[str]:
    """The name of the program, and its arguments."""
    monkeypatch.setenv("TM_DRIVER", driver)
    program, *arguments = transfers.command(SETTINGS, kept_by)
    return [Path(program).name, *arguments]


@pytest.mark.parametrize(
    ("driver", "kept_by", "words"),
    [
        ("one_tm", "", ["one_tm"]),
        ("one_tm", "ssh", ["one_tm", "ssh"]),
        ("one_tm --overlay -t 3", "lvm", ["one_tm", "--overlay -t 3 lvm"]),
        ("one_tm tm_nfs/tm_nfs.conf", "tm_nfs", ["one_tm", "tm_nfs/tm_nfs.conf"]),
        ("sh -t 15", "ssh", ["sh", "-t 15"]),
    ],
)
def test_one_tm_is_told_where_the_disks_of_the_vm_are(
    monkeypatch: pytest.MonkeyPatch, driver: str, kept_by: str, words: list[str]
) -> None:
    assert said(monkeypatch, driver, kept_by) == words


def test_that_is_the_transfer_driver_of_the_last_stay() -> None:
    stays = "".join(f"<HISTORY><TM_MAD>{name}</TM_MAD></HISTORY>" for name in ("shared", "ssh"))
    document = ElementTree.fromstring(f"<VM><HISTORY_RECORDS>{stays}</HISTORY_RECORDS></VM>")
    assert transfers._kept_by(VMRequest(7, document=document)) == "ssh"
    assert transfers._kept_by(VMRequest(7)) == ""
