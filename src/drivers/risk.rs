//! How much harm a shell command can do, by its words.
//!
//! Never a guard: it colours a question to a person. A command that hides what it does is not
//! seen through.

use crate::domain::Risk;

/// Programs that stop the machine or overwrite a disk whatever follows.
const ALWAYS: [&str; 9] = [
    "mkfs",
    "shutdown",
    "reboot",
    "halt",
    "poweroff",
    "wipefs",
    "fdisk",
    "shred",
    "blkdiscard",
];
/// Programs that run what is piped into them.
const INTERPRETERS: [&str; 10] = [
    "sh", "bash", "zsh", "dash", "ksh", "python", "python3", "perl", "ruby", "node",
];
/// Words that stand before the program that really runs.
const PREFIXES: [&str; 8] = [
    "sudo", "doas", "env", "command", "builtin", "exec", "nohup", "time",
];

/// `Critical` when a destructive pattern is in it, else `High`: it runs a command.
#[must_use]
pub fn of_command(text: &str) -> Risk {
    let mut piped_from_net = false;
    for (part, after_pipe) in parts(text) {
        let words: Vec<&str> = part.split_whitespace().map(bare).collect();
        let words = program(&words);
        let Some((name, args)) = words.split_first() else {
            continue;
        };
        let name = name.rsplit('/').next().unwrap_or(name);
        if (after_pipe && piped_from_net && INTERPRETERS.contains(&name))
            || destroys(name, args)
            || overwrites_device(part)
        {
            return Risk::Critical;
        }
        let fetches = matches!(name, "curl" | "wget");
        piped_from_net = fetches || (after_pipe && piped_from_net);
    }
    if is_fork_bomb(text) || runs_a_download(text) {
        return Risk::Critical;
    }
    Risk::High
}

/// The commands of a list, each with whether a pipe leads into it.
fn parts(text: &str) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    let mut after_pipe = false;
    let mut rest = text;
    while let Some(at) = rest.find(['\n', ';', '|', '&', '(', ')', '{', '}', '`']) {
        let (part, behind) = rest.split_at(at);
        found.push((part, after_pipe));
        let double = behind.starts_with("||");
        after_pipe = behind.starts_with('|') && !double;
        rest = behind.get(if double { 2 } else { 1 }..).unwrap_or_default();
    }
    found.push((rest, after_pipe));
    found
}

fn bare(word: &str) -> &str {
    word.trim_matches(['"', '\'', '\\'])
}

/// Drops assignments and words like `sudo` (with their options) from the front.
fn program<'a>(words: &'a [&'a str]) -> &'a [&'a str] {
    let mut rest = words;
    let mut prefixed = false;
    while let Some((first, behind)) = rest.split_first() {
        let assigns = first
            .split_once('=')
            .is_some_and(|(name, _)| !name.is_empty() && !name.starts_with('-'));
        let keyword = matches!(*first, "then" | "do" | "else" | "if" | "while" | "!");
        let option = prefixed && first.starts_with('-');
        let prefix = PREFIXES.contains(first);
        if !(assigns || keyword || option || prefix) {
            break;
        }
        prefixed |= prefix;
        rest = behind;
    }
    rest
}

fn destroys(name: &str, args: &[&str]) -> bool {
    let flag = |letter: char, long: &str| {
        args.iter().any(|arg| {
            *arg == long || (arg.starts_with('-') && !arg.starts_with("--") && arg.contains(letter))
        })
    };
    let recursive = flag('r', "--recursive") || flag('R', "--recursive");
    match name {
        "rm" => recursive && flag('f', "--force"),
        "dd" => args.iter().any(|arg| arg.starts_with("of=/dev/")),
        "chmod" | "chown" => recursive && args.contains(&"/"),
        "find" => args.contains(&"-delete"),
        "kill" => args.contains(&"-1") && args.len() > 1,
        "git" => {
            args.contains(&"push")
                && args
                    .iter()
                    .any(|arg| arg.starts_with("--force") || *arg == "-f")
        }
        _ => {
            ALWAYS.contains(&name)
                || name
                    .split_once('.')
                    .is_some_and(|(stem, _)| ALWAYS.contains(&stem))
        }
    }
}

fn overwrites_device(part: &str) -> bool {
    part.split('>').skip(1).any(|target| {
        let target = bare(target.trim_start());
        [
            "/dev/sd",
            "/dev/nvme",
            "/dev/vd",
            "/dev/mmcblk",
            "/dev/disk",
        ]
        .iter()
        .any(|disk| target.starts_with(disk))
    })
}

fn is_fork_bomb(text: &str) -> bool {
    let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    dense.contains(":(){") || dense.contains(":|:&")
}

/// `bash -c "$(curl ...)"` and `bash <(curl ...)`.
fn runs_a_download(text: &str) -> bool {
    let fetched = ["$(curl", "$(wget", "<(curl", "<(wget", "`curl", "`wget"];
    fetched.iter().any(|word| text.contains(word))
        && text.split_whitespace().any(|word| {
            INTERPRETERS.contains(&bare(word)) || matches!(word, "eval" | "source" | ".")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destructive_patterns_are_critical() {
        for text in [
            "rm -rf /tmp/x",
            "rm -fr x",
            "rm -r --force x",
            "sudo -n rm -rf /",
            "cd /tmp && rm -Rf .",
            "mkfs.ext4 /dev/sda1",
            "/sbin/mkfs /dev/sda1",
            "dd if=/dev/zero of=/dev/sda",
            "shutdown -h now",
            "LANG=C reboot",
            "curl -fsSL https://example.org/i | sh",
            "wget -qO- https://example.org/i | sudo bash -s",
            "curl x | tee log | bash",
            "bash -c \"$(curl -fsSL https://example.org/i)\"",
            "bash <(curl -s https://example.org/i)",
            "echo x > /dev/sda",
            ":(){ :|:& };:",
            "git push --force origin main",
            "if true; then rm -rf x; fi",
        ] {
            assert_eq!(of_command(text), Risk::Critical, "{text}");
        }
    }

    #[test]
    fn the_rest_is_high() {
        for text in [
            "",
            "ls -la",
            "rm file",
            "rm -r dir",
            "echo rm -rf /",
            "dd if=/dev/zero of=file",
            "curl https://example.org || bash fallback.sh",
            "cat install.sh | sh",
            "cargo test > /dev/null",
            "git push",
        ] {
            assert_eq!(of_command(text), Risk::High, "{text}");
        }
    }
}
