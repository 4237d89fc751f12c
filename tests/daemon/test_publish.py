"""onesge image: images of a real oned as AMIs of a stub of EC2."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

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


def test_a_bundle_and_a_snapshot_of_one_image_are_both_remembered_and_withdrawn(
    site: Site, cloud: Ec2Stub, run: Run, tmp_path: Path
) -> None:
    need_programs("openssl")
    oid, keys = site.image("twofold", DATA + b"twofold"), Keys(tmp_path)
    options = ("--account", "123456789012", "--key", keys.file("user.key"), "--cert", keys.file("user.crt"))
    bundle = ("publish", "twofold", "--bundle", *options, "--cloud-cert", keys.file("cloud.crt"))
    run(*bundle)
    run("publish", "twofold")
    first, second = record.amis(image(site, oid))
    assert (bool(first.manifest), bool(second.snapshot)) == (True, True)
    assert record.ami_of(image(site, oid)) == second.ami
    run(*bundle)
    assert record.ami_of(image(site, oid)) == first.ami
    said = run("unpublish", "twofold").splitlines()
    assert said == [f"{REGION}: {second.ami} is gone", f"{REGION}: {first.ami} is gone"]
    assert (cloud.client("s3").list_objects_v2(Bucket="through")["KeyCount"], amis(cloud)) == (0, [])
    assert record.amis(image(site, oid)) == []


def test_an_ami_of_two_images_stays_until_the_last_of_them_is_unpublished(site: Site, cloud: Ec2Stub, run: Run) -> None:
    one, other = site.image("twin", DATA + b"twins"), site.image("sister", DATA + b"twins")
    run("publish", "twin")
    run("publish", "sister")
    [ami] = amis(cloud)
    stays = f"{REGION}: {ami} stays, for it is that of image sister ({other}) too: --force removes it for all\n"
    assert run("unpublish", "twin") == stays
    assert (amis(cloud), record.amis(image(site, one)), record.ami_of(image(site, other))) == ([ami], [], ami)
    assert run("unpublish", "sister") == f"{REGION}: {ami} is gone\n"
    assert amis(cloud) == []


def test_an_ami_of_two_images_is_removed_from_under_the_other_by_force(site: Site, cloud: Ec2Stub, run: Run) -> None:
    one, other = site.image("cain", DATA + b"brothers"), site.image("abel", DATA + b"brothers")
    run("publish", "cain")
    run("publish", "abel")
    [ami] = amis(cloud)
    assert run("unpublish", "cain", "--force") == f"{REGION}: {ami} is gone, which image abel ({other}) was too\n"
    assert (amis(cloud), record.amis(image(site, one)), record.amis(image(site, other))) == ([], [], [])


def foreign(cloud: Ec2Stub) -> tuple[str, str]:
    """An AMI and its snapshot that oned has not made."""
    ec2 = cloud.client("ec2")
    volume = ec2.create_volume(Size=1, AvailabilityZone=f"{REGION}a")["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    disk = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}
    made = ec2.register_image(Name="production", RootDeviceName="/dev/xvda", BlockDeviceMappings=[disk])
    return made["ImageId"], snapshot


@pytest.mark.parametrize(
    "said",
    [
        "ami",
        "manifest",
        "digest",
        pytest.param("snapshot", marks=pytest.mark.soak),
        pytest.param("name", marks=pytest.mark.soak),
    ],
)
def test_what_an_owner_wrote_of_the_amis_of_others_removes_nothing(
    site: Site, cloud: Ec2Stub, run: Run, said: str
) -> None:
    s3, ec2 = cloud.client("s3"), cloud.client("ec2")
    s3.create_bucket(Bucket="payroll")
    for key in ("db.manifest.xml", "db.secret"):
        s3.put_object(Bucket="payroll", Key=key, Body=b"x")
    ami, snapshot = foreign(cloud)
    oid = site.image(f"ann-{said}", DATA + said.encode())
    run("publish", str(oid))
    [own] = record.amis(image(site, oid))
    wrong = {
        "ami": own._replace(ami=ami),
        "snapshot": own._replace(snapshot=snapshot),
        "manifest": own._replace(ami="ami-1", snapshot="", manifest="payroll/db.manifest.xml"),
        "digest": own._replace(sha256=""),
        "name": own._replace(sha256="0" * 64),
    }[said]
    site.one.image.rmattr(oid, record.AMI)
    record.remember(site.admin, parse(f"<IMAGE><ID>{oid}</ID></IMAGE>"), wrong)
    before = sorted(amis(cloud))
    refused = run("unpublish", str(oid), "--force", code=255)
    assert f"is not of IMAGE {oid}, though its EC2_AMI says so: " in refused
    assert f"Nothing was removed. To have oned forget it: oneimage rmattr {oid} EC2_AMI" in refused
    assert sorted(amis(cloud)) == before
    assert len(ec2.describe_snapshots(SnapshotIds=[snapshot, own.snapshot])["Snapshots"]) == 2
    assert s3.list_objects_v2(Bucket="payroll")["KeyCount"] == 2
    assert record.amis(image(site, oid)) == [wrong]


def test_an_image_without_bytes_is_refused_and_leaves_no_upload(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("empty", b"")
    assert "the disk has no bytes" in run("publish", str(oid), code=255)
    assert "Uploads" not in cloud.client("s3").list_multipart_uploads(Bucket="through")


def test_another_type_of_volume_for_a_published_disk_is_refused(site: Site, run: Run) -> None:
    oid = site.image("volumes", DATA + b"volumes")
    run("publish", str(oid))
    assert "is of the same disk with VolumeType " in run("publish", str(oid), "--volume-type", "io2", code=255)


class Other(BaseHTTPRequestHandler):
    """A server that is no EC2: a page for whatever it is asked."""

    page = b""

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    do_GET = do_HEAD = do_PUT = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.mark.parametrize("page", [b"", b"<html><p>Welcome</html>", b"<a>1</a>"])
def test_an_endpoint_that_is_no_ec2_is_told_of_in_a_sentence(site: Site, cloud: Ec2Stub, run: Run, page: bytes) -> None:
    if "elsewhere" not in site.images_by_name():
        site.image("elsewhere", DATA + b"elsewhere")
    handler = type("Page", (Other,), {"page": page})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://who:secretword@127.0.0.1:{server.server_port}"
        said = run("publish", "elsewhere", "--ec2-endpoint", url, code=255)
        server.shutdown()
    assert "AMIs cannot be listed: the answer " in said
    assert "Does EC2 or S3 answer there" in said
    assert (len(said.splitlines()), "secretword" in said) == (1, False)


def test_a_url_with_a_password_is_told_of_without_it(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("secretly", DATA + b"secretly")
    said = run("publish", str(oid), "--s3-endpoint", "http://who:secretword@127.0.0.1:1", code=255)
    assert "127.0.0.1:1" in said
    assert "secretword" not in said


def test_a_region_that_is_none_is_told_of_in_a_sentence(site: Site, cloud: Ec2Stub, run: Run) -> None:
    oid = site.image("martian", DATA + b"martian")
    assert "region" in run("publish", str(oid), "--region", "mars-1", code=255)


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
