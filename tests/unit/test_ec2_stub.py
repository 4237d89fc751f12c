"""The stub of EC2 does what EC2 does and moto does not: the tests that rely on it are worth as much as these."""

import base64
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ec2_stub import Ec2Stub

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def ec2(aws: Ec2Stub) -> Any:
    return aws.client("ec2")


@pytest.fixture
def errors(ec2: Any) -> Any:
    return ec2.exceptions.ClientError


@pytest.fixture
def run(ec2: Any) -> Iterator[Any]:
    image = ec2.register_image(Name="debian", RootDeviceName="/dev/xvda")["ImageId"]

    def run(**more: Any) -> Any:
        return ec2.run_instances(**{"ImageId": image, "MinCount": 1, "MaxCount": 1, **more})["Instances"][0]

    return run


def test_one_token_is_one_instance_and_other_parameters_are_refused(aws: Ec2Stub, run: Any, errors: Any) -> None:
    first = run(ClientToken="node-1", InstanceType="m5.large")
    assert run(ClientToken="node-1", InstanceType="m5.large")["InstanceId"] == first["InstanceId"]
    assert run(ClientToken="node-2", InstanceType="m5.large")["InstanceId"] != first["InstanceId"]
    with pytest.raises(errors, match="IdempotentParameterMismatch"):
        run(ClientToken="node-1", InstanceType="m5.xlarge")
    assert len(aws.instances()) == 2


def test_a_token_of_an_ended_instance_names_that_instance_and_says_so(aws: Ec2Stub, run: Any) -> None:
    first = run(ClientToken="node-1")
    aws.end(first["InstanceId"])
    again = run(ClientToken="node-1")
    assert (again["InstanceId"], again["State"]["Name"]) == (first["InstanceId"], "terminated")


def test_an_answer_that_is_lost_leaves_the_instance_that_its_token_finds(aws: Ec2Stub, ec2: Any, run: Any) -> None:
    aws.lose_answer("RunInstances")
    with pytest.raises(Exception, match="Connection"):
        run(ClientToken="node-1")
    found = ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["node-1"]}])["Reservations"]
    assert run(ClientToken="node-1")["InstanceId"] == found[0]["Instances"][0]["InstanceId"]
    assert ec2.describe_instances(Filters=[{"Name": "client-token", "Values": ["other"]}])["Reservations"] == []


def test_what_is_refused_is_remembered_by_no_token(aws: Ec2Stub, run: Any, errors: Any) -> None:
    aws.throttle("RunInstances")
    aws.no_capacity(InstanceType="m5.large", Placement__AvailabilityZone="us-east-1a")
    place = {"AvailabilityZone": "us-east-1a"}
    with pytest.raises(errors, match="RequestLimitExceeded"):
        run(ClientToken="n", InstanceType="m5.large", Placement=place)
    with pytest.raises(errors, match="InsufficientInstanceCapacity"):
        run(ClientToken="n", InstanceType="m5.large", Placement=place)
    assert run(ClientToken="n", InstanceType="m5.large", Placement={"AvailabilityZone": "us-east-1b"})
    with pytest.raises(errors, match=r"InvalidAMIID\.NotFound"):
        run(ClientToken="m", ImageId="ami-00000000000000000")
    assert run(ClientToken="m")


def test_instances_are_pending_before_they_run_and_user_data_has_a_limit(
    aws: Ec2Stub, ec2: Any, run: Any, errors: Any
) -> None:
    aws.pending_looks = 1
    made = run(UserData="x" * 16384)

    def state() -> str:
        found: str = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0][
            "State"
        ]["Name"]
        return found

    assert [made["State"]["Name"], state(), state()] == ["pending", "pending", "running"]
    data = ec2.describe_instance_attribute(InstanceId=made["InstanceId"], Attribute="userData")["UserData"]["Value"]
    assert base64.b64decode(data) == b"x" * 16384
    with pytest.raises(errors, match="limited to 16384"):
        run(UserData="x" * 16385)


