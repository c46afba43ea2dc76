//! Each connector against the system that it is for, or against a server that acts as that system.

mod caldav;
mod dav_servers;
mod google_calendar;
mod http;
mod person;
mod rare;
mod rig;
mod s3;
