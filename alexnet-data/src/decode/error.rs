//! Why an image file cannot be used.

/// A result of decoding.
pub(super) type Result<T, E = DecodeError> = std::result::Result<T, E>;

/// Why the bytes of one image file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file is no image, whatever its name says.
    #[error("no image that this program knows: starts with {start}")]
    Format {
        /// The first bytes, in hexadecimal.
        start: String,
    },
    /// The file is an image of a kind that is not decoded here.
    #[error("{kind}, which this program does not decode: convert it to PNG or an ordinary JPEG")]
    Unsupported {
        /// The name of the kind: `HEIC`, `a lossless JPEG`.
        kind: &'static str,
    },
    /// The header claims more pixels than the limit, by default [`MAX_PIXELS`](crate::MAX_PIXELS).
    #[error("{height}×{width} pixels, more than the limit of {limit}: raise max-pixels for it")]
    TooLarge {
        /// Rows the header claims.
        height: usize,
        /// Columns the header claims.
        width: usize,
        /// The limit in pixels.
        limit: usize,
    },
    /// A JPEG has more scans than any useful picture.
    #[error("{scans} scans, more than the limit of {limit}")]
    Scans {
        /// Its scans.
        scans: usize,
        /// The limit.
        limit: usize,
    },
    /// Decoding takes more memory, or more work, than [`MAX_PIXELS`](crate::MAX_PIXELS) allows.
    #[error("{needed} {what}, more than the limit of {limit}: raise max-pixels for it")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// How much of it decoding needs.
        needed: usize,
        /// The limit.
        limit: usize,
    },
    /// The file ends before the image does.
    #[error("truncated: the file ends before the picture does")]
    Truncated,
    /// The decoder cannot read the file.
    #[error("{reason}")]
    Broken {
        /// The decoder's own reason, on one line.
        reason: String,
    },
    /// The requested size is 0 or larger than any stored image.
    #[error("the requested side of images is {size}: expected 1 to {limit}")]
    Size {
        /// The requested size.
        size: usize,
        /// The largest size.
        limit: usize,
    },
}

impl DecodeError {
    /// The decoder cannot read the file, for this reason.
    pub(super) fn broken(reason: impl std::fmt::Display) -> Self {
        Self::Broken { reason: one_line(&reason.to_string()) }
    }
}

/// The text on one line and without quotes around it; messages of decoders have both.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").trim_matches('"').into()
}
