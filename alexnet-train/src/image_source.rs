//! An image that is to be looked at: where it is, or what it is.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Read, Stdin};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use alexnet_data::{Decoder, Pixels};

use crate::error::Error;

/// The bytes of the largest image file that is read: a device as `/dev/zero` has no end.
const LARGEST: u64 = 1 << 30;

/// An image that is to be looked at: a file, or bytes that have a name only.
#[derive(Debug, Clone)]
pub struct ImageSource {
    path: PathBuf,
    bytes: Option<Arc<[u8]>>, // where it is no file
}

impl From<PathBuf> for ImageSource {
    fn from(path: PathBuf) -> Self {
        Self { path, bytes: None }
    }
}

impl ImageSource {
    /// The image whose bytes are all that comes from standard input. Its path is `-`.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where there are none, or more than any image has.
    pub fn stdin(stdin: &Stdin) -> Result<Self, Error> {
        let path = PathBuf::from("standard input");
        let bytes = read(stdin.lock(), &path)?;
        if bytes.is_empty() {
            let empty = std::io::Error::other("it is empty; expected the bytes of an image");
            return Err(Error::io(path)(empty));
        }
        Ok(Self { path: PathBuf::from("-"), bytes: Some(bytes.into()) })
    }

    /// Where it is; the name of an image that is no file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] for a file that cannot be read, or with more bytes than any image has.
    pub fn bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        match &self.bytes {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => {
                let file = File::open(&self.path).map_err(Error::io(&self.path))?;
                Ok(Cow::Owned(read(file, &self.path)?))
            }
        }
    }

    /// Its pixels, as `decoder` makes them.
    ///
    /// # Errors
    ///
    /// As [`bytes`](Self::bytes); [`Error::Image`] for what cannot be decoded.
    pub fn decode(&self, decoder: &mut Decoder) -> Result<Pixels, Error> {
        let decoded = decoder.decode(&self.bytes()?);
        decoded.map_err(|source| Error::Image { path: self.path.clone(), source })
    }
}

/// All that comes, if it is not too much.
fn read(from: impl Read, path: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    from.take(LARGEST + 1).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 > LARGEST {
        let reason = format!("more than {LARGEST} bytes, which no image has");
        return Err(Error::io(path)(std::io::Error::other(reason)));
    }
    Ok(bytes)
}
