// SPDX-License-Identifier: MPL-2.0

//! `duplex model`

use std::{
    io::{BufRead, IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use clap::Subcommand;
use comfy_table::{CellAlignment, Table, presets};
use duplex_models::{BuiltIn, COMPACT, Cache, Catalogue, Fault, Hub, Model, Place};
use duplex_runner::models::{Error, Fetch, Plan, Server, Wanted, Watcher};
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{FAILED, USAGE, complain, print};

/// Where a model is that is no file.
const BUILT_IN: &str = "built in";

/// Fetch, list and verify the neural voices of cudattsynth
///
/// The model `compact` is built in and needs none of this. Others lie in the cache that huggingface_hub keeps (HF_HUB_CACHE,
/// HF_HOME, ~/.cache/huggingface/hub): what Python has fetched is found, and what is fetched here Python finds. HF_ENDPOINT
/// names another hub, HF_TOKEN says who asks. No other command, and no element, downloads anything.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  duplex model list
  duplex model fetch english
  duplex model fetch french --voice estelle --voice alba --accept-licence
  duplex model verify")]
pub struct Args {
    /// A catalogue of your own, whose models stand beside the published ones; the environment variable DUPLEX_CATALOGUE does
    /// the same, for elements, too
    #[arg(long, value_name = "FILE", global = true)]
    catalogue: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Download a model and a voice of it, after asking whether you accept the licence
    Fetch {
        /// Its name, as `duplex model list` shows it
        name: String,
        /// A voice, once or more; without it, the model's own
        #[arg(long = "voice", value_name = "NAME", conflicts_with = "all_voices")]
        voices: Vec<String>,
        /// All voices that are published for it
        #[arg(long)]
        all_voices: bool,
        /// The weights that can clone voices; their publisher wants to know who you are
        #[arg(long)]
        cloning: bool,
        /// Accept the licence without being asked, for scripts
        #[arg(long)]
        accept_licence: bool,
    },
    /// Show which models there are, and which are on this machine
    List {
        /// Show the voices of one
        name: Option<String>,
    },
    /// Read what is on this machine and tell what is damaged or missing; exit status 1 if anything is
    Verify {
        /// A model; without it, all that are here
        name: Option<String>,
        /// Remove what is damaged, so that it can be fetched again
        #[arg(long)]
        remove: bool,
    },
}

impl Command {
    /// The model that it is for.
    fn model(&self) -> Option<&str> {
        match self {
            Command::Fetch { name, .. } => Some(name),
            Command::List { name } | Command::Verify { name, .. } => name.as_deref(),
        }
    }
}

/// The commands for a model that is no file.
fn built_in(command: &Command, model: &BuiltIn) -> u8 {
    let BuiltIn { name, voice, .. } = model;
    match command {
        Command::List { .. } => {
            let mut table = table(&["voice", "here"]);
            table.add_row([&format!("{voice} (default)"), BUILT_IN]);
            show(&table)
        }
        Command::Fetch { .. } => {
            print(&format!(
                "{name} is built in and needs no fetching: cudattsynth speaks with it where no model is named\n"
            ));
            0
        }
        Command::Verify { .. } => {
            print(&format!("{name}: built in\n"));
            0
        }
    }
}

pub fn main(args: &Args) -> u8 {
    let catalogue = match &args.catalogue {
        Some(path) => Catalogue::read(path),
        None => Catalogue::of_user(),
    };
    let catalogue = match catalogue {
        Ok(catalogue) => catalogue,
        Err(report) => {
            super::report(&report);
            return USAGE;
        }
    };
    let Some(hub) = Hub::of_user() else {
        return failed(&Error::NoHome);
    };
    let model = |name: &str| {
        catalogue.model(name).ok_or_else(|| {
            let near = catalogue.nearest(name);
            complain(&format!(
                "there is no model `{name}`{near}; see: duplex model list"
            ));
            USAGE
        })
    };
    if args.command.model() == Some(COMPACT.name) {
        return built_in(&args.command, &COMPACT);
    }
    let done = match &args.command {
        Command::Fetch {
            name,
            voices,
            all_voices,
            cloning,
            accept_licence,
        } => model(name).map(|model| {
            let fetch = Fetch {
                model,
                wanted: match all_voices {
                    true => Wanted::AllVoices,
                    false => Wanted::Voices(voices.clone()),
                },
                cloning: *cloning,
                cache: &hub.cache,
            };
            fetch_model(&fetch, &hub, *accept_licence)
        }),
        Command::List { name: None } => Ok(list(&catalogue, &hub.cache)),
        Command::List { name: Some(name) } => model(name).map(|model| list_voices(model, &hub)),
        Command::Verify { name, remove } => match name {
            Some(name) => model(name).map(|model| verify(&[model], &hub.cache, *remove)),
            None => {
                let here = |model: &&Model| !model.here(&hub.cache).is_empty();
                let models: Vec<&Model> = catalogue.models().iter().filter(here).collect();
                Ok(verify(&models, &hub.cache, *remove))
            }
        },
    };
    done.unwrap_or_else(|code| code)
}

fn failed(error: &Error) -> u8 {
    complain(&error.to_string());
    FAILED
}

// ---- fetch -------------------------------------------------------------------------------------

fn fetch_model(fetch: &Fetch<'_>, hub: &Hub, accepted: bool) -> u8 {
    let model = fetch.model;
    let places = match fetch.places() {
        Ok(places) => places,
        Err(error) => {
            complain(&error.to_string());
            return USAGE;
        }
    };
    // Whether a licence is accepted is known before the network is.
    let all_here = places.iter().all(|place| hub.cache.find(place).is_some());
    let asks = !all_here && !accepted && !fetch.is_known();
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if asks && !terminal {
        complain(&format!(
            "{}. Nothing is downloaded before you accept that: repeat this with --accept-licence",
            licence(model)
        ));
        return FAILED;
    }
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("nothing can be fetched: {error}"));
            return FAILED;
        }
    };
    let mut shown = Shown::default();
    let work = async {
        if all_here {
            let plan = Plan {
                here: places.into_iter().cloned().collect(),
                to_come: Vec::new(),
            };
            let places = plan.here.iter();
            places.for_each(|place| shown.is_here(place));
            return Ok(true);
        }
        let server = Server::of_user(hub)?;
        let plan = fetch.plan(&server, &mut shown).await?;
        if asks && !ask(fetch, &plan) {
            return Ok(false);
        }
        fetch.fetch(&server, plan, &mut shown).await.map(|()| true)
    };
    let done = runtime.block_on(work);
    shown.clear();
    match done {
        Ok(true) => {
            print(&format!(
                "{} is here: cudattsynth model={}\n{}\n",
                model.name,
                model.name,
                attribution(model)
            ));
            0
        }
        Ok(false) => {
            complain("nothing was downloaded");
            FAILED
        }
        Err(error) => failed(&error),
    }
}

