//! Connectors against real servers, one folder a kind.

mod http;
