"""Stands in front of moto, which validates nothing, and holds every call against AWS's own published model of the service (botocore's data):
members, types, patterns, lengths, enumerations. What the model refuses gets AWS's answer and is written down; the rest goes on byte by byte,
signature and all.   PORT=… UPSTREAM=http://… cognito_model.py     GET /refused: what was refused so far"""

import http.client
import http.server
import json
import os
import urllib.parse

import regex
from botocore.session import Session

MODEL = Session().get_service_model("cognito-idp")
UPSTREAM = urllib.parse.urlsplit(os.environ["UPSTREAM"])
TYPES = {"string": str, "boolean": bool, "integer": int, "long": int, "structure": dict, "list": list, "map": dict}
refused = []


def problems(shape, value, place):
    if shape.type_name in TYPES and (type(value) is not TYPES[shape.type_name]):
        return [f"{place} is no {shape.type_name}"]
    found, limits = [], shape.metadata
    size = value if shape.type_name in ("integer", "long") else len(value) if hasattr(value, "__len__") else None
    if size is not None and not limits.get("min", size) <= size <= limits.get("max", size):
        found.append(f"{place} is outside {limits.get('min')}..{limits.get('max')}")
    if shape.type_name == "string":
        if "pattern" in limits and not regex.fullmatch(limits["pattern"], value, regex.ASCII if "\\p" not in limits["pattern"] else 0):
            found.append(f"{place} does not match {limits['pattern']}")
        if shape.enum and value not in shape.enum:
            found.append(f"{place} is none of {shape.enum}")
    if shape.type_name == "list":
        for index, entry in enumerate(value):
            found += problems(shape.member, entry, f"{place}[{index}]")
    if shape.type_name == "structure":
        found += [f"{place}.{name} is missing" for name in shape.required_members if name not in value]
        for name, member in value.items():
            known = shape.members.get(name)
            found += problems(known, member, f"{place}.{name}") if known else [f"{place}.{name} is no member"]
    return found


class Layer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200, json.dumps(refused).encode())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        target = self.headers.get("x-amz-target", "")
        if target.startswith("AWSCognitoIdentityProviderService."):
            operation = MODEL.operation_model(target.rsplit(".")[-1])
            found = problems(operation.input_shape, json.loads(body), operation.name)
            if found:
                refused.extend(found)
                self.answer(400, json.dumps({"__type": "InvalidParameterException", "message": "; ".join(found)}).encode())
                return
        upstream = http.client.HTTPConnection(UPSTREAM.hostname, UPSTREAM.port)
        upstream.putrequest("POST", self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            upstream.putheader(name, value)
        upstream.endheaders(body)
        response = upstream.getresponse()
        self.answer(response.status, response.read(), response.headers.get("x-amzn-errortype"))

    def answer(self, status, body, error_type=None):
        self.send_response(status)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        if error_type:
            self.send_header("x-amzn-errortype", error_type)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Layer).serve_forever()
