//! The order of stages, and the circles that prevent one.

use std::collections::{BTreeMap, BTreeSet};

/// Puts things in an order in which each comes after those it needs; what is free to move keeps its place as far as
/// that allows. `needs[i]` are the places of what `i` needs.
///
/// # Errors
/// The circles, each as the places along it with its first one repeated at the end; every thing is in at most one.
pub fn order(needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<Vec<usize>>> {
    let mut open: Vec<BTreeSet<usize>> = needs.iter().map(|needs| needs.iter().copied().collect()).collect();
    let mut users: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (at, needs) in open.iter().enumerate() {
        needs.iter().for_each(|need| users[*need].push(at));
    }
    let mut ready: BTreeSet<usize> = (0..needs.len()).filter(|at| open[*at].is_empty()).collect();
    let mut order = Vec::with_capacity(needs.len());
    while let Some(next) = ready.pop_first() {
        order.push(next);
        for user in &users[next] {
            open[*user].remove(&next);
            if open[*user].is_empty() {
                ready.insert(*user);
            }
        }
    }
    if order.len() == needs.len() { Ok(order) } else { Err(circles(&open)) }
}

/// From each thing that is left, its first open need is followed until a place is met again.
fn circles(open: &[BTreeSet<usize>]) -> Vec<Vec<usize>> {
    let mut found = Vec::new();
    let mut seen: BTreeSet<usize> = BTreeSet::new();
    for start in (0..open.len()).filter(|at| !open[*at].is_empty()) {
        let mut path: Vec<usize> = Vec::new();
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        let mut at = start;
        while seen.insert(at) {
            places.insert(at, path.len());
            path.push(at);
            let Some(next) = open[at].first() else { break };
            at = *next;
        }
        if let Some(first) = places.get(&at).filter(|_| !open[at].is_empty()) {
            let mut circle = path.split_off(*first);
            circle.push(at);
            found.push(circle);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_written_order_is_kept_where_it_can_be() {
        assert_eq!(order(&[vec![], vec![], vec![]]), Ok(vec![0, 1, 2]));
        assert_eq!(order(&[vec![2], vec![], vec![1]]), Ok(vec![1, 2, 0]));
        assert_eq!(order(&[]), Ok(vec![]));
    }

    #[test]
    fn circles_are_named_once() {
        assert_eq!(order(&[vec![1], vec![0], vec![0]]), Err(vec![vec![0, 1, 0]]));
        assert_eq!(order(&[vec![0], vec![2], vec![1]]), Err(vec![vec![0, 0], vec![1, 2, 1]]));
    }

    #[test]
    fn a_chain_of_any_length_needs_no_stack() {
        let needs: Vec<Vec<usize>> =
            (0..200_000).map(|i| if i == 0 { vec![] } else { vec![i - 1] }).collect();
        assert_eq!(order(&needs).unwrap().len(), 200_000);
        let ring: Vec<Vec<usize>> = (0..200_000).map(|i| vec![(i + 1) % 200_000]).collect();
        assert_eq!(order(&ring).unwrap_err()[0].len(), 200_001);
    }

    proptest! {
        #[test]
        fn each_comes_after_what_it_needs_or_a_real_circle_is_named(
            needs in prop::collection::vec(prop::collection::vec(0_usize..12, 0..3), 12)
        ) {
            match order(&needs) {
                Ok(order) => {
                    let place = |thing: usize| order.iter().position(|at| *at == thing).unwrap();
                    prop_assert_eq!(order.len(), needs.len());
                    for (at, needs) in needs.iter().enumerate() {
                        prop_assert!(needs.iter().all(|need| place(*need) < place(at)));
                    }
                }
                Err(circles) => {
                    prop_assert!(!circles.is_empty());
                    for circle in circles {
                        prop_assert_eq!(circle.first(), circle.last());
                        prop_assert!(circle.windows(2).all(|step| needs[step[0]].contains(&step[1])));
                    }
                }
            }
        }
    }
}
