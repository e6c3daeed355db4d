//! Sizes as people write them: `100GB`, `1.5 GiB`, `500MB`, or bytes.

/// The bytes of a size. kB, MB, GB and TB are powers of 1000; KiB, MiB, GiB and TiB of 1024.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let wrong = || {
        let forms = "expected a number of bytes, or one with kB, MB, GB, TB (powers of 1000) or \
                     KiB, MiB, GiB, TiB (of 1024), as 100GB";
        Err(forms.to_owned())
    };
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let (number, unit) = (&text[..text.len() - digits.len()], digits.trim());
    let scale: u128 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000 * 1000,
        "gb" => 1000 * 1000 * 1000,
        "tb" => 1000 * 1000 * 1000 * 1000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return wrong(),
    };
    // In integers: 0.1GB is 100,000,000 bytes, not one less.
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let few = whole.len() <= 18 && fraction.len() <= 12 && !fraction.contains('.');
    let (Ok(value), true) = (format!("{whole}{fraction}").parse::<u128>(), few) else {
        return wrong();
    };
    let bytes = value * scale / 10u128.pow(fraction.len() as u32);
    u64::try_from(bytes).or_else(|_| wrong())
}
