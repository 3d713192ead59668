// SPDX-License-Identifier: MPL-2.0

//! `tts.TTSService` as tts.proto tells it.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use duplex_proto::{
    Capabilities, ControlCommand, ControlRequest, ControlResponse, EndSessionRequest,
    EndSessionResponse, GetCapabilitiesRequest, GetCapabilitiesResponse, ListModelsRequest,
    ListModelsResponse, LoadModelRequest, LoadModelResponse, ModelInfo, PROTOCOL,
    StartSessionRequest, StartSessionResponse, TextChunk, UnloadModelRequest, UnloadModelResponse,
    frames, tts_service_server::TtsService,
};
use duplex_synthesis::{Error, RATES, Request as Wish, Utterance};
use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use crate::{
    call::Call,
    connections::Connection,
    metrics::Metrics,
    models::Models,
    sessions::{ConnectionId, Refused, Reserved, Session, Sessions},
    speech::{Opening, Shape, Speech},
    status::from_engine,
    ticker::Ticker,
};

/// Longest id that is taken, in bytes.
const LONGEST_ID: usize = 256;

/// The service. Cloning gives another handle on the same one.
#[derive(Clone)]
pub struct Service(Arc<Shared>);

struct Shared {
    models: Models,
    sessions: Sessions,
    metrics: Arc<Metrics>,
    ticker: Ticker,
    closing: AtomicBool,
}

impl Service {
    /// Serves these models to sessions within limits. In a runtime.
    pub fn new(models: Models, sessions: Sessions) -> Self {
        Self(Arc::new(Shared {
            models,
            sessions,
            metrics: Arc::default(),
            ticker: Ticker::start(),
            closing: AtomicBool::new(false),
        }))
    }

    /// The models.
    pub fn models(&self) -> &Models {
        &self.0.models
    }

    /// The sessions.
    pub fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// From now on no session and no call begins; what runs goes on.
    pub fn close(&self) {
        self.0.closing.store(true, Ordering::Release);
    }

    fn is_open(&self) -> Result<(), Status> {
        if self.0.closing.load(Ordering::Acquire) {
            return Err(Status::unavailable(
                "this worker is shutting down; try another one",
            ));
        }
        Ok(())
    }

    /// Opens a session. `Ok(Err(_))` is a sentence for the client.
    async fn start(
        &self,
        request: StartSessionRequest,
        by: ConnectionId,
    ) -> Result<Result<(Arc<Session>, String), String>, Status> {
        let sessions = self.sessions();
        let place = loop {
            match sessions.reserve(&request.session_id)? {
                Reserved::Place(place) => break place,
                Reserved::Open(session) => {
                    let asked = &request.model_id;
                    if !asked.is_empty() && *asked != session.model.spec.id {
                        return Ok(Err(format!(
                            "session {} is open with model `{}`; end it before you open it with `{asked}`",
                            session.id, session.model.spec.id
                        )));
                    }
                    sessions.get_for(&session.id, by)?;
                    return Ok(Ok((session, "Session is open already".into())));
                }
                // Whoever opens it is about to be ready.
                Reserved::Opening => tokio::time::sleep(crate::ticker::GRID / 4).await,
            }
        };
        let model = match self.models().acquire(&request.model_id).await {
            Ok(model) => model,
            Err(error) => return Ok(Err(format!("Failed to start session: {error}"))),
        };
        let mut wish = Wish {
            voice: model.spec.voice.clone(),
            language: model.spec.language.clone(),
            ..Wish::default()
        };
        let ignored = match options(&mut wish, &request) {
            Ok(ignored) => ignored,
            Err(sentence) => return Ok(Err(format!("Failed to start session: {sentence}"))),
        };
        // The voice is tried now, not at the first word.
        let (engine, tried) = (model.engine.clone(), wish.clone());
        let prepared = tokio::task::spawn_blocking(move || engine.prepare(&tried)).await;
        match prepared {
            Ok(Ok(())) => (),
            Ok(Err(error)) => return Ok(Err(format!("Failed to start session: {error}"))),
            Err(_) => return Err(Status::internal("preparing the voice panicked")),
        }
        let session = place.fill(model, wish, by);
        tracing::info!(session_id = %session.id, model = %session.model.spec.id, "session opened");
        Ok(Ok((session, format!("Session started{ignored}"))))
    }

