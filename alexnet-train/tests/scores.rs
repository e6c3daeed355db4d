//! What an image counts for, held against a slow reference; sums over classes and over pairs.

use alexnet_train::{Confusions, ImageScore, Tops, Totals};
use proptest::prelude::*;

/// All orders of the classes 0 to n − 1.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for order in orders(n - 1) {
        for place in 0..n {
            let mut order = order.clone();
            order.insert(place, n - 1);
            all.push(order);
        }
    }
    all
}

/// The share of all ways to break ties in which the label is among the first k.
fn slow_credit(probabilities: &[f64], label: usize, k: usize) -> f64 {
    let orders = orders(probabilities.len());
    let right = orders.iter().filter(|order| {
        let mut ranked = (*order).clone();
        ranked.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a])); // stable
        ranked.iter().take(k).any(|class| *class == label)
    });
    right.count() as f64 / orders.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Few different values, so that there are ties of every kind.
    #[test]
    fn ties_share_the_places_for_any_k(
        values in prop::collection::vec(0u8..4, 1..7),
        label in 0usize..7,
    ) {
        let label = label % values.len();
        let p: Vec<f64> = values.iter().map(|v| f64::from(*v) / 8.0).collect();
        let tops = Tops::new(&[1, 2, 3, 4, 5, 6, 7]);
        let score = ImageScore::new(3, label as u32, &p, &tops);
        for (k, credit) in tops.all().iter().zip(&score.credit) {
            let want = slow_credit(&p, label, *k);
            prop_assert!((credit - want).abs() < 1e-12, "{p:?}, {label}, k {k}: {credit}, {want}");
        }
        let top = p.iter().copied().fold(0.0, f64::max);
        prop_assert_eq!(Some(score.predicted as usize), p.iter().position(|q| *q == top));
        let want = if p[label] == 0.0 { 708.0 } else { -p[label].ln() };
        prop_assert!((score.loss - want).abs() < 0.5, "{} {}", score.loss, want);
        let text = serde_json::to_string(&score).unwrap();
        prop_assert_eq!(serde_json::from_str::<ImageScore>(&text).unwrap(), score);
    }

    /// The classes' sums are those of all images, and the confusions are the wrong images.
    #[test]
    fn classes_add_up(
        images in prop::collection::vec((0u32..5, prop::array::uniform5(0.0f64..1.0)), 1..40),
    ) {
        let tops = Tops::new(&[2]);
        let mut all = Totals::new(&tops);
        let mut classes = vec![Totals::new(&tops); 5];
        let mut confusions = Confusions::default();
        for (record, (label, p)) in images.iter().enumerate() {
            let score = ImageScore::new(record, *label, p, &tops);
            all.add(&score);
            classes[*label as usize].add(&score);
            confusions.add(&score);
        }
        let seen: Vec<_> = classes.iter().filter(|class| class.images() > 0).collect();
        let sum = |of: &dyn Fn(&Totals) -> f64| -> f64 {
            seen.iter().map(|class| class.images() as f64 * of(class)).sum::<f64>()
        };
        let count = images.len() as f64;
        prop_assert_eq!(sum(&|_| 1.0), count);
        prop_assert!((sum(&Totals::loss) - count * all.loss()).abs() < 1e-9);
        for k in [1, 2, 5] {
            prop_assert!((sum(&|class| class.error(k)) - count * all.error(k)).abs() < 1e-9);
        }
        let worst = confusions.worst(usize::MAX);
        prop_assert!(worst.is_sorted_by_key(|pair| std::cmp::Reverse(pair.images)));
        let wrong: u64 = worst.iter().map(|pair| pair.images).sum();
        prop_assert!((wrong as f64 - count * all.error(1) / 100.0).abs() < 1e-9);
        prop_assert_eq!(&confusions.worst(2)[..], &worst[..worst.len().min(2)]);
    }
}

/// A label that the network does not tell apart is wrong, whatever k.
#[test]
fn an_unknown_label_is_wrong() {
    let score = ImageScore::new(0, 9, &[0.5, 0.5], &Tops::new(&[2]));
    assert_eq!(score.credit, [0.0; 3]);
    assert!((708.0..709.0).contains(&score.loss));
}
