"""The deployment file of a request, wherever it is."""

from pathlib import Path

import pytest

from oned.drivers.lib.request import VMRequest
from oned.drivers.lib.settings import Settings
from oned.drivers.lib.task import ActionFailed, Task
from oned.drivers.vmm.described import described


def tag(request: VMRequest) -> str:
    return described(request, Settings("vmm_kvm"), Task("RESIZE", 7, lambda *_words: None)).tag


def test_the_front_ends_file_is_newer_than_the_hosts_and_the_hosts_is_read_where_it_is_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    there.write_text("<old/>")
    request = VMRequest(7, host="localhost", local_file=str(here), remote_file=str(there))
    assert tag(request) == "old"
    here.write_text("<new/>")
    assert tag(request) == "new"


def test_a_file_that_is_not_there_or_no_xml_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ActionFailed, match="there is no deployment file /no/such"):
        tag(VMRequest(7, host="localhost", local_file="/no/such"))
    with pytest.raises(ActionFailed, match="/no/such"):
        tag(VMRequest(7, host="localhost", remote_file="/no/such"))
    (tmp_path / "bad").write_text("<domain>")
    with pytest.raises(ActionFailed, match="of VM 7 is not well-formed XML"):
        tag(VMRequest(7, host="localhost", local_file=str(tmp_path / "bad")))
