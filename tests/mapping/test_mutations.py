"""Mutated mapping files: each is read as what it says, or refused with file, line and remedy; never a crash.

The day's size is some hundred mutations of each shipped file; ``TEST_SIZE=nightly`` makes ten thousand.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from campaign_sync.consent.file import load_opt_outs
from campaign_sync.errors import MappingError
from campaign_sync.events.file import load_events
from campaign_sync.mapping.file import load_mapping
from campaign_sync.mapping.kinds import kind_in
from campaign_sync.mapping.yaml_lines import read_yaml

from tests.sizes import NIGHTLY

GOOD = sorted([*Path("include/mappings").glob("*.yaml"), *Path("include/mappings/examples").glob("*.yaml")])
#: Of each file; seven files make 10,000 at night.
MUTATIONS = 1_430 if NIGHTLY else 60
LOADERS: dict[str, Callable[[Path], Any]] = {
    "rows": load_mapping,
    "events": load_events,
    "opt_outs": load_opt_outs,
}

#: What YAML, Python, a database or a terminal may take for something else.
NASTY = (
    "null", "~", "NO", "yes", "true", "0x1f", "0o17", "1_000", "1e999", ".inf", ".nan", "-0", "9" * 5000,
    "2026-02-30", "!!python/object/apply:os.system [id]", "&a [*a]", "*a", "<<: {}", "? [a]", "{{ 1/0 }}",
    "${HOME}", "'; DROP TABLE x; --", "[" * 100, "{a: " * 100, "- " * 100, '"\\ud800"', '"\\u0000"', "\u202e",
    "\ufeff", "\t", "|", ">-", "%TAG", "---", "...", "@", "`", "#", "(a+)+$", "[[:alpha:]", "(?<=a)b", "(", "\\",
    "../../etc/passwd", "__class__", "externalId", "x" * 10_000, "𝒳", "é", "''", "[]", "{}",
)  # fmt: skip


def mutated(lines: list[str], chance: random.Random) -> str:
    """A good file with one to three wounds, each in one line."""
    lines = lines.copy()
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at = chance.randrange(len(lines))
        line, spot = lines[at], chance.randrange(len(lines[at]) + 1)
        nasty = chance.choice(NASTY)
        lines[at : at + 1] = chance.choice(
            (
                [],
                [line, line],
                [chance.choice(lines)],
                [line, chance.choice(lines)],
                [line[:spot] + line[spot + 1 :]],
                [line[:spot] + chance.choice(":{}[],'\"#&*!|>%@`-?~ \t\n\x00\x1b\u2028é") + line[spot:]],
                [line[:spot] + nasty + line[spot:]],
                [f"{line.partition(':')[0]}: {nasty}"],
                [f"{nasty}:{line.partition(':')[2]}"],
                ["  " + line],
                [line.removeprefix(" ")],
                [line.swapcase()],
            )
        ) or [""]
    return "\n".join(lines)


def says_the_same(ours: Any, book: Any) -> bool:
    """Whether our reader and the standard one, which takes every scalar for a text, read the same."""
    if isinstance(ours, dict):
        words = {"~": "", "null": ""}
        theirs = {words.get(key, key): each for key, each in book.items()}
        return ours.keys() == theirs.keys() and all(says_the_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list):
        return len(ours) == len(book) and all(map(says_the_same, ours, book))
    if ours is None or isinstance(ours, bool):
        return book in {None: ("", "~", "null"), True: ("true",), False: ("false",)}[ours]
    return type(ours)(book) == ours


def assert_helpful(error: MappingError, file: Path, text: str) -> None:
    """Every problem has words and a line of the file, and all of them can still be read."""
    for each in error.one_by_one():
        assert each.problem
        assert 0 <= each.line <= text.count("\n") + 2
    assert str(file) in str(error)
    assert len(str(error)) < 200_000, "a flood of words"


@pytest.mark.parametrize("good", GOOD, ids=lambda path: path.stem)
def test_a_mutated_file_is_read_as_what_it_says_or_refused(good: Path, tmp_path: Path) -> None:
    chance = random.Random(f"{good.stem} 8")
    lines = good.read_text().splitlines()
    file = tmp_path / good.name
    refused = 0
    for number in range(MUTATIONS):
        text = mutated(lines, chance)
        raw = text.encode("utf-8", "surrogatepass")
        file.write_bytes(raw)
        try:
            loaded = LOADERS[kind_in(raw)](file)
        except MappingError as error:
            refused += 1
            assert_helpful(error, file, text)
            continue
        # Nothing was changed in silence: what was read is what a reader that knows nothing of us reads,
        # and what a run keeps of the mapping makes the same mapping again.
        book = yaml.load(raw.decode("utf-8-sig"), Loader=yaml.BaseLoader)
        assert says_the_same(read_yaml(raw).content, book), f"{number}: {text}"
        kept = loaded.model_dump(mode="json", by_alias=True)
        assert type(loaded).model_validate(kept) == loaded, f"{number}: {text}"
    assert 0.3 < refused / MUTATIONS < 1


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        "a: &a\n  b: *a\n",
        "!!python/object/apply:os.system ['touch /tmp/pwned']\n",
        "a: !!binary aGFsbG8=\n",
        "<<: {a: 1}\n",
        "- " * 5_000,
        "[" * 100_000,
        "? " * 50_000,
        "{" * 100_000,
        "a: [" * 30,
        "&a " * 1000,
        "x: " + "y" * 600_000,
        "\n".join(f"k{each}: *a" for each in range(20_000)),
        "\n".join(f"{each}: !t 1" for each in range(20_000)),
    ],
    ids=lambda text: repr(text[:12]),
)
@pytest.mark.parametrize("kind", LOADERS)
def test_a_yaml_bomb_is_refused_in_few_words(text: str, kind: str, tmp_path: Path) -> None:
    file = tmp_path / "contacts_to_profiles.yaml"
    file.write_text(text)
    kind_in(text.encode())
    with pytest.raises(MappingError) as caught:
        LOADERS[kind](file)
    assert_helpful(caught.value, file, text)
    assert not Path("/tmp/pwned").exists()
