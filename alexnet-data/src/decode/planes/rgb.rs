//! Y, Cb, Cr to RGB, in whole numbers: the same bits on every machine.
//!
//! ```text
//!  R = Y + 1.402·(Cr − 128)
//!  G = Y − 0.344136·(Cb − 128) − 0.714136·(Cr − 128)
//!  B = Y + 1.772·(Cb − 128)                            JFIF 1.02, clamped to 0–255
//! ```

/// Rows of `width` values of Y, and of Cb and Cr where `shared` (1 or 2) columns have one value, to rows
/// of R, G, B and a byte that means nothing: four bytes a pixel are what vector units move well.
pub(super) fn convert(y: &[u8], [cb, cr]: [&[u8]; 2], width: usize, shared: usize, out: &mut [u8]) {
    let narrow = width.div_ceil(shared);
    let (mut wide_cb, mut wide_cr) = (vec![0; narrow * shared], vec![0; narrow * shared]);
    let colours = cb.chunks_exact(narrow).zip(cr.chunks_exact(narrow));
    let rows = out.chunks_exact_mut(width * 4).zip(y.chunks_exact(width)).zip(colours);
    pulp::Arch::new().dispatch(
        // What is not inlined is compiled without the vector instructions that are chosen here. Only a
        // closure that can be called once, because it uses up `rows`, is what is called: there is a
        // function around any other.
        #[inline(always)]
        move || {
            for ((out, y), (mut cb, mut cr)) in rows {
                if shared == 2 {
                    double(cb, &mut wide_cb);
                    double(cr, &mut wide_cr);
                    (cb, cr) = (&wide_cb, &wide_cr);
                }
                let out = out.as_chunks_mut().0.iter_mut();
                for (((pixel, &y), &cb), &cr) in out.zip(y).zip(cb).zip(cr) {
                    *pixel = colour(y, cb, cr);
                }
            }
        },
    );
}

/// Twice as many columns, each three parts of the value it lies in and one of the nearer neighbour.
#[inline(always)]
fn double(row: &[u8], out: &mut [u8]) {
    let (Some(&first), Some(&last)) = (row.first(), row.last()) else { return };
    let mix =
        |near: u8, far: u8, half: u16| ((3 * u16::from(near) + u16::from(far) + half) >> 2) as u8;
    // Between two values lie two columns. They round in different directions, so that nothing drifts.
    for (pair, two) in out[1..].as_chunks_mut::<2>().0.iter_mut().zip(row.windows(2)) {
        *pair = [mix(two[0], two[1], 2), mix(two[1], two[0], 1)];
    }
    out[0] = first;
    out[row.len() * 2 - 1] = last;
}

/// The bytes that mean something.
pub(super) fn pack(pixels: &[u8]) -> Vec<u8> {
    let mut out = vec![0; pixels.len() / 4 * 3];
    for (to, from) in out.chunks_exact_mut(12).zip(pixels.chunks_exact(16)) {
        to[0..3].copy_from_slice(&from[0..3]);
        to[3..6].copy_from_slice(&from[4..7]);
        to[6..9].copy_from_slice(&from[8..11]);
        to[9..12].copy_from_slice(&from[12..15]);
    }
    let done = pixels.len() / 16;
    let rest = pixels[done * 16..].chunks_exact(4);
    for (to, from) in out[done * 12..].chunks_exact_mut(3).zip(rest) {
        to.copy_from_slice(&from[..3]);
    }
    out
}

/// The formula in 1/128, which fits 16 bits.
#[inline(always)]
fn colour(y: u8, cb: u8, cr: u8) -> [u8; 4] {
    /// `v` times a constant of −½ to ½ (in 1/32768), in 1/128.
    #[inline(always)]
    fn times(v: i16, constant: i16) -> i16 {
        ((i32::from(v << 8) * i32::from(constant)) >> 16) as i16
    }
    let round = |v: i16| (v + 64) >> 7;
    let (y, cb, cr) = (i16::from(y), i16::from(cb) - 128, i16::from(cr) - 128);
    let red = y + cr + round(times(cr, 13_173)); // 1.402 = 1 + 0.402
    let green = y - cr + round(times(cr, 9_367) - times(cb, 11_277)); // −0.714136 = −1 + 0.285864
    let blue = y + 2 * cb - round(times(cb, 7_471)); // 1.772 = 2 − 0.228
    [red, green, blue, 0].map(|v| v.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every colour is within the rounding of the formula.
    #[test]
    fn colours() {
        let all = || (0..=255u8).step_by(5);
        let all = all().flat_map(|y| all().flat_map(move |cb| all().map(move |cr| (y, cb, cr))));
        for (y, cb, cr) in all {
            let [v, b, r] = [f64::from(y), f64::from(cb) - 128.0, f64::from(cr) - 128.0];
            let want = [v + 1.402 * r, v - 0.344_136 * b - 0.714_136 * r, v + 1.772 * b];
            for (got, want) in colour(y, cb, cr).into_iter().zip(want) {
                let (got, want) = (f64::from(got), want.clamp(0.0, 255.0));
                assert!((got - want).abs() < 0.53, "{y} {cb} {cr}: {got}, want {want}");
            }
        }
    }

    /// By hand, of odd and even widths: between 10 and 20 lie 12.5 and 17.5, rounded up and down.
    #[test]
    fn columns_are_doubled() {
        for (row, want) in [(&[9][..], &[9, 9][..]), (&[10, 20], &[10, 13, 17, 20])] {
            let mut out = vec![0; row.len() * 2];
            double(row, &mut out);
            assert_eq!(out, want);
        }
        let mut grey = [0; 24];
        convert(&[7, 8, 9, 1, 2, 3], [&[128; 4], &[128; 4]], 3, 2, &mut grey);
        assert_eq!(pack(&grey), [7, 7, 7, 8, 8, 8, 9, 9, 9, 1, 1, 1, 2, 2, 2, 3, 3, 3]);
    }
}
