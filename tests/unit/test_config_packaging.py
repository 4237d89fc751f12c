"""What setup.cfg installs: all of the program, and the files it needs."""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from setuptools.config.setupcfg import read_configuration

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def options() -> dict[str, Any]:
    before = Path.cwd()
    os.chdir(ROOT)
    try:
        return dict(read_configuration("setup.cfg")["options"])
    finally:
        os.chdir(before)


def test_every_module_is_installed(options: dict[str, Any]) -> None:
    installed = {
        path
        for package in options["packages"]
        for pattern in ("*.py", *options["package_data"].get(package, ()))
        for path in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    modules = {
        Path(folder, name)
        for folder, _, names in os.walk(ROOT / "oned", followlinks=True)
        for name in names
        if name.endswith(".py")
    }
    assert len(modules) > 100
    assert sorted(modules - installed) == []


def test_every_data_file_exists(options: dict[str, Any]) -> None:
    assert len(options["data_files"]) > 5
    for target, files in options["data_files"]:
        assert files, target
        assert [name for name in files if not (ROOT / name).is_file()] == []


def test_every_program_is_a_function_that_exists(options: dict[str, Any]) -> None:
    for line in options["entry_points"]["console_scripts"]:
        module, _, function = line.partition("=")[2].strip().partition(":")
        assert callable(getattr(import_module(module), function)), line


def test_every_unit_of_systemd_is_installed_and_starts_a_program_of_ours(options: dict[str, Any]) -> None:
    programs = {line.partition("=")[0].strip() for line in options["entry_points"]["console_scripts"]}
    units = sorted((ROOT / "share/systemd").iterdir())
    assert len(units) > 3
    (installed,) = [files for target, files in options["data_files"] if target == "lib/systemd/system"]
    assert sorted(installed) == [f"share/systemd/{unit.name}" for unit in units]
    for unit in units:
        starts = [
            line.partition("=")[2].split() for line in unit.read_text().splitlines() if line.startswith("ExecStart=")
        ]
        assert [words[0] for words in starts if words[0] not in programs] == [], unit.name
