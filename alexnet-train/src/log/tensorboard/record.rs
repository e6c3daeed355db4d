//! The records of an event file, which TensorFlow calls TFRecord: the length of the data in eight
//! bytes, the masked CRC-32C of these, the data, and the masked CRC-32C of it; all little-endian.

use std::io::{self, BufRead, Read};

use crc::{CRC_32_ISCSI, Crc, Table};
use prost::Message;

use crate::log::append::Format;
use crate::log::event::unix_time;
use crate::log::tensorboard::messages::Event;

/// The polynomial of Castagnoli, as in iSCSI, sixteen bytes at a time.
static CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Length and checksum before the data.
const HEADER: usize = 12;

/// A checksum, masked: that of data which holds checksums itself would be weak.
fn masked_crc(data: &[u8]) -> [u8; 4] {
    CRC.checksum(data).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// Event files, in which time never goes back, although someone may set the machine's clock.
#[derive(Default)]
pub(crate) struct EventFile {
    last_time: f64,
}

impl EventFile {
    /// The record of an event that happens now.
    pub(crate) fn record(&mut self, event: Event) -> Vec<u8> {
        self.last_time = unix_time().max(self.last_time);
        let data = Event { wall_time: self.last_time, ..event }.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        [&length[..], &masked_crc(&length), &data, &masked_crc(&data)].concat()
    }
}

impl Format for EventFile {
    fn beginning(&mut self) -> Vec<u8> {
        let file_version = Some("brain.Event:2".to_owned());
        self.record(Event { file_version, ..Event::default() })
    }

    fn whole(&mut self, file: &mut dyn BufRead) -> io::Result<u64> {
        let (mut whole, mut record, mut last) = (0, Vec::new(), Vec::new());
        while read_record(file, &mut record)? {
            whole += (HEADER + record.len() + 4) as u64;
            std::mem::swap(&mut record, &mut last);
        }
        if let Ok(event) = Event::decode(&last[..]) {
            self.last_time = self.last_time.max(event.wall_time);
        }
        Ok(whole)
    }
}

/// Reads the data of the next record, and says whether the record is there, whole and undamaged.
fn read_record(mut file: &mut dyn BufRead, data: &mut Vec<u8>) -> io::Result<bool> {
    data.clear();
    if (&mut file).take(HEADER as u64).read_to_end(data)? < HEADER {
        return Ok(false);
    }
    let (length, crc) = data.split_at(8);
    let (Ok(bytes), true) = (<[u8; 8]>::try_from(length), masked_crc(length) == *crc) else {
        return Ok(false);
    };
    let length = u64::from_le_bytes(bytes);
    data.clear();
    (&mut file).take(length.saturating_add(4)).read_to_end(data)?;
    let Some((body, crc)) = data.split_last_chunk::<4>() else { return Ok(false) };
    let good = body.len() as u64 == length && masked_crc(body) == *crc;
    data.truncate(data.len() - 4);
    Ok(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(mut file: &[u8]) -> (u64, EventFile) {
        let mut format = EventFile::default();
        (format.whole(&mut file).unwrap(), format)
    }

    /// The clock was set back while the run was stopped.
    #[test]
    fn time_never_goes_back() {
        let mut future = EventFile { last_time: 4e9 };
        let file = [future.record(Event::default()), future.record(Event::default())].concat();
        let (length, mut resumed) = whole(&file);
        assert_eq!(length, file.len() as u64);
        let record = resumed.record(Event::default());
        assert_eq!(Event::decode(&record[HEADER..record.len() - 4]).unwrap().wall_time, 4e9);
        assert!(EventFile::default().record(Event::default()) != record, "it is not 2096");
    }

    /// TensorBoard reads up to the first record that is damaged, and so does a resumed run.
    #[test]
    fn records_count_up_to_the_first_damaged_one() {
        let mut format = EventFile::default();
        let records = [1, 2, 3].map(|step| format.record(Event { step, ..Event::default() }));
        let file = records.concat();
        let ends = [0, 1, 2, 3].map(|count| records[..count].concat().len());
        for length in 0..=file.len() {
            let kept = ends.into_iter().rfind(|end| *end <= length).unwrap();
            assert_eq!(whole(&file[..length]).0, kept as u64, "{length} bytes");
        }
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 0x10;
            let kept = ends.into_iter().rfind(|end| *end <= place).unwrap();
            assert_eq!(whole(&damaged).0, kept as u64, "byte {place}");
        }
    }
}