    async fn speak(
        &self,
        request: Request<Streaming<TextChunk>>,
    ) -> Result<Speech<Streaming<TextChunk>>, Status> {
        self.is_open()?;
        let by = connection(&request);
        let mut input = request.into_inner();
        let Some(first) = input.message().await? else {
            return Err(Status::ok("no text"));
        };
        // The first text may have been long in coming.
        self.is_open()?;
        if first.session_id.is_empty() {
            return Err(Status::invalid_argument("Missing session_id"));
        }
        let session = self.sessions().get_for(&first.session_id, by)?;
        let shape = shape(&first)?;
        let from_word = u32::try_from(first.resume_from_word.unwrap_or(0))
            .map_err(|_| Status::invalid_argument("resume_from_word is negative"))?;
        if first.utterance_id.len() > LONGEST_ID {
            return Err(Status::invalid_argument(format!(
                "utterance_id has more than {LONGEST_ID} bytes"
            )));
        }
        let call = Arc::new(Call::new(first.utterance_id.clone()));
        session.begin(call.clone(), self.sessions().limits().calls, by)?;
        let begun = Begun {
            session: &session,
            call: Some(&call),
        };
        tracing::debug!(session_id = %session.id, utterance_id = %call.utterance_id, "utterance begun");
        let opening = Opening {
            utterance: utterance(&session, &call).await?,
            session: session.clone(),
            call: call.clone(),
            shape,
            from_word,
            ticker: self.0.ticker.clone(),
            metrics: self.0.metrics.clone(),
        };
        let speech = Speech::new(opening, &first, input)?;
        begun.hand_over();
        Ok(speech)
    }

    /// What came of a command, as a sentence; `Err` where it did nothing.
    ///
    /// Who commands does not come to use the session: it may be somebody who looks after others'.
    async fn command(&self, request: &ControlRequest) -> Result<String, String> {
        let command = ControlCommand::try_from(request.command)
            .map_err(|_| format!("Unknown command: {}", request.command))?;
        let session = self
            .sessions()
            .get(&request.session_id)
            .map_err(|refused: Refused| refused.to_string())?;
        let name = command.as_str_name();
        if command == ControlCommand::Reload {
            self.models()
                .reload(&session.model)
                .await
                .map_err(|error| error.to_string())?;
            return Ok(format!("Command {name} executed"));
        }
        let running = session.running(&request.utterance_id);
        if running.is_empty() && !request.utterance_id.is_empty() {
            return Err(format!(
                "utterance {} is not being spoken",
                request.utterance_id
            ));
        }
        for call in &running {
            call.change(|wanted| match command {
                ControlCommand::Pause => wanted.paused = true,
                ControlCommand::Resume => wanted.paused = false,
                ControlCommand::Stop | ControlCommand::Reload => wanted.stopped = true,
            })
            .await;
        }
        Ok(match running.len() {
            0 => format!("Command {name} executed; nothing is being spoken"),
            _ => format!("Command {name} executed"),
        })
    }
}

/// A call that nobody ends yet but this: its client may go while it is opened.
struct Begun<'a> {
    session: &'a Session,
    call: Option<&'a Arc<Call>>,
}

impl Begun<'_> {
    fn hand_over(mut self) {
        self.call = None;
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            self.session.end(call);
        }
    }
}

/// The engine's utterance for a call. Where the engine has no room, and the session itself is being spoken for, that is
/// waited for: a client opens the next utterance ahead of its time. Those of a session are opened in their order.
async fn utterance(session: &Session, call: &Arc<Call>) -> Result<Utterance, Status> {
    let wish = Wish {
        utterance_id: call.utterance_id.clone(),
        ..session.request.clone()
    };
    loop {
        let ahead = session.ahead_of(call);
        if ahead.iter().all(|other| other.is_open()) {
            match session.model.engine.open(&wish) {
                Err(Error::Busy(_)) if !ahead.is_empty() => (),
                Ok(utterance) => {
                    call.opened();
                    return Ok(utterance);
                }
                Err(error) => return Err(from_engine(error)),
            }
        }
        tokio::time::sleep(crate::ticker::GRID).await;
    }
}

