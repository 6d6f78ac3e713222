#!/usr/bin/env python3
"""formats.py DRIVER PART [RING3] - image files against Debian's qemu-img and qemu-io. Ends with 77 if there are none.

DRIVER is disk_driver, which reads, writes, flushes and discards at random places of an image and compares what it
reads with a raw mirror. Then qemu-img must find the same contents and nothing to complain of.

random    images that qemu-img made, of every shape
kill      SIGKILL in mid-write: no flushed write is lost, the image opens, `check` finds leaked clusters at most
          (KILLS=n: how many times)
img       `ring3 img` in all its commands, and what qemu-img thinks of it
mutants   headers and tables with changed bytes: a sentence or an error, never a crash (MUTANTS=n)
"""
import os, random, shutil, signal, subprocess, sys, tempfile, time

driver, part = sys.argv[1:3]
ring3 = sys.argv[3:]
# Files that are in memory: a flush costs nothing there, so that there can be many.
folder = tempfile.mkdtemp(prefix="ring3-formats-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
path = lambda name: os.path.join(folder, name)


def run(*command, ok=(0,)):
    p = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300)
    if p.returncode not in ok:
        sys.exit("%s: %d\n%s%s" % (" ".join(command), p.returncode, p.stdout.decode(errors="replace"), p.stderr.decode(errors="replace")))
    return p.stdout.decode(errors="replace")


def qemu_img(*words, ok=(0,)):
    return run("qemu-img", *words, ok=ok)


def same(image, fmt, mirror):
    qemu_img("compare", "-f", fmt, "-F", "raw", image, mirror)


def check(image, fmt, leaks=False):
    """3: leaked clusters and nothing else."""
    qemu_img("check", "-f", fmt, image, ok=(0, 3) if leaks else (0,))


def drive(image, *words):
    run(driver, image, "-", *words)


def fresh(name):
    if os.path.exists(path(name)):
        os.remove(path(name))
    return path(name)


def create(name, fmt, options, size, backing=None):
    words = ["create", "-q", "-f", fmt] + (["-o", options] if options else [])
    if backing:
        words += ["-b", backing[0], "-F", backing[1]]
    qemu_img(*words, fresh(name), *([] if backing and size is None else [size]))
    return path(name)


