"""The information driver of EC2: what a host may have, has, and costs; and the contract of both drivers."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oned.mad import im
from oned.mad.trial import checks
from oned.onedriver import main
from tests.ec2_drivers import CAPACITY, FAST, Ec2Driver, section
from tests.ec2_stub import Ec2Stub

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def processes(aws_server: Ec2Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ec2Driver, Ec2Driver]]:
    root = tmp_path_factory.mktemp("ec2")
    with Ec2Driver(root, aws_server, "im.im_ec2") as monitor, Ec2Driver(root, aws_server, "vmm.vmm_ec2") as machine:
        yield monitor, machine


@pytest.fixture
def machine(processes: tuple[Ec2Driver, Ec2Driver], aws: Ec2Stub) -> Ec2Driver:
    return processes[1]


@pytest.fixture
def monitor(processes: tuple[Ec2Driver, Ec2Driver], aws: Ec2Stub) -> Ec2Driver:
    processes[0].set("", FAST + CAPACITY)
    return processes[0]


@pytest.fixture
def plain(aws: Ec2Stub) -> str:
    image = aws.client("ec2").register_image(Name="debian")["ImageId"]
    return section(AMI=image, INSTANCETYPE="m5.large")


def test_a_host_is_as_large_as_the_instances_that_it_may_have(
    monitor: Ec2Driver, machine: Ec2Driver, plain: str
) -> None:
    empty = im.values(monitor.monitor("ec2"))
    assert empty.items() >= {
        "HYPERVISOR": "ec2", "PUBLIC_CLOUD": "YES", "PRIORITY": "-1", "COST": "0.096", "EC2_COST_HOUR": "0",
        "TOTALCPU": "1200", "FREECPU": "1200", "USEDCPU": "0", "TOTALMEMORY": str((4 * 8 + 16) << 20),
        "EC2_INSTANCES": "0", "EC2_INSTANCES_MAX": "5", "EC2_TYPES": "m5.large=0/4 m5.xlarge=0/1",
    }.items()  # fmt: skip
    names = [machine.ask("DEPLOY", vm, plain) for vm in (7, 8)]
    told = monitor.monitor("ec2")
    assert im.values(told).items() >= {
        "USEDCPU": "400", "FREECPU": "800", "USEDMEMORY": str(16 << 20), "EC2_COST_HOUR": "0.192",
        "EC2_INSTANCES": "2", "EC2_TYPES": "m5.large=2/4 m5.xlarge=0/1",
    }.items()  # fmt: skip
    domains = im.domains(told) or []
    assert [(one.vm, one.deploy_id) for one in domains] == list(zip((7, 8), names, strict=True))
    assert domains[0].poll == machine.ask("POLL", 7, plain, deploy_id=names[0])


def test_instances_come_in_pages(aws: Ec2Stub, monitor: Ec2Driver, machine: Ec2Driver, plain: str) -> None:
    for vm in (7, 8, 9):
        machine.ask("DEPLOY", vm, plain)
    aws.page = 2
    assert [one.vm for one in im.domains(monitor.monitor("ec2")) or []] == [7, 8, 9]
    assert "has 4 instances" not in machine.ask("DEPLOY", 10, plain)
    assert "has 4 instances" in machine.ask("DEPLOY", 11, plain)


def test_instances_of_others_and_of_other_hosts_do_not_count(
    aws: Ec2Stub, monitor: Ec2Driver, machine: Ec2Driver, plain: str
) -> None:
    machine.ask("DEPLOY", 7, plain)
    machine.ask("DEPLOY", 8, plain, host="other")
    image = aws.instances()[0].image_id
    aws.client("ec2").run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="m5.large")
    assert [one.vm for one in im.domains(monitor.monitor("ec2")) or []] == [7]
    monitor.set("", FAST + CAPACITY + "EC2_SITE=second\n")
    assert im.domains(monitor.monitor("ec2")) == []


def test_an_instance_that_was_interrupted_is_told_of_with_the_reason_one_that_was_ended_is_not(
    aws: Ec2Stub, monitor: Ec2Driver, machine: Ec2Driver, plain: str
) -> None:
    first, second = (machine.ask("DEPLOY", vm, plain) for vm in (7, 8))
    monitor.monitor("ec2")
    aws.interrupt(first)
    machine.ask("CANCEL", 8, plain, deploy_id=second)
    cycles = [im.domains(monitor.monitor("ec2")) or [] for _ in range(4)]
    assert [[one.vm for one in found] for found in cycles] == [[7], [7], [7], []]
    assert cycles[0][0].poll.startswith("STATE=d ")
    assert "AWS_STATE_REASON=Server.SpotInstanceTermination" in cycles[0][0].poll


def test_a_host_with_a_wrong_key_is_an_error_with_the_reason_and_the_other_is_not(
    aws: Ec2Stub, monitor: Ec2Driver
) -> None:
    aws.refuse_key("AKIABAD")
    keys = monitor.etc.parent / "aws/credentials"
    keys.parent.mkdir(exist_ok=True)
    keys.write_text("[bad]\naws_access_key_id = AKIABAD\naws_secret_access_key = verysecret\n")
    monitor.set("wrong", "EC2_PROFILE=bad\nEC2_REGION=us-east-1\n")
    answer = monitor.monitor("wrong")
    assert answer.startswith("MONITOR FAILURE 1 EC2 does not take the key of host wrong: look at EC2_PROFILE")
    assert "AKIABAD" not in answer
    assert im.values(monitor.monitor("ec2"))["HYPERVISOR"] == "ec2"


@pytest.mark.parametrize(("lines", "told"), [
    ("", "EC2_CAPACITY is not set for host ec2"),
    ('EC2_CAPACITY="m5.large=many"\n', '"many" of m5.large is no number'),
    ('EC2_CAPACITY="m5.gigantic=1"\n', "types do not exist: [m5.gigantic] (InvalidInstanceType). Correct EC2_CAPACITY"),
    (f"{CAPACITY}EC2_PRICES=m5.large=cheap\n", "m5.large=cheap is no price per hour"),
])  # fmt: skip
def test_settings_that_say_nothing_usable_are_told(monitor: Ec2Driver, lines: str, told: str) -> None:
    monitor.set("", FAST + lines)
    assert told in monitor.monitor("ec2")


def test_sizes_that_the_server_does_not_know_are_set(monitor: Ec2Driver) -> None:
    monitor.set("", f'{FAST}EC2_CAPACITY="c.tiny=3"\nEC2_SIZES="c.tiny=2/1024"\n')
    assert im.values(monitor.monitor("ec2")).items() >= {"TOTALCPU": "600", "TOTALMEMORY": str(3 << 20)}.items()


@pytest.mark.parametrize("driver", [
    pytest.param(("vmm", "vmm.vmm_ec2", "xml"), marks=pytest.mark.soak),
    pytest.param(("im", "im.im_ec2", "4"), marks=pytest.mark.soak),
    pytest.param(("vmm", "vmm.vmm_ec2", "plain"), marks=pytest.mark.soak),
    pytest.param(("im", "im.im_ec2", "2"), marks=pytest.mark.soak),
])  # fmt: skip
def test_both_keep_the_protocol(
    aws: Ec2Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    driver: tuple[str, str, str],
) -> None:  # fmt: skip
    kind, module, protocol = driver
    image = aws.client("ec2").register_image(Name="debian")["ImageId"]
    (tmp_path / "etc/ec2").mkdir(parents=True)
    (tmp_path / "etc/oned.conf").write_text("")
    (tmp_path / "etc/ec2/ec2rc").write_text(
        f'{FAST}EC2_CAPACITY="m5.large=20"\nEC2_AMI={image}\nEC2_INSTANCETYPE=m5.large\n'
    )
    for name, value in {**aws.environment(), "ONE_LOCATION": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(checks, "QUIET", 0.2)
    monkeypatch.setattr(checks, "SETTLE", 0.05)
    program = tmp_path / "driver"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -m oned.drivers.{module}\n")
    program.chmod(0o755)
    words = ["test", "x", "--kind", kind, "--program", str(program), "--protocol", protocol, "--json"]
    status = main(words)
    document = json.loads(capsys.readouterr().out)
    assert [row for row in document["results"] if row["result"] == "fails"] == []
    assert status == 0


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("EC2_PRICES=m5.large=nan", "m5.large=nan is no price per hour"),
        ("EC2_PRICES=m5.large=-1", "m5.large=-1 is no price per hour"),
        ('EC2_CAPACITY="m5.large=9 m5.xlarge=1 m5.large=2"', "EC2_CAPACITY of host odd has m5.large twice"),
    ],
)
def test_prices_that_are_none_and_a_type_that_is_there_twice_are_told(
    monitor: Ec2Driver, lines: str, said: str
) -> None:
    monitor.set("odd", f"{lines}\n")
    assert said in monitor.monitor("odd")
