//! Positions in a file: `"last"`, `"all"`, `3`, `[0, -1]`, `{ phrase = "Spain" }`,
//! `{ characters = [0, 5] }`, `{ role = "subject_last" }`, `{ each = [[0], [1, 2]] }`.

use super::document::{Node, table};
use super::error::PlanFileError;
use super::table::Item;
use crate::data::RoleError;
use crate::plan::{Part, Positions, SourcePositions};
use crate::shown::shown;

const EXPECTED: &str = "\"last\", \"all\", a position, a list of positions, or a table with `phrase`, \
                        `characters`, `role` or `each`";

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
    let table =
        item.table(EXPECTED, &["phrase", "characters", "role", "each", "part", "occurrence"])?;
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
        _ => Err(item.contradiction("give one of `phrase`, `characters`, `role` and `each`")),
    }
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
