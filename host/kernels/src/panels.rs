//! Activations, feature-major in panels of 32 tokens, or one token alone.

use crate::buffer::{Buffer, Element};

/// Tokens of a panel: two vectors of AVX-512, four of AVX2, two tiles of AMX.
pub const LANES: usize = 32;

/// Values [features, tokens]: panel after panel, in a panel feature after feature, in a feature 32 tokens.
///
/// The last panel is filled up with tokens that do not exist; their values are finite and mean nothing. Generation goes
/// on token by token: a single token can lie by itself, as a panel of one lane ([`Panels::vector`]).
#[derive(Debug, Clone)]
pub struct Panels<T: Element> {
    features: usize,
    tokens: usize,
    lanes: usize,
    values: Buffer<T>,
}

impl<T: Element> Panels<T> {
    /// Panels with any values, all of which have to be written.
    pub fn any(features: usize, tokens: usize) -> Self {
        Self { features, tokens, lanes: LANES, values: Buffer::any(features * tokens.div_ceil(LANES) * LANES) }
    }

    /// A single token by itself, with any values, all of which have to be written.
    pub fn vector(features: usize) -> Self {
        Self { features, tokens: 1, lanes: 1, values: Buffer::any(features) }
    }

    /// Other features of the same tokens, with any values, all of which have to be written.
    pub fn beside(&self, features: usize) -> Self {
        if self.is_vector() { Self::vector(features) } else { Self::any(features, self.tokens) }
    }

    /// One of the tokens by itself.
    pub fn take(&self, token: usize) -> Self {
        let mut vector = Self::vector(self.features);
        vector.set_token(0, self.token(token));
        vector
    }

    /// Whether this is a single token by itself.
    pub fn is_vector(&self) -> bool {
        self.lanes == 1
    }

    /// Panels of zeros.
    pub fn zeros(features: usize, tokens: usize) -> Self {
        let mut panels = Self::any(features, tokens);
        panels.values.fill(T::default());
        panels
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The number of tokens.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The number of panels.
    pub fn count(&self) -> usize {
        self.tokens.div_ceil(self.lanes)
    }

    /// All values, with those of the tokens that do not exist.
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// All values.
    pub fn values_mut(&mut self) -> &mut [T] {
        &mut self.values
    }

    /// One panel: [features, 32], or [features].
    pub fn panel(&self, index: usize) -> &[T] {
        let size = self.features * self.lanes;
        &self.values[index * size..][..size]
    }

    /// One panel: [features, 32], or [features].
    pub fn panel_mut(&mut self, index: usize) -> &mut [T] {
        let size = self.features * self.lanes;
        &mut self.values[index * size..][..size]
    }

    /// The panels, in order.
    pub fn panels(&self) -> std::slice::ChunksExact<'_, T> {
        self.values.chunks_exact((self.features * self.lanes).max(1))
    }

    /// The panels, in order.
    pub fn panels_mut(&mut self) -> std::slice::ChunksExactMut<'_, T> {
        self.values.chunks_exact_mut((self.features * self.lanes).max(1))
    }

    /// Where the value of a feature and a token lies in [`Panels::values`].
    #[inline(always)]
    pub fn place(&self, feature: usize, token: usize) -> usize {
        if self.is_vector() { feature } else { (token / LANES * self.features + feature) * LANES + token % LANES }
    }

    /// The features of one token, in order.
    pub fn token(&self, token: usize) -> impl Iterator<Item = T> + '_ {
        let start = self.place(0, token);
        (0..self.features).map(move |feature| self.values[start + feature * self.lanes])
    }

    /// Writes the features of one token.
    pub fn set_token(&mut self, token: usize, features: impl IntoIterator<Item = T>) {
        let start = self.place(0, token);
        for (feature, value) in (0..self.features).zip(features) {
            self.values[start + feature * self.lanes] = value;
        }
    }

    /// Sets the tokens that do not exist to zero.
    pub fn clear_padding(&mut self) {
        let used = self.tokens % LANES;
        if used > 0 && !self.is_vector() {
            let last = self.count() - 1;
            self.panel_mut(last).chunks_exact_mut(LANES).for_each(|lanes| lanes[used..].fill(T::default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_lie_side_by_side() {
        let mut panels = Panels::<f32>::zeros(3, 40);
        panels.set_token(33, [1.0, 2.0, 3.0]);
        assert_eq!((panels.count(), panels.values().len()), (2, 192));
        assert_eq!(panels.panel(1)[..65].iter().filter(|x| **x != 0.0).count(), 2);
        assert_eq!(panels.values()[panels.place(2, 33)], 3.0);
        assert_eq!(panels.token(33).collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
        panels.set_token(39, [5.0; 3]);
        let single = panels.take(39);
        assert!(single.is_vector() && single.beside(7).values().len() == 7);
        assert_eq!((single.count(), single.panel(0), single.place(2, 0)), (1, &[5.0; 3][..], 2));
        panels.values_mut().fill(1.0);
        panels.clear_padding();
        assert_eq!(panels.values().iter().sum::<f32>(), 120.0);
    }
}