def test_an_interrupted_spot_instance_tells_why_it_ended(aws: Ec2Stub, ec2: Any, run: Any) -> None:
    made = run(InstanceMarketOptions={"MarketType": "spot"})
    aws.interrupt(made["InstanceId"])
    seen = ec2.describe_instances(InstanceIds=[made["InstanceId"]])["Reservations"][0]["Instances"][0]
    assert (seen["State"]["Name"], seen["StateReason"]["Code"]) == ("terminated", "Server.SpotInstanceTermination")


def test_a_key_that_is_not_known_is_refused_and_others_are_not(aws: Ec2Stub, ec2: Any, errors: Any) -> None:
    aws.refuse_key("BAD")
    with pytest.raises(errors, match="AuthFailure"):
        aws.client("ec2", aws_access_key_id="BAD").describe_instances()
    assert ec2.describe_instances()["Reservations"] == []


def test_an_object_becomes_a_snapshot_by_steps_and_an_ami_of_it(aws: Ec2Stub, ec2: Any, errors: Any) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="images")
    s3.put_object(Bucket="images", Key="worker.raw", Body=b"x" * 1000)
    disk = {"Format": "RAW", "UserBucket": {"S3Bucket": "images", "S3Key": "worker.raw"}}
    tags = [{"ResourceType": "import-snapshot-task", "Tags": [{"Key": "digest", "Value": "a<b"}]}]
    task = ec2.import_snapshot(ClientToken="d", DiskContainer=disk, TagSpecifications=tags)["ImportTaskId"]
    assert ec2.import_snapshot(ClientToken="d", DiskContainer=disk, TagSpecifications=tags)["ImportTaskId"] == task
    with pytest.raises(errors, match="IdempotentParameterMismatch"):
        ec2.import_snapshot(ClientToken="d", DiskContainer={**disk, "Format": "VHD"})

    def look() -> Any:
        return ec2.describe_import_snapshot_tasks(ImportTaskIds=[task])["ImportSnapshotTasks"][0]

    looks = [look() for _ in range(3)]
    assert [one["SnapshotTaskDetail"]["Status"] for one in looks] == ["active", "active", "completed"]
    assert looks[0]["SnapshotTaskDetail"]["Progress"] < looks[1]["SnapshotTaskDetail"]["Progress"]
    assert looks[0]["Tags"] == [{"Key": "digest", "Value": "a<b"}]
    snapshot = looks[2]["SnapshotTaskDetail"]["SnapshotId"]
    assert ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]["VolumeSize"] == 1
    mapping = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
    ami = ec2.register_image(Name="w-1", RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping)["ImageId"]
    seen = ec2.describe_images(ImageIds=[ami])["Images"][0]
    assert (seen["RootDeviceName"], seen["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]) == ("/dev/xvda", snapshot)
    with pytest.raises(errors, match=rf"Duplicate.*{ami}"):
        ec2.register_image(Name="w-1", RootDeviceName="/dev/xvda", BlockDeviceMappings=mapping)
    with pytest.raises(errors, match=r"InvalidSnapshot\.NotFound"):
        ec2.register_image(
            Name="w-2", BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": "snap-0"}}]
        )


def test_an_import_of_nothing_ends_with_the_reason_and_without_the_role_does_not_begin(
    aws: Ec2Stub, ec2: Any, errors: Any
) -> None:
    disk = {"Format": "RAW", "UserBucket": {"S3Bucket": "none", "S3Key": "none"}}
    task = ec2.import_snapshot(DiskContainer=disk)["ImportTaskId"]
    seen = ec2.describe_import_snapshot_tasks(ImportTaskIds=[task])["ImportSnapshotTasks"][0]["SnapshotTaskDetail"]
    assert seen["Status"] == "deleted"
    assert "no object none" in seen["StatusMessage"]
    aws.imports.role = False
    with pytest.raises(errors, match="service role vmimport"):
        ec2.import_snapshot(DiskContainer=disk)
