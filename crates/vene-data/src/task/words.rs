//! The words that templates are filled with, and which of them a tokenizer has as one token.

use vene_model::Outline;

use super::{Omitted, Task, TaskError};

/// First names that are mostly women's.
#[rustfmt::skip]
pub(super) const WOMEN: &[&str] = &[
    "Alice", "Amanda", "Amy", "Andrea", "Angela", "Anna", "Anne", "Barbara", "Betty", "Carol",
    "Caroline", "Catherine", "Christina", "Christine", "Claire", "Diana", "Donna", "Elizabeth",
    "Ellen", "Emily", "Emma", "Eva", "Helen", "Jane", "Jennifer", "Jessica", "Julia", "Karen",
    "Kate", "Katherine", "Laura", "Linda", "Lisa", "Louise", "Lucy", "Margaret", "Maria", "Marie",
    "Martha", "Mary", "Melissa", "Michelle", "Nancy", "Nicole", "Nina", "Pamela", "Patricia",
    "Rachel", "Rebecca", "Ruth", "Sandra", "Sarah", "Sophie", "Stephanie", "Susan", "Victoria",
];

/// First names that are mostly men's.
#[rustfmt::skip]
pub(super) const MEN: &[&str] = &[
    "Adam", "Alan", "Albert", "Andrew", "Anthony", "Arthur", "Ben", "Benjamin", "Brian", "Carl",
    "Charles", "Daniel", "David", "Edward", "Eric", "Frank", "Fred", "George", "Harry", "Henry",
    "Howard", "Jack", "James", "Jason", "Jeff", "Joe", "John", "Joseph", "Joshua", "Keith", "Kevin",
    "Larry", "Louis", "Mark", "Martin", "Matthew", "Michael", "Nathan", "Neil", "Oliver", "Patrick",
    "Paul", "Peter", "Philip", "Ralph", "Richard", "Robert", "Roger", "Ryan", "Simon", "Stephen",
    "Steve", "Steven", "Thomas", "Tim", "Tom", "Walter", "William",
];

/// Places at which one meets; `the` goes before each.
#[rustfmt::skip]
pub(super) const PLACES: &[&str] = &[
    "airport", "bank", "beach", "bridge", "cafe", "castle", "church", "cinema", "farm", "garden",
    "hospital", "hotel", "house", "kitchen", "lake", "library", "market", "museum", "office",
    "park", "restaurant", "school", "shop", "stadium", "station", "store", "theater", "tower",
    "university", "zoo",
];

/// Things that are handed over; `a` goes before each.
#[rustfmt::skip]
pub(super) const OBJECTS: &[&str] = &[
    "ball", "basket", "book", "bottle", "box", "cake", "camera", "card", "coat", "coin", "cup",
    "drink", "flag", "flower", "gift", "glass", "hat", "jacket", "key", "knife", "lamp", "letter",
    "map", "mirror", "newspaper", "pen", "phone", "photo", "picture", "plate", "ring", "rope",
    "sandwich", "shirt", "stone", "ticket", "toy", "watch",
];

/// Occupations; `a` goes before each.
#[rustfmt::skip]
pub(super) const OCCUPATIONS: &[&str] = &[
    "baker", "banker", "barber", "builder", "chef", "clerk", "coach", "cook", "critic", "dancer",
    "designer", "doctor", "driver", "farmer", "guard", "guide", "hunter", "journalist", "judge",
    "lawyer", "librarian", "manager", "mechanic", "musician", "nurse", "painter", "photographer",
    "physicist", "pilot", "plumber", "poet", "reporter", "scientist", "secretary", "singer",
    "soldier", "surgeon", "teacher", "tailor", "writer",
];

/// Events that last for years.
#[rustfmt::skip]
pub(super) const EVENTS: &[&str] = &[
    "alliance", "argument", "boycott", "campaign", "ceasefire", "conflict", "conspiracy",
    "construction", "crisis", "dispute", "drought", "dynasty", "embargo", "epidemic", "exchange",
    "expansion", "expedition", "experiment", "exploration", "famine", "feud", "friendship",
    "investigation", "invasion", "journey", "marriage", "migration", "mission", "negotiations",
    "occupation", "partnership", "persecution", "plague", "project", "quarrel", "rebellion",
    "reconstruction", "reform", "regime", "reign", "resistance", "revolt", "rivalry", "rule",
    "scandal", "siege", "struggle", "tour", "trade", "trial", "truce", "uprising", "voyage", "war",
];

