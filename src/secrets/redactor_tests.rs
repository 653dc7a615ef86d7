//! Covering secrets, whatever they are and however a text is cut. Never a network or a clock.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn with(values: &[&str]) -> Redactor {
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    Redactor::bare().with(&values).unwrap()
}

/// A text of pieces that comes so, and the part that waits at its end.
fn stream(redactor: &Redactor, pieces: &[&str]) -> (String, String) {
    let (mut shown, mut waiting, mut covered) = (String::new(), String::new(), 0);
    for piece in pieces {
        waiting.push_str(piece);
        let tail = redactor.tail(&waiting, covered, shown.bytes().next_back());
        waiting.drain(..tail.shown.len());
        shown.push_str(&tail.shown);
        covered = tail.covered;
    }
    (shown, waiting)
}

#[test]
fn a_value_is_covered_in_every_form_and_nothing_else_is() {
    let redactor = with(&["hunter2-hunter2"]);
    let text = "a hunter2-hunter2, aHVudGVyMi1odW50ZXIy, hunter2-hunter";
    let covered = redactor.text(text);
    assert_eq!(
        covered,
        "a ***************, ********************, hunter2-hunter"
    );
    let plain = "nothing of note, also no task-list-of-things-to-do-now";
    assert!(matches!(redactor.text(plain), Cow::Borrowed(_)));
}

#[test]
fn values_that_overlap_are_covered_as_one() {
    let redactor = with(&["abcdefgh", "efghijkl"]);
    assert_eq!(redactor.text("-abcdefghijkl-"), "-************-");
    let (shown, waiting) = stream(&redactor, &["-abcdefgh", "ij", "x"]);
    assert_eq!((shown.as_str(), waiting.as_str()), ("-********ijx", ""));
    let (shown, _) = stream(&redactor, &["-abcdef", "ghij", "kl-"]);
    assert_eq!(shown, "-************-");
}

#[test]
fn what_waits_in_front_of_a_value_is_not_covered_with_it() {
    let redactor = with(&["b\u{e4}sk-7\\"]);
    let (shown, waiting) = stream(&redactor, &["a sk-b\u{e4}", "sk-7\\", "."]);
    assert_eq!((shown.as_str(), waiting.as_str()), ("a sk-********.", ""));
}

#[test]
fn a_value_of_stars_is_covered_by_another_sign() {
    let redactor = with(&["pass*word*1"]);
    assert_eq!(redactor.text("pass*word*1"), "###########");
    // One that holds each of the usual signs is covered by another.
    let redactor = with(&["*#~^!?|-all", "another-one"]);
    assert_eq!(
        redactor.text("*#~^!?|-all another-one"),
        "$$$$$$$$$$$ $$$$$$$$$$$"
    );
    // So are several that hold them together, and also one that holds every sign there is.
    let redactor = with(&["p*ss#w~rd", "a^b!c?d|e", "plain-word-1"]);
    assert_eq!(redactor.text("p*ss#w~rd a^b!c?d|e"), "$$$$$$$$$ $$$$$$$$$");
    let all: String = ('!'..='~').collect();
    let redactor = with(&[&all, "another-one"]);
    let covered = redactor.text(&format!("{all} another-one")).into_owned();
    assert!(!has_needle(&redactor, &covered), "{covered}");
}

#[test]
fn what_a_cut_left_of_a_value_is_covered_on_either_side() {
    let redactor = with(&["hunter2-hunter3"]);
    for (text, covered) in [
        ("a hunter2-hun\u{2026}", "a ***********\u{2026}"),
        ("a hun\u{2026}", "a hun\u{2026}"),
        (
            "x\n\u{2026} 9 left \u{2026}\nter3 y",
            "x\n\u{2026} 9 left \u{2026}\n**** y",
        ),
        (
            "run hunter2-h\n\u{2026} 9 bytes left out \u{2026}\n-hunter3 y",
            "run *********\n\u{2026} 9 bytes left out \u{2026}\n******** y",
        ),
        ("x\u{2026}2-hunter3 y", "x\u{2026}********* y"),
        ("sk-ant-012\u{2026}", "**********\u{2026}"),
        (
            "no task-012\u{2026} and\u{2026}",
            "no task-012\u{2026} and\u{2026}",
        ),
    ] {
        assert_eq!(redactor.text(text), covered, "{text}");
    }
    let data = json!({"summary": "run hunter2-h\u{2026}"}).to_string();
    assert!(!redactor.json(&data).contains("hunter2-"));
    // However often a text is marked, its last cut is looked at.
    let many = format!("{}hunter2-h\u{2026}", "\u{2026} ".repeat(50));
    assert!(!redactor.text(&many).contains("hunter2-"));
}

