//! The one line that the program prints when it fails.

/// The most characters of what people gave that a message repeats.
const QUOTED: usize = 200;
/// The most characters of a message.
const LINE: usize = 1000;

/// clap's message about wrong arguments in one line: the fault, the nearest right one, the help.
pub(crate) fn usage(message: &str) -> String {
    let lines = message.lines().map(str::trim).filter(|l| !l.is_empty());
    let parts: Vec<&str> = lines
        .take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"))
        .collect();
    shortened(&format!("{}; see --help", parts.join(" ")))
}

/// An error and its causes in one line, without a backtrace and without saying a thing twice.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        // candle appends a backtrace to its messages. The other lines are of names that have
        // several.
        let text = cause.to_string();
        let lines = text.lines().map(str::trim).take_while(|line| !is_frame(line));
        let text = lines.collect::<Vec<_>>().join("\\n");
        if !line.contains(&text) {
            line = if line.is_empty() { text } else { format!("{line}: {text}") };
        }
    }
    // Training checks beforehand which batch fits. Other commands only get the driver's message.
    if line.contains("OUT_OF_MEMORY") || line.contains("ALLOC_FAILED") {
        line += "; the GPU has too little free memory: end other programs on it, or give a \
                 smaller batch";
    }
    shortened(&line)
}

/// Whether a line is the first of a frame of a backtrace: `0: candle_core::…`.
fn is_frame(line: &str) -> bool {
    let number = line.split_once(": ").map_or("", |(number, _)| number);
    !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit())
}

/// A message in which each argument of the program, each quotation and each word has at most 200
/// characters, and all of it at most 1,000. Control characters, which could do anything to a
/// terminal, are escaped.
fn shortened(message: &str) -> String {
    let arguments = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned());
    let message = arguments.fold(message.to_owned(), |message, argument| {
        let value = argument.split_once('=').map_or("", |(_, value)| value);
        let long = [argument.trim(), value.trim()].into_iter().filter(|text| text.len() > QUOTED);
        long.fold(message, |message, text| message.replace(text, &cut(text, QUOTED)))
    });
    let (mut out, mut rest) = (String::new(), message.as_str());
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(quotation(rest).unwrap_or_else(|| word(rest)));
        out += &cut(piece, QUOTED);
        rest = after;
    }
    let visible = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    cut(&out, LINE).chars().map(visible).collect()
}

fn is_quote(c: char) -> bool {
    ['\'', '`', '"'].contains(&c)
}

/// The length of the quotation that `text` begins with. A quote inside a word, as in "image's",
/// does not end it.
fn quotation(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|&c| is_quote(c))?;
    let mut ends = text.match_indices(quote).skip(1).map(|(at, _)| at + 1);
    ends.find(|&end| !text[end..].starts_with(char::is_alphanumeric))
}

/// The length of the word or the blank that `text` begins with, up to the next quotation at most.
fn word(text: &str) -> usize {
    let pairs = text.char_indices().zip(text.chars().skip(1));
    let mut ends = pairs.filter_map(|((at, c), next)| {
        let opens = is_quote(next) && !c.is_alphanumeric();
        (c.is_whitespace() || next.is_whitespace() || opens).then_some(at + c.len_utf8())
    });
    ends.next().unwrap_or(text.len())
}

/// At most `most` characters of a text: its beginning and its end.
fn cut(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let half = (most - 1) / 2;
    let (start, end): (String, String) =
        (text.chars().take(half).collect(), text.chars().skip(count - half).collect());
    format!("{start}…{end}")
}
