"""What nodes have shown to have is noted by the loop's eyes, and known to plans when the nodes are gone."""

from pathlib import Path

import pytest

from oned.elastic.batch import Observed
from oned.elastic.known import made_by
from oned.elastic.leader import Lead
from oned.elastic.observe import Observer
from oned.elastic.plain import Plain, Wanted
from oned.elastic.planner import plan
from oned.elastic.policy import NodeClass, Policies
from oned.elastic.provider import Provider
from oned.elastic.reading import Host, Taken
from oned.elastic.records import Lease, Records
from tests.unit.elastic_world import NOW, waiting
from tests.unit.test_elastic_records import WHY

LOCAL = NodeClass("local", template="worker", slots=4, memory=8000, wait=0)


class Batch(Plain):
    """A batch system that says what the test wants."""

    said = Observed(NOW, (), ())

    def observe(self) -> Observed:
        return self.said


class NoVms(Provider):
    """An oned without VMs."""

    def __init__(self) -> None:
        pass

    def vms(self, *_known: object) -> Taken:  # type: ignore[type-arg]
        return Taken(NOW)


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "onesge.db")


def test_a_job_that_nodes_of_the_class_did_not_hold_starts_none_when_they_are_gone(
    records: Records, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oned.clock.now", lambda: NOW)
    lead = Lead(records, 30)
    assert lead.take()
    with lead.writing() as changes:
        changes.plan("t1", "local", Lease(0, "wn01", "02:00:0a:00:00:01", "10.0.0.1"), "", WHY)
    batch, policies = Batch(tmp_path, Wanted(tmp_path / "wanted")), Policies((LOCAL,))
    eyes = Observer(records, batch, NoVms(), reports=False)
    batch.said = Observed(NOW, (), (Host("wn01", 4, memory=7200, free=7200, arch="lx-amd64"),))
    eyes.look()
    (proof,) = eyes.proven(records.nodes(), policies).values()
    with lead.writing() as changes:
        changes.prove("local", made_by(LOCAL), proof)
    assert eyes.proven(records.nodes(), policies) == {}, "it is noted once"
    batch.said = Observed(NOW, (waiting(memory=7500),), ())
    eyes.look()
    again = plan(eyes.reading([], policies, NOW), policies, NOW)
    assert (again.steps, again.served[0].impossible) == ((), True)
    more = Policies((NodeClass("local", template="worker", slots=4, memory=9000, wait=0),))
    lead.resign()
    assert [step.rule for step in plan(eyes.reading([], more, NOW), more, NOW).steps] == ["demand"]
