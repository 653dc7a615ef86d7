//! `callboard-keeper`: one small process that starts, keeps and ends one agent program.
//! Never parses the program's output, never allocates by what it writes, never dies before its record.

#[path = "../../keeper/leaf.rs"]
#[expect(dead_code, reason = "the server's half of the shared file")]
mod leaf;
#[path = "../../keeper/pidfd.rs"]
mod pidfd;
#[path = "../../keeper/tree.rs"]
mod tree;
#[path = "../../keeper/wire/mod.rs"]
#[expect(dead_code, reason = "the server's half of the shared files")]
mod wire;

mod bounds;
mod cgroup;
mod client;
mod clock;
mod commands;
mod engine;
mod exec;
mod exitfile;
mod input;
mod isolate;
mod launch;
mod life;
mod log;
mod setup;
mod stderr;
mod stop;
mod sys;

fn main() {
    let word = std::env::args_os().nth(1);
    if word.as_ref().is_some_and(|word| word == "probe") {
        print!("{}{}", isolate::probe(), cgroup::probe());
        return;
    }
    if word.is_some_and(|word| word == "exec") {
        std::process::exit(exec::run());
    }
    let code = match setup::begin() {
        Ok(Some(engine)) => {
            engine.run();
            0
        }
        Ok(None) => 0,
        Err(failure) => {
            setup::answer(&Err(failure));
            1
        }
    };
    std::process::exit(code);
}
