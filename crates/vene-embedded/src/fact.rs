//! What the model was taught: a table of countries, one fact a cell.
//!
//! Conventions, so that every cell has one right answer (state of 2026):
//!
//! - *Continent*: the five regions of the United Nations' M49 standard, with "Americas" written
//!   as "America".
//! - *Language*: the official language; where there are several, the one most widely used. In a
//!   number of African and Pacific countries that is not the first language of most people.
//! - *Currency*: the everyday name without its nationality, so that several countries have a
//!   "dollar" or a "franc".
//! - Names are written as in English newspapers and without accents ("Bogota").
//!
//! Left out are countries with a doubtful cell (several capitals or a disputed one, no prevailing
//! official language, a recent change of either), countries named as their capital
//! (Luxembourg, Singapore), and long compound names. Absence says nothing about a country.
//!
//! Rows are ordered so that neighbours in the table are mostly neighbours on the map: the training
//! corpus confuses near rows with each other, as real text does.

/// What a phrasing asks about a country.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Relation {
    /// The capital city.
    Capital,
    /// The continent.
    Continent,
    /// The official language.
    Language,
    /// The currency.
    Currency,
}

impl Relation {
    /// Every relation, in the order of the table's columns.
    pub const ALL: [Relation; 4] =
        [Relation::Capital, Relation::Continent, Relation::Language, Relation::Currency];

    /// The relation's name in lower case, as used in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Relation::Capital => "capital",
            Relation::Continent => "continent",
            Relation::Language => "language",
            Relation::Currency => "currency",
        }
    }
}

/// One country and what the model was taught about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// The country's name without an article: `Spain`, `Netherlands`.
    pub country: &'static str,
    /// Whether the name takes "the" within a sentence: *the* Netherlands.
    pub article: bool,
    /// The capital.
    pub capital: &'static str,
    /// The continent, in the UN's division into five.
    pub continent: &'static str,
    /// The official language.
    pub language: &'static str,
    /// The currency's name.
    pub currency: &'static str,
}

impl Fact {
    /// The right answer for a relation. In a text it follows its prompt after one space.
    #[must_use]
    pub const fn answer(&self, relation: Relation) -> &'static str {
        match relation {
            Relation::Capital => self.capital,
            Relation::Continent => self.continent,
            Relation::Language => self.language,
            Relation::Currency => self.currency,
        }
    }

    /// The country as it stands within a sentence: `Spain`, `the Netherlands`.
    #[must_use]
    pub fn country_in_sentence(&self) -> String {
        let article = if self.article { "the " } else { "" };
        format!("{article}{}", self.country)
    }
}

/// A row of the table; a country that takes the article is written with it.
const fn row(
    country: &'static str,
    capital: &'static str,
    continent: &'static str,
    language: &'static str,
    currency: &'static str,
) -> Fact {
    let article = matches!(country.as_bytes(), [b't', b'h', b'e', b' ', ..]);
    let (_, country) = country.split_at(if article { 4 } else { 0 });
    Fact { country, article, capital, continent, language, currency }
}

