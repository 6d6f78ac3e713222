/* flusher.c - see flusher.h.
 *
 * A flush waits for the host's disk, for milliseconds, while a guest has other things to do than to wait for it. What
 * else touches a disk (image/disk.h) is not made for two threads, and need not be: a drive that flushes is busy. Who wants
 * the disk in spite of that (a guest that resets the drive, a snapshot, the end) waits first.
 *
 * One thread for all disks: there is seldom more than one flush at a time. It is there before the cage is shut, and ends
 * with the process.
 */
#include "frontend/image/flusher.h"

#include <pthread.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t wanted, done;
    Flush *first; /* the one that is under way, and those behind it */
    bool running;
    void (*tell)(void);
} flusher = {
    .lock = PTHREAD_MUTEX_INITIALIZER, .wanted = PTHREAD_COND_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static Flush *next_wanted(void)
{
    pthread_mutex_lock(&flusher.lock);
    while (!flusher.first) pthread_cond_wait(&flusher.wanted, &flusher.lock);
    Flush *f = flusher.first;
    pthread_mutex_unlock(&flusher.lock);
    return f;
}

static void take_result(Flush *f, int error)
{
    pthread_mutex_lock(&flusher.lock);
    flusher.first = f->next;
    f->error = error;
    f->state = FLUSH_DONE;
    pthread_cond_broadcast(&flusher.done);
    pthread_mutex_unlock(&flusher.lock);
}

static _Noreturn void *thread_main(void *none)
{
    (void)none;
    for (;;) {
        Flush *f = next_wanted();
        take_result(f, disk_flush(f->disk));
        flusher.tell();
    }
}

bool flusher_start(void (*done)(void), Problem *p)
{
    pthread_t thread;
    flusher.tell = done;
    flusher.running = !pthread_create(&thread, NULL, thread_main, NULL);
    if (!flusher.running) return problem_set(p, "the host allows no thread");
    pthread_detach(thread);
    return true;
}

static void append(Flush *f)
{
    Flush **at = &flusher.first;
    while (*at) at = &(*at)->next;
    *at = f;
    f->next = NULL;
    f->state = FLUSH_WANTED;
    pthread_cond_signal(&flusher.wanted);
}

int flusher_ask(Flush *f, Disk *d)
{
    if (!flusher.running) return disk_flush(d);
    int result = MEDIUM_LATER;
    pthread_mutex_lock(&flusher.lock);
    if (f->state == FLUSH_DONE) {
        result = f->error;
        f->state = FLUSH_NONE;
    } else if (f->state == FLUSH_NONE) {
        f->disk = d;
        append(f);
    }
    pthread_mutex_unlock(&flusher.lock);
    return result;
}

bool flusher_is_at_work(const Flush *f)
{
    pthread_mutex_lock(&flusher.lock);
    bool at_work = f->state == FLUSH_WANTED;
    pthread_mutex_unlock(&flusher.lock);
    return at_work;
}

void flusher_wait(Flush *f)
{
    if (!flusher.running) return;
    pthread_mutex_lock(&flusher.lock);
    while (f->state == FLUSH_WANTED) pthread_cond_wait(&flusher.done, &flusher.lock);
    f->state = FLUSH_NONE;
    pthread_mutex_unlock(&flusher.lock);
}
