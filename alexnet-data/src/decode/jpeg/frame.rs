//! A JPEG's frame: its size, its components and their sampling, and what their colours are.

use super::super::error::{DecodeError, Result};

/// What the frame header of a JPEG says.
pub(super) struct Frame {
    /// The marker of the header: c0 or c1 for a sequential JPEG, c2 for a progressive one.
    pub(super) marker: u8,
    /// Rows; 0 until a DNL segment after the first scan says it.
    pub(super) height: usize,
    /// Columns.
    pub(super) width: usize,
    pub(super) components: Vec<Component>,
}

/// One component: luma, a chroma, a colour.
pub(super) struct Component {
    /// The name by which scans refer to it.
    pub(super) id: u8,
    /// Blocks of 8 × 8 samples in a unit: across and down.
    pub(super) h: usize,
    pub(super) v: usize,
    /// The number of its quantization table.
    pub(super) table: u8,
}

impl Frame {
    /// Reads the segment after `marker`, which begins a frame of any kind.
    pub(super) fn parse(marker: u8, content: &[u8]) -> Result<Self> {
        let kind = match marker {
            0xc0..=0xc2 => None,
            0xc3 => Some("a lossless JPEG"),
            0xc9 | 0xca => Some("an arithmetic-coded JPEG"),
            0xcb => Some("a lossless, arithmetic-coded JPEG"),
            0xf7 => Some("JPEG-LS"),
            _ => Some("a hierarchical JPEG"),
        };
        if let Some(kind) = kind {
            return Err(DecodeError::Unsupported { kind });
        }
        let bad = || DecodeError::broken("its frame header is not valid");
        let (&[bits, h1, h0, w1, w0, count], rest) = content.split_first_chunk().ok_or_else(bad)?;
        match bits {
            8 => {}
            12 => return Err(DecodeError::Unsupported { kind: "a JPEG of 12 bits a sample" }),
            _ => return Err(DecodeError::broken(format_args!("{bits} bits a sample"))),
        }
        if rest.len() != usize::from(count) * 3 {
            return Err(bad());
        }
        if ![1, 3, 4].contains(&count) {
            let reason = format_args!("{count} components: expected 1, 3 or 4, which are colours");
            return Err(DecodeError::broken(reason));
        }
        let component = |c: &[u8]| {
            let [h, v] = [c[1] >> 4, c[1] & 0x0f].map(usize::from);
            Component { id: c[0], h, v, table: c[2] }
        };
        let height = usize::from(u16::from_be_bytes([h1, h0]));
        let width = usize::from(u16::from_be_bytes([w1, w0]));
        let components: Vec<_> = rest.chunks(3).map(component).collect();
        let frame = Self { marker, height, width, components };
        frame.check_sampling()?;
        Ok(frame)
    }

    fn check_sampling(&self) -> Result<()> {
        for Component { h, v, .. } in &self.components {
            if !(1..=4).contains(h) || !(1..=4).contains(v) {
                return Err(DecodeError::broken(format_args!("sampling factors {h}×{v}")));
            }
        }
        let (most_h, most_v) = self.most();
        let fraction = |c: &&Component| most_h % c.h != 0 || most_v % c.v != 0;
        if let Some(Component { h, v, .. }) = self.components.iter().find(fraction) {
            let reason = format!(
                "its components are sampled {most_h}×{most_v} and {h}×{v}, which are no multiples"
            );
            return Err(DecodeError::broken(reason));
        }
        Ok(())
    }

    pub(super) fn is_progressive(&self) -> bool {
        self.marker == 0xc2
    }

    /// The largest sampling factors, across and down.
    pub(super) fn most(&self) -> (usize, usize) {
        self.components.iter().fold((1, 1), |(h, v), c| (h.max(c.h), v.max(c.v)))
    }

    /// The rows and columns of units: blocks of all components that cover the same pixels.
    pub(super) fn units(&self) -> [usize; 2] {
        let (h, v) = self.most();
        [self.height.div_ceil(8 * v), self.width.div_ceil(8 * h)]
    }

    /// The rows and columns of a component's blocks that are in a scan of it alone.
    pub(super) fn blocks(&self, component: &Component) -> [usize; 2] {
        let (h, v) = self.most();
        let blocks = |side: usize, own: usize, most: usize| (side * own).div_ceil(8 * most);
        [blocks(self.height, component.v, v), blocks(self.width, component.h, h)]
    }

    /// The number of a component's blocks in whole units.
    pub(super) fn blocks_in_units(&self, component: &Component) -> usize {
        self.units().iter().product::<usize>() * component.h * component.v
    }
}

/// What the components of a JPEG are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Colours {
    Grey,
    Rgb,
    YCbCr,
    Cmyk,
    Ycck,
}

impl Colours {
    /// Decides as libjpeg does, which nearly every other program uses: a JFIF marker comes before
    /// Adobe's colour transform, and that before the names of the components.
    pub(super) fn of(components: &[Component], jfif: bool, adobe: Option<u8>) -> Self {
        let ids: Vec<_> = components.iter().map(|c| c.id).collect();
        match (components.len(), adobe) {
            (1, _) => Self::Grey,
            (4, None | Some(0)) => Self::Cmyk,
            (4, _) => Self::Ycck,
            _ if jfif => Self::YCbCr,
            (_, Some(0)) => Self::Rgb,
            (_, None) if ids == *b"RGB" => Self::Rgb,
            _ => Self::YCbCr,
        }
    }

    /// The colour transform by which Adobe's marker says the same; grey has none.
    pub(super) fn adobe(self) -> Option<u8> {
        match self {
            Self::Grey => None,
            Self::Rgb | Self::Cmyk => Some(0),
            Self::YCbCr => Some(1),
            Self::Ycck => Some(2),
        }
    }
}
