//! The page in a real browser: narrow and wide, light and dark, with scripts and without.
//!
//! The browser is Chromium, from `ALEXNET_CHROMIUM` or the path. Where there is none, these tests
//! are skipped with a line. With `ALEXNET_SCREENSHOTS=FOLDER` the pictures are kept for people to
//! look at.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use alexnet_data::decode;

use crate::world;

/// The end of a page that tells its frame what it looks like once it is drawn.
const PROBE: &str = "<script>addEventListener('load', () => setTimeout(() => {
  const { scrollWidth } = document.documentElement;
  const wide = [...document.querySelectorAll('body *')].filter((element) =>
    !element.closest('.scroll, pre, .uplot, svg')
      && element.getBoundingClientRect().right > innerWidth + 1);
  const shown = [...document.querySelectorAll('.drawn')].filter((element) => element.offsetHeight);
  const probe = {
    width: innerWidth, overflow: scrollWidth - innerWidth, wide: wide.map((e) => e.outerHTML),
    charts: document.querySelectorAll('.uplot canvas').length, drawn: shown.length,
    dark: matchMedia('(prefers-color-scheme: dark)').matches,
    paper: getComputedStyle(document.body).backgroundColor,
    broken: [...document.images].filter((image) => !image.naturalWidth).length,
    images: document.images.length,
  };
  parent.postMessage(JSON.stringify(probe), '*');
}, 100))</script>";

/// A page that shows another one in a frame of a width: a window has at least 500 pixels.
fn framed(page: &Path, width: u32) -> String {
    let (page, height) = (page.display(), if width < 800 { 6400 } else { 4600 });
    format!(
        "<body style='margin:0'><iframe src='file://{page}' \
         style='width:{width}px;height:{height}px;border:0'></iframe>\
         <script>addEventListener('message', ({{ data }}) => {{
           const probe = document.createElement('pre');
           probe.id = 'probe';
           probe.textContent = data;
           probe.hidden = true;
           document.body.append(probe);
         }})</script>"
    )
}

/// The browser, where there is one.
fn chromium() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("ALEXNET_CHROMIUM") {
        return Some(path.into());
    }
    let folders = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let mut files = std::env::split_paths(&folders).flat_map(|f| names.map(|name| f.join(name)));
    let found = files.find(|file| file.is_file());
    if found.is_none() {
        println!("skipped: no chromium on the path");
    }
    found
}

/// The browser on a page in a frame of a width, and what it says.
fn browse(browser: &Path, width: u32, dark: bool, arguments: &[&str], page: &Path) -> [String; 2] {
    let frame = tempfile::Builder::new().suffix(".html").tempfile().unwrap();
    fs::write(frame.path(), framed(page, width)).unwrap();
    let profile = tempfile::tempdir().unwrap();
    let mut command = Command::new(browser);
    command
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"])
        .args(["--enable-logging=stderr", "--virtual-time-budget=5000"])
        .args(["--host-resolver-rules=MAP * ~NOTFOUND", "--no-first-run"]) // no network
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("--window-size={width},{}", if width < 800 { 6400 } else { 4600 }))
        .args(arguments)
        .stdin(Stdio::null());
    if dark {
        command.arg("--blink-settings=preferredColorScheme=0");
    } else {
        command.arg("--blink-settings=preferredColorScheme=1");
    }
    let output = command.arg(format!("file://{}", frame.path().display())).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned())
}

/// What a page with the probe says of itself.
fn probe(dom: &str) -> serde_json::Value {
    let text = dom.split("<pre id=\"probe\"").nth(1).unwrap_or_else(|| panic!("no probe: {dom}"));
    let text = text.split("</pre>").next().unwrap().split_once('>').unwrap().1;
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_page_is_drawn_narrow_and_wide_light_and_dark() {
    let Some(browser) = chromium() else { return };
    world().ok("report run other --output browsed-both.html");
    for (name, file) in [("one", "run/report.html"), ("two", "browsed-both.html")] {
        let page = fs::read_to_string(world().path(file)).unwrap();
        let probed = world().path(format!("probed-{name}.html"));
        fs::write(&probed, page.replace("</body>", &format!("{PROBE}</body>"))).unwrap();
        for (width, dark) in [(390, false), (390, true), (1400, false), (1400, true)] {
            let [dom, said] = browse(&browser, width, dark, &["--dump-dom"], &probed);
            let console: Vec<&str> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
            assert!(console.is_empty(), "{console:?}");
            let probe = probe(&dom);
            let what = format!("{name}, {width} px, dark {dark}: {probe}");
            assert_eq!(probe["width"], width, "{what}");
            assert!(probe["overflow"].as_i64().unwrap() <= 0, "{what}");
            assert_eq!(probe["wide"].as_array().unwrap().len(), 0, "{what}");
            assert_eq!((&probe["charts"], &probe["drawn"]), (&3.into(), &0.into()), "{what}");
            assert_eq!(probe["dark"], dark, "{what}");
            let paper = if dark { "rgb(20, 23, 27)" } else { "rgb(255, 255, 255)" };
            assert_eq!(probe["paper"], paper, "{what}");
            assert!(probe["images"].as_u64() > Some(8) && probe["broken"] == 0, "{what}");
            screenshot(&browser, width, dark, &world().path(file), name);
        }
    }
}

/// Takes a picture, in which there has to be something.
fn screenshot(browser: &Path, width: u32, dark: bool, page: &Path, name: &str) {
    let folder = std::env::var_os("ALEXNET_SCREENSHOTS").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| world().path(""));
    let shade = if dark { "dark" } else { "light" };
    let file = folder.join(format!("report-{name}-{width}-{shade}.png"));
    let argument = format!("--screenshot={}", file.display());
    browse(browser, width, dark, &[&argument], page);
    let pixels = decode(&fs::read(&file).unwrap(), 256).unwrap();
    let paper = &pixels.data[..3];
    assert_eq!(paper[0] < 128, dark, "{}", file.display());
    let inked = pixels.data.chunks(3).filter(|pixel| pixel != &paper).count();
    assert!(inked > 1_000, "{}: {inked} pixels", file.display());
}

/// Without scripts the drawn charts are there: the wide ones or the narrow ones.
#[test]
fn the_page_has_its_curves_without_scripts() {
    let Some(browser) = chromium() else { return };
    let page = fs::read_to_string(world().path("run/report.html")).unwrap();
    let last = page.rfind("<script>").unwrap();
    let without = format!("{}{PROBE}</body></html>", &page[..last]);
    let file = world().path("without-scripts.html");
    fs::write(&file, without).unwrap();
    for width in [390, 1400] {
        let [dom, _] = browse(&browser, width, false, &["--dump-dom"], &file);
        let probe = probe(&dom);
        assert_eq!((&probe["charts"], &probe["drawn"]), (&0.into(), &3.into()), "{probe}");
        assert!(probe["overflow"].as_i64().unwrap() <= 0, "{probe}");
    }
}
