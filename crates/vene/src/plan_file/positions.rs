//! Positions in a file: `"last"`, `"all"`, `3`, `[0, -1]`, `{ phrase = "Spain" }`,
//! `{ characters = [0, 5] }`, `{ role = "subject_last" }`, `{ each = [[0], [1, 2]] }`, `{ first = 3, last = 3 }`.

use vene_data::RoleError;
use vene_engine::plan::{Ends, Part, Positions, ShortPrompt, SourcePositions};
use vene_named::shown;

use super::deserialize;
use super::document::{Node, table};
use super::error::PlanFileError;
use super::table::{Item, Table};

const EXPECTED: &str = "\"last\", \"all\", a position, a list of positions, or a table with `phrase`, \
                        `characters`, `role`, `first`, `last` or `each`";

/// What a table of positions may have.
const KEYS: [&str; 10] = [
    "phrase",
    "characters",
    "role",
    "each",
    "part",
    "occurrence",
    "first",
    "last",
    "skip_last",
    "short",
];

/// Those of them that are of the prompt's ends.
const OF_ENDS: [&str; 4] = ["first", "last", "skip_last", "short"];

const PARTS: [(&str, Part); 4] =
    [("all", Part::All), ("first", Part::First), ("last", Part::Last), ("after", Part::After)];

pub(super) fn read(item: &Item<'_>) -> Result<Positions, PlanFileError> {
    let position =
        |item: &Item<'_>| item.whole::<i64>("a whole number, negative ones from the end");
    let positions =
        |item: &Item<'_>| item.list("a list of positions")?.iter().map(position).collect();
    if let Ok(text) = item.text("") {
        return match text {
            "last" => Ok(Positions::Last),
            "all" => Ok(Positions::All),
            phrase => Err(item.expected(format!(
                "{EXPECTED}; a phrase is written {{ phrase = \"{}\" }}",
                shown(phrase)
            ))),
        };
    }
    if let Ok(index) = position(item) {
        return Ok(Positions::At(vec![index]));
    }
    if !item.is_table() {
        return item.list(EXPECTED).and_then(|_| positions(item)).map(Positions::At);
    }
    let table = item.table(EXPECTED, &KEYS)?;
    if OF_ENDS.iter().any(|key| table.get(key).is_some()) {
        return ends(item, &table).map(Positions::Ends);
    }
    let part = table.read("part", read_part)?;
    let occurrence = table.read("occurrence", Item::count)?;
    let only_of = |key: &'static str, given: bool| match given {
        true => Err(item.contradiction(format!("`{key}` goes with `phrase` only"))),
        false => Ok(()),
    };
    if let Some(role) = table.get("role") {
        if ["phrase", "characters", "each", "part", "occurrence"]
            .iter()
            .any(|key| table.get(key).is_some())
        {
            return Err(item.contradiction("`role` stands alone: its part is in its name"));
        }
        let text = role.text("the name of a role")?;
        return text
            .parse()
            .map(Positions::Role)
            .map_err(|error: RoleError| role.contradiction(error.to_string()));
    }
    match (table.get("phrase"), table.get("characters"), table.get("each")) {
        (Some(phrase), None, None) => Ok(Positions::Phrase {
            text: phrase.text("the phrase as it stands in the prompt")?.to_owned(),
            part: part.unwrap_or(Part::Last),
            occurrence,
        }),
        (None, Some(characters), None) => {
            only_of("occurrence", occurrence.is_some())?;
            let range = match characters.counts()?.as_slice() {
                &[start, end] if start < end => start..end,
                _ => {
                    return Err(characters.expected(
                        "[start, end), two whole numbers, the first less than the other",
                    ));
                }
            };
            Ok(Positions::Characters { range, part: part.unwrap_or(Part::Last) })
        }
        (None, None, Some(each)) => {
            only_of("occurrence", occurrence.is_some())?;
            if part.is_some() {
                return Err(item.contradiction("`part` goes with `phrase` and `characters` only"));
            }
            let lists = each.list("a list of positions for each example")?;
            Ok(Positions::Each(lists.iter().map(positions).collect::<Result<_, _>>()?))
        }
        _ => Err(item.contradiction(
            "give one of `phrase`, `characters`, `role`, `each`, and `first` or `last`",
        )),
    }
}

