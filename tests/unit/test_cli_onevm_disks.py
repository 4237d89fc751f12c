"""onevm disk-attach and disk-detach against a daemon on the wire."""

import re
from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onevm
from oned.template.parse import parse

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(cloud: FakeCloud) -> FakeCloud:
    """VM 3 web, which runs, and image 5 data."""
    cloud.vm(3, "web", "RUNNING", host="alpha", hid=0)
    listed = "<IMAGE_POOL><IMAGE><ID>5</ID><NAME>data</NAME></IMAGE></IMAGE_POOL>"
    cloud.methods["one.imagepool.info"] = lambda *_filter: listed
    cloud.methods["one.vm.attach"] = cloud.methods["one.vm.detach"] = lambda vm, _what: vm
    return cloud


@pytest.mark.parametrize("verb", ["disk-attach", "attachdisk"])
def test_a_disk_is_attached_of_an_image_under_the_name_asked_for(cloud: FakeCloud, verb: str) -> None:
    assert onevm.main([verb, "web", "--image", "data", "--target", "vdc", "--cache", "none"]) == 0
    vm, text = cloud.called("one.vm.attach")[-1]
    assert (vm, list(parse(text))) == (3, [("DISK", {"IMAGE_ID": "5", "TARGET": "vdc", "CACHE": "none"})])


@pytest.mark.parametrize("words", [[], ["--file"]])
def test_a_disk_may_be_given_as_a_file(cloud: FakeCloud, tmp_path: Path, words: list[str]) -> None:
    path = tmp_path / "disk.one"
    path.write_text("DISK = [ TYPE = swap, SIZE = 64 ]\n")
    assert onevm.main(["disk-attach", "3", *words, str(path)]) == 0
    assert cloud.called("one.vm.attach") == [(3, path.read_text())]


@pytest.mark.parametrize("words", [
    ["disk-attach", "3"], ["disk-attach", "3", "file", "--image", "data"], ["disk-detach", "3", "first"],
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_it_is_sent(cloud: FakeCloud, capsys: Capture, words: list[str]) -> None:
    assert onevm.main(words) == 255
    assert capsys.readouterr().err
    assert not [call for call in cloud.calls if call[0].endswith("tach")]


def test_a_disk_is_detached_by_its_number(cloud: FakeCloud) -> None:
    assert onevm.main(["disk-detach", "web", "1"]) == 0
    assert cloud.called("one.vm.detach") == [(3, 1)]


SNAPSHOT_CALLS = (
    (["snapshot-create", "web", "before"], ("one.vm.snapshotcreate", 3, "before")),
    (["snapshot-create", "web"], ("one.vm.snapshotcreate", 3, "")),
    (["snapshot-revert", "web", "1"], ("one.vm.snapshotrevert", 3, 1)),
    (["snapshot-delete", "web", "1"], ("one.vm.snapshotdelete", 3, 1)),
    (["disk-snapshot-create", "web", "0", "before"], ("one.vm.disksnapshotcreate", 3, 0, "before")),
    (["disk-snapshot-revert", "web", "0", "1"], ("one.vm.disksnapshotrevert", 3, 0, 1)),
    (["disk-snapshot-delete", "web", "0", "1"], ("one.vm.disksnapshotdelete", 3, 0, 1)),
    (["disk-snapshot-rename", "web", "0", "1", "after"], ("one.vm.disksnapshotrename", 3, 0, 1, "after")),
)


@pytest.mark.parametrize(("words", "call"), SNAPSHOT_CALLS, ids=lambda value: value[0])
def test_snapshots_are_worked_on_by_their_numbers(
    cloud: FakeCloud, capsys: Capture, words: list[str], call: tuple[object, ...]
) -> None:
    cloud.methods[str(call[0])] = lambda *_arguments: 4
    assert onevm.main(words) == 0
    assert cloud.called(str(call[0])) == [call[1:]]
    assert ("ID: 4" in capsys.readouterr().out) is words[0].endswith("create")


@pytest.mark.parametrize("words", [["snapshot-revert", "3", "first"], ["disk-snapshot-delete", "3", "0", "first"],
                                   ["disk-snapshot-create", "3", "first"]])  # fmt: skip
def test_what_is_no_number_is_refused(cloud: FakeCloud, capsys: Capture, words: list[str]) -> None:
    assert onevm.main(words) == 255
    assert "no number of a" in capsys.readouterr().err
    assert not [call for call in cloud.calls if "snapshot" in call[0]]


def test_a_disk_is_made_larger(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.methods["one.vm.diskresize"] = lambda vm, _disk, _size: vm
    assert onevm.main(["disk-resize", "web", "0", "2G"]) == 0
    assert cloud.called("one.vm.diskresize") == [(3, 0, "2048")]
    assert onevm.main(["disk-resize", "web", "0", "large"]) == 255
    assert "'large' is no size" in capsys.readouterr().err


def test_a_disk_is_saved_now_or_when_the_vm_ends(cloud: FakeCloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.methods["one.vm.disksaveas"] = cloud.methods["one.vm.savedisk"] = lambda *_what: 9
    assert onevm.main(["disk-saveas", "3", "0", "copy", "--snapshot", "2"]) == 0
    assert onevm.main(["saveas", "3", "0", "end", "--type", "DATABLOCK"]) == 0
    assert cloud.called("one.vm.disksaveas") == [(3, 0, "copy", "", 2)]
    assert cloud.called("one.vm.savedisk") == [(3, 0, "end", "DATABLOCK")]
    assert capsys.readouterr().out == "ID: 9\nID: 9\n"


def test_show_has_the_snapshots_of_a_vm_and_of_its_disks(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.methods["one.vm.info"] = lambda *_vm: (
        """
        <VM><ID>3</ID><STATE>3</STATE><LCM_STATE>3</LCM_STATE><TEMPLATE>
        <SNAPSHOT><SNAPSHOT_ID>4</SNAPSHOT_ID><NAME>before</NAME><TIME>1700000000</TIME>
        <HYPERVISOR_ID>snap-4</HYPERVISOR_ID></SNAPSHOT></TEMPLATE>
        <SNAPSHOTS><DISK_ID>2</DISK_ID>
        <SNAPSHOT><ID>0</ID><PARENT>-1</PARENT><NAME>first</NAME><DATE>1700000000</DATE><SIZE>64</SIZE></SNAPSHOT>
        <SNAPSHOT><ID>1</ID><PARENT>0</PARENT><DATE>1700000000</DATE><SIZE>64</SIZE><ACTIVE>YES</ACTIVE></SNAPSHOT>
        </SNAPSHOTS></VM>"""
    )
    assert onevm.main(["show", "3"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    at = lines.index("AC ID TIME NAME HYPERVISOR_ID")
    assert re.fullmatch(r"4 \d+/\d+ [\d:]+ before snap-4", lines[at + 1])
    at = lines.index("AC ID DISK PARENT DATE SIZE NAME")
    assert re.fullmatch(r"0 2 -1 \d+/\d+ [\d:]+ 64M first", lines[at + 1])
    assert re.fullmatch(r"=> 1 2 0 \d+/\d+ [\d:]+ 64M", lines[at + 2])


def test_show_says_nothing_of_snapshots_that_are_not_there(cloud: FakeCloud, capsys: Capture) -> None:
    cloud.methods["one.vm.info"] = lambda *_vm: "<VM><ID>3</ID><STATE>1</STATE><TEMPLATE/></VM>"
    assert onevm.main(["show", "3"]) == 0
    assert "SNAPSHOT" not in capsys.readouterr().out
