"""Grid Engine's reading commands, played: what a small real cluster answered once, from tests/unit/elastic_sge."""

from pathlib import Path

RECORDED = Path(__file__).resolve().parents[1] / "unit/elastic_sge"
ANSWERS = {
    "qhost -q -xml": "qhost.xml",
    "qhost -q -F -xml": "qhost.xml",
    "qconf -sc": "complexes.txt",
    "qconf -se global": "hostname global\ncomplex_values NONE\n",
    "qstat -u * -r -f -xml": "qstat.xml",
    "qconf -spl": "smp\nmpi\ntwo\n",
    "qconf -sp smp": "pe_smp.txt",
    "qconf -sp mpi": "pe_mpi.txt",
    "qconf -sp two": "pe_two.txt",
    "qconf -srqs": "",
    "qconf -sconf": "max_unheard 00:05:00\n",
    "qconf -sq *": "qname all.q\nhostlist @allhosts\nrerun TRUE\n",
    "qconf -shgrpl": "@allhosts\n",
    "qconf -shgrp @allhosts": "group_name @allhosts\nhostlist wn01.lab wn02.lab\n",
    "qconf -sh": "sgemaster\n",
    "qconf -sel": "wn01.lab\nwn02.lab\n",
    "qconf -sconfl": "wn01.lab\n",
}
"""Command line → a recorded file, or the text itself."""
SCRIPT = """\
#!/bin/sh
name=${0##*/}
echo "$name $*" >> "%(directory)s/asked"
case "$name $*" in qstat\\ -j*) exec cat "%(directory)s/jobs.xml" ;; esac
file="%(directory)s/$(echo "$name $*" | tr ' /*' '___')"
if [ -f "$file" ]; then exec cat "$file"; fi
echo "denied: nobody plays $name $*" >&2
exit 1
"""


class PlayedSge:
    """A directory of commands. `settings` are for onesge.conf; `asked` is what was asked for, a line for each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        common = directory / "default/common"
        common.mkdir(parents=True)
        (common / "act_qmaster").write_text("sgemaster\n")
        (directory / "jobs.xml").write_bytes((RECORDED / "jobs.xml").read_bytes())
        for line, answer in ANSWERS.items():
            self.answers(line, (RECORDED / answer).read_text() if answer.endswith((".xml", ".txt")) else answer)
        for name in ("qhost", "qstat", "qconf", "qping", "qmod"):
            path = directory / "bin" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(SCRIPT % {"directory": directory})
            path.chmod(0o755)

    def answers(self, line: str, text: str) -> None:
        """From now on a command line is answered so."""
        self._file(line).write_text(text)

    def changes(self, line: str, old: str, new: str) -> None:
        """It is answered with other words from now on."""
        self.answers(line, self._file(line).read_text().replace(old, new))

    def is_down(self) -> None:
        """No command finds its master."""
        for name in ("qhost", "qstat", "qconf"):
            path = self.directory / "bin" / name
            path.write_text("#!/bin/sh\necho 'error: unable to contact qmaster: got connection refused' >&2\nexit 1\n")

    def _file(self, line: str) -> Path:
        return self.directory / line.translate(str.maketrans(" /*", "___"))

    @property
    def asked(self) -> list[str]:
        return (self.directory / "asked").read_text().splitlines()

    @property
    def settings(self) -> str:
        return f'SGE_ROOT = "{self.directory}"\nSGE_BIN = "{self.directory}/bin"\n'
