//! ReLU, dropout, the input and the loss, from storage to storage.

use candle_core::{CudaStorage, Layout, Result, Tensor, bail};

use super::card::Card;
use super::conv::same;
use crate::launch::{self, Storage};
use crate::{DropoutKey, DropoutRows, Window};

/// `x → max(x, 0)`.
pub(crate) fn relu(x: &CudaStorage, l: &Layout) -> Result<CudaStorage> {
    let card = Card::of(x);
    let x = card.read("relu", x, l)?;
    card.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::relu(x.storage, [x.span, y])?])
    })
}

/// `(y, dy) → dy · factor` where `y` is above 0, else 0.
pub(crate) fn relu_backward(
    (y, y_l): (&CudaStorage, &Layout),
    (dy, dy_l): (&CudaStorage, &Layout),
    factor: f32,
) -> Result<CudaStorage> {
    let card = Card::of(y);
    let (y, dy) = (card.read("relu", y, y_l)?, card.read("relu", dy, dy_l)?);
    same("the gradient", y.storage, dy.storage)?;
    card.produce(y.storage, y_l.shape().elem_count(), |dx| {
        Ok(vec![launch::relu_backward(y.storage, [y.span, dy.span, dx], factor)?])
    })
}

/// `x → factor · x`.
pub(crate) fn scaled(x: &CudaStorage, l: &Layout, factor: f32) -> Result<CudaStorage> {
    let card = Card::of(x);
    let x = card.read("dropout", x, l)?;
    card.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::scaled(x.storage, [x.span, y], factor)?])
    })
}

/// Dropout in training; see [`launch::dropout`].
pub(crate) fn dropout(
    x: &CudaStorage,
    l: &Layout,
    (maps, rows): (Option<[usize; 2]>, DropoutRows),
    key: DropoutKey,
    constants: (f32, f32),
) -> Result<CudaStorage> {
    let card = Card::of(x);
    let x = card.read("dropout", x, l)?;
    card.produce(x.storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::dropout(x.storage, [x.span, y], (maps, rows), key, constants)?])
    })
}

/// Pixels (B, H, W, 3), a mean and shifts to activations, stored as `storage` says.
pub(crate) fn input(
    storage: Storage,
    (pixels, l): (&CudaStorage, &Layout),
    (mean, mean_l): (&CudaStorage, &Layout),
    (shift, shift_l): (&CudaStorage, &Layout),
    scale: [f32; 3],
) -> Result<CudaStorage> {
    let (_, h, w, c) = l.shape().dims4()?;
    let card = Card::of(pixels);
    let (pixels, _pixels) = card.read_as::<u8>("input", pixels, l)?;
    let (mean, _mean) = card.read_as::<f32>("input", mean, mean_l)?;
    let (shift, _shift) = card.read_as::<f32>("input", shift, shift_l)?;
    card.produce(storage, l.shape().elem_count(), |y| {
        Ok(vec![launch::input(storage, [pixels, mean, shift, y], h * w * c, scale)?])
    })
}

/// The same with the mean (H', W', 3) of whole images and a window for each crop, as (B, 3) u32.
pub(crate) fn input_aligned(
    storage: Storage,
    (pixels, l): (&CudaStorage, &Layout),
    (mean, mean_l): (&CudaStorage, &Layout),
    (shift, shift_l): (&CudaStorage, &Layout),
    windows: &Tensor,
    scale: [f32; 3],
) -> Result<CudaStorage> {
    let ((_, h, w, _), (_, columns, _)) = (l.shape().dims4()?, mean_l.shape().dims3()?);
    let card = Card::of(pixels);
    let (windows, windows_l) = windows.storage_and_layout();
    let candle_core::Storage::Cuda(windows) = &*windows else {
        bail!("input: the windows are not on the card")
    };
    let (windows, _windows) = card.read_as::<u32>("input", windows, windows_l)?;
    let (pixels, _pixels) = card.read_as::<u8>("input", pixels, l)?;
    let (mean, _mean) = card.read_as::<f32>("input", mean, mean_l)?;
    let (shift, _shift) = card.read_as::<f32>("input", shift, shift_l)?;
    card.produce(storage, l.shape().elem_count(), |y| {
        let spans = [pixels, mean, windows, shift, y];
        Ok(vec![launch::input_aligned(storage, spans, (h, w), columns, scale)?])
    })
}

/// Windows as the kernel reads them: top, left, whether it is mirrored.
pub(crate) fn window_words(windows: &[Window]) -> Result<Vec<u32>> {
    let word = |n: usize| match u32::try_from(n) {
        Ok(n) => Ok(n),
        Err(_) => bail!("input: a window at {n}"),
    };
    let mut words = Vec::with_capacity(3 * windows.len());
    for window in windows {
        words.extend([word(window.top)?, word(window.left)?, u32::from(window.flip)]);
    }
    Ok(words)
}

/// Logits (B, K) and labels (B) to losses (B) f32 and the gradient of the mean loss (B, K), stored as the logits are.
pub(crate) fn softmax_loss_and_gradient(
    (logits, l): (&CudaStorage, &Layout),
    (labels, labels_l): (&CudaStorage, &Layout),
) -> Result<(CudaStorage, CudaStorage)> {
    let (batch, classes) = l.shape().dims2()?;
    let card = Card::of(logits);
    let logits = card.read("softmax-cross-entropy", logits, l)?;
    let (labels, _labels) = card.read_as::<u32>("softmax-cross-entropy", labels, labels_l)?;
    let mut losses = card.fresh_as::<f32>(batch)?;
    let gradient = {
        let losses = card.write(&mut losses);
        card.produce(logits.storage, batch * classes, |gradient| {
            let spans = [logits.span, labels, losses.span];
            Ok(vec![launch::softmax(logits.storage, spans, Some(gradient), (batch, classes))?])
        })?
    };
    Ok((CudaStorage::wrap_cuda_slice(losses, card.device.clone()), gradient))
}

/// Logits and labels to the mean loss, one f32.
pub(crate) fn mean_loss(
    (logits, l): (&CudaStorage, &Layout),
    (labels, labels_l): (&CudaStorage, &Layout),
) -> Result<CudaStorage> {
    let (batch, classes) = l.shape().dims2()?;
    let card = Card::of(logits);
    let logits = card.read("softmax-cross-entropy", logits, l)?;
    let (labels, _labels) = card.read_as::<u32>("softmax-cross-entropy", labels, labels_l)?;
    let mut losses = card.fresh_as::<f32>(batch)?;
    let losses = card.write(&mut losses);
    card.produce(Storage::F32, 1, |mean| {
        let spans = [logits.span, labels, losses.span];
        Ok(vec![
            launch::softmax(logits.storage, spans, None, (batch, classes))?,
            launch::mean_loss([losses.span, mean], batch)?,
        ])
    })
}
