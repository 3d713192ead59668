// SPDX-License-Identifier: MPL-2.0

//! What anybody writes first: a task and a timer for each call, a channel between them and the server.
//!
//! The baseline of the worker's bench. Its sound is silence, made in no time; only sending is measured.

#![allow(clippy::print_stdout)]

use std::{pin::Pin, time::Duration};

use anyhow::Result;
use duplex_proto::{
    AudioFrame, ControlRequest, ControlResponse, EndSessionRequest, EndSessionResponse,
    GetCapabilitiesRequest, GetCapabilitiesResponse, ListModelsRequest, ListModelsResponse,
    LoadModelRequest, LoadModelResponse, StartSessionRequest, StartSessionResponse, TextChunk,
    UnloadModelRequest, UnloadModelResponse,
    tts_service_server::{TtsService, TtsServiceServer},
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::TcpIncoming},
};

struct Naive;

#[tonic::async_trait]
impl TtsService for Naive {
    async fn start_session(
        &self,
        _: Request<StartSessionRequest>,
    ) -> Result<Response<StartSessionResponse>, Status> {
        Ok(Response::new(StartSessionResponse {
            success: true,
            ..Default::default()
        }))
    }

    type SynthesizeStream = Pin<Box<dyn Stream<Item = Result<AudioFrame, Status>> + Send>>;

    async fn synthesize(
        &self,
        request: Request<Streaming<TextChunk>>,
    ) -> Result<Response<Self::SynthesizeStream>, Status> {
        let mut input = request.into_inner();
        let Some(first) = input.message().await? else {
            return Err(Status::invalid_argument("no text"));
        };
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            for sequence_number in 1.. {
                ticks.tick().await;
                let frame = AudioFrame {
                    session_id: first.session_id.clone(),
                    audio_data: vec![0; 1920].into(),
                    sample_rate: 48_000,
                    frame_duration_ms: 20,
                    sequence_number,
                    ..Default::default()
                };
                if sender.send(Ok(frame)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn control(
        &self,
        _: Request<ControlRequest>,
    ) -> Result<Response<ControlResponse>, Status> {
        Err(Status::unimplemented("naive"))
    }

    async fn end_session(
        &self,
        _: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionResponse>, Status> {
        Ok(Response::new(EndSessionResponse { success: true }))
    }

    async fn list_models(
        &self,
        _: Request<ListModelsRequest>,
    ) -> Result<Response<ListModelsResponse>, Status> {
        Err(Status::unimplemented("naive"))
    }

    async fn load_model(
        &self,
        _: Request<LoadModelRequest>,
    ) -> Result<Response<LoadModelResponse>, Status> {
        Err(Status::unimplemented("naive"))
    }

    async fn unload_model(
        &self,
        _: Request<UnloadModelRequest>,
    ) -> Result<Response<UnloadModelResponse>, Status> {
        Err(Status::unimplemented("naive"))
    }

    async fn get_capabilities(
        &self,
        _: Request<GetCapabilitiesRequest>,
    ) -> Result<Response<GetCapabilitiesResponse>, Status> {
        Err(Status::unimplemented("naive"))
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    Server::builder()
        .add_service(TtsServiceServer::new(Naive))
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await?;
    Ok(())
}
