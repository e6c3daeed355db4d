//! The kernels of a network's first convolution as one picture, a PNG file.

use alexnet_data::Pixels;

use crate::kernels::Kernels;

/// A kernel is enlarged by a whole number to about so many pixels.
const SIDE: usize = 44;
/// White pixels between two kernels, and around all.
const GAP: usize = 4;
/// The most kernels in a row, as in the paper.
const COLUMNS: usize = 16;

/// The kernels of each tower in rows, the first tower's above.
pub(super) fn grid(kernels: &Kernels) -> Pixels {
    let ([height, width], towers) = (kernels.size, kernels.towers);
    let each = kernels.weights.len().div_ceil(towers).max(1);
    // Rows of equal length where that is possible: 24 kernels make two rows of 12.
    let rows = each.div_ceil(COLUMNS);
    let columns = each.div_ceil(rows);
    let scale = (SIDE / height.max(width).max(1)).max(1);
    let step = [height * scale + GAP, width * scale + GAP];
    let size = [towers * rows * step[0] + GAP, columns * step[1] + GAP];
    let mut data = vec![255; size[0] * size[1] * 3];
    for n in 0..kernels.weights.len() {
        let (tower, place) = (n / each, n % each);
        let y = GAP + (tower * rows + place / columns) * step[0];
        let x = GAP + place % columns * step[1];
        let picture = kernels.picture(n);
        for row in 0..height * scale {
            let at = ((y + row) * size[1] + x) * 3;
            let line = picture.data.chunks_exact(3).skip(row / scale * width).take(width);
            let line = line.flat_map(|pixel| std::iter::repeat_n(pixel, scale)).flatten();
            data[at..].iter_mut().zip(line).for_each(|(to, from)| *to = *from);
        }
    }
    Pixels::new(size[0], size[1], data)
}

/// A PNG file.
pub(super) fn png(pixels: &Pixels) -> Result<Vec<u8>, png::EncodingError> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, pixels.width as u32, pixels.height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels.data)?;
    writer.finish()?;
    Ok(file)
}
