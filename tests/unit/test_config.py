"""oned.conf and sched.conf: what is read, what is refused and with which words, what ships."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from oned.config import SETTINGS, Config, ConfigError, print_config
from oned.config_sched import SCHED_SETTINGS, SchedConfig, print_sched_config
from oned.elastic.settings import ElasticConfig, print_elastic_config
from oned.setting import Table
from oned.wire.http import Limits

SHIPPED = Path(__file__).resolve().parents[2] / "etc"
Load = Callable[..., Config]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str, overrides: Sequence[str] = ()) -> Config:
        path = tmp_path / "oned.conf"
        path.write_text(text)
        return Config.load(path, overrides)

    return load_text


def test_what_is_given_counts_and_the_rest_has_its_default(load: Load) -> None:
    config = load('port = 4711  # the port\nLEGACY_AUTH = yes\nDEFAULT_UMASK = "077"\n')
    assert (config["PORT"], config["LEGACY_AUTH"], config["DEFAULT_UMASK"]) == (4711, True, 0o077)
    assert (config["LISTEN_ADDRESS"], config["STRICT_SCHEMA"]) == ("127.0.0.1", False)
    assert config.warnings == []


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    config = Config.load(tmp_path / "missing.conf")
    assert (config["PORT"], config.sync, config.debug_level, config.log_system) == (2633, "FULL", 2, "file")
    assert [vector["NAME"] for vector in config.vectors("VM_MAD")] == ["dummy", "kvm", "qemu", "xen", "ec2"]


def test_keys_of_a_vector_that_are_not_given_have_their_default(load: Load) -> None:
    config = load('DB = [ SYNC = "normal" ]\nLOG = [ DEBUG_LEVEL = 3 ]')
    assert config.vector("DB") == {"BACKEND": "sqlite", "SYNC": "normal"}
    assert (config.debug_level, config.log_system) == (3, "file")


def test_the_classic_debug_level_counts_before_that_of_log(load: Load) -> None:
    assert load("DEBUG_LEVEL = 0\nLOG = [ DEBUG_LEVEL = 3 ]").debug_level == 0


def test_drivers_of_the_file_replace_the_shipped_ones(load: Load) -> None:
    config = load(
        'VM_MAD = [ name = "vmm_xen", executable = "one_vmm_xen", default = "vmm_xen/vmm_xen.conf", type = "xen" ]\n'
        'VM_MAD = [ NAME = "b", EXECUTABLE = "b", TIMEOUT = "DEPLOY=20, save=7.5", PER_HOST = 2 ]'
    )
    assert [vector["EXECUTABLE"] for vector in config.vectors("VM_MAD")] == ["one_vmm_xen", "b"]
    assert [vector["NAME"] for vector in config.vectors("TM_MAD")] == ["dummy", "shared", "qcow2", "ssh", "lvm"]


def test_a_repeated_text_replaces_the_whole_default_list(load: Load) -> None:
    assert load('VM_RESTRICTED_ATTR = "NIC/MAC"\nVM_RESTRICTED_ATTR = "RANK"')["VM_RESTRICTED_ATTR"] == [
        "NIC/MAC",
        "RANK",
    ]
    assert "CONTEXT/FILES" in load("")["VM_RESTRICTED_ATTR"]


def test_an_override_counts_before_the_file(load: Load) -> None:
    config = load("PORT = 1\nLEGACY_AUTH = YES", ["port=2", "DB=[SYNC=off]", 'LISTEN_ADDRESS="::1"'])
    assert (config["PORT"], config["LEGACY_AUTH"], config.sync, config["LISTEN_ADDRESS"]) == (2, True, "OFF", "::1")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("PORT = 1\n\n# more\nPROT = 2", "line 4: there is no setting PROT"),
        ("\nPORT = http", 'line 2: PORT = "http" is not a port'),
        ("PORT = 70000", "is not a port, 0 to 65535"),
        ("TIMEOUT = -5", "is not seconds"),
        ("LEGACY_AUTH = perhaps", "is not YES or NO"),
        ("DEFAULT_UMASK = 800", "is not an octal number"),
        ("API_LIST_ORDER = UP", "is not DESC or ASC"),
        ("PORT = [ A = 1 ]", "PORT is a vector; it should be a port"),
        ("DB = sqlite", "DB is a single value; it should be a vector"),
        ('DB = [ BACKEND = "oracle" ]', 'DB/BACKEND = "oracle" is not sqlite'),
        ('IM_MAD = [ NAME = "a" ]', "IM_MAD needs EXECUTABLE"),
        ('IM_MAD = [ EXECUTABLE = "a" ]\nIM_MAD = [ EXECUTABLE = "b", PER_HOST = "x" ]', "line 2: IM_MAD/PER_HOST"),
        ('VM_MAD = [ EXECUTABLE = "a", TIMEOUT = "soon" ]', "VM_MAD/TIMEOUT"),
        ("PORT = 1\nDB = [ A", "line 2"),
    ],
)
def test_what_cannot_be_used_is_refused_with_file_line_and_reason(load: Load, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert "oned.conf" in str(refused.value)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [("PORT", "it is KEY=VALUE"), ("PORT=x", "-o PORT: "), ("NONE=1", "no setting NONE"), ("DB=[", "-o [")],
)
def test_a_wrong_override_is_refused_by_its_name(load: Load, override: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load("", [override])
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('\nAUTH_MAD = [ EXECUTABLE = "one_auth_mad" ]', "line 2: AUTH_MAD does nothing here: it belongs to objects"),
        ("MANAGER_TIMER = 15", "MANAGER_TIMER does nothing here: timers"),
        ('DB = [ BACKEND = "sqlite", TIMEOUT = 2500 ]', "DB/TIMEOUT does nothing here"),
        ("PORT = 1\nPORT = 2", "line 2: PORT is set twice; the first counts"),
    ],
)
def test_what_does_nothing_here_is_taken_with_a_warning(load: Load, text: str, said: str) -> None:
    (warning,) = load(text).warnings
    assert said in warning


def test_a_shipped_file_of_an_old_release_is_taken(load: Load) -> None:
    config = load(
        """HOST_MONITORING_INTERVAL = 600
