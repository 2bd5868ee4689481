"""What the checks know of the server under test: its URL, its names, and plain HTTP without a client."""

import json
import math
import pathlib
import socket
import time
import urllib.error
import urllib.parse
import urllib.request

import openai


class Server:
    """The server under test."""

    def __init__(self, url, adapter_dir, key):
        self.url, self.key = url.rstrip("/"), key
        self.adapter_dir = pathlib.Path(adapter_dir).resolve()
        self.client = openai.OpenAI(base_url=self.url + "/v1", api_key=key or "none", max_retries=0, timeout=120)
        cards = self.client.models.list().data
        self.base = next(card.id for card in cards if card.parent is None)
        self.adapter = next(card.id for card in cards if card.parent == self.base)
        self.max_model_len = next(card.max_model_len for card in cards if card.id == self.base)

    def request(self, method, path, body=None, headers=None):
        """Plain HTTP: (status, headers, text)."""
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        headers = {"content-type": "application/json", **self.auth(), **(headers or {})}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as response:
                return response.status, response.headers, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read().decode()

    def auth(self):
        return {"authorization": f"Bearer {self.key}"} if self.key else {}

    def post(self, path, body):
        status, _, text = self.request("POST", path, body)
        return status, text

    def raw(self, path, body):
        """Sends a request on a socket of its own and leaves the answer to the caller."""
        address = urllib.parse.urlsplit(self.url)
        data = json.dumps(body).encode()
        lines = [f"POST {path} HTTP/1.1", f"host: {address.netloc}", "content-type: application/json",
                 f"content-length: {len(data)}", *(f"{k}: {v}" for k, v in self.auth().items()), "", ""]
        connection = socket.create_connection((address.hostname, address.port), timeout=60)
        connection.sendall("\r\n".join(lines).encode() + data)
        return connection

    def metrics(self):
        """Samples of /metrics: {'name{labels}': value}."""
        _, _, text = self.request("GET", "/metrics")
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}

    def metric(self, prefix):
        """The first sample whose name begins so."""
        return next((value for name, value in self.metrics().items() if name.startswith(prefix)), math.nan)

    def wait_for(self, prefix, wanted, seconds=5.0):
        """Whether a metric reaches a value in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.metric(prefix) == wanted:
                return True
            time.sleep(0.02)
        return False

    def load(self, name, folder, inplace=False):
        body = {"lora_name": name, "lora_path": str(folder), "load_inplace": inplace, "base_model_name": self.base}
        return self.post("/v1/load_lora_adapter", body)

    def unload(self, name):
        return self.post("/v1/unload_lora_adapter", {"lora_name": name})