fn licence(model: &Model) -> String {
    let mut text = format!(
        "the model `{}` is published by {} under {} ({}), as {} says",
        model.name, model.publisher, model.licence, model.licence_page, model.page
    );
    if let Some(page) = &model.voices_page {
        text += &format!("; each of its voices has terms of its own, at {page}");
    }
    text
}

/// Whoever passes on what a model says under such a licence names its maker.
fn attribution(model: &Model) -> String {
    format!(
        "weights: {}, {}, {}",
        model.publisher, model.page, model.licence
    )
}

/// Shows the licence and asks.
fn ask(fetch: &Fetch<'_>, plan: &Plan) -> bool {
    let mut text = licence(fetch.model);
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    let files = plan.to_come.len();
    let question = format!(
        "{text}.\n{files} {}, {}, would be fetched into {}.\nDo you accept the licence? [y/N] ",
        if files == 1 { "file" } else { "files" },
        DecimalBytes(plan.size(fetch.cache)),
        fetch.cache.folder().display()
    );
    let mut out = std::io::stderr().lock();
    if out
        .write_all(question.as_bytes())
        .and_then(|()| out.flush())
        .is_err()
    {
        return false;
    }
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.is_ok() && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

/// Shows people how far it is, on a terminal; a line for each file is printed in any case.
#[derive(Default)]
struct Shown {
    bar: Option<ProgressBar>,
}

impl Shown {
    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| print(&format!("{text}\n"))),
            None => print(&format!("{text}\n")),
        }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Shown {
    fn begins(&mut self, place: &Place, size: u64, have: u64) {
        self.clear();
        let style = "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
        // Draws nothing where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.set_message(place.file().to_owned());
        bar.set_position(have);
        // What was here before has not come this fast.
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn at(&mut self, have: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(have);
        }
    }

    fn ends(&mut self, place: &Place, fetched: u64) {
        self.clear();
        self.line(&format!(
            "fetched {} ({})",
            place.path,
            DecimalBytes(fetched)
        ));
    }

    fn is_here(&mut self, place: &Place) {
        self.clear();
        self.line(&format!("here already: {}", place.path));
    }

    fn waits(&mut self, why: &str, time: Duration) {
        self.says(&format!(
            "{why}; the next try in {:.1} s",
            time.as_secs_f32()
        ));
    }

    fn says(&mut self, sentence: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| complain(sentence)),
            None => complain(sentence),
        }
    }
}

