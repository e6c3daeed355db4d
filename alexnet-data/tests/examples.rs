//! Every lesson of `examples/` runs; what it computes it checks itself.

macro_rules! lessons {
    ($($lesson:ident in $path:literal: $call:expr),* $(,)?) => {$(
        #[path = $path]
        #[allow(dead_code)] // `main` where it only reads arguments
        mod $lesson;

        #[test]
        fn $lesson() -> Result<(), Box<dyn std::error::Error>> {
            $call
        }
    )*

    /// No lesson is forgotten.
    #[test]
    fn all_lessons_are_run() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), [$($path),*].len());
    }};
}

/// A folder of image files.
fn fuzz_seeds() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/corpus/image"))
}

lessons! {
    read in "../examples/01_read.rs": read::main(),
    prepare in "../examples/02_prepare.rs": prepare::lesson(None),
    batches in "../examples/03_batches.rs": batches::main(),
    decoding_rate in "../examples/04_decoding_rate.rs": decoding_rate::lesson(None, 5),
    loading_rate in "../examples/05_loading_rate.rs": loading_rate::lesson(None, 224),
    verdicts in "../examples/06_verdicts.rs": verdicts::lesson(fuzz_seeds(), 64, None),
}
