//! What is known of a run, as labelled lines, for the screen and for plain text.

use alexnet_train::{Evaluation, LoggedStart, RunStatus};
use indicatif::DecimalBytes;

use super::curves::smooth_loss;
use super::watched::{LastCheckpoint, Watched};
use crate::progress::per_second;
use crate::runs::facts::{Position, Times, best_error, present_speed, seconds_left};
use crate::runs::moment::{ago, clock, duration};

/// A label and what it is.
pub(super) type Fact = (&'static str, String);

impl Watched {
    /// Whether a process trains, and which; why it does not.
    pub(super) fn state(&self) -> String {
        match &self.status {
            RunStatus::Running(holder) => format!("running: {holder}"),
            RunStatus::Diverged(reason) => format!("diverged: {reason}"),
            status => status.word().to_owned(),
        }
    }

    /// What the run is: network, recipe, seed, device.
    pub(super) fn what(&self) -> String {
        let (network, recipe) = (&self.config.network.name, &self.config.recipe.name);
        let on = |start: &LoggedStart| {
            let LoggedStart { device, model, precision, .. } = start;
            // On the CPU the model is its device's name again.
            let model = if device == model { String::new() } else { format!(" ({model})") };
            format!(", {device}{model} in {precision}")
        };
        let on = self.log().starts.last().map_or(String::new(), on);
        format!("network {network}, recipe {recipe}, seed {}{on}", self.config.seed)
    }

    /// How far it is, and when it will end.
    pub(super) fn progress(&self) -> String {
        let Some(Position { epoch, epochs, step, steps }) = Position::of(self.log()) else {
            return "waiting for the first line of its log".to_owned();
        };
        format!("epoch {epoch}/{epochs}, step {step}/{steps}{}", self.end())
    }

    fn end(&self) -> String {
        let log = self.log();
        match (&self.status, log.last_time) {
            (RunStatus::Running(_), last) => seconds_left(log).map_or(String::new(), |left| {
                let end = last.unwrap_or(self.now) + left;
                let left = duration(end - self.now);
                format!(", {left} left, ends {}", clock(end.max(self.now), self.now))
            }),
            (_, Some(last)) => format!(", last at work {}", ago(last, self.now)),
            (_, None) => String::new(),
        }
    }

    /// The present numbers.
    pub(super) fn numbers(&self) -> Vec<Fact> {
        let (log, mut facts) = (self.log(), Vec::new());
        let epoch = log.epochs.last();
        if let Some(loss) = smooth_loss(&log.steps).last() {
            facts.push(("loss", format!("{loss:.4}, the last batch {:.4}", last_loss(self))));
        }
        if let Some(error) = epoch.and_then(|epoch| epoch.train_error) {
            facts.push(("train error", format!("{error:.2} %")));
        }
        if let Some(v) = epoch.and_then(|epoch| epoch.validation) {
            facts.push(("top-1 error", errors(&v)));
        }
        if let Some((error, epoch)) = best_error(log) {
            facts.push(("best top-1", format!("{error:.2} %, epoch {epoch}")));
        }
        for end in log.end.iter().flat_map(|end| &end.validation).filter(|v| v.views > 1) {
            facts.push(("ten views", errors(end)));
        }
        if let Some(step) = log.steps.last() {
            let rate = format!("{:.1e}", step.rate).replace(".0e", "e");
            let speed = present_speed(log)
                .map_or(String::new(), |speed| format!(", {} images/s", per_second(speed)));
            facts.push(("rate", format!("{rate}{speed}")));
        }
        if let Some(memory) = self.memory {
            let [bytes, peak] = [memory.bytes, memory.peak].map(DecimalBytes);
            facts.push(("memory", format!("{bytes}, at most {peak}")));
        }
        if let Some(LastCheckpoint { bytes, time, at }) = self.checkpoint {
            let at = at.map_or(String::new(), |(e, s)| format!(", epoch {} step {}", e + 1, s + 1));
            let (bytes, ago) = (DecimalBytes(bytes), ago(time, self.now));
            facts.push(("checkpoint", format!("{ago}{at}, {bytes}")));
        }
        facts
    }

    /// What the time was spent for, once there was any.
    pub(super) fn shares(&self) -> Option<Fact> {
        let shares = Times::of(self.log()).shares();
        let words = shares.iter().map(|(name, share)| format!("{name} {share:.0} %"));
        let words = words.collect::<Vec<_>>().join(", ");
        (!words.is_empty()).then_some(("time", words))
    }

    /// What a person wants to know of, with its time, the oldest first.
    pub(super) fn events(&self) -> Vec<String> {
        let notes = self.log().notes.iter();
        notes.map(|note| format!("{}  {}", clock(note.time, self.now), note.text)).collect()
    }
}

fn last_loss(watched: &Watched) -> f32 {
    watched.log().steps.last().map_or(f32::NAN, |step| step.loss)
}

fn errors(v: &Evaluation) -> String {
    format!("{:.2} %, top-5 {:.2} %", v.top1_error, v.top5_error)
}
