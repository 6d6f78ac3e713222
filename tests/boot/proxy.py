"""proxy.py - a connection that somebody cuts: bytes between two sockets, up to a number in one of the directions, or to a word."""
import select
import socket
import threading


class Proxy:
    def __init__(self, target, forward=None, back=None, words=(b"", b"")):
        """Listens at self.port; target: a TCP port. forward, back: so many bytes that way, and it is cut; None: never. words: of each way,
        before which it is cut where that is how a piece begins."""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target, self.limits, self.moved, self.seen = target, [forward, back], [0, 0], [b"", b""]
        self.words = words
        self.was_cut = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        ends = [self.listener.accept()[0]]
        self.listener.close()
        ends.append(socket.create_connection(("127.0.0.1", self.target)))
        while not self.was_cut:
            for s in select.select(ends, [], [])[0]:
                if not self.carry(ends, ends.index(s)):
                    self.was_cut = True
                    break
        for s in ends:
            s.close()

    def carry(self, ends, way):
        """False: the connection ends."""
        limit = self.limits[way]
        room = 65536 if limit is None else min(65536, limit - self.moved[way])
        try:
            piece = ends[way].recv(room) if room else b""
            if self.words[way] and piece.startswith(self.words[way]):
                return False
            ends[1 - way].sendall(piece)
        except OSError:
            return False
        self.moved[way] += len(piece)
        return bool(piece)
