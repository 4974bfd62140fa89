//! Memory that is used again: a step of a training takes the same buffers as the one before, and no page of them has to
//! be made again by the kernel of the operating system.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use crate::workers::for_each;

/// Vectors of one type and capacity.
type Shelf = Vec<Box<dyn Any + Send>>;

/// Freed buffers by type and capacity.
static FREE: Mutex<BTreeMap<(TypeId, usize), Shelf>> = Mutex::new(BTreeMap::new());

/// A vector that goes back to the pool when it is dropped.
#[derive(Debug)]
pub struct Buffer<T: Element>(Vec<T>);

/// What buffers are made of.
pub trait Element: Copy + Default + Send + Sync + 'static {}

impl<T: Copy + Default + Send + Sync + 'static> Element for T {}

impl<T: Element> Buffer<T> {
    /// A buffer with any values, which have to be written before they are read.
    pub fn any(length: usize) -> Self {
        let kind = TypeId::of::<T>();
        let mut found: Option<Vec<T>> = None;
        if let Ok(mut free) = FREE.lock() {
            // The smallest that is large enough, and not so large that it is wasted.
            let fits = (kind, length)..=(kind, length.saturating_mul(2).max(64));
            if let Some((&key, list)) = free.range_mut(fits).find(|(_, list)| !list.is_empty()) {
                found = list.pop().and_then(|buffer| buffer.downcast().ok()).map(|buffer| *buffer);
                if list.is_empty() {
                    free.remove(&key);
                }
            }
        }
        let mut values = found.unwrap_or_else(|| Vec::with_capacity(length));
        values.resize(length, T::default());
        Self(values)
    }

    /// A buffer of zeros.
    pub fn zeros(length: usize) -> Self {
        let mut buffer = Self::any(length);
        buffer.fill(T::default());
        buffer
    }
}

/// Gives all unused buffers back to the operating system.
pub fn release_buffers() {
    if let Ok(mut free) = FREE.lock() {
        free.clear();
    }
}

impl<T: Element> Drop for Buffer<T> {
    fn drop(&mut self) {
        let values = std::mem::take(&mut self.0);
        if values.capacity() > 0
            && let Ok(mut free) = FREE.lock()
        {
            free.entry((TypeId::of::<T>(), values.capacity())).or_default().push(Box::new(values));
        }
    }
}

impl<T: Element> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        const CHUNK: usize = 1 << 16;
        let mut copy = Self::any(self.len());
        for_each(copy.chunks_mut(CHUNK).zip(self.chunks(CHUNK)), |(to, from)| to.copy_from_slice(from));
        copy
    }
}

impl<T: Element> Deref for Buffer<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Element> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back_and_zeros_are_zero() {
        let mut buffer = Buffer::<f64>::any(1000);
        buffer.fill(7.0);
        let place = buffer.as_ptr();
        drop(buffer);
        let again = Buffer::<f64>::zeros(900);
        assert_eq!(again.as_ptr(), place);
        assert!(again.iter().all(|x| *x == 0.0));
    }
}