VM_POLLING_INTERVAL      = 600
#VM_DIR=/srv/cloud/one/var
SCRIPTS_REMOTE_DIR=/var/tmp/one
PORT=2633
DB = [ backend = "sqlite" ]
VNC_BASE_PORT = 5900
DEBUG_LEVEL=3
NETWORK_SIZE = 254
MAC_PREFIX   = "02:00"
DEFAULT_IMAGE_TYPE    = "OS"
DEFAULT_DEVICE_PREFIX = "hd"
IM_MAD = [
      name       = "im_kvm",
      executable = "one_im_ssh",
      arguments  = "-r 0 -t 15 kvm" ]
VM_MAD = [
    name       = "vmm_kvm",
    executable = "one_vmm_ssh",
    arguments  = "-t 15 -r 0 kvm",
    default    = "vmm_ssh/vmm_ssh_kvm.conf",
    type       = "kvm" ]
TM_MAD = [
    name       = "tm_nfs",
    executable = "one_tm",
    arguments  = "tm_nfs/tm_nfs.conf" ]
HM_MAD = [ executable = "one_hm" ]
VM_HOOK = [ name = "image", on = "DONE", command = "image.rb", arguments = "$VMID" ]
"""
    )
    assert (config["HOST_MONITORING_INTERVAL"], config.debug_level) == (600, 3)
    assert config.vectors("IM_MAD")[0]["ARGUMENTS"] == "-r 0 -t 15 kvm"
    idle = [warning.partition(": ")[2].split()[0] for warning in config.warnings]
    assert idle == []


def test_limits_are_those_of_the_server(load: Load) -> None:
    limits = load("MESSAGE_SIZE = 5\nTIMEOUT = 6\nKEEPALIVE_MAX_CONN = 7\nMAX_CONN = 8").limits(Limits)
    assert (limits.message_size, limits.timeout, limits.keepalive_requests, limits.at_once) == (5, 6, 7, 8)


def test_the_effective_configuration_is_written_for_drivers(load: Load, tmp_path: Path) -> None:
    load("PORT = 5").write_effective(tmp_path / "config")
    lines = (tmp_path / "config").read_text().splitlines()
    assert "PORT=5" in lines
    assert "SCRIPTS_REMOTE_DIR=/var/tmp/one" in lines
    assert 'DB=[BACKEND="sqlite",SYNC="full"]' in lines


@pytest.mark.parametrize(
    ("name", "printed", "config"),
    [
        ("oned.conf", print_config(), Config),
        ("sched.conf", print_sched_config(), SchedConfig),
        ("onesge.conf", print_elastic_config(), ElasticConfig),
    ],
)
def test_the_shipped_file_is_what_is_printed_and_sets_what_holds_without_it(
    name: str, printed: str, config: type[Config] | type[SchedConfig] | type[ElasticConfig], tmp_path: Path
) -> None:
    assert (SHIPPED / name).read_text() == printed
    shipped, none = config.load(SHIPPED / name), config.load(tmp_path / "missing")
    assert shipped.warnings == []
    assert list(shipped.effective()) == list(none.effective())


@pytest.mark.parametrize("table", [SETTINGS, SCHED_SETTINGS], ids=["oned.conf", "sched.conf"])
def test_every_setting_says_what_it_does_or_why_it_does_nothing(table: Table) -> None:
    assert table.settings
    for setting in table.settings.values():
        assert bool(setting.sentence) != bool(setting.idle), setting.name


def test_a_limit_of_the_scheduler_may_be_negative_as_in_classic_files(tmp_path: Path) -> None:
    path = tmp_path / "sched.conf"
    path.write_text("MAX_DISPATCH = -1\nLIVE_RESCHEDS = 1\nHYPERVISOR_MEM = 0.1\n")
    config = SchedConfig.load(path)
    assert (config["MAX_DISPATCH"], config["LIVE_RESCHEDS"]) == (-1, "1")
    assert "RESERVED_MEM" in config.warnings[0]


def test_intervals_are_taken_by_the_names_of_every_release(tmp_path: Path) -> None:
    path = tmp_path / "oned.conf"
    path.write_text("MONITORING_INTERVAL = 70\nMONITORING_INTERVAL_VM = 80\nHOST_MONITORING_INTERVAL = 90\n")
    config = Config.load(path)
    assert config.interval("HOST_MONITORING_INTERVAL", "MONITORING_INTERVAL_HOST", "MONITORING_INTERVAL") == 90
    assert config.interval("VM_POLLING_INTERVAL", "MONITORING_INTERVAL_VM", "MONITORING_INTERVAL") == 80
    path.write_text("MONITORING_INTERVAL = 70\n")
    assert Config.load(path).interval("VM_POLLING_INTERVAL", "MONITORING_INTERVAL_VM", "MONITORING_INTERVAL") == 70


def test_the_image_driver_of_3_0_stands_in_for_the_datastore_drivers(load: Load) -> None:
    config = load('IMAGE_MAD = [ EXECUTABLE = "one_image", ARGUMENTS = "fs -t 15", NAME = "image_fs" ]')
    assert config.driver_vectors("DATASTORE_MAD") == [
        {"PROTOCOL": "classic", "EXECUTABLE": "one_image", "ARGUMENTS": "fs -t 15", "NAME": ""}
    ]
    assert any("IMAGE_MAD is taken for DATASTORE_MAD" in warning for warning in config.warnings)
    both = load('IMAGE_MAD = [ EXECUTABLE = "one_image" ]\nDATASTORE_MAD = [ EXECUTABLE = "one_datastore" ]')
    assert [vector["EXECUTABLE"] for vector in both.driver_vectors("DATASTORE_MAD")] == ["one_datastore"]
