//! A model's identity in a few milliseconds: what it is made of, and samples of its weights.
//!
//! [`Provenance::sha256`](crate::Provenance::sha256) reads every byte, from the disk if need be. Whoever
//! only asks "is this the model that these parameters were learned on?" is served by less: training moves
//! nearly every weight of a tensor it touches, so a few stretches of each tensor tell two models apart.

use sha2::{Digest, Sha256};

use crate::Tensors;

/// Stretches that are read of a large tensor, the first and the last bytes among them.
const STRETCHES: usize = 16;

/// Bytes of a stretch; a tensor that is not larger than all of them together is read whole.
const STRETCH: usize = 256;

impl Tensors {
    /// The SHA-256, in hexadecimal, of a description and of every tensor's name, format, shape and
    /// sampled bytes, in the order of the names: the same however the tensors are spread over files.
    ///
    /// Of a tensor of up to 4 KiB every byte counts, of a larger one 16 stretches of 256 bytes at
    /// equal distances. An edit of single weights elsewhere is not seen.
    pub fn fingerprint(&self, description: &str) -> String {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        add(description.as_bytes());
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        for name in names {
            add(name.as_bytes());
            let format = self.element(name).map_or("unreadable".to_owned(), |e| e.to_string());
            add(format!("{format} {:?}", self.shape(name).unwrap_or_default()).as_bytes());
            sample(self.bytes(name).unwrap_or_default(), &mut add);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Gives `add` all bytes of a tensor of up to 4 KiB, and 16 stretches of a larger one.
pub(crate) fn sample(bytes: &[u8], mut add: impl FnMut(&[u8])) {
    if bytes.len() <= STRETCHES * STRETCH {
        add(bytes);
        return;
    }
    let last = bytes.len() - STRETCH;
    for index in 0..STRETCHES {
        // Wide enough for any tensor: the product is less than 2^64.
        let start = last / (STRETCHES - 1) * index;
        let start = if index + 1 == STRETCHES { last } else { start };
        add(&bytes[start..start + STRETCH]);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Element;
    use crate::tensors::{Stored, WeightsFile};

    /// Two tensors of one file each, `a` of the given bytes.
    fn tensors(bytes: &[u8], in_one_file: bool) -> Tensors {
        let (a, b) = (bytes.to_vec().leak() as &[u8], &[0u8; 8]);
        let stored = |name: &str, start: usize, length: usize| Stored {
            name: name.to_owned(),
            shape: vec![length / 4],
            element: Ok(Element::F32),
            range: start..start + length,
        };
        let parts = match in_one_file {
            true => {
                let both = [a, b].concat().leak() as &[u8];
                let file = WeightsFile::embedded("ab", both);
                vec![(file, vec![stored("b", a.len(), 8), stored("a", 0, a.len())])]
            }
            false => vec![
                (WeightsFile::embedded("a", a), vec![stored("a", 0, a.len())]),
                (WeightsFile::embedded("b", b), vec![stored("b", 0, 8)]),
            ],
        };
        Tensors::join(parts).unwrap()
    }

    #[test]
    fn it_is_the_weights_and_not_the_files() {
        let bytes = [7; 64];
        assert_eq!(tensors(&bytes, true).fingerprint("x"), tensors(&bytes, false).fingerprint("x"));
        assert_ne!(tensors(&bytes, true).fingerprint("x"), tensors(&bytes, true).fingerprint("y"));
        assert_ne!(
            tensors(&bytes, true).fingerprint("x"),
            tensors(&[7; 60], true).fingerprint("x")
        );
    }

    #[test]
    fn every_byte_of_small_tensors_and_both_ends_of_large_ones_count() {
        for (length, places) in [(4096, 4096), (400_000, 0)] {
            let bytes = vec![0; length];
            let print = tensors(&bytes, true).fingerprint("");
            let ends = [0, length - 1];
            for place in (0..places).step_by(97).chain(ends) {
                let mut other = bytes.clone();
                other[place] = 1;
                assert_ne!(tensors(&other, true).fingerprint(""), print, "{length}, {place}");
            }
        }
    }
}
