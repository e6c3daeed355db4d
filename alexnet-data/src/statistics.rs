//! The mean image, channel means and colour covariance of a set of images.
//!
//! All sums are integers and therefore exact: neither the order of the images nor the number of
//! threads changes a bit of the result.

use crate::eigen::symmetric_eigen;
use serde::{Deserialize, Serialize};

/// Statistics of the **train** split, of pixel values from 0 to 255: training subtracts the mean
/// and draws colour noise along the eigenvectors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statistics {
    /// The number of images.
    pub images: u64,
    /// Mean of each channel over all pixels of all images: R, G, B.
    pub channel_mean: [f64; 3],
    /// Covariance of the channels over all pixels of all images (divided by the number of pixels).
    pub covariance: [[f64; 3]; 3],
    /// Eigenvalues of the covariance, descending.
    pub eigenvalues: [f64; 3],
    /// Eigenvectors of the covariance: row `i` is the unit vector (R, G, B) for eigenvalue `i`; its
    /// first non-zero component is positive.
    pub eigenvectors: [[f64; 3]; 3],
    /// The mean image, height × width × 3, rows first, channels last. The manifest has it as base64
    /// of little-endian f32.
    #[serde(with = "f32_base64")]
    pub mean_image: Vec<f32>,
}

impl Statistics {
    /// Whether no number is infinite or NaN.
    pub(crate) fn is_finite(&self) -> bool {
        let small = self.channel_mean.iter().chain(&self.eigenvalues);
        let square = self.covariance.iter().chain(&self.eigenvectors).flatten();
        small.chain(square).all(|v| v.is_finite()) && self.mean_image.iter().all(|v| v.is_finite())
    }
}

/// How many bytes can be summed in 16 bits.
const RECENT: u64 = u16::MAX as u64 / u8::MAX as u64;

/// Integer sums over images; two can be merged in any order.
#[derive(Debug, Clone)]
pub(crate) struct Sums {
    images: u64,
    /// One sum for each value of an image, without those in `recent`. 2⁵⁶ images fit.
    values: Vec<u64>,
    /// The sums over the last images, at most [`RECENT`] of them. An image adds to these alone,
    /// which are a quarter of the memory: six times as fast as adding to `values`.
    recent: Vec<u16>,
    /// Sums of R·R, R·G, R·B, G·G, G·B, B·B over all pixels.
    products: [u128; 6],
}

impl Sums {
    /// For images of `values` = height × width × 3 bytes.
    pub(crate) fn new(values: usize) -> Self {
        Self { images: 0, values: vec![0; values], recent: vec![0; values], products: [0; 6] }
    }

    /// Adds one image of the length given to `new`.
    pub(crate) fn add(&mut self, image: &[u8]) {
        self.images += 1;
        for (sum, &v) in self.recent.iter_mut().zip(image) {
            *sum += u16::from(v);
        }
        if self.images.is_multiple_of(RECENT) {
            self.values = self.sums().collect();
            self.recent.fill(0);
        }
        // 32-bit lanes are fast, and a block of 65,536 pixels (256 × 256) cannot overflow them.
        for block in image.chunks(3 << 16) {
            let mut sums = [0u32; 6];
            for p in block.chunks_exact(3) {
                let [r, g, b] = [p[0], p[1], p[2]].map(u32::from);
                for (sum, v) in sums.iter_mut().zip([r * r, r * g, r * b, g * g, g * b, b * b]) {
                    *sum += v;
                }
            }
            for (product, sum) in self.products.iter_mut().zip(sums) {
                *product += u128::from(sum);
            }
        }
    }

    /// The sum of each value.
    fn sums(&self) -> impl Iterator<Item = u64> {
        self.values.iter().zip(&self.recent).map(|(&sum, &recent)| sum + u64::from(recent))
    }

    /// Adds the images of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.images += other.images;
        self.values = self.sums().zip(other.sums()).map(|(a, b)| a + b).collect();
        self.recent.fill(0);
        self.products.iter_mut().zip(&other.products).for_each(|(a, b)| *a += b);
    }

    /// The bytes for a file: the number of images, the products, and each sum in 32 bits, which are
    /// enough for 2²⁴ images.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.images.to_le_bytes().to_vec();
        bytes.extend(self.products.iter().flat_map(|p| p.to_le_bytes()));
        bytes.extend(self.sums().flat_map(|v| (v as u32).to_le_bytes()));
        bytes
    }

    /// Reads the bytes of [`Sums::to_bytes`]; `None` for any others.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (images, rest) = bytes.split_first_chunk::<8>()?;
        let (products, rest) = rest.split_at_checked(6 * 16)?;
        let mut sums = Self::new(0);
        sums.images = u64::from_le_bytes(*images);
        for (sum, bytes) in sums.products.iter_mut().zip(products.as_chunks::<16>().0) {
            *sum = u128::from_le_bytes(*bytes);
        }
        let (values, rest) = rest.as_chunks::<4>();
        sums.values = values.iter().map(|&v| u32::from_le_bytes(v).into()).collect();
        sums.recent = vec![0; sums.values.len()];
        rest.is_empty().then_some(sums)
    }

    /// The statistics of the images so far; `None` before the first.
    pub(crate) fn finish(&self) -> Option<Statistics> {
        let pixels = u128::from(self.images) * (self.values.len() / 3) as u128;
        if pixels == 0 {
            return None;
        }
        let mut sums = [0u128; 3];
        let values: Vec<_> = self.sums().collect();
        for pixel in values.chunks_exact(3) {
            sums.iter_mut().zip(pixel).for_each(|(s, &v)| *s += u128::from(v));
        }
        let n = pixels as f64;
        let covariance_of = |product: usize, a: usize, b: usize| {
            // Σab·n − Σa·Σb in integers, so that no digits cancel. It fits below 2⁵⁵ pixels, half a
            // million ImageNets; beyond, it wraps instead of panicking.
            let minuend = self.products[product].wrapping_mul(pixels);
            minuend.wrapping_sub(sums[a].wrapping_mul(sums[b])) as i128 as f64 / n / n
        };
        let place = [[0, 1, 2], [1, 3, 4], [2, 4, 5]];
        let covariance =
            [0, 1, 2].map(|a: usize| [0, 1, 2].map(|b: usize| covariance_of(place[a][b], a, b)));
        let (eigenvalues, eigenvectors) = symmetric_eigen(covariance);
        let images = self.images as f64;
        Some(Statistics {
            images: self.images,
            channel_mean: sums.map(|s| s as f64 / n),
            covariance,
            eigenvalues,
            eigenvectors,
            mean_image: values.iter().map(|&v| (v as f64 / images) as f32).collect(),
        })
    }
}

/// A list of f32 as base64 of its little-endian bytes.
pub(crate) mod f32_base64 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(crate) fn serialize<S: Serializer>(values: &[f32], s: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<f32>, D::Error> {
        let bytes = STANDARD.decode(String::deserialize(d)?).map_err(D::Error::custom)?;
        let (quads, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(D::Error::custom("not a whole number of f32"));
        }
        Ok(quads.iter().map(|&q| f32::from_le_bytes(q)).collect())
    }
}
