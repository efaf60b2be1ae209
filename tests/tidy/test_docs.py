"""The documents are held to the code: paths, links, keys, layouts, codes, fields, words."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from app import VERSION, errors
from app.api.health import StatusView
from app.api.session import Credentials, SessionView
from app.drafts import codec
from app.gradebook.read_section import SectionSnapshot
from app.gradebook.shown_cells import Cells
from app.model.edits import EditRequest, HeadView, OutcomeView, SaveAnswer, SaveRequest
from app.model.kinds import AttendanceValue, CommentValue, Kind, LineItemValue, RollTakenValue, ScoreValue

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
ADRS = sorted((DOCS / "adr").glob("*.md"))
FOLDERS = ("app", "workers", "loadtests", "ops", "tests", "docs", "requirements")
SOURCES = sorted(
    p for f in FOLDERS for p in (ROOT / f).rglob("*") if p.suffix in {".py", ".lua", ".sql", ".html", ".ts"}
)
SOURCES = [p for p in SOURCES if not {"node_modules", "dist", "__pycache__"} & set(p.parts)]
STOPS = (
    "app/api/edits.py",
    "app/gradebook/edit_cells.py",
    "app/drafts/scripts/accept.lua",
    "workers/flusher.py",
    "app/records/sql/apply_edits.sql",
)
_PATH = re.compile(rf"(?<![\w./-])(?:\./)?((?:{'|'.join(FOLDERS)}|\.ci)/[\w.*/-]*[\w*/])(?![\w{{])")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|Users|mnt)/")
_REGISTRY = re.compile(r"pypi\.org|pythonhosted|registry\.npmjs|/simple/|index-url|proxy\.golang|artifactory")


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _page(name: str) -> str:
    return (DOCS / name).read_text()


# Paths and links


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_path_that_is_named_exists(page: Path) -> None:
    missing = [path for path in _PATH.findall(page.read_text()) if not _exists(path)]
    assert not missing


def _exists(path: str) -> bool:
    return any(ROOT.glob(path)) if "*" in path else (ROOT / path).exists()


def test_every_path_that_the_code_names_exists() -> None:
    sources = [source for source in SOURCES if source != Path(__file__)]
    named = {(_id(source), path) for source in sources for path in _PATH.findall(source.read_text(errors="replace"))}
    # A decision may be named by its number alone: docs/adr/0004.
    missing = [(s, p) for s, p in sorted(named) if not _exists(p) and not any(ROOT.glob(f"{p}-*.md"))]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_link_resolves(page: Path) -> None:
    bad = []
    for target in _LINK.findall(_prose(page.read_text())):
        if target.startswith(("https://", "mailto:")):
            continue
        name, _, anchor = target.partition("#")
        aim = (page.parent / name).resolve() if name else page
        if not aim.exists() or (anchor and anchor not in _anchors(aim.read_text())):
            bad.append(target)
    assert not bad


def _prose(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", _prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_follows_an_edit_in_five_stops() -> None:
    text = (ROOT / "README.md").read_text()
    at = [text.find(f"]({stop})") for stop in STOPS]
    assert -1 not in at, dict(zip(STOPS, at, strict=True))
    assert at == sorted(at)


def test_the_readme_begins_with_the_two_commands() -> None:
    commands = re.findall(r"^```sh\n(.+?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)[0]
    assert [line.split()[0] for line in commands.splitlines()] == ["./ops/up", "./ops/test"]


def test_the_readme_draws_the_tree_that_is_there() -> None:
    text = (ROOT / "README.md").read_text()
    tree = re.search(r"## The tree\n+```\n(.+?)```", text, re.DOTALL)
    assert tree is not None
    folder, missing = "", []
    for line in tree[1].splitlines():
        found = re.match(r"( *)([\w./-]+)", line)
        if found is None:
            continue
        if not found[1]:
            folder = found[2] if found[2].endswith("/") else ""
        name = found[2] if not found[1] else folder + found[2]
        if not (ROOT / name).exists():
            missing.append(name)
    assert not missing


# Addresses


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_no_page_holds_a_path_of_a_machine_or_a_registry(page: Path) -> None:
    text = page.read_text()
    assert not _MACHINE.search(text)
    assert not _REGISTRY.search(text)


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_no_page_is_unfinished(page: Path) -> None:
    assert not re.search(r"@@|\bTODO\b|\bTBD\b|\bFIXME\b|\bXXX\b", page.read_text())


def test_no_source_holds_a_path_of_a_machine() -> None:
    assert not [_id(p) for p in SOURCES if p != Path(__file__) and _MACHINE.search(p.read_text(errors="replace"))]


def test_no_lock_file_holds_an_address() -> None:
    found = [p for p in ROOT.rglob("*lock*") if p.suffix in {".lock", ".json", ".yaml", ".toml"}]
    locks = [p for p in found if not {".venv", "node_modules", "data", "build"} & set(p.relative_to(ROOT).parts)]
    assert locks
    # Where a package of npm asks for money is no address that anything is fetched from.
    texts = {_id(p): re.sub(r'"(?:url|funding)": "https://[^"]*"', "", p.read_text()) for p in locks}
    assert not [name for name, text in texts.items() if re.search(r'https?://|"resolved"', text)]


# The journal's keys


def test_every_key_and_every_field_is_described() -> None:
    page = _page("redis-keys.md")
    keys = re.findall(r'f"\{(?:tag|TAGS\[0\])\}:(\w+)', (ROOT / "app/drafts/keys.py").read_text())
    assert len(keys) >= 5
    missing = [key for key in keys if not re.search(rf"^\| `(?:T|\{{p0\.52\}}):{key}\b", page, re.MULTILINE)]
    scripts = "".join(p.read_text() for p in (ROOT / "app/drafts/scripts").glob("*.lua"))
    fields = set(re.findall(r"'([a-z])' \.\.", scripts)) | set(re.findall(r"key, '([a-z])',", scripts))
    assert fields >= set("ahucxm")
    replies = set("cdrs")  # letters of outcomes in a reply; `c` is a field too
    missing += [f for f in fields - (replies - {"c"}) if not re.search(rf"^\| `{f}` \|", page, re.MULTILINE)]
    missing += [s for s in re.findall(r'Script\("(\w+)"\)', (ROOT / "app/drafts/topology.py").read_text())
                if f"`{s}.lua`" not in page]  # fmt: skip
    assert not missing


LAYOUTS = {
    "Position": codec.POSITION,
    "Head": codec.HEAD,
    "Entry header": codec.ENTRY,
    "Edit": codec._EDIT_HEAD,
    "Save": codec._SAVE_HEAD,
    "Settled entry": codec._DRAIN,
    "Verdict": codec._VERDICT,
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_adds_up(name: str) -> None:
    page = _page("redis-keys.md")
    found = re.search(rf"^### {name} \((\d+) bytes\)\n(.+?)(?=^#|\Z)", page, re.DOTALL | re.MULTILINE)
    assert found is not None, name
    rows = re.findall(r"^\| (\d+) \| (\d+) \|", found[2], re.MULTILINE)
    at = 0
    for offset, size in rows:
        assert int(offset) == at
        at += int(size)
    assert at == int(found[1]) == LAYOUTS[name].size


# The protocol


def test_every_error_code_is_in_the_protocol() -> None:
    page = _page("protocol.md")
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.InkfastError)]
    of_litestar = re.findall(r'^    \d{3}: \("(\w+)"', (ROOT / "app/api/problems.py").read_text(), re.MULTILINE)
    rows = [(c.code, c.status) for c in classes]
    assert len(rows) > 10
    assert of_litestar
    missing = [row for row in rows if not re.search(rf"^\| {row[1]} \| `{row[0]}` \|", page, re.MULTILINE)]
    assert not missing
    assert not [code for code in of_litestar if f"| `{code}` |" not in page]


def _refusals() -> Iterator[tuple[str, set[str]]]:
    """Yield every reason with which an edit is refused, and the names of its params."""
    for source in [*(ROOT / "app").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]:
        for node in ast.walk(ast.parse(source.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or not node.args:
                continue
            code = node.args[0]
            if node.func.id in {"ValueRejectedError", "Refusal"} and isinstance(code, ast.Constant):
                params = node.args[1] if len(node.args) > 1 else None
                keys = params.keys if isinstance(params, ast.Dict) else []
                yield str(code.value), {str(key.value) for key in keys if isinstance(key, ast.Constant)}


def test_every_reason_for_a_refusal_is_in_the_protocol() -> None:
    refusals = list(_refusals())
    assert len({code for code, _ in refusals}) > 8
    section = _page("protocol.md").split("## Rejections")[1].split("\n## ")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", section, re.MULTILINE))
    assert not [code for code, _ in refusals if code not in rows]
    assert not [(code, key) for code, keys in refusals for key in keys if f"`{key}`" not in rows[code]]


WIRE = (
    SaveRequest, EditRequest, SaveAnswer, OutcomeView, HeadView, SectionSnapshot, Cells, SessionView, Credentials,
    StatusView, ScoreValue, CommentValue, AttendanceValue, LineItemValue, RollTakenValue,
)  # fmt: skip


@pytest.mark.parametrize("struct", WIRE, ids=lambda s: s.__name__)
def test_every_field_on_the_wire_is_in_the_protocol(struct: type[msgspec.Struct]) -> None:
    page = _page("protocol.md")
    names = [field.encode_name for field in msgspec.structs.fields(struct)]
    assert not [
        name for name in names if f'"{name}"' not in page and f"`{name}`" not in page and f'"{name}"?' not in page
    ]


def test_every_kind_is_in_the_protocol() -> None:
    page = _page("protocol.md")
    assert not [kind for kind in Kind if f"| `{kind.name.lower()}` |" not in page]


def test_every_endpoint_is_in_the_protocol() -> None:
    page = _page("protocol.md")
    paths = msgspec.json.decode((DOCS / "openapi.json").read_bytes())["paths"]
    wanted = [f"{method.upper()} {path}" for path, item in paths.items() for method in item if method != "parameters"]
    assert wanted
    assert not [name for name in wanted if f"`{name}" not in page]


# Decisions, words, versions

HEADINGS = ["Context", "Decision", "Consequences", "What was refused"]


@pytest.mark.parametrize("page", ADRS, ids=_id)
def test_a_decision_fits_a_page_and_says_what_was_refused(page: Path) -> None:
    text = page.read_text()
    assert len(text.splitlines()) <= 70
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert text.startswith(f"# {page.name[:4]}. ")


def test_decisions_are_numbered_and_listed() -> None:
    numbers = [int(page.name[:4]) for page in ADRS]
    assert numbers == list(range(1, len(ADRS) + 1))
    index = _page("index.md")
    assert not [page.name for page in ADRS if f"](adr/{page.name})" not in index]


def test_every_page_is_in_the_index() -> None:
    index = _page("index.md")
    assert not [p.name for p in DOCS.glob("*.*") if p.name != "index.md" and f"]({p.name})" not in index]


def test_each_word_is_explained_once_and_in_order() -> None:
    text = _page("glossary.md")
    words = re.findall(r"^\| \*\*(.+?)\*\* \|", text, re.MULTILINE)
    assert len(words) > 50
    assert [word for word, count in Counter(words).items() if count > 1] == []
    for part in text.split("\n## ")[1:]:
        own = re.findall(r"^\| \*\*(.+?)\*\* \|", part, re.MULTILINE)
        assert own == sorted(own)


def test_the_changelog_has_this_version() -> None:
    headings = re.findall(r"^## \[?([\w.]+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" or headings[0] == VERSION
    assert VERSION in headings


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
