"""The grammar of driver lines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.mad.line import Answer, Lines, Log, greeting, read, text


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("DEPLOY SUCCESS 7 one-7", Answer("DEPLOY", True, 7, "one-7")),
        ("SHUTDOWN SUCCESS 7 -", Answer("SHUTDOWN", True, 7, "")),
        ("SHUTDOWN SUCCESS 7 - -", Answer("SHUTDOWN", True, 7, "")),
        ("SHUTDOWN SUCCESS 7 ", Answer("SHUTDOWN", True, 7, "")),
        ("SHUTDOWN SUCCESS 7", Answer("SHUTDOWN", True, 7, "")),
        ("POLL SUCCESS 7  STATE=u", Answer("POLL", True, 7, "STATE=u")),
        ("MONITOR SUCCESS 3HOSTNAME=h1,ARCH=x", Answer("MONITOR", True, 3, "HOSTNAME=h1,ARCH=x")),
        ("DEPLOY FAILURE 7 no  such bridge", Answer("DEPLOY", False, 7, "no  such bridge")),
        ("DEPLOY success 7 one-7", Answer("DEPLOY", False, 7, "one-7")),
        ("LOG - 7 copying", Log("-", 7, "copying")),
        ("LOG I 7 copying - slowly", Log("I", 7, "copying - slowly")),
        ("LOG E who knows", Log("E", None, "who knows")),
        ("DEPLOY SUCCESS seven one-7", None),
        ("DEPLOY SUCCESS " + "9" * 30, None),
        ("Warning: deprecated", None),
        ("", None),
    ],
)
def test_line_reads_as_the_message_in_it(line: str, answer: Answer | Log | None) -> None:
    assert read(text(line.encode())) == answer


def test_line_end_nul_and_broken_utf8_are_cleaned() -> None:
    assert text(b"LOG I 7 a\x00b\xffc\r\n") == "LOG I 7 a\ufffdb\ufffdc"


@pytest.mark.parametrize(
    ("line", "success", "reason"),
    [
        ("INIT SUCCESS", True, ""),
        ("INIT SUCCESS - -", True, ""),
        ("INIT WHATEVER", True, ""),
        ("INIT FAILURE no java found", False, "no java found"),
    ],
)
def test_handshake_accepts_everything_but_failure(line: str, success: bool, reason: str) -> None:
    found = greeting(line)
    assert found
    assert (found.success, found.reason) == (success, reason)


def test_handshake_words_are_read() -> None:
    found = greeting("INIT SUCCESS PROTOCOL=XML REPEATS=DEPLOY,cancel")
    assert found
    assert (found.protocol, found.repeats) == ("xml", {"DEPLOY", "CANCEL"})


def test_handshake_is_not_found_in_other_lines() -> None:
    assert greeting("Warning: INIT SUCCESS") is None


def test_cancelled_command_is_told_by_its_log_line() -> None:
    told = [read("LOG I 7 Driver command for 7 cancelled"), read("LOG I 7 Driver command for 7 done")]
    assert [message.cancelled for message in told if isinstance(message, Log)] == [7, None]


@given(st.lists(st.binary().map(lambda line: line.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_are_the_same_however_the_stream_is_cut(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    cutter, found = Lines(), list[bytes]()
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += cutter.feed(stream[begin:end])
    assert found == lines


@given(st.lists(st.integers(0, 40), max_size=10), st.integers(1, 7))
def test_overlong_lines_are_dropped_alone(lengths: list[int], step: int) -> None:
    stream = b"".join(b"x" * length + b"\n" for length in lengths)
    cutter, found = Lines(longest=20), list[bytes]()
    for begin in range(0, len(stream), step):
        found += cutter.feed(stream[begin : begin + step])
    assert [len(line) for line in found] == [length for length in lengths if length <= 20]


@given(st.binary())
def test_any_bytes_read_as_a_message_or_as_none(raw: bytes) -> None:
    assert isinstance(read(text(raw)), Answer | Log | None)


@given(st.integers(0, 10**17), st.from_regex(r"[A-Za-z=,.]+", fullmatch=True))
def test_answer_keeps_id_and_info(oid: int, info: str) -> None:
    assert read(f"POLL SUCCESS {oid} {info}") == Answer("POLL", True, oid, info)