// ---- list --------------------------------------------------------------------------------------

fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head);
    table
}

fn show(table: &Table) -> u8 {
    let lines = table.lines().map(|line| format!("{}\n", line.trim()));
    print(&lines.collect::<String>());
    0
}

fn list(catalogue: &Catalogue, cache: &Cache) -> u8 {
    let mut table = table(&[
        "model",
        "language",
        "parameters",
        "licence",
        "cloning",
        "here",
    ]);
    let parameters = |count: u64| format!("{:.1} M", count as f64 / 1e6);
    table.add_row([
        COMPACT.name,
        COMPACT.language,
        &parameters(COMPACT.parameters),
        COMPACT.licence,
        "no",
        BUILT_IN,
    ]);
    for model in catalogue.models() {
        let here = model.here(cache);
        let size = DecimalBytes(here.size());
        let voices = match here.voices.len() {
            1 => "1 voice".to_owned(),
            count => format!("{count} voices"),
        };
        let here = match (here.is_empty(), here.missing().as_slice()) {
            (true, _) => "no".to_owned(),
            (_, []) if here.clones => format!("{size}, {voices}, clones"),
            (_, []) => format!("{size}, {voices}"),
            (_, missing) => format!("in part: no {}", missing.join(", no ")),
        };
        let cloning = match &model.cloning_weights {
            Some(place) if place.repository != model.weights.repository => "with --cloning",
            _ => "no",
        };
        let parameters = parameters(model.parameters);
        table.add_row([
            &model.name,
            &model.language,
            &parameters,
            &model.licence,
            cloning,
            &here,
        ]);
    }
    if let Some(column) = table.column_mut(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    show(&table)
}

fn list_voices(model: &Model, hub: &Hub) -> u8 {
    let mut table = table(&["voice", "here"]);
    let own = hub.own_voices(&model.name);
    for (voice, _) in &own {
        table.add_row([voice.as_str(), "your own"]);
    }
    let published = model.voices.iter();
    let published = published.filter(|(voice, _)| own.iter().all(|(own, _)| own != *voice));
    for (voice, place) in published {
        let here = if hub.cache.find(place).is_some() {
            "yes"
        } else {
            "no"
        };
        let own = if *voice == model.voice {
            " (default)"
        } else {
            ""
        };
        table.add_row([&format!("{voice}{own}"), here]);
    }
    show(&table)
}

// ---- verify ------------------------------------------------------------------------------------

fn verify(models: &[&Model], cache: &Cache, remove: bool) -> u8 {
    if models.is_empty() {
        print(&format!("no model is in {}\n", cache.folder().display()));
        return 0;
    }
    let mut code = 0;
    for model in models {
        let name = &model.name;
        let mut good = 0;
        let mut bad = false;
        for place in model.files(cache) {
            let path = cache.snapshot(place);
            let (what, mut remedy) = match cache.check(place) {
                Ok(()) => {
                    good += 1;
                    continue;
                }
                Err(Fault::Damaged { expected, found }) => (
                    format!("is damaged: its hash is {found}, not {expected}"),
                    format!("duplex model verify {name} --remove, then duplex model fetch {name}"),
                ),
                Err(Fault::Unnamed) => (
                    "is no link to a blob that a hash names: nobody can tell what it holds".into(),
                    "remove it, and fetch it anew".into(),
                ),
                Err(Fault::Unreadable(why)) => (
                    format!("cannot be read: {why}"),
                    "see to its permissions, or to the disk".into(),
                ),
            };
            let damaged = what.starts_with("is damaged");
            if damaged && remove {
                remedy = match cache.remove(place) {
                    Ok(()) => format!("it was removed; duplex model fetch {name}"),
                    Err(error) => format!("it cannot be removed: {error}"),
                };
            }
            complain(&format!("{name}: {} {what}; {remedy}", path.display()));
            bad = true;
        }
        let missing = model.here(cache).missing();
        // What was just removed is missing; that was said.
        if !(missing.is_empty() || bad && remove) {
            let missing = missing.join(", ");
            complain(&format!(
                "{name}: missing: {missing}; duplex model fetch {name}"
            ));
            bad = true;
        }
        if bad {
            code = FAILED;
        } else {
            print(&format!("{name}: good, {good} files\n"));
        }
    }
    code
}
