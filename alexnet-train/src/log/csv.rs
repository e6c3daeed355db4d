//! A run's numbers as CSV: a row for each step and one for each epoch, which leave each other's
//! columns empty.

use crate::log::event::Event;

/// The columns. `step` is the number of updates before the row's numbers were measured, over all
/// epochs; `waited` are seconds; errors are per cent.
pub(crate) const HEADER: &str = "epoch,step,loss,rate,images_per_second,waited,train_loss,\
                                 train_error,top1_error,top5_error\n";

/// The row of an event, if it has one, of a run with so many steps in an epoch.
pub(crate) fn row(event: &Event, steps_per_epoch: usize) -> Option<String> {
    match event {
        Event::Step { epoch, step, loss, rate, images, seconds, waited } => {
            let updates = epoch * steps_per_epoch + step;
            let speed = *images as f64 / seconds;
            Some(format!("{epoch},{updates},{loss},{rate},{speed:.1},{waited:.6},,,,\n"))
        }
        Event::Epoch { epoch, train_loss, train_error, rate, validation, .. } => {
            let updates = (epoch + 1) * steps_per_epoch;
            let [top1, top5] = validation.map_or_else(Default::default, |scores| {
                [scores.top1_error, scores.top5_error].map(|error| error.to_string())
            });
            Some(format!("{epoch},{updates},,{rate},,,{train_loss},{train_error},{top1},{top5}\n"))
        }
        _ => None,
    }
}
