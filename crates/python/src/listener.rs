//! What long work tells while it goes on, from its thread to the caller's, and how it is stopped.

use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use nfbmr::{Note, Progress};
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::exit::attach;
use crate::{log, progress};

/// So long Ctrl-C may wait to be heard.
const PATIENCE: Duration = Duration::from_millis(50);

/// What work tells.
pub(crate) enum Told {
    /// Where it stands, and where the answer goes. Without progress to show, whether it is to go on.
    Progress(Option<Box<Progress>>, SyncSender<ControlFlow<()>>),
    /// What was taken, left out or guessed, in one line.
    Note { text: String, warning: bool },
}

/// The worker's side.
#[derive(Clone)]
pub(crate) struct Teller(SyncSender<Told>);

impl Teller {
    pub(crate) fn new(sender: SyncSender<Told>) -> Self {
        Self(sender)
    }

    /// Tells where the work stands and returns whether it goes on.
    pub(crate) fn progress(&self, progress: &Progress) -> ControlFlow<()> {
        self.ask(Some(Box::new(progress.clone())))
    }

    /// Whether to go on.
    pub(crate) fn go_on(&self) -> ControlFlow<()> {
        self.ask(None)
    }

    fn ask(&self, progress: Option<Box<Progress>>) -> ControlFlow<()> {
        let (answer, answered) = sync_channel(1);
        let told = self.0.send(Told::Progress(progress, answer));
        match told.ok().and_then(|()| answered.recv().ok()) {
            Some(flow) => flow,
            None => ControlFlow::Break(()),
        }
    }

    pub(crate) fn note(&self, note: &Note) {
        let warning = matches!(
            note,
            Note::NearDoubles { .. }
                | Note::NotLocated(_)
                | Note::Uncalibrated(_)
                | Note::Skipped(_)
        );
        let text = note.to_string();
        // The level of the log says it.
        let text = text.strip_prefix("warning: ").unwrap_or(&text).to_owned();
        self.say(text, warning);
    }

    /// Tells a line. Nobody who listens is no reason to stop.
    pub(crate) fn say(&self, text: String, warning: bool) {
        let _ = self.0.send(Told::Note { text, warning });
    }
}

/// The caller's side.
pub(crate) struct Listener {
    /// Called with progress.
    progress: Option<Py<PyAny>>,
    /// Called with notes; they are logged otherwise.
    notes: Option<Py<PyAny>>,
    /// What a callback or a signal raised.
    raised: Option<PyErr>,
}

impl Listener {
    /// `progress` may be a function, or True or "tqdm" for a bar.
    pub(crate) fn new(
        py: Python<'_>,
        progress: Option<Py<PyAny>>,
        notes: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let progress = py.import("nfbmr._progress")?.call_method1("callable_of", (progress,))?;
        let progress = (!progress.is_none()).then(|| progress.unbind());
        Ok(Self { progress, notes, raised: None })
    }

    /// Hears all that is told until the work is over, and returns what stopped it.
    pub(crate) fn listen(&mut self, told: &Receiver<Told>) -> Option<PyErr> {
        loop {
            match told.recv_timeout(PATIENCE) {
                Ok(Told::Progress(progress, answer)) => {
                    let flow = self.hear(|own, py| {
                        py.check_signals()?;
                        match (&own.progress, progress) {
                            (Some(callable), Some(progress)) => {
                                let told = progress::Progress::new(&progress);
                                let go_on = callable.call1(py, (told,))?;
                                Ok(!go_on.bind(py).is(&*PyBool::new(py, false)))
                            }
                            _ => Ok(true),
                        }
                    });
                    let _ = answer.send(flow);
                }
                Ok(Told::Note { text, warning }) => {
                    let _ = self.hear(|own, py| {
                        match &own.notes {
                            Some(callable) => callable.call1(py, (text,)).map(drop)?,
                            None => log::log(py, &text, warning)?,
                        }
                        Ok(true)
                    });
                }
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.hear(|_, py| py.check_signals().map(|()| true));
                }
                Err(RecvTimeoutError::Disconnected) => return self.raised.take(),
            }
        }
    }

    /// Calls Python unless it has raised something before, and returns whether the work goes on.
    fn hear(&mut self, call: impl FnOnce(&Self, Python<'_>) -> PyResult<bool>) -> ControlFlow<()> {
        if self.raised.is_none() {
            match attach(|py| call(self, py)) {
                Ok(true) => return ControlFlow::Continue(()),
                Ok(false) => {}
                Err(error) => self.raised = Some(error),
            }
        }
        ControlFlow::Break(())
    }
}
