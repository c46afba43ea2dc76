//! Lanes that are paused, left alone, or limited.

mod breaker;
mod pause;
