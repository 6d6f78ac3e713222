/* suspend.c - what the window offers when it is closed.
 *
 * The machine is held, so that nothing happens behind the moment that is kept; then it is a snapshot of a name of its own,
 * and ring3 ends. In a machine's folder the file `suspended` is written last: with it the next start resumes the machine,
 * without it, after a crash on the way, it boots. Elsewhere the person is told which words resume it.
 */
#include "frontend/vm/suspend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "frontend/display/display.h"
#include "frontend/display/screenshot.h"
#include "frontend/host/bytes.h"
#include "frontend/host/files.h"
#include "frontend/inbox.h"
#include "frontend/snapshot/snapshots.h"
#include "frontend/vm/vm.h"

static struct {
    bool under_way;
    bool ran; /* when it began */
} s;

static void run_on(const Problem *p)
{
    char text[sizeof p->text + 40];
    s.under_way = false;
    snprintf(text, sizeof text, "not suspended: %s", p->text);
    say("%s", text);
    if (s.ran) inbox_deliver(&(InboxEvent){.kind = INBOX_CONT});
    display_say("", text);
}

static bool write_note(Problem *p)
{
    static const char note[] = VM_SUSPENDED_NOTE;
    int fd = file_open(FILE_REPLACE, VM_SUSPENDED);
    if (fd < 0) return problem_set(p, VM_SUSPENDED ": %.120s", file_problem());
    int error = ftruncate(fd, 0) ? errno : bytes_write(fd, 0, note, sizeof note - 1);
    if (!error && fsync(fd)) error = errno;
    close(fd);
    if (error) file_discard(VM_SUSPENDED);
    return !error || problem_set(p, VM_SUSPENDED ": %s", strerror(error));
}

static void saved(void *ctx, const Problem *p)
{
    Problem why;
    (void)ctx;
    base_park_fpu(); /* the C library formats */
    if (!p && vm_in_folder() && !write_note(&why)) p = &why;
    if (p) {
        run_on(p);
        return;
    }
    if (!vm_in_folder()) say("suspended; with -loadvm " VM_SUSPENDED " it is resumed");
    inbox_deliver(&(InboxEvent){.kind = INBOX_QUIT});
}

void suspend_begin(Pc *pc)
{
    Problem p;
    if (s.under_way) return;
    base_park_fpu();
    s.under_way = true;
    s.ran = !pc->paused;
    if (vm_in_folder() && !screenshot_write(pc->machine, VM_PICTURE, &p)) say("%s", p.text);
    if (s.ran) inbox_deliver(&(InboxEvent){.kind = INBOX_STOP});
    if (!snapshot_save(pc, VM_SUSPENDED, saved, NULL, &p)) run_on(&p);
}
