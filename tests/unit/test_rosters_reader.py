"""CSV as it comes from other people's systems: encodings, quoting, damage."""

from __future__ import annotations

import io

import pytest

from app.rosters.problems import CsvFaultError
from app.rosters.reader import RECORD_CHARS_MAX, RecordReader

TEXT = 'sourcedId,name\r\n1,"Muñoz, ""Ana""\r\nMaría"\r\n\r\n2,李\r\n'
RECORDS = [(1, ["sourcedId", "name"]), (2, ["1", 'Muñoz, "Ana"\r\nMaría']), (5, ["2", "李"])]


def read(data: bytes, encoding: str | None = None) -> list[tuple[int, list[str]]]:
    return list(RecordReader(io.BytesIO(data), encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_is_read_with_and_without_a_mark(encoding: str) -> None:
    assert read(TEXT.encode(encoding)) == RECORDS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_ending_and_none_at_the_end(end: str) -> None:
    assert read(end.join(["a,b", "1,2", "", "3,4"]).encode()) == [(1, ["a", "b"]), (2, ["1", "2"]), (4, ["3", "4"])]


def test_a_single_byte_encoding_is_refused_with_its_line_and_read_when_it_is_named() -> None:
    data = "a,b\n1,2\n3,Muñoz\n".encode("windows-1252")
    with pytest.raises(CsvFaultError, match=r"byte 0xF1 is not UTF-8.*--encoding") as caught:
        read(data)
    assert (caught.value.line, caught.value.code) == (3, "encoding")
    assert read(data, "windows-1252")[2] == (3, ["3", "Muñoz"])


def test_a_named_encoding_gives_way_to_a_byte_order_mark() -> None:
    assert read("a,ñ".encode("utf-8-sig"), "windows-1252") == [(1, ["a", "ñ"])]


@pytest.mark.parametrize(
    ("text", "line", "code", "reason"),
    [
        ('a,b\nuser-1,bad"quote', 2, "csv_quote", "field 2: a quotation mark inside a field that is not quoted"),
        ('a,b\n"x" y,2\n', 2, "csv_quote", "field 1: text follows a closing quotation mark"),
        ('a,b\n1,"open\n2,3\n', 2, "csv_quote", "never closed"),
        ("a,b\n1,\0\n", 2, "nul", "NUL"),
        ("a,b\n1," + "x" * RECORD_CHARS_MAX, 2, "record_too_long", "more than 1,048,576"),
        ('a,b\n1,"' + "x\n" * RECORD_CHARS_MAX + '"', 2, "record_too_long", "never closed"),
    ],
)
def test_what_cannot_be_csv_is_refused_with_its_line(text: str, line: int, code: str, reason: str) -> None:
    with pytest.raises(CsvFaultError, match=reason) as caught:
        read(text.encode())
    assert (caught.value.line, caught.value.code) == (line, code)


def test_cut_utf_16_is_refused() -> None:
    with pytest.raises(CsvFaultError, match="not utf-16"):
        read("a,b\n".encode("utf-16")[:-1])


def test_records_before_the_fault_were_given_out() -> None:
    reader = iter(RecordReader(io.BytesIO(b'a,b\n1,2\n3,x"\n')))
    assert [next(reader), next(reader)] == [(1, ["a", "b"]), (2, ["1", "2"])]
    with pytest.raises(CsvFaultError):
        next(reader)
