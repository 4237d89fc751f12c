"""onesge image: images of a real oned as AMIs of a stub of EC2."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oned.cli.onesge.program import main
from oned.client.documents import Document, parse
from oned.elastic.images import record
from tests.daemon.exporting import CONF, Site
from tests.daemon.process import until
from tests.ec2_stub import REGION, Ec2Stub
from tests.needs import need_programs
from tests.unit.test_elastic_bundle import Keys

DATA = os.urandom(300_000)
Run = Callable[..., str]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with Site(tmp_path_factory.mktemp("publish") / "one", CONF) as daemon:
        yield daemon
        assert daemon.check() == []


@pytest.fixture
def cloud(aws: Ec2Stub) -> Ec2Stub:
    """A stub with a bucket, where imports take one look."""
    aws.client("s3").create_bucket(Bucket="through")
    aws.imports.looks = 0
    return aws


@pytest.fixture
def run(site: Site, cloud: Ec2Stub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """What onesge image writes; of a command that fails, to stderr."""
    for name, value in {**site.environment, **cloud.environment(), "AWS_MAX_ATTEMPTS": "1"}.items():
        monkeypatch.setenv(name, value)
    (site.etc / "onesge.conf").write_text('EC2_IMAGES = [ BUCKET = "through/oned" ]\n')

    def run_line(*words: str, code: int = 0) -> str:
        assert main(["image", *words, "--endpoint", site.endpoint]) == code
        written = capsys.readouterr()
        return written.err if code else written.out

    return run_line


def image(site: Site, oid: int) -> Document:
    return parse(site.admin.text("one.image.info", oid))


def amis(cloud: Ec2Stub, region: str = REGION) -> list[str]:
    return [ami["ImageId"] for ami in cloud.client("ec2", region).describe_images(Owners=["self"])["Images"]]


def test_an_image_becomes_an_ami_that_oned_remembers(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("worker", DATA)
    template = site.admin.number("one.template.allocate", 'NAME = cloudy\nCPU = 1\nEC2 = [ INSTANCETYPE = "m5.large" ]')
    said = run("publish", "worker", "--template", "cloudy")
    [ami] = amis(cloud)
    [known] = record.amis(image(site, oid))
    assert said == f"{REGION}: {ami} of {known.snapshot}\n"
    assert (known.region, known.ami) == (REGION, record.ami_of(image(site, oid)))
    section = parse(site.admin.text("one.template.info", template)).first("TEMPLATE/EC2")
    assert section is not None
    assert {key.name: key.content for key in section} == {"INSTANCETYPE": "m5.large", "AMI": ami}
    assert cloud.client("s3").list_objects_v2(Bucket="through")["KeyCount"] == 0


def test_what_was_published_is_found_without_reading_the_disk(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("known", DATA + b"known")
    said = run("publish", str(oid))
    before = len(cloud.asked)
    site.file(oid).chmod(0)
    assert run("publish", str(oid)) == said
    assert len(cloud.asked) - before <= 3
    site.one.image.rmattr(oid, record.AMI)
    assert run("publish", str(oid)) == said
    assert record.amis(image(site, oid))[0].ami in said
    site.file(oid).chmod(0o660)


def test_a_disk_that_changed_is_another_ami_and_each_region_has_its_own(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("changed", DATA + b"first")
    run("publish", str(oid))
    first = record.ami_of(image(site, oid))
    run("publish", str(oid), "--region", "eu-west-1")
    assert len(amis(cloud, "eu-west-1")) == 1
    with pytest.raises(LookupError, match=r"AMI in us-east-1, eu-west-1: name a REGION"):
        record.ami_of(image(site, oid))
    site.file(oid).write_bytes(DATA + b"second")
    run("publish", str(oid))
    second = record.ami_of(image(site, oid), REGION)
    assert second != first
    assert sorted(amis(cloud)) == sorted([first, second])


def test_amis_are_listed_and_withdrawn(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("listed", DATA + b"listed")
    run("publish", str(oid))
    ami = record.ami_of(image(site, oid))
    line = f"listed,{REGION},{ami},"
    rows = ("list", "--csv", "-l", "NAME,REGION,AMI,STATE", "-f", "NAME=listed")
    assert run(*rows).splitlines()[1:] == [f"{line}-"]
    assert run(*rows, "--check").splitlines()[1:] == [f"{line}available"]
    cloud.client("ec2").deregister_image(ImageId=ami)
    assert run(*rows, "--check").splitlines()[1:] == [f"{line}gone"]
    assert run("unpublish", "listed") == f"{REGION}: {ami} is gone\n"
    assert run(*rows).splitlines()[1:] == []
    assert "is no AMI in us-east-1 as far as oned knows" in run("unpublish", "listed", code=255)
    assert [one for one in cloud.client("ec2").describe_snapshots(OwnerIds=["self"])["Snapshots"]
            if one["Description"].startswith("oned-")] == []  # fmt: skip


def test_a_command_that_was_killed_while_ec2_imports_goes_on_with_that_import(
    site: Site, cloud: Ec2Stub, run: Run
) -> None:
    oid = site.image("slow", DATA + b"slow")
    cloud.imports.looks = 1_000_000
    argv = [sys.executable, "-c", "from oned.cli.onesge.program import main; raise SystemExit(main())", "image"]
    environment = {**site.environment, **cloud.environment()}
    command = subprocess.Popen([*argv, "publish", str(oid), "--endpoint", site.endpoint], env=environment)
    until(lambda: len(cloud.requests("DescribeImportSnapshotTasks")) > 1, "looks at the import")
    command.kill()
    command.wait()
    cloud.imports.looks = 0
    site.file(oid).chmod(0)
    run("publish", str(oid))
    site.file(oid).chmod(0o660)
    assert (len(cloud.requests("ImportSnapshot")), len(amis(cloud))) == (1, 1)
    assert cloud.client("s3").list_objects_v2(Bucket="through")["KeyCount"] == 0


def test_who_may_not_change_the_image_publishes_it_and_is_told(
    site: Site, cloud: Ec2Stub, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    oid = site.image("anothers", DATA + b"anothers")
    site.one.image.chmod(oid, -1, -1, -1, -1, -1, -1, 1, -1, -1)
    site.people("ann")
    assert (
        main(["image", "publish", str(oid), "--endpoint", site.endpoint, "--user", "ann", "--password", "secret"]) == 0
    )
    written = capsys.readouterr()
    assert amis(cloud)[0] in written.out
    assert "oned does not remember it: " in written.err
    assert record.amis(image(site, oid)) == []


def test_an_image_becomes_a_bundle_with_a_manifest(site: Site, cloud: Ec2Stub, run: Run, tmp_path: Path) -> None:
    need_programs("openssl")
    oid = site.image("old", DATA + b"old")
    assert "a bundle needs --account or EC2_USER_ID, --key or" in run("publish", "old", "--bundle", code=255)
    keys = Keys(tmp_path)
    options = ("--account", "123456789012", "--key", keys.file("user.key"), "--cert", keys.file("user.crt"))
    said = run("publish", "old", "--bundle", *options, "--cloud-cert", keys.file("cloud.crt"))
    [ami] = cloud.client("ec2").describe_images(Owners=["self"])["Images"]
    assert said == f"{REGION}: {ami['ImageId']} of {ami['ImageLocation']}\n"
    assert ami["ImageLocation"].startswith("through/oned/oned-bundle-")
    assert cloud.client("s3").list_objects_v2(Bucket="through")["KeyCount"] == 2
    run("unpublish", "old")
    assert (cloud.client("s3").list_objects_v2(Bucket="through")["KeyCount"], amis(cloud)) == (0, [])
    assert record.amis(image(site, oid)) == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--bucket", "none"), "NoSuchBucket"),
        (("--boot", "grub"), "it is legacy-bios, uefi or uefi-preferred, not 'grub'"),
        (("--role", "x", "--template", "none"), "TEMPLATE named none not found"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_made(
    site: Site, cloud: Ec2Stub, run: Run, words: tuple[str, ...], sentence: str
) -> None:
    if "refused" not in site.images_by_name():
        site.image("refused", DATA + b"refused")
    assert sentence in run("publish", "refused", *words, code=255)
    assert (amis(cloud), cloud.requests("ImportSnapshot")) == ([], [])


def test_a_bucket_is_needed(site: Site, cloud: Ec2Stub, run: Run) -> None:
    (site.etc / "onesge.conf").write_text("")
    oid = site.image("bucketless", DATA)
    assert "BUCKET of EC2_IMAGES in onesge.conf" in run("publish", str(oid), code=255)
