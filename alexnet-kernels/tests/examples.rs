//! Every lesson of `examples/` runs; what it computes it checks itself.

macro_rules! lessons {
    ($($lesson:ident in $path:literal),*) => {$(
        #[path = $path]
        #[allow(unreachable_pub)] // its `main` is public for this test
        mod $lesson;

        #[test]
        fn $lesson() -> candle_core::Result<()> {
            $lesson::main()
        }
    )*

    /// No lesson is forgotten.
    #[test]
    fn all_lessons_are_run() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), [$($path),*].len());
    }};
}

lessons! {
    layer in "../examples/01_layer.rs",
    autograd in "../examples/02_autograd.rs",
    by_hand in "../examples/03_by_hand.rs",
    pool in "../examples/04_pool.rs"
}
