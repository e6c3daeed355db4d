//! The page: what the template `page.html` is given, and the text that it makes of it.

use alexnet_data::{Pixels, encode_jpeg};
use alexnet_model::NetworkSpec;
use anyhow::Result;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use serde::Serialize;

use super::curves::{PageChart, page_charts};
use super::examples::{Confusion, Examples};
use super::run::RunReport;
use super::tables::{self, Table};
use crate::describe::{self, grouped};
use crate::figure::guesses::{Guessed, per_cent};

/// All that the template knows.
#[derive(Serialize)]
pub(crate) struct Page {
    title: String,
    tiles: Vec<Tile>,
    results: Table,
    charts: Vec<PageChart>,
    runs: Vec<RunPart>,
    timings: Table,
    environment: Table,
    dataset: Table,
    recipe: Table,
}

/// A number in large letters.
#[derive(Serialize)]
struct Tile {
    value: String,
    name: String,
}

/// What stands on the page for each run by itself.
#[derive(Serialize)]
struct RunPart {
    name: String,
    /// The variable of its colour.
    ink: String,
    complete: bool,
    kernels: Part<String>,
    examples: Part<ExamplesPart>,
    /// Why the dataset could not be opened.
    no_data: Option<String>,
    about: String,
    layers: Vec<Layer>,
    recipe_toml: String,
    network_toml: String,
}

/// Something, or the reason why it is not there.
#[derive(Serialize)]
struct Part<T> {
    some: Option<T>,
    none: String,
}

#[derive(Serialize)]
struct ExamplesPart {
    images: String,
    of: String,
    all: bool,
    drawn: Vec<Image>,
    mistakes: Vec<Image>,
    confusions: Vec<ConfusionRow>,
}

#[derive(Serialize)]
struct Image {
    address: String,
    title: String,
    guesses: Vec<Guess>,
}

#[derive(Serialize)]
struct Guess {
    name: String,
    per_cent: String,
    /// Its bar's length, per cent.
    bar: f64,
    right: bool,
}

#[derive(Serialize)]
struct ConfusionRow {
    address: String,
    right: String,
    guess: String,
    count: usize,
    images: usize,
    bar: f64,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    kind: &'static str,
    output: String,
    parameters: String,
    macs: String,
}

/// Of pictures on a page.
const QUALITY: u8 = 88;

impl Page {
    pub(crate) fn new(reports: Vec<RunReport>) -> Result<Self> {
        let names: Vec<&str> = reports.iter().map(|run| run.name.as_str()).collect();
        Ok(Self {
            title: names.join(", "),
            tiles: if let [run] = &reports[..] { tiles(run) } else { Vec::new() },
            results: tables::results(&reports),
            charts: page_charts(&reports),
            timings: tables::timings(&reports),
            environment: tables::environment(&reports),
            dataset: tables::dataset(&reports),
            recipe: tables::recipe(&reports),
            runs: reports.into_iter().map(run_part).collect::<Result<_>>()?,
        })
    }

    /// The page as HTML, with all that it needs inside.
    pub(crate) fn html(&self) -> Result<String> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?;
        environment.set_syntax(syntax);
        environment.add_global("css", include_str!("page.css"));
        environment.add_global("script", include_str!("page.js"));
        environment.add_global("uplot_css", include_str!("../../assets/uPlot.min.css"));
        environment.add_global("uplot", include_str!("../../assets/uPlot.iife.min.js"));
        environment.add_global("uplot_license", include_str!("../../assets/uPlot-LICENSE"));
        environment.add_global("version", env!("CARGO_PKG_VERSION"));
        environment.add_template("page.html", include_str!("page.html"))?;
        Ok(environment.get_template("page.html")?.render(Serde(self))?)
    }
}

fn tiles(run: &RunReport) -> Vec<Tile> {
    let tile = |value: Option<String>, name: &str| {
        value.map(|value| Tile { value, name: name.to_owned() })
    };
    let ten = run.score(10);
    let tiles = [
        tile(ten.map(|s| tables::per_cent(s.top1_error)), "top-1 error, ten views"),
        tile(ten.map(|s| tables::per_cent(s.top5_error)), "top-5 error, ten views"),
        tile(run.speed().map(|speed| grouped(speed.round() as u64)), "images/s in training"),
        tile(Some(run.log.epochs.len().to_string()), "epochs"),
    ];
    tiles.into_iter().flatten().collect()
}

fn run_part(run: RunReport) -> Result<RunPart> {
    let RunReport { number, name, config, log, data, kernels, examples } = run;
    Ok(RunPart {
        name,
        ink: crate::drawing::ink::Ink::Curve(number).variable(),
        complete: log.end.is_some(),
        kernels: Part::of(kernels),
        examples: Part::of(examples.map(examples_part)),
        no_data: data.err(),
        about: config.network.about.clone(),
        layers: layers(&config.network)?,
        recipe_toml: config.recipe.to_toml()?,
        network_toml: config.network.to_toml()?,
    })
}

impl<T> Part<T> {
    fn of(result: Result<T, String>) -> Self {
        match result {
            Ok(some) => Self { some: Some(some), none: String::new() },
            Err(none) => Self { some: None, none },
        }
    }
}

fn examples_part(examples: Examples) -> ExamplesPart {
    let Examples { images: [images, of], drawn, mistakes, confusions } = examples;
    let most = confusions.first().map_or(1, |most| most.count).max(1) as f64;
    let confusion = |confusion: Confusion| {
        let Confusion { right, guess, count, images, example } = confusion;
        let (address, bar) = (address(&example.pixels), 100.0 * count as f64 / most);
        ConfusionRow { address, right, guess, count, images, bar }
    };
    ExamplesPart {
        images: grouped(images as u64),
        of: grouped(of as u64),
        all: images == of,
        drawn: drawn.iter().map(image).collect(),
        mistakes: mistakes.iter().map(image).collect(),
        confusions: confusions.into_iter().map(confusion).collect(),
    }
}

fn image(guessed: &Guessed) -> Image {
    let Guessed { pixels, title, right, guesses } = guessed;
    let guess = |(class, probability, name): &(usize, f64, String)| Guess {
        name: name.clone(),
        per_cent: per_cent(*probability),
        bar: (1e4 * probability).round() / 100.0,
        right: *right == Some(*class),
    };
    let guesses = guesses.iter().map(guess).collect();
    Image { address: address(pixels), title: title.clone(), guesses }
}

fn address(pixels: &Pixels) -> String {
    let bytes = encode_jpeg(pixels, QUALITY).unwrap_or_default();
    format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes))
}

fn layers(network: &NetworkSpec) -> Result<Vec<Layer>> {
    let table = describe::Table::new(&network.fused_layers()?);
    let number = |n| if n == 0 { String::new() } else { grouped(n) };
    let layer = |row: describe::Row| Layer {
        name: row.name,
        kind: row.kind,
        output: row.output.iter().map(ToString::to_string).collect::<Vec<_>>().join(" × "),
        parameters: number(row.parameters),
        macs: number(row.macs),
    };
    let total = Layer {
        name: "total".to_owned(),
        kind: "",
        output: String::new(),
        parameters: number(table.parameters),
        macs: number(table.macs),
    };
    Ok(table.layers.into_iter().map(layer).chain([total]).collect())
}