/// The connection that a request came by.
fn connection<T>(request: &Request<T>) -> ConnectionId {
    request
        .extensions()
        .get::<Connection>()
        .map_or(0, |connection| connection.id)
}

/// What the session's options ask for; a note of those that mean nothing here.
fn options(wish: &mut Wish, request: &StartSessionRequest) -> Result<String, String> {
    let mut ignored: Vec<&str> = Vec::new();
    for (name, value) in &request.options {
        match name.as_str() {
            "voice" => wish.voice = Some(value.clone()),
            "language" => {
                wish.language = Some(value.clone());
                if !request.options.contains_key("voice") {
                    wish.voice = None;
                }
            }
            "rate" => {
                wish.rate = value
                    .parse()
                    .ok()
                    .filter(|rate| RATES.contains(rate))
                    .ok_or_else(|| {
                        format!(
                            "option rate=`{value}` is no number from {} to {}",
                            RATES.start(),
                            RATES.end()
                        )
                    })?;
            }
            "ssml" => {
                wish.ssml = value
                    .parse()
                    .map_err(|_| format!("option ssml=`{value}` is neither true nor false"))?;
            }
            other => ignored.push(other),
        }
    }
    if ignored.is_empty() {
        return Ok(String::new());
    }
    ignored.sort_unstable();
    Ok(format!("; ignored options: {}", ignored.join(", ")))
}

/// What frames the first chunk asks for.
fn shape(first: &TextChunk) -> Result<Shape, Status> {
    let piece = match first.piece_ms {
        0 => frames::FRAME_MS,
        ms => u32::try_from(ms)
            .ok()
            .filter(|ms| *ms <= frames::LONGEST_MS && ms.is_multiple_of(frames::FRAME_MS))
            .ok_or_else(|| {
                Status::invalid_argument(format!(
                    "piece_ms {ms} is no multiple of {} from {0} to {}",
                    frames::FRAME_MS,
                    frames::LONGEST_MS
                ))
            })?,
    };
    let rate = match first.sample_rate {
        0 => frames::RATE,
        rate => u32::try_from(rate)
            .ok()
            .filter(|rate| frames::RATES.contains(rate))
            .ok_or_else(|| {
                let rates = frames::RATES.map(|rate| rate.to_string()).join(", ");
                Status::invalid_argument(format!("sample_rate {rate} is none of {rates}"))
            })?,
    };
    let is_new = first.credit_ms.is_some() || first.piece_ms != 0 || first.sample_rate != 0;
    Ok(Shape {
        rate,
        frame_ms: piece,
        fill: !is_new,
        marks: is_new || !first.utterance_id.is_empty(),
    })
}

fn check_id(id: &str) -> Result<(), Status> {
    if id.is_empty() {
        return Err(Status::invalid_argument("Missing session_id"));
    }
    if id.len() > LONGEST_ID {
        return Err(Status::invalid_argument(format!(
            "session_id has more than {LONGEST_ID} bytes"
        )));
    }
    Ok(())
}

fn wall_clock_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| {
            i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
        })
}

#[tonic::async_trait]
impl TtsService for Service {
    async fn start_session(
        &self,
        request: Request<StartSessionRequest>,
    ) -> Result<Response<StartSessionResponse>, Status> {
        self.is_open()?;
        let by = connection(&request);
        let request = request.into_inner();
        check_id(&request.session_id)?;
        let reply = match self.start(request, by).await? {
            Ok((session, message)) => StartSessionResponse {
                success: true,
                message,
                protocol: PROTOCOL,
                sample_rate: session
                    .model
                    .engine
                    .sample_rate(&session.request)
                    .map_or(0, |rate| rate as i32),
            },
            Err(message) => StartSessionResponse {
                success: false,
                message,
                protocol: PROTOCOL,
                sample_rate: 0,
            },
        };
        Ok(Response::new(reply))
    }

