//! Remembers, per thread, what the last panic said, so that a death can carry its cause.
//! Never replaces the hook that was there unless it is asked to: it is called first.

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    cell::RefCell,
    panic::{self, PanicHookInfo},
    sync::Once,
};

thread_local! {
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

static INSTALLED: Once = Once::new();

/// Puts the hook in place, once per process; further calls do nothing.
///
/// Each panic is remembered for its thread as `message at file:line` and logged through
/// `tracing` at error level, after the hook that was there before has run.
pub fn install_panic_hook() {
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            previous(info);
            told(info);
        }));
    });
}

/// The same in place of the hook that was there: what a panic says goes to the log alone, which
/// covers secrets, and is no loose text on stderr.
pub fn replace_panic_hook() {
    INSTALLED.call_once(|| panic::set_hook(Box::new(told)));
}

fn told(info: &PanicHookInfo<'_>) {
    let text = describe(info);
    let trace = Backtrace::capture();
    // It is captured where RUST_BACKTRACE asks for it.
    if trace.status() == BacktraceStatus::Captured {
        tracing::error!(panic = %text, %trace, "panic");
    } else {
        tracing::error!(panic = %text, "panic");
    }
    remember(text);
}

/// What the panic in progress on this thread said; `None` without the hook or without a panic.
pub(super) fn text_of_current() -> Option<String> {
    if !std::thread::panicking() {
        return None;
    }
    LAST.try_with(|last| last.try_borrow().ok().and_then(|text| text.clone()))
        .unwrap_or(None)
}

/// What the panic caught last on this thread said, told from its payload when the hook is absent.
pub(super) fn text_of_caught(payload: &(dyn std::any::Any + Send)) -> String {
    let remembered = LAST
        .try_with(|last| last.try_borrow().ok().and_then(|text| text.clone()))
        .unwrap_or(None);
    let said = said(payload);
    match remembered {
        Some(text) if text.starts_with(said) => text,
        Some(_) | None => said.to_owned(),
    }
}

fn remember(text: String) {
    // A second panic in here would abort the process: no borrow is forced, and a thread that is
    // being torn down is let go.
    let _kept = LAST.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = Some(text);
        }
    });
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let said = said(info.payload());
    match info.location() {
        Some(place) => format!("{said} at {}:{}", place.file(), place.line()),
        None => said.to_owned(),
    }
}

fn said(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("panic without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at the text from a destructor, as a lifeline does.
    struct Witness(std::sync::mpsc::Sender<Option<String>>);

    impl Drop for Witness {
        fn drop(&mut self) {
            let _sent = self.0.send(text_of_current());
        }
    }

    #[test]
    fn a_destructor_sees_text_and_place_of_its_own_thread() {
        install_panic_hook();
        install_panic_hook();
        let (tell, told) = std::sync::mpsc::channel();
        let died = std::thread::spawn(move || {
            let _witness = Witness(tell);
            let number = 40 + 2;
            panic!("number {number}");
        })
        .join();
        let text = told.recv().expect("the witness speaks").expect("a text");
        assert!(text.starts_with("number 42 at "), "{text}");
        assert!(text.contains("panic.rs:"), "{text}");
        let payload = died.expect_err("it panicked");
        assert_eq!(text_of_caught(payload.as_ref()), "number 42");
        assert_eq!(text_of_current(), None);
    }

    #[test]
    fn a_payload_of_another_type_is_named() {
        let payload: Box<dyn std::any::Any + Send> = Box::new(7_u8);
        assert_eq!(text_of_caught(payload.as_ref()), "panic without a text");
    }
}
