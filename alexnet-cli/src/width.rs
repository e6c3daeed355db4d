//! Lines that fit the screen.

/// The columns of the narrowest terminal that people use.
pub(crate) const COLUMNS: usize = 80;

/// A line as lines of at most so many columns, those after the first indented. Only a word that is
/// longer, as a path may be, stays whole.
pub(crate) fn fold(line: &str, columns: usize) -> String {
    let (mut folded, mut rest) = (String::new(), line.to_owned());
    while rest.chars().count() > columns {
        let starts = rest.char_indices().enumerate().skip_while(|(_, (_, c))| *c == ' ');
        let blanks = starts.filter(|(_, (_, c))| *c == ' ').map(|(column, (at, _))| (column, at));
        let fits = blanks.clone().take_while(|(column, _)| *column <= columns).last();
        let Some((_, at)) = fits.or(blanks.clone().next()) else { break };
        folded += rest[..at].trim_end();
        folded.push('\n');
        rest = format!("  {}", rest[at..].trim_start());
    }
    folded + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_at_blanks() {
        assert_eq!(fold("epoch   1/2  loss 2.3", COLUMNS), "epoch   1/2  loss 2.3");
        let words = ["word"; 40].join(" ");
        let folded = fold(&words, COLUMNS);
        assert_eq!(folded.lines().map(|line| line.chars().count()).max(), Some(79), "{folded}");
        assert_eq!(folded.split_whitespace().collect::<Vec<_>>().join(" "), words);
        assert!(folded.lines().skip(1).all(|line| line.starts_with("  word")), "{folded}");
        let path = "x".repeat(100);
        let line = format!("weights {path} of it");
        assert_eq!(fold(&line, COLUMNS), format!("weights\n  {path}\n  of it"));
        assert_eq!(fold(&path, COLUMNS), path);
    }
}
