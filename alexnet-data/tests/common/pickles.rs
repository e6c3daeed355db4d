//! The pickles of CIFAR's Python version, small, in the operations that Python 2 wrote.

/// The operations of a pickle to be, with the numbers under which it stores its results.
struct Writer {
    bytes: Vec<u8>,
    stored: u32,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self
    }

    fn store(&mut self) -> &mut Self {
        self.stored += 1;
        match u8::try_from(self.stored) {
            Ok(number) => self.put(&[b'q', number]),
            Err(_) => {
                let number = self.stored.to_le_bytes();
                self.put(b"r").put(&number)
            }
        }
    }

    fn text(&mut self, text: &[u8]) -> &mut Self {
        match u8::try_from(text.len()) {
            Ok(length) => self.put(&[b'U', length]),
            Err(_) => self.put(b"T").put(&(text.len() as u32).to_le_bytes()),
        };
        self.put(text).store()
    }

    fn number(&mut self, number: i32) -> &mut Self {
        match (u8::try_from(number), u16::try_from(number)) {
            (Ok(number), _) => self.put(&[b'K', number]),
            (_, Ok(number)) => self.put(b"M").put(&number.to_le_bytes()),
            _ => self.put(b"J").put(&number.to_le_bytes()),
        }
    }

    /// A list, in pieces of at most 1,000 items; one that is left over is appended alone.
    fn list<T>(&mut self, items: &[T], write: impl Fn(&mut Self, &T)) {
        self.put(b"]").store();
        for piece in items.chunks(1000) {
            if piece.len() > 1 {
                self.put(b"(");
            }
            piece.iter().for_each(|item| write(self, item));
            self.put(if piece.len() > 1 { b"e" } else { b"a" });
        }
    }

    fn array(&mut self, rows: usize, by_columns: bool, bytes: &[u8]) {
        let columns = bytes.len() / rows;
        self.put(b"cnumpy.core.multiarray\n_reconstruct\n").store();
        self.put(b"cnumpy\nndarray\n").store();
        self.number(0).put(b"\x85").store().text(b"b").put(b"\x87").store().put(b"R").store();
        self.put(b"(").number(1).number(rows as i32).number(columns as i32);
        self.put(b"\x86").store().put(b"cnumpy\ndtype\n").store().text(b"u1");
        self.number(0).number(1).put(b"\x87").store().put(b"R").store();
        self.put(b"(").number(3).text(b"|").put(b"NNN").number(-1).number(-1).number(0);
        self.put(b"t").store().put(b"b").put(if by_columns { b"\x88" } else { b"\x89" });
        self.text(bytes).put(b"t").store().put(b"b");
    }
}

fn dictionary(entries: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer { bytes: vec![0x80, 2], stored: 0 };
    writer.put(b"}").store().put(b"(");
    entries(&mut writer);
    writer.put(b"u.");
    writer.bytes
}

/// A batch: labels under `key`, as many rows of planes, which lie by columns if `by_columns`.
pub(crate) fn batch(key: &str, labels: &[u8], by_columns: bool, bytes: &[u8]) -> Vec<u8> {
    let names: Vec<_> = (0..labels.len()).map(|i| format!("leptodactylus_{i}.png")).collect();
    dictionary(|w| {
        w.text(b"data").array(labels.len(), by_columns, bytes);
        w.text(key.as_bytes()).list(labels, |w, label| _ = w.number((*label).into()));
        w.text(b"batch_label").text(b"training batch 1 of 5");
        w.text(b"filenames").list(&names, |w, name| _ = w.text(name.as_bytes()));
    })
}

/// The names of the classes, under `key`.
pub(crate) fn meta(key: &str, names: &[String]) -> Vec<u8> {
    dictionary(|w| {
        w.text(b"num_cases_per_batch").number(10000);
        w.text(key.as_bytes()).list(names, |w, name| _ = w.text(name.as_bytes()));
        w.text(b"num_vis").number(3072);
    })
}
