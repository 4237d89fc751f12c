"""Transfer scripts: what becomes a line, and what never does."""

import pytest

from oned.vm.history import Record
from oned.vm.machine import Site
from oned.vm.states import PROLOG
from oned.vm.transfer import Script
from oned.vm.vm import VM

SITE = Site("/var/vms", "front", lambda mad, driver, verb: 60.0)


def placed(**disk: str) -> VM:
    """A VM with one disk that is being put on host h0."""
    vm = VM(7, "web", (0, 0), 0o600)
    vm.template.add("DISK", disk)
    vm.state = PROLOG
    vm.history = [Record(seq=0, hid=0, hostname="h0", tm_mad="ssh", sysds_path="/ds/0", stime=1)]
    return vm


def test_a_disk_is_one_line_in_either_form() -> None:
    vm = placed(TYPE="fs", SIZE="10", FORMAT="ext4")
    assert Script(vm, SITE, classic=True).text("prolog") == "MKIMAGE 10 ext4 h0:/ds/0/7/disk.0\n"
    assert Script(vm, SITE, classic=False).text("prolog") == "MKIMAGE ssh 10 ext4 h0:/ds/0/7/disk.0 7 0\n"


@pytest.mark.parametrize("classic", [True, False])
@pytest.mark.parametrize("disk", [
    {"TYPE": "fs", "SIZE": "10", "FORMAT": "ext3 x:/y\nDELETE front:/srv"},
    {"TYPE": "fs", "SIZE": "10", "FORMAT": "ext3 x"},
    {"TYPE": "swap", "SIZE": "10\tx"},
    {"SOURCE": "/a\rDELETE"},
    {"SOURCE": "/a\x00b"},
    {"SOURCE": "/a\u2028b"},
])  # fmt: skip
def test_a_word_that_would_become_more_words_makes_no_script(disk: dict[str, str], classic: bool) -> None:
    with pytest.raises(ValueError, match="cannot carry the word"):
        Script(placed(**disk), SITE, classic=classic).text("prolog")


def test_a_drivers_name_with_a_blank_makes_no_script() -> None:
    with pytest.raises(ValueError, match="cannot carry the word"):
        Script(placed(SOURCE="/a", TM_MAD="ssh x"), SITE, classic=False).text("prolog")
