"""onevm nic-attach and nic-detach against a daemon on the wire."""

from pathlib import Path

import pytest
from fakes_rpc import FakeCloud

from oned.cli import onevm
from oned.template.parse import parse

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def cloud(cloud: FakeCloud) -> FakeCloud:
    """VM 3 web, powered off, and network 5 lan."""
    cloud.vm(3, "web", "POWEROFF", host="alpha", hid=0)
    cloud.methods["one.vnpool.info"] = lambda *_filter: "<VNET_POOL><VNET><ID>5</ID><NAME>lan</NAME></VNET></VNET_POOL>"
    cloud.methods["one.vm.attachnic"] = cloud.methods["one.vm.detachnic"] = lambda vm, _what: vm
    return cloud


@pytest.mark.parametrize("verb", ["nic-attach", "attachnic"])
def test_a_nic_is_attached_in_a_network_with_the_address_asked_for(cloud: FakeCloud, verb: str) -> None:
    assert onevm.main([verb, "web", "--network", "lan", "--ip", "10.0.0.9"]) == 0
    vm, text = cloud.called("one.vm.attachnic")[-1]
    assert (vm, list(parse(text))) == (3, [("NIC", {"NETWORK_ID": "5", "IP": "10.0.0.9"})])


def test_a_nic_may_be_given_as_a_file(cloud: FakeCloud, tmp_path: Path) -> None:
    path = tmp_path / "nic.one"
    path.write_text("NIC = [ NETWORK = lan, MODEL = virtio ]\n")
    assert onevm.main(["nic-attach", "3", str(path)]) == 0
    assert cloud.called("one.vm.attachnic") == [(3, path.read_text())]


@pytest.mark.parametrize("words", [
    ["nic-attach", "3"], ["nic-attach", "3", "file", "--network", "lan"], ["nic-detach", "3", "first"],
    ["nic-attach", "3", "--network", "lan", "--network", "wan"],
])  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_it_is_sent(cloud: FakeCloud, capsys: Capture, words: list[str]) -> None:
    assert onevm.main(words) == 255
    assert capsys.readouterr().err
    assert not [call for call in cloud.calls if call[0].endswith("nic")]


def test_a_nic_is_detached_by_its_number(cloud: FakeCloud) -> None:
    assert onevm.main(["nic-detach", "web", "1"]) == 0
    assert cloud.called("one.vm.detachnic") == [(3, 1)]


def test_a_nic_is_changed_by_a_file_or_as_it_is_in_an_editor(
    cloud: FakeCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.methods["one.vm.updatenic"] = lambda vm, *_what: vm
    cloud.methods["one.vm.info"] = lambda *_vm: (
        "<VM><TEMPLATE><NIC><NIC_ID>1</NIC_ID><INBOUND_AVG_BW>10</INBOUND_AVG_BW></NIC></TEMPLATE></VM>"
    )
    path = tmp_path / "nic.one"
    path.write_text("INBOUND_AVG_BW = 100\n")
    assert onevm.main(["nic-update", "web", "1", str(path), "--append"]) == 0
    assert cloud.called("one.vm.updatenic") == [(3, 1, path.read_text(), 1)]
    monkeypatch.setenv("EDITOR", "sed -i s/10/20/")
    assert onevm.main(["nic-update", "web", "1"]) == 0
    _, _, text, append = cloud.called("one.vm.updatenic")[-1]
    assert (dict(parse(text)), append) == ({"NIC_ID": "1", "INBOUND_AVG_BW": "20"}, 0)
    assert onevm.main(["nic-update", "web", "7"]) == 255
