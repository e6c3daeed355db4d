//! Local layers on the CPU: a GEMM over the batch for each place of the window.
//!
//! The windows of one place, (B, kernel·kernel·C), are copied from the images, as im2col would do
//! for that place alone; its weights are read where they lie. What a place computes, (B, O), is
//! written place after place and then moved to the images.

use candle_core::Result;
use rayon::prelude::*;

use super::launch::LocalSize;
use crate::cpu::elementwise::zero_part_where_not_positive;
use crate::cpu::gemm::{Matrix, gemm};
use crate::cpu::scratch::{Scratch, with_scratch};
use crate::cpu::simd::vectorized;
use crate::ops::activation::function::relu;

impl LocalSize {
    /// `y` of `x`, weights and bias.
    pub(super) fn forward(
        &self,
        [x, w, bias]: [&[f32]; 3],
        with_relu: bool,
        y: &mut [f32],
    ) -> Result<()> {
        let (batch, filters, window) = (self.batch, self.filters, self.window());
        // SAFETY: the GEMMs write all of it.
        let mut products = unsafe { Scratch::uninit(y.len())? }; // (H'·W', B, O)
        let places = products.par_chunks_mut(batch * filters).zip(w.par_chunks(filters * window));
        places.enumerate().for_each(|(place, (product, w))| {
            with_scratch(batch * window, |windows| {
                self.copy_windows(place, x, windows);
                let w = Matrix::row_major(w, filters, window).transposed();
                gemm(product, filters, Matrix::row_major(windows, batch, window), w);
            });
        });
        y.par_chunks_mut(self.places() * filters).enumerate().for_each(|(image, y)| {
            vectorized!({
                gather(&products, (image, batch), filters, y);
                for (y, bias) in y.iter_mut().zip(bias) {
                    *y += bias;
                }
                if with_relu {
                    for y in y {
                        *y = relu(*y);
                    }
                }
            });
        });
        Ok(())
    }

    /// `dx` of `dy` and weights, and where there is an `x`, 0 where that is not above 0.
    ///
    /// The gradient of an input pixel is a GEMM over the places whose windows have it: their `dy`,
    /// (B, places·O), and their weights for it, (places·O, C).
    pub(super) fn input_gradient(
        &self,
        dy: &[f32],
        w: &[f32],
        x: Option<&[f32]>,
        dx: &mut [f32],
    ) -> Result<()> {
        let (batch, channels, filters) = (self.batch, self.channels, self.filters);
        let image = self.places() * filters;
        // SAFETY: the loop below writes all of it.
        let mut products = unsafe { Scratch::uninit(dx.len())? }; // (H·W, B, C)
        products.par_chunks_mut(batch * channels).enumerate().for_each(|(pixel, product)| {
            let seen = self.windows_over(pixel);
            let terms = seen.len() * filters;
            if terms == 0 {
                return product.fill(0.0); // a stride larger than the kernel leaves pixels out
            }
            with_scratch(terms * (batch + channels), |scratch| {
                let (dys, weights) = scratch.split_at_mut(terms * batch);
                for (dys, dy) in dys.chunks_exact_mut(terms).zip(dy.chunks_exact(image)) {
                    for (dys, (place, _)) in dys.chunks_exact_mut(filters).zip(&seen) {
                        dys.copy_from_slice(&dy[place * filters..][..filters]);
                    }
                }
                for (weights, (place, tap)) in
                    weights.chunks_exact_mut(filters * channels).zip(&seen)
                {
                    let rows = w[place * filters * self.window()..].chunks_exact(self.window());
                    for (weights, row) in weights.chunks_exact_mut(channels).zip(rows) {
                        weights.copy_from_slice(&row[tap * channels..][..channels]);
                    }
                }
                let weights = Matrix::row_major(weights, terms, channels);
                gemm(product, channels, Matrix::row_major(dys, batch, terms), weights);
            });
        });
        let length = self.input.0 * self.input.1 * channels;
        dx.par_chunks_mut(length).enumerate().for_each(|(image, dx)| {
            vectorized!({
                gather(&products, (image, batch), channels, dx);
                if let Some(x) = x {
                    zero_part_where_not_positive(&x[image * length..], dx);
                }
            });
        });
        Ok(())
    }

    /// `dw` of `x` and `dy`.
    pub(super) fn weight_gradient(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let (batch, filters, window) = (self.batch, self.filters, self.window());
        let image = self.places() * filters;
        dw.par_chunks_mut(filters * window).enumerate().for_each(|(place, dw)| {
            with_scratch(batch * window, |windows| {
                self.copy_windows(place, x, windows);
                let dy = Matrix::new(&dy[place * filters..], (batch, filters), (image, 1));
                gemm(dw, window, dy.transposed(), Matrix::row_major(windows, batch, window));
            });
        });
    }

    /// The window of each image at one place: (B, kernel·kernel·C), 0 outside the map.
    fn copy_windows(&self, place: usize, x: &[f32], windows: &mut [f32]) {
        let ((h, w), c, row_floats) = (self.input, self.channels, self.kernel * self.channels);
        let [top, left] = [place / self.output.1, place % self.output.1].map(|at| at * self.stride);
        // The columns of the window that are inside the map, which are some because the padding is
        // smaller than the kernel, and the map's column of the first of them.
        let columns = self.inside(left, w);
        let first = left + columns.start - self.padding;
        let images = windows.chunks_exact_mut(self.window()).zip(x.chunks_exact(h * w * c));
        for (window, x) in images {
            for (i, row) in window.chunks_exact_mut(row_floats).enumerate() {
                if !self.inside(top, h).contains(&i) {
                    row.fill(0.0);
                    continue;
                }
                let pixel = (top + i - self.padding) * w + first;
                let (start, end) = (columns.start * c, columns.end * c);
                row[..start].fill(0.0);
                row[start..end].copy_from_slice(&x[pixel * c..][..end - start]);
                row[end..].fill(0.0);
            }
        }
    }

    /// The rows or columns of a window that begins at `start`, counted with the padding, that are
    /// inside a map of this length.
    fn inside(&self, start: usize, length: usize) -> std::ops::Range<usize> {
        let first = self.padding.saturating_sub(start).min(self.kernel);
        let end = (length + self.padding).saturating_sub(start).min(self.kernel);
        first..end.max(first)
    }

    /// The places whose windows have a pixel of the input, each with the pixel's number in them.
    fn windows_over(&self, pixel: usize) -> Vec<(usize, usize)> {
        let along = |at: usize, count: usize| {
            let taps = (0..self.kernel).rev(); // so that places come in their order
            taps.filter_map(move |tap| {
                let start = (at + self.padding).checked_sub(tap)?;
                let place = start / self.stride;
                (start.is_multiple_of(self.stride) && place < count).then_some((place, tap))
            })
        };
        let (row, column) = (pixel / self.input.1, pixel % self.input.1);
        let rows = along(row, self.output.0);
        let both = rows.flat_map(|(place_h, i)| {
            along(column, self.output.1)
                .map(move |(place_w, j)| (place_h * self.output.1 + place_w, i * self.kernel + j))
        });
        both.collect()
    }
}

/// One image's values of those that lie pixel after pixel, each with all images' `channels`.
#[inline(always)]
fn gather(products: &[f32], (image, batch): (usize, usize), channels: usize, to: &mut [f32]) {
    for (pixel, to) in to.chunks_exact_mut(channels).enumerate() {
        to.copy_from_slice(&products[(pixel * batch + image) * channels..][..channels]);
    }
}
