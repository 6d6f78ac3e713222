"""xdnd.py - drop a file on a window as a file manager does: the source's side of XDND, version 5, by libX11 alone.

    XdndEnter, XdndPosition -> XdndStatus -> XdndDrop -> the target asks for the selection -> text/uri-list ->
    XdndFinished

(https://www.freedesktop.org/wiki/Specifications/XDND/)
"""
import ctypes
import ctypes.util
import time
import urllib.parse

from vm import check, deadline

SELECTION_REQUEST, SELECTION_NOTIFY, CLIENT_MESSAGE = 30, 31, 33
XA_ATOM, PROP_REPLACE, VERSION = 4, 0, 5
Long, Window, Int = ctypes.c_long, ctypes.c_ulong, ctypes.c_int


class Head(ctypes.Structure):
    _fields_ = [("type", Int), ("serial", Window), ("send_event", Int), ("display", ctypes.c_void_p),
                ("window", Window)]


class ClientMessage(ctypes.Structure):
    _fields_ = [("head", Head), ("message_type", Window), ("format", Int), ("data", Long * 5)]


class SelectionRequest(ctypes.Structure):
    _fields_ = [("head", Head), ("requestor", Window), ("selection", Window), ("target", Window), ("property", Window),
                ("time", Window)]


class Selection(ctypes.Structure):
    _fields_ = [("head", Head), ("selection", Window), ("target", Window), ("property", Window), ("time", Window)]


class Event(ctypes.Union):
    _fields_ = [("head", Head), ("message", ClientMessage), ("request", SelectionRequest), ("selection", Selection),
                ("pad", Long * 24)]


class Source:
    def __init__(self):
        self.x = ctypes.CDLL(ctypes.util.find_library("X11") or "libX11.so.6")
        for name in "XOpenDisplay", "XInternAtom", "XCreateSimpleWindow", "XDefaultRootWindow":
            getattr(self.x, name).restype = ctypes.c_void_p
        self.display = ctypes.c_void_p(self.x.XOpenDisplay(None))
        check(self.display, "no display")
        root = Window(self.x.XDefaultRootWindow(self.display))
        self.window = self.x.XCreateSimpleWindow(self.display, root, 0, 0, 1, 1, 0, Window(0), Window(0))

    def atom(self, name):
        return self.x.XInternAtom(self.display, name.encode(), 0)

    def send(self, to, event, window=None):
        event.head.display, event.head.window = self.display, window or to
        self.x.XSendEvent(self.display, Window(to), 0, Long(0), ctypes.byref(event))
        self.x.XFlush(self.display)

    def message(self, to, name, *data):
        event = Event()
        event.head.type = CLIENT_MESSAGE
        event.message.message_type, event.message.format = self.atom(name), 32
        event.message.data[:] = (self.window,) + data + (0,) * (4 - len(data))
        self.send(to, event)

    def answer(self, request, text):
        """The target asks for what is dropped."""
        self.x.XChangeProperty(self.display, Window(request.requestor), Window(request.property),
                               Window(request.target), 8, PROP_REPLACE,
                               text, len(text))
        event = Event()
        event.head.type = SELECTION_NOTIFY
        for field in "selection", "target", "property", "time":
            setattr(event.selection, field, getattr(request, field))
        self.send(request.requestor, event)

    def wait(self, name, text):
        """Until the target says so; its data."""
        event, wanted, end = Event(), self.atom(name), deadline(5)
        while True:
            check(self.x.XPending(self.display) or time.monotonic() < end, "no %s from the window" % name)
            if not self.x.XPending(self.display):
                time.sleep(0.02)
                continue
            self.x.XNextEvent(self.display, ctypes.byref(event))
            if event.head.type == SELECTION_REQUEST:
                self.answer(event.request, text)
            if event.head.type == CLIENT_MESSAGE and event.message.message_type == wanted:
                return list(event.message.data)

    def drop(self, window, path):
        """`path` on the window (its X id), in its middle."""
        text = ("file://" + urllib.parse.quote(path) + "\r\n").encode()
        self.x.XSetSelectionOwner(self.display, Window(self.atom("XdndSelection")), Window(self.window), Window(0))
        self.message(window, "XdndEnter", VERSION << 24, self.atom("text/uri-list"))
        self.message(window, "XdndPosition", 0, 0, 0, self.atom("XdndActionCopy"))
        check(self.wait("XdndStatus", text)[1] & 1, "the window takes no files")
        self.message(window, "XdndDrop", 0, 0)
        self.wait("XdndFinished", text)
