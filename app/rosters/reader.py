"""Reads one CSV file as records with line numbers, in bounded memory, and refuses what only looks like CSV.

Python's csv module accepts a quotation mark in the middle of a field, and text after a closing one; a roster in which
that happens has lost a delimiter somewhere, and every field after it is somebody else's. So quoting is checked here.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from app.rosters.problems import CsvFaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

RECORD_CHARS_MAX = 1024 * 1024
_CHUNK_BYTES = 256 * 1024
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError)

_FIELD = r'(?:"[^"]*+(?:""[^"]*+)*+"|[^",\r\n]*+)'
_RECORD = re.compile(rf"{_FIELD}(?:,{_FIELD})*+[\r\n]*+")
# A record that goes on in the next line: whole fields, then one whose quotation is still open.
_OPEN_RECORD = re.compile(rf'(?:{_FIELD},)*+"[^"]*+(?:""[^"]*+)*+')
_UNDECODED = re.compile("[\udc80-\udcff]")


class RecordReader:
    """The records of one file: `for line, values in reader`. Encoding is found from the first bytes.

    Raises CsvFaultError at the line from which the file cannot be read; records before it were given out.
    """

    def __init__(self, file: IO[bytes], encoding: str | None = None) -> None:
        buffered = io.BufferedReader(_Raw(file), _CHUNK_BYTES)
        try:
            self.encoding = _encoding_of(buffered.peek(4)[:4], encoding)
        except _DAMAGE as error:
            raise CsvFaultError(1, "zip_damaged", f"the zip is damaged here ({error})") from None
        # utf-16 and utf-32 cannot keep an undecodable byte for later; the others carry it to the line that holds it.
        errors = "strict" if self.encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
        self._text = io.TextIOWrapper(buffered, self.encoding, errors=errors, newline="")
        self._line = 0

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        while True:
            text = self._readline()
            if not text:
                return
            first = self._line
            if '"' in text:
                text = self._complete(text, first)
                yield first, next(csv.reader([text], strict=True))
                continue
            text = text.rstrip("\r\n")
            if text:
                yield first, text.split(",")

    def _readline(self) -> str:
        self._line += 1
        try:
            text = self._text.readline(RECORD_CHARS_MAX + 1)
        except UnicodeDecodeError as error:
            raise CsvFaultError(self._line, "encoding", f"not {self.encoding} ({error.reason})") from None
        except _DAMAGE as error:
            raise CsvFaultError(self._line, "zip_damaged", f"the zip is damaged here ({error})") from None
        if len(text) > RECORD_CHARS_MAX:
            raise CsvFaultError(self._line, "record_too_long", f"a line of more than {RECORD_CHARS_MAX:,} characters")
        if "\0" in text:
            raise CsvFaultError(self._line, "nul", "a NUL character: the file is damaged, or not text")
        if not text.isascii() and (found := _UNDECODED.search(text)):
            byte = ord(found.group()) - 0xDC00
            raise CsvFaultError(
                self._line,
                "encoding",
                f"byte 0x{byte:02X} is not {self.encoding.removesuffix('-sig').upper()}; "
                "if the file was written on Windows, import it with --encoding windows-1252",
            )
        return text

    def _complete(self, text: str, first: int) -> str:
        """Add lines until every quotation is closed, and check that quotation marks stand only where they may."""
        pieces, quotes, chars = [text], text.count('"'), len(text)
        while quotes % 2:
            if len(pieces) == 1 and not _OPEN_RECORD.fullmatch(text):
                raise CsvFaultError(first, "csv_quote", _quote_fault(text))
            more = self._readline()
            if not more:
                raise CsvFaultError(first, "csv_quote", "a quotation opened in this record is never closed")
            pieces.append(more)
            quotes += more.count('"')
            chars += len(more)
            if chars > RECORD_CHARS_MAX:
                reason = f"a record of more than {RECORD_CHARS_MAX:,} characters (a quotation that is never closed?)"
                raise CsvFaultError(first, "record_too_long", reason)
        text = "".join(pieces)
        if not _RECORD.fullmatch(text):
            raise CsvFaultError(first, "csv_quote", _quote_fault(text))
        return text


class _Raw(io.RawIOBase):
    """What BufferedReader wants, around a file or a zip entry (which is buffered already, but cannot peek 4 bytes)."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _encoding_of(start: bytes, wanted: str | None) -> str:
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # A header is ASCII: a NUL in one of the first two bytes is UTF-16 without its mark.
    if len(start) >= 2 and start[1] == 0 and start[0] != 0:
        return "utf-16-le"
    if len(start) >= 2 and start[0] == 0 and start[1] != 0:
        return "utf-16-be"
    return wanted or "utf-8"


def _quote_fault(text: str) -> str:
    """Say in which field the quoting goes wrong."""
    position, number = 0, 1
    field = re.compile(_FIELD)
    while (found := field.match(text, position)) and text[found.end() : found.end() + 1] == ",":
        position, number = found.end() + 1, number + 1
    if text[position : position + 1] == '"':
        return f"field {number}: text follows a closing quotation mark (one inside a field is written twice)"
    return f"field {number}: a quotation mark inside a field that is not quoted"
