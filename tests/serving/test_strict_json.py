"""Hostile bodies are refused in a short line that repeats nothing of them."""

import math

import pytest

from pipeline.serving.strict_json import NotJsonError, parse


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"", "expected JSON", id="empty"),
        pytest.param(b"{'age': 4}", "expected JSON", id="python"),
        pytest.param(b'{"age": 4} x', "expected JSON", id="something after it"),
        pytest.param(b'{"age": 04}', "expected JSON", id="a leading zero"),
        pytest.param(b'{"age": NaN}', "NaN and Infinity", id="NaN"),
        pytest.param(b'{"age": Infinity}', "NaN and Infinity", id="Infinity"),
        pytest.param(b'{"age": -Infinity}', "NaN and Infinity", id="minus Infinity"),
        pytest.param(b'{"age": 1, "age": 2}', "stands twice", id="a key twice"),
        pytest.param(b'{"a": {"b": 1, "b": 1}}', "stands twice", id="a key twice inside"),
        pytest.param('{"age": 4}'.encode("utf-16"), "expected UTF-8", id="UTF-16 with its mark"),
        pytest.param('{"age": 4}'.encode("utf-16-le"), "expected JSON", id="UTF-16 without"),
        pytest.param(b'\xef\xbb\xbf{"age": 4}', "expected JSON", id="UTF-8 with a mark"),
        pytest.param(b'{"age": "\xff"}', "expected UTF-8", id="a byte that is no UTF-8"),
        pytest.param(b'{"age": ' + b"9" * 5_000 + b"}", "too many digits", id="5,000 digits"),
        pytest.param(b"[" * 100_000, "nested", id="100,000 deep"),
        pytest.param(b'{"a":' * 100_000, "nested", id="100,000 objects deep"),
        pytest.param(b'{"a": "\n"}', "expected JSON", id="a raw line break in a text"),
    ],
)
def test_what_is_not_json_is_refused(body, why):
    with pytest.raises(NotJsonError, match=why) as refused:
        parse(body)
    assert len(str(refused.value)) < 100


def test_what_json_can_say_is_read():
    assert parse('{"Größe": [1, -2.5e3, null, true, "ü"]}'.encode()) == {"Größe": [1, -2500.0, None, True, "ü"]}
    assert math.isinf(parse(b"1e999"))  # refused where a number is expected
