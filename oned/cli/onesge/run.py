"""onesge run: the service in the foreground."""

from oned.cli.actions import DRY_RUN
from oned.cli.command import CommandError, Option, Program
from oned.cli.onesge import books, conf
from oned.cli.onesge.conf import CONFIG
from oned.cli.output import complain
from oned.client.client import Client

ONCE = Option("once", ("--once",), "one cycle, then end")
STDERR = Option("to_stderr", ("-s", "--stderr"), "log to stderr instead of onesge.log")


def add_run(program: Program) -> None:
    """Give onesge the verb."""
    program.command("run", "", ONCE, DRY_RUN, STDERR, CONFIG)(_run)


def _other(config: str | None) -> str:
    """Which onesge runs the loop already, "" for none."""
    given = conf.load(config)
    if not conf.database(given).is_file():
        return ""
    records = books.opened(given)
    found = books.active(records)
    records.close()
    return found


def _run(_one: Client, *, once: bool, dry_run: bool, to_stderr: bool, config: str | None) -> None:
    """Lets nodes come when jobs wait and go when nothing needs them, until SIGTERM.

    Several may run: one is active, the others wait and take over when it is not heard of any more. With --dry-run it
    says what would be done, each time that this is something else. SIGHUP lets it read its settings anew.
    """
    from oned.elastic.daemon import main
    from oned.elastic.metrics import NoMetrics
    from oned.elastic.records import RecordsUnusable
    from oned.setting import ConfigError

    try:
        file = conf.path_of(config)
        if not (once or dry_run) and (other := _other(config)):
            complain(f"{other} runs the loop. This one waits, and takes over when that is not heard of any more")
        main(conf.load(config), conf.batch, once=once, dry=dry_run, stderr=to_stderr, file=file)
    except (ConfigError, NoMetrics, RecordsUnusable, OSError) as error:
        raise CommandError(str(error)) from None
