"""onevm disk-attach and disk-detach against a daemon on the wire."""

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
