//! The terminal: what is typed, and that it is as before when the watching ends, however it ends.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers};

use super::palette::Palette;
use super::screen::{Screen, Span};
use super::watched::Watched;

/// How often the run is looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// How often a signal is looked for.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether a signal asked for the end.
static STOP: AtomicBool = AtomicBool::new(false);

/// Restores the terminal where it goes out of scope.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        _ = ratatui::try_restore(); // where the terminal is gone, there is nothing to restore
    }
}

/// Shows the run until someone leaves.
pub(super) fn show(watched: &mut Watched) -> Result<()> {
    ctrlc::set_handler(|| STOP.store(true, Ordering::Relaxed))?;
    // Its hook for panics restores the terminal before their message.
    let terminal = ratatui::try_init();
    let _restored = Restored;
    let mut terminal = terminal.context("no terminal to draw on; --once prints plain text")?;
    let (palette, mut span) = (Palette::of_environment(), Span::Whole);
    loop {
        watched.look()?;
        let next = Instant::now() + PERIOD;
        loop {
            terminal.draw(|frame| Screen { watched, palette, span }.draw(frame))?;
            match wait(next)? {
                Wish::Look => break,
                Wish::Draw => {}
                Wish::Zoom => span = span.other(),
                Wish::Leave => return Ok(()),
            }
        }
    }
}

/// What to do next.
enum Wish {
    Look,
    Draw,
    Zoom,
    Leave,
}

/// Waits for a key, another size of the terminal, a signal, or the time of the next look.
fn wait(next: Instant) -> Result<Wish> {
    loop {
        if STOP.load(Ordering::Relaxed) {
            return Ok(Wish::Leave);
        }
        let left = next.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Wish::Look);
        }
        if !event::poll(left.min(PATIENCE))? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if leaves(key) => return Ok(Wish::Leave),
            Event::Key(KeyEvent { code: KeyCode::Char('z'), .. }) => return Ok(Wish::Zoom),
            Event::Resize(..) => return Ok(Wish::Draw),
            _ => {}
        }
    }
}

fn leaves(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
        || (control && key.code == KeyCode::Char('c'))
}
