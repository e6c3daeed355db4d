//! Error rates by the paper's protocol: probabilities are averaged over views, and ties are shared.

pub(crate) mod check;
pub(crate) mod confusions;
pub(crate) mod ensemble;
pub(crate) mod pass;
pub(crate) mod probabilities;
pub(crate) mod saved;
pub(crate) mod saved_header;
pub(crate) mod score;

use alexnet_data::{Split, Views};
use alexnet_model::Network;

use self::ensemble::Ensemble;
use self::pass::Member;
use self::score::{Evaluation, Tops, Totals};
use crate::error::Error;
use crate::input::InputStage;

/// Evaluates each member of an ensemble, networks before files, and all of them together, on
/// `split` with these views of each image. `progress` is called with the number of images so far.
///
/// # Errors
///
/// As [`Ensemble::predict`].
pub fn evaluate_ensemble(
    ensemble: &mut Ensemble<'_>,
    split: &Split,
    views: Views,
    loader_threads: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<(Vec<Evaluation>, Evaluation), Error> {
    let tops = Tops::new(&[]);
    let networks = ensemble.networks.iter().map(|member| member.views(split, views));
    let mut views_of = networks.collect::<Result<Vec<_>, _>>()?;
    views_of.extend(ensemble.saved.iter().map(|file| file.info().views()));
    let mut alone = vec![Totals::new(&tops); views_of.len()];
    let mut together = Totals::new(&tops);
    ensemble.predict(split, views, loader_threads, &mut |predictions| {
        for (totals, probabilities) in alone.iter_mut().zip(predictions.members) {
            predictions.scores_of(probabilities, &tops).iter().for_each(|score| totals.add(score));
        }
        predictions.scores(&tops).iter().for_each(|score| together.add(score));
        progress(predictions.records.end);
        Ok(())
    })?;
    let most = views_of.iter().max().copied().unwrap_or_default();
    let alone = alone.iter().zip(views_of).map(|(totals, views)| totals.evaluation(views));
    Ok((alone.collect(), together.evaluation(most)))
}

/// Evaluates `network` on `split` with these views of each image. `inputs` are for the device of
/// each of its towers. `progress` is called with the number of images so far.
///
/// # Errors
///
/// A record that cannot be read; images smaller than the network's crops; [`Error::Outputs`] for a
/// network that has diverged.
pub fn evaluate(
    network: &Network,
    split: &Split,
    inputs: &[InputStage],
    views: Views,
    loader_threads: usize,
    progress: &mut dyn FnMut(usize),
) -> Result<Evaluation, Error> {
    evaluate_until(network, split, inputs, views, loader_threads, &mut |images| {
        progress(images);
        Ok(())
    })
}

/// The same, until `progress` gives an error.
pub(crate) fn evaluate_until(
    network: &Network,
    split: &Split,
    inputs: &[InputStage],
    views: Views,
    loader_threads: usize,
    progress: &mut dyn FnMut(usize) -> Result<(), Error>,
) -> Result<Evaluation, Error> {
    let member = Member { network, inputs };
    let tops = Tops::new(&[]);
    let mut totals = Totals::new(&tops);
    let mut ensemble = Ensemble { networks: vec![member], saved: Vec::new() };
    ensemble.predict(split, views, loader_threads, &mut |predictions| {
        predictions.scores(&tops).iter().for_each(|score| totals.add(score));
        progress(predictions.records.end)
    })?;
    Ok(totals.evaluation(member.views(split, views)?))
}
