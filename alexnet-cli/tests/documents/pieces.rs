//! What of a Markdown text is looked at: links, code spans, and code blocks of shell or plain text.

/// Something a document names.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// The target of a link.
    Link(String),
    /// A code span, or a line of a code block.
    Code(String),
}

/// The pieces of `text`, each with the number of the line where its paragraph or command begins.
pub(crate) fn pieces(text: &str) -> Vec<(usize, Piece)> {
    let mut found = Vec::new();
    let mut block: Option<&str> = None; // the language of the code block that is open
    let (mut begin, mut joined) = (1, String::new()); // a paragraph, or a command of several lines
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            inline(begin, &std::mem::take(&mut joined), &mut found);
            block = if block.is_none() { Some(language.trim()) } else { None };
            continue;
        }
        if joined.is_empty() {
            begin = number;
        }
        match block {
            None if line.trim().is_empty() || line.starts_with('|') => {
                inline(begin, &std::mem::take(&mut joined), &mut found);
                inline(number, line, &mut found);
            }
            None => joined += &format!("{line} "),
            Some("sh" | "") => {
                let command = if line.starts_with("# ") { "" } else { line };
                let command = command.split(" # ").next().unwrap_or_default();
                match command.strip_suffix('\\') {
                    Some(half) => joined += half,
                    None => {
                        let whole = std::mem::take(&mut joined) + command;
                        found.push((begin, Piece::Code(whole)));
                    }
                }
            }
            Some(_) => {}
        }
    }
    inline(begin, &joined, &mut found);
    found
}

/// The code spans of a paragraph or of a table's row, and the links between them.
fn inline(line: usize, text: &str, found: &mut Vec<(usize, Piece)>) {
    for (i, part) in text.split('`').enumerate() {
        if i % 2 == 1 {
            found.push((line, Piece::Code(part.replace("\\|", "|"))));
        }
    }
    for after in text.split("](").skip(1) {
        let target = after.split(')').next().unwrap_or_default();
        found.push((line, Piece::Link(target.to_owned())));
    }
}
