#!/usr/bin/env python3
"""Writes tables and figures of finished sweeps into a page.

    cd DIR; docs/examples/fill.py docs/examples/induction.md

In a page stands, on a line of its own, `<!-- TABLE ARGUMENTS -->`, and some lines below `<!-- end -->`;
what is between the two is written anew from summary.csv and run.json of the folders that are named.
`<!-- figure FILE -->` copies that file to where the image on the next line is. Arguments are
folders and `name=value`; paths are relative to the working directory. Needs Python 3.9 and
nothing else.
"""

import csv
import json
import pathlib
import re
import shlex
import shutil
import sys

MARKER = re.compile(r"^<!-- (\w+) (.*?) -->$")
IMAGE = re.compile(r"^!\[.*\]\((.*)\)$")


def number(text):
    """Three digits that mean something, with a proper minus."""
    value = float(text)
    digits = 2 if abs(value) < 10 else 1
    rounded = round(value, digits) or 0.0
    return f"{rounded:.{digits}f}".replace("-", "−")


def percent(text):
    """Whole percent, without the sign."""
    rounded = round(100 * float(text))
    return f"{rounded}".replace("-", "−")


def interval(row, name, low, high, write):
    if not row[name]:
        return "–"
    between = f" [{write(row[low])}, {write(row[high])}]" if row[low] else ""
    return write(row[name]) + between


def mean(row):
    return interval(row, "mean", "low", "high", number)


def share(row):
    return interval(row, "normalised", "normalised_low", "normalised_high", percent) + " %"


def place(row):
    if row["head"]:
        return f"head {row['layer']}.{row['head']}"
    return f"`{row['component']}` {row['layer']}, `{row['role']}`"


def same_place(row):
    return tuple(row[name] for name in ("component", "layer", "role", "head"))


def table(titles, rows):
    align = [":--"] + ["--:"] * (len(titles) - 1)
    return [f"| {' | '.join(cells)} |" for cells in [titles, align, *rows]]


