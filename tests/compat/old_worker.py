# SPDX-License-Identifier: MPL-2.0
"""A worker from before gst-duplex, as far as its clients can tell.

It knows no field from 100 up, reads all text before it speaks, and then sends all frames at once. Whatever asks too often
whether it is there is sent away, as servers of gRPC's own libraries do. It says on its standard output what it is asked.
"""

import math
import struct
import threading
from concurrent import futures

import grpc
from wire import FRAME_BYTES, FRAME_MS, M, RATE, UNARY

lock = threading.Lock()


def say(line):
    with lock:
        print(line, flush=True)


def beep(milliseconds):
    count = RATE * milliseconds // 1000
    return struct.pack(f"<{count}h", *(int(8000 * math.sin(n * 0.06)) for n in range(count)))


class Worker:
    def StartSession(self, request, context):
        say(f"start {request.model_id}")
        return M["StartSessionResponse"](success=True, message="Session started")

    def EndSession(self, request, context):
        say("end")
        return M["EndSessionResponse"](success=True)

    def Control(self, request, context):
        say(f"control {request.command}")
        return M["ControlResponse"](success=True)

    def GetCapabilities(self, request, context):
        able = M["Capabilities"](streaming=True, cpu_ok=True, languages=["en"], max_concurrent_sessions=10)
        return M["GetCapabilitiesResponse"](capabilities=able, resident_models=["tone"], metrics={"rtf": 0.1})

    def ListModels(self, request, context):
        return M["ListModelsResponse"]()

    def LoadModel(self, request, context):
        return M["LoadModelResponse"](success=True)

    def UnloadModel(self, request, context):
        return M["UnloadModelResponse"](success=True)

    def Synthesize(self, chunks, context):
        context.add_callback(lambda: say("call over"))
        text, session = "", ""
        for chunk in chunks:
            unknown = chunk.ByteSize() - M["TextChunk"](
                session_id=chunk.session_id,
                text=chunk.text,
                is_final=chunk.is_final,
                sequence_number=chunk.sequence_number,
            ).ByteSize()
            say(f"chunk of {len(chunk.text)} and {unknown} unknown bytes")
            session, text = session or chunk.session_id, text + chunk.text
        say(f"speaks {text!r}")
        # 200 ms for each word.
        sound = beep(200) * len(text.split())
        count = -(-len(sound) // FRAME_BYTES)
        for n in range(count):
            yield M["AudioFrame"](
                session_id=session,
                audio_data=sound[n * FRAME_BYTES : (n + 1) * FRAME_BYTES].ljust(FRAME_BYTES, b"\0"),
                sample_rate=RATE,
                frame_duration_ms=FRAME_MS,
                sequence_number=n + 1,
                is_final=n + 1 == count,
            )


def main():
    worker = Worker()
    handlers = {
        method: grpc.unary_unary_rpc_method_handler(
            getattr(worker, method),
            request_deserializer=M[f"{method}Request"].FromString,
            response_serializer=M[f"{method}Response"].SerializeToString,
        )
        for method in UNARY
    }
    handlers["Synthesize"] = grpc.stream_stream_rpc_method_handler(
        worker.Synthesize,
        request_deserializer=M["TextChunk"].FromString,
        response_serializer=M["AudioFrame"].SerializeToString,
    )
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("tts.TTSService", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say(f"listening on 127.0.0.1:{port}")
    server.wait_for_termination()


if __name__ == "__main__":
    main()