/// Things, people and animals: one, and several of them.
#[rustfmt::skip]
pub(super) const NOUNS: &[[&str; 2]] = &[
    ["actor", "actors"], ["animal", "animals"], ["artist", "artists"], ["author", "authors"],
    ["bag", "bags"], ["bed", "beds"], ["bird", "birds"], ["boat", "boats"], ["book", "books"],
    ["boy", "boys"], ["box", "boxes"], ["brother", "brothers"], ["car", "cars"], ["card", "cards"],
    ["cat", "cats"], ["chair", "chairs"], ["clock", "clocks"], ["customer", "customers"],
    ["dog", "dogs"], ["door", "doors"], ["driver", "drivers"], ["engine", "engines"],
    ["farmer", "farmers"], ["flower", "flowers"], ["friend", "friends"], ["girl", "girls"],
    ["guard", "guards"], ["guest", "guests"], ["horse", "horses"], ["house", "houses"],
    ["key", "keys"], ["lamp", "lamps"], ["lawyer", "lawyers"], ["letter", "letters"],
    ["machine", "machines"], ["map", "maps"], ["mountain", "mountains"], ["neighbor", "neighbors"],
    ["officer", "officers"], ["painting", "paintings"], ["parent", "parents"],
    ["picture", "pictures"], ["pilot", "pilots"], ["plane", "planes"], ["plant", "plants"],
    ["player", "players"], ["poet", "poets"], ["rock", "rocks"], ["room", "rooms"],
    ["sister", "sisters"], ["soldier", "soldiers"], ["stone", "stones"], ["student", "students"],
    ["table", "tables"], ["teacher", "teachers"], ["tower", "towers"], ["toy", "toys"],
    ["train", "trains"], ["tree", "trees"], ["truck", "trucks"], ["wall", "walls"],
    ["window", "windows"], ["worker", "workers"], ["writer", "writers"],
];

/// A list of which only words remain that are one token behind a space.
pub(super) struct Kept<T> {
    pub words: Vec<T>,
    pub left_out: Omitted,
}

/// Keeps of a list what is one token behind a space in all of its forms.
///
/// # Errors
/// Fewer than `needed` remain.
pub(super) fn kept<T: Copy, const N: usize>(
    outline: &Outline,
    task: Task,
    what: &str,
    list: &[T],
    needed: usize,
    forms: impl Fn(T) -> [&'static str; N],
) -> Result<Kept<T>, TaskError> {
    let is_token = |word: &str| outline.tokenizer().single_token(&format!(" {word}")).is_ok();
    let whole = |item: &T| forms(*item).iter().all(|word| is_token(word));
    let words: Vec<T> = list.iter().copied().filter(whole).collect();
    if words.len() < needed {
        let what = format!("{what} that are one token");
        return Err(TaskError::TooFewWords { task, what, found: words.len(), needed });
    }
    let left_out = Omitted {
        what: format!("{what} that are several tokens"),
        count: list.len() - words.len(),
    };
    Ok(Kept { words, left_out })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn lists_hold_each_word_once() {
        for list in [WOMEN, MEN, PLACES, OBJECTS, OCCUPATIONS, EVENTS] {
            assert_eq!(list.iter().collect::<BTreeSet<_>>().len(), list.len(), "{list:?}");
        }
        let forms: BTreeSet<_> = NOUNS.iter().flatten().collect();
        assert_eq!(forms.len(), 2 * NOUNS.len());
        assert!(WOMEN.iter().all(|name| !MEN.contains(name)));
    }

    #[test]
    fn words_behind_an_article_begin_with_a_consonant() {
        for word in [OBJECTS, OCCUPATIONS].concat() {
            assert!(!word.starts_with(['a', 'e', 'i', 'o', 'u']), "{word}");
        }
    }
}
