//! Whatever a shell prints.

use proptest::prelude::*;

use super::*;

fn transcript() -> impl Strategy<Value = Vec<u8>> {
    let bit = prop_oneof![
        Just(start().into_bytes()),
        Just(end(0).into_bytes()),
        Just(end(0).replace(NONCE, "guess").into_bytes()),
        Just(b"\x1b[1;31m".to_vec()),
        Just(b"\x1b]0;a title".to_vec()),
        Just(b"\x1b]52;c;".iter().copied().chain([b'A'; 400]).collect()),
        Just(b"10%\r20%\r\n".to_vec()),
        Just("\u{e4}\u{1F600}\u{8}".as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..40),
        "[a-z \"\\\\\r\n]{0,80}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(bit, 0..20).prop_map(|bits| bits.concat())
}

proptest! {
    #[test]
    fn splits_and_restarts_do_not_matter(
        bytes in transcript(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let whole = run(&[&bytes]);
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        at.extend([0, bytes.len()]);
        at.sort_unstable();
        let pieces: Vec<&[u8]> = at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
        prop_assert_eq!(run(&pieces), whole);
    }

    #[test]
    fn every_single_split_gives_the_same(text in "[a-z\r\n]{0,10}") {
        let bytes = format!("$ x{}{text}\x1b[2K\u{1F600}\r\n{}$ ", start(), end(1)).into_bytes();
        let whole = run(&[&bytes]);
        for at in 0..=bytes.len() {
            let (a, b) = bytes.split_at(at);
            prop_assert_eq!(&run(&[a, b]), &whole);
        }
    }
}
