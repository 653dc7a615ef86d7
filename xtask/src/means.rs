//! What the tests need of the machine: found, installed where that is ours to do, or named with
//! the command that mends it.
//!
//! Never skips what it cannot find.

use std::path::{Path, PathBuf};

use super::step::{Failed, Step, root, say};

/// The pinned checker of licences, sources and bans.
const DENY: &str = "0.20.2";

/// The pinned asker of requests that are made from openapi.json.
const SCHEMATHESIS: &str = "4.32.5";

/// Programs that tests run, and the Debian packages that hold them.
const PROGRAMS: [(&str, &str); 12] = [
    ("bash", "bash"),
    ("chromium", "chromium"),
    ("git", "git"),
    ("mount", "mount"),
    ("node", "nodejs"),
    ("openssl", "openssl"),
    ("perl", "perl"),
    ("pkg-config", "pkg-config"),
    ("ps", "procps"),
    ("python3", "python3"),
    ("setpriv", "util-linux"),
    ("unshare", "util-linux"),
];

/// Packages of the npm registry that tests use.
const PACKAGES: [(&str, &str); 6] = [
    ("@xterm/xterm", "6.0.0"),
    ("socket.io-client", "4.8.4"),
    ("@feathersjs/feathers", "5.0.50"),
    ("@feathersjs/rest-client", "5.0.50"),
    ("@feathersjs/socketio-client", "5.0.50"),
    ("@feathersjs/authentication-client", "5.0.50"),
];

/// Claude Code, which tests drive against a model of our own. It is installed where it is needed
/// and never handed on: its licence does not allow that. Tests run the native program of the
/// platform's package: that is one file without Node, while the launcher of the main package is a
/// stub under `--ignore-scripts`. So no Node is installed for it, and npm's own version does not
/// matter either, because the platform's package is asked for by its name and version.
const CLAUDE: (&str, &str) = ("@anthropic-ai/claude-code", "2.1.330");

