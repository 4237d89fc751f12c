"""The hypervisor driver of EC2: a program over a real pipe, and the stub of EC2 behind it."""

import base64
import gzip
import re
from collections.abc import Iterator

import pytest

from tests.ec2_drivers import CAPACITY, FAST, Ec2Driver, request, section
from tests.ec2_stub import Ec2Stub

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def process(aws_server: Ec2Stub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ec2Driver]:
    with Ec2Driver(tmp_path_factory.mktemp("ec2"), aws_server, "vmm.vmm_ec2") as made:
        yield made


@pytest.fixture
def driver(process: Ec2Driver, aws: Ec2Stub) -> Ec2Driver:
    process.set("", FAST + CAPACITY)
    process.process.logs.clear()
    return process


@pytest.fixture
def image(aws: Ec2Stub) -> str:
    made: str = aws.client("ec2").register_image(Name="debian", RootDeviceName="/dev/xvda")["ImageId"]
    return made


@pytest.fixture
def plain(image: str) -> str:
    """The shortest section."""
    return section(AMI=image, INSTANCETYPE="m5.large")


def test_a_vm_becomes_an_instance_that_is_polled_rebooted_and_ended(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    aws.pending_looks = 2
    name = driver.ask("DEPLOY", 7, plain)
    assert [(one.id, one.state) for one in aws.instances()] == [(name, "running")]
    polled = driver.ask("POLL", 7, plain, deploy_id=name)
    one = aws.instances()[0]
    assert polled.startswith(f"STATE=a IP={one.public_ip} ")
    for word in (f"AWS_PRIVATE_IP_ADDRESS={one.private_ip}", "AWS_INSTANCE_TYPE=m5.large", "AWS_STATE=running"):
        assert word in polled.split()
    assert driver.ask("REBOOT", 7, plain, deploy_id=name) == "-"
    assert driver.ask("SHUTDOWN", 7, plain, deploy_id=name) == "-"
    assert aws.instances() == []
    assert driver.ask("POLL", 7, plain, deploy_id=name).split()[0] == "STATE=d"
    assert driver.ask("SHUTDOWN", 7, plain, deploy_id=name) == "-"


def test_an_instance_is_marked_safe_by_default_and_gone_when_it_shuts_down(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    driver.ask("DEPLOY", 7, plain)
    sent = aws.requests("RunInstances")[0]
    assert sent["MetadataOptions.HttpTokens"] == "required"
    assert sent["InstanceInitiatedShutdownBehavior"] == "terminate"
    tags = {tag["key"]: tag["value"] for tag in aws.instances()[0].get_tags()}
    assert (tags["Name"], tags["ONE_ID"], tags["ONE_HOST"], tags["ONE_USER"]) == ("node 7", "7", "ec2", "ada")


def test_all_attributes_reach_ec2(aws: Ec2Stub, driver: Ec2Driver, image: str) -> None:
    ec2 = aws.client("ec2")
    ec2.create_key_pair(KeyName="sge")
    subnet = ec2.describe_subnets()["Subnets"][0]
    group = ec2.create_security_group(GroupName="workers", Description="d", VpcId=subnet["VpcId"])["GroupId"]
    wanted = section(
        AMI=image, INSTANCETYPE="m5.large", KEYPAIR="sge", SECURITYGROUPS="workers", SUBNET_ID=subnet["SubnetId"],
        EBS_OPTIMIZED="YES", TAGS="cluster=sge,purpose=night work", SPOTPRICE="0.05", TENANCY="dedicated",
        BLOCKDEVICEMAPPING="/dev/sdb=:20:false:gp3 /dev/sdc=none", USERDATA="#!/bin/sh\necho hello",
    )  # fmt: skip
    assert driver.ask("DEPLOY", 8, wanted).startswith("i-")
    sent = aws.requests("RunInstances")[0]
    expected = {
        "KeyName": "sge", "SecurityGroupId.1": group, "SubnetId": subnet["SubnetId"], "EbsOptimized": "true",
        "InstanceMarketOptions.MarketType": "spot", "InstanceMarketOptions.SpotOptions.MaxPrice": "0.05",
        "Placement.Tenancy": "dedicated", "BlockDeviceMapping.1.DeviceName": "/dev/sdb",
        "BlockDeviceMapping.1.Ebs.VolumeSize": "20", "BlockDeviceMapping.1.Ebs.DeleteOnTermination": "false",
        "BlockDeviceMapping.1.Ebs.VolumeType": "gp3", "BlockDeviceMapping.2.DeviceName": "/dev/sdc",
        "BlockDeviceMapping.2.NoDevice": "",
    }  # fmt: skip
    assert {name: sent.get(name) for name in expected} == expected
    assert base64.b64decode(sent["UserData"]) == b"#!/bin/sh\necho hello"
    tags = {tag["key"]: tag["value"] for tag in aws.instances()[0].get_tags()}
    assert (tags["cluster"], tags["purpose"]) == ("sge", "night work")


def test_the_context_is_the_user_data_as_context_sh_has_it(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    context = section({"HOSTNAME": "wn001", "GREETING": "it's <me>"}, name="CONTEXT")
    driver.ask("DEPLOY", 7, plain, context=context)
    data = base64.b64decode(aws.requests("RunInstances")[0]["UserData"]).decode()
    assert data.splitlines()[1:] == ["GREETING='it'\\''s <me>'", "HOSTNAME='wn001'"]
    long = section({"START_SCRIPT": "x" * 17000}, name="CONTEXT")
    assert "EC2 takes 16384" in driver.ask("DEPLOY", 9, plain, context=long)
    assert len(aws.instances()) == 1


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd"])
def test_user_data_come_from_files_of_safe_directories_only(
    driver: Ec2Driver, aws: Ec2Stub, image: str, name: str
) -> None:
    safe = driver.etc.parent / "safe"
    safe.mkdir(exist_ok=True)
    (safe / "init.sh").write_text("#!/bin/sh\n")
    template = {"AMI": image, "INSTANCETYPE": "m5.large"}
    assert driver.ask("DEPLOY", 7, section(template, USERDATAFILE=str(safe / "init.sh"))).startswith("i-")
    assert base64.b64decode(aws.requests("RunInstances")[0]["UserData"]) == b"#!/bin/sh\n"
    outside = driver.ask("DEPLOY", 8, section(template, USERDATAFILE=str(safe / name)))
    assert "outside of the directories of CONTEXT_SAFE_DIRS" in outside


def test_of_several_sections_that_of_the_host_counts_in_every_spelling(
    aws: Ec2Stub, driver: Ec2Driver, image: str
) -> None:
    template = section(AMI=image, INSTANCETYPE="m5.large", CLOUD="elsewhere") + section(
        {"TYPE": "ec2", "HOST": "EC2"}, "PUBLIC_CLOUD", AMI=image, INSTANCETYPE="m5.xlarge"
    )
    assert driver.ask("DEPLOY", 7, template).startswith("i-")
    assert aws.instances()[0].instance_type == "m5.xlarge"
    assert 'of 2 EC2 sections none has HOST = "third"' in driver.ask("DEPLOY", 8, template, host="third")
    assert driver.ask("CANCEL", 8, template, host="third") == "-"
    driver.set("paris", "EC2_REGION=eu-west-3\n")
    there = aws.client("ec2", "eu-west-3").register_image(Name="debian")["ImageId"]
    regions = section(AMI=image, INSTANCETYPE="m5.large", REGION="us-east-1") + section(
        AMI=there, INSTANCETYPE="m5.xlarge", REGION="eu-west-3"
    )
    assert driver.ask("DEPLOY", 9, regions, host="paris").startswith("i-")
    assert aws.instances("eu-west-3")[0].instance_type == "m5.xlarge"


def test_what_the_template_leaves_out_is_set_for_the_host(aws: Ec2Stub, driver: Ec2Driver, image: str) -> None:
    assert "no AMI" in driver.ask("DEPLOY", 7, "")
    driver.set("ec2", f"EC2_AMI={image}\nEC2_INSTANCETYPE=m5.large\n")
    try:
        assert driver.ask("DEPLOY", 7, "").startswith("i-")
    finally:
        (driver.etc / "ec2/hosts/ec2").unlink()


def test_hosts_are_regions(aws: Ec2Stub, driver: Ec2Driver) -> None:
    driver.set("frankfurt", "EC2_REGION=eu-central-1\n")
    image = aws.client("ec2", "eu-central-1").register_image(Name="debian")["ImageId"]
    wanted = section(AMI=image, INSTANCETYPE="m5.large")
    assert driver.ask("DEPLOY", 7, wanted, host="frankfurt").startswith("i-")
    assert (len(aws.instances()), len(aws.instances("eu-central-1"))) == (0, 1)
    assert "an AMI is for one region" in driver.ask("DEPLOY", 7, wanted)


# --- what goes wrong ---


@pytest.mark.parametrize("answers", [1, 3])
def test_a_lost_answer_leaves_one_instance(aws: Ec2Stub, driver: Ec2Driver, plain: str, answers: int) -> None:
    aws.lose_answer("RunInstances", answers)
    name = driver.ask("DEPLOY", 7, plain)
    assert [one.id for one in aws.instances()] == [name]
    assert driver.ask("DEPLOY", 7, plain) == name
    assert [one.id for one in aws.instances()] == [name]


def test_an_instance_that_nobody_heard_of_is_ended_with_its_vm(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    driver.ask("DEPLOY", 7, plain)
    driver.ask("DEPLOY", 8, plain)
    assert driver.ask("POLL", 7, plain, deploy_id="one-7").split()[0] == "STATE=a"
    assert driver.ask("CANCEL", 7, plain, deploy_id="one-7") == "-"
    assert len(aws.instances()) == 1
    assert driver.ask("POLL", 7, plain, deploy_id="one-7").split()[0] == "STATE=d"


@pytest.mark.parametrize("verb", ["CANCEL", "SHUTDOWN"])
@pytest.mark.parametrize("late", [0, 2])
def test_an_instance_of_a_boot_again_that_was_not_answered_is_ended_with_its_vm(
    aws: Ec2Stub, driver: Ec2Driver, plain: str, verb: str, late: int
) -> None:
    first = driver.ask("DEPLOY", 7, plain)
    aws.interrupt(first)
    driver.ask("DEPLOY", 7, plain)
    aws.late_lists = late
    assert driver.ask(verb, 7, plain, deploy_id=first) == "-"
    assert aws.instances() == []


def test_the_end_of_an_instance_that_lives_takes_one_look(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    name = driver.ask("DEPLOY", 7, plain)
    aws.asked.clear()
    assert driver.ask("CANCEL", 7, plain, deploy_id=name) == "-"
    assert [asked.action for asked in aws.asked] == ["DescribeInstances", "TerminateInstances"]


def test_an_instance_that_has_lost_its_mark_is_ended_by_its_id(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    name = driver.ask("DEPLOY", 7, plain)
    aws.client("ec2").delete_tags(Resources=[name], Tags=[{"Key": "ONE_VM"}])
    assert driver.ask("CANCEL", 7, plain, deploy_id=name) == "-"
    assert aws.instances() == []


def test_one_instance_that_ec2_does_not_end_is_told_of_and_keeps_no_other(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    first, second = driver.ask("DEPLOY", 7, plain), driver.ask("DEPLOY", 8, plain)
    marks = [{"Key": tag["key"], "Value": tag["value"]} for tag in aws.instances()[0].get_tags()]
    aws.client("ec2").create_tags(Resources=[second], Tags=marks)
    aws.fault("TerminateInstances", "OperationNotPermitted", InstanceId__1=first)
    assert f"CANCEL FAILURE 7 {first}: " in driver.ask("CANCEL", 7, deploy_id=second)
    assert [one.id for one in aws.instances()] == [first]
    aws.fault("TerminateInstances", "InvalidInstanceID.NotFound")
    assert f"{first} is running, but EC2 did not find it" in driver.ask("CANCEL", 7, deploy_id=second)
    assert driver.ask("CANCEL", 7, deploy_id=second) == "-"
    assert aws.instances() == []


def test_a_vm_of_another_installation_with_the_same_number_and_second_keeps_its_instance(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    driver.set("theirs", "EC2_SITE=other\n")
    name = driver.ask("DEPLOY", 7, plain, host="theirs")
    assert driver.ask("CANCEL", 7, plain, deploy_id="one-7") == "-"
    assert [one.id for one in aws.instances()] == [name]


def test_a_template_that_has_changed_meanwhile_finds_the_same_instance(
    aws: Ec2Stub, driver: Ec2Driver, image: str
) -> None:
    first = driver.ask("DEPLOY", 7, section(AMI=image, INSTANCETYPE="m5.large"))
    assert driver.ask("DEPLOY", 7, section(AMI=image, INSTANCETYPE="m5.large", TAGS="a=b")) == first
    assert driver.ask("DEPLOY", 7, section(AMI=image, INSTANCETYPE="m5.xlarge", CLIENTTOKEN="another")) == first
    assert len(aws.instances()) == 1


def test_an_instance_that_has_ended_is_followed_by_another(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    first = driver.ask("DEPLOY", 7, plain)
    aws.interrupt(first)
    second = driver.ask("DEPLOY", 7, plain)
    assert second != first
    assert driver.ask("DEPLOY", 7, plain) == second
    assert [one.id for one in aws.instances()] == [second]


def test_an_instance_that_was_stopped_is_off_and_starts_again(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    name = driver.ask("DEPLOY", 7, plain)
    aws.client("ec2").stop_instances(InstanceIds=[name])
    assert driver.ask("POLL", 7, plain, deploy_id=name).split()[0] == "STATE=o"
    assert driver.ask("DEPLOY", 7, plain) == name
    assert aws.instances()[0].state == "running"


def test_one_token_is_for_one_vm(aws: Ec2Stub, driver: Ec2Driver, image: str) -> None:
    wanted = section(AMI=image, INSTANCETYPE="m5.large", CLIENTTOKEN="node-1")
    first = driver.ask("DEPLOY", 7, wanted)
    assert aws.requests("RunInstances")[0]["ClientToken"] == "node-1"
    assert f"is that of {first}, which is another VM's" in driver.ask("DEPLOY", 8, wanted)
    assert driver.ask("CANCEL", 8, wanted, deploy_id="one-8") == "-"
    assert [one.id for one in aws.instances()] == [first]
    aws.end(first)
    second = driver.ask("DEPLOY", 8, wanted)
    assert [one.id for one in aws.instances()] == [second]
    assert driver.ask("DEPLOY", 8, wanted) == second


def test_another_installation_s_vm_of_the_same_number_is_another_vm(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    first = driver.ask("DEPLOY", 7, plain)
    assert driver.ask("DEPLOY", 7, plain, stime="1") != first


def test_throttling_is_waited_out_and_told_in_the_log_of_the_vm(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    aws.throttle("RunInstances", 4)
    assert driver.ask("DEPLOY", 7, plain).startswith("i-")
    busy = [line for line in driver.process.logs if "EC2 is busy (RequestLimitExceeded)" in line]
    assert len(busy) == 4
    assert len(aws.instances()) == 1


def test_no_capacity_is_told_with_what_to_do(aws: Ec2Stub, driver: Ec2Driver, image: str, plain: str) -> None:
    aws.no_capacity(InstanceType="m5.large")
    answer = driver.ask("DEPLOY", 7, plain)
    assert answer.startswith("DEPLOY FAILURE 7 EC2 has no such instance left")
    assert "Take another INSTANCETYPE" in answer
    assert driver.ask("DEPLOY", 7, section(AMI=image, INSTANCETYPE="m5.xlarge")).startswith("i-")


def test_an_instance_that_ends_while_it_is_pending_has_not_been_deployed(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    aws.pending_looks = 10_000
    driver.process.send(request("DEPLOY", 7, plain))
    while not aws.instances():
        assert driver.process.process.poll() is None
    aws.end(aws.instances()[0].id, code="Client.VolumeLimitExceeded", reason="Client.VolumeLimitExceeded: too much")
    answer = str(driver.process.answer())
    assert re.fullmatch(r"DEPLOY FAILURE 7 i-\w+ has ended before it ran: Client.VolumeLimitExceeded: too much", answer)


def test_a_host_has_no_more_instances_than_it_may_have_however_many_come_at_once(
    aws: Ec2Stub, driver: Ec2Driver, plain: str
) -> None:
    for vm in range(1, 7):
        driver.process.send(request("DEPLOY", vm, plain))
    answers = [str(driver.process.answer()) for _ in range(6)]
    assert len(aws.instances()) == 4
    refused = [answer for answer in answers if "FAILURE" in answer]
    assert len(refused) == 2
    assert all("has 4 instances of type m5.large, and may have 4" in answer for answer in refused)


def test_a_type_that_is_not_allowed_is_refused_before_it_costs(aws: Ec2Stub, driver: Ec2Driver, image: str) -> None:
    answer = driver.ask("DEPLOY", 7, section(AMI=image, INSTANCETYPE="p5.48xlarge"))
    assert "host ec2 has no instances of type p5.48xlarge, but of m5.large, m5.xlarge" in answer
    assert aws.requests("RunInstances") == []


def test_an_elastic_address_is_for_one_instance(aws: Ec2Stub, driver: Ec2Driver, image: str) -> None:
    address = aws.client("ec2").allocate_address(Domain="vpc")["PublicIp"]
    aws.pending_looks = 2
    wanted = section(AMI=image, INSTANCETYPE="m5.large", ELASTICIP=address)
    first = driver.ask("DEPLOY", 7, wanted)
    assert f"IP={address}" in driver.ask("POLL", 7, wanted, deploy_id=first).split()
    assert driver.ask("DEPLOY", 7, wanted) == first
    assert f"ELASTICIP {address} is that of {first} now" in driver.ask("DEPLOY", 8, wanted)
    assert len(aws.instances()) == 1
    missing = section(AMI=image, INSTANCETYPE="m5.large", ELASTICIP="192.0.2.1")
    assert "ELASTICIP" in driver.ask("DEPLOY", 8, missing)
    assert len(aws.instances()) == 1


def test_keys_that_are_refused_are_told_of_without_the_keys(aws: Ec2Stub, driver: Ec2Driver, plain: str) -> None:
    aws.refuse_key("AKIABAD")
    (driver.etc.parent / "aws").mkdir(exist_ok=True)
    keys = driver.etc.parent / "aws/credentials"
    keys.write_text("[bad]\naws_access_key_id = AKIABAD\naws_secret_access_key = verysecret\n")
    driver.set("wrong", "EC2_PROFILE=bad\nEC2_REGION=us-east-1\n")
    driver.set("none", "EC2_PROFILE=absent\nEC2_REGION=us-east-1\n")
    answer = driver.ask("DEPLOY", 7, plain, host="wrong")
    assert "EC2 does not take the key of host wrong: look at EC2_PROFILE" in answer
    assert "Write it into ~/.aws/config" in driver.ask("DEPLOY", 7, plain, host="none")
    assert driver.ask("DEPLOY", 7, plain).startswith("i-")
    told = answer + "".join(driver.process.logs)
    assert "AKIABAD" not in told
    assert "verysecret" not in told
    keys.write_text("[bad]\naws_access_key_id = AKIAGOOD\naws_secret_access_key = verysecret\n")
    assert driver.ask("DEPLOY", 8, plain, host="wrong").startswith("i-")


@pytest.mark.parametrize("verb", ["SAVE", "RESTORE", "MIGRATE", "ATTACHDISK", "SNAPSHOTCREATE"])
def test_what_ec2_cannot_do_is_answered(driver: Ec2Driver, verb: str) -> None:
    assert re.match(rf"{verb} FAILURE 7 (action not supported for EC2|not supported)", driver.ask(verb, 7))


def test_a_poll_of_what_has_just_been_started_does_not_say_that_it_is_gone(driver: Ec2Driver) -> None:
    unseen = {"deploy_id": "i-0123456789abcdef0"}
    assert driver.ask("POLL", 7, **unseen).split()[0] == "STATE=d"
    assert driver.ask("POLL", 7, rstime="9999999999", **unseen).split()[0] == "STATE=-"


def test_an_instance_that_cannot_have_its_address_is_ended_and_a_retry_starts_another(
    aws: Ec2Stub, driver: Ec2Driver, image: str
) -> None:
    address = aws.client("ec2").allocate_address(Domain="vpc")["PublicIp"]
    wanted = section(AMI=image, INSTANCETYPE="m5.large", ELASTICIP=address)
    aws.fault("AssociateAddress", "IncorrectInstanceState", 2)
    assert "was ended, for it was to have that address" in driver.ask("DEPLOY", 7, wanted)
    assert aws.instances() == []
    aws.throttle("TerminateInstances", 1)
    assert "was ended, for it was to have that address" in driver.ask("DEPLOY", 7, wanted)
    name = driver.ask("DEPLOY", 7, wanted)
    assert [one.id for one in aws.instances()] == [name]


@pytest.mark.parametrize("line", ["EC2_WAIT=x", "EC2_LOOK=nan", "EC2_PAUSE=abc", "EC2_ENDPOINT=notaurl"])
def test_a_setting_that_makes_no_sense_is_named_before_anything_is_started(
    aws: Ec2Stub, driver: Ec2Driver, plain: str, line: str
) -> None:
    driver.set("odd", f"{line}\n")
    said = driver.ask("DEPLOY", 7, plain, host="odd")
    assert line.partition("=")[0] in said
    assert line.partition("=")[2] in said
    assert aws.requests("RunInstances") == []


def test_user_data_may_be_compressed_and_a_directory_is_none(aws: Ec2Stub, driver: Ec2Driver, image: str) -> None:
    safe = driver.etc.parent / "safe"
    safe.mkdir(exist_ok=True)
    packed = gzip.compress(b"#!/bin/sh\n")
    (safe / "init.gz").write_bytes(packed)
    wanted = section(AMI=image, INSTANCETYPE="m5.large", USERDATAFILE=str(safe / "init.gz"))
    assert driver.ask("DEPLOY", 7, wanted).startswith("i-")
    (sent,) = aws.requests("RunInstances")
    assert base64.b64decode(sent["UserData"]) == packed
    (safe / "more").mkdir(exist_ok=True)
    wanted = section(AMI=image, INSTANCETYPE="m5.large", USERDATAFILE=str(safe / "more"))
    assert f"USERDATAFILE: {safe / 'more'} is no file" in driver.ask("DEPLOY", 8, wanted)
