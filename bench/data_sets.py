"""Data sets in token ids: rows made by `vene task`, tokenized by vene, positions found here.

A row comes with the token ids of base and source, with the positions of each role in both, and with the first
token of each answer. Positions are found from how many tokens the text up to the phrase's end has, and not by
vene's own code for roles, so that a tool that is given them checks that code.
"""

import hashlib
import json
import subprocess
from pathlib import Path

from environment import CACHE, GGUF_FILES, gguf_folder, rust_program

DATA = CACHE / "data"
SEED = 1


def made(task: str, model: str, count: int) -> Path:
    """The rows of a task for one of the real models, as a file of JSON lines."""
    path = DATA / f"{task}-{model}-{count}.jsonl"
    DATA.mkdir(parents=True, exist_ok=True)
    command = [rust_program("vene"), "task", task, "--model", gguf(model), "--count", count, "--seed", SEED]
    subprocess.run([*map(str, command), "--out", str(path)], check=True, stdout=subprocess.DEVNULL)
    return path


def gguf(model: str) -> Path:
    return gguf_folder() / GGUF_FILES[model]


def token_ids(model: str, texts: list[str]) -> dict[str, list[int]]:
    """The tokens of texts, beginning-of-sequence included where the model wants one."""
    command = [rust_program("vene"), "top", "--model", gguf(model), "--json", "--count", "1", "--"]
    wanted = list(dict.fromkeys(texts))
    found = subprocess.run([*map(str, command), *wanted], check=True, capture_output=True, text=True)
    return {text: one["token_ids"] for text, one in zip(wanted, json.loads(found.stdout), strict=True)}


def up_to_phrase(text: str, phrase: str | list[int]) -> str:
    """The text up to a phrase's end; the phrase as a data set has it, its text or its characters."""
    if isinstance(phrase, list):
        return text[: phrase[1]]
    if text.count(phrase) != 1:
        raise ValueError(f"{phrase!r} is not once in {text!r}")
    return text[: text.index(phrase) + len(phrase)]


def in_tokens(path: Path, model: str, roles: tuple[str, ...]) -> list[dict]:
    """Every row's `base`, `source`, `written` and `read` (the roles' positions in them) and `answers`."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    kept = path.with_name(f"{path.stem}-{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}.json")
    if not kept.exists():
        kept.write_text(json.dumps(token_ids(model, [text for row in rows for text in texts_of(row)])))
    tokens = json.loads(kept.read_text())
    return [of_row(row, tokens, roles) for row in rows]


def texts_of(row: dict) -> list[str]:
    """Everything of a row that has to be tokenized."""
    texts = [row["base"], row["source"], row["base"] + row["target"], row["base"] + row["foil"]]
    if "subject" in row:
        texts.append(up_to_phrase(row["base"], row["subject"]))
        texts.append(up_to_phrase(row["source"], row.get("source_subject", row["subject"])))
    return texts


def of_row(row: dict, tokens: dict[str, list[int]], roles: tuple[str, ...]) -> dict:
    base, source, with_target, with_foil, *subjects = (tokens[text] for text in texts_of(row))
    ends = [begins(whole, start) for whole, start in zip((base, source), subjects, strict=False)]
    written, read = (
        [position(role, len(whole), *end) for role in roles]
        for whole, end in zip((base, source), [[end] for end in ends] or [[], []], strict=True)
    )
    answers = [whole[begins(whole, base)] for whole in (with_target, with_foil)]
    return {"base": base, "source": source, "written": written, "read": read, "answers": answers}


def begins(whole: list[int], start: list[int]) -> int:
    """How many tokens the beginning has, which must be one in tokens too."""
    if whole[: len(start)] != start:
        raise ValueError(f"{start} does not begin {whole}")
    return len(start)


def position(role: str, length: int, subject_end: int | None = None) -> int:
    match role:
        case "last":
            return length - 1
        case "subject_last":
            return subject_end - 1
        case "after_subject":
            return subject_end
    raise KeyError(role)
