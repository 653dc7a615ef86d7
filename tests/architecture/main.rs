//! The house rules that no compiler checks, read from the sources: which room may name which room
//! and which crate, how files begin and how long they are.
//!
//! Never builds or runs anything, and never needs a list that a new file or dependency could
//! escape: what is in no table fails.

#[cfg(test)]
mod paths;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod tables;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::rules::{Source, check};
    use super::tables;

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR"))
    }

    fn rust_files(below: &str) -> Vec<PathBuf> {
        let mut open = vec![root().join(below)];
        let mut files = Vec::new();
        while let Some(at) = open.pop() {
            if at.is_dir() {
                open.extend(
                    fs::read_dir(&at)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else if at.extension().is_some_and(|end| end == "rs") {
                files.push(at);
            }
        }
        files.sort();
        files
    }

    #[test]
    fn the_sources_keep_to_the_rules() {
        let mut files = rust_files("src");
        assert!(files.len() > 100, "only {} sources were found", files.len());
        files.extend(rust_files("benches"));
        let broken: Vec<String> = files
            .iter()
            .flat_map(|file| {
                let path = file
                    .strip_prefix(root().join("src"))
                    .or_else(|_| file.strip_prefix(root()))
                    .unwrap();
                let text = fs::read_to_string(file).unwrap();
                check(&Source {
                    path: path.to_str().unwrap(),
                    text: &text,
                })
            })
            .collect();
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }

    #[test]
    fn every_dependency_has_its_place() {
        let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        let dependencies: BTreeSet<String> = manifest
            .lines()
            .skip_while(|line| *line != "[dependencies]")
            .skip(1)
            .take_while(|line| !line.starts_with('['))
            .filter_map(|line| line.split_once(" ="))
            .map(|(name, _)| name.trim().replace('-', "_"))
            .collect();
        assert!(dependencies.len() > 20, "{dependencies:?}");
        let placed: BTreeSet<String> = tables::CRATES
            .iter()
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(dependencies, placed);
    }

    #[test]
    fn every_room_is_in_the_table() {
        let rooms: BTreeSet<String> = fs::read_dir(root().join("src"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        let known: BTreeSet<String> = tables::ARROWS
            .iter()
            .filter(|(room, _)| !room.contains('/'))
            .map(|(room, _)| (*room).to_owned())
            .collect();
        assert_eq!(rooms, known);
    }

    #[test]
    fn a_recipe_and_the_tests_begin_like_the_sources() {
        for file in rust_files("xtask/src").iter().chain(&rust_files("tests")) {
            let text = fs::read_to_string(file).unwrap();
            assert!(text.starts_with("//! "), "{}", file.display());
        }
    }
}
