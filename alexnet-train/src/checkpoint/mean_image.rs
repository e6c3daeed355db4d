//! A mean image as text, for files that have no place for it among their tensors.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use candle_core::{Device, Result, Tensor, bail};

/// The image `(H, W, 3)` in f32: base64 of its values, row-major and little-endian, or of the three
/// of one pixel where all are equal.
pub(crate) fn to_text(image: &Tensor) -> Result<String> {
    let values: Vec<f32> = image.flatten_all()?.to_vec1()?;
    let Some(first) = values.get(..3) else { bail!("a mean image of no pixels") };
    let bits = |pixel: &[f32]| pixel.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let one_colour = values.chunks(3).all(|pixel| bits(pixel) == bits(first));
    let values = if one_colour { first } else { &values };
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    Ok(STANDARD.encode(bytes))
}

/// The image of height and width `size` that a text says.
///
/// # Errors
///
/// Text that is no base64, or of another size.
#[allow(dead_code)] // until files of other programs are read
pub(crate) fn from_text(text: &str, [height, width]: [usize; 2]) -> Result<Tensor> {
    let bytes = STANDARD.decode(text).map_err(candle_core::Error::wrap)?;
    let values: Vec<f32> =
        bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let pixels = height.saturating_mul(width);
    let of = match bytes.len() {
        12 => values.repeat(pixels),
        _ if bytes.len() / 12 == pixels && bytes.len() % 12 == 0 => values,
        got => bail!("a mean image of {got} bytes, but images are {height}x{width}"),
    };
    Tensor::from_vec(of, (height, width, 3), &Device::Cpu)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bits_come_back() {
        let values: Vec<f32> = (0..2 * 5 * 3).map(|n| 100.0 + n as f32 / 7.0).collect();
        for (values, length) in [(values.clone(), 160), (values[..3].repeat(10), 16)] {
            let image = Tensor::from_vec(values.clone(), (2, 5, 3), &Device::Cpu).unwrap();
            let text = to_text(&image).unwrap();
            assert_eq!(text.len(), length);
            let back = from_text(&text, [2, 5]).unwrap();
            assert_eq!(back.flatten_all().unwrap().to_vec1::<f32>().unwrap(), values);
        }
    }

    #[test]
    fn another_size_is_refused() {
        let image = Tensor::arange(0f32, 30.0, &Device::Cpu).unwrap().reshape((2, 5, 3)).unwrap();
        let text = to_text(&image).unwrap();
        for (text, size) in
            [(&text[..], [5, 5]), (&text[..156], [2, 5]), ("?", [2, 5]), ("", [2, 5])]
        {
            assert!(from_text(text, size).is_err(), "{text} {size:?}");
        }
    }
}
