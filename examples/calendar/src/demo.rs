//! The course of the demonstration.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use sea_orm::{DatabaseConnection, EntityTrait, IntoActiveModel};
use sexton_core::ids::Lane;
use sexton_core::{
    config::Config,
    db::Db,
    ledger::{Ledger, Status},
};
use sexton_producer::{Producer, Request, prelude::*};
use sexton_worker::Daemon;
use tokio::{signal::ctrl_c, time::interval};

use crate::{
    bookings::{Bookings, RESTORED},
    calendar_api::CalendarApi,
    entity,
    files::Files,
    options::Options,
    progress::{Figures, Progress},
    report::{NextSteps, Report},
    settings,
};

/// Bookings that the application removes in one transaction.
const BATCH: usize = 25;
/// Time between two of its transactions.
const PAUSE: Duration = Duration::from_millis(600);
/// How often the figures are read.
const TICK: Duration = Duration::from_millis(200);
/// When nothing has changed for this long, something is wrong: every wait of the configuration is shorter.
const STALLED: Duration = Duration::from_secs(90);

/// The message when the daemon has failed.
const ENDED: &str = "the daemon ended; its log says more";

/// How it ended.
pub(crate) enum End {
    /// As promised, or interrupted by the user.
    Good,
    /// The check failed.
    Inconsistent,
}

/// The parts, once they run.
struct Demo {
    conn: DatabaseConnection,
    db: Db,
    ledger: Ledger,
    producer: Producer,
    calendar: CalendarApi,
    bookings: Bookings,
}

/// Runs it from start to end.
///
/// # Errors
/// Something outside the demonstration failed: a directory, a database, a port.
pub(crate) async fn run(options: &Options) -> anyhow::Result<End> {
    let files = Files::prepare(&options.dir)?;
    let log = files.start_log()?;
    let bookings = Bookings::new(options.bookings);
    let calendar = CalendarApi::start(bookings.events.clone(), options.misbehave, options.seed)
        .await
        .context("cannot start the stand-in for the calendar")?;
    let url = match &options.database {
        Some(url) => settings::fresh_schema(url).await?,
        None => files.sqlite_url()?,
    };
    let config = settings::write_config(&files.config(), &url, options.redis.as_deref(), &calendar)?;
    let demo = Demo::set_up(&url, &config, bookings, calendar).await?;
    let mut daemon = Daemon::start(config, sexton_worker::Options::default()).await?;
    println!(
        "{} bookings in the table `block`; the calendar at {} misbehaves in {:.0} % of its answers.\n\
         Daemon: http://{}/metrics, log in {}",
        demo.bookings.all().count(),
        demo.calendar.base(),
        options.misbehave * 100.0,
        daemon.console(),
        log.display()
    );
    let mut interrupt = pin!(ctrl_c());
    let worked = tokio::select! {
        worked = demo.work() => worked,
        why = daemon.failed() => Err(anyhow::Error::new(why).context(ENDED)),
        pressed = &mut interrupt => {
            pressed?;
            println!("\nStopped. The ledger keeps what is left to do.");
            daemon.shutdown().await;
            return Ok(End::Good);
        }
    };
    worked?;
    daemon.wait_until_idle().await?;
    let report = Report::draw(&demo.conn, &demo.ledger, &demo.bookings, &demo.calendar).await?;
    println!("{}", report.text(&NextSteps { config: &files.config(), daemon_stays: !options.exit })?);
    let end = if report.violations.is_empty() { End::Good } else { End::Inconsistent };
    if !options.exit && matches!(end, End::Good) {
        demo.calendar.release();
        println!("The daemon stays up until Ctrl-C.");
        tokio::select! {
            watched = demo.watch() => watched?,
            why = daemon.failed() => return Err(anyhow::Error::new(why).context(ENDED)),
            pressed = &mut interrupt => pressed?,
        }
    }
    daemon.shutdown().await;
    Ok(end)
}

impl Demo {
    async fn set_up(url: &str, config: &Config, bookings: Bookings, calendar: CalendarApi) -> anyhow::Result<Self> {
        let conn = settings::connect(url).await?;
        settings::create_table(&conn).await?;
        for rows in bookings.all().cloned().collect::<Vec<_>>().chunks(100) {
            let rows = rows.iter().cloned().map(entity::Model::into_active_model);
            entity::Entity::insert_many(rows).exec(&conn).await.context("cannot insert the bookings")?;
        }
        sexton_worker::migrate(config).await?;
        let db = Db::of_application(conn.clone()).await?;
        let ledger = Ledger::open(&db).await?;
        let request = Request::by("examples/calendar").reason("demonstration");
        let producer = Producer::builder(conn.clone(), config).request(request).connect().await?;
        Ok(Self { conn, db, ledger, producer, calendar, bookings })
    }

    /// The application removes bookings while the daemon works, until nothing is left to do.
    async fn work(&self) -> anyhow::Result<()> {
        let mut progress = Progress::new(self.bookings.removed.len() as u64);
        let mut removing = pin!(self.remove_bookings());
        let mut removed = false;
        let mut moved = (Instant::now(), Figures::default());
        let mut tick = interval(TICK);
        let lanes = ["block", "block.calendar"].map(|name| Lane::from_ledger(name.to_owned()));
        loop {
            tokio::select! {
                result = &mut removing, if !removed => {
                    result?;
                    removed = true;
                }
                _ = tick.tick() => {
                    let idle = removed && self.ledger.is_idle(&self.db, &lanes).await?;
                    let figures = self.figures(&self.ledger.status(&self.conn).await?);
                    if idle {
                        progress.finish(figures);
                        return Ok(());
                    }
                    progress.show(figures);
                    if figures != moved.1 {
                        moved = (Instant::now(), figures);
                    }
                    ensure!(moved.0.elapsed() < STALLED, "nothing has moved for {STALLED:?}; the log says why");
                }
            }
        }
    }

    /// As an application would: a few rows in each transaction, and a mistake that is restored.
    async fn remove_bookings(&self) -> anyhow::Result<()> {
        self.remove_by_mistake().await?;
        for batch in self.bookings.removed.chunks(BATCH) {
            let transaction = self.producer.begin().await?;
            batch.soft_remove_all(&transaction).await?;
            transaction.commit().await?;
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn remove_by_mistake(&self) -> anyhow::Result<()> {
        let hour = Duration::from_secs(3600);
        let careful = self.producer.with(Request::by("examples/calendar").reason("mistake").after(hour));
        for booking in self.bookings.kept.iter().take(RESTORED) {
            booking.soft_remove(&careful).await?;
            booking.restore(&careful).await?;
        }
        Ok(())
    }

    /// Prints what changes when dead letters are retried or discarded.
    async fn watch(&self) -> anyhow::Result<()> {
        let mut tick = interval(TICK);
        let mut shown = self.figures(&self.ledger.status(&self.conn).await?);
        loop {
            tick.tick().await;
            let figures = self.figures(&self.ledger.status(&self.conn).await?);
            if figures.waiting == 0 && figures != shown {
                println!("  {} deleted, {} dead letters left, {} calls", figures.deleted, figures.dead, figures.calls);
                shown = figures;
            }
        }
    }

    fn figures(&self, status: &Status) -> Figures {
        let count = |state: &str| {
            let count = status.states.get(state).copied().unwrap_or_default();
            u64::try_from(count).unwrap_or_default()
        };
        let (deleted, dead) = (count("completed"), count("dead"));
        let waiting = count("pending") + count("waiting") + count("running");
        let calls = u64::from(self.calendar.journal().calls());
        Figures { requested: deleted + dead + waiting, deleted, waiting, dead, calls }
    }
}
