"""onesge.conf: what is read, what holds without it, what is refused with line and reason."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from oned.elastic.policy import NO_LIMIT, Billing, Brake, Caps, Pace, Patience, Policies
from oned.elastic.reading import Failures, Job
from oned.elastic.settings import ELASTIC_SETTINGS, ElasticConfig, print_elastic_config, read
from oned.setting import ConfigError

Load = Callable[[str], Policies]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def load_text(text: str) -> Policies:
        path = tmp_path / "onesge.conf"
        path.write_text(text)
        return read(ElasticConfig.load(path))

    return load_text


def test_without_a_file_the_defaults_of_the_planner_hold(tmp_path: Path) -> None:
    policies = read(ElasticConfig.load(tmp_path / "missing"))
    assert policies == Policies()
    assert (policies.pace, policies.patience, policies.brake, policies.caps) == (Pace(), Patience(), Brake(), Caps())


def test_what_is_printed_is_read_without_a_warning_and_sets_what_holds_anyway(tmp_path: Path) -> None:
    path = tmp_path / "onesge.conf"
    path.write_text(print_elastic_config())
    config = ElasticConfig.load(path)
    assert config.warnings == []
    assert read(config) == Policies()
    assert all(
        f"\n{name} = " in path.read_text() or f"#{name} = " in path.read_text() for name in ELASTIC_SETTINGS.settings
    )


def test_a_class_has_what_it_says_and_the_general_settings_otherwise(load: Load) -> None:
    policies = load(
        "IDLE_TIME = 30\nNODE_CLASS = [ NAME = local, TEMPLATE = worker, SLOTS = 4, MEMORY = 8192, "
        "MIN = 1, MAX = 3 ]\n"
        'NODE_CLASS = [ NAME = ec2, PLACE = cloud, PRICE = 0.25, BILLING = HOUR, QUEUES = "all.q, @cloud", '
        "IDLE_TIME = 5 ]"
    )
    local, ec2 = policies.classes
    assert (local.template, local.slots, local.memory, local.least, local.most) == ("worker", 4, 8192, 1, 3)
    assert (local.cloud, local.idle, local.life, local.billing) == (False, 30.0, 0.0, Billing.SECOND)
    assert (ec2.template, ec2.cloud, ec2.price, ec2.billing) == ("ec2", True, 0.25, Billing.HOUR)
    assert local.queues == {"all.q", "@allhosts"}, "where its nodes are put: no job of another queue asks for them"
    assert (ec2.queues, ec2.idle, ec2.life) == (frozenset({"all.q", "@cloud"}), 5.0, 7 * 86400)


def test_what_nodes_of_a_class_offer_is_said_once_and_their_memory_is_among_it_where_it_is_told(load: Load) -> None:
    klass = 'NODE_CLASS = [ NAME = a, MEMORY = 512, COMPLEX_VALUES = "model=v100, gpu=2" ]\n'
    (plain,) = load(klass).classes
    assert plain.offers == (("gpu", "2"), ("model", "v100"))
    (told,) = load(f"{klass}SGE_MEMORY = h_vmem\n").classes
    assert told.offers == (("gpu", "2"), ("h_vmem", "512M"), ("model", "v100"))


def test_a_life_of_zero_is_for_ever_in_a_cloud_too(load: Load) -> None:
    (ec2,) = load("MAX_LIFE = 0\nNODE_CLASS = [ NAME = ec2, PLACE = cloud ]").classes
    assert ec2.life == 0


def test_unwell_nodes_are_kept_for_a_person_for_less_time_in_a_cloud(load: Load) -> None:
    classes = "NODE_CLASS = [ NAME = local ]\nNODE_CLASS = [ NAME = ec2, PLACE = cloud ]\n"
    assert [klass.aside for klass in load(classes).classes] == [43200, 3600]
    assert [klass.aside for klass in load(f"QUARANTINE_TIME = 0\n{classes}").classes] == [0, 0]
    (patient,) = load("NODE_CLASS = [ NAME = patient, PLACE = cloud, QUARANTINE_TIME = 90 ]").classes
    assert patient.aside == 90


def test_a_quota_covers_the_jobs_of_whom_it_names(load: Load) -> None:
    policies = load(
        'QUOTA = [ NAME = atlas, BY = project, WHO = "higgs top", SLOTS = 20, LEND = NO ]\n'
        "QUOTA = [ NAME = staff, BY = owner, WHO = ada, COST = 1.5 ]"
    )
    assert policies.quota(Job("1", project="top", owner="ada")) == policies.named("atlas")
    assert policies.quota(Job("1", owner="ada")) == policies.named("staff")
    assert policies.quota(Job("1", owner="bob")) is None
    atlas, staff = policies.quotas
    assert (atlas.slots, atlas.nodes, atlas.lends, staff.cost, staff.lends) == (20, NO_LIMIT, False, 1.5, True)


def at(day: int, hour: int, minute: int = 0) -> float:
    """Of a week that begins on Monday, 4 January 2027."""
    return datetime(2027, 1, 4 + day, hour, minute, tzinfo=UTC).timestamp()


def test_a_window_holds_in_its_days_and_hours_over_midnight_too(load: Load) -> None:
    policies = load(
        "NODE_CLASS = [ NAME = a, MAX = 5 ]\n"
        'SCHEDULE = [ CLASS = a, DAYS = "mon-fri", FROM = "22:00", TO = "06:00", MAX = 9, MIN = 2 ]\n'
        'SCHEDULE = [ CLASS = a, DAYS = "sat,sun", MAX = 1 ]'
    )
    for when, least, most in (
        (at(0, 21, 59), 0, 5), (at(0, 22), 2, 9), (at(1, 5, 59), 2, 9), (at(1, 6), 0, 5),
        (at(0, 5), 0, 5), (at(5, 5), 2, 9), (at(5, 6), 0, 1), (at(6, 23), 0, 1),
    ):  # fmt: skip
        (klass,) = policies.at(when).classes
        assert (klass.least, klass.most) == (least, most), datetime.fromtimestamp(when, UTC)


def test_windows_are_in_the_zone_of_the_site(load: Load) -> None:
    policies = load(
        "TIME_ZONE = Asia/Tokyo\nNODE_CLASS = [ NAME = a ]\n"
        'SCHEDULE = [ CLASS = a, FROM = "09:00", TO = "10:00", MAX = 20 ]'
    )
    assert [policies.at(at(0, hour)).classes[0].most for hour in (0, 1, 9)] == [20, 10, 10]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("NODE_CLASS = [ SLOTS = 4 ]", "line 1: NODE_CLASS needs NAME"),
        ("\nNODE_CLASS = [ NAME = a, SLOTS = 0 ]", 'line 2: NODE_CLASS/SLOTS = "0" is not a number above 0'),
        ("NODE_CLASS = [ NAME = a ]\n\nNODE_CLASS = [ NAME = a ]", "line 3: there are two classes a"),
        ("NODE_CLASS = [ NAME = a, MIN = 5, MAX = 2 ]", "line 1: MIN of class a is 5, above MAX, which is 2"),
        ("MIN = 5\nMAX = 2", "MIN is 5, above MAX"),
        ('NODE_CLASS = [ NAME = a, COMPLEX_VALUES = "gpu" ]', "is not names with values, such as gpu=2,model=v100"),
        ('NODE_CLASS = [ NAME = a, COMPLEX_VALUES = "slots=2" ]', "is not names with values"),
        ("NODE_CLASS = [ NAME = a, PRICE = free ]", "is not an amount of money"),
        ("NODE_CLASS = [ NAME = a ]\nSCHEDULE = [ CLASS = b ]", "line 2: SCHEDULE is for class b, which is not there"),
        ("NODE_CLASS = [ NAME = a ]\nSCHEDULE = [ CLASS = a, MIN = 11 ]", "with this SCHEDULE, MIN of class a is 11"),
        ('NODE_CLASS = [ NAME = a ]\nSCHEDULE = [ CLASS = a, DAYS = "mon-day" ]', "is not days, such as mon-fri"),
        ('NODE_CLASS = [ NAME = a ]\nSCHEDULE = [ CLASS = a, FROM = "24:01" ]', "is not a time of day"),
        ('NODE_CLASS = [ NAME = a ]\nSCHEDULE = [ CLASS = a, FROM = "9:5" ]', "is not a time of day"),
        ("COST_CAP = [ HOUR = 1 ]\nCOST_CAP = [ DAY = 9 ]", "line 2: COST_CAP is set twice"),
        ("QUOTA = [ NAME = q, BY = uid, WHO = 4 ]", "is not project or department or owner or group"),
        ("QUOTA = [ NAME = q, BY = owner, WHO = a ]\nQUOTA = [ NAME = q, BY = owner, WHO = b ]", "two quotas q"),
        ("TIME_ZONE = Mars/Olympus", "is not a time zone"),
        ("TIME_ZONE = ../../etc/passwd", "is not a time zone"),
        ("STALE_DOWN = 700", "STALE_DOWN is 700, above STALE_UP, which is 600"),
        ("MAX_KILL = 101", "is not per cent"),
        ("MAX_NODES = 3", "onesge --print-config shows what there is"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_line_and_reason(load: Load, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(text)
    assert said in str(refused.value)


def test_a_brake_is_twice_as_long_each_time_up_to_an_hour() -> None:
    failed, rests = None, []
    for _ in range(8):
        failed = Brake().after(failed, created=999.0, now=1000.0)
        failed = replace(failed, rested=0.0)
        rests.append(Brake().until(failed))
    assert rests == [0, 0, 1600, 2200, 3400, 4600, 4600, 4600]
    assert Brake().until(None) == 0


def test_nodes_that_were_planned_before_a_rest_began_make_it_no_longer() -> None:
    rule, failed = Brake(failures=3), None
    for second in range(5):
        failed = rule.after(failed, created=1000.0, now=1100.0 + second)
    assert failed == Failures(5, 1104.0, rests=1, rested=1102.0)
    assert rule.until(failed) == 1104.0 + 600
    again = rule.after(failed, created=1800.0, now=1900.0)
    assert rule.until(again) == 1900.0 + 1200