/// `{ first = 7, last = 7, skip_last = 1, short = "halved" }`.
fn ends(item: &Item<'_>, table: &Table<'_>) -> Result<Ends, PlanFileError> {
    if let Some(key) = KEYS.iter().find(|key| !OF_ENDS.contains(key) && table.get(key).is_some()) {
        return Err(item.contradiction(format!("`{key}` does not go with `first` and `last`")));
    }
    let count = |key: &'static str| -> Result<Option<usize>, PlanFileError> {
        match table.get(key) {
            None => Ok(None),
            Some(item) => match item.count()? {
                0 => Err(item.expected("a number of tokens from 1 on")),
                count => Ok(Some(count)),
            },
        }
    };
    let (first, last, skipped) = (count("first")?, count("last")?, count("skip_last")?);
    if first.is_none() && last.is_none() {
        return Err(item.contradiction("give `first`, `last`, or both: how many tokens"));
    }
    let ends = Ends::both(first.unwrap_or(0), last.unwrap_or(0)).skip_last(skipped.unwrap_or(0));
    let short = table.read("short", deserialize::read::<ShortPrompt>)?;
    Ok(ends.short(short.unwrap_or_default()))
}

/// Where sources are read: positions, or `{ by_source = ["last", { phrase = "Italy" }] }` with some for
/// each source.
pub(super) fn read_source(item: &Item<'_>) -> Result<SourcePositions, PlanFileError> {
    const EXPECTED: &str = "a list with the positions in each source";
    if !item.is_table() || item.get("by_source").is_none() {
        return read(item).map(SourcePositions::Same);
    }
    let table = item.table(EXPECTED, &["by_source"])?;
    let each = table.need("by_source", EXPECTED)?;
    let each = each.list(EXPECTED)?.iter().map(read).collect::<Result<_, _>>()?;
    Ok(SourcePositions::BySource(each))
}

pub(super) fn write_source(positions: &SourcePositions) -> Node {
    match positions {
        SourcePositions::Same(positions) => write(positions),
        SourcePositions::BySource(each) => {
            let each: Vec<Node> = each.iter().map(write).collect();
            table([("by_source", each.into())])
        }
    }
}

fn read_part(item: &Item<'_>) -> Result<Part, PlanFileError> {
    let name = item.text("the name of a part")?;
    let names = PARTS.map(|(name, _)| name);
    let found = PARTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, part)| *part).ok_or_else(|| item.unknown("part of a phrase", name, &names))
}

pub(super) fn write(positions: &Positions) -> Node {
    let part_name = |part: &Part| {
        PARTS.iter().find(|(_, known)| known == part).map_or("last", |(name, _)| *name)
    };
    match positions {
        Positions::Last => "last".into(),
        Positions::All => "all".into(),
        Positions::At(indices) => match indices.as_slice() {
            &[index] => index.into(),
            indices => indices.to_vec().into(),
        },
        Positions::Role(role) => table([("role", role.to_string().into())]),
        Positions::Ends(ends) => {
            let counts = ["first", "last", "skip_last"].into_iter().zip(ends.counts());
            let counts = counts.filter(|(_, count)| *count > 0);
            let mut entries: Vec<(&str, Node)> =
                counts.map(|(key, count)| (key, count.into())).collect();
            if ends.rule() != ShortPrompt::default() {
                entries.push(("short", ends.rule().name().into()));
            }
            table(entries)
        }
        Positions::Each(lists) => table([("each", lists.clone().into())]),
        Positions::Phrase { text, part, occurrence } => {
            let mut entries =
                vec![("phrase", text.as_str().into()), ("part", part_name(part).into())];
            entries.extend(occurrence.map(|occurrence| ("occurrence", occurrence.into())));
            table(entries)
        }
        Positions::Characters { range, part } => table([
            ("characters", vec![range.start, range.end].into()),
            ("part", part_name(part).into()),
        ]),
    }
}
