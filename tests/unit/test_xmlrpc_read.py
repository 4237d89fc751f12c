"""Calls as clients of all eras write them, and bodies that are no calls."""

import xmlrpc.client

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oned.wire.xmlrpc import DEPTH, NOT_XML_RPC, Fault, Value, decode, no_such_method, too_few_arguments, wrong_type


def call(*values: str, head: str = '<?xml version="1.0"?>') -> bytes:
    params = "".join(f"<param>{value}</param>" for value in values)
    return f"{head}<methodCall><methodName>one.vm.info</methodName><params>{params}</params></methodCall>".encode()


def only_argument(body: bytes) -> Value:
    name, arguments = decode(body)
    assert name == "one.vm.info"
    assert len(arguments) == 1
    return arguments[0]


def refusal(body: bytes) -> str:
    with pytest.raises(Fault) as refused:
        decode(body)
    assert refused.value.code == NOT_XML_RPC
    return refused.value.text


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("<value><i4>7</i4></value>", 7),
        ("<value><int>-7</int></value>", -7),
        ("<value><i8>9000000000</i8></value>", 9_000_000_000),
        ("<value> <int> 7 </int> </value>", 7),
        ("<value><boolean>1</boolean></value>", True),
        ("<value><boolean>0</boolean></value>", False),
        ("<value><double>-1.5e3</double></value>", -1500.0),
        ("<value><string>web</string></value>", "web"),
        ("<value><string/></value>", ""),
        ("<value>bare text</value>", "bare text"),
        ("<value> kept blanks\n</value>", " kept blanks\n"),
        ("<value/>", ""),
        ("<value><string>a &lt; b &amp; &#233;&#xE9;</string></value>", "a < b & éé"),
        ("<value><string><![CDATA[<VM>&amp;</VM>]]></string></value>", "<VM>&amp;</VM>"),
        ("<value><string>one<!-- no -->two</string></value>", "onetwo"),
        ("<value><string>line\n\ttab</string></value>", "line\n\ttab"),
        ("<value><string>\U0001f600</string></value>", "\U0001f600"),
        ("<value><base64>AAEC\n/w==</base64></value>", b"\x00\x01\x02\xff"),
        ("<value><dateTime.iso8601>20080915T17:24:29</dateTime.iso8601></value>", "20080915T17:24:29"),
        ("<value><array><data><value>a</value> <value><i4>2</i4></value></data></array></value>", ["a", 2]),
        ("<value><array><data/></array></value>", []),
        ("<value><struct><member><name>k</name><value><i4>1</i4></value></member></struct></value>", {"k": 1}),
    ],
)
def test_a_value_is_read_as_clients_write_it(written: str, read: Value) -> None:
    value = only_argument(call(written))
    assert value == read
    assert type(value) is type(read)


@pytest.mark.parametrize(
    "head",
    [
        "",
        '<?xml version="1.0" encoding="UTF-8"?>\r\n',
        "<?xml version='1.0' encoding='utf-8' standalone='yes'?>",
        "\n  ",
        "\ufeff",
        '\ufeff<?xml version="1.0" encoding="UTF-8"?>',
        '<?xml version="1.0"?><!-- a > comment with <methodCall --> <?php ?>\n',
    ],
)
def test_what_stands_before_the_call_does_no_harm(head: str) -> None:
    assert only_argument(call("<value>ü</value>", head=head)) == "ü"


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "iso-8859-15", "windows-1252", "latin1", "UTF-16", "utf-16-le"])
def test_the_declared_encoding_is_heeded(encoding: str) -> None:
    text = call("<value>Grüße</value>", head=f'<?xml version="1.0" encoding="{encoding}"?>').decode()
    assert only_argument(text.encode(encoding)) == "Grüße"


