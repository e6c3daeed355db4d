//! Network files: what is read, and what is refused with which words.

use alexnet_model::{LayerKind, NetworkSpec, SpecError};

const FC: &str = r#"{ name = "fc1", kind = "linear", outputs = 2, init = "fan-in" }"#;

/// A network of images of 3 × 8 × 8 with these layers.
fn read(layers: &str) -> Result<NetworkSpec, SpecError> {
    let toml = format!("name = \"n\"\ninput = [3, 8, 8]\nlayers = [{layers}]");
    NetworkSpec::from_toml("n.toml", &toml)
}

fn conv(more: &str) -> String {
    format!(r#"{{ name = "conv1", kind = "conv", kernel = 3, init = "fan-in", {more} }}"#)
}

fn lrn(more: &str) -> String {
    format!(r#"{{ name = "l", kind = "lrn", alpha = 1.0, beta = 1.0, k = 1.0, {more} }}"#)
}

fn pool(more: &str) -> String {
    format!(r#"{{ name = "p", kind = "max-pool", {more} }}"#)
}

fn local(more: &str) -> String {
    format!(r#"{{ name = "local1", kind = "local", filters = 2, init = "fan-in", {more} }}"#)
}

fn average(more: &str) -> String {
    format!(r#"{{ name = "a", kind = "avg-pool", {more} }}"#)
}

#[test]
fn unknown_presets_get_the_nearest_one() {
    let known = "original, paper, one-tower, no-overlap, no-lrn, sixth-conv, fall-2011, caffe, \
                 caffenet, torchvision, small, demo, cifar, cifar-18pct, cifar-13pct, \
                 cifar-11pct, figure-1-relu, figure-1-tanh";
    let message = |name| NetworkSpec::preset(name).unwrap_err().to_string();
    assert_eq!(
        message("orignal"),
        format!("unknown preset `orignal`, did you mean `original`?; the presets are {known}")
    );
    assert_eq!(message("zzz"), format!("unknown preset `zzz`; the presets are {known}"));
}

/// What the parser tells in several lines with a picture is told in one.
#[test]
fn unknown_keys_get_the_nearest_one() {
    for (wrong, right) in [("fliters", "filters"), ("strides", "stride"), ("grups", "groups")] {
        let line = read(&conv(&format!("filters = 2, {wrong} = 1"))).unwrap_err().to_string();
        assert_eq!(
            line,
            format!(
                "n.toml: TOML parse error at line 3, column 11: unknown field `{wrong}`, expected \
                 one of `filters`, `kernel`, `stride`, `pad`, `groups`, `init`; did you mean \
                 `{right}`?"
            )
        );
    }
    let line = NetworkSpec::from_toml("n.toml", "name = 'n'\n\nnick = 1 | 2").unwrap_err();
    assert_eq!(
        line.to_string(),
        "n.toml: TOML parse error at line 3, column 10: expected newline, `#`"
    );
    let init =
        r#"{ name = "fc1", kind = "linear", outputs = 2, init = { std = 1.0, bias = 0.0, X } }"#;
    assert!(read(&init.replace(", X", "")).is_ok());
    assert!(read(&init.replace("X", "base = 1.0")).is_err());
}

#[test]
fn what_is_left_out_has_the_papers_value() {
    let layers = [
        conv("filters = 2"),
        lrn("n = 5"),
        local("kernel = 3"),
        pool("kernel = 3, stride = 1"),
        average("kernel = 2, stride = 1"),
        FC.into(),
    ];
    let spec = read(&layers.join(", ")).unwrap();
    assert_eq!((spec.towers, spec.classes()), (1, Some(2)));
    assert_eq!(spec.clone().with_classes(7).classes(), Some(7));
    let kinds: Vec<LayerKind> = spec.layers.iter().map(|layer| layer.kind).collect();
    assert!(matches!(kinds[0], LayerKind::Conv { stride: 1, pad: [0, 0, 0, 0], groups: 1, .. }));
    assert!(matches!(kinds[1], LayerKind::Lrn { towers: 1, alpha_over_n: true, .. }));
    assert!(matches!(kinds[2], LayerKind::Local { stride: 1, pad: 0, .. }));
    assert!(matches!(kinds[3], LayerKind::MaxPool { ceil: false, .. }));
    assert!(matches!(kinds[4], LayerKind::AvgPool { ceil: false, .. }));
    let words: Vec<&str> = kinds.iter().map(LayerKind::word).collect();
    assert_eq!(words, ["conv", "lrn", "local", "max-pool", "avg-pool", "linear"]);
}

/// The largest sizes are read, and one more is refused.
#[test]
fn sizes_have_a_limit() {
    assert!(read(&format!("{}, {FC}", conv("filters = 65536"))).is_ok());
    assert!(read(&format!("{}, {FC}", conv("filters = 65537"))).is_err());
}

/// Each names the network and the layer, and none panics.
#[test]
fn layers_that_cannot_be_are_refused() {
    for (layers, layer, reason) in [
        (conv("filters = 3, groups = 2"), "conv1", "2 groups do not divide 3 inputs and 3 filters"),
        (conv("filters = 2, groups = 2"), "conv1", "2 groups do not divide 3 inputs and 2 filters"),
        (conv("filters = 2, groups = 3"), "conv1", "3 groups do not divide 3 inputs and 2 filters"),
        (conv("filters = 2, groups = 0"), "conv1", "0 groups do not divide"),
        (conv("filters = 0"), "conv1", "output [0, 6, 6], but each size must be 1 to 65536"),
        (conv("filters = 2, stride = 0"), "conv1", "stride 0 and kernel 3 must be at least 1"),
        (
            conv("filters = 2, pad = [3, 0, 0, 0]"),
            "conv1",
            "2 filters of 3 px padded by [3, 0, 0, 0]",
        ),
        (conv("filters = 99999999"), "conv1", "99999999 filters of 3 px padded by [0, 0, 0, 0]"),
        (conv("filters = 2"), "(last)", "the last layer must be `linear`"),
        (format!("{FC}, {FC}"), "fc1", "two layers have this name"),
        (
            format!("{FC}, {}", conv("filters = 2")),
            "conv1",
            "`conv` needs a map, but a dense layer came before it",
        ),
        (format!("{FC}, {}", pool("kernel = 3, stride = 2")), "p", "`max-pool` needs a map"),
        (pool("kernel = 0, stride = 1"), "p", "kernel 0 and stride 1 must be at least 1"),
        (pool("kernel = 9, stride = 1"), "p", "the kernel, 9 pixels, is larger than the map, 8"),
        (average("kernel = 9, stride = 1"), "a", "avg-pool: the kernel, 9 pixels, is larger"),
        (local("kernel = 3, pad = 3"), "local1", "padding 3 smaller than the kernel"),
        (local("kernel = 3, stride = 0"), "local1", "stride 0"),
        (local("kernel = 9"), "local1", "larger than the padded map"),
        (local("kernel = 99999999"), "local1", "2 filters of 99999999 px"),
        (format!("{FC}, {}", local("kernel = 3")), "local1", "`local` needs a map"),
        (format!("{FC}, {}", average("kernel = 3, stride = 2")), "a", "`avg-pool` needs a map"),
        (lrn("n = 4"), "l", "the window must be odd, got n = 4"),
        (lrn("n = 5, towers = 2"), "l", "2 towers do not divide 3 channels"),
        (lrn("n = 5, towers = 0"), "l", "0 towers do not divide 3 channels"),
        (
            r#"{ name = "d", kind = "dropout", keep = 0.0, scale = "at-test" }"#.to_owned(),
            "d",
            "keep = 0",
        ),
        (String::new(), "(last)", "the last layer must be `linear`"),
    ] {
        let error = read(&layers).unwrap_err().to_string();
        let start = format!("network `n`, layer `{layer}`: ");
        assert!(error.starts_with(&start) && error.contains(reason), "{layers}: {error}");
    }
}
