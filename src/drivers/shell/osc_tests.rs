//! Tokens of terminal output. Never depends on how the bytes arrive.

use super::*;
use proptest::prelude::*;

const TASK: &str = "01890000-0000-7000-8000-000000000001";

fn tokens(input: &[u8], more: More) -> (Vec<String>, usize) {
    let mut skipping = false;
    let mut lexer = Lexer {
        nonce: "s3cret",
        skipping: &mut skipping,
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((token, taken)) = lexer.next(&input[at..], more) {
        assert!(taken > 0, "no progress at {at} of {input:?}");
        if token != Token::Nothing {
            found.push(format!("{token:?}"));
        }
        at += taken;
    }
    (found, at)
}

fn shown(input: &[u8]) -> String {
    tokens(input, More::Never).0.join(" ")
}

#[test]
fn escapes_show_nothing_and_text_stays() {
    for (input, expected) in [
        (&b"\x1b[1;31mred\x1b[0m"[..], "Text(\"red\")"),
        (b"\x1b]0;title\x07a", "Text(\"a\")"),
        (b"\x1b]8;;http://x\x1b\\a", "Text(\"a\")"),
        (b"\x1b(Ba\x1b7\x1b=", "Text(\"a\")"),
        (b"\x1bPq#0\x1b\\a", "Text(\"a\")"),
        (b"a\x07\x00\x7f\tb", "Text(\"a\") Text(\"\\t\") Text(\"b\")"),
        (b"\r\x1b[2K\n", "Return Erase Newline"),
        (b"a\xffb", "Text(\"a\") Text(\"\u{fffd}\") Text(\"b\")"),
        (b"\xe2\x82", "Text(\"\u{fffd}\")"),
        (b"\x1b[3\nx", "Newline Text(\"x\")"),
        (b"\x1b", ""),
    ] {
        assert_eq!(shown(input), expected, "{input:?}");
    }
}

#[test]
fn marks_need_the_nonce_and_their_whole_shape() {
    let good = format!("\x1b]133;D;2;s3cret;{TASK};1\x07");
    assert!(shown(good.as_bytes()).starts_with("Mark(End"));
    assert_eq!(shown(b"\x1b]133;A;s3cret\x1b\\"), "Mark(Prompt)");
    for forged in [
        format!("\x1b]133;D;0;guess;{TASK};1\x07"),
        format!("\x1b]133;D;0;;{TASK};1\x07"),
        format!("\x1b]133;D;999;s3cret;{TASK};1\x07"),
        "\x1b]133;C;s3cret;no-task\x07".to_owned(),
        "\x1b]133;A\x07".to_owned(),
        "\x1bP133;A;s3cret\x07".to_owned(),
        // Broken off: not a whole mark.
        "\x1b]133;A;s3cret\n".to_owned(),
    ] {
        assert!(!shown(forged.as_bytes()).contains("Mark"), "{forged:?}");
    }
}

#[test]
fn a_string_without_an_end_cannot_swallow_a_mark() {
    for open in [
        "\x1b]0;",
        "\x1b]52;c;",
        "\x1bP",
        "\x1b[",
        "\x1b[12",
        "\x1b",
        "\x1b(",
    ] {
        let long = "A".repeat(5_000);
        for body in ["x", long.as_str()] {
            let input = format!("{open}{body}\x1b]133;A;s3cret\x07");
            assert!(shown(input.as_bytes()).contains("Mark(Prompt)"), "{open:?}");
        }
    }
}

#[test]
fn half_a_sequence_waits() {
    for half in [
        "\x1b",
        "\x1b[",
        "\x1b[1;3",
        "\x1b]133;A;s3c",
        "\x1b]0;t\x1b",
        "\x1b(",
    ] {
        let (found, at) = tokens(format!("a{half}").as_bytes(), More::Maybe);
        assert_eq!((found.len(), at), (1, 1), "{half:?}");
    }
    assert_eq!(tokens(b"a\xf0\x9f\x98", More::Maybe).1, 1);
}

proptest! {
    #[test]
    fn every_input_is_taken_to_its_end(
        input in prop::collection::vec(
            prop_oneof![Just(ESC), Just(b']'), Just(b'['), Just(7), any::<u8>()],
            0..600,
        ),
    ) {
        let (_, taken) = tokens(&input, More::Never);
        prop_assert_eq!(taken, input.len());
        let (_, taken) = tokens(&input, More::Maybe);
        prop_assert!(input.len() - taken < MAX_MARK);
    }
}
