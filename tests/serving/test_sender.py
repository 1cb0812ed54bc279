"""The sender takes half an answer for none, and asks again."""

import socket
import threading
from datetime import UTC, datetime

from pipeline.traffic.sender import Sender

WHOLE = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\nConnection: close\r\n\r\n{"said": 42}'
)
ANSWERS = [WHOLE[:-5], WHOLE[:9], b"", WHOLE]  # broken off in the body, in the status line, at once; and whole


def test_an_answer_that_breaks_off_is_asked_for_again(monkeypatch):
    monkeypatch.setattr("pipeline.traffic.sender.time.sleep", lambda _: None)
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            for said in ANSWERS:
                connection, _ = server.accept()
                with connection:
                    request = b""
                    while not request.endswith(b"}"):  # what is left unread would reset the connection
                        request += connection.recv(65536)
                    asked.append(request)
                    connection.sendall(said)

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        sender = Sender(url, [], key="", clock=lambda: datetime(2026, 1, 1, tzinfo=UTC))
        assert sender._post("/labels", {"labels": []}) == {"said": 42}
        thread.join()
    assert len(asked) == len(ANSWERS)
