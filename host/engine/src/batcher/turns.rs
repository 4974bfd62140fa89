//! How many tokens of each row a pass has.

use freehold_kernels::LANES;

/// Tokens of prompts in a pass, about. More would be seen a little faster, and rows that answer would wait longer.
const PIECE: usize = 4 * LANES;

/// For each row, of so many tokens that were not seen, how many are seen in a pass. A row with one token has it: it answers.
/// Longer prompts take turns of a panel, those that came first before the others, until the pass is long enough.
pub(super) fn turns(unseen: impl Iterator<Item = usize>) -> Vec<usize> {
    let unseen: Vec<usize> = unseen.collect();
    let mut counts: Vec<usize> = unseen.iter().map(|unseen| usize::from(*unseen == 1)).collect();
    let mut left = PIECE;
    while left > 0 {
        let before = left;
        for (count, unseen) in counts.iter_mut().zip(&unseen) {
            let turn = (unseen - *count).min(LANES);
            if left > 0 && turn > 0 {
                *count += turn;
                left = left.saturating_sub(turn);
            }
        }
        if left == before {
            break;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_answer_never_wait_and_prompts_take_turns() {
        let turns = |unseen: &[usize]| turns(unseen.iter().copied());
        assert_eq!(turns(&[]), [0_usize; 0]);
        assert_eq!(turns(&[1, 1, 1]), [1, 1, 1]);
        assert_eq!(turns(&[1000, 1]), [128, 1]);
        assert_eq!(turns(&[1, 1000, 40]), [1, 88 + 8, 40]);
        assert_eq!(turns(&[1000, 1000, 1000, 1000, 1000, 1]), [32, 32, 32, 32, 0, 1]);
        assert_eq!(turns(&[3, 5]), [3, 5]);
    }
}