def fill(image, fmt, seed, size):
    """Something that QEMU wrote, some of it compressible."""
    r = random.Random(seed)
    words = []
    for n in range(12):
        at, count = r.randrange(size // 4096) * 4096, r.randrange(1, 40) * 4096
        words += ["-c", "write -P %d %d %d" % (r.randrange(256), at, min(count, size - at))]
    run("qemu-io", "-f", fmt, *words, image)


def workload(image, fmt, mirror, seed, count):
    drive(image, "random", str(seed), str(count), mirror)
    os.truncate(mirror, int(run("qemu-img", "info", "--output=json", "-f", fmt, image).split('"virtual-size": ')[1].split(",")[0]))
    same(image, fmt, mirror)
    if fmt in ("qcow2", "vdi"):
        check(image, fmt)


MIB = 1 << 20
shapes = [("raw", "", "8M", 300)] + [("qcow2", o, s, n) for o, s, n in (
    ("", "64M", 900), ("compat=0.10", "20M", 500), ("cluster_size=512", "3M", 300), ("cluster_size=4k,refcount_bits=1", "8M", 400),
    ("cluster_size=2M", "64M", 200), ("cluster_size=1k,refcount_bits=64", "4M", 300), ("refcount_bits=8,lazy_refcounts=on", "16M", 400),
    ("preallocation=metadata", "16M", 400), ("preallocation=full,cluster_size=8k", "4M", 300), ("", "66049K", 300))]
shapes += [("vdi", "", "32M", 400), ("vdi", "static=on", "8M", 300), ("vdi", "", "66049K", 100), ("vpc", "", "32M", 400),
           ("vpc", "subformat=fixed", "8M", 300), ("vpc", "force_size=on", "66049K", 200)]
shapes += [("vmdk", "subformat=" + f, s, 300) for f, s in (("monolithicSparse", "32M"), ("monolithicSparse", "66049K"), ("monolithicFlat", "8M"),
                                                            ("twoGbMaxExtentSparse", "2200M"), ("twoGbMaxExtentFlat", "8M"))]


def random_images():
    for n, (fmt, options, size, count) in enumerate(shapes):
        image = create("image", fmt, options, size)
        workload(image, fmt, fresh("mirror"), n + 1, count)
        if fmt != "qcow2":
            fill(image, fmt, n, MIB)  # and QEMU writes to it again
            qemu_img("convert", "-f", fmt, "-O", "raw", image, fresh("mirror"))
            workload(image, fmt, path("mirror"), n + 30, count // 2)
    for n, (fmt, options) in enumerate((("raw", ""), ("qcow2", ""), ("qcow2", "compat=0.10,cluster_size=4k"))):
        for top in "", "cluster_size=4k", "compat=0.10", "cluster_size=512":
            base = create("base", fmt, options, "6M")
            fill(base, fmt, n, 6 * MIB)
            image = create("image", "qcow2", top, "7M", backing=("base", fmt))
            qemu_img("convert", "-f", "qcow2", "-O", "raw", image, fresh("mirror"))
            workload(image, "qcow2", path("mirror"), n + 40, 250)
            image = create("third", "qcow2", "", None, backing=("image", "qcow2"))
            workload(image, "qcow2", path("mirror"), n + 60, 120)
    vmdk_parents()
    compressed()
    with_snapshots()


def vmdk_parents():
    base = create("base", "vmdk", "", "6M")
    fill(base, "vmdk", 3, 6 * MIB)
    image = create("image", "vmdk", "", None, backing=("base", "vmdk"))
    qemu_img("convert", "-f", "vmdk", "-O", "raw", image, fresh("mirror"))
    workload(image, "vmdk", path("mirror"), 75, 250)
    drive(base, "write", "3", "1", "0x77")  # the child must notice
    if "CID" not in refused(image):
        sys.exit("a parent that was written since passes")
    qemu_img("convert", "-f", "vmdk", "-O", "vmdk", "-o", "subformat=streamOptimized", base, fresh("stream"))
    qemu_img("convert", "-f", "vmdk", "-O", "raw", base, fresh("mirror"))
    run(driver, path("stream"), "-", "compare", path("mirror"))


def refused(image, *words):
    p = subprocess.run([driver, image, "-", *(words or ("read", "0", "1"))], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.stderr.decode() if p.returncode == 1 else ""


def compressed():
    for options in "", "cluster_size=4k", "compat=0.10,cluster_size=2M", "compression_type=zstd", "compression_type=zstd,cluster_size=2M":
        create("base", "raw", "", "10M")
        fill(path("base"), "raw", 9, 10 * MIB)
        qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", *(["-o", options] if options else []), path("base"), fresh("image"))
        shutil.copy(path("base"), fresh("mirror"))
        workload(path("image"), "qcow2", path("mirror"), 70, 300)


def with_snapshots():
    """Each keeps what it had."""
    for options in "", "cluster_size=4k", "refcount_bits=8,cluster_size=512":
        image = create("image", "qcow2", options, "5M")
        fresh("mirror")
        for n in range(3):
            workload(image, "qcow2", path("mirror"), 80 + n, 200)
            qemu_img("snapshot", "-c", "s%d" % n, image)
            shutil.copy(path("mirror"), path("kept%d" % n))
        workload(image, "qcow2", path("mirror"), 90, 300)
        qemu_img("snapshot", "-d", "s1", image)
        workload(image, "qcow2", path("mirror"), 91, 200)
        for n in 0, 2:
            qemu_img("convert", "-f", "qcow2", "-l", "s%d" % n, "-O", "raw", image, fresh("was"))
            qemu_img("compare", "-f", "raw", "-F", "raw", path("was"), path("kept%d" % n))


def img(*words, ok=(0,)):
    """TESTED is a list of words that stand for `ring3 img`."""
    return run(*ring3, "img", *words, ok=ok)


def img_all():
    makes_and_converts()
    checks()
    resizes()
    commits_and_rebases()
    says_what_is_wrong()


def makes_and_converts():
    made = [("raw", ""), ("qcow2", ""), ("qcow2", "compat=0.10"), ("qcow2", "cluster_size=512,refcount_bits=1"), ("qcow2", "cluster_size=2M"),
            ("vdi", ""), ("vdi", "static=on"), ("vpc", ""), ("vpc", "subformat=fixed"), ("vmdk", "")]
    source = create("source", "raw", "", "5M")
    fill(source, "raw", 4, 5 * MIB)
    for fmt, options in made:
        option = ["-o", options] if options else []
        image = fresh("image")
        img("create", "-q", "-f", fmt, *option, image, "5M")
        fill(image, fmt, 1, 5 * MIB)
        qemu_img("convert", "-f", fmt, "-O", "raw", image, fresh("mirror"))
        workload(image, fmt, path("mirror"), 7, 100)
        img("convert", "-q", "-f", "raw", "-O", fmt, *option, source, fresh("image"))
        same(path("image"), fmt, source)
        if fmt in ("qcow2", "vdi"):
            check(path("image"), fmt)
        img("convert", path("image"), fresh("back"))
        same(path("back"), "raw", source)
        if fmt not in img("info", path("image")) or '"virtual-size": %d' % (5 * MIB) not in img("info", "--output=json", path("image")):
            sys.exit("info does not say what it is")
    for fmt, options in ("vmdk", "subformat=streamOptimized"), ("vmdk", "subformat=twoGbMaxExtentFlat"), ("qcow2", ""):
        qemu_img("convert", "-c" if "stream" in options or fmt == "qcow2" else "-q", "-f", "raw", "-O", fmt, *(["-o", options] if options else []), source, fresh("image"))
        img("convert", "-O", "qcow2", path("image"), fresh("back"))
        same(path("back"), "qcow2", source)


def patch(image, at, bytes_):
    with open(image, "r+b") as f:
        f.seek(at)
        f.write(bytes_)


def checks():
    for options in "", "cluster_size=4k", "refcount_bits=1,cluster_size=1k", "compat=0.10":
        image = create("image", "qcow2", options, "8M")
        fill(image, "qcow2", 3, 8 * MIB)
        if "refcount_bits" not in options:
            qemu_img("snapshot", "-c", "one", image)
            fill(image, "qcow2", 6, 8 * MIB)
        qemu_img("convert", "-f", "qcow2", "-O", "raw", image, fresh("mirror"))
        img("check", "-q", image)
        with open(image, "rb") as f:
            b = f.read()
        block = int.from_bytes(b[int.from_bytes(b[48:56], "big") :][:8], "big")
        narrow = "refcount_bits" in options
        for value, code in ((b"\0", 2),) if narrow else ((b"\2", 3), (b"\0", 2)):
            spoilt = fresh("spoilt")
            shutil.copy(image, spoilt)
            patch(spoilt, block + (0 if narrow else 1), value)  # the header's count
            ours, theirs = img_code("check", spoilt), subprocess.run(["qemu-img", "check", "-f", "qcow2", spoilt], stdout=subprocess.DEVNULL,
                                                                     stderr=subprocess.DEVNULL).returncode
            if ours != theirs or ours != code:
                sys.exit("check of %s: %d, qemu-img %d" % (options, ours, theirs))
            img("check", "-r", "leaks" if code == 3 else "all", spoilt)
            check(spoilt, "qcow2")
            same(spoilt, "qcow2", path("mirror"))
        if "0.10" not in options:  # not closed: nobody writes before it is repaired
            patch(image, 79, b"\1")
            if "img check -r all" not in refused(image, "settle"):
                sys.exit("a dirty image is written")
            img("check", "-r", "all", image)
            workload(image, "qcow2", path("mirror"), 8, 100)


def img_code(*words):
    return subprocess.run([*ring3, "img", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


def resizes():
    for fmt, options in ("raw", ""), ("qcow2", ""), ("qcow2", "cluster_size=512"):
        image = create("image", fmt, options, "3M")
        fill(image, fmt, 5, 3 * MIB)
        qemu_img("convert", "-f", fmt, "-O", "raw", image, fresh("mirror"))
        for size, now in ("+21M", 24), ("20M", 20), ("-18M", 2), ("3M", 3):
            img("resize", "-q", "-f", fmt, "--shrink", image, size)
            os.truncate(path("mirror"), now * MIB)
            workload(image, fmt, path("mirror"), now, 60)
    img("resize", image, "1M", ok=(1,))


def commits_and_rebases():
    for fmt, options in ("raw", ""), ("qcow2", ""):
        base = create("base", fmt, options, "4M")
        fill(base, fmt, 2, 4 * MIB)
        img("create", "-q", "-f", "qcow2", "-b", "base", "-F", fmt, fresh("image"))
        img("resize", "-q", path("image"), "5M")
        qemu_img("convert", "-f", "qcow2", "-O", "raw", path("image"), fresh("mirror"))
        workload(path("image"), "qcow2", path("mirror"), 3, 200)
        create("other", "raw", "", "6M")
        fill(path("other"), "raw", 8, 6 * MIB)
        shutil.copy(path("image"), fresh("second"))
        for new in ["-b", path("other"), "-F", "raw"], ["-b", ""], ["-b", "base", "-F", fmt]:
            img("rebase", "-q", *new, path("second"))
            check(path("second"), "qcow2")
            same(path("second"), "qcow2", path("mirror"))
        img("rebase", "-q", "-u", "-b", "./base", "-F", fmt, path("second"))
        same(path("second"), "qcow2", path("mirror"))
        if img("info", "--backing-chain", path("second")).count("image: ") != 2:
            sys.exit("info: the chain is not shown")
        img("commit", "-q", path("image"))
        same(base, fmt, path("mirror"))
        same(path("image"), "qcow2", path("mirror"))
        check(path("image"), "qcow2")


def says_what_is_wrong():
    image = create("image", "qcow2", "", "1M")
    for words, said in ((("frob", image), "no such command"), (("info",), "missing"), (("info", path("none")), "No such file"),
                        (("create", "-f", "qcow2", path("x"), "1X"), "no size"), (("create", "-f", "gzip", path("x"), "1M"), "no gzip images"),
                        (("create", "-f", "qcow2", "-o", "colour=red", path("x"), "1M"), "colour"), (("convert", image), "missing"),
                        (("commit", image), "no backing"), (("resize", image, "512"), "--shrink"), (("check", "-r", "some", image), "not understood"),
                        (("create", "-f", "qcow2", "-b", "none", "-F", "raw", path("x")), "No such file"), (("inof", image), "did you mean 'info'")):
        p = subprocess.run([*ring3, "img", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
        text = p.stderr.decode()
        if p.returncode != 1 or said not in text or text.count("\n") != 1:
            sys.exit("img %s: %d: %s" % (" ".join(words), p.returncode, text))


def numbers(log):
    with open(log, "rb") as f:
        b = f.read().ljust(16, b"\0")
    return int.from_bytes(b[:8], "little"), int.from_bytes(b[8:16], "little")


def kill_once(image, fmt, seed, leaks):
    log = fresh("log")
    p = subprocess.Popen([driver, image, "-", "flood", str(seed), log], stdin=subprocess.DEVNULL)
    while not os.path.exists(log) or not os.path.getsize(log):
        time.sleep(0.001)
    time.sleep(random.random() ** 2 * 0.15)
    p.kill()
    p.wait()
    confirmed, made = numbers(log)
    if fmt == "qcow2":
        check(image, fmt, leaks)
    run(driver, image, fmt, "recall", str(seed), str(confirmed), str(made))
    return confirmed


killed = [("qcow2", "", "32M", None), ("qcow2", "cluster_size=4k", "4M", None), ("qcow2", "compat=0.10", "8M", None),
          ("qcow2", "cluster_size=512,refcount_bits=64", "2M", None),
          ("vdi", "", "16M", None), ("vpc", "", "16M", None), ("vmdk", "", "16M", None)]


def kill():
    times, flushed = int(os.environ.get("KILLS", 24)), 0
    for n in range(times):
        fmt, options, size, backing = killed[n % len(killed)]
        flushed += kill_once(create("image", fmt, options, size, backing), fmt, n, True)
    print("%d kills, %d writes confirmed by a flush before them" % (times, flushed))


def mutants():
    count = int(os.environ.get("MUTANTS", 600))
    for n, (fmt, options, size) in enumerate(mutated):
        image = create("whole", fmt, options, size)
        if "stream" in options or "compression" in options:
            fill(create("source", "raw", "", size), "raw", n, 1 * MIB)
            qemu_img("convert", "-c", "-f", "raw", "-O", fmt, "-o", options, path("source"), image)
        else:
            fill(image, fmt, n, 1 * MIB)
        print("%s %s:" % (fmt, options), run(driver, path("mutant"), fmt, "mutants", str(n), str(count // len(mutated)), image).strip())


mutated = [("vdi", "", "9M"), ("vpc", "", "9M"), ("vmdk", "", "9M"), ("vmdk", "subformat=streamOptimized", "9M"), ("qcow2", "", "4M"), ("qcow2", "cluster_size=512", "1M"), ("qcow2", "compat=0.10,cluster_size=4k", "2M"),
           ("qcow2", "compression_type=zlib", "2M"), ("qcow2", "compression_type=zstd", "2M")]


def main():
    if not shutil.which("qemu-img") or not shutil.which("qemu-io"):
        print("skipped: qemu-img and qemu-io (qemu-utils) are needed")
        sys.exit(77)
    try:
        {"random": random_images, "img": img_all, "kill": kill, "mutants": mutants}[part]()
    finally:
        shutil.rmtree(folder)


main()