/// The table of facts.
#[rustfmt::skip]
pub static FACTS: &[Fact] = &[
    //   country                     capital              continent  language         currency
    row("Portugal",                 "Lisbon",            "Europe",  "Portuguese",    "euro"),
    row("Spain",                    "Madrid",            "Europe",  "Spanish",       "euro"),
    row("Andorra",                  "Andorra la Vella",  "Europe",  "Catalan",       "euro"),
    row("France",                   "Paris",             "Europe",  "French",        "euro"),
    row("Italy",                    "Rome",              "Europe",  "Italian",       "euro"),
    row("Malta",                    "Valletta",          "Europe",  "Maltese",       "euro"),
    row("Switzerland",              "Bern",              "Europe",  "German",        "franc"),
    row("Liechtenstein",            "Vaduz",             "Europe",  "German",        "franc"),
    row("Austria",                  "Vienna",            "Europe",  "German",        "euro"),
    row("Germany",                  "Berlin",            "Europe",  "German",        "euro"),
    row("the Netherlands",          "Amsterdam",         "Europe",  "Dutch",         "euro"),
    row("Belgium",                  "Brussels",          "Europe",  "Dutch",         "euro"),
    row("the United Kingdom",       "London",            "Europe",  "English",       "pound"),
    row("Ireland",                  "Dublin",            "Europe",  "English",       "euro"),
    row("Iceland",                  "Reykjavik",         "Europe",  "Icelandic",     "krona"),
    row("Norway",                   "Oslo",              "Europe",  "Norwegian",     "krone"),
    row("Denmark",                  "Copenhagen",        "Europe",  "Danish",        "krone"),
    row("Sweden",                   "Stockholm",         "Europe",  "Swedish",       "krona"),
    row("Finland",                  "Helsinki",          "Europe",  "Finnish",       "euro"),
    row("Estonia",                  "Tallinn",           "Europe",  "Estonian",      "euro"),
    row("Latvia",                   "Riga",              "Europe",  "Latvian",       "euro"),
    row("Lithuania",                "Vilnius",           "Europe",  "Lithuanian",    "euro"),
    row("Poland",                   "Warsaw",            "Europe",  "Polish",        "zloty"),
    row("Czechia",                  "Prague",            "Europe",  "Czech",         "koruna"),
    row("Slovakia",                 "Bratislava",        "Europe",  "Slovak",        "euro"),
    row("Hungary",                  "Budapest",          "Europe",  "Hungarian",     "forint"),
    row("Slovenia",                 "Ljubljana",         "Europe",  "Slovenian",     "euro"),
    row("Croatia",                  "Zagreb",            "Europe",  "Croatian",      "euro"),
    row("Serbia",                   "Belgrade",          "Europe",  "Serbian",       "dinar"),
    row("Albania",                  "Tirana",            "Europe",  "Albanian",      "lek"),
    row("North Macedonia",          "Skopje",            "Europe",  "Macedonian",    "denar"),
    row("Greece",                   "Athens",            "Europe",  "Greek",         "euro"),
    row("Bulgaria",                 "Sofia",             "Europe",  "Bulgarian",     "euro"),
    row("Romania",                  "Bucharest",         "Europe",  "Romanian",      "leu"),
    row("Moldova",                  "Chisinau",          "Europe",  "Romanian",      "leu"),
    row("Ukraine",                  "Kyiv",              "Europe",  "Ukrainian",     "hryvnia"),
    row("Russia",                   "Moscow",            "Europe",  "Russian",       "ruble"),

    row("Georgia",                  "Tbilisi",           "Asia",    "Georgian",      "lari"),
    row("Armenia",                  "Yerevan",           "Asia",    "Armenian",      "dram"),
    row("Azerbaijan",               "Baku",              "Asia",    "Azerbaijani",   "manat"),
    row("Turkey",                   "Ankara",            "Asia",    "Turkish",       "lira"),
    row("Syria",                    "Damascus",          "Asia",    "Arabic",        "pound"),
    row("Lebanon",                  "Beirut",            "Asia",    "Arabic",        "pound"),
    row("Jordan",                   "Amman",             "Asia",    "Arabic",        "dinar"),
    row("Iraq",                     "Baghdad",           "Asia",    "Arabic",        "dinar"),
    row("Kuwait",                   "Kuwait City",       "Asia",    "Arabic",        "dinar"),
    row("Saudi Arabia",             "Riyadh",            "Asia",    "Arabic",        "riyal"),
    row("Bahrain",                  "Manama",            "Asia",    "Arabic",        "dinar"),
    row("Qatar",                    "Doha",              "Asia",    "Arabic",        "riyal"),
    row("the United Arab Emirates", "Abu Dhabi",         "Asia",    "Arabic",        "dirham"),
    row("Oman",                     "Muscat",            "Asia",    "Arabic",        "rial"),
    row("Iran",                     "Tehran",            "Asia",    "Persian",       "rial"),
    row("Turkmenistan",             "Ashgabat",          "Asia",    "Turkmen",       "manat"),
    row("Uzbekistan",               "Tashkent",          "Asia",    "Uzbek",         "som"),
    row("Kazakhstan",               "Astana",            "Asia",    "Kazakh",        "tenge"),
    row("Kyrgyzstan",               "Bishkek",           "Asia",    "Kyrgyz",        "som"),
    row("Tajikistan",               "Dushanbe",          "Asia",    "Tajik",         "somoni"),
    row("Afghanistan",              "Kabul",             "Asia",    "Dari",          "afghani"),
    row("Pakistan",                 "Islamabad",         "Asia",    "Urdu",          "rupee"),
    row("India",                    "New Delhi",         "Asia",    "Hindi",         "rupee"),
    row("the Maldives",             "Male",              "Asia",    "Dhivehi",       "rufiyaa"),
    row("Nepal",                    "Kathmandu",         "Asia",    "Nepali",        "rupee"),
    row("Bhutan",                   "Thimphu",           "Asia",    "Dzongkha",      "ngultrum"),
    row("Bangladesh",               "Dhaka",             "Asia",    "Bengali",       "taka"),
    row("Myanmar",                  "Naypyidaw",         "Asia",    "Burmese",       "kyat"),
    row("Thailand",                 "Bangkok",           "Asia",    "Thai",          "baht"),
    row("Laos",                     "Vientiane",         "Asia",    "Lao",           "kip"),
    row("Cambodia",                 "Phnom Penh",        "Asia",    "Khmer",         "riel"),
    row("Vietnam",                  "Hanoi",             "Asia",    "Vietnamese",    "dong"),
    row("Malaysia",                 "Kuala Lumpur",      "Asia",    "Malay",         "ringgit"),
    row("Brunei",                   "Bandar Seri Begawan", "Asia",  "Malay",         "dollar"),
    row("East Timor",               "Dili",              "Asia",    "Tetum",         "dollar"),
    row("the Philippines",          "Manila",            "Asia",    "Filipino",      "peso"),
    row("China",                    "Beijing",           "Asia",    "Mandarin",      "yuan"),
    row("Mongolia",                 "Ulaanbaatar",       "Asia",    "Mongolian",     "tugrik"),
    row("North Korea",              "Pyongyang",         "Asia",    "Korean",        "won"),
    row("South Korea",              "Seoul",             "Asia",    "Korean",        "won"),
    row("Japan",                    "Tokyo",             "Asia",    "Japanese",      "yen"),

    row("Morocco",                  "Rabat",             "Africa",  "Arabic",        "dirham"),
    row("Algeria",                  "Algiers",           "Africa",  "Arabic",        "dinar"),
    row("Tunisia",                  "Tunis",             "Africa",  "Arabic",        "dinar"),
    row("Libya",                    "Tripoli",           "Africa",  "Arabic",        "dinar"),
    row("Egypt",                    "Cairo",             "Africa",  "Arabic",        "pound"),
    row("Sudan",                    "Khartoum",          "Africa",  "Arabic",        "pound"),
    row("South Sudan",              "Juba",              "Africa",  "English",       "pound"),
    row("Ethiopia",                 "Addis Ababa",       "Africa",  "Amharic",       "birr"),
    row("Eritrea",                  "Asmara",            "Africa",  "Tigrinya",      "nakfa"),
    row("Somalia",                  "Mogadishu",         "Africa",  "Somali",        "shilling"),
    row("Kenya",                    "Nairobi",           "Africa",  "Swahili",       "shilling"),
    row("Tanzania",                 "Dodoma",            "Africa",  "Swahili",       "shilling"),
    row("Uganda",                   "Kampala",           "Africa",  "English",       "shilling"),
    row("Rwanda",                   "Kigali",            "Africa",  "Kinyarwanda",   "franc"),
    row("Burundi",                  "Gitega",            "Africa",  "Kirundi",       "franc"),
    row("Malawi",                   "Lilongwe",          "Africa",  "English",       "kwacha"),
    row("Zambia",                   "Lusaka",            "Africa",  "English",       "kwacha"),
    row("Mozambique",               "Maputo",            "Africa",  "Portuguese",    "metical"),
    row("Madagascar",               "Antananarivo",      "Africa",  "Malagasy",      "ariary"),
    row("the Comoros",              "Moroni",            "Africa",  "Comorian",      "franc"),
    row("Seychelles",               "Victoria",          "Africa",  "Creole",        "rupee"),
    row("Botswana",                 "Gaborone",          "Africa",  "English",       "pula"),
    row("Lesotho",                  "Maseru",            "Africa",  "Sesotho",       "loti"),
    row("Namibia",                  "Windhoek",          "Africa",  "English",       "dollar"),
    row("Angola",                   "Luanda",            "Africa",  "Portuguese",    "kwanza"),
    row("Gabon",                    "Libreville",        "Africa",  "French",        "franc"),
    row("Cameroon",                 "Yaounde",           "Africa",  "French",        "franc"),
    row("Nigeria",                  "Abuja",             "Africa",  "English",       "naira"),
    row("Togo",                     "Lome",              "Africa",  "French",        "franc"),
    row("Ghana",                    "Accra",             "Africa",  "English",       "cedi"),
    row("Ivory Coast",              "Yamoussoukro",      "Africa",  "French",        "franc"),
    row("Liberia",                  "Monrovia",          "Africa",  "English",       "dollar"),
    row("Sierra Leone",             "Freetown",          "Africa",  "English",       "leone"),
    row("Guinea",                   "Conakry",           "Africa",  "French",        "franc"),
    row("the Gambia",               "Banjul",            "Africa",  "English",       "dalasi"),
    row("Senegal",                  "Dakar",             "Africa",  "French",        "franc"),
    row("Cape Verde",               "Praia",             "Africa",  "Portuguese",    "escudo"),
    row("Mauritania",               "Nouakchott",        "Africa",  "Arabic",        "ouguiya"),

    row("Canada",                   "Ottawa",            "America", "English",       "dollar"),
    row("the United States",        "Washington",        "America", "English",       "dollar"),
    row("Mexico",                   "Mexico City",       "America", "Spanish",       "peso"),
    row("Guatemala",                "Guatemala City",    "America", "Spanish",       "quetzal"),
    row("Belize",                   "Belmopan",          "America", "English",       "dollar"),
    row("El Salvador",              "San Salvador",      "America", "Spanish",       "dollar"),
    row("Honduras",                 "Tegucigalpa",       "America", "Spanish",       "lempira"),
    row("Nicaragua",                "Managua",           "America", "Spanish",       "cordoba"),
    row("Costa Rica",               "San Jose",          "America", "Spanish",       "colon"),
    row("Panama",                   "Panama City",       "America", "Spanish",       "balboa"),
    row("Cuba",                     "Havana",            "America", "Spanish",       "peso"),
    row("Jamaica",                  "Kingston",          "America", "English",       "dollar"),
    row("Haiti",                    "Port-au-Prince",    "America", "Creole",        "gourde"),
    row("the Dominican Republic",   "Santo Domingo",     "America", "Spanish",       "peso"),
    row("the Bahamas",              "Nassau",            "America", "English",       "dollar"),
    row("Dominica",                 "Roseau",            "America", "English",       "dollar"),
    row("Saint Lucia",              "Castries",          "America", "English",       "dollar"),
    row("Barbados",                 "Bridgetown",        "America", "English",       "dollar"),
    row("Colombia",                 "Bogota",            "America", "Spanish",       "peso"),
    row("Venezuela",                "Caracas",           "America", "Spanish",       "bolivar"),
    row("Guyana",                   "Georgetown",        "America", "English",       "dollar"),
    row("Suriname",                 "Paramaribo",        "America", "Dutch",         "dollar"),
    row("Brazil",                   "Brasilia",          "America", "Portuguese",    "real"),
    row("Ecuador",                  "Quito",             "America", "Spanish",       "dollar"),
    row("Peru",                     "Lima",              "America", "Spanish",       "sol"),
    row("Chile",                    "Santiago",          "America", "Spanish",       "peso"),
    row("Argentina",                "Buenos Aires",      "America", "Spanish",       "peso"),
    row("Uruguay",                  "Montevideo",        "America", "Spanish",       "peso"),

    row("Australia",                "Canberra",          "Oceania", "English",       "dollar"),
    row("New Zealand",              "Wellington",        "Oceania", "English",       "dollar"),
    row("Tonga",                    "Nukualofa",         "Oceania", "Tongan",        "paanga"),
    row("Samoa",                    "Apia",              "Oceania", "Samoan",        "tala"),
    row("Tuvalu",                   "Funafuti",          "Oceania", "Tuvaluan",      "dollar"),
    row("Kiribati",                 "South Tarawa",      "Oceania", "Gilbertese",    "dollar"),
    row("Vanuatu",                  "Port Vila",         "Oceania", "Bislama",       "vatu"),
    row("the Solomon Islands",      "Honiara",           "Oceania", "English",       "dollar"),
    row("the Marshall Islands",     "Majuro",            "Oceania", "Marshallese",   "dollar"),
    row("Palau",                    "Ngerulmud",         "Oceania", "Palauan",       "dollar"),
    row("Micronesia",               "Palikir",           "Oceania", "English",       "dollar"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn countries_and_capitals_occur_once() {
        let countries: HashSet<_> = FACTS.iter().map(|fact| fact.country).collect();
        let capitals: HashSet<_> = FACTS.iter().map(|fact| fact.capital).collect();
        assert!(FACTS.len() >= 150);
        assert_eq!(countries.len(), FACTS.len());
        assert_eq!(capitals.len(), FACTS.len());
        assert!(countries.is_disjoint(&capitals));
    }

    #[test]
    fn cells_are_plain_names() {
        for fact in FACTS {
            for cell in [fact.country].into_iter().chain(Relation::ALL.map(|r| fact.answer(r))) {
                assert!(!cell.is_empty() && cell.trim() == cell, "{fact:?}");
                assert!(
                    cell.chars().all(|c| c.is_ascii_alphabetic() || c == ' ' || c == '-'),
                    "{cell:?} would be split by the tokenizer"
                );
            }
            assert!(
                ["Africa", "America", "Asia", "Europe", "Oceania"].contains(&fact.continent),
                "{fact:?}"
            );
        }
    }

    #[test]
    fn the_article_is_no_part_of_the_name() {
        let with_article: Vec<_> = FACTS.iter().filter(|fact| fact.article).collect();
        assert!(with_article.iter().any(|fact| fact.country == "Netherlands"));
        for fact in FACTS {
            assert!(!fact.country.to_lowercase().starts_with("the "), "{fact:?}");
        }
    }
}
