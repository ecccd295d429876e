//! Notes and warnings to Python's `logging`, as those of the logger `nfbmr`.

use std::fmt::{self, Write};
use std::sync::Once;

use pyo3::prelude::*;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::exit::attach;

/// Logs a line.
pub(crate) fn log(py: Python<'_>, text: &str, warning: bool) -> PyResult<()> {
    let logger = py.import("logging")?.call_method1("getLogger", ("nfbmr",))?;
    let level = if warning { "warning" } else { "info" };
    logger.call_method1(level, ("%s", text)).map(drop)
}

/// Sends the library's warnings there, as long as the process has no other place for them.
pub(crate) fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let _ = tracing::subscriber::set_global_default(Warnings);
    });
}

/// Takes warnings alone; the library makes no spans.
struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        // A log that fails is no reason to stop.
        let _ = attach(|py| log(py, &text.0, true));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The message of an event, and its fields after it.
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
