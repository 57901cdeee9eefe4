//! Dots beside each other where they would cover each other: a swarm, which is a dot plot with
//! exact values (L. Wilkinson, "Dot plots", 1999).

/// More lanes than pixels serve nobody.
const MOST_LANES: usize = 256;
/// Multiples of it, without their whole parts, are spread evenly over 0 to 1.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// By how far from the middle line each dot stands, for their places along it.
///
/// Each dot takes the lane nearest to the middle in which it keeps clear of the dots before it.
/// Lanes stand a dot apart, or closer where all must fit between `-half` and `half`; then dots
/// overlap. Dots come in an order that jumps to and fro: in order of place they would make
/// chevrons, which the eye takes for a pattern of the data. Nothing is left to chance: the same
/// places give the same swarm.
pub(super) fn offsets(along: &[f64], diameter: f64, half: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..along.len()).collect();
    let turn = |index: usize| (index as f64 * GOLDEN).fract();
    order.sort_by(|one, other| turn(*one).total_cmp(&turn(*other)));

    // The places in each lane, ascending. Lane 0 is in the middle, 1 above, 2 below, …
    let mut lanes: Vec<Vec<f64>> = Vec::new();
    let mut lane_of_dot = vec![0; along.len()];
    for (turn, dot) in order.into_iter().enumerate() {
        let place = along[dot];
        let clear = lanes.iter().position(|lane| is_clear(lane, place, diameter));
        let lane = match clear {
            Some(lane) => lane,
            None if lanes.len() < MOST_LANES => {
                lanes.push(Vec::new());
                lanes.len() - 1
            }
            // No room anywhere: dots are spread over all lanes.
            None => turn % MOST_LANES,
        };
        let index = lanes[lane].partition_point(|other| *other < place);
        lanes[lane].insert(index, place);
        lane_of_dot[dot] = lane;
    }
    let outermost = lanes.len() / 2;
    let step = if outermost == 0 { 0.0 } else { diameter.min(half / outermost as f64) };
    let offset = |lane: usize| {
        let away = lane.div_ceil(2) as f64 * step;
        if lane.is_multiple_of(2) { away } else { -away }
    };
    lane_of_dot.into_iter().map(offset).collect()
}

/// Whether a place is a diameter away from all in a lane.
fn is_clear(lane: &[f64], place: f64, diameter: f64) -> bool {
    let next = lane.partition_point(|other| *other < place);
    let before = next.checked_sub(1).and_then(|index| lane.get(index));
    before.is_none_or(|before| place - before >= diameter)
        && lane.get(next).is_none_or(|after| after - place >= diameter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_that_are_apart_stay_on_the_line() {
        assert_eq!(offsets(&[0.0, 5.0, 20.0], 5.0, 12.0), [0.0, 0.0, 0.0]);
        assert!(offsets(&[], 5.0, 12.0).is_empty());
    }

    #[test]
    fn dots_in_one_place_are_stacked_around_the_line() {
        let mut stack = offsets(&[1.0, 1.0, 1.0, 9.0], 5.0, 12.0);
        assert_eq!(stack.pop(), Some(0.0));
        stack.sort_by(f64::total_cmp);
        assert_eq!(stack, [-5.0, 0.0, 5.0]);
    }

    #[test]
    fn a_stack_fits_however_high() {
        let stacked = offsets(&vec![1.0; 5000], 5.0, 12.0);
        assert!(stacked.iter().all(|offset| offset.abs() <= 12.0));
        let highest = stacked.iter().copied().fold(f64::NEG_INFINITY, |a, b| a.max(b.abs()));
        assert!((highest - 12.0).abs() < 0.1, "and fills the room: {highest}");
    }

    #[test]
    fn dots_do_not_touch_where_there_is_room() {
        let along: Vec<f64> = (0..200).map(|index| f64::from(index) * 1.3).collect();
        let across = offsets(&along, 5.0, 100.0);
        for (index, (x, y)) in along.iter().zip(&across).enumerate() {
            let others = along.iter().zip(&across).skip(index + 1);
            assert!(others.clone().all(|(u, v)| (x - u).abs().max((y - v).abs()) > 4.999));
        }
    }
}
