/* two.c - see two.h. */
#define _GNU_SOURCE
#include "frontend/snapshot/two.h"

#include <pthread.h>
#include <sched.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    TwoWork *work; /* NULL: there is none */
    void *ctx;
    bool there;
} two = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER};

static void *serve(void *unused)
{
    pthread_mutex_lock(&two.lock);
    two.there = true;
    pthread_cond_broadcast(&two.moved);
    for (;;) {
        while (!two.work) pthread_cond_wait(&two.moved, &two.lock);
        pthread_mutex_unlock(&two.lock);
        two.work(two.ctx, 1);
        pthread_mutex_lock(&two.lock);
        two.work = NULL;
        pthread_cond_broadcast(&two.moved);
    }
    return unused;
}

void two_start(void)
{
    enum { STACK_BYTES = 256 << 10 };
    cpu_set_t allowed;
    pthread_attr_t how;
    pthread_t thread;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0 || CPU_COUNT(&allowed) < 2) return;
    pthread_attr_init(&how);
    pthread_attr_setstacksize(&how, STACK_BYTES);
    bool made = !pthread_create(&thread, &how, serve, NULL);
    pthread_attr_destroy(&how);
    pthread_mutex_lock(&two.lock);
    while (made && !two.there) pthread_cond_wait(&two.moved, &two.lock); /* what it begins with, no cage allows */
    pthread_mutex_unlock(&two.lock);
}

unsigned two_count(void) { return two.there ? 2 : 1; }

void two_run(TwoWork *work, void *ctx)
{
    if (two.there) {
        pthread_mutex_lock(&two.lock);
        two.ctx = ctx;
        two.work = work;
        pthread_cond_broadcast(&two.moved);
        pthread_mutex_unlock(&two.lock);
    }
    work(ctx, 0);
    if (!two.there) return;
    pthread_mutex_lock(&two.lock);
    while (two.work) pthread_cond_wait(&two.moved, &two.lock);
    pthread_mutex_unlock(&two.lock);
}
