//! The operations on NVIDIA cards: own kernels (`cuda/*.cu`), cuDNN for convolutions, cuBLASLt for dense layers.
//!
//! Each device has one stream, on which everything happens in order, and one [`handles::Handles`], with the libraries'
//! handles, their workspace and the algorithms chosen so far. Nothing here waits for the device but the measuring of
//! algorithms, once a shape. Between cards, streams wait for each other (`crossing.rs`).

mod blas;
mod card;
mod conv;
mod crossing;
mod cudnn;
mod dense;
mod facts;
mod gradients;
mod handles;
mod norms;
mod open;
mod parameters;
mod places;
mod plain;

pub(crate) use conv::{ConvSize, conv_backward_data, conv_forward};
pub(crate) use crossing::{reach, send_all, take_columns};
pub(crate) use dense::{linear_forward, linear_input_gradient};
pub(crate) use facts::{memory, model, peak_memory};
pub(crate) use gradients::{
    conv_parameter_gradients, linear_parameter_gradients, loss_and_gradient,
};
pub(crate) use norms::{
    lrn, lrn_backward, map_norm, map_norm_backward, max_pool, max_pool_backward,
};
pub(crate) use open::open;
pub(crate) use parameters::sgd;
pub(crate) use places::Places;
pub(crate) use plain::{
    dropout, input, input_aligned, mean_loss, relu, relu_backward, scaled, window_words,
};
