//! How a run ends: complete, or stopped; and its last files, for which there is no next turn.

use std::time::{Duration, Instant};

use alexnet_data::{Views, write_atomic};

use crate::checkpoint::files::Kept;
use crate::checkpoint::progress::Progress;
use crate::error::Error;
use crate::evaluate::score::Evaluation;
use crate::log::event::Event;
use crate::run::write_json;
use crate::train::finite::LastStep;
use crate::train::session::Session;
use crate::train::setup::{Setup, State};
use crate::train::stop::Ended;

/// The images of a run's last evaluation, with one view and with ten, in those of a validation.
pub const LAST_EVALUATION: f64 = 11.0;

/// Seconds between the attempts to write a run's last files. A full disk may have room again in a
/// moment.
const PAUSES: [u64; 5] = [0, 1, 2, 4, 8];

/// The same where the run was asked to stop, because whoever asked may not wait for long.
const SHORT_PAUSES: [u64; 3] = [0, 1, 2];

impl Session<'_> {
    /// Says that the run was asked to stop, when what it has begun to save is on the disk.
    pub(crate) fn stop(&mut self, state: &State) -> Result<Ended, Error> {
        let Progress { epoch, step, .. } = state.at;
        self.saver.finish(&mut self.events)?;
        for pause in SHORT_PAUSES {
            if self.saver.is_failing() {
                std::thread::sleep(Duration::from_secs(pause));
                self.save(state, Kept::default(), (epoch, step))?;
                self.saver.finish(&mut self.events)?;
            }
        }
        if self.saver.is_failing() {
            let message = "the steps since the last checkpoint are not saved: a resumed run makes \
                           them again";
            self.events.emit(Event::Warning { epoch, step, message: message.to_owned() });
        }
        let reason = self.job.stop.reason().unwrap_or_default();
        self.events.emit(Event::Stop { reason: reason.clone(), epoch, step });
        self.events.finish(&SHORT_PAUSES);
        Ok(Ended::Stopped { reason })
    }

    /// Ends a run after its last epoch: error rates, final weights, report.
    pub(crate) fn end(
        &mut self,
        setup: &Setup<'_>,
        state: &State,
        began: Instant,
    ) -> Result<Vec<Evaluation>, Error> {
        let (run, last) = (&self.job.run, (state.at.epoch, state.at.step));
        let mut scores = Vec::new();
        if let Some(split) = setup.validation {
            scores.push(self.validate(split, state, Views::One, last)?);
            scores.push(self.validate(split, state, Views::Ten, last)?);
        }
        self.saver.finish(&mut self.events)?;
        let weights = run.weights();
        let content = self.saver.weights(&weights, state, last)?;
        self.insist(last, || Ok(write_atomic(&weights, |file| content.write_to(file))?))?;
        self.insist(last, || write_json(&run.report(), &scores))?;
        let (validation, seconds) = (scores.clone(), began.elapsed().as_secs_f64());
        self.events.emit(Event::End { weights, validation, seconds });
        self.events.finish(&PAUSES);
        Ok(scores)
    }

    /// Writes one of the last files, and warns where that takes several attempts.
    fn insist(
        &mut self,
        (epoch, step): LastStep,
        write: impl Fn() -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut written = Ok(());
        for pause in PAUSES {
            std::thread::sleep(Duration::from_secs(pause));
            written = write();
            let Err(error) = &written else { break };
            if pause == 0 {
                let message = format!("{error}; it is tried again");
                self.events.emit(Event::Warning { epoch, step, message });
            }
        }
        written
    }
}
