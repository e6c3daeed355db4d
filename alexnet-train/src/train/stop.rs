//! Asking a run to stop, by a signal, by a time limit, or from another thread; and how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::evaluate::score::Evaluation;

/// Who may ask a run to stop. It then finishes its step, saves and ends. Clones are about the same
/// run.
///
/// ```
/// use std::sync::atomic::Ordering;
///
/// use alexnet_train::Stop;
///
/// let mut stop = Stop::default();
/// let flag = stop.request("the user"); // for a signal handler or another thread
/// assert_eq!(stop.reason(), None);
/// flag.store(true, Ordering::Relaxed);
/// assert_eq!(stop.reason().as_deref(), Some("the user"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requests: Vec<(String, Arc<AtomicBool>)>,
    deadline: Option<(String, Instant)>,
}

impl Stop {
    /// A flag that asks for the stop once it is true; `reason` says who asks.
    pub fn request(&mut self, reason: &str) -> Arc<AtomicBool> {
        let flag = Arc::new(AtomicBool::new(false));
        self.requests.push((reason.to_owned(), Arc::clone(&flag)));
        flag
    }

    /// Asks for the stop from `deadline` on; `reason` says why.
    pub fn at(&mut self, deadline: Instant, reason: &str) {
        self.deadline = Some((reason.to_owned(), deadline));
    }

    /// Who asks for the stop, if anyone does.
    pub fn reason(&self) -> Option<String> {
        let asked = self.requests.iter().find(|(_, flag)| flag.load(Ordering::Relaxed));
        let late = self.deadline.as_ref().filter(|(_, deadline)| Instant::now() >= *deadline);
        asked.map(|(reason, _)| reason).or(late.map(|(reason, _)| reason)).cloned()
    }
}

/// How a run has ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// It is complete: the error rates on the validation images, if there are any, with one view
    /// and ten views.
    Complete(Vec<Evaluation>),
    /// It was asked to stop, was saved, and can be resumed.
    Stopped {
        /// Who asked.
        reason: String,
    },
}

impl Ended {
    /// The error rates of a run that is complete.
    pub fn scores(&self) -> Option<&[Evaluation]> {
        match self {
            Self::Complete(scores) => Some(scores),
            Self::Stopped { .. } => None,
        }
    }
}