#[test]
fn a_cut_of_any_text_leaves_no_half() {
    let secret = "S3cret+Value/with=signs";
    let redactor = with(&[secret]);
    let text = format!("curl -H 'X: {secret}' https://example.org/{secret}?q={secret}");
    for limit in 10..text.len() {
        let cut = crate::domain::Draft::new(
            crate::domain::EventKind::Error,
            crate::domain::Timestamp(0),
            json!({"text": format!("{}{}", text.get(..limit).unwrap(), crate::domain::CUT)}),
        );
        let shown = redactor.json(&cut.data).into_owned();
        assert!(!shown.contains("S3cr"), "{shown}");
    }
}

#[test]
fn keys_are_known_by_their_shape() {
    let jwt = format!(
        "eyJ{}.{}.{}",
        "a".repeat(20),
        "b".repeat(30),
        "c".repeat(43)
    );
    for key in [
        "agor_sk_0123456789abcdef",
        "sk-ant-api03-0123456789abcdef",
        "sk-0123456789abcdefghij",
        "ghp_0123456789abcdefghij",
        "github_pat_11AAAAAAA0123456789_x",
        "AKIAIOSFODNN7EXAMPLE",
        "xoxb-123456789012-abc",
        &jwt,
    ] {
        let stars = "*".repeat(key.len());
        for (before, behind) in [("", ""), ("key=", ";"), ("**", "**"), ("(", ")\n")] {
            let text = format!("{before}{key}{behind}");
            let redactor = Redactor::bare();
            assert_eq!(redactor.text(&text), format!("{before}{stars}{behind}"));
            let (half, rest) = text.split_at(text.len() / 2);
            let whole = redactor.text(&text).into_owned();
            let (shown, waiting) = stream(&redactor, &[half, rest]);
            assert!(whole.starts_with(&shown) && (shown.len() + waiting.len()) == text.len());
        }
    }
    for word in [
        "task-0123456789abcdefghij",
        "sk-short",
        "AKIA-no",
        "eyJhbGciOi.only",
        "risk-free",
    ] {
        assert_eq!(Redactor::bare().text(word), word);
    }
}

#[test]
fn json_stays_json_and_its_names_at_the_top_stay() {
    let redactor = with(&["nabcdefgh\"i", "messageId"]);
    let data = json!({
        "messageId": "messageId", "n": 1,
        "text": "\nnabcdefgh\"i and \\nabcdefgh", "deep": {"messageId": ["nabcdefgh\"i"]}
    });
    let covered: Value = serde_json::from_str(&redactor.json(&data.to_string())).unwrap();
    assert_eq!(covered["messageId"], "*********");
    assert_eq!(covered["text"], "\n*********** and \\nabcdefgh");
    assert_eq!(covered["deep"]["*********"][0], "***********");
    assert_eq!(redactor.json("no json: messageId"), "no json: *********");
    let inner = json!({"output": data.to_string()}).to_string();
    let covered: Value = serde_json::from_str(&redactor.json(&inner)).unwrap();
    assert!(
        !covered["output"]
            .as_str()
            .unwrap()
            .contains("abcdefgh\\\"i")
    );
}

#[test]
fn what_could_begin_a_secret_waits_and_no_more() {
    let redactor = with(&["hunter2-hunter2"]);
    let (shown, waiting) = stream(&redactor, &["I say hun"]);
    assert_eq!((shown.as_str(), waiting.as_str()), ("I say ", "hun"));
    let (shown, waiting) = stream(&redactor, &["I say hun", "dred."]);
    assert_eq!((shown.as_str(), waiting.as_str()), ("I say hundred.", ""));
    // A run that never ends waits for as long as a key can be.
    let run = format!("sk-{}", "a".repeat(10_000));
    let (shown, waiting) = stream(&Redactor::bare(), &[&run]);
    assert_eq!(waiting, "");
    assert!(shown.starts_with(&"*".repeat(crate::secrets::shapes::LONGEST)));
    let same = stream(&redactor, &["hunter2-", &"hunter2-".repeat(2_000)]);
    assert!(same.1.len() < 32, "{}", same.1.len());
}

