// SPDX-License-Identifier: MPL-2.0

//! Keys and certificates.

use std::time::{Duration, Instant};

use duplex_proto::{DESCRIPTOR, GetCapabilitiesRequest, tts_service_client::TtsServiceClient};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio_stream::StreamExt;
use tonic::{
    Code, Request, Status,
    transport::{Certificate, Channel, ClientTlsConfig, Identity},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::rig::{Folder, LEAST, PATIENCE, Worker, command, open, run, speak, text};

/// An authority, and what it has signed.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// A certificate of this name, and its key.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

async fn connect(
    worker: &Worker,
    authority: &Authority,
    identity: Option<&(String, String)>,
) -> Result<TtsServiceClient<Channel>, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&authority.pem))
        .domain_name("localhost");
    if let Some((certificate, key)) = identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    let endpoint = Channel::from_shared(format!("https://{}", worker.address)).unwrap();
    let channel = endpoint.tls_config(tls)?.connect().await?;
    Ok(TtsServiceClient::new(channel))
}

async fn sessions(client: &mut TtsServiceClient<Channel>) -> Result<f64, Status> {
    let reply = client.get_capabilities(GetCapabilitiesRequest {}).await?;
    Ok(reply.into_inner().metrics["sessions"])
}

#[tokio::test]
async fn a_worker_speaks_tls_and_knows_when_such_a_client_is_gone() {
    let folder = Folder::new();
    let authority = Authority::new();
    let (certificate, key) = authority.sign("localhost");
    folder.write("worker.pem", certificate);
    folder.write("worker.key", key);
    // From the folder of the configuration, wherever it is started.
    let path = folder.write(
        "w.yaml",
        format!("{LEAST}tls: {{certificate: worker.pem, key: worker.key}}\n"),
    );
    let elsewhere = Folder::new();
    let worker = Worker::start(&elsewhere, &["--config", &path]);

    let mut client = connect(&worker, &authority, None).await.unwrap();
    assert!(open(&mut client, "a", "").await.unwrap().success);
    assert!(speak(&mut client, "a", "One two.").await.unwrap() > 4_800);
    let mut other = connect(&worker, &authority, None).await.unwrap();
    assert_eq!(sessions(&mut other).await.unwrap(), 1.0);
    drop(client);
    let started = Instant::now();
    while sessions(&mut other).await.unwrap() > 0.0 {
        assert!(started.elapsed() < PATIENCE, "the session stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // Neither a plain client nor one that trusts others gets anywhere.
    let plain = Channel::from_shared(format!("http://{}", worker.address)).unwrap();
    let spoken = match plain.connect().await {
        Ok(channel) => sessions(&mut TtsServiceClient::new(channel)).await.is_ok(),
        Err(_) => false,
    };
    assert!(!spoken);
    assert!(connect(&worker, &Authority::new(), None).await.is_err());
    assert_eq!(sessions(&mut other).await.unwrap(), 0.0);
}

#[tokio::test]
async fn with_an_authority_for_clients_only_its_clients_are_served() {
    let folder = Folder::new();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (certificate, key) = ours.sign("localhost");
    folder.write("worker.pem", certificate);
    folder.write("worker.key", key);
    folder.write("clients.pem", &theirs.pem);
    folder.write(
        "w.yaml",
        format!(
            "{LEAST}tls: {{certificate: worker.pem, key: worker.key, client_ca: clients.pem}}\n"
        ),
    );
    // Whoever has such a certificate is known: nothing is to be warned of on any network.
    let worker = Worker::spawn(command(
        &folder,
        &["--config", "w.yaml", "--listen", "0.0.0.0:0"],
    ));
    worker.logs("serving").await;
    assert!(!worker.log().contains("anybody"), "{}", worker.log());

    let theirs = theirs.sign("client");
    let mut client = connect(&worker, &ours, Some(&theirs)).await.unwrap();
    assert_eq!(sessions(&mut client).await.unwrap(), 0.0);
    for identity in [None, Some(ours.sign("client"))] {
        // The refusal comes after the client's part of the handshake.
        let served = match connect(&worker, &ours, identity.as_ref()).await {
            Ok(mut client) => sessions(&mut client).await.is_ok(),
            Err(_) => false,
        };
        assert!(!served);
    }
}

#[test]
fn certificates_and_keys_that_do_not_belong_together_are_told() {
    let folder = Folder::new();
    let authority = Authority::new();
    folder.write("a.pem", authority.sign("localhost").0);
    folder.write("b.key", authority.sign("localhost").1);
    folder.write(
        "torn.pem",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    for (tls, expected) in [
        (
            "{certificate: a.pem, key: b.key}",
            "w.yaml:3:6: the TLS certificate and key cannot be used: ",
        ),
        (
            "{certificate: torn.pem, key: b.key}",
            "w.yaml:3:6: the TLS certificate and key cannot be used: ",
        ),
        (
            "{certificate: b.key, key: a.pem}",
            "w.yaml:3:20: `certificate`: b.key holds no certificate in PEM, which begins with -----BEGIN\n",
        ),
    ] {
        folder.write("w.yaml", format!("{LEAST}tls: {tls}\n"));
        let output = run(&mut command(&folder, &["--config", "w.yaml"]));
        let told = text(&output.stderr);
        assert!(told.starts_with(expected), "{tls}: {told}");
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
    }
}

#[tokio::test]
async fn calls_without_the_key_are_refused_and_health_and_reflection_answer_all() {
    let folder = Folder::new();
    folder.write("w.yaml", format!("{LEAST}api_key: in-the-file\n"));
    for (from, key) in [
        ("file", "in-the-file"),
        ("environment", "in-the-environment"),
    ] {
        let mut command = command(&folder, &["--config", "w.yaml", "--listen", "0.0.0.0:0"]);
        if from == "environment" {
            command.env("DUPLEX_WORKER_API_KEY", key);
        }
        let worker = Worker::spawn(command);
        let mut client = worker.client().await;
        for (given, reason) in [
            (
                None,
                Some(
                    "this worker asks for a key: send it as metadata, `authorization: Bearer KEY`",
                ),
            ),
            (Some("Bearer no"), Some("this key is not the worker's")),
            (
                Some(key),
                Some(
                    "this worker asks for a key: send it as metadata, `authorization: Bearer KEY`",
                ),
            ),
            (Some(&*format!("Bearer {key}")), None),
        ] {
            let mut request = Request::new(GetCapabilitiesRequest {});
            if let Some(given) = given {
                request
                    .metadata_mut()
                    .insert("authorization", given.parse().unwrap());
            }
            match (client.get_capabilities(request).await, reason) {
                (Ok(_), None) => (),
                (Err(status), Some(reason)) => {
                    assert_eq!(
                        (status.code(), status.message()),
                        (Code::Unauthenticated, reason)
                    );
                }
                (reply, _) => panic!("{given:?}: {reply:?}"),
            }
        }
        worker.logs("can be read on the way").await;

        let channel = worker.channel().await;
        let check = HealthCheckRequest {
            service: "tts.TTSService".into(),
        };
        let health = HealthClient::new(channel.clone())
            .check(check)
            .await
            .unwrap();
        assert_eq!(health.into_inner().status(), ServingStatus::Serving);
        reflects(channel).await;
    }
}

/// Tools that ask a worker what it speaks get tts.proto.
async fn reflects(channel: Channel) {
    let ask = |message_request| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message_request),
    };
    let asked = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "tts.TTSService".into(),
        )),
    ];
    let mut replies = ServerReflectionClient::new(channel)
        .server_reflection_info(tokio_stream::iter(asked))
        .await
        .unwrap()
        .into_inner();
    let mut found = Vec::new();
    while let Some(reply) = replies.next().await {
        match reply.unwrap().message_response.unwrap() {
            MessageResponse::ListServicesResponse(list) => {
                found.extend(list.service.into_iter().map(|service| service.name));
            }
            MessageResponse::FileDescriptorResponse(files) => {
                // The same file as the one that the service is made from.
                let file = &files.file_descriptor_proto[0];
                assert!(DESCRIPTOR.windows(file.len()).any(|part| part == file));
                found.push("file".into());
            }
            other => panic!("{other:?}"),
        }
    }
    for name in ["tts.TTSService", "grpc.health.v1.Health", "file"] {
        assert!(found.iter().any(|found| found == name), "{name}: {found:?}");
    }
}
