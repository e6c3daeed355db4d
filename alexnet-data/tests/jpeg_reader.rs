//! The reader from which JPEGs are decoded reads what the reader in zune-jpeg reads. It is private,
//! so its file is compiled into this test.

#[path = "../src/decode/jpeg/bytes.rs"]
mod bytes;

use bytes::Bytes;
use proptest::prelude::*;
use zune_jpeg::zune_core::bytestream::{ZByteReaderTrait, ZCursor, ZSeekFrom};

/// The result of one call and the bytes it filled; `None` where it failed.
fn call(reader: &mut impl ZByteReaderTrait, (what, n): (u8, i64)) -> Option<(u64, Vec<u8>)> {
    let mut buf = vec![0; n.unsigned_abs() as usize];
    let value = match what {
        0 => Some(u64::from(reader.read_byte_no_error())),
        1 => reader.read_exact_bytes(&mut buf).ok().map(|()| 0),
        2 => reader.read_bytes(&mut buf).ok().map(|n| n as u64),
        3 => reader.peek_bytes(&mut buf).ok().map(|n| n as u64),
        4 => reader.peek_exact_bytes(&mut buf).ok().map(|()| 0),
        5 => reader.z_seek(ZSeekFrom::Start(n.unsigned_abs())).ok(),
        6 => reader.z_seek(ZSeekFrom::End(n)).ok(),
        7 => reader.z_seek(ZSeekFrom::Current(n)).ok(),
        8 => reader.is_eof().ok().map(u64::from),
        _ => reader.z_position().ok(),
    };
    value.map(|value| (value, buf))
}

proptest! {
    /// Any sequence of calls gives the results of the reader in zune-jpeg.
    #[test]
    fn as_the_library_reads(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        calls in prop::collection::vec((0u8..10, -20i64..20), 0..60),
    ) {
        let (mut ours, mut theirs) = (Bytes::new(&bytes), ZCursor::new(&bytes));
        for c in calls {
            prop_assert_eq!(call(&mut ours, c), call(&mut theirs, c), "{:?}", c);
            prop_assert_eq!(ours.z_position().ok(), theirs.z_position().ok(), "after {:?}", c);
        }
        let (mut a, mut b) = (Vec::new(), Vec::new());
        let _ = (ours.z_seek(ZSeekFrom::Start(3)), theirs.z_seek(ZSeekFrom::Start(3)));
        if ours.read_remaining(&mut a).is_ok() && theirs.read_remaining(&mut b).is_ok() {
            prop_assert_eq!(a, b);
        }
    }
}
