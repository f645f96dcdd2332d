//! Values between the slots of frames, whose width is the module's, and those of crossings, whose width is the function type's.

/// Slots in memory: where they begin, and their words.
#[derive(Clone, Copy)]
pub struct Place {
    pub start: *mut u64,
    pub words: usize,
}

/// Moves `count` values; the places may overlap where they begin at the same word. A value that comes from one word leaves the second one as it is.
///
/// # Safety
/// Both places have `count` slots.
pub unsafe fn move_values(from: Place, to: Place, count: usize) {
    // SAFETY: by contract.
    unsafe {
        if from.words == to.words {
            std::ptr::copy(from.start, to.start, count * from.words);
        } else if from.words < to.words {
            for at in (0..count).rev() {
                *to.start.add(at * to.words) = *from.start.add(at * from.words);
            }
        } else {
            for at in 0..count {
                *to.start.add(at * to.words) = *from.start.add(at * from.words);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_change_their_width_in_place() {
        let mut words = [1, 10, 2, 20, 3, 30];
        let place = |words: &mut [u64; 6], width| Place { start: words.as_mut_ptr(), words: width };
        // SAFETY: three slots of two words at most.
        unsafe {
            let (wide, narrow) = (place(&mut words, 2), place(&mut words, 1));
            move_values(wide, narrow, 3);
        }
        assert_eq!(words[..3], [1, 2, 3]);
        // SAFETY: as above.
        unsafe {
            let (wide, narrow) = (place(&mut words, 2), place(&mut words, 1));
            move_values(narrow, wide, 3);
        }
        assert_eq!([words[0], words[2], words[4]], [1, 2, 3]);
    }
}
