# SPDX-License-Identifier: MPL-2.0
"""Sessions: how they begin and end, and who is refused."""

import os
import signal
import subprocess
import sys
import time
import unittest

import grpc
from wire import Call, Client, M, eventually, messages, spoken

TEXT = "alpha bravo charlie delta echo foxtrot."
# What ends a clause is known by what follows it.
OPEN = "alpha bravo charlie, delta echo foxtrot, "


def refusal(act):
    """The status and the sentence with which something is refused."""
    try:
        act()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError("it was not refused")


class Sessions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = Client()

    def sessions(self):
        return self.client.metric("sessions")

    def test_an_empty_id_is_refused(self):
        wanted = (grpc.StatusCode.INVALID_ARGUMENT, "Missing session_id")
        self.assertEqual(refusal(lambda: Call(self.client, "", TEXT).end()), wanted)
        self.assertEqual(refusal(lambda: self.client.StartSession(session_id="", model_id="tone")), wanted)

    def test_an_unknown_id_is_refused(self):
        code, sentence = refusal(lambda: Call(self.client, "nobody", TEXT).end())
        self.assertEqual(code, grpc.StatusCode.NOT_FOUND)
        self.assertTrue(sentence.startswith("Session nobody not found"), sentence)

    def test_a_monstrous_id_is_refused(self):
        code, _ = refusal(lambda: self.client.StartSession(session_id="x" * 10_000, model_id="tone"))
        self.assertEqual(code, grpc.StatusCode.INVALID_ARGUMENT)

    def test_odd_ids_are_as_good_as_others(self):
        for name in "ws-0123456789ab", "a b/c?d", "שלום-🎉", "x\0y\n":
            self.assertTrue(self.client.StartSession(session_id=name, model_id="tone").success)
            call = Call(self.client, name, "golf.")
            call.end()
            self.assertEqual(call.frames[0].session_id, name)
            self.assertTrue(self.client.EndSession(session_id=name).success)

    def test_no_model_is_the_default_and_a_bad_one_is_told(self):
        reply = self.client.StartSession(session_id="default", model_id="")
        self.assertEqual((reply.success, reply.message), (True, "Session started"))
        before = self.sessions()
        reply = self.client.StartSession(session_id="bad", model_id="piper-nowhere")
        self.assertFalse(reply.success)
        self.assertTrue(reply.message.startswith("Failed to start session: "), reply.message)
        self.assertIn("piper-nowhere", reply.message)
        self.assertEqual(self.sessions(), before)
        self.client.EndSession(session_id="default")

    def test_bad_options_are_told_and_unknown_ones_named(self):
        for options in {"rate": "fast"}, {"rate": "900"}, {"voice": "nobody"}, {"ssml": "perhaps"}:
            reply = self.client.StartSession(session_id="bad", model_id="tone", options=options)
            self.assertFalse(reply.success, options)
            self.assertIn(next(iter(options.values())), reply.message)
        reply = self.client.StartSession(session_id="odd", model_id="tone", options={"emotion": "joy"})
        self.assertTrue(reply.success)
        self.assertIn("emotion", reply.message)
        self.client.EndSession(session_id="odd")

    def test_options_are_the_sessions(self):
        slow, fast = self.client.session(), self.client.session(rate="2.0")
        self.assertLess(len(spoken(self.client, fast, TEXT)) * 1.8, len(spoken(self.client, slow, TEXT)))

    def test_a_start_may_be_repeated(self):
        name = self.client.session()
        before = self.sessions()
        call = Call(self.client, name, TEXT)
        call.wait(1)
        for _ in range(3):
            self.assertTrue(self.client.StartSession(session_id=name, model_id="tone").success)
        self.assertEqual(self.sessions(), before)
        call.end()
        reply = self.client.StartSession(session_id=name, model_id="espeak")
        self.assertFalse(reply.success)
        self.assertIn("tone", reply.message)
        self.client.EndSession(session_id=name)
        self.assertEqual(self.sessions(), before - 1)
        self.assertEqual(refusal(lambda: Call(self.client, name, TEXT).end())[0], grpc.StatusCode.NOT_FOUND)

    def test_an_end_may_be_repeated_and_cancels(self):
        name = self.client.session()
        calls = [Call(self.client, name, OPEN, final=False) for _ in range(3)]
        for call in calls:
            call.wait(2)
        for _ in range(3):
            self.assertTrue(self.client.EndSession(session_id=name).success)
        self.assertTrue(self.client.EndSession(session_id="nobody").success)
        for call in calls:
            call.end()
            self.assertTrue(call.frames[-1].is_final)
            self.assertLess(len(call.frames), 40)
        eventually(lambda: self.client.metric("queue_depth") == 0, "calls go on")

    def test_a_cancelled_call_ends_its_work_and_not_its_session(self):
        name = self.client.session()
        whole = spoken(self.client, name, "golf.")
        for wait in 0, 3:
            call = Call(self.client, name, OPEN * 50, final=False)
            call.wait(wait)
            call.stream.cancel()
            eventually(lambda: self.client.metric("queue_depth") == 0, "the call goes on")
            self.assertEqual(spoken(self.client, name, "golf."), whole)

    def test_a_deadline_ends_a_call(self):
        name = self.client.session()
        chunk = M["TextChunk"](session_id=name, text=OPEN * 50)
        code, _ = refusal(lambda: list(self.client.synthesize(iter([chunk]), timeout=0.3)))
        self.assertIn(code, (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED))
        eventually(lambda: self.client.metric("queue_depth") == 0, "the call goes on")

    def test_a_client_that_hangs_up_leaves_nothing(self):
        before = self.sessions()
        visitor = Client()
        calls = [Call(visitor, visitor.session(), OPEN * 50, final=False) for _ in range(5)]
        for call in calls:
            call.wait(2)
        self.assertEqual(self.sessions(), before + 5)
        visitor.close()
        eventually(lambda: self.sessions() == before, "its sessions stay")
        eventually(lambda: self.client.metric("queue_depth") == 0, "its calls go on")

    def test_a_client_that_is_killed_leaves_nothing(self):
        before = self.sessions()
        here = os.path.dirname(__file__)
        script = (
            "from wire import *\nc = Client()\nfor _ in range(5):\n    k = Call(c, c.session(), 'alpha. ' * 500)\n"
            "    k.wait(2)\nprint('speaking', flush=True)\ntime.sleep(60)"
        )
        child = subprocess.Popen([sys.executable, "-c", script], cwd=here, stdout=subprocess.PIPE)
        try:
            self.assertEqual(child.stdout.readline(), b"speaking\n")
            self.assertEqual(self.sessions(), before + 5)
        finally:
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
        eventually(lambda: self.sessions() == before, "its sessions stay")
        eventually(lambda: self.client.metric("queue_depth") == 0, "its calls go on")

    def test_a_session_lives_as_long_as_one_of_its_connections(self):
        name = self.client.session()
        call = Call(self.client, name, TEXT)
        visitor = Client()
        spoken(visitor, name, "golf.")
        visitor.close()
        self.assertEqual(call.end(), spoken(self.client, self.client.session(), TEXT))
        time.sleep(0.3)
        self.assertTrue(spoken(self.client, name, "golf."))

    def test_a_session_has_so_many_calls_and_no_more(self):
        name = self.client.session()
        running, code = [], None
        while code is None and len(running) < 1_000:
            call = Call(self.client, name, OPEN, final=False)
            try:
                call.wait(1)
                running.append(call)
            except AssertionError:
                code = call.error.code()
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(self.client.metric("queue_depth"), len(running))
        self.client.EndSession(session_id=name)
        for call in running:
            call.end()

    def test_a_worker_has_so_many_sessions_and_no_more(self):
        limit = self.client.GetCapabilities().capabilities.max_concurrent_sessions
        there = int(self.sessions())
        # A connection of its own takes them all away with it.
        crowd = Client()
        for n in range(limit - there):
            self.assertTrue(crowd.StartSession(session_id=f"crowd-{n}", model_id="tone").success)
        code, sentence = refusal(lambda: crowd.StartSession(session_id="one-too-many", model_id="tone"))
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertIn(str(limit), sentence)
        # Before any work: not even the model's name is looked at.
        code, _ = refusal(lambda: crowd.StartSession(session_id="bad", model_id="piper-nowhere"))
        self.assertEqual(code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        # Who is in may repeat it, and a place that is given back can be taken.
        self.assertTrue(crowd.StartSession(session_id="crowd-0", model_id="tone").success)
        crowd.EndSession(session_id="crowd-0")
        self.assertTrue(crowd.StartSession(session_id="one-too-many", model_id="tone").success)
        crowd.close()
        eventually(lambda: self.sessions() <= there, "the crowd stays")


class Beside(unittest.TestCase):
    """What stands beside the service."""

    @classmethod
    def setUpClass(cls):
        cls.client = Client()

    def test_health(self):
        health = messages(
            "grpc.health.v1",
            {"HealthCheckRequest": "1 service string", "HealthCheckResponse": "1 status ServingStatus"},
            {"ServingStatus": {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3}},
        )
        check = self.client.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health["HealthCheckRequest"].SerializeToString,
            response_deserializer=health["HealthCheckResponse"].FromString,
        )
        for service in "", "tts.TTSService":
            self.assertEqual(check(health["HealthCheckRequest"](service=service), timeout=20).status, 1)
        code, _ = refusal(lambda: check(health["HealthCheckRequest"](service="nobody"), timeout=20))
        self.assertEqual(code, grpc.StatusCode.NOT_FOUND)

    def test_reflection_shows_the_wire_of_old_and_new_fields_from_100_up(self):
        from google.protobuf import descriptor_pb2
        from wire import COMMANDS, TABLE, UNARY, described

        table = {
            "ServerReflectionRequest": "1 host string, 4 file_containing_symbol string, 7 list_services string",
            "ServerReflectionResponse": "4 file_descriptor_response Files, 6 list_services_response Services",
            "Files": "1 file_descriptor_proto bytes*",
            "Services": "1 service Service*",
            "Service": "1 name string",
        }
        # Old tools know the alpha alone.
        for version in "v1", "v1alpha":
            package = f"grpc.reflection.{version}"
            reflection = messages(package, table, {})
            ask = self.client.channel.stream_stream(
                f"/{package}.ServerReflection/ServerReflectionInfo",
                request_serializer=reflection["ServerReflectionRequest"].SerializeToString,
                response_deserializer=reflection["ServerReflectionResponse"].FromString,
            )

            def asked(**question):
                return next(ask(iter([reflection["ServerReflectionRequest"](**question)]), timeout=20))

            names = {service.name for service in asked(list_services="*").list_services_response.service}
            self.assertLessEqual({"tts.TTSService", "grpc.health.v1.Health"}, names)
            files = asked(file_containing_symbol="tts.TTSService").file_descriptor_response.file_descriptor_proto
        file = descriptor_pb2.FileDescriptorProto.FromString(files[0])
        ours = {message.name: message for message in file.message_type}
        for wanted in described("tts", TABLE, {"ControlCommand": COMMANDS}).message_type:
            fields = {field.number: field for field in ours[wanted.name].field}
            for field in wanted.field:
                there = fields.pop(field.number)
                for part in "name", "type", "label", "type_name":
                    self.assertEqual(getattr(there, part), getattr(field, part), f"{wanted.name}.{field.name}")
            self.assertTrue(all(number >= 100 for number in fields), f"{wanted.name}: {sorted(fields)}")
        commands = {value.name: value.number for value in file.enum_type[0].value}
        self.assertEqual(commands, COMMANDS)
        service = {method.name: method for method in file.service[0].method}
        self.assertEqual(set(service), {*UNARY, "Synthesize"})
        both = service["Synthesize"].client_streaming and service["Synthesize"].server_streaming
        self.assertTrue(both)


if __name__ == "__main__":
    unittest.main()