/// Values and texts of a few signs, so that they meet, overlap and nest.
fn values() -> impl Strategy<Value = Vec<String>> {
    let sign = prop::sample::select(vec![
        "a", "b", "ab", "\"", "\\", "+", "*", "\u{e4}", "\n", "sk-", "7",
    ]);
    let value = prop::collection::vec(sign, 4..14).prop_map(|signs| signs.concat());
    prop::collection::vec(value, 0..5)
}

fn text(values: Vec<String>) -> impl Strategy<Value = String> {
    let shapes = [
        "sk-", "AKIA", "eyJ", "ghp_", "agor_sk_", ".", "-", "x", "A1", " ", "****", "#",
    ];
    let mut parts: Vec<String> = shapes.iter().map(|part| (*part).to_owned()).collect();
    parts.extend([
        "ab".repeat(13),
        "AB12".repeat(6),
        "a\"b\\ab\u{e4}".to_owned(),
    ]);
    for value in &values {
        parts.push(value.clone());
        parts.extend(forms::of(value));
        let chars: Vec<char> = value.chars().collect();
        let (first, second) = chars.split_at(chars.len() / 2);
        parts.push(first.iter().collect());
        parts.push(second.iter().collect());
    }
    prop::collection::vec(prop::sample::select(parts), 0..30).prop_map(|parts| parts.concat())
}

fn case() -> impl Strategy<Value = (Vec<String>, String)> {
    values().prop_flat_map(|values| (Just(values.clone()), text(values)))
}

fn has_needle(redactor: &Redactor, text: &str) -> bool {
    let found = |needle: &&[u8]| {
        text.as_bytes()
            .windows(needle.len())
            .any(|part| part == *needle)
    };
    redactor
        .needles
        .iter()
        .map(|needle| &**needle)
        .any(|needle| found(&needle))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn no_value_is_left_and_all_else_is((values, text) in case()) {
        let redactor = Redactor::bare().with(&values).unwrap();
        let covered = redactor.text(&text).into_owned();
        prop_assert!(!has_needle(&redactor, &covered), "{values:?} {text:?} {covered:?}");
        prop_assert_eq!(covered.len(), text.len());
        for (was, is) in text.bytes().zip(covered.bytes()) {
            prop_assert!(was == is || is == redactor.fill);
        }
        prop_assert_eq!(redactor.text(&covered), covered.as_str());
        if !has_needle(&redactor, &text) && !redactor.shapes.may_hold(text.as_bytes()) {
            prop_assert_eq!(covered, text);
        }
    }

    #[test]
    fn it_does_not_matter_where_a_text_is_cut(
        (values, text) in case(),
        cuts in prop::collection::vec(0_usize..400, 0..12)
    ) {
        let redactor = Redactor::bare().with(&values).unwrap();
        let mut cuts: Vec<usize> = cuts
            .into_iter()
            .map(|cut| text.floor_char_boundary(cut.min(text.len())))
            .chain([0, text.len()])
            .collect();
        cuts.sort_unstable();
        let pieces: Vec<&str> = cuts.windows(2).map(|cut| text.get(cut[0]..cut[1]).unwrap()).collect();
        let (shown, waiting) = stream(&redactor, &pieces);
        let whole = redactor.text(&text).into_owned();
        prop_assert_eq!(shown.len() + waiting.len(), text.len());
        prop_assert!(whole.starts_with(&shown), "{shown:?} of {whole:?}");
        // A blank behind it decides all that waits, but for a value that goes on with one.
        let (all, _) = stream(&redactor, &[&text, "\u{1}"]);
        prop_assert_eq!(all, redactor.text(&format!("{text}\u{1}")).into_owned());
    }

    #[test]
    fn a_document_stays_one_and_holds_none((values, text) in case(), other in ".{0,20}") {
        let redactor = Redactor::bare().with(&values).unwrap();
        let data = json!({"output": text, "list": [other, text], "map": {"k": text}});
        let covered = redactor.json(&data.to_string()).into_owned();
        let back: Value = serde_json::from_str(&covered).unwrap();
        let clean = redactor.text(&text);
        prop_assert_eq!(back["output"].as_str().unwrap(), &*clean);
        prop_assert_eq!(back["map"]["k"].as_str().unwrap(), &*clean);
    }

    #[test]
    fn nothing_makes_it_panic(values in prop::collection::vec(".{0,40}", 0..4), text in "(?s).{0,200}") {
        let redactor = Redactor::bare().with(&values).unwrap();
        let _ = redactor.text(&text);
        let _ = redactor.json(&text);
        let _ = redactor.tail(&text, 1_000, Some(0xc3));
    }
}
