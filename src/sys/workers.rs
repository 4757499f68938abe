//! Several things at a time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

/// How many things can go on at a time. Asked of the system once: it looks into a dozen files for the answer.
pub fn cores() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    *CORES.get_or_init(|| thread::available_parallelism().map_or(1, usize::from))
}

/// Does `act` for each item, at most `jobs` at a time, and returns what came of them in the order of the items. `None`
/// where `act` says that nothing more is to be begun. One at a time needs no thread.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    act: impl Fn(&T) -> Option<R> + Sync,
) -> Vec<Option<R>> {
    let jobs = jobs.clamp(1, items.len().max(1));
    if jobs == 1 {
        let mut found: Vec<Option<R>> = items.iter().map_while(|item| Some(Some(act(item)?))).collect();
        found.resize_with(items.len(), || None);
        return found;
    }
    let next = AtomicUsize::new(0);
    let slots: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while let Some((slot, item)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| slots.get(i).zip(items.get(i)))
        {
            let Some(result) = act(item) else { return };
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        }
    };
    thread::scope(|scope| {
        // This thread works, too.
        for _ in 1..jobs {
            scope.spawn(work);
        }
        work();
    });
    slots.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_the_order_of_the_items() {
        let items: Vec<u32> = (0..100).collect();
        let doubled: Vec<Option<u32>> = items.iter().map(|item| Some(item * 2)).collect();
        assert_eq!(each(&items, 8, |item| Some(item * 2)), doubled);
        assert_eq!(each(&[] as &[u32], 4, |item| Some(*item)), []);
    }

    #[test]
    fn a_worker_that_is_told_to_stop_begins_nothing_more() {
        let done = each(&[1, 2, 3, 4], 1, |item| (*item < 3).then_some(*item));
        assert_eq!(done, [Some(1), Some(2), None, None]);
    }
}