/// Makes sure of the programs. As root on Debian the missing ones are installed.
pub fn programs() -> Result<(), Failed> {
    let mut missing: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| find(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if !postgres() {
        missing.push("postgresql");
    }
    if !has_openssl() {
        missing.push("libssl-dev");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let words = missing.join(" ");
    let mend = format!("apt-get install -y {words}");
    if find("apt-get").is_none() || !is_root() {
        return Err(Failed::step(format!(
            "these are missing: {words}; install them (Debian, as root: {mend})"
        )));
    }
    say(&format!("    installing {words}"));
    apt(&["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)
}

/// The packages of the npm registry that tests use, pinned, in `.cache/npm`.
pub fn packages() -> Result<(), Failed> {
    let place = root().join(".cache/npm");
    let claude = claude_package()?;
    let mut wanted = PACKAGES.to_vec();
    wanted.push((&claude, CLAUDE.1));
    if wanted
        .iter()
        .all(|(name, version)| installed(&place, name, version))
    {
        return Ok(());
    }
    // All of them, since npm takes away what stands in its directory and was not asked for.
    let wanted = wanted.iter();
    let wanted: Vec<String> = wanted
        .map(|(name, version)| format!("{name}@{version}"))
        .collect();
    let words = wanted.join(" ");
    let Some(npm) = find("npm") else {
        let text = format!("npm is missing; install Node.js with npm, which brings {words}");
        return Err(Failed::step(text));
    };
    say(&format!("    installing {words} into .cache/npm"));
    std::fs::create_dir_all(&place)
        .map_err(|error| Failed::step(format!("{}: {error}", place.display())))?;
    let flags = [
        "install",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--ignore-scripts",
    ];
    Step::program("npm", &npm)
        .args(&flags.map(String::from))
        .arg("--prefix")
        .arg(&place)
        .args(&wanted)
        .run()?;
    match program(&place, &claude).is_file() {
        true => Ok(()),
        false => Err(Failed::step(format!(
            "{words} was installed without its program; remove .cache/npm and run this again"
        ))),
    }
}

/// The package of Claude Code with the program for this machine.
fn claude_package() -> Result<String, Failed> {
    let (name, version) = CLAUDE;
    let kernel = std::env::consts::ARCH;
    let arch = match kernel {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        _ => {
            return Err(Failed::step(format!(
                "there is no {name}@{version} for {kernel}; run the tests on x86_64 or aarch64"
            )));
        }
    };
    let loaders = ["ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];
    let dirs = ["/lib64", "/lib"].map(Path::new);
    let glibc = dirs
        .iter()
        .any(|dir| loaders.iter().any(|loader| dir.join(loader).exists()));
    if glibc {
        return Ok(format!("{name}-linux-{arch}"));
    }
    Err(Failed::step(format!(
        "this machine has no glibc, which {name}-linux-{arch}@{version} needs, and the tests do not \
         take {name}-linux-{arch}-musl; run them on a system with glibc, such as Debian"
    )))
}

/// The program in a platform's package.
fn program(place: &Path, package: &str) -> PathBuf {
    place.join("node_modules").join(package).join("claude")
}

fn installed(place: &Path, name: &str, version: &str) -> bool {
    let manifest = place.join("node_modules").join(name).join("package.json");
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let there = text.contains(&format!("\"version\": \"{version}\""));
    // What broke off between the two is installed again.
    there && (!name.starts_with(CLAUDE.0) || program(place, name).is_file())
}

/// The checker, installed into `.cache/tools` when it is not there in the pinned version. Built
/// without optimisation: that takes a third of the time, and a check takes seconds either way.
pub fn deny() -> Result<PathBuf, Failed> {
    let tools = root().join(".cache/tools");
    let program = tools.join("bin/cargo-deny");
    if version(&program).is_some_and(|version| version.trim_end().ends_with(DENY)) {
        return Ok(program);
    }
    say(&format!(
        "    installing cargo-deny {DENY} into .cache/tools"
    ));
    Step::cargo(
        "cargo-deny",
        &["install", "cargo-deny", "--locked", "--debug", "--force"],
    )
    .arg("--version")
    .arg(DENY)
    .arg("--root")
    .arg(&tools)
    .env("CARGO_TARGET_DIR", root().join(".cache/build"))
    .env("CARGO_PROFILE_DEV_DEBUG", "false")
    .run()?;
    // Some hundred MB that nothing needs again.
    let built = root().join(".cache/build");
    std::fs::remove_dir_all(&built)
        .map_err(|error| Failed::step(format!("{}: {error}", built.display())))?;
    Ok(program)
}

/// The asker, in an environment of Python's own in `.cache/schemathesis`.
pub fn schemathesis() -> Result<PathBuf, Failed> {
    let place = root().join(".cache/schemathesis");
    let program = place.join("bin/st");
    if version(&program).is_some_and(|version| version.trim_end().ends_with(SCHEMATHESIS)) {
        return Ok(program);
    }
    let python = find("python3").ok_or_else(|| Failed::step("python3 is missing"))?;
    if !has_environments(&python) {
        let mend = "apt-get install -y python3-venv";
        if find("apt-get").is_none() || !is_root() {
            let text =
                format!("python3 makes no environments; install that (Debian, as root: {mend})");
            return Err(Failed::step(text));
        }
        say("    installing python3-venv");
        apt(&["update", "-q"])?;
        apt(&[
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
            "python3-venv",
        ])?;
    }
    say(&format!(
        "    installing schemathesis {SCHEMATHESIS} into .cache/schemathesis"
    ));
    Step::program("python3", &python)
        .args(&["-m", "venv", "--clear"].map(String::from))
        .arg(&place)
        .run()?;
    Step::program("pip", &place.join("bin/pip"))
        .args(&["install", "-q", "--disable-pip-version-check"].map(String::from))
        .arg("--constraint")
        .arg(root().join("xtask/schemathesis.txt"))
        .arg(format!("schemathesis=={SCHEMATHESIS}"))
        .run()?;
    Ok(program)
}

/// Whether this Python makes environments with pip: Debian packs that apart.
fn has_environments(python: &Path) -> bool {
    let probe =
        Step::program("python3", python).args(&["-c", "import ensurepip, venv"].map(String::from));
    probe.output().is_some()
}

fn version(program: &Path) -> Option<String> {
    Step::program("version", program).arg("--version").output()
}

fn apt(words: &[&str]) -> Result<(), Failed> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    Step::program("apt-get", Path::new("apt-get"))
        .args(&words)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .run()
}

fn is_root() -> bool {
    Step::program("id", Path::new("id"))
        .arg("-u")
        .output()
        .is_some_and(|id| id.trim() == "0")
}

/// Whether the tests can start a PostgreSQL of their own: its programs are in PATH, or where Debian
/// puts them, which is where the tests look too (`src/store/tests/postmaster.rs`).
fn postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut debian = versions
        .flatten()
        .map(|version| version.path().join("bin/initdb"));
    find("initdb").is_some() || debian.any(|program| program.is_file())
}

/// Whether a program can be built with OpenSSL, which TLS to PostgreSQL takes.
fn has_openssl() -> bool {
    let probe = Step::program("pkg-config", Path::new("pkg-config"))
        .args(&["--exists", "--print-errors", "openssl"].map(String::from));
    probe.output().is_some()
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}
