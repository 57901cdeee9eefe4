"""Pages of the documentation whose Python is one program: run as a reader runs it, block after block, with what its comments show."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import vene

BLOCK = re.compile(
    r"^<!-- not-run: run by the package's own tests -->\n```python\n(?P<python>.*?)^```$|^```sh\n(?P<shell>.*?)^```$",
    re.MULTILINE | re.DOTALL)


def told(code: str) -> list[tuple[ast.stmt, str | None]]:
    """Each statement with what the comment behind it shows."""
    lines = code.splitlines()
    statements = []
    for statement in ast.parse(code).body:
        behind = lines[statement.end_lineno] if statement.end_lineno < len(lines) else ""
        statements.append((statement, behind.removeprefix("# ") if behind.startswith("# ") else None))
    return statements


def same(shown: object, found: object) -> bool:
    """Numbers are shown in as many digits as the page likes."""
    if isinstance(shown, tuple | list):
        return type(shown) is type(found) and len(shown) == len(found) and all(map(same, shown, found))
    if isinstance(shown, float):
        return abs(shown - float(found)) < 6e-4
    return bool(shown == found)


def test_the_reference_has_every_name():
    listed = re.findall(r"^::: vene\.(\w+)$", (ROOT / "docs/api.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(set(listed) & set(vene.__all__)) == sorted(set(vene.__all__) - {"__version__"})


@pytest.mark.parametrize("page", ["docs/first-hour.md", "docs/inside.md"])
def test_a_page_is_a_program(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    names, shown = {}, 0
    for block in BLOCK.finditer((ROOT / page).read_text("utf-8")):
        if block["shell"]:
            command = block["shell"].replace("vene ", f"{sys.executable} -m vene ")
            subprocess.run(["bash", "-ec", command], check=True, capture_output=True)
            continue
        for statement, comment in told(block["python"]):
            if comment is None:
                exec(compile(ast.Module([statement], []), page, "exec"), names)
                continue
            found = eval(compile(ast.Expression(statement.value), page, "eval"), names)
            found = found.tolist() if isinstance(found, np.ndarray) else found
            assert same(ast.literal_eval(comment), found), f"{ast.unparse(statement)}\n{comment}\n{found}"
            shown += 1
    assert shown >= 8
