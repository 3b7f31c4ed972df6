"""An agent's turn, recorded by the OpenTelemetry SDK as its documentation shows: python agent.py ENCODING COMPRESSION URL.

Exports every span twice, as an exporter does whose first answer was lost, and prints what the SDK says of them."""

import json
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.common.http import Compression as JsonCompression
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter as JsonExporter
from opentelemetry.exporter.otlp.proto.http import Compression as ProtoCompression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as ProtoExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode

encoding, compression, url = sys.argv[1:]
Exporter, Compression = {
    "protobuf": (ProtoExporter, ProtoCompression),
    "json": (JsonExporter, JsonCompression),
}[encoding]
exporter = Exporter(endpoint=url, compression=Compression(compression), timeout=60)
kept = InMemorySpanExporter()
provider = TracerProvider(resource=Resource.create({"service.name": "refund-bot", "host.name": "secret"}))
provider.add_span_processor(SimpleSpanProcessor(kept))
tracer = provider.get_tracer("agent")

with tracer.start_as_current_span("invoke_agent refunds") as agent:
    agent.set_attributes(
        {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "refunds",
            "gen_ai.provider.name": "acme",
        }
    )
    with tracer.start_as_current_span("chat") as chat:
        chat.set_attributes(
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "m-1",
                "gen_ai.usage.input_tokens": 1200,
                "gen_ai.request.temperature": 0.25,
                "gen_ai.request.stop_sequences": ["a", "ü"],
            }
        )
    with tracer.start_as_current_span("execute_tool refund") as tool:
        tool.set_attributes(
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund", "error.type": "timeout"}
        )
        tool.add_event("retry", {"n": 1})
        tool.set_status(Status(StatusCode.ERROR, "too slow"))
    with tracer.start_as_current_span("GET /health"):
        pass
    with tracer.start_as_current_span("deploy") as deploy:
        deploy.set_attributes({"attestd.record": True, "attestd.target": "prod"})

spans = kept.get_finished_spans()
answers = [exporter.export(spans).name for _ in range(2)]
exporter.shutdown()
context = agent.get_span_context()
print(
    json.dumps(
        {
            "answers": answers,
            "trace": trace.format_trace_id(context.trace_id),
            "agent": trace.format_span_id(context.span_id),
            "spans": len(spans),
        }
    )
)
