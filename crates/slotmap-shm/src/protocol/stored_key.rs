//! The key in a slot, as words.

use shm_core::ReadWords;

use crate::key::KeyRoom;

/// Returns the words of a slot's key. An integer has one word. A byte key has a word for its length
/// and as many words as that length requires. The length is clamped, because memory may be damaged.
#[inline]
pub(crate) fn key_words<'b>(key: ReadWords<'_>, room: &'b mut KeyRoom) -> &'b [u64] {
    for (to, word) in room.iter_mut().zip(key.iter_relaxed()) {
        *to = word;
    }
    let all = room.get(..key.len()).unwrap_or_default();
    let [len, _, ..] = all else {
        return all;
    };
    let used = usize::try_from(*len).unwrap_or(usize::MAX).div_ceil(8).saturating_add(1);
    all.get(..used).unwrap_or(all)
}

/// True if `words` begin with `key`.
#[inline(always)]
pub(super) fn words_are(words: ReadWords<'_>, key: &[u64]) -> bool {
    key.len() <= words.len() && words.iter_relaxed().zip(key).all(|(word, &key)| word == key)
}
