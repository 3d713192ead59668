# SPDX-License-Identifier: MPL-2.0
"""A client of `tts.TTSService` from before gst-duplex.

Written from the published table of the wire alone: none of our sources is read, and no field from 100 up is known here.
What passes with this client is what existing clients may rely on.
"""

import os
import queue
import threading
import time

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# message: fields as `number name type`; a type in brackets is a map's value, with a star repeated.
TABLE = {
    "StartSessionRequest": "1 session_id string, 2 model_id string, 3 options (string)",
    "StartSessionResponse": "1 success bool, 2 message string",
    "EndSessionRequest": "1 session_id string",
    "EndSessionResponse": "1 success bool",
    "TextChunk": "1 session_id string, 2 text string, 3 is_final bool, 4 sequence_number int64",
    "AudioFrame": "1 session_id string, 2 audio_data bytes, 3 sample_rate int32, 4 frame_duration_ms int32, "
    "5 sequence_number int64, 6 is_final bool",
    "ControlRequest": "1 session_id string, 2 command ControlCommand",
    "ControlResponse": "1 success bool, 2 message string, 3 timestamp_ms int64",
    "ListModelsRequest": "",
    "ListModelsResponse": "1 models ModelInfo*",
    "ModelInfo": "1 model_id string, 2 family string, 3 is_loaded bool, 4 languages string*, 5 metadata (string)",
    "LoadModelRequest": "1 model_id string, 2 preload_only bool",
    "LoadModelResponse": "1 success bool, 2 message string, 3 load_duration_ms int64",
    "UnloadModelRequest": "1 model_id string",
    "UnloadModelResponse": "1 success bool, 2 message string",
    "GetCapabilitiesRequest": "",
    "GetCapabilitiesResponse": "1 capabilities Capabilities, 2 resident_models string*, 3 metrics (double)",
    "Capabilities": "1 streaming bool, 2 zero_shot bool, 3 lora bool, 4 cpu_ok bool, 5 languages string*, "
    "6 emotive_zero_prompt bool, 7 max_concurrent_sessions int32",
}
COMMANDS = {"PAUSE": 0, "RESUME": 1, "STOP": 2, "RELOAD": 3}
UNARY = ["StartSession", "EndSession", "Control", "ListModels", "LoadModel", "UnloadModel", "GetCapabilities"]

FRAME_BYTES, FRAME_MS, RATE, LEAD_MS = 1920, 20, 48_000, 60
# Longest that any one thing may take on a busy machine.
PATIENCE = 20


def described(package, table, enums):
    """A file of descriptors from a table of this form."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto3")
    for name, values in enums.items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    for name, line in table.items():
        message = file.message_type.add(name=name)
        for entry in filter(None, line.split(", ")):
            number, label, kind = entry.split()
            made = message.field.add(name=label, number=int(number), label=field.LABEL_OPTIONAL)
            if kind.endswith("*") or kind.startswith("("):
                made.label = field.LABEL_REPEATED
            if kind.startswith("("):
                pair = "".join(part.title() for part in label.split("_")) + "Entry"
                nested = message.nested_type.add(name=pair)
                nested.options.map_entry = True
                nested.field.add(name="key", number=1, label=field.LABEL_OPTIONAL, type=field.TYPE_STRING)
                nested.field.add(
                    name="value",
                    number=2,
                    label=field.LABEL_OPTIONAL,
                    type=getattr(field, "TYPE_" + kind.strip("()").upper()),
                )
                made.type, made.type_name = field.TYPE_MESSAGE, f".{package}.{name}.{pair}"
            elif (bare := kind.rstrip("*")) in table:
                made.type, made.type_name = field.TYPE_MESSAGE, f".{package}.{bare}"
            elif bare in enums:
                made.type, made.type_name = field.TYPE_ENUM, f".{package}.{bare}"
            else:
                made.type = getattr(field, "TYPE_" + bare.upper())
    return file


def messages(package, table, enums):
    """The classes of a table's messages, by their names."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described(package, table, enums))
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in table
    }


M = messages("tts", TABLE, {"ControlCommand": COMMANDS})


def address():
    return os.environ["WORKER"]


class Client:
    """One connection of its own."""

    def __init__(self):
        # Otherwise channels to one address share a connection.
        self.channel = grpc.insecure_channel(address(), options=[("grpc.use_local_subchannel_pool", 1)])
        for method in UNARY:
            setattr(self, method, self._unary(method))
        self.synthesize = self.channel.stream_stream(
            "/tts.TTSService/Synthesize",
            request_serializer=M["TextChunk"].SerializeToString,
            response_deserializer=M["AudioFrame"].FromString,
        )

    def _unary(self, method):
        call = self.channel.unary_unary(
            f"/tts.TTSService/{method}",
            request_serializer=M[f"{method}Request"].SerializeToString,
            response_deserializer=M[f"{method}Response"].FromString,
        )
        return lambda **fields: call(M[f"{method}Request"](**fields), timeout=PATIENCE)

    def session(self, model="tone", **options):
        """A new session's id."""
        name = f"s-{os.getpid()}-{time.monotonic_ns()}"
        reply = self.StartSession(session_id=name, model_id=model, options=options)
        assert reply.success, reply.message
        return name

    def metric(self, name):
        return self.GetCapabilities().metrics[name]

    def close(self):
        self.channel.close()


class Call:
    """One Synthesize, with a thread that takes what comes."""

    def __init__(self, client, session, text=None, final=True):
        self.session = session
        self.chunks = queue.Queue()
        self.changed = threading.Condition()
        self.frames, self.times, self.ended, self.error = [], [], False, None
        self.number = 0
        self.began = time.monotonic()
        if text is not None:
            self.say(text, final)
        self.stream = client.synthesize(iter(self.chunks.get, None))
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self):
        try:
            for frame in self.stream:
                with self.changed:
                    self.frames.append(frame)
                    self.times.append(time.monotonic())
                    self.changed.notify_all()
        except grpc.RpcError as error:
            self.error = error
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def say(self, text, final=False):
        self.number += 1
        self.chunks.put(
            M["TextChunk"](session_id=self.session, text=text, is_final=final, sequence_number=self.number)
        )

    def half_close(self):
        self.chunks.put(None)

    def wait(self, count):
        """Waits for so many frames."""
        with self.changed:
            there = self.changed.wait_for(lambda: len(self.frames) >= count or self.ended, PATIENCE)
        assert there and len(self.frames) >= count, f"{len(self.frames)} of {count} frames came: {self.error}"

    def end(self):
        """Waits for the end; the sound, where it was a good one."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.ended, PATIENCE), f"no end after {len(self.frames)} frames"
        self.half_close()
        if self.error is not None:
            raise self.error
        return b"".join(frame.audio_data for frame in self.frames)


def spoken(client, session, text):
    """All sound of a text."""
    return Call(client, session, text).end()


def eventually(condition, what):
    """Waits until something is so."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)