    type SynthesizeStream =
        Pin<Box<dyn Stream<Item = Result<duplex_proto::AudioFrame, Status>> + Send>>;

    async fn synthesize(
        &self,
        request: Request<Streaming<TextChunk>>,
    ) -> Result<Response<Self::SynthesizeStream>, Status> {
        match self.speak(request).await {
            Ok(speech) => Ok(Response::new(Box::pin(speech))),
            // A client that says nothing gets nothing, and that is no fault.
            Err(status) if status.code() == tonic::Code::Ok => {
                Ok(Response::new(Box::pin(futures_util::stream::empty())))
            }
            Err(status) => Err(status),
        }
    }

    async fn control(
        &self,
        request: Request<ControlRequest>,
    ) -> Result<Response<ControlResponse>, Status> {
        let done = self.command(request.get_ref()).await;
        Ok(Response::new(ControlResponse {
            success: done.is_ok(),
            message: done.unwrap_or_else(|sentence| sentence),
            timestamp_ms: wall_clock_ms(),
        }))
    }

    async fn end_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionResponse>, Status> {
        let id = &request.get_ref().session_id;
        if self.sessions().close(id).await {
            tracing::info!(session_id = %id, "session ended");
        }
        Ok(Response::new(EndSessionResponse { success: true }))
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        let models = self.models().list().into_iter().map(|status| ModelInfo {
            model_id: status.id,
            family: status.family,
            is_loaded: status.loaded,
            languages: status.languages,
            metadata: [
                ("refcount".to_owned(), status.references.to_string()),
                ("idle_seconds".to_owned(), status.idle.as_secs().to_string()),
            ]
            .into(),
        });
        Ok(Response::new(ListModelsResponse {
            models: models.collect(),
        }))
    }

    async fn load_model(
        &self,
        request: Request<LoadModelRequest>,
    ) -> Result<Response<LoadModelResponse>, Status> {
        self.is_open()?;
        let request = request.get_ref();
        let loaded = self
            .models()
            .load(&request.model_id, request.preload_only)
            .await;
        Ok(Response::new(match loaded {
            Ok(time) => LoadModelResponse {
                success: true,
                message: "Model loaded".into(),
                load_duration_ms: i64::try_from(time.as_millis()).unwrap_or(i64::MAX),
            },
            Err(error) => LoadModelResponse {
                success: false,
                message: format!("Failed to load model: {error}"),
                load_duration_ms: 0,
            },
        }))
    }

    async fn unload_model(
        &self,
        request: Request<UnloadModelRequest>,
    ) -> Result<Response<UnloadModelResponse>, Status> {
        let unloaded = self.models().unload(&request.get_ref().model_id);
        Ok(Response::new(UnloadModelResponse {
            success: unloaded.is_ok(),
            message: match unloaded {
                Ok(()) => "Model unload initiated (will unload when idle)".into(),
                Err(error) => error.to_string(),
            },
        }))
    }

    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        let models = self.models().list();
        let mut languages: Vec<String> = models
            .iter()
            .flat_map(|status| status.languages.clone())
            .collect();
        languages.sort();
        languages.dedup();
        let sessions = self.sessions();
        Ok(Response::new(GetCapabilitiesResponse {
            capabilities: Some(Capabilities {
                streaming: true,
                zero_shot: false,
                lora: false,
                cpu_ok: true,
                languages,
                emotive_zero_prompt: false,
                max_concurrent_sessions: i32::try_from(sessions.limits().sessions)
                    .unwrap_or(i32::MAX),
                protocol: PROTOCOL,
            }),
            resident_models: models
                .into_iter()
                .filter(|status| status.loaded)
                .map(|status| status.id)
                .collect(),
            metrics: self.0.metrics.report(sessions.len()),
        }))
    }
}
