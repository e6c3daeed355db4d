//! The program `alexnet`.

fn main() {}
