//! Each connector against the system that it is for, or against a server that acts as that system.

mod caldav;
mod google_calendar;
mod http;
mod rig;
mod s3;