def summary(folder, **wanted):
    """The summary's rows in which columns have one of these values (comma-separated)."""
    wanted = {"control": "none", "direction": "noising"} | wanted
    with open(pathlib.Path(folder) / "summary.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if all(row[name] in value.split(",") for name, value in wanted.items())]


def strongest(rows, top):
    rows = sorted(rows, key=lambda row: -abs(float(row["mean"])))
    return rows[: int(top)] if top else rows


def record(path):
    path = pathlib.Path(path)
    data = json.loads((path / "run.json" if path.is_dir() else path).read_text())
    return data["preflight"]


def preflight(*_, **runs):
    """What the model says without any edit: NAME=FOLDER ..."""
    def cells(name, path):
        told = record(path)
        base = told["base"]
        return [name.replace("_", " "), str(told["used"]), str(told["groups"] or "–"), percent(base["likeliest"]) + " %",
                percent(base["preferred"]) + " %", number(base["logit_difference"])]
    titles = ["", "rows", "templates", "answer likeliest of all", "… likelier than the foil", "logit difference"]
    return table(titles, [cells(*run) for run in runs.items()])


def places(folder, top=None, whole="source minus base", **wanted):
    """Effects at places: those named, or the strongest."""
    rows = strongest(summary(folder, **wanted), top) if top else summary(folder, **wanted)
    cells = [[place(row), mean(row), row["n"], row["clusters"], share(row)] for row in rows]
    titles = ["place", "mean effect [95 % interval]", "n", "clusters", "share of the whole effect [95 %]"]
    all_of_it = interval(rows[0], "denominator", "denominator_low", "denominator_high", number)
    return table(titles, cells) + ["", f"The whole effect, {whole}, is {all_of_it}."]


def halves(folder, top=6, **wanted):
    """What was found in one half of the templates, and what the other half says of it."""
    shown = {same_place(row): row for row in summary(folder, split="evaluation", **wanted)}
    found = strongest(summary(folder, split="discovery", **wanted), top)
    cells = [[place(row), mean(row), mean(shown[same_place(row)]), share(shown[same_place(row)])] for row in found]
    first = next(iter(shown.values()))
    counts = f"n = {first['n']}, {first['clusters']} clusters"
    titles = ["head", "found: discovery half", f"shown: evaluation half ({counts})", "share of the whole effect there"]
    whole = interval(first, "denominator", "denominator_low", "denominator_high", number)
    return table(titles, cells) + ["", f"The whole effect in the evaluation half is {whole}."]


def controls(folder, controls="none,shuffled,random", **wanted):
    """The same places under controls, as shares of the whole effect."""
    names = controls.split(",")
    maps = [{same_place(row): row for row in summary(folder, control=name, **wanted)} for name in names]
    cells = [[place(row), *(share(one[key]) for one in maps)] for key, row in maps[0].items()]
    titles = ["place"] + ["the row's own prompt" if name == "none" else f"control: {name}" for name in names]
    return table(titles, cells)


def clusters(*_, component, layer, role, **runs):
    """One place with and without groups."""
    cells = []
    for name, folder in runs.items():
        (row,) = summary(folder, component=component, layer=layer, role=role)
        width = number(float(row["high"]) - float(row["low"]))
        cells.append([name.replace("_", " "), mean(row), width, row["clusters"]])
    return table(["", "mean effect [95 % interval]", "width", "clusters"], cells)


def templates(folder, task, groups, **models):
    """What models say to each template: NAME=PREFIX of preflights PREFIX-GROUP.json."""
    cells = []
    for group in groups.split(","):
        with open(pathlib.Path(folder) / f"{task}-{group}.jsonl") as file:
            example = json.loads(next(file))["base"]
        line = [f"“{example}”"]
        for prefix in models.values():
            base = record(pathlib.Path(folder) / f"{prefix}-{group}.json")["base"]
            line += [percent(base["likeliest"]) + " %", percent(base["preferred"]) + " %"]
        cells.append(line)
    titles = ["a prompt of the template"]
    for name in models:
        titles += [f"{name}: likeliest of all", "… than the foil"]
    return table(titles, cells)


def attention(folder, scores, direct, top=6, by="effect"):
    """Heads by their effect or by their score, with the other beside it, and the direct effect."""
    with open(scores, newline="") as file:
        score = {(row["layer"], row["head"]): float(row["score"]) for row in csv.DictReader(file)}
    rows, straight = summary(folder), {same_place(row): row for row in summary(direct)}
    if by == "effect":
        rows = strongest(rows, top)
    else:
        rows = sorted(rows, key=lambda row: -score[row["layer"], row["head"]])[: int(top)]
    rank = {head: index for index, head in enumerate(sorted(score, key=lambda head: -score[head]), 1)}
    cells = []
    for row in rows:
        head = row["layer"], row["head"]
        cells.append([place(row), mean(row), row["n"], share(row), percent(straight[same_place(row)]["normalised"]) + " %",
                      f"{score[head]:.2f}", f"{rank[head]} of {len(rank)}"])
    titles = ["head", "mean effect [95 % interval]", "n", "share of the whole effect [95 %]", "directly", "prefix-matching score", "its rank"]
    whole = interval(rows[0], "denominator", "denominator_low", "denominator_high", number)
    return table(titles, cells) + ["", f"The whole effect, source minus base, is {whole}."]


def spoilt(*_, **runs):
    """What noise does to the runs that are repaired: NAME=FOLDER ..."""
    cells = []
    for name, folder in runs.items():
        first = summary(folder)[0]
        clean = float(first["base"]) + float(first["denominator"])
        noise = json.loads((pathlib.Path(folder) / "run.json").read_text())["noise_standard_deviation"]
        whole = interval(first, "denominator", "denominator_low", "denominator_high", number)
        cells.append([name, first["n"], first["clusters"], f"{noise:.3g}", number(clean), number(first["base"]), whole])
    titles = ["", "rows", "clusters", "noise (standard deviation)", "logit difference without it", "with it", "difference: the whole effect [95 %]"]
    return table(titles, cells)


def listing(path, columns, **wanted):
    """Rows of any CSV file in which columns have one of these values (separated by commas, or by semicolons where
    there is one)."""
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    split = {name: value.split(";" if ";" in value else ",") for name, value in wanted.items()}
    # A value with a comma in it is one.
    split |= {name: [value] for name, value in wanted.items() if any(row[name] == value for row in rows)}
    rows = [row for row in rows if all(row[name] in values for name, values in split.items())]
    if not rows:
        sys.exit(f"{path} has no row with {wanted}")
    return listed(rows, columns)


def listed(rows, columns):
    """Of rows the columns TITLE=NAME or TITLE=NAME:KIND, separated by semicolons. A number or percent (KIND) has its
    interval behind it where there are NAME_low and NAME_high."""
    chosen = [column.split("=", 1) for column in columns.split(";")]

    def cell(row, column):
        name, _, kind = column.partition(":")
        if not kind or not row[name]:
            return row[name].replace("-", "−") if is_number(row[name]) else row[name] or "–"
        write = {"number": number, "percent": percent}[kind]
        low, high = f"{name}_low", f"{name}_high"
        between = f" [{write(row[low])}, {write(row[high])}]" if row.get(low) else ""
        return write(row[name]) + between + (" %" if kind == "percent" else "")

    titles = [title for title, _ in chosen]
    return table(titles, [[cell(row, column) for _, column in chosen] for row in rows])


def is_number(text):
    try:
        return bool(text) and float(text) is not None
    except ValueError:
        return False


def records(path, key, columns):
    """The objects in a list of a JSON file, with columns as `listing` has them."""
    rows = json.loads(pathlib.Path(path).read_text())[key]
    return listed([{name: str(value) for name, value in row.items()} for row in rows], columns)


TABLES = {
    make.__name__: make
    for make in (preflight, places, halves, controls, clusters, templates, attention, spoilt, listing, records)
}


def fill(page):
    lines, filled = iter(page.read_text().splitlines()), []
    for line in lines:
        filled.append(line)
        marker = MARKER.match(line)
        if not marker:
            continue
        kind, arguments = marker[1], shlex.split(marker[2])
        if kind == "figure":
            filled.append(next(lines))
            target = page.parent / IMAGE.match(filled[-1])[1]
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(arguments[0], target)
            continue
        if kind not in TABLES:
            sys.exit(f"{page}: no table is called {kind}; there are {', '.join(TABLES)}")
        named = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
        filled += ["", *TABLES[kind](*(a for a in arguments if "=" not in a), **named), ""]
        while (line := next(lines, None)) != "<!-- end -->":
            if line is None:
                sys.exit(f"{page}: <!-- {kind} … --> has no <!-- end -->")
        filled.append(line)
    page.write_text("\n".join(filled) + "\n")


for path in sys.argv[1:]:
    fill(pathlib.Path(path))
