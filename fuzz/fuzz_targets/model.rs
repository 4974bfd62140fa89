//! A model folder and an adapter as a hub or a stranger hands them over.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| freehold_fuzz::model(data));