def test_a_call_without_params_has_no_arguments() -> None:
    body = b"<methodCall><methodName> system.listMethods </methodName></methodCall>"
    assert decode(body) == ("system.listMethods", [])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no <methodCall>"),
        (b"hello", "no <methodCall>"),
        (b"<methodResponse/>", "no <methodCall>"),
        (b"<methodCall>", "not well-formed"),
        (b"<methodCall ></methodCall>", "names no method"),
        (b"<methodCall><methodName> </methodName></methodCall>", "names no method"),
        (call("<value><i4>seven</i4></value>"), "not an integer"),
        (call("<value><i4>1_000</i4></value>"), "not an integer"),
        (call("<value><i4>99999999999999999999</i4></value>"), "not an integer of 64 bits"),
        (call("<value><boolean>yes</boolean></value>"), "not a boolean"),
        (call("<value><double>nan</double></value>"), "not a number"),
        (call("<value><double>1e999</double></value>"), "not a number"),
        (call("<value><base64>A</base64></value>"), "base64"),
        (call("<value><nil/></value>"), "type nil"),
        (call("<value><string>a<b/>c</string></value>"), "type string"),
        (call("<i4>7</i4>"), "not one <value>"),
        (call("<value>&undefined;</value>"), "not well-formed"),
        (call("<value>\xff</value>").replace(b"\xc3\xbf", b"\xff"), "not well-formed"),
        (call("<value/>", head='<?xml version="1.0" encoding="UTF-7"?>'), "encoding UTF-7"),
        (call("<value/>", head='<?xml version="1.0" encoding="zip"?>'), "encoding zip"),
    ],
)
def test_what_is_no_call_is_refused_with_the_reason(body: bytes, said: str) -> None:
    assert said in refusal(body)


BOMB = "".join(
    f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' if level else '<!ENTITY l0 "lol">' for level in range(10)
)


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE methodCall>",
        '<!DOCTYPE methodCall SYSTEM "http://127.0.0.1/call.dtd">',
        '<!DOCTYPE methodCall [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        f"<!DOCTYPE methodCall [{BOMB}]>",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_doctype_is_refused_before_anything_is_expanded(doctype: str, encoding: str) -> None:
    text = call("<value>&l9;</value>", head=f'<?xml version="1.0"?><!-- -->{doctype}').decode()
    assert "a DOCTYPE is refused" in refusal(text.encode(encoding))


def nested(levels: int) -> bytes:
    inside = "<value><array><data>" * levels + "<value>x</value>" + "</data></array></value>" * levels
    return call(inside)


def test_values_nested_as_deep_as_allowed_are_read() -> None:
    value = only_argument(nested(DEPTH))
    for _ in range(DEPTH):
        assert isinstance(value, list)
        value = value[0]
    assert value == "x"


@pytest.mark.parametrize("levels", [DEPTH + 1, 200, 20_000])
def test_values_nested_deeper_are_refused(levels: int) -> None:
    refusal(nested(levels))


def test_a_string_of_many_megabytes_is_read() -> None:
    text = "&lt;DISK&gt; " * 1_000_000
    assert only_argument(call(f"<value><string>{text}</string></value>")) == "<DISK> " * 1_000_000


writable = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"))
values = st.recursive(
    st.integers(-(2**31), 2**31 - 1) | st.booleans() | writable | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex("[A-Z]{1,8}", fullmatch=True), inner),
    max_leaves=20,
)


@given(st.lists(values, max_size=6))
def test_what_pythons_own_client_writes_is_read_back(arguments: list[Value]) -> None:
    body = xmlrpc.client.dumps(tuple(arguments), "one.vm.allocate").encode()
    assert decode(body) == ("one.vm.allocate", arguments)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_call_or_a_fault(noise: bytes) -> None:
    for body in (noise, b'<?xml version="1.0"?>' + noise, b"<methodCall>" + noise):
        with pytest.raises(Fault):
            decode(body)


def test_faults_carry_the_words_that_clients_know() -> None:
    assert (no_such_method("one.x").code, no_such_method("one.x").text) == (-506, "Method 'one.x' not defined")
    assert (too_few_arguments().code, too_few_arguments().text) == (-501, "Not enough parameters")
    assert wrong_type(int).text == "Parameter that is supposed to be integer is not"
    assert wrong_type(str).text == "Parameter that is supposed to be a string is not"
    assert wrong_type(bool).text == "Parameter that is supposed to be boolean is not"
