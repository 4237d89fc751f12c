"""The driver of the manual's example, as a reader would copy it."""

import re
import sys
from pathlib import Path

from oned.drivers.lib import orders
from oned.drivers.lib.testing import DriverProcess

TREE = Path(__file__).parents[2]
PAGE = (TREE / "share" / "doc" / "drivers.md").read_text()


def test_the_example_of_the_manual_is_a_driver(tmp_path: Path) -> None:
    example = next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "driver.run()" in code)
    file = tmp_path / "vmm_sleep.py"
    file.write_text(example)
    arguments = [sys.executable, str(file), f"-t 5 --directory {tmp_path}"]
    with DriverProcess(arguments, {"PYTHONPATH": str(TREE)}) as driver:
        assert driver.handshake() == "INIT SUCCESS PROTOCOL=xml REPEATS=DEPLOY,SHUTDOWN,POLL"
        assert driver.ask("DEPLOY 7 h1 /srv/7/images/deployment.0 -") == "DEPLOY SUCCESS 7 sleep-7"
        assert driver.logs == ["LOG I 7 Starting on h1"]
        assert driver.ask("POLL 7 h1 sleep-7 -") == "POLL SUCCESS 7 STATE=a"
        assert driver.ask("SHUTDOWN 7 h1 sleep-7 -") == "SHUTDOWN SUCCESS 7 -"
        assert driver.ask("POLL 7 h1 sleep-7 -") == "POLL SUCCESS 7 STATE=d"
        assert driver.ask("POLL 7 broken sleep-7 -") == "POLL FAILURE 7 the host does not answer"
        assert driver.finalize() == 0


def test_the_example_without_its_directory_does_not_start(tmp_path: Path) -> None:
    file = tmp_path / "vmm_sleep.py"
    file.write_text(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0])
    with DriverProcess([sys.executable, str(file), "--directory /no/such"], {"PYTHONPATH": str(TREE)}) as driver:
        assert driver.handshake() == "INIT FAILURE there is no directory /no/such"


def test_every_word_of_an_order_is_in_the_manual_and_in_the_module() -> None:
    for word in orders.WORDS:
        assert re.search(rf"`{word}\b", PAGE), word
        assert re.search(rf"^\| .*\b{word}\b", orders.__doc__ or "", re.MULTILINE), word
